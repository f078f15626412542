"""What the user decided about running: how many, how often, for how long."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

from runwright.errors import UsageError
from runwright.loop.on_failure import OnFailure
from runwright.runner import Limits

if TYPE_CHECKING:
    from runwright.result import Json


@dataclass(frozen=True, slots=True)
class Policy:
    """Decisions that may change between two drivers of one experiment.

    Attributes:
        trials: How many trials to run in all; None: until something else ends the experiment.
        parallel: How many trials may be live at once; None: as many as the runner takes.
        on_failure: What follows a failed attempt; words such as ``retry 2``, or a mapping of kinds, will do.
        failure_rate: The experiment ends when failed / ended trials exceeds this; None: never.
        failure_rate_after: ... and at least so many trials have ended.
        seconds: Time of the experiment, in seconds of its drivers' lives; None: no limit.
        limits: Limits of each attempt.

    Raises:
        UsageError: A number is out of its range.
    """

    trials: int | None = None
    parallel: int | None = None
    on_failure: OnFailure = field(default_factory=OnFailure)
    failure_rate: float | None = None
    failure_rate_after: int = 5
    seconds: float | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        object.__setattr__(self, "on_failure", OnFailure.of(self.on_failure))  # the way in of a frozen dataclass
        for name, count in (
            ("the number of trials", self.trials),
            ("parallel", self.parallel),
            ("failure_rate_after", self.failure_rate_after),
        ):
            if count is not None and type(count) is not int:
                raise UsageError(f"{name} must be an integer, not {count!r:.60}")
        if self.trials is not None and self.trials < 0:
            raise UsageError(f"the number of trials must not be negative, not {self.trials}")
        if self.parallel is not None and self.parallel < 1:
            raise UsageError(f"parallel must be at least 1, not {self.parallel}")
        if self.failure_rate is not None and not 0 <= _number(self.failure_rate, "the failure rate") <= 1:
            raise UsageError(f"the failure rate must be from 0 to 1, not {self.failure_rate}")
        limits = self.limits
        if not isinstance(limits, Limits):
            raise UsageError(f"the limits must be Limits(...), not {limits!r:.60}")
        for name, value in (
            ("the time of the experiment", self.seconds),
            ("the time limit", limits.timeout),
            ("the memory limit", limits.memory),
            ("the limit of output", limits.output),
            ("the limit of the log", limits.log),
        ):
            if value is not None and not 0 < _number(value, name) < math.inf:
                raise UsageError(f"{name} must be positive and finite, not {value}; None means no limit")
        if not 0 <= _number(limits.grace, "the grace of a stop") < math.inf:
            raise UsageError(f"the grace of a stop must be finite and not negative, not {limits.grace}")

    def to_json(self) -> Json:
        """Return the JSON form."""
        limits = asdict(self.limits)
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return plain | {"on_failure": self.on_failure.to_json(), "limits": limits}


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{what} must be a number, not {value!r:.60}")
    return value
