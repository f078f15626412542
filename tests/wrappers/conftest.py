from __future__ import annotations

import select
from pathlib import Path

import pytest

import runwright as rw
from runwright.clock import Waker, monotonic
from runwright.process.adoption import Adopted, restart_rule
from runwright.runner import Limits, RunContext
from runwright.runners import WrappedJobRunner
from runwright.wrappers import ScriptWrapper

DEADLINE = 30.0  # of anything that should happen at once
EXPERIMENT = rw.Experiment("ex p", {"x": rw.Float(0, 10), "n": rw.Int(0, 9)}, {"y": "minimize"})


@pytest.fixture
def happens():
    """Wait until a condition gives something true, and return it; what it waits for has no descriptor."""

    def wait_for(condition, what: str):
        until, pause = monotonic() + DEADLINE, select.poll()
        while not (found := condition()):
            assert monotonic() < until, f"{what} did not happen"
            pause.poll(2)
        return found

    return wait_for


@pytest.fixture
def folder(tmp_path) -> Path:
    """A run directory with an awkward name; what runs in it at the end is ended."""
    path = tmp_path / "run é 'quoted' \"dir\" {x}"
    path.mkdir()
    yield path
    for control in path.rglob("lock"):
        found = restart_rule(control.parent)
        if isinstance(found, Adopted):
            found.process.kill()
            found.process.close()


class Driver:
    """Drives a runner as the engine does: run, wait, poll, fetch."""

    def __init__(self, folder: Path | None, scripts: Path) -> None:
        self.folder = folder
        self.scripts = scripts
        self.waker = Waker()
        self.runners: list[WrappedJobRunner] = []

    def script(self, text: str, name: str = "run.sh") -> list[str]:
        """Write a shell script; return the command that runs it."""
        path = self.scripts / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return [f"./{name}"]

    def wrapper(self, run_model: str = "", **settings) -> ScriptWrapper:
        """Make a wrapper around shell scripts, whose texts are given."""
        names = ("write_configs", "set_trial_status", "fetch_trial_data")
        commands = {name: self.script(settings.pop(name), f"{name}.sh") for name in names if name in settings}
        return ScriptWrapper(run_model=self.script(run_model), here=self.scripts, **commands, **settings)

    def open(self, wrapper, *, limits: Limits | None = None, experiment=EXPERIMENT, **settings) -> WrappedJobRunner:
        runner = WrappedJobRunner(wrapper, **{"pause": 0.02, **settings})
        self.runners.append(runner)
        runner.open(RunContext(experiment, self.folder, limits=limits or Limits(grace=0.3)))
        return runner

    def trial(self, index: int = 0, attempt: int = 1, experiment=EXPERIMENT, **facts):
        parameters = facts.pop("parameters", {"x": 0.5, "n": 3})
        trial = experiment.new_trial(index, [parameters], **facts)
        trial.attempt = attempt
        return trial

    def finish(self, runner, *trials) -> dict[int, rw.TrialStatus]:
        """Wait until trials have ended; return their statuses."""
        statuses: dict[int, rw.TrialStatus] = {}
        until = monotonic() + DEADLINE
        while len(statuses) < len(trials):
            left = [trial for trial in trials if trial.index not in statuses]
            for status, indices in runner.poll_trial_status(left).items():
                if status not in (rw.TrialStatus.RUNNING, rw.TrialStatus.STAGED):
                    statuses |= dict.fromkeys(indices, status)
            if len(statuses) < len(trials):
                runner.wait(runner.context.clock.now() + 1, self.waker)
                assert monotonic() < until, "a trial did not end"
        return statuses

    def result(self, runner, trial) -> rw.Result:
        runner.run(trial)
        self.finish(runner, trial)
        return runner.fetch_result(trial)

    def try_script(self, text: str, **settings) -> rw.Result:
        """Run one trial of a script."""
        limits, experiment = settings.pop("limits", None), settings.pop("experiment", EXPERIMENT)
        runner = self.open(self.wrapper(text, **settings), limits=limits, experiment=experiment)
        return self.result(runner, self.trial(experiment=experiment))

    def work(self, index: int = 0, attempt: int = 1) -> Path:
        return self.folder / f"trials/{index}/{attempt}"

    def close(self) -> None:
        for runner in self.runners:
            runner.close()
        self.waker.close()


@pytest.fixture
def driver(folder, tmp_path) -> Driver:
    scripts = tmp_path / "my scripts"
    scripts.mkdir()
    driver = Driver(folder, scripts)
    yield driver
    driver.close()


@pytest.fixture
def nowhere(tmp_path) -> Driver:
    """A driver without a run directory."""
    driver = Driver(None, tmp_path)
    yield driver
    driver.close()


@pytest.fixture(autouse=True)
def _nothing_moves():
    """Whatever hooks do, this process stays in its folder."""
    before = Path.cwd()
    yield
    assert Path.cwd() == before
