"""The limits of a program, and those that a pool worker sets for each of its trials."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runwright.clock import monotonic
from runwright.process.linux import descendants, memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SAMPLE = 0.25
"""Seconds between two looks at what can only be looked at: the memory of a tree, the size of a file."""
_SLOWEST = 0.6
"""... and the most, where a look is so dear that it would take more than a tenth of a processor."""
_SHARE = 10


@dataclass(frozen=True, slots=True)
class Excess:
    """A limit that was exceeded.

    Attributes:
        reason: ``timeout``, ``memory`` or ``output``.
        measured: Seconds or bytes, when it was seen.
        limit: The limit, in the same unit.
        at_once: Whether a time of grace would be a time to fill memory or disk.
    """

    reason: str
    measured: float
    limit: float
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a program, or one trial of a pool worker, may use. 0: no limit.

    Attributes:
        timeout: Wall seconds.
        memory: Bytes of the whole tree, shared pages counted once.
        output: Bytes.
        began: Since when the time counts.
    """

    timeout: float = 0.0
    memory: int = 0
    output: int = 0
    began: float = 0.0

    @property
    def deadline(self) -> float | None:
        """When its time is up, or None."""
        return self.began + self.timeout if self.timeout > 0 else None

    @property
    def sampled(self) -> bool:
        """Whether something has to be looked at from time to time."""
        return self.memory > 0 or self.output > 0


class WatchedLimits:
    """The limits of one tree.

    Time is counted by the monotonic clock: it goes on while the program is suspended, and stands still while the
    machine sleeps.

    Args:
        timeout: Wall seconds of the program, or None.
        memory_limit: Bytes of the whole tree, or None.
        output: Bytes that it may write, or None.
        passed: Says how much of its output has passed through our hands.
        counted: Files which it writes itself and whose size is output as well.
        with_pipe: Whether the program sets limits of its own, on a pipe: ``begin <seconds> <bytes of memory> <bytes of
            output>`` and ``end``, a line each; 0 stands for no limit.
    """

    def __init__(
        self,
        timeout: float | None,
        memory_limit: int | None,
        *,
        output: int | None = None,
        passed: Callable[[], int] = int,
        counted: Sequence[str] = (),
        with_pipe: bool = False,
    ) -> None:
        self.peak = 0
        self._outer = Bounds(timeout or 0.0, memory_limit or 0, output or 0)
        self._inner: Bounds | None = None
        self._begun = False
        self._passed = passed
        self._counted = tuple(counted)
        self._sample_at: float | None = None
        self._part: bytes = b""
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
        outer = self._outer
        self._outer = Bounds(outer.timeout, outer.memory, outer.output, now)
        self._begun = True

    # What the program says.

    def read(self) -> bool:
        """Take in what the program said on its pipe; say whether more may come."""
        while self.read_end >= 0:
            try:
                data = os.read(self.read_end, 4096)
            except BlockingIOError:
                return True
            if not data:
                os.close(self.read_end)
                self.read_end = -1
                break
            *lines, self._part = (self._part + data).split(b"\n")
            self._part = self._part[-100:]  # whatever has no end is no line of ours
            for line in lines:
                self._take(line.split())
        return False

    def _take(self, words: list[bytes]) -> None:
        if words == [b"end"]:
            self._inner = None
        elif len(words) == 4 and words[0] == b"begin":  # noqa: PLR2004
            try:
                seconds, held, written = float(words[1]), int(words[2]), int(words[3])
            except ValueError:
                return
            self._inner = Bounds(seconds, held, written, monotonic())

    # What is exceeded.

    def _bounds(self) -> list[Bounds]:
        if not self._begun:
            return []
        return [self._outer] if self._inner is None else [self._outer, self._inner]

    def _settle(self, now: float) -> None:
        """Plan the next look, where something needs one."""
        if not any(bounds.sampled for bounds in self._bounds()):
            self._sample_at = None
        elif self._sample_at is None:
            self._sample_at = now + _SAMPLE

    def exceeded(self, now: float) -> Excess | None:
        """Return what is exceeded, or None."""
        looks = self._look_now(now)
        for bounds in self._bounds():
            found = self._time_or_passed(bounds, now) or (self._sampled(bounds) if looks else None)
            if found is not None and not (bounds is self._inner and self._just_ended(bounds)):
                return found
        return None

    def overflows(self, now: float) -> bool:
        """Whether a program that was asked to end uses its grace to take more memory or disk than it may."""
        return self._look_now(now) and any(
            found is not None and found.at_once for found in map(self._sampled, self._bounds())
        )

    def _just_ended(self, bounds: Bounds) -> bool:
        """Read once more before a verdict: the trial may have ended meanwhile, and the next have begun."""
        self.read()
        return self._inner is not bounds

    def _look_now(self, now: float) -> bool:
        self._settle(now)
        if self._sample_at is None or now < self._sample_at:
            return False
        self._sample_at = None  # planned again after the look, according to what it cost
        return True

    def _time_or_passed(self, bounds: Bounds, now: float) -> Excess | None:
        if bounds.deadline is not None and now >= bounds.deadline:
            return Excess("timeout", now - bounds.began, bounds.timeout)
        passed = self._passed()
        if 0 < bounds.output < passed:
            return Excess("output", passed, bounds.output)
        return None

    def _sampled(self, bounds: Bounds) -> Excess | None:
        began = monotonic()
        found = None
        if bounds.memory > 0:
            held = memory(descendants(os.getpid()), bounds.memory)
            self.peak = max(self.peak, held)
            if held > bounds.memory:
                found = Excess("memory", held, bounds.memory, at_once=True)
        if found is None and 0 < bounds.output < (written := self.written()):
            passed = self._passed()
            files = written - passed  # they grow on while it is asked politely; what passes through our hands does not
            found = Excess("output", written, bounds.output, at_once=passed <= bounds.output or files > bounds.output)
        now = monotonic()
        self._sample_at = now + min(max(_SAMPLE, _SHARE * (now - began)), _SLOWEST)
        return found

    def written(self) -> int:
        """Return how much the program has written so far: what is output."""
        return self._passed() + sum(map(_file_size, self._counted))

    def at_the_end(self) -> Excess | None:
        """Return by how much a program that has ended by itself had exceeded its output, or None.

        Whether it was over before anybody could look is no excuse: the same program has the same end each time.
        """
        written = self.written() if self._outer.output > 0 else 0
        return Excess("output", written, self._outer.output) if written > self._outer.output else None

    def next_look(self, now: float) -> float | None:
        """Return when to ask again what is exceeded, or None."""
        self._settle(now)
        times = [self._sample_at, *(bounds.deadline for bounds in self._bounds())]
        return min((time for time in times if time is not None), default=None)

    def next_sample(self, now: float) -> float | None:
        """Return when to ask again what overflows, or None."""
        self._settle(now)
        return self._sample_at


def _file_size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0  # it is not there (yet), or the program has made something strange of it
