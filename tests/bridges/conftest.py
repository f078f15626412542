"""Everything here needs Ax, whose import takes seconds: the tests of this folder share one process."""

from __future__ import annotations

import pytest

pytest.importorskip("ax")
