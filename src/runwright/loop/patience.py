"""When to try again what was in vain: soon, then ever later."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ASK_AGAIN_AFTER = 0.05
"""Seconds after which what failed or was not known is tried again; doubled by each time in vain."""
LONGEST_PAUSE = 5.0
"""Seconds to which that doubles."""


def pause(times: int) -> float:
    """Return the seconds to wait after so many times in vain."""
    return min(LONGEST_PAUSE, ASK_AGAIN_AFTER * 2.0 ** min(times, 10))


class Patience:
    """Remembers of each trial how often something was tried in vain, and when it is to be tried again."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[int, float]] = {}

    def in_vain(self, index: int, now: float) -> None:
        """Note that it was tried in vain."""
        times = self._waiting.get(index, (0, now))[0] + 1
        self._waiting[index] = times, now + pause(times)

    def settle(self, index: int) -> None:
        """Forget the trial: what was to be done is done."""
        self._waiting.pop(index, None)

    def due(self, indices: Iterable[int], now: float) -> list[int]:
        """Return those of some trials whose time has come, in order."""
        waiting = self._waiting
        return sorted(index for index in indices if index not in waiting or waiting[index][1] <= now)

    def earliest(self, indices: Iterable[int], now: float) -> float | None:
        """Return when the first of some trials is to be tried again; None where there are none."""
        untried = now + ASK_AGAIN_AFTER
        return min((self._waiting.get(index, (0, untried))[1] for index in indices), default=None)
