"""The parameters of an experiment: reals, integers and choices, which may depend on a choice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from runwright.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from runwright.result import Json

_LARGEST_INT = 2**63 - 1

ParameterValue: TypeAlias = "float | int | str | bool"
When: TypeAlias = "Mapping[str, ParameterValue | Sequence[ParameterValue]]"
"""Name of a choice to the value, or the values, for which a parameter is there; several names: all must hold."""


def _condition(when: object) -> dict[str, tuple[ParameterValue, ...]] | None:
    """Return a condition as name to values."""
    if when is None:
        return None
    if not isinstance(when, Mapping) or not when:
        raise UsageError(f"when must name a choice and its value, such as {{optimizer: sgd}}, not {when!r:.60}")
    found: dict[str, tuple[ParameterValue, ...]] = {}
    for name, given in when.items():
        values = tuple(given) if isinstance(given, (list, tuple)) else (given,)
        if not isinstance(name, str) or not values:
            raise UsageError(f"when must name a choice and its value, such as {{optimizer: sgd}}, not {when!r:.60}")
        found[name] = values
    return found


def _with_when(body: Json, when: dict[str, tuple[ParameterValue, ...]] | None) -> Json:
    """Add a condition to the JSON form; without one the form is as it ever was."""
    if when is None:
        return body
    return {**body, "when": {name: values[0] if len(values) == 1 else list(values) for name, values in when.items()}}


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
        when: Of which values of other choices it depends whether the parameter is there (`When`); None: always.

    Raises:
        UsageError: A bound is no finite number, the bounds are reversed or equal, or the scale does not fit.
    """

    low: float
    high: float
    log: bool = False
    default: float | None = None
    when: Any = field(default=None, hash=False)

    def __post_init__(self) -> None:
        _settle(self, _finite)
        if not math.isfinite(self.high - self.low):
            raise UsageError(f"the bounds [{self.low}, {self.high}] are too far apart for a floating-point number")

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
        return _range_to_dict(self, "float")


@dataclass(frozen=True, slots=True)
class Int:
    """An integer parameter between two bounds, both included.

    Args:
        low: Lower bound.
        high: Upper bound, greater than ``low``.
        log: Whether it is searched on a logarithmic scale; ``low`` must then be positive.
        default: The value in a point that does not name the parameter, or None: every point must name it.
        when: Of which values of other choices it depends whether the parameter is there (`When`); None: always.

    Raises:
        UsageError: A bound is no integer, the bounds are reversed or equal, or the scale does not fit.
    """

    low: int
    high: int
    log: bool = False
    default: int | None = None
    when: Any = field(default=None, hash=False)

    def __post_init__(self) -> None:
        _settle(self, _integer)

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
        return _range_to_dict(self, "int")


@dataclass(frozen=True, slots=True)
class Choice:
    """A parameter that takes one of several values of one kind: texts, integers, floats or booleans.

    Args:
        values: The values, at least one, each once.
        default: The value in a point that does not name the parameter, or None: every point must name it.
        when: Of which values of other choices it depends whether the parameter is there (`When`); None: always.

    Raises:
        UsageError: There are no values, a value stands twice, or the kinds are mixed.
    """

    values: tuple[ParameterValue, ...]
    default: ParameterValue | None = None
    when: Any = field(default=None, hash=False)

    def __init__(
        self, values: Sequence[ParameterValue], default: ParameterValue | None = None, *, when: When | None = None
    ) -> None:
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
        object.__setattr__(self, "when", _condition(when))

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
        return _with_when({"type": "choice", "values": list(self.values), "default": self.default}, self.when)


Parameter: TypeAlias = Float | Int | Choice


def _integer(value: object, what: str) -> int:
    number = _finite(value, what)
    if number != int(number):
        raise UsageError(f"{what} must be an integer, not {value!r}")
    whole = int(value)  # type: ignore[call-overload]  # `_finite` has refused all but int and float
    if abs(whole) > _LARGEST_INT:
        raise UsageError(f"{what} must fit in 64 bits, not {value!r:.60}")
    return int(whole)


def _settle(parameter: Float | Int, read: Callable[[object, str], float]) -> None:
    """Bring the fields of a range into their form, and check them."""
    low, high = read(parameter.low, "the lower bound"), read(parameter.high, "the upper bound")
    for name, value in (("when", _condition(parameter.when)), ("low", low), ("high", high)):
        object.__setattr__(parameter, name, value)
    _check_range(low, high, log=parameter.log)
    if parameter.default is not None:
        object.__setattr__(parameter, "default", parameter.validate(parameter.default))


def _range_to_dict(parameter: Float | Int, kind: str) -> Json:
    bounds = [parameter.low, parameter.high]
    return _with_when(
        {"type": kind, "bounds": bounds, "log": parameter.log, "default": parameter.default}, parameter.when
    )


def _check_range(low: float, high: float, *, log: bool) -> None:
    if low > high:
        raise UsageError(f"the bounds are reversed: {low} is greater than {high}")
    if low == high:
        raise UsageError(f"the bounds are equal ({low}); a parameter needs room, a constant is no parameter")
    if log and low <= 0:
        raise UsageError(f"a logarithmic scale needs a positive lower bound, not {low}")


def parameter_from_dict(body: Mapping[str, Any]) -> Parameter:
    """Build a parameter from its JSON form."""
    when = body.get("when")
    if body["type"] == "choice":
        return Choice(body["values"], body.get("default"), when=when)
    kind = Float if body["type"] == "float" else Int
    low, high = body["bounds"]
    return kind(low, high, log=body.get("log", False), default=body.get("default"), when=when)


def conditions(parameters: Mapping[str, Parameter]) -> list[str]:
    """Return the names of parameters so that what each depends on stands before it.

    Args:
        parameters: Name to parameter.

    Raises:
        UsageError: A condition names what is no choice or no value of it, or conditions go round in a circle.
    """
    order: dict[str, None] = {}
    for name in parameters:
        if name not in order:
            _visit(name, parameters, order)
    return list(order)


def check_condition(name: str, parameters: Mapping[str, Parameter]) -> None:
    """Check that what a parameter depends on are choices, and values of them.

    Raises:
        UsageError: They are not; the sentence does not name the parameter.
    """
    for parent, values in (parameters[name].when or {}).items():
        choice = parameters.get(parent)
        if choice is None:
            raise UsageError(f"when names {parent!r:.60}, which is no parameter")
        if not isinstance(choice, Choice):
            raise UsageError(f"when names {parent!r}, which is no choice; make it one of its values")
        for value in values:
            try:
                choice.validate(value)
            except UsageError as error:
                raise UsageError(f"when {parent!r}: {error}") from None


def _visit(name: str, parameters: Mapping[str, Parameter], order: dict[str, None]) -> None:
    """Add a parameter to the order, after what it depends on. Without recursion: a chain may be of any length."""
    path = {name: _parents(name, parameters)}
    while path:
        last = next(reversed(path))
        parent = next(path[last], None)
        if parent is None:
            del path[last]
            order[last] = None
        elif parent in path:
            circle = " depends on ".join([*path, parent])
            raise UsageError(f"the conditions go round in a circle: {circle:.400}")
        elif parent not in order:
            path[parent] = _parents(parent, parameters)


def _parents(name: str, parameters: Mapping[str, Parameter]) -> Iterator[str]:
    try:
        check_condition(name, parameters)
    except UsageError as error:
        raise UsageError(f"parameter {name!r}: {error}") from None
    return iter(parameters[name].when or {})
