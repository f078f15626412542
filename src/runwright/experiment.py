"""The definition of an experiment: its parameters, its objectives and its seed."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from runwright.errors import UsageError
from runwright.json_values import json_point
from runwright.trial import Arm, BaseTrial, BatchTrial, Trial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runwright.result import Json

DIRECTIONS = ("minimize", "maximize")
_FORBIDDEN_IN_NAMES = ("/", "\\", "\0", "\n", "\r")
_LONGEST_NAME = 200
_LARGEST_INT = 2**63 - 1

ParameterValue: TypeAlias = "float | int | str | bool"


def stable_seed(*parts: object) -> int:
    """Make a seed of 63 bits from text, numbers and their order; the same on every machine and in every process."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


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
    if len(name) > _LONGEST_NAME:
        raise UsageError(f"{what} is {len(name)} characters long; {_LONGEST_NAME} are allowed")
    if name in (".", "..") or any(part in name for part in _FORBIDDEN_IN_NAMES):
        raise UsageError(f"{what} {name!r:.80} has a path or a line break in it; use a plain name")
    return name


def _finite(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{what} must be a number, not {value!r:.60}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf  # an integer that no floating-point number can hold
    if not math.isfinite(number):
        raise UsageError(f"{what} must be finite, not {value!r:.60}")
    return number


@dataclass(frozen=True, slots=True)
class Float:
    """A real parameter between two bounds, both included.

    Args:
        low: Lower bound.
        high: Upper bound, greater than ``low``.
        log: Whether it is searched on a logarithmic scale; ``low`` must then be positive.
        default: The value in a point that does not name the parameter, or None: every point must name it.

    Raises:
        UsageError: A bound is no finite number, the bounds are reversed or equal, or the scale does not fit.
    """

    low: float
    high: float
    log: bool = False
    default: float | None = None

    def __post_init__(self) -> None:
        low, high = _finite(self.low, "the lower bound"), _finite(self.high, "the upper bound")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        _check_range(low, high, log=self.log)
        if not math.isfinite(high - low):
            raise UsageError(f"the bounds [{low}, {high}] are too far apart for a floating-point number")
        if self.default is not None:
            object.__setattr__(self, "default", self.validate(self.default))

    def validate(self, value: object) -> float:
        """Return the value as a float within the bounds.

        Raises:
            UsageError: It is no number, or outside the bounds.
        """
        if type(value) is float and self.low <= value <= self.high:
            return value  # the usual case; what is not finite is not between bounds
        number = _finite(value, "the value")
        if not self.low <= number <= self.high:
            raise UsageError(f"the value {number} is outside the bounds [{self.low}, {self.high}]")
        return number

    def to_dict(self) -> Json:
        """Return the JSON form."""
        return {"type": "float", "bounds": [self.low, self.high], "log": self.log, "default": self.default}


@dataclass(frozen=True, slots=True)
class Int:
    """An integer parameter between two bounds, both included.

    Args:
        low: Lower bound.
        high: Upper bound, greater than ``low``.
        log: Whether it is searched on a logarithmic scale; ``low`` must then be positive.
        default: The value in a point that does not name the parameter, or None: every point must name it.

    Raises:
        UsageError: A bound is no integer, the bounds are reversed or equal, or the scale does not fit.
    """

    low: int
    high: int
    log: bool = False
    default: int | None = None

    def __post_init__(self) -> None:
        low, high = _integer(self.low, "the lower bound"), _integer(self.high, "the upper bound")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        _check_range(low, high, log=self.log)
        if self.default is not None:
            object.__setattr__(self, "default", self.validate(self.default))

    def validate(self, value: object) -> int:
        """Return the value as an int within the bounds.

        Raises:
            UsageError: It is no integer, or outside the bounds.
        """
        number = _integer(value, "the value")
        if not self.low <= number <= self.high:
            raise UsageError(f"the value {number} is outside the bounds [{self.low}, {self.high}]")
        return number

    def to_dict(self) -> Json:
        """Return the JSON form."""
        return {"type": "int", "bounds": [self.low, self.high], "log": self.log, "default": self.default}


@dataclass(frozen=True, slots=True)
class Choice:
    """A parameter that takes one of several values of one kind: texts, integers, floats or booleans.

    Args:
        values: The values, at least one, each once.
        default: The value in a point that does not name the parameter, or None: every point must name it.

    Raises:
        UsageError: There are no values, a value stands twice, or the kinds are mixed.
    """

    values: tuple[ParameterValue, ...]
    default: ParameterValue | None = None

    def __init__(self, values: Sequence[ParameterValue], default: ParameterValue | None = None) -> None:
        if isinstance(values, str) or not hasattr(values, "__iter__"):
            raise UsageError(f"the values of a choice must be a list, not {values!r:.60}")
        options = tuple(values)
        if not options:
            raise UsageError("a choice needs at least one value")
        kinds = {type(value) for value in options}
        allowed = (str, int, float, bool)
        for value in options:
            if type(value) not in allowed:
                raise UsageError(f"a choice takes texts, numbers or booleans, not {value!r:.60}")
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"a choice takes finite numbers, not {value}")
        if kinds == {int, float}:
            options, kinds = tuple(_finite(value, "a value of a choice") for value in options), {float}
        if len(kinds) > 1:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise UsageError(f"the values of a choice must be of one kind, not of {names}; quote texts")
        for value in options:
            if options.count(value) > 1:
                raise UsageError(f"the value {value!r} stands more than once in a choice")
        object.__setattr__(self, "values", options)
        object.__setattr__(self, "default", None if default is None else self.validate(default))

    def validate(self, value: object) -> ParameterValue:
        """Return the value as it stands in the choice.

        Raises:
            UsageError: It is none of the values.
        """
        for option in self.values:
            if option == value and isinstance(option, bool) == isinstance(value, bool):
                return option
        known = ", ".join(repr(option) for option in self.values[:10])
        raise UsageError(f"the value {value!r:.60} is none of {known}")

    def to_dict(self) -> Json:
        """Return the JSON form."""
        return {"type": "choice", "values": list(self.values), "default": self.default}


