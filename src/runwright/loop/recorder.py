"""Applies events to the state and makes them durable: one commit a turn."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NoReturn

from runwright import events as ev
from runwright.clock import VirtualClock
from runwright.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runwright.clock import Clock
    from runwright.journal import Journal
    from runwright.state import State


class Recorder:
    """The only way by which anything becomes known.

    Args:
        state: The experiment so far; nobody else applies events to it from now on.
        journal: Where events are committed.
        clock: Time of the experiment.

    Attributes:
        commits: How many commits there were.
        on_commit: Called with the events of each commit; None: nobody listens.
    """

    def __init__(self, state: State, journal: Journal, clock: Clock) -> None:
        self.state = state
        self.clock = clock
        self.commits = 0
        self._fold = state.fold
        self._journal = journal
        self.on_commit: Callable[[Sequence[ev.Event]], object] | None = None
        self._pending: list[ev.Event] = []
        self._said: set[str] = set()
        self._torn = False

    @property
    def pending(self) -> bool:
        """Whether something is recorded that is not yet durable."""
        return bool(self._pending)

    def record(self, event: ev.Event) -> None:
        """Apply an event; it is durable after the next `commit`.

        Raises:
            JournalError: An earlier `record` or `commit` was cut short.
        """
        if self._torn:
            self._refuse()
        try:
            self._fold[type(event)](event)  # as `State.apply` does: a call less, five times a trial
            self.state.last_time = event.time
            self._pending.append(event)
        except BaseException:
            self._torn = True
            raise

    def commit(self) -> None:
        """Make everything recorded so far durable, in one transaction.

        Raises:
            JournalError: It cannot be, or an earlier `record` or `commit` was cut short.
        """
        if self._torn:
            self._refuse()
        if not self._pending:
            return
        self._torn = True
        events, self._pending = self._pending, []
        self.commits += 1
        self._journal.append(events)
        self._torn = False
        if self.on_commit is not None:
            self.on_commit(events)

    @staticmethod
    def _refuse() -> NoReturn:
        """Nothing may follow what was cut short: the journal may lack what the state has, and would contradict itself.

        Ctrl-C can strike between any two steps of `record` and `commit`, and an append may fail.
        """
        raise JournalError("what happened could not be recorded; open the experiment anew to go on from the journal")

    def note(self, message: str, trial: int | None = None) -> None:
        """Record something worth saying, once; with nobody who listens to commits, Python's log says it too."""
        if message in self._said:
            return
        self._said.add(message)
        self.record(ev.Noted(self.clock.now(), message, trial))
        if self.on_commit is None and not isinstance(self.clock, VirtualClock):
            logging.getLogger(__name__).warning("%s%s", "" if trial is None else f"trial {trial}: ", message)
