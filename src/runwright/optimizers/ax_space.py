"""An experiment in Ax's words: names, parameters, objective, constraints. Ax itself is not imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from runwright.errors import UsageError
from runwright.experiment import Choice, Int

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runwright.experiment import Constraint, Experiment, Parameter, ParameterValue
    from runwright.result import Failure, Metrics

_LARGEST_EXACT_INT = 2**53
_NOT_THE_POINTS_FAULT = ("lost", "submit_error")


@dataclass(frozen=True, slots=True)
class Space:
    """An experiment as Ax's Client is told of it.

    Ax reads names as mathematics (``beta`` is a function there), so parameters are called ``p0``, ``p1`` ... and
    metrics ``m0``, ``m1`` ...

    Attributes:
        parameters: Name to Ax's.
        metrics: Metric name to Ax's: of objectives and constraints.
        objective: The objective, as `configure_optimization` takes it.
        parameter_constraints: On parameters.
        outcome_constraints: On metrics.
    """

    parameters: dict[str, str]
    metrics: dict[str, str]
    objective: str
    parameter_constraints: list[str]
    outcome_constraints: list[str]

    @classmethod
    def of(cls, experiment: Experiment) -> Space:
        """Translate an experiment.

        Raises:
            UsageError: Ax cannot express it; the sentence says what.
        """
        if not experiment.objectives:
            raise UsageError("the ax optimizer needs an objective; this experiment has none")
        for name, parameter in experiment.parameters.items():
            _check_parameter(name, parameter)
        for constraint in experiment.parameter_constraints:
            _check_linear(constraint, experiment.parameters)
        for constraint in experiment.outcome_constraints:
            _check_outcome(constraint, experiment.objectives)
        parameters = {name: f"p{number}" for number, name in enumerate(experiment.parameters)}
        metrics = {name: f"m{number}" for number, name in enumerate(experiment.measured)}
        signs = {"minimize": "-", "maximize": ""}
        return cls(
            parameters,
            metrics,
            ", ".join(f"{signs[direction]}{metrics[name]}" for name, direction in experiment.objectives.items()),
            [_written(constraint, parameters) for constraint in experiment.parameter_constraints],
            [_written(constraint, metrics) for constraint in experiment.outcome_constraints],
        )

    def point_to_ax(self, point: Mapping[str, ParameterValue]) -> dict[str, ParameterValue]:
        """Return a point in Ax's names."""
        return {self.parameters[name]: value for name, value in point.items()}

    def point_of_ax(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Return a point of Ax's in the experiment's names, without what is not there."""
        return {name: point[own] for name, own in self.parameters.items() if point.get(own) is not None}

    def data(self, metrics: Metrics) -> dict[str, float | tuple[float, float]]:
        """Return measurements as Ax takes them; without a standard error it finds out how noisy they are."""
        known = {own: metrics[name] for name, own in self.metrics.items() if name in metrics}
        return {own: mean if sem is None else (mean, sem) for own, (mean, sem) in known.items()}


def dependents(name: str, experiment: Experiment) -> dict[ParameterValue, list[str]]:
    """Return what depends on a choice: its value to the names of parameters."""
    found: dict[ParameterValue, list[str]] = {}
    for other, parameter in experiment.parameters.items():
        if name in (parameter.when or {}):
            found.setdefault(parameter.when[name][0], []).append(other)
    return found


def end_of_failure(failure: Failure | None) -> Literal["failed", "abandoned"]:
    """Say how Ax must hear of a failed trial.

    A failed one may be proposed again, which is right where it was not the point's fault; an abandoned one stays with
    the model as a point that is not to be tried.
    """
    if failure is not None and failure.kind.value not in _NOT_THE_POINTS_FAULT:
        return "abandoned"
    return "failed"


def _check_parameter(name: str, parameter: Parameter) -> None:
    if isinstance(parameter, Int) and max(abs(parameter.low), abs(parameter.high)) > _LARGEST_EXACT_INT:
        raise UsageError(
            f"parameter {name!r}: Ax computes with floating-point numbers, so integer bounds must be within 2**53, "
            f"not [{parameter.low}, {parameter.high}]"
        )
    if parameter.when is not None and (len(parameter.when) > 1 or len(next(iter(parameter.when.values()))) > 1):
        raise UsageError(
            f"parameter {name!r}: Ax takes conditions on one value of one choice, not on several; "
            "take optuna, smac or random"
        )


def _check_linear(constraint: Constraint, parameters: Mapping[str, Parameter]) -> None:
    for name in constraint.weights:
        parameter = parameters[name]
        if not isinstance(parameter, Choice) and parameter.log:
            raise UsageError(
                f"Ax takes no constraint on a parameter with a logarithmic scale, such as {name!r} in "
                f"{constraint.text!r}; remove its log, or take random"
            )


def _check_outcome(constraint: Constraint, objectives: Mapping[str, str]) -> None:
    names = [name for name in constraint.weights if name in objectives]
    if not names:
        return
    if len(objectives) == 1:
        raise UsageError(
            f"Ax takes no constraint on its only objective, {names[0]!r} in {constraint.text!r}; remove it: "
            "the best trial shows whether it is met"
        )
    if len(constraint.weights) > 1:
        raise UsageError(f"Ax takes no constraint on several metrics of which one is an objective: {constraint.text!r}")
    upper = constraint.weights[names[0]] > 0
    if upper is not (objectives[names[0]] == "minimize"):
        raise UsageError(
            f"Ax takes a constraint on the objective {names[0]!r} as the worst value that is still of interest, so "
            f"{constraint.text!r} is the wrong way round for {objectives[names[0]]}"
        )


def _written(constraint: Constraint, names: Mapping[str, str]) -> str:
    """Write a constraint in Ax's names; a metric that must be large stands with a lower bound."""
    turn = -1.0 if all(weight < 0 for weight in constraint.weights.values()) else 1.0
    terms = " + ".join(_term(turn * weight, names[name]) for name, weight in constraint.weights.items())
    return f"{terms} {'>=' if turn < 0 else '<='} {turn * constraint.bound!r}"


def _term(weight: float, name: str) -> str:
    return name if weight == 1.0 else f"{weight!r} * {name}"
