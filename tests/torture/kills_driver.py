"""A driver to be killed: ``python -m tests.torture.kills_driver DIRECTORY KIND TRIALS EVIDENCE``, the same each time.

Kinds: ``command`` (three at a time, random search), ``long`` (the same, evaluations of three seconds), ``tpe`` (one at
a time, so that every suggestion hangs on all results before it), ``function`` and ``preload`` (a Python function in
processes), ``pool``, ``simulated`` (virtual time); ``stopped`` and ``stopped-pool``: evaluations that suspend
themselves, with a time limit. Each commit with results is told outward, into the file ``told`` of
the folder EVIDENCE: what was said there must never be unsaid.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import runwright as rw
from runwright.clock import monotonic
from runwright.events import Finished
from runwright.optimizers import OptunaOptimizer, RandomOptimizer
from runwright.runners import PoolRunner, ProcessRunner, SimulatedBackendRunner
from runwright.simulation import BackendSimulator, BackendSimulatorOptions
from tests.torture.kills_evaluation import EVIDENCE, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwright.events import Event
    from runwright.optimizer import Optimizer
    from runwright.state import State

EXPERIMENT = rw.Experiment("killed", {"x": rw.Float(0, 1)}, {"y": "minimize"}, seed=5)
WORKERS = 3
SUSPENDED = 6
LIMITS = rw.Limits(timeout=3.0, grace=0.5)
"""Of evaluations that suspend themselves."""
KINDS_OF_FAILURES = ("other", "lost", "submit_error")
RETRIES = 50
"""Programs, workers and supervisors are killed too, and that costs an attempt."""
PROGRAM = Path(__file__).with_name("kills_evaluation.py")
FUNCTION = "tests.torture.kills_evaluation:evaluate"


def make_runner(kind: str, evidence: str) -> rw.Runner:
    """Return the runner of a kind."""
    if kind == "simulated":
        machine = BackendSimulator(BackendSimulatorOptions(8, internal_clock=0.0))
        return SimulatedBackendRunner(machine, evaluation_function=value)
    if kind == "pool":
        return PoolRunner(FUNCTION, workers=WORKERS)
    if kind == "stopped-pool":
        return PoolRunner("tests.torture.kills_evaluation:evaluate_suspended", workers=SUSPENDED)
    if kind in ("function", "preload"):
        return ProcessRunner(function=FUNCTION, workers=WORKERS, preload=kind == "preload")
    length = kind if kind in ("long", "stopped") else "short"
    command = [sys.executable, "-I", "-S", str(PROGRAM), evidence, "{x}", length]
    return ProcessRunner(command, workers={"tpe": 1, "stopped": SUSPENDED}.get(kind, WORKERS))


def make_optimizer(kind: str) -> Optimizer:
    """Return the optimizer of a kind."""
    return OptunaOptimizer("tpe", options={"n_startup_trials": 4}) if kind == "tpe" else RandomOptimizer()


def on_failure(kind: str) -> dict[str, dict[str, float]]:
    """Return what follows a failed attempt: another, and at once where no other trial must be asked for meanwhile."""
    waits = {} if kind == "tpe" else {"longest": 0.2}
    return {key: {"retry": RETRIES, "backoff": 0.0 if kind == "tpe" else 0.05, **waits} for key in KINDS_OF_FAILURES}


class Outward:
    """Tells the world of results, once they are committed.

    Args:
        folder: Where.
    """

    def __init__(self, folder: str) -> None:
        self._fd = os.open(f"{folder}/told", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def __call__(self, state: State, events: Sequence[Event]) -> None:
        said = ""
        for event in events:
            if isinstance(event, Finished) and event.result.failure is None:
                x = state.trials[event.trial].arms[0].parameters["x"]
                said += f"{event.trial} {event.attempt} {x!r} {event.result.metrics['y'][0]!r} {monotonic():.6f}\n"
        if said:
            os.write(self._fd, said.encode())


def main() -> None:
    """Run, or go on."""
    directory, kind, trials, evidence = sys.argv[1:]
    os.environ[EVIDENCE] = evidence
    runner, optimizer = make_runner(kind, evidence), make_optimizer(kind)
    settings: dict[str, Any] = {"limits": LIMITS} if kind.startswith("stopped") else {"on_failure": on_failure(kind)}
    with rw.Scheduler(EXPERIMENT, optimizer, runner, directory=directory, **settings) as scheduler:
        scheduler.run(trials=int(trials), on_turn=Outward(evidence))
        scheduler.state.check()


if __name__ == "__main__":
    main()
