"""The run directory: names of its files, and writes that are whole or not there.

```
DIR/
  journal.sqlite          what happened
  lock                    held by the driver
  requests/               what other processes want; `wake` is a named pipe that wakes the driver
  trials/<i>/<a>/         working folder of attempt a of trial i: the program's
  control/<i>.<a>/        what the supervisor of that attempt needs and records: ours
```
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
from typing import TYPE_CHECKING, Any

from runwright.errors import DirectoryInUseError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

JOURNAL = "journal.sqlite"
LOCK = "lock"
REQUESTS = "requests"
WAKE = "wake"
TRIALS = "trials"
CONTROL = "control"

# struct flock of fcntl(2) on Linux: l_type, l_whence, l_start, l_len, l_pid
_FLOCK = struct.Struct("hhqqi4x")


def is_of_run(name: str) -> bool:
    """Whether a name in a run directory is that of what the run itself keeps there."""
    return name.startswith(JOURNAL) or name in (LOCK, REQUESTS, TRIALS, CONTROL)


def trial_folder(directory: Path, trial: int, attempt: int) -> Path:
    """Return the working folder of an attempt."""
    return directory / TRIALS / str(trial) / str(attempt)


def control_folder(directory: Path, trial: int, attempt: int) -> Path:
    """Return the folder in which an attempt's supervisor keeps its records."""
    return directory / CONTROL / f"{trial}.{attempt}"


def attempts(directory: Path) -> Iterator[tuple[int, int]]:
    """Return trial and attempt of each control folder of a run directory, in no order."""
    try:
        names = os.listdir(directory / CONTROL)  # noqa: PTH208  (there may be very many)
    except FileNotFoundError:
        return
    for name in names:
        trial, dot, attempt = name.partition(".")
        if dot and trial.isdecimal() and attempt.isdecimal():
            yield int(trial), int(attempt)


def check_no_trials(directory: Path) -> None:
    """Refuse trials where the journal knows of none: their folders are made after its first commit, so it was lost.

    Raises:
        UsageError: There are some.
    """
    folder = directory / TRIALS
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(
            f"{directory}: trials of an earlier run lie in {TRIALS}/, but {JOURNAL} is missing or empty; "
            "bring the journal back, or move the directory away to start anew"
        )


def check_writable(directory: Path) -> None:
    """Refuse a run directory whose folders of trials may not be written: no trial could begin, nor be fenced.

    Raises:
        UsageError: One may not.
    """
    for folder in (directory / TRIALS, directory / CONTROL):
        if folder.exists() and not _may_be_written(folder):
            raise UsageError(f"{folder}: cannot be written; make it writable, or choose another --dir")


def check_can_be_made(directory: Path) -> None:
    """Refuse, without making it, a run directory that is neither there and writable nor could be made.

    Raises:
        UsageError: It stands in, or is, no folder, or one that may not be written.
    """
    nearest = next(place for place in (directory, *directory.parents) if os.path.lexists(place))
    if not nearest.is_dir():
        raise UsageError(f"{directory!s:.300}: cannot be made ({str(nearest)!r:.300} is no folder)")
    if not _may_be_written(nearest):
        what = "written" if nearest == directory else "made"
        raise UsageError(f"{directory!s:.300}: cannot be {what} (Permission denied); choose another --dir")
    check_writable(directory)


def _may_be_written(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def write_atomic(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Write a file that is whole or not there.

    Args:
        path: Where.
        data: Its content.
        sync: Whether it must survive a power cut.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def write_json(path: Path, value: Mapping[str, Any], *, sync: bool = False) -> None:
    """Write a JSON file that is whole or not there."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    write_atomic(path, text.encode(), sync=sync)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def lock_holder(fd: int) -> int | None:
    """Return the pid of the process that holds a write lock on the whole file, or None.

    Args:
        fd: An open file. The caller must not hold a lock on the same file itself.
    """
    answer = fcntl.fcntl(fd, fcntl.F_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    kind, _, _, _, pid = _FLOCK.unpack(answer)
    return None if kind == fcntl.F_UNLCK else int(pid)


def driver_of(directory: Path) -> int | None:
    """Return the pid of the driver that works in a directory, or None.

    Raises:
        UsageError: Nobody can tell: its lock may not be read.
    """
    path = directory / LOCK
    if str(path.resolve()) in _held:
        return os.getpid()
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # whoever may read the directory may know
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); make it readable, it is the driver's lock"
        ) from None
    try:
        return lock_holder(fd)
    finally:
        os.close(fd)


_held: set[str] = set()  # fcntl locks are per process: a second driver in this process must be seen too


class DirectoryLock:
    """Holds a run directory for one driver. A dead driver's lock is free at once: the kernel drops it.

    Args:
        directory: The run directory; it exists.

    Raises:
        DirectoryInUseError: Another driver holds it.
        UsageError: The directory cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        path = directory / LOCK
        self._key = str(path.resolve())
        if self._key in _held:
            raise DirectoryInUseError(directory, os.getpid())
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UsageError(f"{directory}: cannot be written ({error.strerror}); choose another --dir") from None
        try:
            self._take(directory)
        except BaseException:
            os.close(self._fd)
            raise
        _held.add(self._key)

    def _take(self, directory: Path) -> None:
        while True:
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                holder = lock_holder(self._fd)
                if holder is None:
                    continue  # it has gone in between
                raise DirectoryInUseError(directory, max(0, holder)) from None
            except OSError as error:
                raise UsageError(
                    f"{directory}: cannot be locked ({error.strerror}); choose a directory on another file system"
                ) from None
            return

    def release(self) -> None:
        """Let the directory go; idempotent."""
        if self._key in _held:
            _held.discard(self._key)
            os.close(self._fd)
