"""Run directories made by hand, and the command line called in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from runwright import events as ev
from runwright.cli import cli
from runwright.experiment import Choice, Experiment, Float, Int
from runwright.folder import JOURNAL
from runwright.journal import SqliteJournal
from runwright.result import Result as TrialResult
from runwright.state import State
from runwright.status import FailureKind, StopReason, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

EPOCH = 1_700_000_000.0


class RunDirectory:
    """A run directory whose journal is written by hand, an event a second."""

    def __init__(self, path: Path, objectives: Mapping[str, str] | None = None, name: str = "demo") -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self._journal = SqliteJournal(path / JOURNAL)
        parameters = {"x": Float(0, 1), "n": Int(1, 9), "kind": Choice(["a", "b"])}
        self.experiment = Experiment(name, parameters, objectives or {"y": "minimize"})
        self.state = State()
        self.events: list[ev.Event] = []
        self.time = 0.0
        self.add(ev.ExperimentStarted, {"experiment": self.experiment.to_dict(), "runner": {"type": "Fake"}})
        self.driver()

    def add(self, kind: type, *args: Any, **kwargs: Any) -> None:
        event = kind(self.time, *args, **kwargs)
        self.state.apply(event)
        self.events.append(event)
        self._journal.append([event])
        self.time += 1.0

    def driver(self, trials: int | None = 10) -> None:
        self.add(ev.DriverStarted, EPOCH + self.time, {"trials": trials})

    def asked(self, **point: Any) -> int:
        index = len(self.state.trials)
        self.add(ev.TrialAsked, index, [{"x": 0.5, "n": 2, "kind": "a"} | point])
        return index

    def running(self, **point: Any) -> int:
        index = self.asked(**point)
        self.add(ev.DeployStarted, index, 1)
        self.add(ev.Deployed, index, 1, {})
        return index

    def completed(self, *values: float, **point: Any) -> int:
        index = self.running(**point)
        metrics = dict(zip(self.experiment.objectives, [(value, None) for value in values], strict=True))
        self.add(ev.Finished, index, 1, TrialResult(arms={f"{index}_0": metrics}, seconds=0.25))
        return index

    def failed(
        self,
        message: str = "exit status 3",
        log: str | None = None,
        kind: FailureKind = FailureKind.CRASHED,
        **info: Any,
    ) -> int:
        index = self.running()
        result = TrialResult.failed(kind, message, log, seconds=0.5, additional_info=info or None)
        self.add(ev.Finished, index, 1, result)
        self.add(ev.GaveUp, index)
        return index

    def abandoned(self) -> int:
        index = self.running()
        self.add(ev.Stopped, index, 1, TrialStatus.ABANDONED, "enough")
        return index

    def ended(self, reason: StopReason = StopReason.TRIALS, message: str = "all trials have ended") -> None:
        self.add(ev.ExperimentEnded, reason, message)

    def log(self, trial: int, name: str, data: bytes, attempt: int = 1) -> Path:
        path = self.path / "trials" / str(trial) / str(attempt) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def close(self) -> None:
        self._journal.close()


@pytest.fixture
def made(tmp_path: Path) -> Any:
    """Make run directories."""
    directories: list[RunDirectory] = []

    def make(folder: str = "run", **kwargs: Any) -> RunDirectory:
        directory = RunDirectory(tmp_path / folder, **kwargs)
        directories.append(directory)
        return directory

    yield make
    for directory in directories:
        directory.close()


@pytest.fixture
def call() -> Callable[..., Result]:
    """Call the command line in this process."""

    def call(*words: object, **kwargs: Any) -> Result:
        return CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False, **kwargs)

    return call


@pytest.fixture
def refused(call: Callable[..., Result]) -> Callable[..., str]:
    """Call the command line where it must refuse: exit status 2, one line on stderr, nothing on stdout."""

    def refused(*words: object, **kwargs: Any) -> str:
        result = call(*words, **kwargs)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        lines: Sequence[str] = result.stderr.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("error: ")
        assert len(lines[0]) < 1000
        return lines[0].removeprefix("error: ")

    return refused
