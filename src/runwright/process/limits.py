"""The limits of a program, and those that a pool worker sets for each of its trials."""

from __future__ import annotations

import os

from runwright.clock import monotonic
from runwright.process.linux import descendants, memory

_SAMPLE = 0.25
"""Seconds between two looks at the memory of a tree that has a limit; without a limit nobody looks."""


class WatchedLimits:
    """Wall and memory limit of one tree.

    Args:
        timeout: Wall seconds of the program, or None.
        memory_limit: Bytes of the whole tree, or None.
        with_pipe: Whether the program sets limits of its own, on a pipe: ``begin <seconds> <bytes>`` and ``end``, a
            line each; 0 stands for no limit.
    """

    def __init__(self, timeout: float | None, memory_limit: int | None, *, with_pipe: bool) -> None:
        self.peak = 0
        self._timeout = timeout
        self._memory = memory_limit
        self._deadline: float | None = None
        self._sample_at: float | None = None
        self._part: bytes = b""
        self._inner_seconds = 0.0
        self._inner_memory = 0
        self._inner_began: float | None = None
        self.read_end = self.write_end = -1
        if with_pipe:
            self.read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self.read_end, False)

    def started(self) -> None:
        """Close the program's end; it has its own copy."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def begin(self, now: float) -> None:
        """Let the program's own limits count from now on."""
        self._deadline = None if self._timeout is None else now + self._timeout
        self._sample_at = None if self._memory is None else now + _SAMPLE

    def read(self) -> bool:
        """Take in what the program said on its pipe; say whether more may come."""
        while True:
            try:
                data = os.read(self.read_end, 4096)
            except BlockingIOError:
                return True
            if not data:
                os.close(self.read_end)
                self.read_end = -1
                return False
            *lines, self._part = (self._part + data).split(b"\n")
            self._part = self._part[-100:]  # whatever has no end is no line of ours
            for line in lines:
                self._take(line.split())

    def _take(self, words: list[bytes]) -> None:
        if len(words) == 3 and words[0] == b"begin":  # noqa: PLR2004
            try:
                self._inner_seconds, self._inner_memory = float(words[1]), int(words[2])
            except ValueError:
                return
            self._inner_began = monotonic()
        elif words == [b"end"]:
            self._inner_began = None

    def _settle(self, now: float) -> None:
        limited = self._memory is not None or (self._inner_began is not None and self._inner_memory > 0)
        if not limited:
            self._sample_at = None
        elif self._sample_at is None:
            self._sample_at = now + _SAMPLE

    def exceeded(self, now: float) -> str | None:
        """Return ``timeout`` or ``memory`` where that limit is exceeded."""
        self._settle(now)
        if self._deadline is not None and now >= self._deadline:
            return "timeout"
        inner = self._inner_deadline()
        if inner is not None and now >= inner and not self._just_ended(now):
            return "timeout"
        if self._sample_at is not None and now >= self._sample_at:
            self._sample_at = now + _SAMPLE
            if self._too_much():
                return "memory"
        return None

    def _just_ended(self, now: float) -> bool:
        """Read once more before a verdict: the worker may have ended meanwhile, and have begun the next."""
        if self.read_end >= 0:
            self.read()
        self._settle(now)
        inner = self._inner_deadline()
        return inner is None or now < inner

    def _inner_deadline(self) -> float | None:
        if self._inner_began is None or self._inner_seconds <= 0:
            return None
        return self._inner_began + self._inner_seconds

    def _too_much(self) -> bool:
        limits = [limit for limit in (self._memory, self._inner_limit()) if limit]
        if not limits:
            return False
        limit = min(limits)
        held = memory(descendants(os.getpid()), limit)
        self.peak = max(self.peak, held)
        return held > limit

    def _inner_limit(self) -> int | None:
        return self._inner_memory if self._inner_began is not None else None

    def next_look(self, now: float) -> float | None:
        """Return when to ask again, or None."""
        self._settle(now)
        times = (self._deadline, self._inner_deadline(), self._sample_at)
        return min((time for time in times if time is not None), default=None)
