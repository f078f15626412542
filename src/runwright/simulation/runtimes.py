"""How long a trial takes: each model is called with a trial and returns seconds, as ``sample_runtime_func`` does.

What is random is drawn from the experiment's seed (or one given) and the trial's index: the same for each attempt of a
trial, in every process, whatever else was drawn. Frozen dataclasses, so that they can be written as JSON.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runwright.errors import UsageError
from runwright.experiment import stable_seed
from runwright.simulation.checks import positive, seconds
from runwright.simulation.luck import Luck

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runwright.trial import BaseTrial


def uniform_runtime(trial: BaseTrial, low: float, high: float, seed: int | None = None) -> float:
    """Draw a runtime from [low, high], all alike.

    Args:
        trial: The trial.
        low: Lower bound, in seconds.
        high: Upper bound, in seconds.
        seed: Seed, instead of the experiment's.
    """
    drawn = stable_seed(trial.experiment.seed if seed is None else seed, "runtime", trial.index) / 2**63
    return low + (high - low) * drawn


class RuntimeModel(ABC):
    """A model of runtimes."""

    __slots__ = ()

    @abstractmethod
    def __call__(self, trial: BaseTrial) -> float:
        """Return the runtime of a trial, in seconds.

        Args:
            trial: The trial.
        """


@dataclass(frozen=True, slots=True)
class ConstantRuntime(RuntimeModel):
    """Every trial takes the same time.

    Args:
        seconds: The time.

    Raises:
        UsageError: A number is out of its range.
    """

    seconds: float

    def __post_init__(self) -> None:
        seconds(self.seconds, "the runtime")

    def __call__(self, trial: BaseTrial) -> float:  # noqa: ARG002
        """Return the runtime, in seconds."""
        return self.seconds


@dataclass(frozen=True, slots=True)
class UniformRuntime(RuntimeModel):
    """All times between two bounds are alike.

    Args:
        low: Lower bound, in seconds.
        high: Upper bound, in seconds.
        seed: Seed, instead of the experiment's.

    Raises:
        UsageError: A number is out of its range.
    """

    low: float
    high: float
    seed: int | None = None

    def __post_init__(self) -> None:
        if seconds(self.low, "the shortest runtime") > seconds(self.high, "the longest runtime"):
            raise UsageError(f"the shortest runtime, {self.low:g} s, is longer than the longest, {self.high:g} s")

    def __call__(self, trial: BaseTrial) -> float:
        """Return the runtime of a trial, in seconds."""
        return uniform_runtime(trial, self.low, self.high, self.seed)


@dataclass(frozen=True, slots=True)
class LogNormalRuntime(RuntimeModel):
    """Most trials are near the median, a few take far longer: what runtimes of simulations often look like.

    Args:
        median: Half of the trials take less, in seconds.
        sigma: Standard deviation of the logarithm; 1 means that one of six takes more than 2.7 times the median.
        seed: Seed, instead of the experiment's.

    Raises:
        UsageError: A number is out of its range.
    """

    median: float
    sigma: float
    seed: int | None = None

    def __post_init__(self) -> None:
        positive(self.median, "the median of the runtimes")
        positive(self.sigma, "the sigma of the runtimes")

    def __call__(self, trial: BaseTrial) -> float:
        """Return the runtime of a trial, in seconds."""
        seed = trial.experiment.seed if self.seed is None else self.seed
        return self.median * math.exp(self.sigma * Luck(seed, "runtime", trial.index).normal())


@dataclass(frozen=True, slots=True)
class TableRuntime(RuntimeModel):
    """Runtimes that were measured: those of an earlier experiment.

    Args:
        seconds: Runtimes. Trial 0 takes the first, and so on; after the last the table begins anew.
        shuffled: Whether each trial takes one drawn from the table instead.
        seed: Seed of the drawing, instead of the experiment's.

    Raises:
        UsageError: The table is empty, or one of its numbers is out of range.
    """

    seconds: Sequence[float]
    shuffled: bool = False
    seed: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "seconds", tuple(seconds(value, "a runtime of the table") for value in self.seconds))
        if not self.seconds:
            raise UsageError("the table of runtimes is empty")

    def __call__(self, trial: BaseTrial) -> float:
        """Return the runtime of a trial, in seconds."""
        place = trial.index
        if self.shuffled:
            place = stable_seed(trial.experiment.seed if self.seed is None else self.seed, "runtime", trial.index)
        return self.seconds[place % len(self.seconds)]


@dataclass(frozen=True, slots=True)
class ParametersRuntime(RuntimeModel):
    """The runtime is a function of the parameters.

    Args:
        function: Takes the parameters of one point as a mapping, returns seconds. A batch trial takes the sum of its
            arms' times.
    """

    function: Callable[[dict[str, Any]], float]

    def __call__(self, trial: BaseTrial) -> float:
        """Return the runtime of a trial, in seconds."""
        return sum(self.function(dict(arm.parameters)) for arm in trial.arms)
