"""What the executioner needs of Linux: who descends from it, who dies, and what happens in folders.

Nothing of the product is used here, so that both cannot be wrong in the same way.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import struct
from pathlib import Path
from typing import NamedTuple

_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)

_IN_MODIFY = 0x2
_IN_MOVED_TO = 0x80
_IN_CREATE = 0x100
_IN_ISDIR = 0x40000000
_IN_NONBLOCK = 0o4000
_EVENT = struct.Struct("iIII")


def become_subreaper() -> None:
    """Become the parent of every descendant whose own parent has died: nobody gets out of sight."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


class Process(NamedTuple):
    """A process as /proc shows it."""

    pid: int
    name: str
    state: str
    parent: int
    began: int


def look_at(pid: int) -> Process | None:
    """Return a process, or None where it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    return Process(pid, name, fields[0], int(fields[1]), int(fields[19]))


def descendants(root: int) -> list[Process]:
    """Return everything below a process, zombies too, parents first."""
    below: dict[int, list[Process]] = {}
    for entry in Path("/proc").iterdir():
        process = look_at(int(entry.name)) if entry.name.isdigit() else None
        if process is not None:
            below.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    level = below.get(root, [])
    while level:
        found += level
        level = [child for process in level for child in below.get(process.pid, [])]
    return found


def send(process: Process, number: signal.Signals) -> bool:
    """Send a signal to the very process that was seen; say whether it was still there."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        now = look_at(process.pid)
        if now is None or now.began != process.began or now.state == "Z":
            return False
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


class Happenings:
    """Counts what happens in folders: files made, renamed into place, written to.

    Args:
        folders: Which; of one called ``control`` the folders in it are watched too.
    """

    def __init__(self, folders: list[Path]) -> None:
        self._fd = _libc.inotify_init1(_IN_NONBLOCK)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._deep: dict[int, Path] = {}
        for folder in folders:
            self._watch(folder)

    def _watch(self, folder: Path) -> None:
        mask = ctypes.c_uint32(_IN_CREATE | _IN_MOVED_TO | _IN_MODIFY)
        number = _libc.inotify_add_watch(self._fd, os.fsencode(folder), mask)
        if number >= 0 and folder.name in ("run", "control"):
            self._deep[number] = folder

    def fileno(self) -> int:
        """Return what is readable when something has happened."""
        return int(self._fd)

    def take(self) -> int:
        """Return how much has happened since the last call."""
        count = 0
        while True:
            try:
                data = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                return count
            place = 0
            while place < len(data):
                number, mask, _, length = _EVENT.unpack_from(data, place)
                name = data[place + _EVENT.size : place + _EVENT.size + length].rstrip(b"\0")
                place += _EVENT.size + length
                count += 1
                folder = self._deep.get(number)
                if mask & _IN_ISDIR and folder is not None and (folder.name == "control" or name == b"control"):
                    self._watch(folder / os.fsdecode(name))

    def close(self) -> None:
        """Stop counting."""
        os.close(self._fd)


def wait(descriptors: list[int], seconds: float) -> list[int]:
    """Wait for descriptors, to the microsecond."""
    return select.select(descriptors, [], [], max(0.0, seconds))[0]
