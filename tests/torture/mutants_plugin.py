"""A plug-in of pytest for `mutants`, in the processes of mutmut."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from mutmut.state import state

_MET = Path(os.environ["MUTANTS_MET"])
_STATS = Path("mutmut-stats.json")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put short tests first, once mutmut knows how long each takes."""
    if _STATS.exists():
        seconds = json.loads(_STATS.read_text())["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0.0))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """Tell mutmut which functions a test met in launchers, supervisors and other drivers."""
    if os.environ.get("MUTANT_UNDER_TEST") == "stats" and _MET.exists():
        state()._stats.update(_MET.read_text().split())
        _MET.unlink()
