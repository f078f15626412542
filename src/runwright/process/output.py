"""Copies what a program writes into its log: the beginning up to a size, and the end; what is between is counted."""

from __future__ import annotations

import os

_CHUNK = 1 << 16
_CHUNKS_A_TURN = 32
LARGEST_TAIL = 1 << 16
"""Bytes that are kept of the end of an output whose middle is cut."""
NOTE = "[runwright: "
"""How a line in a log begins that the program did not write."""


def tail_of(kept: int) -> int:
    """Return how much is kept of the end, beside the beginning of ``kept`` bytes."""
    return min(kept // 2, LARGEST_TAIL)


def note_of_cut(cut: int, why: str) -> bytes:
    """Return the line that stands in a log for what was cut out of it."""
    return f"\n{NOTE}{cut} bytes of output were cut here: {why}]\n".encode()


def whole_lines(tail: bytes) -> bytes:
    """Return the end of an output without the rest of the line in which it begins."""
    return tail[tail.find(b"\n") + 1 :] or tail


def shortened(log: int, kept: int) -> bytes:
    """Return what stands in a log; where it is more than is kept, the beginning, a note and the end.

    Args:
        log: Its descriptor.
        kept: How many bytes of the beginning are kept.
    """
    size = os.fstat(log).st_size
    end = _end(log, size, kept)
    return os.pread(log, size if end is None else kept, 0) + (end or b"")


def shorten(log: int, kept: int) -> None:
    """Cut the middle out of a log that is too long, in place.

    Args:
        log: Its descriptor, which appends.
        kept: How many bytes of the beginning are kept.
    """
    end = _end(log, os.fstat(log).st_size, kept)
    if end is not None:
        os.ftruncate(log, kept)
        while end:
            end = end[os.write(log, end) :]


def _end(log: int, size: int, kept: int) -> bytes | None:
    """Return what comes after the beginning of a log that is too long; None where it is not."""
    if size <= kept + tail_of(kept):
        return None
    tail = whole_lines(os.pread(log, tail_of(kept), size - tail_of(kept)))
    return note_of_cut(size - kept - len(tail), f"beyond the first {kept} bytes") + tail


class OutputCopy:
    """One stream of the program: a pipe whose content goes to a log.

    The supervisor reads to the end, so that a program that writes too much goes on undisturbed until it is ended, and
    fills no disk meanwhile.

    Args:
        log: The file, which is appended to.
        kept: How many bytes of the beginning are kept; None: all.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, log: str, kept: int | None) -> None:
        self.seen = 0
        self.trouble: str | None = None
        self._written = 0
        self._kept = kept
        self._most_tail = 0 if kept is None else tail_of(kept)
        self._tail = bytearray()
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.read_end, False)

    @property
    def cut(self) -> int:
        """How many bytes are not in the log."""
        return self.seen - self._written

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
        room = len(data) if self._kept is None else self._kept - self.seen
        self.seen += len(data)
        beginning = data[: max(0, room)] if self.trouble is None else b""
        self._written += self._write(beginning)
        if self._most_tail and len(beginning) < len(data):
            self._tail += data[len(beginning) :]
            if len(self._tail) > 4 * LARGEST_TAIL:  # not at each turn: it moves what is kept
                del self._tail[: -self._most_tail]

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
        """Copy what is left in the pipe, say in the log how much was cut, add the end, close everything."""
        if self.read_end >= 0:
            self.pump()  # more than a pipe holds at the most
            os.close(self.read_end)
        if self.cut:
            tail = bytes(self._tail[-self._most_tail :])
            if self.cut > len(tail):
                tail = whole_lines(tail)
                why = self.trouble or f"beyond the first {self._kept} bytes"
                self._write(note_of_cut(self.cut - len(tail), why))
            self._written += self._write(tail)
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
