"""kill -9 of a real driver at random moments, the same command again each time, until it comes to its end."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from runwright.journal import read_events
from runwright.report import Results
from runwright.state import State
from runwright.status import AttemptOutcome
from tests.crash.driver import TRIALS

pytestmark = pytest.mark.slow

DRIVER = Path(__file__).with_name("driver.py")


def drive(directory: Path, kind: str, evaluations: Path, life: float | None) -> bool:
    """Let a driver work; kill it after a time. Say whether it came to its end."""
    process = subprocess.Popen([sys.executable, str(DRIVER), str(directory), kind, str(evaluations)])
    try:
        assert process.wait(timeout=life or 120) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def points(directory: Path) -> list[dict[str, object]]:
    return [trial.arms[0].parameters for trial in State.of(read_events(directory / "journal.sqlite")).trials]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    found = {}
    for kind in ("command", "tpe"):
        directory = tmp_path_factory.mktemp(kind)
        assert drive(directory / "run", kind, directory / "evaluations", None)
        found[kind] = points(directory / "run")
    return found


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", ["command", "tpe", "function", "pool"])
def test_nothing_is_lost_and_nothing_runs_twice(
    tmp_path: Path, kind: str, seed: int, undisturbed: dict[str, list[dict[str, object]]]
) -> None:
    generator = random.Random(f"{kind} {seed}")
    directory, evaluations = tmp_path / "run", tmp_path / "evaluations"
    kills = 0
    # Starting takes a quarter of a second or more: lives around it hit the start, the work and the restart.
    while not drive(directory, kind, evaluations, generator.uniform(0.2, 1.2)):
        kills += 1
        assert kills < 200, "it never comes to its end"
    state = State.of(read_events(directory / "journal.sqlite"))
    state.check()
    results = list(Results(state))
    assert len(results) == TRIALS
    assert [row["status"] for row in results] == ["COMPLETED"] * TRIALS
    for row in results:
        assert row["metrics"]["y"]["mean"] == row["parameters"]["x"]
    assert points(directory) == undisturbed["tpe" if kind == "tpe" else "command"]
    interrupted = Counter(
        trial.index
        for trial in state.trials
        for attempt in trial.attempts
        if attempt.outcome is AttemptOutcome.INTERRUPTED
    )
    evaluated = Counter(line.split()[1] for line in evaluations.read_text().splitlines())
    assert len(evaluated) == TRIALS
    if kind == "pool":  # an evaluation dies with its driver, and is repeated
        assert all(state.trials[index].attempt == count + 1 for index, count in interrupted.items())
    else:
        assert not interrupted
        assert set(evaluated.values()) == {1}, "a point was evaluated more than once"
