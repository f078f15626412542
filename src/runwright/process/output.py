"""Copies what a program writes into its log, up to a limit; beyond it counts."""

from __future__ import annotations

import os

_CHUNK = 1 << 16
_CHUNKS_A_TURN = 32
NOTE = "[runwright: "
"""How a line in a log begins that the program did not write."""


class OutputCopy:
    """One stream of the program: a pipe whose content goes to a log.

    The supervisor reads to the end, so that a program that writes too much goes on undisturbed.

    Args:
        log: The file, which is appended to.
        limit: How many bytes are kept.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, log: str, limit: int) -> None:
        self.seen = 0
        self.cut = 0
        self.trouble: str | None = None
        self._limit = limit
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.read_end, False)

    def started(self) -> None:
        """Close the program's end; it has its own copy."""
        os.close(self.write_end)
        self.write_end = -1

    def pump(self) -> bool:
        """Copy what is there, without waiting; say whether more may come."""
        for _ in range(_CHUNKS_A_TURN):
            try:
                data = os.read(self.read_end, _CHUNK)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        kept = self.seen - self.cut
        room = 0 if self.cut else self._limit - kept
        self.seen += len(data)
        part = data[:room]
        written = self._write(part)
        self.cut += len(data) - written

    def _write(self, data: bytes) -> int:
        written = 0
        while written < len(data):
            try:
                written += os.write(self._log, data[written:])
            except OSError as error:  # a full disk: what follows is cut, and the record says why
                self.trouble = error.strerror
                break
        return written

    def finish(self) -> None:
        """Copy what is left in the pipe, say in the log how much was cut, close everything."""
        if self.read_end >= 0:
            self.pump()  # more than a pipe holds at the most
            os.close(self.read_end)
        if self.cut:
            why = self.trouble or f"beyond the limit of {self._limit} bytes"
            self._write(f"\n{NOTE}{self.cut} bytes of output were cut: {why}]\n".encode())
        os.close(self._log)
        if self.write_end >= 0:
            os.close(self.write_end)
        self.read_end = self._log = self.write_end = -1

    def close_pipe(self) -> None:
        """Stop reading: the last writer is gone."""
        os.close(self.read_end)
        self.read_end = -1

    def counts(self) -> dict[str, int]:
        """Return how many bytes were seen, and how many of them cut."""
        return {"seen": self.seen, "cut": self.cut}
