"""What is needed to test a plug-in: the conformance suites. They need pytest; names are imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runwright.testing.journal_suite import JournalSuite
    from runwright.testing.optimizer_suite import OptimizerSuite, OptimizerTraits
    from runwright.testing.runner_suite import RunnerSuite, Witness, Work

_HOME = {
    "JournalSuite": "journal_suite",
    "OptimizerSuite": "optimizer_suite",
    "OptimizerTraits": "optimizer_suite",
    "RunnerSuite": "runner_suite",
    "Witness": "runner_suite",
    "Work": "runner_suite",
}

__all__ = ["JournalSuite", "OptimizerSuite", "OptimizerTraits", "RunnerSuite", "Witness", "Work"]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
