"""Where the output of a program goes: through the supervisor into limited logs, or straight into a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from runwright.process.output import OutputCopy

if TYPE_CHECKING:
    from collections.abc import Callable


class Streams:
    """Stdout and stderr of one program.

    Where logs are limited (``log``), or what may be written is (``output``), each is a pipe that is copied into its
    log. Without, the program has the log itself, opened for appending. Both may name the same file. A stream without a
    file is thrown away.

    Args:
        request: ``stdout``, ``stderr`` (paths or None), ``log`` and ``output`` (bytes or None).

    Raises:
        OSError: A log cannot be opened.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self._names = {"stdout": request.get("stdout"), "stderr": request.get("stderr")}
        self._copies: dict[str, OutputCopy] = {}
        self._files: dict[str | None, int] = {}
        limits = [limit for limit in (request.get("log"), request.get("output")) if limit is not None]
        for path in dict.fromkeys(self._names.values()):
            if path is None:
                self._files[path] = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            elif not limits:
                self._files[path] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            else:
                self._copies[path] = OutputCopy(path, min(limits))

    def descriptors(self) -> list[int]:
        """Return what the program gets as its descriptors 1 and 2."""
        return [
            self._copies[path].write_end if path in self._copies else self._files[path] for path in self._names.values()
        ]

    def started(self) -> None:
        """Close what only the program needs."""
        for copy in self._copies.values():
            copy.started()
        for fd in self._files.values():
            os.close(fd)
        self._files.clear()

    def handlers(self) -> dict[int, Callable[[], bool]]:
        """Return what to do when there is something to read, by descriptor."""
        return {copy.read_end: _pump(copy) for copy in self._copies.values()}

    def finish(self) -> None:
        """Copy what is left, and close everything."""
        for copy in self._copies.values():
            copy.finish()

    def seen(self) -> int:
        """Return how many bytes have come through here so far."""
        return sum(copy.seen for copy in self._copies.values())

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many bytes each stream had, and how many of them were cut."""
        return {name: self._copies[path].counts() for name, path in self._names.items() if path in self._copies}


def _pump(copy: OutputCopy) -> Callable[[], bool]:
    def pump() -> bool:
        more = copy.pump()
        if not more:
            copy.close_pipe()
        return more

    return pump
