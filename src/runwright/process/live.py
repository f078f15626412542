"""The attempts whose supervisors live, as the driver follows them."""

from __future__ import annotations

import heapq
import itertools
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from runwright.clock import monotonic
from runwright.errors import UsageError
from runwright.process.watch import Watch

if TYPE_CHECKING:
    from runwright.clock import Clock, Waker
    from runwright.process.adoption import Supervised
    from runwright.result import Json

_SPARE_DESCRIPTORS = 100
_LONGEST_WAIT = 3600.0  # epoll_wait(2) counts milliseconds in an int: 24 days
_LATE = 1.0
"""Seconds after which a supervisor that has not ended when it should have counts as late."""


class LiveAttempt(NamedTuple):
    """An attempt whose supervisor lives."""

    attempt: int
    process: Supervised
    metadata: Json


@dataclass(order=True, slots=True)
class _Deadline:
    """When a supervisor is late."""

    time: float
    order: int
    trial: int
    process: Supervised
    reason: str
    grace: float
    woken: bool = False


class LiveAttempts:
    """Follows supervisors, and steps in where one does not do its duty because somebody suspended it.

    A supervisor enforces limits by itself. One that is late is woken; where that does not help it is killed: the kernel
    then ends the program, and the launcher whatever the program has started.

    Attributes:
        news: Trials whose supervisor has ended, until `read` says that it is known.
        killed: Trial to attempt and reason, where a supervisor had to be killed.
    """

    def __init__(self) -> None:
        self.news: set[int] = set()
        self.killed: dict[int, tuple[int, str]] = {}
        self._watch = Watch()
        self._live: dict[int, LiveAttempt] = {}
        self._deadlines: list[_Deadline] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._live)

    def get(self, trial: int, attempt: int) -> LiveAttempt | None:
        """Return an attempt that is followed, or None."""
        live = self._live.get(trial)
        return live if live is not None and live.attempt == attempt else None

    def slots(self) -> set[int]:
        """Return the slots that are taken."""
        return {live.metadata["slot"] for live in self._live.values()}

    def follow(self, trial: int, live: LiveAttempt) -> None:
        """Follow an attempt; it takes the place of an earlier one of the same trial."""
        self._forget(trial)
        self._live[trial] = live
        self.news.discard(trial)
        self._watch.add(trial, live.process)

    def expect_end(self, trial: int, reason: str, seconds: float, grace: float) -> None:
        """Expect a supervisor to end its tree.

        Args:
            trial: Index of the trial, which is followed.
            reason: Why it must end: ``timeout`` or ``stop``.
            seconds: After how many seconds from now it begins to end it.
            grace: How long that may take.
        """
        due = monotonic() + seconds + grace + _LATE
        process = self._live[trial].process
        heapq.heappush(self._deadlines, _Deadline(due, next(self._order), trial, process, reason, grace))

    def end(self, trial: int) -> None:
        """Note that the supervisor of a trial's attempt is gone."""
        self._forget(trial)
        self.news.add(trial)

    def read(self, trial: int) -> None:
        """The end of a trial's attempt is known now."""
        self.news.discard(trial)

    def collect(self) -> None:
        """Take in what has happened, without waiting."""
        self._take(self._watch.wait(0)[0])
        self._press()

    def wait(self, until: float | None, clock: Clock, waker: Waker) -> set[int]:
        """Wait for news; return at once where there is unread news. What is there already is seen whatever the time.

        Args:
            until: Time of the clock at which to return at the latest, or None.
            clock: The clock.
            waker: Ends the wait from elsewhere.

        Returns:
            The trials with news.
        """
        self._watch.listen(waker)
        if self.news:
            self.collect()
        while not self.news:
            left = None if until is None else until - clock.now()
            late = self._next_deadline()
            if late is not None:
                late -= monotonic()
                left = late if left is None else min(left, late)
            ended, woken = self._watch.wait(None if left is None else max(0.0, min(left, _LONGEST_WAIT)))
            self._take(ended)
            self._press()
            if woken or (until is not None and clock.now() >= until):
                break
        return set(self.news)

    def close(self) -> None:
        """Let go of everything; what is alive goes on. Idempotent."""
        for live in self._live.values():
            live.process.close()
        self._live.clear()
        self._deadlines.clear()
        self._watch.close()

    def _take(self, ended: list[int]) -> None:
        for trial in ended:
            self.end(trial)

    def _forget(self, trial: int) -> None:
        live = self._live.pop(trial, None)
        if live is not None:
            self._watch.remove(live.process)
            live.process.close()

    def _next_deadline(self) -> float | None:
        while self._deadlines and self._deadlines[0].process.fileno() < 0:
            heapq.heappop(self._deadlines)  # it has ended
        return self._deadlines[0].time if self._deadlines else None

    def _press(self) -> None:
        if not self._deadlines:
            return
        now = monotonic()
        while (due := self._next_deadline()) is not None and due <= now:
            late = heapq.heappop(self._deadlines)
            if late.woken:
                self.killed[late.trial] = (self._live[late.trial].attempt, late.reason)
                late.process.kill()
            else:
                late.process.resume()  # it goes on where it stood, and needs its grace once more
                late.time, late.woken = now + late.grace + _LATE, True
                heapq.heappush(self._deadlines, late)


def check_descriptors(count: int) -> None:
    """Check that so many supervisors can be followed at once.

    Raises:
        UsageError: The process may not have as many descriptors.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and count + _SPARE_DESCRIPTORS > soft:
        raise UsageError(
            f"{count} workers need more open files than the limit of {soft} allows; raise it with: "
            f"ulimit -n {count + _SPARE_DESCRIPTORS} (up to {hard}), or take fewer workers"
        )
