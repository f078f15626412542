"""kill -9 of the driver in the middle of an experiment that Ax stores in SQLite."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("ax")
pytest.importorskip("sqlalchemy")

from runwright.journal import read_events
from runwright.state import State

pytestmark = pytest.mark.slow
DRIVER = Path(__file__).with_name("ax_driver.py")
TRIALS = 12
PATIENCE = 120


def driver(directory: Path, evaluations: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "EVALUATIONS": str(evaluations)}
    command = [sys.executable, str(DRIVER), str(directory), str(TRIALS)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_a_stored_experiment_goes_on_without_loss_and_without_a_second_evaluation(tmp_path) -> None:
    evaluations = tmp_path / "evaluations"
    for enough in (5,):  # killed while the fifth trial is evaluated; each start costs seconds of Ax's imports
        process = driver(tmp_path, evaluations)
        deadline = time.monotonic() + PATIENCE
        while len(lines(evaluations)) < enough:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.kill()
        process.communicate()
    process = driver(tmp_path, evaluations)
    told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    found = [line.split() for line in told.splitlines() if line != "ready"]
    assert [line[:2] for line in found] == [[str(index), "COMPLETED"] for index in range(TRIALS)]
    state = State.of(read_events(tmp_path / "run" / "journal.sqlite"))
    points = Counter(line.split(maxsplit=1)[1] for line in lines(evaluations))
    assert set(points.values()) == {1}, "each point was evaluated once"
    own = {int(line[2]) for line in found}
    assert all(state.trials[index].status.is_completed and state.trials[index].attempt == 1 for index in own)
    left = [trial for trial in state.trials if trial.index not in own]
    assert not left, "no job was left without a trial of Ax's"
