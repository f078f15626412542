"""kill -9 of a real loop over a queue at random moments, begun anew each time, until it comes to its end."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from runwright.journal import read_events
from runwright.state import State
from runwright.status import AttemptOutcome
from tests.crash.queue_loop import TRIALS

pytestmark = pytest.mark.slow

LOOP = Path(__file__).with_name("queue_loop.py")


def live(life: float | None, *arguments: str) -> bool:
    """Let a loop work; kill it after a time. Say whether it came to its end."""
    process = subprocess.Popen([sys.executable, str(LOOP), *arguments])
    try:
        assert process.wait(timeout=life or 120) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", ["command", "function", "pool", "local"])
def test_each_submission_has_one_result_whatever_dies(tmp_path: Path, kind: str, seed: int) -> None:
    generator = random.Random(f"{kind} {seed}")
    directory, evaluations, results = tmp_path / "run", tmp_path / "evaluations", tmp_path / "results"
    arguments = (str(directory), kind, str(evaluations), str(results))
    kills = 0
    # Starting takes a quarter of a second or more: lives around it hit the start, the work and the restart. On a busy
    # machine it takes longer, and so lives grow.
    while not live(generator.uniform(0.2, 0.9) * (1 + kills / 20), *arguments):
        kills += 1
        assert kills < 200, "it never comes to its end"
    found = json.loads(results.read_text())
    assert Counter(tuple(entry) for entry in found) == Counter(
        (TRIALS.index(trial), "SUCCESS", float(trial.parameters["x"])) for trial in TRIALS
    )
    state = State.of(read_events(directory / "journal.sqlite"))
    state.check()
    assert len(state.trials) == len(TRIALS), "nothing was submitted twice"
    assert all(trial.status.is_completed for trial in state.trials)
    begun = len(evaluations.read_text().splitlines())
    attempts = sum(trial.attempt for trial in state.trials)
    if kind in ("command", "function"):
        assert begun == attempts == len(TRIALS), "nothing was evaluated twice"
    else:  # an evaluation dies with its driver, and is repeated
        ended = [attempt.outcome for trial in state.trials for attempt in trial.attempts]
        assert set(ended) <= {AttemptOutcome.INTERRUPTED}
        assert len(TRIALS) <= begun <= attempts == len(TRIALS) + len(ended)


def test_a_loop_that_has_ended_is_answered_without_any_evaluation(tmp_path: Path) -> None:
    arguments = (str(tmp_path / "run"), "command", str(tmp_path / "evaluations"), str(tmp_path / "results"))
    assert live(None, *arguments)
    first = json.loads((tmp_path / "results").read_text())
    assert live(None, *arguments)
    assert sorted(json.loads((tmp_path / "results").read_text())) == sorted(first)
    assert len((tmp_path / "evaluations").read_text().splitlines()) == len(TRIALS)
