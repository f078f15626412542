"""The definition of an experiment: its parameters, its objectives and its seed."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from runwright.constraints import Constraint, check_reach, read
from runwright.errors import UsageError
from runwright.json_values import json_point
from runwright.parameters import Choice, Float, Int, Parameter, ParameterValue, conditions, parameter_from_dict
from runwright.trial import Arm, BaseTrial, BatchTrial, Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwright.result import Json, Metrics

__all__ = [
    "DIRECTIONS",
    "Choice",
    "Constraint",
    "Experiment",
    "Float",
    "Int",
    "OpenExperiment",
    "Parameter",
    "ParameterValue",
    "check_name",
    "parameter_from_dict",
    "stable_seed",
]

DIRECTIONS = ("minimize", "maximize")
_FORBIDDEN_IN_NAMES = ("/", "\\", "\0", "\n", "\r")
_LONGEST_NAME = 200
_LARGEST_INT = 2**63 - 1
_THREE = "%s\x1f%s\x1f%s"
_EMPTY = blake2b(digest_size=8)


def stable_seed(*parts: object) -> int:
    """Make a seed of 63 bits from text, numbers and their order; the same on every machine and in every process."""
    text = _THREE % parts if len(parts) == 3 else "\x1f".join(map(str, parts))  # noqa: PLR2004  (the usual case)
    hashed = _EMPTY.copy()  # made anew it costs a third more
    hashed.update(text.encode())
    return int.from_bytes(hashed.digest()) >> 1


def check_name(name: object, what: str) -> str:
    """Return a name that may become part of a path and of a line of text.

    Args:
        name: The name.
        what: What it is a name of, for the error.

    Raises:
        UsageError: It is empty, no text, too long, or has a path in it.
    """
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"{what} must be a text that is not empty, not {name!r:.60}")
    length = len(name.encode("utf-8", "surrogatepass"))
    if length > _LONGEST_NAME:
        raise UsageError(f"{what} is {length} bytes long in UTF-8; {_LONGEST_NAME} are allowed")
    if name in (".", "..") or any(part in name for part in _FORBIDDEN_IN_NAMES):
        raise UsageError(f"{what} {name!r:.80} has a path or a line break in it; use a plain name")
    return name


def _check_absent(name: str, parameter: Parameter, parameters: Mapping[str, Any]) -> None:
    if name in parameters:
        told = " and ".join(
            f"{parent} is {' or '.join(map(repr, values))}" for parent, values in (parameter.when or {}).items()
        )
        raise UsageError(f"parameter {name!r} is there only when {told}; remove it from this point")


class Experiment:
    """What is optimised.

    Args:
        name: Name of the experiment; a plain name, no path.
        parameters: Parameter name to `Float`, `Int` or `Choice`; at least one.
        objectives: Metric name to ``"minimize"`` or ``"maximize"``. Empty where a foreign loop owns the metrics.
        seed: Seed of everything random that is not given one of its own.
        constraints: Sums of parameters, or of metrics, that must not exceed a bound, such as ``"x1 + x2 <= 1"`` and
            ``"weight <= 40"``. A point that breaks one of the first kind is no point; a trial that breaks one of the
            second is completed, and never among the best. Its metrics must be measured like objectives.

    Attributes:
        constraints: As they were read.
        parameter_constraints: Those on parameters, which every point meets.
        outcome_constraints: Those on metrics, which the best trials meet.
        measured: Metrics that every result must have: the objectives, and those of constraints.

    Raises:
        UsageError: One sentence about what is wrong.
    """

    is_open = False
    """Whether its points may have any parameters; see `OpenExperiment`."""

    def __init__(
        self,
        name: str,
        parameters: Mapping[str, Parameter],
        objectives: Mapping[str, str] | None = None,
        *,
        seed: int = 0,
        constraints: Sequence[str] = (),
    ) -> None:
        self.name = check_name(name, "the name of the experiment")
        if not isinstance(parameters, Mapping):
            raise UsageError(
                f"the parameters must map names to Float, Int or Choice, which {parameters!r:.60} does not"
            )
        if objectives is not None and not isinstance(objectives, Mapping):
            raise UsageError(
                f"the objectives must map names to minimize or maximize, which {objectives!r:.60} does not"
            )
        if not parameters and not self.is_open:
            raise UsageError("an experiment needs at least one parameter")
        for key, parameter in parameters.items():
            check_name(key, "the name of a parameter")
            if not isinstance(parameter, (Float, Int, Choice)):
                raise UsageError(f"parameter {key!r} must be Float, Int or Choice, not {parameter!r:.60}")
        self.parameters: dict[str, Parameter] = dict(parameters)
        for metric, direction in (objectives or {}).items():
            check_name(metric, "the name of an objective")
            if direction not in DIRECTIONS:
                raise UsageError(
                    f"the direction of objective {metric!r} must be minimize or maximize, not {direction!r:.60}"
                )
        self.objectives: dict[str, str] = dict(objectives or {})
        if type(seed) is not int or not 0 <= seed <= _LARGEST_INT:
            raise UsageError(f"the seed must be an integer from 0 to 2**63 - 1, not {seed!r:.60}")
        self.seed = seed
        order = conditions(self.parameters)
        self._order = order if any(parameter.when for parameter in self.parameters.values()) else None
        self._in_order = [(name, self.parameters[name]) for name in self._order or self.parameters]
        self.constraints = self._read(constraints)
        self.parameter_constraints = tuple(one for one in self.constraints if one.on == "parameters")
        self.outcome_constraints = tuple(one for one in self.constraints if one.on == "metrics")
        more = [name for constraint in self.outcome_constraints for name in constraint.weights]
        self.measured: tuple[str, ...] = tuple(dict.fromkeys([*self.objectives, *more]))

    def _read(self, constraints: Sequence[str]) -> tuple[Constraint, ...]:
        if isinstance(constraints, str):
            raise UsageError(f"the constraints must be a list of texts, not the text {constraints!r:.60}")
        found = tuple(read(text, self.parameters, self.objectives) for text in constraints)
        for constraint in found:
            if constraint.on == "parameters":
                check_reach(constraint, self.parameters)
        return found

    @property
    def conditional(self) -> bool:
        """Whether there are parameters that are not in every point."""
        return self._order is not None

    @property
    def order(self) -> list[str]:
        """The names of the parameters; what one depends on stands before it."""
        return list(self._order or self.parameters)

    def feasible(self, metrics: Metrics) -> bool:
        """Say whether what was measured meets all constraints on metrics; what was not measured does not."""
        means = {name: mean for name, (mean, _) in metrics.items()}
        return all(
            all(name in means for name in constraint.weights) and constraint.met(means)
            for constraint in self.outcome_constraints
        )

    def active(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the parameters that are there, in the parameters' order.

        Args:
            values: Parameter name to value, for all parameters or for those that are there.
        """
        there: dict[str, Any] = {}
        for name in self._order or self.parameters:
            if self.is_there(name, there):
                there[name] = values[name]
        return {name: there[name] for name in self.parameters if name in there}

    def is_there(self, name: str, above: Mapping[str, Any]) -> bool:
        """Say whether a parameter is in a point.

        Args:
            name: The parameter.
            above: The part of the point that stands before it in `order`: without what is not there.
        """
        when = self.parameters[name].when
        return when is None or all(parent in above and above[parent] in wanted for parent, wanted in when.items())

    def validate(self, parameters: Mapping[str, Any]) -> dict[str, ParameterValue]:
        """Return a point as the parameters' own types, in the parameters' order.

        Args:
            parameters: Parameter name to value; one with a default may be left out. One whose condition does not hold
                must be left out.

        Raises:
            UsageError: A parameter is missing, unknown, not there, or has a value that it cannot take, or the point
                breaks a constraint.
        """
        point: dict[str, ParameterValue] = {}
        defaults = False
        for name, parameter in self._in_order:
            if parameter.when is not None and not self.is_there(name, point):
                _check_absent(name, parameter, parameters)
                continue
            value = parameters.get(name)
            if value is None and name not in parameters:
                value, defaults = parameter.default, True
                if value is None:
                    raise UsageError(f"parameter {name!r} is missing in this point, and it has no default")
            try:
                point[name] = parameter.validate(value)
            except UsageError as error:
                raise UsageError(f"parameter {name!r}: {error}") from None
        if (defaults or len(parameters) != len(point)) and not parameters.keys() <= point.keys():
            unknown = next(name for name in parameters if name not in point)
            raise UsageError(f"{unknown!r:.80} is no parameter of this experiment")
        for constraint in self.parameter_constraints:
            if not constraint.met(point, exactly=False):  # type: ignore[arg-type]  # these are numbers
                raise UsageError(f"the point breaks the constraint {constraint.text!r}")
        return point if self._order is None else {name: point[name] for name in self.parameters if name in point}

    def new_trial(
        self,
        index: int,
        points: Sequence[Mapping[str, Any]],
        *,
        source: str = "optimizer",
        instance: str | None = None,
        budget: float | None = None,
        seed: int | None = None,
        names: Sequence[str] | None = None,
    ) -> BaseTrial:
        """Make a trial of one point (`Trial`) or of several (`BatchTrial`).

        Args:
            index: Number of the trial.
            points: Its points, parameter name to value.
            source: Who proposed it.
            instance: Problem instance, or None.
            budget: Fidelity, or None.
            seed: Seed of the evaluation, or None.
            names: Names of the arms; ``<index>_<position>`` where not given.
        """
        if len(points) == 1 and not names:
            return Trial(index, self, (Arm(points[0], f"{index}_0"),), source, instance, budget, seed)
        labels = names or [f"{index}_{position}" for position in range(len(points))]
        arms = [Arm(point, label) for point, label in zip(points, labels, strict=True)]
        kind = Trial if len(arms) == 1 else BatchTrial
        return kind(index, self, arms, source, instance, budget, seed)

    def to_dict(self) -> Json:
        """Return the JSON form."""
        body: Json = {
            "name": self.name,
            "parameters": {name: parameter.to_dict() for name, parameter in self.parameters.items()},
            "objectives": dict(self.objectives),
            "seed": self.seed,
        }
        if self.constraints:  # journals from before there were any stay as they are
            body["constraints"] = [constraint.text for constraint in self.constraints]
        return body

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Experiment:
        """Build it from its JSON form."""
        if body.get("open"):
            limits = body.get("constraints", ())
            return OpenExperiment(body["name"], body["objectives"], seed=body["seed"], constraints=limits)
        return Experiment(
            body["name"],
            {name: parameter_from_dict(parameter) for name, parameter in body["parameters"].items()},
            body["objectives"],
            seed=body["seed"],
            constraints=body.get("constraints", ()),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Experiment) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Experiment({self.name!r}, {len(self.parameters)} parameters, objectives={self.objectives!r})"


class OpenExperiment(Experiment):
    """An experiment without a search space: a foreign loop makes up its points (`runwright.TrialQueue`).

    A point maps names, which are texts, to whatever JSON can hold.

    Args:
        name: Name of the experiment; a plain name, no path.
        objectives: Metric name to ``"minimize"`` or ``"maximize"``. Without any, whatever is measured is kept.
        seed: Seed of everything random that is not given one of its own.
        constraints: Sums of metrics that must not exceed a bound, as of `Experiment`.

    Raises:
        UsageError: One sentence about what is wrong.
    """

    is_open = True

    def __init__(
        self,
        name: str,
        objectives: Mapping[str, str] | None = None,
        *,
        seed: int = 0,
        constraints: Sequence[str] = (),
    ) -> None:
        super().__init__(name, {}, objectives, seed=seed, constraints=constraints)

    def validate(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return a point as JSON types.

        Args:
            parameters: Parameter name to value.

        Raises:
            UsageError: A name is no text, or a value is nothing that JSON can hold.
        """
        return json_point(parameters)

    def to_dict(self) -> Json:
        """Return the JSON form."""
        return {**super().to_dict(), "open": True}
