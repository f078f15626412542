"""Runs trials in tests: a runner is driven as the engine drives it, and nothing is left behind."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

import runwright as rw
from runwright.clock import Waker, monotonic
from runwright.process.adoption import Adopted, restart_rule
from runwright.runner import Limits, RunContext

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runwright.runner import Runner

DEADLINE = 30.0  # of anything that should happen at once
EXPERIMENT = rw.Experiment("ex p", {"x": rw.Float(0, 10), "n": rw.Int(0, 9)}, {"y": "minimize"})
_GO_ON = (rw.TrialStatus.RUNNING, rw.TrialStatus.STAGED)


def wait_for(condition, what: str):
    """Wait until a condition gives something true, and return it; what it waits for has no descriptor."""
    until, pause = monotonic() + DEADLINE, select.poll()
    while not (found := condition()):
        assert monotonic() < until, f"{what} did not happen"
        pause.poll(2)
    return found


def run_directory(above: Path) -> Iterator[Path]:
    """Make a run directory with an awkward name; what runs in it at the end is ended."""
    path = above / "run é 'quoted' \"dir\" {x}"
    path.mkdir()
    yield path
    for control in path.rglob("lock"):
        found = restart_rule(control.parent)
        if isinstance(found, Adopted):
            found.process.kill()
            found.process.close()


class Driver:
    """Drives runners as the engine does: run, wait, poll, fetch."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.waker = Waker()
        self.runners: list[Runner] = []

    def opened(self, runner: Any, limits: Limits | None, experiment: rw.Experiment | None) -> Any:
        """Open a runner, and close it at the end."""
        self.runners.append(runner)
        runner.open(RunContext(experiment or EXPERIMENT, self.folder, limits=limits or Limits(grace=0.3)))
        return runner

    def trial(self, index: int = 0, attempt: int = 1, experiment=None, **facts):
        parameters = facts.pop("parameters", {"x": 0.5, "n": 3})
        trial = (experiment or EXPERIMENT).new_trial(index, [parameters], **facts)
        trial.attempt = attempt
        return trial

    def finish(self, runner, *trials) -> dict[int, rw.TrialStatus]:
        """Wait until trials have ended; return their statuses."""
        statuses: dict[int, rw.TrialStatus] = {}
        until = monotonic() + DEADLINE
        while len(statuses) < len(trials):
            left = [trial for trial in trials if trial.index not in statuses]
            for status, indices in runner.poll_trial_status(left).items():
                if status not in _GO_ON:
                    statuses |= dict.fromkeys(indices, status)
            if len(statuses) < len(trials):
                runner.wait(runner.context.clock.now() + 1, self.waker)
                assert monotonic() < until, "a trial did not end"
        return statuses

    def result(self, runner, trial) -> rw.Result:
        runner.run(trial)
        self.finish(runner, trial)
        return runner.fetch_result(trial)

    def close(self) -> None:
        for runner in self.runners:
            runner.close()
        self.waker.close()
