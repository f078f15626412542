"""Random search without a state: the point of a trial is a hash of seed and index."""

from __future__ import annotations

import math
from hashlib import blake2b
from struct import Struct
from typing import TYPE_CHECKING, TypeAlias

from runwright.errors import ContractError, UsageError
from runwright.experiment import Choice, Float, ParameterValue
from runwright.optimizer import Asked, Rebuild, Restored, Suggestion, check_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runwright.experiment import Experiment, Int, Parameter
    from runwright.optimizer import HistoryItem, Observation
    from runwright.result import Json

_PARAMETERS_A_BLOCK = 4
_WORDS_A_PARAMETER = 2
_TO_UNIT = 2.0**-53
_TRIES = 20_000
"""So many points in a row that break a constraint: there is too little room for search at random."""

Draw: TypeAlias = "Callable[[int, int], ParameterValue]"
"""Turns two words of 64 random bits into a value."""


class RandomOptimizer:
    """Proposes independent random points; cheap, exact after any restart, and learns nothing.

    Floats are uniform between their bounds, integers uniform over the integers, choices over their values; on a
    logarithmic scale the logarithm is uniform (for an integer, that of the interval around it). A point that breaks a
    constraint is drawn anew, by a hash of seed, index and try; a parameter that is not there is left out.

    Args:
        seed: Seed of the points; the experiment's where none is given.

    Raises:
        UsageError: The seed is no integer from 0 to 2**63 - 1.
    """

    rebuild: Rebuild = "stateless"

    def __init__(self, seed: int | None = None) -> None:
        self.seed = None if seed is None else check_seed(seed, "the seed of the random optimizer")
        self._draws: list[tuple[str, Draw]] = []
        self._heads: list[tuple[blake2b, Callable[[bytes], tuple[int, ...]]]] = []

    def setup(self, experiment: Experiment) -> None:
        """Get ready for an experiment.

        Raises:
            UsageError: The constraints leave too little room to find a point at random.
        """
        seed = (experiment.seed if self.seed is None else self.seed).to_bytes(8, "little")
        self._draws = [(name, _draw(parameter)) for name, parameter in experiment.parameters.items()]
        self._heads = []
        for first in range(0, len(self._draws), _PARAMETERS_A_BLOCK):
            block = (first // _PARAMETERS_A_BLOCK).to_bytes(4, "little")
            words = _WORDS_A_PARAMETER * min(_PARAMETERS_A_BLOCK, len(self._draws) - first)
            self._heads.append((blake2b(seed + block), Struct(f"<{words}Q").unpack_from))
        self._experiment = experiment
        self._plain = not experiment.parameter_constraints and not experiment.conditional
        if experiment.parameter_constraints and self._feasible(0) is None:
            told = ", ".join(repr(constraint.text) for constraint in experiment.parameter_constraints)
            raise UsageError(
                f"none of {_TRIES:,} random points meets the constraints {told}; they leave too little room"
            )

    def ask(self, trial: int) -> Suggestion:
        """Propose the point of a trial; the same whenever it is asked.

        Raises:
            ContractError: No point was found that meets the constraints.
        """
        if self._plain:
            return Suggestion(self._draw(trial.to_bytes(8, "little")))
        point = self._feasible(trial)
        if point is None:
            raise ContractError(f"no point was found for trial {trial} that meets the constraints")
        return Suggestion(point)

    def _feasible(self, trial: int) -> dict[str, ParameterValue] | None:
        index, constraints = trial.to_bytes(8, "little"), self._experiment.parameter_constraints
        for number in range(_TRIES):
            point = self._draw(index + (number.to_bytes(4, "little") if number else b""))
            if all(constraint.met(point) for constraint in constraints):  # type: ignore[arg-type]  # these are numbers
                return self._experiment.active(point)
        return None

    def _draw(self, index: bytes) -> dict[str, ParameterValue]:
        """Return a value for every parameter."""
        words: tuple[int, ...] = ()
        for head, words_of in self._heads:
            hashed = head.copy()
            hashed.update(index)
            words += words_of(hashed.digest())
        word = iter(words).__next__
        return {name: draw(word(), word()) for name, draw in self._draws}

    def attach(self, trial: int, suggestion: Suggestion) -> None:
        """Nothing to learn."""

    def tell(self, observation: Observation) -> None:
        """Nothing to learn."""

    def restore(self, history: Sequence[HistoryItem]) -> Restored:
        """Compare the latest recorded point with the one that comes out now; there is nothing to bring back."""
        for item in reversed(history):
            if isinstance(item, Asked):
                if self.ask(item.trial) != item.suggestion:
                    return Restored(
                        exact=False,
                        reason=f"trial {item.trial} comes out differently from what was recorded "
                        "(another machine, or another version of runwright?); new trials follow this one's rule",
                    )
                break
        return Restored(exact=True, reason="a point depends on seed and index alone")

    def describe(self) -> Json:
        """Return kind and seed."""
        return {"type": "random", "seed": self.seed}


def _draw(parameter: Parameter) -> Draw:
    if isinstance(parameter, Choice):
        return _draw_choice(parameter.values)
    if isinstance(parameter, Float):
        return _draw_log_float(parameter) if parameter.log else _draw_float(parameter)
    return _draw_log_int(parameter) if parameter.log else _draw_int(parameter)


def _draw_float(parameter: Float) -> Draw:
    low, high = parameter.low, parameter.high
    width = high - low

    # Never above the upper bound: the largest product is the float below the rounded width, so below the true one.
    def draw(word: int, _: int) -> float:
        return low + (word >> 11) * _TO_UNIT * width

    return draw


def _draw_log_float(parameter: Float) -> Draw:
    low, high = parameter.low, parameter.high
    begin = math.log(low)
    width = math.log(high) - begin

    def draw(word: int, _: int) -> float:
        value = math.exp(begin + (word >> 11) * _TO_UNIT * width)
        return min(max(value, low), high)

    return draw


def _draw_int(parameter: Int) -> Draw:
    low = parameter.low
    count = parameter.high - low + 1

    # 128 bits, so that no integer of even the widest range is noticeably more likely than another.
    def draw(word: int, more: int) -> int:
        return low + (((word << 64 | more) * count) >> 128)

    return draw


def _draw_log_int(parameter: Int) -> Draw:
    low, high = parameter.low, parameter.high
    begin = math.log(low - 0.5)
    width = math.log(high + 0.5) - begin

    def draw(word: int, _: int) -> int:
        value = math.floor(math.exp(begin + (word >> 11) * _TO_UNIT * width) + 0.5)
        return min(max(value, low), high)

    return draw


def _draw_choice(values: tuple[ParameterValue, ...]) -> Draw:
    count = len(values)

    def draw(word: int, more: int) -> ParameterValue:
        return values[((word << 64 | more) * count) >> 128]

    return draw
