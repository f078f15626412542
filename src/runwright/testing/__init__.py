"""What is needed to test a plug-in: the conformance suites. They need pytest; names are imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runwright.testing.journal_suite import JournalSuite
    from runwright.testing.optimizer_suite import OptimizerSuite, OptimizerTraits

_HOME = {
    "JournalSuite": "journal_suite",
    "OptimizerSuite": "optimizer_suite",
    "OptimizerTraits": "optimizer_suite",
}

__all__ = ["JournalSuite", "OptimizerSuite", "OptimizerTraits"]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
