"""The optimizers of the drivers that die. Their asks and tells are passages: a driver can die between any two."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any, Literal

from runwright.optimizer import Restored, Suggestion, feed
from runwright.optimizers import RandomOptimizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import runwright as rw
    from runwright.optimizer import HistoryItem, Observation


def mark() -> None:
    """Pass: a system call that does nothing."""
    os.kill(os.getpid(), 0)


class MarkedRandom(RandomOptimizer):
    """Random search."""

    def ask(self, trial: int) -> Suggestion:
        mark()
        return super().ask(trial)

    def tell(self, observation: Observation) -> None:
        mark()
        super().tell(observation)


class ChainOptimizer:
    """Proposes a hash of all that happened so far: any difference in the history changes what follows."""

    rebuild: Literal["stateless", "history", "replay"] = "history"

    def __init__(self) -> None:
        self._steps: list[tuple[Any, ...]] = []

    def setup(self, experiment: rw.Experiment) -> None:
        self._steps.clear()

    def ask(self, trial: int) -> Suggestion:
        mark()
        suggestion = Suggestion(chained(self._steps, trial))
        self.attach(trial, suggestion)
        mark()
        return suggestion

    def attach(self, trial: int, suggestion: Suggestion) -> None:
        self._steps.append(("asked", trial, suggestion.parameters))

    def tell(self, observation: Observation) -> None:
        mark()
        self._steps.append(("told", observation.trial, observation.status.name, observation.metrics))
        mark()

    def restore(self, history: Sequence[HistoryItem]) -> Restored:
        feed(self, history)
        return Restored(exact=True, reason="the chain was made again")

    def describe(self) -> dict[str, Any]:
        return {"type": "chain"}


def chained(steps: Sequence[tuple[Any, ...]], trial: int) -> dict[str, float]:
    """Return what a chain proposes.

    Args:
        steps: ``("asked" or "attached", trial, point)`` and ``("told", trial, status, metrics, ...)``, in order.
        trial: Which trial is asked for.
    """
    chain = hashlib.sha256(str(trial).encode())
    for word, index, *what in steps:
        if word == "told":
            chain.update(repr((index, what[0], [(name, *value) for name, value in what[1].items()])).encode())
        else:
            chain.update(repr((index, what[0]["x"])).encode())
    return {"x": int.from_bytes(chain.digest()[:8], "big") / 2**64}
