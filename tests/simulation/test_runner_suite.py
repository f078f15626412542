"""The simulated machine under the suite that every runner passes."""

from __future__ import annotations

from pathlib import Path

import pytest

import runwright as rw
from runwright.runners import SimulatedBackendRunner
from runwright.simulation import BackendSimulator, BackendSimulatorOptions
from runwright.testing import RunnerSuite
from runwright.testing.runners.work import Work

TASKS = ("good", "bad", "long")


def evaluate(x: float, task: str) -> dict[str, float]:
    if task == "bad":
        raise ValueError("this evaluation fails: it is bad")
    return {"y": 2 * x}


def runtime(trial) -> float:
    return 1e9 if trial.arms[0].parameters["task"] == "long" else 1.0


class Simulated(RunnerSuite):
    options = BackendSimulatorOptions(3)

    @pytest.fixture
    def make_runner(self, monkeypatch):
        monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))  # another process imports what stands above
        return lambda: SimulatedBackendRunner(BackendSimulator(self.options), runtime, evaluation_function=evaluate)

    @pytest.fixture
    def work(self):
        return Work(lambda task, x: {"x": x, "task": task}, frozenset(TASKS), value=lambda point: {"y": 2 * point["x"]})

    @pytest.fixture
    def experiment(self):
        parameters = {"x": rw.Float(0, 1000), "task": rw.Choice(TASKS)}
        return rw.Experiment("suite", parameters, {"y": "minimize"}, seed=3)


class TestSimulatedBackendRunner(Simulated):
    queues = 3


class TestWithItsOwnClock(Simulated):
    queues = 3
    options = BackendSimulatorOptions(3, internal_clock=5.0)


class TestWithDelaysAndUnequalSlots(Simulated):
    queues = 3
    options = BackendSimulatorOptions(3, speeds=[1.0, 2.0, 3.0], start_delay=0.5, stop_delay=(0.5, 2.0))
