"""The slots of the simulated machine: the fastest free one is given first, of equally fast ones the lowest number."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Slots:
    """The slots.

    Args:
        count: How many there are.
        speeds: How fast each is; empty: all alike.

    Attributes:
        down: How many nobody gets for a while.
    """

    __slots__ = ("_back", "_by_rank", "_count", "_free", "_rank", "_speeds", "_untouched", "down")

    def __init__(self, count: int, speeds: Sequence[float] = ()) -> None:
        self._count = count
        self._speeds = speeds
        # Slots are given by rank. Those from `_untouched` on were never given: an idle machine of a million slots is
        # small.
        self._by_rank: Sequence[int] = range(count)
        self._rank: Sequence[int] = range(count)
        if speeds:
            self._by_rank = sorted(range(count), key=lambda slot: -speeds[slot])
            ranks = [0] * count
            for rank, slot in enumerate(self._by_rank):
                ranks[slot] = rank
            self._rank = ranks
        self._untouched = 0
        self._free: list[int] = []
        self._back: list[tuple[float, int]] = []
        self.down = 0

    def take(self) -> int | None:
        """Give a free slot, or None."""
        if self._free:
            rank = heappop(self._free)
            return self._by_rank[rank] if self._speeds else rank
        rank = self._untouched
        if rank == self._count:
            return None
        self._untouched = rank + 1
        return self._by_rank[rank]

    def give_back(self, slot: int) -> None:
        """Take a slot back."""
        heappush(self._free, self._rank[slot] if self._speeds else slot)

    def speed(self, slot: int) -> float:
        """Return how fast a slot is."""
        return self._speeds[slot] if self._speeds else 1.0

    def take_down(self, slot: int, until: float) -> None:
        """Take a slot back that nobody gets for a while."""
        self.down += 1
        heappush(self._back, (until, slot))

    def next_back(self) -> float | None:
        """Return when the next slot that is down comes back, or None."""
        return self._back[0][0] if self._back else None

    def bring_back(self, time: float) -> None:
        """Let the slots come back whose time it is."""
        while self._back and self._back[0][0] <= time:
            self.down -= 1
            self.give_back(heappop(self._back)[1])

    def all_down(self) -> list[list[float]]:
        """Return the slots that are down as ``[until, slot]``, sorted."""
        return [[until, slot] for until, slot in sorted(self._back)]

    def restore(self, taken: Iterable[int], down: Iterable[Sequence[float]]) -> None:
        """Begin with some slots taken and some down.

        Args:
            taken: Slots that trials have.
            down: Slots that are down, as `all_down` gives them.
        """
        self._back = [(until, int(slot)) for until, slot in down]
        heapify(self._back)
        self.down = len(self._back)
        held = {self._rank[slot] for slot in (*taken, *(slot for _, slot in self._back))}
        self._untouched = max(held, default=-1) + 1
        self._free = [rank for rank in range(self._untouched) if rank not in held]  # sorted: a heap already
