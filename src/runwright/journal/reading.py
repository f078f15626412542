"""Reads a journal on disk, checks every event, and writes nothing."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING, TypeAlias

from runwright.errors import JournalError
from runwright.events import EVENTS, build
from runwright.journal import files
from runwright.journal.rows import crc_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runwright.errors import JournalDamagedError
    from runwright.events import Event
    from runwright.result import Json

SCHEMA = resources.files("runwright.journal").joinpath("schema.sql").read_text("utf-8")
_TABLE = SCHEMA[SCHEMA.index("CREATE TABLE") :].strip().rstrip(";")
_SELECT = "SELECT seq, time, trial, kind, body, crc FROM events WHERE seq > ? ORDER BY seq"
_KINDS = {kind.encode(): kind for kind in EVENTS}
_ROWS_AT_ONCE = 1000
_Stored: TypeAlias = "tuple[int, float, int | None, bytes, bytes, int]"
_PATIENCE = 10.0  # seconds; readers and the one writer never block each other for long
_PRIMARY = 0xFF
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH}
_ADVICE = {
    sqlite3.SQLITE_FULL: "; make room on the disk and start the same command again",
    sqlite3.SQLITE_IOERR: "; look at the disk, and start the same command again",
    sqlite3.SQLITE_CANTOPEN: "; where the folder is read-only, copy it to one that can be written",
    sqlite3.SQLITE_READONLY: "; it is read-only",
}
OLDEST_SQLITE = (3, 37, 0)


def read_events(path: Path, *, verified: int = 0) -> Iterator[Event]:
    """Read a journal from any process, also while a driver writes it. It is not blocked, and nothing is written.

    Args:
        path: The journal.
        verified: So many events were checked by `check` before; they are not checked again.

    Yields:
        The events that were kept when the reading began, in order.

    Raises:
        JournalDamagedError: It is not what was written.
        JournalTooNewError: A later version wrote it.
        JournalError: It cannot be read.
    """
    for rows in _stored(path, verified):
        for (seq, time, trial, kind, _, _), body in zip(rows, _bodies(path, rows), strict=True):
            try:
                yield build(_KINDS[kind], time, trial, body)
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                raise _not_understood(path, f"event {seq} ({_KINDS[kind]})", error) from None


def check(path: Path) -> int:
    """Read a journal through and check everything that can be checked; say how many events it has.

    Raises:
        JournalError: As `read_events` does.
    """
    if files.size_of(path):
        with connected(path) as connection:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if answer != b"ok":
                raise files.damaged(path, answer.decode(errors="replace").replace("\n", " "))
    return sum(len(rows) for rows in _stored(path))


def _stored(path: Path, verified: int = 0) -> Iterator[list[_Stored]]:
    """Read the rows of a journal, some at a time, and check those that were not yet."""
    if files.is_new(path):
        if not path.exists():
            raise JournalError(f"{path}: there is no journal here")
        return
    last = 0
    while True:
        before = _stamp(path)
        with connected(path) as connection:
            cursor = connection.execute(_SELECT, (last,))
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                last += len(rows)
                if last > verified:
                    _check_rows(path, rows, last + 1 - len(rows))
                yield rows
        if before[-1] or _stamp(path) == before:
            return
        # A driver came while a journal without a log was read: what it added follows.


def _check_rows(path: Path, rows: list[_Stored], first: int) -> None:
    for number, (seq, time, trial, kind, body, crc) in enumerate(rows, first):
        if seq != number:
            raise files.damaged(path, f"event {number} is missing")
        if crc != crc_of(seq, time, trial, kind, body):
            raise files.damaged(path, f"event {number} is not what was written")
        if kind not in _KINDS:
            raise files.damaged(path, f"event {number} is of a kind that does not exist: {kind!r:.60}")


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal for reading, after its files and its table were looked at.

    Raises:
        JournalError: As `read_events` does; also for whatever SQLite raises in the body.
    """
    # Without a log nobody writes: read as it lies, no file is made beside it, and a read-only folder will do.
    mode = "mode=ro" if files.size_of(files.wal_of(path)) else "mode=ro&immutable=1"
    with translated(path, "read"):
        with files.looked_at(path):
            connection = connect(path, mode)
            connection.text_factory = bytes
        try:
            tables = connection.execute("SELECT sql FROM sqlite_schema").fetchall()
            if tables != [(_TABLE.encode(),)]:
                raise files.damaged(path, "its table is not the one that was made")
            yield connection
        finally:
            connection.close()
            files.let_go(path)


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a connection without implicit transactions.

    Args:
        path: The journal.
        mode: Query part of SQLite's URI.

    Raises:
        JournalError: This Python's SQLite is too old.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise JournalError(
            f"{path}: the journal needs SQLite 3.37 or later, this Python brings {sqlite3.sqlite_version}; "
            "use another build of Python"
        )
    uri = f"{path.absolute().as_uri()}?{mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_PATIENCE, check_same_thread=False)


@contextmanager
def translated(path: Path, what: str) -> Iterator[None]:
    """Turn an error of SQLite into a sentence.

    Args:
        path: The journal.
        what: What it could not be: ``read`` or ``written``.

    Raises:
        JournalDamagedError: SQLite finds the file malformed.
        JournalError: Anything else.
    """
    try:
        yield
    except UnicodeDecodeError:  # SQLite quotes what it cannot understand
        raise files.damaged(path, "its schema is no text") from None
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
        if what == "read" and code in _DAMAGE:
            raise files.damaged(path, str(error)) from None
        raise JournalError(f"{path}: the journal cannot be {what} ({error}){_ADVICE.get(code, '')}") from None


def _bodies(path: Path, rows: list[_Stored]) -> list[Json]:
    """Parse the bodies of rows: as one text, which takes a third of the time of one by one."""
    try:
        bodies: list[Json] = json.loads(b"[%b]" % b",".join([row[4] for row in rows]))
    except ValueError as error:
        raise _not_understood(path, f"an event from {rows[0][0]} to {rows[-1][0]}", error) from None
    if len(bodies) != len(rows):
        raise files.damaged(path, f"an event from {rows[0][0]} to {rows[-1][0]} is no JSON object")
    return bodies


def _not_understood(path: Path, what: str, error: Exception) -> JournalDamagedError:
    return files.damaged(path, f"{what} cannot be understood: {error!r:.200}")


def _stamp(path: Path) -> tuple[int, int, int]:
    with files.readable(path):
        main = path.stat()
        return main.st_mtime_ns, main.st_size, files.size_of(files.wal_of(path))
