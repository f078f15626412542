"""Which trials are the best: one for a single objective, those that no other dominates for several."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runwright.experiment import Experiment
    from runwright.result import Metrics
    from runwright.state import State
    from runwright.trial import BaseTrial

_Point = tuple[float, ...]
_Evaluation = tuple[str | None, int | None]  # instance and seed


class Best(NamedTuple):
    """A point that no other beats.

    Attributes:
        trial: The trial that evaluated it, the first one where there were several.
        arm: Name of the arm.
        metrics: What was measured; where there were several evaluations, the mean of each metric that all of them have.
        evaluations: How many trials evaluated it, on different instances or with different seeds.
    """

    trial: BaseTrial
    arm: str
    metrics: Metrics
    evaluations: int = 1

    @property
    def parameters(self) -> dict[str, Any]:
        """The point itself."""
        return self.trial.arms_by_name[self.arm].parameters

    @property
    def whose(self) -> str:
        """Whose measurement it is, in words."""
        arm = f", arm {self.arm}" if len(self.trial.arms) > 1 else ""
        more = f", mean of {self.evaluations} evaluations" if self.evaluations > 1 else ""
        return f"trial {self.trial.index}{arm}{more}"


@dataclass(slots=True)
class _Evaluated:
    """A point and what each of its evaluations measured."""

    trial: BaseTrial
    arm: str
    measured: dict[_Evaluation, Metrics]

    def best(self) -> Best:
        first, *others = self.measured.values()
        if not others:
            return Best(self.trial, self.arm, first)
        names = [name for name in first if all(name in other for other in others)]
        count = len(self.measured)
        sums = {name: math.fsum(metrics[name][0] for metrics in self.measured.values()) for name in names}
        return Best(self.trial, self.arm, {name: (total / count, None) for name, total in sums.items()}, count)


class Incumbents:
    """The best completed trials so far, kept trial by trial.

    Only trials of the largest budget that was completed compete: values of different budgets do not compare. A trial of
    several arms competes with its best arm (one objective) or with all of them (several). Of equal values the first
    trial wins; trials that are equal in all of several objectives all stay.

    Trials that have an instance or a seed and evaluate the same point are evaluations of one thing: their mean
    competes, and only that of points with the most evaluations, since an easy instance says little about the others. So
    SMAC chooses its incumbents too (Lindauer et al., "SMAC3", JMLR 23(54), 2022). What was evaluated on the same
    instance with the same seed counts once.

    What breaks a constraint on metrics does not compete.

    Args:
        objectives: Metric name to ``"minimize"`` or ``"maximize"``.
        feasible: Says whether what was measured meets all constraints; None: there are none.
    """

    def __init__(self, objectives: Mapping[str, str], *, feasible: Callable[[Metrics], bool] | None = None) -> None:
        self._feasible = feasible
        self._signs = {name: 1.0 if direction == "minimize" else -1.0 for name, direction in objectives.items()}
        self._budget = -math.inf
        self._most = 1
        self._evaluated: dict[str, _Evaluated] = {}
        self._front: list[tuple[_Point, Best]] = []

    @classmethod
    def of(cls, experiment: Experiment | None) -> Incumbents:
        """Return those of an experiment before its first trial."""
        if experiment is None:
            return cls({})
        return cls(experiment.objectives, feasible=experiment.feasible if experiment.outcome_constraints else None)

    @property
    def best(self) -> Best | None:
        """The best point; None before the first, or with several objectives."""
        if len(self._signs) != 1 or not self._front:
            return None
        return self._front[0][1]

    @property
    def points(self) -> list[Best]:
        """The points that no other dominates, by the index of their trial."""
        return sorted((best for _, best in self._front), key=lambda best: best.trial.index)

    @property
    def front(self) -> list[BaseTrial]:
        """The trials of these points, each once."""
        return list({best.trial.index: best.trial for best in self.points}.values())

    @property
    def arms(self) -> set[tuple[int, str]]:
        """Index and name of the arms that no other dominates."""
        return {(best.trial.index, best.arm) for _, best in self._front}

    def take(self, trial: BaseTrial) -> bool:
        """Let a trial compete; say whether its point is one of the best now. Trials without measurements lose.

        Args:
            trial: A trial of the experiment, each in the order of its end or of its index.
        """
        if trial.status is not TrialStatus.COMPLETED or trial.result is None or not self._signs:
            return False
        budget = math.inf if trial.budget is None else trial.budget
        if budget < self._budget:
            return False
        if budget > self._budget:
            self._budget, self._most, self._front = budget, 1, []
            self._evaluated.clear()
        alone = trial.instance is None and trial.seed is None
        entered = []
        for arm, metrics in trial.result.arms.items():
            best = Best(trial, arm, metrics) if alone else self._together(trial, arm, metrics)
            entered.append(best is not None and self._enter(best))
        return any(entered)

    def _together(self, trial: BaseTrial, arm: str, metrics: Metrics) -> Best | None:
        """Return what a point is with one more evaluation; None where it was evaluated so before."""
        point = repr(sorted(trial.arms_by_name[arm].parameters.items()))  # a foreign loop's may hold lists
        known = self._evaluated.setdefault(point, _Evaluated(trial, arm, {}))
        which = (trial.instance, trial.seed)
        if which in known.measured:
            return None
        known.measured[which] = metrics
        return known.best()

    def _enter(self, best: Best) -> bool:
        if best.evaluations > self._most:
            self._most, self._front = best.evaluations, []
        if best.evaluations < self._most or any(name not in best.metrics for name in self._signs):
            return False
        if self._feasible is not None and not self._feasible(best.metrics):
            return False
        point = tuple(sign * best.metrics[name][0] for name, sign in self._signs.items())
        single, index = len(point) == 1, best.trial.index
        for other, incumbent in self._front:
            if _no_worse(other, point) and (other != point or (single and incumbent.trial.index <= index)):
                return False
        self._front = [entry for entry in self._front if not _no_worse(point, entry[0]) or entry[0] == point]
        if single:
            self._front.clear()
        self._front.append((point, best))
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
    return None if found is None else found.trial


def pareto(state: State) -> list[BaseTrial]:
    """Return the completed trials that no other dominates, by index; with one objective, the best alone."""
    return incumbents(state).front