Parameter: TypeAlias = Float | Int | Choice


def _integer(value: object, what: str) -> int:
    number = _finite(value, what)
    if number != int(number):
        raise UsageError(f"{what} must be an integer, not {value!r}")
    whole = int(value)  # type: ignore[call-overload]  # `_finite` has refused all but int and float
    if abs(whole) > _LARGEST_INT:
        raise UsageError(f"{what} must fit in 64 bits, not {value!r:.60}")
    return int(whole)


def _check_range(low: float, high: float, *, log: bool) -> None:
    if low > high:
        raise UsageError(f"the bounds are reversed: {low} is greater than {high}")
    if low == high:
        raise UsageError(f"the bounds are equal ({low}); a parameter needs room, a constant is no parameter")
    if log and low <= 0:
        raise UsageError(f"a logarithmic scale needs a positive lower bound, not {low}")


def parameter_from_dict(body: Mapping[str, Any]) -> Parameter:
    """Build a parameter from its JSON form."""
    if body["type"] == "choice":
        return Choice(body["values"], body.get("default"))
    kind = Float if body["type"] == "float" else Int
    low, high = body["bounds"]
    return kind(low, high, log=body.get("log", False), default=body.get("default"))


class Experiment:
    """What is optimised.

    Args:
        name: Name of the experiment; a plain name, no path.
        parameters: Parameter name to `Float`, `Int` or `Choice`; at least one.
        objectives: Metric name to ``"minimize"`` or ``"maximize"``. Empty where a foreign loop owns the metrics.
        seed: Seed of everything random that is not given one of its own.

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
    ) -> None:
        self.name = check_name(name, "the name of the experiment")
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

    def validate(self, parameters: Mapping[str, Any]) -> dict[str, ParameterValue]:
        """Return a point as the parameters' own types, in the parameters' order.

        Args:
            parameters: Parameter name to value; one with a default may be left out.

        Raises:
            UsageError: A parameter is missing, unknown, or has a value that it cannot take.
        """
        point: dict[str, ParameterValue] = {}
        for name, parameter in self.parameters.items():
            value = parameters.get(name, parameter.default)
            if value is None and name not in parameters:
                raise UsageError(f"parameter {name!r} is missing in this point, and it has no default")
            try:
                point[name] = parameter.validate(value)
            except UsageError as error:
                raise UsageError(f"parameter {name!r}: {error}") from None
        if not parameters.keys() <= point.keys():
            unknown = next(name for name in parameters if name not in point)
            raise UsageError(f"{unknown!r:.80} is no parameter of this experiment")
        return point

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
            arms: tuple[Arm, ...] = (Arm(points[0], f"{index}_0"),)
        else:
            labels = names or [f"{index}_{position}" for position in range(len(points))]
            arms = tuple([Arm(point, label) for point, label in zip(points, labels, strict=True)])
        kind = Trial if len(arms) == 1 else BatchTrial
        return kind(index, self, arms, source, instance, budget, seed)

    def to_dict(self) -> Json:
        """Return the JSON form."""
        return {
            "name": self.name,
            "parameters": {name: parameter.to_dict() for name, parameter in self.parameters.items()},
            "objectives": dict(self.objectives),
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Experiment:
        """Build it from its JSON form."""
        if body.get("open"):
            return OpenExperiment(body["name"], body["objectives"], seed=body["seed"])
        return Experiment(
            body["name"],
            {name: parameter_from_dict(parameter) for name, parameter in body["parameters"].items()},
            body["objectives"],
            seed=body["seed"],
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

    Raises:
        UsageError: One sentence about what is wrong.
    """

    is_open = True

    def __init__(self, name: str, objectives: Mapping[str, str] | None = None, *, seed: int = 0) -> None:
        super().__init__(name, {}, objectives, seed=seed)

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
