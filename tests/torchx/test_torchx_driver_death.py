"""The driver of local TorchX apps is killed with SIGKILL: TorchX forgets them, while they run on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import runwright as rw
from runwright.clock import SystemClock, Waker, monotonic
from runwright.journal import read_events
from runwright.runners.torchx_processes import processes_of, signal_all
from tests.torchx.driver import scheduler

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def wait_until(what):
    clock, waker, end = SystemClock(), Waker(), monotonic() + 60
    while not (found := what()):
        assert monotonic() < end, "it takes too long"
        clock.wait(clock.now() + 0.02, waker)
    waker.close()
    return found


class Run:
    """A run directory whose first driver is killed while its trials run."""

    def __init__(self, tmp_path, trials):
        self.directory, self.base, self.trials = tmp_path / "run", tmp_path / "results", trials
        self.base.mkdir()
        command = [sys.executable, "-m", "tests.torchx.driver", str(self.directory), str(self.base), str(trials)]
        with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) as driver:
            wait_until(lambda: driver.poll() is not None or len(self.begun()) == trials == len(self.handles()))
            assert driver.poll() is None
            driver.kill()

    def begun(self):
        return list(self.base.glob("begun.*"))

    def handles(self):
        """The handles that are durably recorded, by trial."""
        if not (self.directory / "journal.sqlite").exists():
            return {}
        events = read_events(self.directory / "journal.sqlite")
        return {event.trial: event.metadata["torchx_app_handle"] for event in events if event.kind == "Deployed"}

    def go(self):
        (self.base / "go").touch()

    def next_driver(self):
        with scheduler(str(self.directory), str(self.base), self.trials) as it:
            return it.run()


@pytest.fixture
def killed(tmp_path):
    runs = []

    def make(trials):
        runs.append(Run(tmp_path, trials))
        return runs[-1]

    yield make
    for run in runs:
        for handle in run.handles().values():
            signal_all(handle, signal.SIGKILL)
            wait_until(lambda handle=handle: not processes_of(handle))


def test_apps_that_run_on_are_followed_to_their_end_and_run_once(killed):
    run = killed(3)
    run.go()
    results = run.next_driver()
    assert [row["status"] for row in results] == ["COMPLETED"] * 3
    assert [row["attempts"] for row in results] == [1, 1, 1]
    for row in results:
        assert row["metrics"]["y"]["mean"] == row["parameters"]["x"]
    assert len(run.begun()) == 3


def test_what_ended_while_nobody_looked_is_taken_in(killed):
    run = killed(2)
    run.go()
    wait_until(lambda: not any(processes_of(handle) for handle in run.handles().values()))
    results = run.next_driver()
    assert [row["status"] for row in results] == ["COMPLETED"] * 2
    assert len(run.begun()) == 2


def test_what_cannot_be_found_any_more_is_lost(killed):
    run = killed(2)
    handle = run.handles()[1]
    signal_all(handle, signal.SIGKILL)
    wait_until(lambda: not processes_of(handle))
    run.go()
    results = run.next_driver()
    assert [row["status"] for row in results] == ["COMPLETED", "COMPLETED"], "it is confirmed dead, and tried again"
    (lost,) = results[1]["past_attempts"]
    assert lost["kind"] == rw.FailureKind.LOST.value
    assert lost["message"] == "the driver that started it is gone, and so are its processes; it left no result"
    assert len(run.begun()) == 3


def test_a_trial_of_a_dead_driver_can_be_stopped(killed):
    run = killed(1)
    with scheduler(str(run.directory), str(run.base), 1) as it:
        it.interrupt()
        it.run(on_turn=lambda *_: it.interrupt())
        trial = it.state.trials[0]
    assert trial.attempts[0].outcome.value == "interrupted"
    assert not processes_of(run.handles()[0])
