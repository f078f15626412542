from __future__ import annotations

import os
import select
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runwright.process.adoption import Adopted, restart_rule
from runwright.process.client import Launcher
from runwright.process.record import EXIT, read_record
from runwright.runners.process import ProcessRunner
from tests import running
from tests.running import DEADLINE, EXPERIMENT, wait_for

if TYPE_CHECKING:
    from runwright.runner import Limits


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def folder(tmp_path) -> Path:
    yield from running.run_directory(tmp_path)


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


class Driver(running.Driver):
    """Drives process runners."""

    experiment = EXPERIMENT

    def open(self, *args, limits: Limits | None = None, experiment=None, **kwargs) -> ProcessRunner:
        return self.opened(ProcessRunner(*args, **kwargs), limits, experiment)


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
