"""A small driver for pool runners."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

import pytest

import runwright as rw
from runwright.clock import Waker
from runwright.runner import Limits, RunContext
from runwright.runners.pool import PoolRunner

HERE = Path(__file__).parent
PATIENCE = 30.0


def _wait_until(condition, what):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"not in {PATIENCE:g} s: {what}"
        time.sleep(0.005)


def _gone(pid):
    """Wait until a process has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        return bool(poller.poll(PATIENCE * 1000))
    finally:
        os.close(fd)


def _lives(pid):
    """Whether a process lives; one that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


class Drive:
    """What a scheduler does with a runner, by hand."""

    def __init__(self, runner, directory=None, low=0.0, high=10.0, **limits):
        self.experiment = rw.Experiment("e", {"x": rw.Float(low, high)}, {"y": "minimize"}, seed=1)
        self.runner = runner
        self.waker = Waker()
        self.context = RunContext(self.experiment, directory, limits=Limits(**limits))
        self.trials = {}
        self.results = {}
        runner.open(self.context)

    def trial(self, index, *points, **fields):
        trial = self.experiment.new_trial(index, [{"x": x} for x in points], **fields)
        trial.attempt = 1
        self.trials[index] = trial
        return trial

    def run(self, index, *points, **fields):
        trial = self.trial(index, *points, **fields)
        free = self.runner.poll_available_capacity
        _wait_until(lambda: free() > 0 or self.turn() or free() > 0, "a free worker")
        trial.run_metadata = self.runner.run(trial)
        return trial

    def turn(self):
        """Wait a moment for news and take them in."""
        named = self.runner.wait(self.context.clock.now() + 0.05, self.waker)
        for status, indices in self.runner.poll_trial_status([self.trials[i] for i in named]).items():
            for index in indices:
                if status is not rw.TrialStatus.RUNNING:
                    self.results[index] = (status, self.runner.fetch_result(self.trials[index]))

    def result(self, index):
        _wait_until(lambda: index in self.results or self.turn() or index in self.results, f"trial {index} has ended")
        return self.results[index]

    def evaluate(self, index, *points, **fields):
        self.run(index, *points, **fields)
        return self.result(index)[1]

    def close(self):
        self.runner.close()
        self.waker.close()


@pytest.fixture
def drive():
    """Make a runner and drive it; close it at the end."""
    drives = []

    def make(function, directory=None, *, workers=1, limits=None, **more):
        text = function if ":" in function else f"pool_functions:{function}"
        runner = PoolRunner(text, workers, folder=HERE)
        drives.append(Drive(runner, directory, **(limits or {}), **more))
        (directory / "control").mkdir(exist_ok=True) if directory is not None else None
        return drives[-1]

    yield make
    for one in drives:
        one.close()


@pytest.fixture
def gone():
    """Wait until a process has ended."""
    return _gone


@pytest.fixture
def lives():
    """Whether a process lives."""
    return _lives


@pytest.fixture
def parent_of():
    """The parent of a process."""
    return _parent_of


@pytest.fixture
def wait_until():
    """Wait until a condition holds."""
    return _wait_until


@pytest.fixture
def by_hand():
    """The class of drivers, for a test that closes its runner itself."""
    return Drive
