"""Optimizers of campaigns, and what an undisturbed one of the same kind would have proposed."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

from runwright.optimizer import Exhausted, Suggestion, feed, replay
from runwright.optimizer import Restored as _Restored
from runwright.optimizers import RandomOptimizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runwright.experiment import Experiment
    from runwright.optimizer import HistoryItem, Observation, Rebuild, Restored

MOST_PENDING = 3
"""With so many results outstanding, the replayed optimizer waits for one."""


class HistoryOptimizer:
    """Proposes a hash of all that it was ever given: any difference in it changes what follows."""

    rebuild: Rebuild = "history"

    def __init__(self, passages: Callable[[str], None], *, budgets: bool) -> None:
        self._passages = passages
        self._budgets = budgets
        self._memory = Memory(0)

    def setup(self, experiment: Experiment) -> None:
        self._memory = Memory(experiment.seed)

    def ask(self, trial: int) -> Suggestion | None:
        self._passages(f"ask {trial}: before")
        suggestion = Suggestion(self._memory.point(), budget=1.0 + trial % 3 if self._budgets else None)
        self._memory.learn(("asked", trial, suggestion.parameters))
        self._passages(f"ask {trial}: after")
        return suggestion

    def attach(self, trial: int, suggestion: Suggestion) -> None:
        self._memory.learn(("attached", trial, suggestion.parameters))

    def tell(self, observation: Observation) -> None:
        self._passages(f"tell {observation.trial}: before")
        self._memory.learn(step_of(observation))
        self._passages(f"tell {observation.trial}: after")

    def restore(self, history: Sequence[HistoryItem]) -> Restored:
        passages, self._passages = self._passages, _anywhere
        for item in history:
            if hasattr(item, "suggestion"):
                name = "asked" if type(item).__name__ == "Asked" else "attached"
                self._memory.learn((name, item.trial, item.suggestion.parameters))
            else:
                feed(self, [item])
        self._passages = passages
        return _Restored(exact=True, reason="everything was learned again")

    def describe(self) -> dict[str, Any]:
        return {"type": "history-hash"}


class ReplayOptimizer(HistoryOptimizer):
    """Comes to where it stood only by being asked and told everything again; and it waits, and comes to its end."""

    rebuild: Rebuild = "replay"

    def ask(self, trial: int) -> Suggestion | None:
        if self._memory.asked >= 40:
            raise Exhausted
        if self._memory.pending >= MOST_PENDING:
            return None
        return super().ask(trial)

    def restore(self, history: Sequence[HistoryItem]) -> Restored:
        passages, self._passages = self._passages, _anywhere
        restored = replay(self, history, seconds=math.inf)
        self._passages = passages
        return restored

    def describe(self) -> dict[str, Any]:
        return {"type": "replayed"}


class Memory:
    """What a history comes to."""

    def __init__(self, seed: int) -> None:
        self._hash = hashlib.sha256(str(seed).encode())
        self._open: set[int] = set()
        self.asked = 0

    @property
    def pending(self) -> int:
        """How many results are outstanding."""
        return len(self._open)

    def learn(self, step: tuple[Any, ...]) -> None:
        """Take in one step."""
        self._hash.update(repr(step).encode())
        self.asked += step[0] == "asked"
        if step[0] == "told":
            self._open.discard(step[1])
        else:
            self._open.add(step[1])

    def point(self) -> dict[str, float]:
        """The next point."""
        return {"x": int.from_bytes(self._hash.digest()[:6], "big") / 2**48}


def step_of(told: Observation) -> tuple[Any, ...]:
    """An observation in the words of the judge."""
    metrics = sorted((name, mean, sem) for name, (mean, sem) in told.metrics.items())
    kind = None if told.failure is None else told.failure.kind.value
    return ("told", told.trial, told.status.name, metrics, kind, told.penalty)


def undisturbed(kind: str, experiment: Experiment) -> Callable[[list[tuple[Any, ...]], int], dict[str, Any]]:
    """Return what an optimizer that was never disturbed proposes after given steps, as the judge asks for it."""
    if kind == "random":
        fresh = RandomOptimizer()
        fresh.setup(experiment)
        return lambda _, index: fresh.ask(index).parameters
    memory, learned = Memory(experiment.seed), 0

    def suggest(steps: list[tuple[Any, ...]], index: int) -> dict[str, Any]:
        nonlocal learned
        for step in steps[learned:]:
            if step[0] == "told":
                name, trial, status, metrics, failure, penalty = step
                means = sorted((metric, mean, sem) for metric, (mean, sem) in metrics.items())
                memory.learn((name, trial, status, means, failure, penalty))
            else:
                memory.learn(step)
        learned = len(steps)
        return memory.point()

    return suggest


def _anywhere(label: str) -> None:
    """No seam: what is brought back is not asked for."""
