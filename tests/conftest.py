"""What holds for every test."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _own_path() -> Iterator[None]:
    """Put the places of modules back: an experiment file adds its folder, where a ``json.py`` may lie."""
    before = list(sys.path)
    yield
    if sys.path != before:
        sys.path[:] = before
