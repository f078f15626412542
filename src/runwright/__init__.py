"""Runwright runs the trials of a black-box optimisation, by a driver that can be killed at any moment.

General layout, from the words up:

- `errors`, `status`, `result`, `trial`, `experiment`, `clock`, `events`, `state`: the words. Standard library only.
- `json_values`, `submission`: the words of submit and collect.
- `runner`, `optimizer`: the two contracts; `abstract_runner`: the interface of submit and collect.
- `folder`, `mailbox`, `report`: the run directory; requests of other processes; what is told of a run.
- `function_reference`, `measurements`, `evaluation`: finding a function, reading what it returned, calling it.
- `journal`, `process`, `simulation`, `wrappers`: durable events; processes that outlive the driver; simulated time.
- `runners`, `optimizers`: the plug-ins, one file each.
- `loop`: the engine. `policy` -> `decide` -> `engine` -> `session` -> `scheduler`, and `queue` for a loop of one's own.
- `bridges`: our runners inside other people's loops.
- `config`, `cli`: the experiment file and the command line. `testing`: the conformance suites.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runwright.abstract_runner import AbstractRunner
    from runwright.clock import Clock, SystemClock, VirtualClock
    from runwright.errors import RunwrightError, UsageError
    from runwright.experiment import Choice, Experiment, Float, Int, OpenExperiment
    from runwright.loop.queue import TrialQueue
    from runwright.loop.scheduler import Scheduler
    from runwright.optimizer import Optimizer
    from runwright.result import EvaluationFunction, Failure, Result
    from runwright.runner import Limits, Runner, Traits
    from runwright.status import FailureKind, StopReason, TrialStatus
    from runwright.submission import StatusType, TrialInfo, TrialValue
    from runwright.trial import Arm, BaseTrial, BatchTrial, Trial

__version__ = "0.1.0.dev0"

_HOME = {
    "AbstractRunner": "abstract_runner",
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
    "OpenExperiment": "experiment",
    "Optimizer": "optimizer",
    "Result": "result",
    "Runner": "runner",
    "RunwrightError": "errors",
    "Scheduler": "loop.scheduler",
    "StatusType": "submission",
    "StopReason": "status",
    "SystemClock": "clock",
    "Traits": "runner",
    "Trial": "trial",
    "TrialInfo": "submission",
    "TrialQueue": "loop.queue",
    "TrialStatus": "status",
    "TrialValue": "submission",
    "UsageError": "errors",
    "VirtualClock": "clock",
}

__all__ = [
    "AbstractRunner",
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
    "OpenExperiment",
    "Optimizer",
    "Result",
    "Runner",
    "RunwrightError",
    "Scheduler",
    "StatusType",
    "StopReason",
    "SystemClock",
    "Traits",
    "Trial",
    "TrialInfo",
    "TrialQueue",
    "TrialStatus",
    "TrialValue",
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
