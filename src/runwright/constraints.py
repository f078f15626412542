"""Linear constraints as people write them: ``"x1 + x2 <= 1"`` on parameters, ``"weight <= 40"`` on metrics."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from runwright.errors import UsageError
from runwright.parameters import Choice

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from runwright.parameters import Parameter

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(?P<name>[^\W\d][\w.]*)|`(?P<quoted>[^`]+)`"
    r"|(?P<compare><=|>=|==|!=|<|>|=)|(?P<sign>[-+*/()^]{1,2})|(?P<odd>\S))"
)
_HINT = "write it as 2 * x1 + x2 <= 1, a sum of names, each with a number or none, compared with <= or >="
_TOLERANCE = 1e-6
"""By how much of its own size a constraint on parameters may be missed: optimizers compute with rounding."""
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Constraint:
    """A weighted sum that must not exceed a bound.

    Attributes:
        text: As it was written.
        weights: Name to weight; none is zero.
        bound: What the sum must not exceed.
        on: Whether the names are parameters or metrics.
    """

    text: str
    weights: Mapping[str, float] = field(hash=False)
    bound: float
    on: Literal["parameters", "metrics"]

    def excess(self, values: Mapping[str, float]) -> float:
        """Return by how much values exceed the bound; negative or zero where they meet it."""
        return math.fsum(weight * values[name] for name, weight in self.weights.items()) - self.bound

    def met(self, values: Mapping[str, float], *, exactly: bool = True) -> bool:
        """Say whether values meet it.

        Args:
            values: Name to number, all names of the constraint among them.
            exactly: Without the tolerance that points are given.
        """
        if exactly:
            return self.excess(values) <= 0
        size = abs(self.bound) + sum(abs(weight * values[name]) for name, weight in self.weights.items())
        return self.excess(values) <= _TOLERANCE * size


def read(text: object, parameters: Collection[str], objectives: Collection[str]) -> Constraint:
    """Read a constraint.

    Args:
        text: As it was written.
        parameters: Names of the parameters.
        objectives: Names of the objectives. Other names are those of metrics, unless parameters stand beside them.

    Raises:
        UsageError: One sentence about what is wrong.
    """
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"a constraint must be a text such as 'x1 + x2 <= 1', not {text!r:.60}")
    if len(text) > _LONGEST:
        raise UsageError(f"a constraint is {len(text)} characters long; {_LONGEST} are allowed")
    tokens = [(str(found.lastgroup), found.group(str(found.lastgroup))) for found in _TOKEN.finditer(text.rstrip())]
    at = _comparison(text, tokens)
    left, right = _Side(text, tokens[:at]), _Side(text, tokens[at + 1 :])
    turned = 1.0 if tokens[at][1] == "<=" else -1.0
    weights = {
        name: left.weights.get(name, 0.0) - right.weights.get(name, 0.0) for name in left.weights | right.weights
    }
    weights = {name: turned * weight for name, weight in weights.items() if weight}
    bound = turned * (right.constant - left.constant) + 0.0
    if not weights:
        raise UsageError(f"the constraint {text!r} is about nothing: no name is left in it")
    if not all(math.isfinite(number) for number in (*weights.values(), bound)):
        raise UsageError(f"a number in the constraint {text!r} is too large")
    return Constraint(text, weights, bound, _kind(text, weights, parameters, objectives))


def check_reach(constraint: Constraint, parameters: Mapping[str, Parameter]) -> None:
    """Check that a constraint on parameters is about numbers that are always there, and that some point meets it.

    Raises:
        UsageError: It is not.
    """
    least = 0.0
    for name, weight in constraint.weights.items():
        parameter = parameters[name]
        if isinstance(parameter, Choice):
            raise UsageError(f"the constraint {constraint.text!r} is about {name!r}, a choice; it takes float and int")
        if parameter.when is not None:
            raise UsageError(
                f"the constraint {constraint.text!r} is about {name!r}, which is not in every point (when)"
            )
        least += weight * (parameter.low if weight > 0 else parameter.high)
    if least > constraint.bound:
        raise UsageError(f"no point within the bounds meets the constraint {constraint.text!r}")


def _comparison(text: str, tokens: list[tuple[str, str]]) -> int:
    found = [place for place, (kind, _) in enumerate(tokens) if kind == "compare"]
    if not found:
        raise UsageError(f"the constraint {text!r} is not a comparison; {_HINT}")
    if len(found) > 1:
        raise UsageError(f"the constraint {text!r} has {len(found)} comparisons; give each a line of its own")
    if tokens[found[0]][1] not in ("<=", ">="):
        raise UsageError(f"the constraint {text!r} compares with {tokens[found[0]][1]}; it must be <= or >=")
    return found[0]


def _kind(
    text: str, names: Collection[str], parameters: Collection[str], objectives: Collection[str]
) -> Literal["parameters", "metrics"]:
    of_points = [name for name in names if name in parameters]
    for name in of_points:
        if name in objectives:
            raise UsageError(f"{name!r} in the constraint {text!r} is a parameter and also an objective; rename one")
    others = [name for name in names if name not in parameters]
    if of_points and others:
        if others[0] in objectives:
            raise UsageError(
                f"the constraint {text!r} mixes the parameter {of_points[0]!r} and the metric {others[0]!r}; "
                "it must be about parameters alone or about metrics alone"
            )
        known = ", ".join(list(parameters)[:10])
        raise UsageError(f"{others[0]!r} in the constraint {text!r} is no parameter; known are {known}")
    return "parameters" if of_points else "metrics"


class _Side:
    """A sum of numbers, names, and names with a number."""

    def __init__(self, text: str, pieces: list[tuple[str, str]]) -> None:
        self.weights: dict[str, float] = {}
        self.constant = 0.0
        self._text = text
        self._rest = pieces
        if not pieces:
            raise UsageError(f"nothing stands on one side of the constraint {text!r}; {_HINT}")
        while self._rest:
            self._term(self._sign(begins=self._rest is pieces))

    def _sign(self, *, begins: bool) -> float:
        kind, piece = self._rest[0]
        if kind == "sign" and piece in ("+", "-"):
            self._rest = self._rest[1:]
            return -1.0 if piece == "-" else 1.0
        if not begins:
            self._refuse(piece)
        return 1.0

    def _term(self, weight: float) -> None:
        name = ""
        divided = False
        while True:
            kind, piece = self._rest[0] if self._rest else ("end", "")
            self._rest = self._rest[1:]
            if kind == "number":
                weight = self._scaled(weight, float(piece), divided=divided)
            elif kind in ("name", "quoted") and not divided and not name:
                name = piece
            elif kind in ("name", "quoted"):
                raise UsageError(f"the constraint {self._text!r} is not linear in {piece!r}; {_HINT}")
            else:
                self._refuse(piece)
            if not self._rest or self._rest[0] not in (("sign", "*"), ("sign", "/")):
                break
            divided = self._rest[0][1] == "/"
            self._rest = self._rest[1:]
        if name:
            self.weights[name] = self.weights.get(name, 0.0) + weight
        else:
            self.constant += weight

    def _scaled(self, weight: float, number: float, *, divided: bool) -> float:
        if divided and not number:
            raise UsageError(f"the constraint {self._text!r} divides by zero")
        return weight / number if divided else weight * number

    def _refuse(self, piece: str) -> None:
        if piece in ("**", "^"):
            raise UsageError(f"the constraint {self._text!r} is not linear: it has a power; {_HINT}")
        what = f"{piece!r} cannot stand where it does" if piece else "a number or a name is missing"
        raise UsageError(f"{what} in the constraint {self._text!r}; {_HINT}")
