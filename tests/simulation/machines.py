"""Machines, trials and clocks for tests, and functions that another process can import."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import runwright as rw
from runwright.simulation import BackendSimulator, BackendSimulatorOptions, BackendSimulatorState

if TYPE_CHECKING:
    from runwright.clock import Waker
    from runwright.trial import BaseTrial

EXPERIMENT = rw.Experiment("machine", {"x": rw.Float(0, 1000)}, {"y": "minimize"}, seed=5)


class Hand:
    """A real clock that is moved by hand; a wait moves it."""

    def __init__(self, now: float = 1000.0) -> None:
        self.seconds = now

    def now(self) -> float:
        return self.seconds

    __call__ = epoch = now

    def start_at(self, seconds: float) -> None:
        self.seconds = seconds

    def wait(self, until: float | None, waker: Waker) -> None:
        assert until is not None, "it would wait for ever"
        self.seconds = max(self.seconds, until)


def machine(slots: int = 1, **options: Any) -> BackendSimulator:
    """A machine with a clock of its own, at 0."""
    clock = options.pop("clock", None)
    options.setdefault("internal_clock", 0.0 if clock is None else None)
    return BackendSimulator(BackendSimulatorOptions(slots, **options), clock=clock)


def finish(simulator: BackendSimulator) -> BackendSimulator:
    """Move a machine from event to event until nothing is planned."""
    while simulator.next_event() is not None:
        simulator.update()
    return simulator


def times(simulator: BackendSimulator, trial: int) -> tuple[float | None, float | None]:
    """Beginning and end of a trial."""
    found = simulator.get_sim_trial_by_index(trial)
    assert found is not None
    return found.sim_start_time, found.sim_completed_time


def again(simulator: BackendSimulator, **arguments: Any) -> BackendSimulator:
    """The same machine from its state, which went through JSON text."""
    text = json.dumps(simulator.state().to_json(), allow_nan=False)
    return BackendSimulator.from_state(BackendSimulatorState.from_json(json.loads(text)), **arguments)


def told(simulator: BackendSimulator) -> Any:
    """All that a machine knows, as JSON."""
    return simulator.state().to_json()


def trial_of(index: int = 0, x: float = 1.0, *, attempt: int = 1, experiment: rw.Experiment = EXPERIMENT) -> BaseTrial:
    """A trial as a runner sees it."""
    trial = experiment.new_trial(index, [{"x": x}])
    trial.attempt = attempt
    return trial


def square(x: float) -> float:
    return x * x


def x_seconds(parameters: dict[str, Any]) -> float:
    return parameters["x"]
