"""A plug-in of pytest for `mutants`: tells mutmut which functions a test met in other processes than its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mutmut.state import state

_MET = Path(os.environ["MUTANTS_MET"])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """Take in what launchers, supervisors and other drivers noted."""
    if os.environ.get("MUTANT_UNDER_TEST") == "stats" and _MET.exists():
        state()._stats.update(_MET.read_text().split())
        _MET.unlink()
