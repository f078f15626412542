"""Schedulers in virtual time, and what their journals say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runwright.clock import VirtualClock
from runwright.experiment import Experiment, Float
from runwright.journal import MemoryJournal
from runwright.loop.scheduler import Scheduler
from runwright.state import State
from tests.facts import facts
from tests.fakes import ListOptimizer

if TYPE_CHECKING:
    from runwright.events import Event

ONCE = {"lost": "fail", "submit_error": "fail"}
"""`on_failure` that tries nothing twice."""
EXPERIMENT = Experiment("fake", {"x": Float(0, 1)}, {"y": "minimize"}, seed=3)


def points(count: int) -> list[dict[str, float]]:
    """So many different points."""
    return [{"x": number / 64} for number in range(count)]


def scheduler(runner: Any, proposals: Any = 1, *, journal: Any = None, **settings: Any) -> Scheduler:
    """A scheduler over a fake runner, in virtual time.

    Args:
        runner: The runner.
        proposals: How many points the optimizer proposes, or an optimizer.
        journal: What earlier drivers left.
        **settings: Of `Scheduler`.
    """
    optimizer = ListOptimizer(*points(proposals)) if isinstance(proposals, int) else proposals
    settings.setdefault("clock", VirtualClock())
    if not {"trials", "parallel", "policy"} & settings.keys():
        settings["parallel"] = 8
    if "directory" not in settings:
        settings["journal"] = MemoryJournal(encoded=True) if journal is None else journal
    return Scheduler(settings.pop("experiment", EXPERIMENT), optimizer, runner, **settings)


MOST_TURNS = 2000


def run(runner: Any, proposals: Any = 1, **settings: Any) -> Scheduler:
    """Run a scheduler to its end, check it and, without a directory, close it; what does not end is cut short."""
    driver = scheduler(runner, proposals, **settings)
    turns = 0

    def count(*_: object) -> None:
        nonlocal turns
        turns += 1
        assert turns < MOST_TURNS, "the driver turns without end"

    driver.run(on_turn=count)
    check(driver)
    if "directory" not in settings:
        driver.close()
    return driver


def events(driver: Scheduler) -> list[Event]:
    """All that was committed."""
    return list(driver._session.journal.read())


def kinds(driver: Scheduler, trial: int | None = None) -> list[str]:
    """The kinds of the committed events, all or those of one trial."""
    return [event.kind for event in events(driver) if trial is None or event.trial == trial]


def one(driver: Scheduler, kind: str) -> Any:
    """The only event of a kind."""
    (found,) = [event for event in events(driver) if event.kind == kind]
    return found


def statuses(driver: Scheduler) -> list[str]:
    """The status of each trial."""
    return [trial.status.name for trial in driver.state.trials]


def check(driver: Scheduler) -> None:
    """What holds after every run: the index sets are right, and what was committed tells the same."""
    driver.state.check()
    assert facts(State.of(events(driver))) == facts(driver.state)
