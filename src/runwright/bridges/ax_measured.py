"""What Ax's metrics read of our results and reports: rows of arm, mean, standard error and step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from runwright.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runwright.bridges.ax_progress import Report
    from runwright.result import Result


class Measured(NamedTuple):
    """A value of a metric.

    Attributes:
        arm: Name of the arm.
        mean: The value.
        sem: Its standard error; not a number where it is not known, which is how Ax says so.
        step: Where it stands in the progress of the trial; None where there is no progress.
    """

    arm: str
    mean: float
    sem: float
    step: float | None = None


def final(name: str, index: int, arms: Sequence[str], result: Result | None, why: Callable[[], str]) -> list[Measured]:
    """Return the value of a metric of each arm of a trial that has ended.

    Args:
        name: Name of the metric.
        index: Index of the trial.
        arms: Names of its arms.
        result: Its result.
        why: Says why there is none.

    Raises:
        UsageError: There is no such value.
    """
    if result is None or result.failure is not None:
        raise UsageError(f"there is no {name!r}: {why() or f'trial {index} has not ended'}")
    measured = []
    for arm in arms:
        metrics = result.arms.get(arm, {})
        if name not in metrics:
            found = ", ".join(map(repr, metrics)) or "nothing"
            raise UsageError(f"trial {index} did not report {name!r} of arm {arm!r}; it reported {found}")
        mean, sem = metrics[name]
        measured.append(Measured(arm, mean, math.nan if sem is None else sem))
    return measured


def stepwise(name: str, arm: str, told: Sequence[Report], ended: Measured | None) -> list[Measured]:
    """Return the values of a metric that a trial has reported, by step.

    Args:
        name: Name of the metric.
        arm: Name of the sole arm.
        told: What it has reported, by step.
        ended: Its result, which stands at the last of the steps; None where there is none.
    """
    found = []
    for step, metrics in told:
        if name in metrics:
            mean, sem = metrics[name]
            found.append(Measured(arm, mean, math.nan if sem is None else sem, step))
    if ended is not None:
        last: Any = found.pop().step if found else 0.0
        found.append(ended._replace(step=last))
    return found
