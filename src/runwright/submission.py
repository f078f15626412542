"""The words of submit and collect: what a foreign loop hands in, and what it gets back."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeAlias

from runwright.errors import UsageError
from runwright.json_values import json_point, json_value

_text_of = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
Cost: TypeAlias = float | list[float]
"""Of one objective a number, of several a list in the order of the objectives."""


class StatusType(IntEnum):
    """How a submitted trial stands; names and integers as in SMAC."""

    RUNNING = 0
    """It was submitted and has not ended."""
    SUCCESS = 1
    """It ended, with what was to be measured."""
    CRASHED = 2
    """It ended without; ``additional_info`` says why."""
    TIMEOUT = 3
    """It ran longer than the time limit and was ended."""
    MEMORYOUT = 4
    """It held more memory than the limit and was ended."""


@dataclass(frozen=True, eq=False, slots=True)
class TrialInfo:
    """What is to be evaluated: a configuration on an instance, with a seed and a budget.

    Two are equal, and hash alike, when their contents are, whatever kind of object the configuration is.

    Args:
        config: A mapping of parameter names to values, or an object that turns into one (``get_dictionary()``,
            ``dict(...)``). It is kept as it is; what is evaluated is what it held when the `TrialInfo` was made.
        instance: Problem instance, or None.
        seed: Seed of the evaluation, or None.
        budget: Fidelity: a positive number, or None.

    Attributes:
        parameters: The configuration as JSON types.

    Raises:
        UsageError: One sentence about what is wrong.
    """

    config: Any
    instance: str | None = None
    seed: int | None = None
    budget: float | None = None
    parameters: dict[str, Any] = field(init=False, repr=False)
    _key: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.instance is not None and not isinstance(self.instance, str):
            raise UsageError(f"the instance must be a text or None, not {self.instance!r:.60}")
        instance = None if self.instance is None else json_value(self.instance, "the instance")
        seed, budget = _seed(self.seed), _budget(self.budget)
        parameters = json_point(_mapping(self.config))
        put = object.__setattr__
        put(self, "instance", instance)
        put(self, "seed", seed)
        put(self, "budget", budget)
        put(self, "parameters", parameters)
        put(self, "_key", content_key(parameters, instance, seed, budget))

    @property
    def key(self) -> str:
        """The content as `content_key` gives it."""
        return self._key

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, TrialInfo) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)


@dataclass(frozen=True, slots=True)
class TrialValue:
    """What came of a submitted trial.

    Attributes:
        cost: What was measured of the objective, a list of several in their order; of a failure the crash cost.
        time: Wall seconds of the evaluation.
        cpu_time: CPU seconds of the evaluation.
        status: How it ended.
        starttime: When it began, in seconds of the epoch.
        endtime: When it ended, in seconds of the epoch.
        additional_info: What else is known.
    """

    cost: Cost
    time: float = 0.0
    cpu_time: float = 0.0
    status: StatusType = StatusType.SUCCESS
    starttime: float = 0.0
    endtime: float = 0.0
    additional_info: dict[str, Any] = field(default_factory=dict)


def content_key(parameters: Mapping[str, Any], instance: str | None, seed: int | None, budget: float | None) -> str:
    """Return a text that is the same for the same content, in every process."""
    return _text_of([parameters, instance, seed, budget])


def spread_crash_cost(crash_cost: object, objectives: int) -> Cost:
    """Return what a failure costs, in the form that a cost has.

    Args:
        crash_cost: A number, or a list of one for each objective.
        objectives: How many objectives there are; 0 where that is not known.

    Raises:
        UsageError: It is neither, or the list has another length.
    """
    if isinstance(crash_cost, Sequence) and not isinstance(crash_cost, str):
        costs = [_crash_cost(cost) for cost in crash_cost]
        if not costs or (objectives and len(costs) != objectives):
            raise UsageError(f"crash_cost has {len(costs)} numbers where there are {objectives} objectives")
        return costs[0] if objectives == 1 else costs
    cost = _crash_cost(crash_cost)
    return [cost] * objectives if objectives > 1 else cost


def _crash_cost(value: object) -> float:
    number = math.nan if isinstance(value, bool) or not isinstance(value, numbers.Real) else float(value)
    if math.isnan(number):
        raise UsageError(f"crash_cost must be a number (infinity is one), or a list of numbers, not {value!r:.60}")
    return number


def _mapping(config: Any) -> Mapping[Any, Any]:
    if isinstance(config, Mapping):
        return config
    turn = getattr(config, "get_dictionary", None)
    try:
        found: Any = turn() if callable(turn) else dict(config)
    except (TypeError, ValueError):
        found = None
    if not isinstance(found, Mapping):
        kind = type(config)
        raise UsageError(
            f"the configuration must be a mapping of parameter names to values, not an object of type "
            f"{kind.__module__}.{kind.__qualname__}"
        )
    return found


def _seed(seed: object) -> int | None:
    if seed is None or type(seed) is int:
        return seed
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral):
        raise UsageError(f"the seed must be an integer or None, not {seed!r:.60}")
    return int(seed)


def _budget(budget: object) -> float | None:
    if budget is None:
        return None
    number = math.nan if isinstance(budget, bool) or not isinstance(budget, numbers.Real) else float(budget)
    if not (math.isfinite(number) and number > 0):
        raise UsageError(f"the budget must be a positive number or None, not {budget!r:.60}")
    return number
