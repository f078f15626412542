"""The journal: the events of an experiment, durable and in order. Nothing else is kept.

`SqliteJournal` is the one on disk, `MemoryJournal` its twin in memory, `read_events` reads a journal on disk from
another process. The shipped conformance suite is `runwright.testing.journal_suite.JournalSuite`; the format is
described in ``docs/journal.md``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runwright.events import Event
    from runwright.journal.memory import MemoryJournal
    from runwright.journal.reading import read_events
    from runwright.journal.sqlite import SqliteJournal

__all__ = ["Journal", "MemoryJournal", "SqliteJournal", "read_events"]

_HOME = {"MemoryJournal": "memory", "SqliteJournal": "sqlite", "read_events": "reading"}


class Journal(Protocol):
    """Keeps events. One driver appends; whoever can reach it reads."""

    def append(self, events: Sequence[Event]) -> None:
        """Keep some more events: all of them or, when this raises, none.

        When it returns they are as durable as the journal promises. No events is no work.

        Raises:
            ValueError: An event holds a number that is not finite, or a text that is no Unicode.
            TypeError: An event holds something that JSON cannot hold.
            JournalError: They could not be kept, or the journal is closed.
        """
        ...

    def read(self) -> Iterator[Event]:
        """Return all events that were kept when the reading began, in order.

        Raises:
            JournalError: The journal is damaged, or closed.
        """
        ...

    def close(self) -> None:
        """Let go of everything that is open. Idempotent."""
        ...


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: who keeps events in memory needs no SQLite."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
