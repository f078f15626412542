"""The control folder of an attempt: who runs it, that it began, how it ended.

```
control/<i>.<a>/
  lock      held (fcntl, whole file) by the supervisor for as long as anything of the attempt lives
  started   written before the program is started: from here on the attempt is never begun again
  exit.tmp  room for the record of the end, taken before the start so that a full disk cannot prevent it
  exit      the record of the end
```
An fcntl lock is dropped by the kernel when its holder dies, names its holder, and is not inherited by a fork. It is
also dropped when its holder closes *any* descriptor of the file, so `lock` is opened once.
"""

from __future__ import annotations

import fcntl
import json
import os
from typing import Any

LOCK = "lock"
STARTED = "started"
EXIT = "exit"
_ROOM = "exit.tmp"
_ROOM_BYTES = 1024
_FILE_MODE = 0o644
_LARGEST = 1 << 16

_decode = json.JSONDecoder().decode


class ControlFolder:
    """A control folder, opened to claim the attempt. It is found again even if the run directory is renamed.

    Args:
        path: The folder.

    Raises:
        OSError: It is not there.
    """

    def __init__(self, path: str) -> None:
        self._folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._lock = -1
        self._room = -1

    def claim(self) -> bool:
        """Take the lock; say whether the attempt is this process's to begin. If it is not, no lock is kept."""
        if self._exists(STARTED):
            return False  # without touching the lock: who looks would take us for the one who runs it
        self._lock = self._open(LOCK, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # fcntl(2) says EAGAIN or EACCES
            return False
        if self._exists(STARTED):
            self.close()
            return False
        return True

    def begin(self, body: dict[str, Any]) -> None:
        """Record that the attempt begins; take room for the record of its end first.

        Raises:
            OSError: The disk is full, or the folder is gone: nothing has begun.
        """
        self._room = self._open(_ROOM, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        write_all(self._room, b" " * _ROOM_BYTES)
        self._put(STARTED, body)

    def fence(self, body: dict[str, Any]) -> None:
        """Record that the attempt must not begin; the claim of a supervisor that comes later fails."""
        self._put(STARTED, body)

    def finish(self, body: dict[str, Any]) -> None:
        """Record the end, in the room that was taken for it.

        Raises:
            OSError: The folder is gone, or the disk is broken.
        """
        data = json.dumps(body).encode()
        try:
            os.pwrite(self._room, data, 0)
            os.ftruncate(self._room, len(data))
            os.fsync(self._room)
            os.rename(_ROOM, EXIT, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:  # somebody cleaned up, or the room cannot be used: try once more with a new file
            self._put(EXIT, body)

    def close(self) -> None:
        """Close the descriptors, which drops the lock."""
        for fd in (self._room, self._lock, self._folder):
            if fd >= 0:
                os.close(fd)
        self._room = self._lock = self._folder = -1

    def _open(self, name: str, flags: int) -> int:
        return os.open(name, flags | os.O_CLOEXEC, _FILE_MODE, dir_fd=self._folder)

    def _exists(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self._folder)
        except FileNotFoundError:
            return False
        return True

    def _put(self, name: str, body: dict[str, Any]) -> None:
        aside = f".{name}.tmp"  # only who holds the lock writes; what a killed one left is overwritten
        fd = self._open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            write_all(fd, json.dumps(body).encode())
        finally:
            os.close(fd)
        os.rename(aside, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)


def read_record(folder: str, name: str) -> dict[str, Any] | None:
    """Return a record of a control folder; None where there is none."""
    try:
        fd = os.open(f"{folder}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    # Records are whole or not there; one that cannot be read was damaged and says only that it exists.
    try:
        body = _decode(os.read(fd, _LARGEST).decode())
    except (OSError, ValueError):
        body = None
    finally:
        os.close(fd)
    return body if isinstance(body, dict) else {"damaged": True}


def sync_file(path: str) -> bool:
    """Make durable what a file holds, where there is one that holds something; say whether there is."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if os.fstat(fd).st_size == 0:
            return False
        os.fsync(fd)
    except OSError:  # a pipe, or a disk that fails: who reads the file will see
        pass
    finally:
        os.close(fd)
    return True


def write_all(fd: int, data: bytes) -> None:
    """Write all of it.

    Raises:
        OSError: The disk is full.
    """
    while data:
        data = data[os.write(fd, data) :]
