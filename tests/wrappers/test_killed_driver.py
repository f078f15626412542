"""Drivers of wrapped scripts are killed by SIGKILL: every command of every trial runs once, and nothing is lost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import runwright as rw
from tests.wrappers import dying

TRIALS = 24
COMMANDS = ("write_configs", "run_model", "set_trial_status", "fetch_trial_data")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_drivers_killed_at_random_moments(tmp_path, seed):
    moments = random.Random(seed)
    (tmp_path / "run").mkdir()
    for _ in range(5):
        process = subprocess.Popen([sys.executable, dying.__file__, str(tmp_path), str(TRIALS)])
        try:
            process.wait(timeout=moments.uniform(0.2, 0.7))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
    with dying.scheduler(tmp_path) as driver:
        driver.run(trials=TRIALS)
        trials = driver.state.trials
    assert [trial.status for trial in trials] == [rw.TrialStatus.COMPLETED] * TRIALS
    assert [trial.attempt for trial in trials] == [1] * TRIALS
    ran = Counter((tmp_path / "count").read_text().splitlines())
    assert ran == Counter(f"{command} {index}" for command in COMMANDS for index in range(TRIALS))
    for index in range(TRIALS):
        link = Path(tmp_path / "run/experiment" / f"{index:06}")
        assert link.resolve() == tmp_path / f"run/trials/{index}/1"
