"""What the tests of `RunnerSuite` stand on: its settings, its fixtures, and a look at what is left after each test."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

import pytest

from runwright.experiment import Choice, Experiment, Float
from runwright.testing.runners.driver import Driver
from runwright.testing.runners.leftovers import MARK, Leftovers
from runwright.testing.runners.task import TASKS
from runwright.testing.runners.witness import Witness
from runwright.testing.runners.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runwright.experiment import Parameter
    from runwright.runner import Limits, Runner, Traits
    from runwright.status import TrialStatus


class OpenDriver(Protocol):
    """Makes a runner, opens it and gives a driver of it; closed after the test."""

    def __call__(self, limits: Limits | None = None) -> Driver:
        """Make one; several in a test are several runners in the same run directory."""
        ...


class RunnerFixtures:
    """Settings and fixtures; a suite of one's own overrides what does not fit.

    Attributes:
        unknown: What a poll says of a trial that the runner was never given; None: nothing.
        saves: It can be described in JSON and built again from that.
        logs: A failed evaluation leaves a log in the run directory.
        queues: How many evaluations it executes at once where it takes more trials than that; None: it does not.
        ends_on_close: `Runner.close` ends what would not survive the driver.
    """

    unknown: ClassVar[TrialStatus | None] = None
    saves: ClassVar[bool] = True
    logs: ClassVar[bool] = False
    queues: ClassVar[int | None] = None
    ends_on_close: ClassVar[bool] = True

    @pytest.fixture
    def make_runner(self) -> Callable[[], Runner]:
        """A function that makes the runner anew, each time with the same arguments. Must be overridden."""
        raise NotImplementedError("override the fixture make_runner")

    @pytest.fixture(autouse=True)
    def nothing_left(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """After each test: no thread, no file descriptor and no process more than before."""
        monkeypatch.setenv(MARK, mark := f"{id(self)}.{request.node.name}")
        leftovers = Leftovers(mark)
        yield
        leftovers.check()

    @pytest.fixture
    def traits(self, make_runner: Callable[[], Runner]) -> Traits:
        """What the runner promises; override it to say what it ought to."""
        return make_runner().traits

    @pytest.fixture
    def witness(self, tmp_path: Path) -> Iterator[Witness]:
        """Watches evaluations of `runwright.testing.runners.task`; lets those that are left over end."""
        witness = Witness(tmp_path / "witness")
        yield witness
        witness.close()

    @pytest.fixture
    def work(self, witness: Witness, traits: Traits) -> Work:
        """What is evaluated; override it where the runner cannot evaluate `runwright.testing.runners.task`."""
        return Work.watched(witness, inline=traits.inline)

    @pytest.fixture
    def experiment(self, witness: Witness, traits: Traits) -> Experiment:
        """What trials belong to; to be overridden together with `work`."""
        parameters: dict[str, Parameter] = {
            "x": Float(0, 1000),
            "task": Choice(TASKS),
            "witness": Choice([str(witness.folder)]),
        }
        return Experiment("suite", parameters, {"y": "minimize"} if traits.measures else {}, seed=3)

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        """The run directory, with an awkward name."""
        directory = tmp_path / "run é 'quoted' {x}"
        directory.mkdir()
        return directory

    @pytest.fixture
    def drive(
        self, make_runner: Callable[[], Runner], experiment: Experiment, work: Work, directory: Path
    ) -> Iterator[OpenDriver]:
        """Opens runners, and closes them after the test."""
        drivers: list[Driver] = []

        def opened(limits: Limits | None = None) -> Driver:
            drivers.append(Driver(make_runner(), experiment, directory, limits))
            return drivers[-1]

        yield opened
        work.release()
        for driver in drivers:
            driver.close()
