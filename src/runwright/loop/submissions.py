"""The engine under a foreign loop, which hands in trials and takes out what came of them.

`TrialQueue` and the bridges stand on this: it opens, turns, waits and closes alike for all of them, so that journal,
limits, retries and logs are the same, whichever loop does the proposing.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypedDict

from runwright import events as ev
from runwright.errors import StoppedError, UsageError
from runwright.loop import decide
from runwright.loop.collector import Collector
from runwright.loop.fit import check_limits, check_penalties, check_policy_of_queue
from runwright.loop.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from runwright.clock import Clock
    from runwright.experiment import Experiment
    from runwright.journal import Journal
    from runwright.loop.policy import Policy
    from runwright.loop.session import Sync
    from runwright.runner import Runner
    from runwright.trial import BaseTrial

SUBMITTED = "submitted"
"""Source of the trials that a foreign loop hands in."""


class Place(TypedDict, total=False):
    """Where and when an experiment is executed: arguments of `Submissions` that those who stand on it hand through."""

    directory: Path | str | None
    clock: Clock | None
    journal: Journal | None
    sync: Sync | None


class Submissions:
    """An experiment whose trials a foreign loop hands in.

    Call `begin` before anything else. The engine turns inside the calls and nowhere else: there is no thread.

    Args:
        runner: Executes trials.
        experiment: What may be submitted, and what is measured.
        policy: How many in parallel, how often, within which limits.
        directory: Run directory, made where it does not exist; None: everything stays in memory.
        clock: Time; the runner's kind of time where not given.
        journal: Where events go; ``DIR/journal.sqlite`` or memory where not given.
        sync: See `Scheduler`.
        on_others: Called with the trials that were not handed in here: those on record when it begins, then those that
            users enqueue.

    Attributes:
        session: The run directory, opened.
        state: The experiment as its events tell it; for reading.
        engine: What turns.

    Raises:
        UsageError: The parts do not fit together; nothing was started.
        DirectoryInUseError: Another driver works in the directory.
        JournalError: The journal is damaged or of a later version; it was left untouched.
    """

    def __init__(
        self,
        runner: Runner,
        experiment: Experiment,
        policy: Policy,
        *,
        directory: Path | str | None = None,
        clock: Clock | None = None,
        journal: Journal | None = None,
        sync: Sync | None = None,
        on_others: Callable[[Sequence[BaseTrial]], None] | None = None,
    ) -> None:
        check_policy_of_queue(policy)
        check_limits(runner, policy)
        check_penalties(experiment, policy)
        self.runner = runner
        self._collector = Collector()
        self._on_others = on_others
        self._closed = False
        self._reachable = directory is not None  # for other processes that ask for something
        self.session = Session(
            experiment, self._collector, runner, policy, directory=directory, clock=clock, journal=journal, sync=sync
        )
        self.state, self.engine = self.session.state, self.session.engine
        self.engine.asking = False

    def begin(self) -> None:
        """Record that a driver works from now on, and take in what users asked for meanwhile."""
        if self._on_others is not None:
            self._on_others(self.state.trials)
        self.session.begin()
        self._read_requests()

    @property
    def unlimited(self) -> bool:
        """Whether nothing limits how many trials run at once."""
        return self.engine.room() == decide.UNLIMITED

    # Hand in, take out.

    def add(
        self,
        points: Sequence[Mapping[str, Any]],
        *,
        names: Sequence[str] | None = None,
        instance: str | None = None,
        budget: float | None = None,
        seed: int | None = None,
    ) -> int:
        """Record one trial; the next `turn` starts it if a slot is free, else a later one does.

        Args:
            points: Its points, valid for the experiment: several of a batch trial.
            names: Names of its arms; ``<trial>_<position>`` where not given.
            instance: Problem instance, or None.
            budget: Fidelity, or None.
            seed: Seed of the evaluation, or None.

        Returns:
            Its index.
        """
        index = len(self.state.trials)
        recorder = self.session.recorder
        arms = [dict(point) for point in points]
        labels = None if names is None else list(names)
        recorder.record(
            ev.TrialAsked(recorder.clock.now(), index, arms, SUBMITTED, instance, budget, seed, names=labels)
        )
        return index

    def take_ended(self) -> list[int]:
        """Return the trials that have ended since the last call, in the order of their end: all are durable."""
        return self._collector.take()

    # Turn.

    def check_open(self) -> None:
        """Refuse to go on after the end.

        Raises:
            UsageError: It was closed.
            StoppedError: A user has stopped the experiment.
        """
        if self._closed:
            raise UsageError("this queue is closed; open another one on the same directory")
        if self.state.stop_reason is not None:
            raise StoppedError(f"{self.state.stop_message}; another queue on the same directory goes on from there")

    def look(self, *, wait: bool = False, until: float | None = None) -> bool:
        """Take in news, waiting for them or not, and act on them; say what `turn` does.

        Args:
            wait: Whether to wait for news.
            until: Time at which to return at the latest; None: no such time.
        """
        self.wait(until if wait else self.session.clock.now())
        return self.turn()

    def wait(self, until: float | None = None) -> None:
        """Wait for news; the next `turn` takes them in.

        Args:
            until: Time at which to return at the latest; None: no such time.
        """
        self.check_open()
        try:
            self.session.wait(until)
        except BaseException:
            self.session.save_facts()
            raise

    def turn(self) -> bool:
        """Turn the engine once; say whether a user has stopped the experiment meanwhile."""
        session, asked = self.session, False
        try:
            if self._reachable:
                self._read_requests()
                asked = session.stop_asked()
                if asked:
                    self._end_all()
            session.turn()
        except BaseException:
            session.save_facts()
            raise
        return asked

    def _read_requests(self) -> None:
        """Take in what other processes ask for."""
        trials = self.state.trials
        known = len(trials)
        self.session.read_requests()
        if len(trials) > known and self._on_others is not None:
            self._on_others(trials[known:])

    def _end_all(self) -> None:
        """End what runs, to be repeated by the next queue; what can neither be stopped nor dies with us goes on."""
        session, traits = self.session, self.runner.traits
        if traits.survives_driver and not traits.stops:
            session.engine.detach()
            return
        session.engine.interrupt(self.state.stop_message)
        session.turn()
        while self.state.live:
            session.wait()
            session.turn()

    # Leave.

    def close(self) -> None:
        """Release directory, journal and runner; idempotent.

        Trials that survive this process go on and are followed by the next driver of the directory; the others end, and
        are repeated by it.
        """
        if self._closed:
            return
        self._closed = True
        session = self.session
        try:
            if self.runner.traits.survives_driver:
                with suppress(Exception):  # after an error nothing more can be recorded; it was shown
                    session.engine.detach()
            session.save_facts()
        finally:
            session.close()
