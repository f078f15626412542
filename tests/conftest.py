"""What holds for every test."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _own_path() -> Iterator[None]:
    """Put the places of modules back: an experiment file adds its folder, where a ``json.py`` may lie.

    What was imported from an added place is forgotten: the next test's ``model.py`` is another one.
    """
    places, modules = list(sys.path), set(sys.modules)
    yield
    if sys.path == places:
        return
    added = set(sys.path) - set(places)
    sys.path[:] = places
    for name in set(sys.modules) - modules:
        if (file := getattr(sys.modules[name], "__file__", None)) and str(Path(file).parent) in added:
            del sys.modules[name]
