"""Which trials Ax waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from runwright.bridges.ax_request import ForeignTrial


class Following:
    """The trials that were handed in or asked after in this process, by our index."""

    def __init__(self) -> None:
        self._taken: dict[int, ForeignTrial] = {}
        self._waiting: dict[int, ForeignTrial] = {}
        self._ended: set[int] = set()

    def take(self, own: int, trial: ForeignTrial, *, ended: bool) -> None:
        """Follow a trial until Ax is told of its end; not one that has ended for Ax."""
        self._taken[own] = trial
        if not trial.status.is_terminal:
            self._waiting[own] = trial
            if ended:
                self._ended.add(own)

    def is_same(self, own: int, trial: ForeignTrial) -> bool:
        """Whether this very object is the trial, so that its points need not be compared."""
        return self._taken.get(own) is trial

    def waits_for(self, own: int, trial: ForeignTrial) -> bool:
        """Whether the end of this very object was not told yet."""
        return self._waiting.get(own) is trial

    def note_ended(self, ended: Iterable[int]) -> None:
        """Learn which trials have ended."""
        self._ended.update(own for own in ended if own in self._waiting)

    def leave(self, own: int) -> None:
        """Follow a trial no longer: its end was told, or does not matter any more."""
        self._waiting.pop(own, None)
        self._ended.discard(own)

    def untold(self) -> int:
        """Return how many have ended and still run for Ax."""
        return sum(self._waiting[own].status.is_deployed for own in self._ended)

    @property
    def waits(self) -> bool:
        """Whether the end of any trial is still to be told."""
        return bool(self._waiting)

    def given_up(self, but: Collection[int]) -> list[tuple[int, ForeignTrial]]:
        """Return those that have ended for Ax before we said so.

        Args:
            but: Trials, by our index, that are known not to have.
        """
        if len(self._waiting) == len(but):
            return []
        return [(own, trial) for own, trial in self._waiting.items() if own not in but and trial.status.is_terminal]
