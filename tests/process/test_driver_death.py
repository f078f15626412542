"""A driver dies by SIGKILL, wherever: each trial is evaluated exactly once, and its result is taken in."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import runwright as rw
from runwright.clock import Waker
from runwright.runner import NeverStarted
from tests.process import death

SCRIPT = Path(death.__file__)


def killed(folder: Path, label: str, delay: float = 0.0) -> None:
    command = [sys.executable, str(SCRIPT), str(folder), label, str(delay)]
    done = subprocess.run(command, check=False, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == -signal.SIGKILL, done.stdout.decode()


def last_driver(folder: Path) -> None:
    """Go on where the dead drivers stopped, and look at what there is."""
    runner, trial = death.runner_and_trial(folder)
    waker = Waker()
    try:
        answer = runner.reattach([trial])[0]
        if isinstance(answer, NeverStarted):
            runner.run(trial)
        while not (polled := runner.poll_trial_status([trial])) or rw.TrialStatus.RUNNING in polled:
            runner.wait(None, waker)
        assert polled == {rw.TrialStatus.COMPLETED: {0}}
        assert runner.fetch_result(trial).metrics == {"y": (1.0, None)}
    finally:
        runner.close()
        waker.close()
    assert (folder / "count").read_text() == "run\n"


@pytest.mark.slow
@pytest.mark.parametrize("label", death.LABELS)
def test_a_driver_killed_at_a_labelled_point(folder, label):
    killed(folder, label)
    if label == "unfenced":
        killed(folder, "fenced" if not (folder / "count").exists() else "polled")
    last_driver(folder)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_drivers_killed_at_random_moments_one_after_the_other(folder, seed):
    moments = random.Random(seed)
    for _ in range(3):
        killed(folder, "random", moments.uniform(0.05, 0.4))
    last_driver(folder)


@pytest.mark.slow
def test_a_driver_that_dies_right_behind_its_request_is_overtaken_by_the_next(folder):
    """The launcher may still be about to serve the dead driver's request when the next driver asks again."""
    for number in range(4):
        run = folder / str(number)
        run.mkdir()
        killed(run, "sent")
        last_driver(run)
