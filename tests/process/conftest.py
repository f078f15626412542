from __future__ import annotations

import os
import select
import signal
from pathlib import Path

import pytest

import runwright as rw
from runwright.clock import Waker, monotonic
from runwright.process.adoption import Adopted, restart_rule
from runwright.process.client import Launcher
from runwright.process.record import EXIT, read_record
from runwright.runner import Limits, RunContext
from runwright.runners.process import ProcessRunner

DEADLINE = 30.0  # of anything that should happen at once


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition, what: str):
    """Wait until a condition gives something true, and return it; what it waits for has no descriptor."""
    until, pause = monotonic() + DEADLINE, select.poll()
    while not (found := condition()):
        assert monotonic() < until, f"{what} did not happen"
        pause.poll(2)
    return found


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with an awkward name; what runs in it at the end is ended."""
    path = tmp_path / "run é 'quoted' \"dir\" {x}"
    path.mkdir()
    yield path
    for control in path.rglob("lock"):
        found = restart_rule(control.parent)
        if isinstance(found, Adopted):
            found.process.kill()
            found.process.close()


@pytest.fixture
def launcher():
    launcher = Launcher()
    yield launcher
    launcher.close()


class Bench:
    """Launches programs under supervisors and waits for their ends."""

    def __init__(self, folder: Path, launcher: Launcher) -> None:
        self.folder = folder
        self.launcher = launcher
        self.count = 0

    def request(self, script: str | None = None, **changes) -> dict:
        self.count += 1
        name = f"{self.count}.1"
        work, control = self.folder / f"trials/{self.count}", self.folder / "control" / name
        work.mkdir(parents=True)
        control.mkdir(parents=True)
        return {
            "id": name,
            "argv": ["sh", "-c", script],
            "env": dict(os.environ),
            "cwd": str(work),
            "control": str(control),
            "stdout": str(work / "stdout.log"),
            "stderr": str(work / "stderr.log"),
            "timeout": None,
            "memory": None,
            "output": None,
            "log": 1_000_000,
            "grace": 0.3,
            **changes,
        }

    def launch(self, request: dict, channel: int | None = None) -> dict:
        channels = None if channel is None else {request["id"]: channel}
        return self.launcher.launch([request], channels)[request["id"]]

    def record(self, request: dict) -> dict:
        """Wait for the end of the supervisor and return its record."""
        found = restart_rule(request["control"])
        if isinstance(found, Adopted):
            assert select.select([found.process], [], [], DEADLINE)[0], "the supervisor did not end"
            found.process.close()
        record = read_record(request["control"], EXIT)
        assert record is not None, "there is no record of the end"
        return record

    def run(self, script: str, **changes) -> dict:
        request = self.request(script, **changes)
        answer = self.launch(request)
        assert answer["event"] == "started", answer
        return self.record(request)

    def text(self, request: dict, stream: str = "stdout") -> str:
        return Path(request[stream]).read_text()


@pytest.fixture
def bench(folder, launcher) -> Bench:
    return Bench(folder, launcher)


EXPERIMENT = rw.Experiment("ex p", {"x": rw.Float(0, 10), "n": rw.Int(0, 9)}, {"y": "minimize"})


class Driver:
    """Drives a runner as the engine does: run, wait, poll, fetch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.waker = Waker()
        self.runners: list[ProcessRunner] = []
        self.experiment = EXPERIMENT

    def open(self, *args, limits: Limits | None = None, experiment=None, **kwargs) -> ProcessRunner:
        runner = ProcessRunner(*args, **kwargs)
        self.runners.append(runner)
        runner.open(RunContext(experiment or self.experiment, self.folder, limits=limits or Limits(grace=0.3)))
        return runner

    def trial(self, index: int = 0, attempt: int = 1, experiment=None, **facts):
        parameters = facts.pop("parameters", {"x": 0.5, "n": 3})
        trial = (experiment or self.experiment).new_trial(index, [parameters], **facts)
        trial.attempt = attempt
        return trial

    def finish(self, runner, *trials) -> dict[int, rw.TrialStatus]:
        """Wait until trials have ended; return their statuses."""
        statuses: dict[int, rw.TrialStatus] = {}
        until = monotonic() + DEADLINE
        while len(statuses) < len(trials):
            left = [trial for trial in trials if trial.index not in statuses]
            for status, indices in runner.poll_trial_status(left).items():
                if status is not rw.TrialStatus.RUNNING:
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


@pytest.fixture
def driver(folder) -> Driver:
    driver = Driver(folder)
    yield driver
    driver.close()


@pytest.fixture
def gone():
    """Wait until processes are gone."""
    return lambda pids: wait_for(lambda: not any(map(alive, pids)), f"the end of {pids}")


@pytest.fixture
def happens():
    return wait_for


@pytest.fixture
def kill():
    return lambda pid: os.kill(pid, signal.SIGKILL)
