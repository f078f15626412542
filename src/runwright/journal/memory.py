"""The journal in memory: for tests, for simulated time, and where nothing needs to outlive the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright.errors import JournalError
from runwright.events import decode
from runwright.journal.rows import row_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runwright.events import Event, Row


class MemoryJournal:
    """Keeps events in a list; the twin of `SqliteJournal`.

    Args:
        encoded: Keep rows of text as the journal on disk does, instead of the event objects. It costs what JSON costs
            and shows that what is read back equals what was written.
    """

    def __init__(self, *, encoded: bool = False) -> None:
        self._encoded = encoded
        self._events: list[Event] = []
        self._rows: list[Row] = []
        self._closed = False

    def append(self, events: Sequence[Event]) -> None:
        """Keep some more events: all of them or none."""
        if self._closed:
            self._check_open()
        if self._encoded:
            self._rows += [row_of(event)[0] for event in events]
        else:
            self._events += events

    def read(self) -> Iterator[Event]:
        """Return all events, in order."""
        self._check_open()
        if self._encoded:
            return map(decode, self._rows[:])
        return iter(self._events[:])

    def close(self) -> None:
        """Refuse what comes after. Idempotent."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError("this journal in memory is closed")
