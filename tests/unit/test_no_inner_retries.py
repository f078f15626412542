"""Nothing but `on_failure` tries a trial again: what our engines and samplers bring along for that stays off."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import runwright

SOURCE = Path(runwright.__file__).parent
THEIRS = re.compile(r"Retry\w*Callback|heartbeat_interval|retry_history|RetryPolicy|tenacity|backoff\.on_")


def test_no_part_asks_a_library_to_retry():
    asked = [str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if THEIRS.search(path.read_text("utf-8"))]
    assert asked == []


def test_optuna_runs_no_trial_and_has_no_storage_that_could():
    optuna = pytest.importorskip("optuna")
    from runwright.experiment import Experiment, Float
    from runwright.optimizers import OptunaOptimizer

    optimizer = OptunaOptimizer("random")
    optimizer.setup(Experiment("inner", {"x": Float(0, 1)}, {"y": "minimize"}))
    storage = optimizer._study._storage
    assert isinstance(storage, optuna.storages.InMemoryStorage)
    assert not hasattr(storage, "get_failed_trial_callback"), "what detects dead trials, and tries them again"
