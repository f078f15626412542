"""Time. The only file that reads a clock or waits.

Time of an experiment is counted in seconds of its drivers' lives: a driver goes on from the time of the last recorded
event with the monotonic clock, so that neither a step of the wall clock nor a reboot moves a deadline.
"""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from typing import Protocol

_LONGEST_POLL = 2**31 - 1.0  # milliseconds: what poll(2) takes


def epoch() -> float:
    """Seconds of the epoch, for people; no decision hangs on it."""
    return time.time()


def monotonic() -> float:
    """Seconds of the monotonic clock."""
    return time.monotonic()


class Waker:
    """Ends a wait from elsewhere: a signal handler, another thread, or another process through a named pipe.

    Args:
        fd: A readable file descriptor that becomes ready to wake; a pipe of its own where none is given.
        write_fd: Where `wake` writes.
    """

    def __init__(self, fd: int | None = None, write_fd: int | None = None) -> None:
        if fd is None:
            fd, write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._fd, self._write_fd = fd, write_fd
        self._unread = select.poll()
        self._unread.register(fd, select.POLLIN)

    def fileno(self) -> int:
        """File descriptor that is readable while a wake-up is unread."""
        return self._fd

    def wake(self) -> None:
        """Wake whoever waits; safe in a signal handler."""
        if self._write_fd is not None:
            with suppress(BlockingIOError):  # the pipe is full of wake-ups: one is enough
                os.write(self._write_fd, b"\0")

    def drain(self) -> bool:
        """Read all wake-ups; say whether there were any."""
        woken = False
        while self._unread.poll(0) and os.read(self._fd, 4096):
            woken = True
        return woken

    def close(self) -> None:
        """Close the descriptors."""
        for fd in {self._fd, self._write_fd} - {None}:
            os.close(fd)  # type: ignore[arg-type]  # None is taken out
        self._fd, self._write_fd = -1, None


class Clock(Protocol):
    """Time of an experiment."""

    def now(self) -> float:
        """Seconds since the experiment began."""
        ...

    def start_at(self, seconds: float) -> None:
        """Go on from this time."""
        ...

    def epoch(self) -> float:
        """Seconds of the epoch that stand beside `now`."""
        ...

    def wait(self, until: float | None, waker: Waker) -> None:
        """Wait until a time of this clock (None: for ever) or until woken."""
        ...


class SystemClock:
    """The machine's monotonic clock, going on from where the last driver ended."""

    def __init__(self) -> None:
        self._offset = -time.monotonic()

    def now(self) -> float:
        """Seconds since the experiment began."""
        return time.monotonic() + self._offset

    def start_at(self, seconds: float) -> None:
        """Go on from this time."""
        self._offset = seconds - time.monotonic()

    def epoch(self) -> float:
        """Seconds of the epoch."""
        return time.time()

    def wait(self, until: float | None, waker: Waker) -> None:
        """Wait until a time of this clock (None: for ever) or until woken; of a long wait three weeks at a time."""
        timeout = None if until is None else max(0.0, until - self.now())
        poller = select.poll()
        poller.register(waker, select.POLLIN)
        poller.poll(None if timeout is None else min(timeout * 1000, _LONGEST_POLL))


class VirtualClock:
    """A clock that stands still until it is moved: `wait` jumps."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def now(self) -> float:
        """Seconds since the experiment began."""
        return self._now

    def start_at(self, seconds: float) -> None:
        """Go on from this time."""
        self._now = seconds

    def epoch(self) -> float:
        """Virtual seconds: nothing of the real world leaks into simulated time."""
        return self._now

    def advance_to(self, seconds: float) -> None:
        """Move forward; never back."""
        if seconds > self._now:
            self._now = seconds

    def wait(self, until: float | None, waker: Waker) -> None:  # noqa: ARG002
        """Jump to a time.

        Raises:
            RuntimeError: There is nothing to wait for: simulated time would stand still for ever.
        """
        if until is None:
            raise RuntimeError("simulated time has nothing to wait for: no event is planned")
        self.advance_to(until)
