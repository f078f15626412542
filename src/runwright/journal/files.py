"""What can be said of a journal's files without opening them as a database.

Closing any descriptor of a file drops this process's locks on it (fcntl), SQLite's too. So `looked_at` reads only files
that this process has not opened as a database; what it has opened was looked at then.
"""

from __future__ import annotations

import os
import struct
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runwright.errors import JournalDamagedError, JournalError, JournalTooNewError
from runwright.journal import wal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APPLICATION_ID = 0x52756E77
VERSION = 2
"""Number of the format that is written."""
OLDEST = 1
"""Number of the oldest format that is read: what came later was only ever added."""

_HEADER = struct.Struct(">16s40xII4xI28x")  # magic, text encoding, user_version, application_id
_MAGIC = b"SQLite format 3\0"
_UTF8 = 1

_opened: Counter[str] = Counter()
_lock = threading.RLock()


def wal_of(path: Path) -> Path:
    """Return the write-ahead log of a journal."""
    return path.with_name(path.name + "-wal")


def shm_of(path: Path) -> Path:
    """Return the shared index of a journal's write-ahead log."""
    return path.with_name(path.name + "-shm")


def size_of(path: Path) -> int:
    """Return the size of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from any other that has its name; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  (at each append: half the time of `Path.stat`)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def check_writable(path: Path) -> None:
    """Refuse a file that may not be written: SQLite would leave a log beside it that may not be written either.

    Raises:
        JournalError: It may not.
    """
    if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise JournalError(f"{path}: the journal cannot be written; it is read-only")


def is_new(path: Path) -> bool:
    """Whether there is no journal yet: no file, or the empty one that a driver left which was killed just then.

    Raises:
        JournalDamagedError: The journal is gone or empty, but its write-ahead log is there.
        JournalError: It is no file, or cannot be reached.
    """
    with readable(path):
        if path.exists() and not path.is_file():
            raise JournalError(f"{path}: is no file; a journal is a file, choose another directory")
        if size_of(path):
            return False
        if size_of(wal_of(path)):
            raise damaged(path, f"it is empty or missing, but its log {wal_of(path).name} is there")
        return True


@contextmanager
def looked_at(path: Path) -> Iterator[None]:
    """Look at a journal's files, unless this process has them open; the body then opens them as a database.

    Raises:
        JournalDamagedError: They are not what was written.
        JournalTooNewError: A later version wrote them.
        JournalError: They cannot be read.
    """
    key = os.path.realpath(path)
    with _lock:
        if not _opened[key]:
            with readable(path):
                _check_header(path)
                found = wal.fault(wal_of(path), shm_of(path))
            if found:
                raise damaged(path, found)
        yield
        _opened[key] += 1


def let_go(path: Path) -> None:
    """Note that a connection which was opened under `looked_at` is closed."""
    with _lock:
        _opened[os.path.realpath(path)] -= 1


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn an error of the file system into a sentence.

    Raises:
        JournalError: A file cannot be read.
    """
    try:
        yield
    except OSError as error:
        raise JournalError(f"{path}: the journal cannot be read ({error.strerror})") from None


def damaged(path: Path, what: str) -> JournalDamagedError:
    """Make the error for a journal that is not what was written."""
    return JournalDamagedError(
        f"{path}: the journal is damaged: {what}; it was left as it is: restore it from a copy, or begin anew in "
        "another directory"
    )


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
    if len(header) < _HEADER.size or not header.startswith(_MAGIC):
        raise damaged(path, "it does not begin as an SQLite file does")
    _, encoding, version, application = _HEADER.unpack(header)
    if application != APPLICATION_ID:
        raise damaged(path, "this SQLite file is no journal of Runwright")
    if version > VERSION:
        raise JournalTooNewError(
            f"{path}: the journal has format {version}, this version of Runwright reads up to format {VERSION}; "
            "use a newer one: pip install --upgrade runwright"
        )
    if not OLDEST <= version <= VERSION or encoding != _UTF8:
        raise damaged(path, "its header is not what was written")
