"""Stands where the engine has its optimizer when a foreign loop does the proposing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright.optimizer import Restored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwright.experiment import Experiment
    from runwright.optimizer import HistoryItem, Observation, Rebuild, Suggestion
    from runwright.result import Json


class Collector:
    """Proposes nothing, and notes which trials have ended."""

    rebuild: Rebuild = "stateless"

    def __init__(self) -> None:
        self._told: list[int] = []

    def setup(self, experiment: Experiment) -> None:
        """Get ready: there is nothing to do."""

    def ask(self, trial: int) -> Suggestion | None:  # noqa: ARG002
        """Propose nothing."""
        return None

    def attach(self, trial: int, suggestion: Suggestion) -> None:
        """Learn of a submitted trial, of which the queue knows."""

    def tell(self, observation: Observation) -> None:
        """Note that a trial has ended; it is handed out after the commit."""
        self._told.append(observation.trial)

    def take(self) -> list[int]:
        """Return the trials that have ended since the last call, in the order of their end."""
        told, self._told = self._told, []
        return told

    def restore(self, history: Sequence[HistoryItem]) -> Restored:  # noqa: ARG002
        """Need nothing."""
        return Restored(exact=True, reason="a queue proposes nothing")

    def describe(self) -> Json:
        """Say that the points come from a foreign loop."""
        return {"type": "queue"}
