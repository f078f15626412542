"""What is needed to test a plug-in: the conformance suites. They need pytest; names are imported when first used."""

from __future__ import annotations

import importlib
import sys
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
    _explain_assertions()
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def _explain_assertions() -> None:
    """Have pytest show values where an assertion of a suite fails, as it does in test modules."""
    import pytest

    for suite in ("journal_suite", "optimizer_play", "optimizer_suite", "runner_suite", "runners"):
        if f"{__name__}.{suite}" not in sys.modules:
            pytest.register_assert_rewrite(f"{__name__}.{suite}")
