"""Finds what was not given back: threads, file descriptors and processes."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from runwright.testing.runners import patience
from runwright.testing.runners.patience import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

MARK = "RUNWRIGHT_SUITE"
"""Variable in the environment of whatever is started: it is still there when a process has lost its parent."""


class Leftovers:
    """What this process has when it is made; `check` complains about what it has more.

    Args:
        mark: Value of the variable `MARK` that processes inherit; set by the caller.
    """

    def __init__(self, mark: str) -> None:
        self._mark = f"{MARK}={mark}".encode()
        self._threads = set(threading.enumerate())
        self._descriptors = _descriptors()
        self._processes = _processes()

    def check(self) -> None:
        """Wait until nothing is left, for a while.

        Raises:
            AssertionError: Something is; the message says what.
        """

        def left() -> str:
            return f"after close there is still {', '.join(self.found())}"

        wait_until(lambda: not self.found(), left, patience.PATIENCE / 3)

    def found(self) -> list[str]:
        """Return what there is more."""
        threads = [f"thread {thread.name!r}" for thread in threading.enumerate() if thread not in self._threads]
        files = [f"descriptor {fd} ({to})" for fd, to in _descriptors().items() if self._descriptors.get(fd) != to]
        pids = self._new_processes()
        return threads + files + [f"process {pid} ({_words(pid)})" for pid in sorted(pids) if _lives(pid)]

    def _new_processes(self) -> set[int]:
        """Return what has begun meanwhile and is a child of this process, or carries the mark."""
        children = set(_children())
        return {pid for pid in _processes() - self._processes if pid in children or self._is_marked(pid)}

    def _is_marked(self, pid: int) -> bool:
        try:
            return self._mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False  # it has ended, or is somebody else's


def _processes() -> set[int]:
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208


def _descriptors() -> dict[int, str]:
    found: dict[int, str] = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  (the folder's own descriptor is gone afterwards)
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
        except FileNotFoundError:
            continue
    return found


def _children() -> Iterable[int]:
    for task in Path("/proc/self/task").iterdir():
        try:
            yield from map(int, (task / "children").read_text().split())
        except FileNotFoundError:
            continue  # the thread has ended


def _lives(pid: int) -> bool:
    """Whether a process is more than an entry in the table: one that has ended is the runner's to reap, some time."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")[:200]
    except OSError:
        return "it has just ended"
