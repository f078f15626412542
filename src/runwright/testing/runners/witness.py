"""Watches the evaluations of `runwright.testing.runners.task`, wherever they run, and ends the long ones."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from runwright.testing.runners.task import ALIVE, BEGUN, GATE

if TYPE_CHECKING:
    from pathlib import Path


class Witness:
    """Knows how often evaluations began, and whether one is alive.

    Args:
        folder: A folder for it alone; made here.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        os.mkfifo(folder / GATE)
        (folder / BEGUN).touch()
        (folder / ALIVE).touch()
        self._open_gate: int | None = None

    def begun(self, x: float | None = None) -> int:
        """How many evaluations began: all, or those at one ``x``."""
        return sum(line[0] == "+" and x in (None, float(line[1:])) for line in self._lines())

    def together(self) -> int:
        """How many ran at once at the most, where none was ended by a signal."""
        most = now = 0
        for line in self._lines():
            now += 1 if line[0] == "+" else -1
            most = max(most, now)
        return most

    def alive(self) -> bool:
        """Whether an evaluation lives."""
        fd = os.open(self.folder / ALIVE, os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def release(self) -> None:
        """Let long evaluations end, those to come as well. Idempotent."""
        if self._open_gate is not None:
            return
        gate = self.folder / GATE
        self._open_gate = os.open(gate, os.O_RDWR | os.O_NONBLOCK)
        os.write(self._open_gate, b"\0")  # nobody reads it: the pipe stays readable
        always_readable = self.folder / "open"
        always_readable.touch()
        always_readable.replace(gate)  # for those who come when nobody holds the pipe any more

    def close(self) -> None:
        """Let long evaluations end, and give back the descriptor. Idempotent."""
        self.release()
        if self._open_gate is not None and self._open_gate >= 0:
            os.close(self._open_gate)
            self._open_gate = -1

    def _lines(self) -> list[str]:
        return (self.folder / BEGUN).read_text("utf-8").splitlines()
