"""Runwright runs the trials of a black-box optimisation, by a driver that can be killed at any moment.

General layout, from the words up:

- `errors`, `status`, `result`, `trial`, `experiment`, `clock`, `events`, `state`: the words. Standard library only.
- `runner`, `optimizer`: the two contracts.
- `folder`, `evaluation`: the run directory; calling an evaluation function and measuring it.
- `journal`, `process`, `simulation`, `wrappers`: durable events; processes that outlive the driver; simulated time.
- `runners`, `optimizers`: the plug-ins, one file each.
- `loop`: the engine. `policy` -> `decide` -> `engine` -> `scheduler`.
- `bridges`: our runners inside other people's loops.
- `config`, `cli`: the experiment file and the command line. `testing`: the conformance suites.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runwright.clock import Clock, SystemClock, VirtualClock
    from runwright.errors import RunwrightError, UsageError
    from runwright.experiment import Choice, Experiment, Float, Int
    from runwright.loop.scheduler import Scheduler
    from runwright.optimizer import Optimizer
    from runwright.result import EvaluationFunction, Failure, Result
    from runwright.runner import Limits, Runner, Traits
    from runwright.status import FailureKind, StopReason, TrialStatus
    from runwright.trial import Arm, BaseTrial, BatchTrial, Trial

__version__ = "0.1.0.dev0"

_HOME = {
    "Arm": "trial",
    "BaseTrial": "trial",
    "BatchTrial": "trial",
    "Choice": "experiment",
    "Clock": "clock",
    "EvaluationFunction": "result",
    "Experiment": "experiment",
    "Failure": "result",
    "FailureKind": "status",
    "Float": "experiment",
    "Int": "experiment",
    "Limits": "runner",
    "Optimizer": "optimizer",
    "Result": "result",
    "Runner": "runner",
    "RunwrightError": "errors",
    "Scheduler": "loop.scheduler",
    "StopReason": "status",
    "SystemClock": "clock",
    "Traits": "runner",
    "Trial": "trial",
    "TrialStatus": "status",
    "UsageError": "errors",
    "VirtualClock": "clock",
}

__all__ = [
    "Arm",
    "BaseTrial",
    "BatchTrial",
    "Choice",
    "Clock",
    "EvaluationFunction",
    "Experiment",
    "Failure",
    "FailureKind",
    "Float",
    "Int",
    "Limits",
    "Optimizer",
    "Result",
    "Runner",
    "RunwrightError",
    "Scheduler",
    "StopReason",
    "SystemClock",
    "Traits",
    "Trial",
    "TrialStatus",
    "UsageError",
    "VirtualClock",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a supervisor process must not pay for the rest."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
