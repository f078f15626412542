"""The journal knows less than the world: its last transactions are lost, or a dead attempt says something after all."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest

import runwright as rw
from runwright.optimizers import RandomOptimizer
from runwright.runners import ProcessRunner
from runwright.status import TrialStatus
from tests.process.conftest import wait_for
from tests.torture.history import check, rows_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

EXPERIMENT = rw.Experiment("lost", {"x": rw.Float(0, 1)}, {"y": "minimize"}, seed=2)
# A trial after the first waits for `go`. Two evaluations that live at one time are noted.
PROGRAM = """
cd ../../..
[ -e pid ] && kill -0 "$(cat pid)" 2> pid.log && echo overlap >> count
echo $$ > pid
echo "$RUNWRIGHT_TRIAL $RUNWRIGHT_ATTEMPT {x}" >> count
while [ "$RUNWRIGHT_TRIAL" -gt 0 ] && [ ! -e go ]; do sleep 0.01; done
echo '{{"y": {x}}}' > "$RUNWRIGHT_RESULT"
"""


def scheduler(directory: Path, script: str = PROGRAM, **settings: Any) -> rw.Scheduler:
    runner = ProcessRunner(["sh", "-c", script], here=directory.parent)
    limits = rw.Limits(grace=0.1)
    return rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, directory=directory, limits=limits, **settings)


def count(directory: Path) -> list[str]:
    path = directory / "count"
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def forgotten(tmp_path: Path) -> Path:
    """A run directory whose second trial runs, and whose journal has lost everything about it."""
    directory = tmp_path / "run"
    with scheduler(directory) as first:
        first.run(trials=1)
    shutil.copy(directory / "journal.sqlite", tmp_path / "journal")
    pid = os.fork()
    if pid == 0:
        try:
            scheduler(directory).run(trials=2)
        finally:
            os._exit(1)
    wait_for(lambda: len(count(directory)) == 2, "the second evaluation")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    for path in directory.glob("journal.sqlite*"):
        path.unlink()
    shutil.copy(tmp_path / "journal", directory / "journal.sqlite")
    return directory


def test_a_deployment_whose_record_was_lost_is_adopted(forgotten: Path) -> None:
    with scheduler(forgotten) as driver:
        (forgotten / "go").touch()
        driver.run(trials=2)
        trial = driver.state.trials[1]
    assert trial.status is TrialStatus.COMPLETED
    assert trial.attempt == 1
    assert len(count(forgotten)) == 2, "it was evaluated once more"
    assert not check(rows_of(forgotten / "journal.sqlite"))


def test_one_with_other_parameters_is_ended_and_not_adopted(forgotten: Path) -> None:
    """Whoever goes on asks for another point: what runs under its key is not it."""
    (_, _, point) = count(forgotten)[1].split()
    with scheduler(forgotten, enqueue=[{"x": 0.25}], on_failure="retry 3") as driver:
        driver.run(
            trials=2, on_turn=lambda state, _: (forgotten / "go").touch() if state.trials[1].attempt > 1 else None
        )
        trial = driver.state.trials[1]
    assert point != "0.25"
    assert trial.status is TrialStatus.COMPLETED
    assert trial.result is not None
    assert trial.result.metrics == {"y": (0.25, None)}
    assert [line.split() for line in count(forgotten)[1:]] == [["1", "1", point], ["1", "2", "0.25"]]
    (failed,) = trial.attempts
    assert failed.failure is not None
    assert "was deployed with other parameters" in failed.failure.message
    assert not check(rows_of(forgotten / "journal.sqlite"))


# Its child hides from everybody who could end it: another session, no environment, and nobody above it lives on.
HIDES = """
cd ../../..
if [ "$RUNWRIGHT_TRIAL.$RUNWRIGHT_ATTEMPT" = 0.1 ]; then
    result="$RUNWRIGHT_RESULT"
    setsid env -i PATH="$PATH" sh -c 'echo $$ > hidden; while [ ! -e late ]; do sleep 0.01; done; echo "$0" > "$1"' \
        '{{"y": 1}}' "$result" &
    while [ ! -s hidden ]; do sleep 0.01; done
    echo begun >> count
    sleep 600
fi
echo '{{"y": 2}}' > "$RUNWRIGHT_RESULT"
"""


def test_a_late_result_of_a_lost_attempt_is_kept_and_never_told(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    driver = scheduler(directory, HIDES, on_failure="retry 3")
    killed: list[int] = []

    def kill(state: Any, events: Any) -> None:
        """Kill launcher and supervisor as soon as the first attempt has hidden its child."""
        for event in events:
            if event.kind == "Deployed" and not killed:
                wait_for(lambda: count(directory), "the first attempt")
                assert isinstance(driver.runner, ProcessRunner)
                launcher = driver.runner._launcher.pid
                assert launcher is not None
                killed.extend((launcher, event.metadata["pid"]))
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)

    with driver:
        driver.run(trials=1, on_turn=kill)
        assert driver.state.trials[0].attempt == 2
    late = directory / "trials/0/1/result.json"
    assert not late.exists()
    (directory / "late").touch()
    wait_for(lambda: late.exists() and late.read_text(), "the late result")
    with scheduler(directory, HIDES, on_failure="retry 3") as later:
        later.run(trials=2)
        assert [trial.result and trial.result.metrics for trial in later.state.trials] == [{"y": (2.0, None)}] * 2
    assert late.read_text() == '{"y": 1}\n', "it is evidence"
    rows = rows_of(directory / "journal.sqlite")
    assert not check(rows)
    assert [trial for _, _, trial, kind, _ in rows if kind == "Told"] == [0, 1]
