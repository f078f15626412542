"""The journal on disk: one SQLite file, one row an event, one transaction an append."""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from runwright.errors import JournalError
from runwright.folder import write_atomic
from runwright.journal import files, reading
from runwright.journal.rows import crc_of, row_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runwright.events import Event

Synchronous: TypeAlias = Literal["FULL", "NORMAL"]

_FEW = 32  # events that are inserted by one statement, which is a transaction by itself
_INSERT = "INSERT INTO events VALUES "
_ROW = "(?, ?, ?, ?, ?, ?)"


class SqliteJournal:
    """Keeps events in an SQLite file.

    It is checked from end to end before anything is opened for writing, so that a journal which is refused stays as it
    is, byte for byte.

    Args:
        path: The file; made if it is not there. Its folder exists.
        synchronous: When an append returns, ``FULL``: it survives a power cut. ``NORMAL``: it survives the end of this
            process, and a power cut costs at most the last appends, never what was before them.

    Raises:
        JournalDamagedError: It is not what was written.
        JournalTooNewError: A later version wrote it.
        JournalError: It cannot be read or written.
    """

    def __init__(self, path: Path | str, *, synchronous: Synchronous = "FULL") -> None:
        self._path = Path(path)
        if files.is_new(self._path):
            _create(self._path)
        self._checked = self._kept = reading.check(self._path)
        with reading.translated(self._path, "written"):
            files.check_writable(self._path)
            with files.looked_at(self._path):
                self._connection = reading.connect(self._path, "mode=rw")
            self._closed = False
            self._identity = files.identity(self._path)
            try:
                _prepare(self._connection, synchronous)
            except BaseException:
                self.close()
                raise

    def append(self, events: Sequence[Event]) -> None:
        """Keep some more events in one transaction.

        Raises:
            ValueError: An event holds a number that is not finite, or a text that is no Unicode.
            TypeError: An event holds something that JSON cannot hold.
            JournalError: They could not be written; none of them is kept.
        """
        self._check_open()
        if files.identity(self._path) != self._identity:
            raise JournalError(
                f"{self._path}: the journal was moved or removed while this driver worked; put it back and start the "
                "same command again"
            )
        values: list[float | int | str | None] = []
        for seq, event in enumerate(events, self._kept + 1):
            (time, trial, kind, body), data = row_of(event)
            values += (seq, time, trial, kind, body, crc_of(seq, time, trial, kind.encode(), data))
        if values:
            with reading.translated(self._path, "written"):
                self._insert(values, len(events))
            self._kept += len(events)

    def read(self) -> Iterator[Event]:
        """Return all events that were kept when the reading began, in order."""
        self._check_open()
        return reading.read_events(self._path, verified=self._checked)

    def close(self) -> None:
        """Close the file. Idempotent."""
        if not self._closed:
            self._closed = True
            self._connection.close()
            files.let_go(self._path)

    def _insert(self, values: list[float | int | str | None], count: int) -> None:
        if count <= _FEW:
            self._connection.execute(_statement(count), values)
            return
        width = len(values) // count
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(
                _statement(1), (values[at : at + width] for at in range(0, len(values), width))
            )
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite may have rolled it back already, as on a full disk
                self._connection.execute("ROLLBACK")
            raise

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError(f"{self._path}: this journal is closed")


@cache
def _statement(count: int) -> str:
    return _INSERT + ", ".join([_ROW] * count)


def _create(path: Path) -> None:
    """Put an empty journal in place, whole or not at all."""
    image = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for left in path.parent.glob(f".{path.name}.*.tmp"):
            left.unlink(missing_ok=True)  # by a driver that was killed over this; no other driver is here
        image.executescript(reading.SCHEMA)
        write_atomic(path, image.serialize(), sync=True)
    except OSError as error:
        raise JournalError(f"{path}: the journal cannot be made ({error.strerror})") from None
    finally:
        image.close()


def _prepare(connection: sqlite3.Connection, synchronous: Synchronous) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise sqlite3.OperationalError(f"this file system takes no write-ahead log (journal mode {mode})")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version < files.VERSION:  # nothing to convert: a later format only adds
        connection.execute(f"PRAGMA user_version = {files.VERSION}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # an older version looks at the file alone
