"""A run of an optimizer, made up and played: the calls that an engine makes, and the history that it would record."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from runwright.experiment import Choice
from runwright.optimizer import Asked, Attached, Exhausted, Observation, Suggestion
from runwright.optimizers.random_search import RandomOptimizer
from runwright.result import Failure
from runwright.status import FailureKind, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwright.experiment import Experiment, Parameter, ParameterValue
    from runwright.optimizer import HistoryItem, Optimizer
    from runwright.result import Metrics


@dataclass(frozen=True, slots=True)
class Step:
    """One call of an optimizer: ``ask``, ``attach`` a point, or ``tell`` an end."""

    call: Literal["ask", "attach", "tell"]
    trial: int
    point: dict[str, ParameterValue] | None = None
    status: TrialStatus = TrialStatus.COMPLETED
    penalised: bool = False


_ENDS = {
    TrialStatus.COMPLETED: 80,
    TrialStatus.FAILED: 8,
    TrialStatus.ABANDONED: 6,
    TrialStatus.STALE: 4,
    TrialStatus.EARLY_STOPPED: 2,
}


def plan(experiment: Experiment, *, trials: int, pending: int, seed: int = 0) -> list[Step]:
    """Make up the calls of an asynchronous run, the same for the same arguments.

    Args:
        experiment: What is searched.
        trials: How many trials there are.
        pending: How many are pending at once at the most.
        seed: Another seed, another run.
    """
    chance = random.Random(seed)  # noqa: S311  (reproducible is what it must be)
    users = RandomOptimizer(seed=seed)
    users.setup(experiment)
    steps: list[Step] = []
    open_trials: list[int] = []
    repeatable: list[int] = []
    begun = 0
    while begun < trials or open_trials:
        if repeatable and chance.random() < 0.2:
            again = repeatable.pop(chance.randrange(len(repeatable)))
            steps.append(Step("tell", again, None, chance.choice((TrialStatus.COMPLETED, TrialStatus.FAILED))))
        elif begun < trials and len(open_trials) < pending and (not open_trials or chance.random() < 0.7):
            attached = chance.random() < 0.1
            steps.append(
                Step("attach", begun, users.ask(begun).parameters) if attached else Step("ask", begun),
            )
            open_trials.append(begun)
            begun += 1
        else:
            trial = open_trials.pop(chance.randrange(len(open_trials)))
            status = chance.choices(list(_ENDS), list(_ENDS.values()))[0]
            penalised = status is TrialStatus.FAILED and trial % 2 == 1
            steps.append(Step("tell", trial, None, status, penalised))
            if status in (TrialStatus.FAILED, TrialStatus.ABANDONED):
                repeatable.append(trial)
    return steps


def measure(experiment: Experiment, point: dict[str, ParameterValue]) -> Metrics:
    """Evaluate a point: for each objective, and each metric of a constraint, a bowl with a bottom of its own."""
    there = {name: parameter for name, parameter in experiment.parameters.items() if name in point}
    places = [_place(parameter, point[name]) for name, parameter in there.items()]
    return {
        name: (sum((place - 0.3 * number) ** 2 for place in places), 0.1)
        for number, name in enumerate(experiment.measured, 1)
    }


def penalties(experiment: Experiment) -> dict[str, float]:
    """Return what a user may have said that a failure costs."""
    return {name: 100.0 if wanted == "minimize" else -100.0 for name, wanted in experiment.objectives.items()}


def _place(parameter: Parameter, value: ParameterValue) -> float:
    if isinstance(parameter, Choice):
        return parameter.values.index(value) / len(parameter.values)
    assert isinstance(value, (int, float)), f"{value!r} is no number"
    return (value - parameter.low) / (parameter.high - parameter.low)


class Player:
    """Drives an optimizer through steps and writes down what the engine would record.

    Args:
        optimizer: The optimizer, after `Optimizer.setup`.
        experiment: What it searches.
        past: What happened before, where it was restored.
    """

    def __init__(self, optimizer: Optimizer, experiment: Experiment, past: Sequence[HistoryItem] = ()) -> None:
        self.optimizer = optimizer
        self.experiment = experiment
        self.history: list[HistoryItem] = list(past)
        self._points = {item.trial: item.suggestion.parameters for item in past if not isinstance(item, Observation)}

    def play(self, steps: Sequence[Step]) -> list[Suggestion | None]:
        """Make the calls; return what each ask gave (None: nothing now, or nothing more)."""
        return [self._make(step) for step in steps if step.call == "ask" or self._can(step)]

    def _can(self, step: Step) -> bool:
        """Whether the trial is there: an ask may have given nothing."""
        return step.call == "attach" or step.trial in self._points

    def _make(self, step: Step) -> Suggestion | None:
        if step.call == "tell":
            observation = self._observe(step)
            self.optimizer.tell(observation)
            self.history.append(observation)
            return None
        if step.point is not None:
            suggestion: Suggestion | None = Suggestion(dict(step.point))
            assert suggestion is not None, "just made"
            self.optimizer.attach(step.trial, suggestion)
            self.history.append(Attached(step.trial, suggestion))
        else:
            try:
                suggestion = self.optimizer.ask(step.trial)
            except Exhausted:
                suggestion = None
            if suggestion is None:
                return None
            self.history.append(Asked(step.trial, suggestion))
        self._points[step.trial] = suggestion.parameters
        return suggestion

    def _observe(self, step: Step) -> Observation:
        point = self._points[step.trial]
        if step.status is TrialStatus.COMPLETED:
            return Observation(step.trial, point, step.status, measure(self.experiment, point))
        failed = step.status is TrialStatus.FAILED
        failure = Failure(FailureKind.CRASHED, "it ended with exit status 1") if failed else None
        penalty = penalties(self.experiment) if step.penalised else None
        return Observation(step.trial, point, step.status, failure=failure, penalty=penalty)


def recorded(history: Sequence[HistoryItem]) -> list[HistoryItem]:
    """Return a history as it comes back from a journal: through JSON."""
    return [_recorded(item) for item in history]


def _recorded(item: HistoryItem) -> HistoryItem:
    if isinstance(item, Observation):
        metrics = {name: (mean, sem) for name, (mean, sem) in json.loads(json.dumps(item.metrics)).items()}
        return replace(item, parameters=json.loads(json.dumps(item.parameters)), metrics=metrics)
    suggestion = replace(item.suggestion, parameters=json.loads(json.dumps(item.suggestion.parameters)))
    return replace(item, suggestion=suggestion)
