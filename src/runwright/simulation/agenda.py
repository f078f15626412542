"""What is due when, and who waits: both take a trial out in constant time, by leaving its entry to be skipped."""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from runwright.simulation.trials import QUEUED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runwright.simulation.trials import SimTrial

_FEW = 64
"""So many skipped entries are never worth a clean-up."""


class Agenda:
    """A heap of trials by the time of their next event; at one moment in order of submission.

    Attributes:
        moment: Time of the trials that were taken out last.
    """

    __slots__ = ("_heap", "_void", "moment")

    def __init__(self) -> None:
        # A trial never has two entries of one time, so that trials themselves are never compared.
        self._heap: list[tuple[float, int, SimTrial]] = []
        self._void = 0
        self.moment = 0.0

    def plan(self, trial: SimTrial, time: float) -> None:
        """Plan the next event of a trial, which has none planned."""
        trial.due = time
        heappush(self._heap, (time, trial.order, trial))

    def cancel(self, trial: SimTrial) -> None:
        """Take back the planned event of a trial, if it has one."""
        if trial.due is None:
            return
        trial.due = None
        self._void += 1
        if self._void > _FEW and 2 * self._void > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].due == entry[0]]
            heapify(self._heap)
            self._void = 0

    def next_time(self) -> float | None:
        """Return the time of the next event, or None."""
        heap = self._heap
        while heap:
            time, _, trial = heap[0]
            if trial.due == time:
                return time
            heappop(heap)
            self._void -= 1
        return None

    def may_be_due(self, time: float) -> bool:
        """Whether an event is due by a time; perhaps only one that was taken back."""
        return bool(self._heap) and self._heap[0][0] <= time

    def take(self, until: float) -> list[SimTrial]:
        """Take out the trials of the next moment, in order of submission; none if it is later than `until`."""
        found: list[SimTrial] = []
        heap = self._heap
        while heap and heap[0][0] <= until:
            time, _, trial = heappop(heap)
            if trial.due == time:
                trial.due = None
                found.append(trial)
                self.moment = until = time
            else:
                self._void -= 1
        return found

    def __len__(self) -> int:
        return len(self._heap)


class Queue:
    """Trials that wait for a slot, first come first served."""

    __slots__ = ("_entries", "_void")

    def __init__(self) -> None:
        self._entries: deque[SimTrial] = deque()
        self._void = 0

    def append(self, trial: SimTrial) -> None:
        """Let a trial wait; its phase is QUEUED."""
        self._entries.append(trial)

    def left(self) -> None:
        """Take note that a trial has left: its phase is QUEUED no more."""
        self._void += 1
        if self._void > _FEW and 2 * self._void > len(self._entries):
            self._entries = deque(self)
            self._void = 0

    def pop(self) -> SimTrial:
        """Take out the first trial; there must be one."""
        while (trial := self._entries.popleft()).phase is not QUEUED:
            self._void -= 1
        return trial

    def __iter__(self) -> Iterator[SimTrial]:
        return (trial for trial in self._entries if trial.phase is QUEUED)

    def __len__(self) -> int:
        return len(self._entries) - self._void
