"""Which trials are the best: one for a single objective, those that no other dominates for several."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runwright.experiment import Experiment
    from runwright.result import Metrics
    from runwright.state import State
    from runwright.trial import BaseTrial

_Point = tuple[float, ...]


class Incumbents:
    """The best completed trials so far, kept trial by trial.

    Only trials of the largest budget that was completed compete: values of different budgets do not compare. A trial of
    several arms competes with its best arm (one objective) or with all of them (several). Of equal values the first
    trial wins; trials that are equal in all of several objectives all stay.

    What breaks a constraint on metrics does not compete.

    Args:
        objectives: Metric name to ``"minimize"`` or ``"maximize"``.
        feasible: Says whether what was measured meets all constraints; None: there are none.
    """

    def __init__(self, objectives: Mapping[str, str], *, feasible: Callable[[Metrics], bool] | None = None) -> None:
        self._feasible = feasible
        self._signs = {name: 1.0 if direction == "minimize" else -1.0 for name, direction in objectives.items()}
        self._budget = -math.inf
        self._front: list[tuple[_Point, BaseTrial, str]] = []

    @classmethod
    def of(cls, experiment: Experiment | None) -> Incumbents:
        """Return those of an experiment before its first trial."""
        if experiment is None:
            return cls({})
        return cls(experiment.objectives, feasible=experiment.feasible if experiment.outcome_constraints else None)

    @property
    def best(self) -> tuple[BaseTrial, str] | None:
        """The best trial and the name of its best arm; None before the first, or with several objectives."""
        if len(self._signs) != 1 or not self._front:
            return None
        _, trial, arm = self._front[0]
        return trial, arm

    @property
    def front(self) -> list[BaseTrial]:
        """The trials that no other dominates, by index."""
        return sorted({trial.index: trial for _, trial, _ in self._front}.values(), key=lambda trial: trial.index)

    @property
    def arms(self) -> set[tuple[int, str]]:
        """Index and name of the arms that no other dominates."""
        return {(trial.index, arm) for _, trial, arm in self._front}

    def take(self, trial: BaseTrial) -> bool:
        """Let a trial compete; say whether it is one of the best now. Trials without measurements lose.

        Args:
            trial: A trial of the experiment, each in the order of its end or of its index.
        """
        if trial.status is not TrialStatus.COMPLETED or trial.result is None or not self._signs:
            return False
        budget = math.inf if trial.budget is None else trial.budget
        if budget < self._budget:
            return False
        if budget > self._budget:
            self._budget, self._front = budget, []
        entered = [self._enter(trial, arm, metrics) for arm, metrics in trial.result.arms.items()]
        return any(entered)

    def _enter(self, trial: BaseTrial, arm: str, metrics: Metrics) -> bool:
        if any(name not in metrics for name in self._signs):
            return False
        if self._feasible is not None and not self._feasible(metrics):
            return False
        point = tuple(sign * metrics[name][0] for name, sign in self._signs.items())
        single = len(point) == 1
        for other, incumbent, _ in self._front:
            if _no_worse(other, point) and (other != point or (single and incumbent.index <= trial.index)):
                return False
        self._front = [entry for entry in self._front if not _no_worse(point, entry[0]) or entry[0] == point]
        if single:
            self._front.clear()
        self._front.append((point, trial, arm))
        return True


def _no_worse(one: _Point, other: _Point) -> bool:
    return all(mine <= theirs for mine, theirs in zip(one, other, strict=True))


def incumbents(state: State) -> Incumbents:
    """Let all trials compete."""
    found = Incumbents.of(state.experiment)
    for trial in state.trials:
        found.take(trial)
    return found


def best(state: State) -> BaseTrial | None:
    """Return the best completed trial of an experiment with one objective; None where there is none."""
    found = incumbents(state).best
    return None if found is None else found[0]


def pareto(state: State) -> list[BaseTrial]:
    """Return the completed trials that no other dominates, by index; with one objective, the best alone."""
    return incumbents(state).front
