"""By what the processes of an attempt are known: a variable of their environment, as the kernel shows it to others.

A program is executed with it. A fork of a preloaded launcher executes nothing, and what it writes into its environment
nobody else sees: the kernel shows the memory in which a process found its environment when it was executed. So such a
launcher is given room for the value there, which each of its forks fills in.
"""

from __future__ import annotations

import ctypes
import os

NAME = "RUNWRIGHT_RESULT"
ROOM = 4096 + 64
"""Bytes of the value: the longest path that Linux takes, and the name of the file."""

_getenv = ctypes.CDLL(None).getenv
_getenv.restype = ctypes.c_void_p


def with_room(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment of a process that leaves room for the value."""
    return {**environment, NAME: "x" * ROOM}


class Mark:
    """The room in this process, which was executed with it; of another process it has none.

    To be made before anything changes the environment. The variable is then gone from it.
    """

    def __init__(self) -> None:
        self._address = 0
        if len(os.environ.get(NAME, "")) == ROOM:
            self._address = _getenv(NAME.encode()) or 0
            del os.environ[NAME]

    def show(self, value: str) -> None:
        """Let others see a value, in this process and in those that it forks; one that is too long is not shown."""
        data = os.fsencode(value)
        if self._address and len(data) <= ROOM:
            ctypes.memmove(self._address, data.ljust(ROOM, b"\0"), ROOM)
