"""Refuses numbers that make no sense, with a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral
from typing import Any, SupportsFloat, TypeAlias

from runwright.errors import UsageError

Delay: TypeAlias = float | tuple[float, float]
"""Seconds, or the bounds between which they are drawn."""


def _number(value: object) -> float:
    """Return a number, numpy's too; NaN for anything else."""
    if type(value) is float:  # nearly always; the question below is a slow one
        return value
    return float(value) if isinstance(value, SupportsFloat) and not isinstance(value, bool) else math.nan


def seconds(value: object, what: str) -> float:
    """Return a finite number of seconds that is not negative.

    Args:
        value: The number.
        what: What it is, for the error.

    Raises:
        UsageError: It is something else.
    """
    number = _number(value)
    if not 0 <= number < math.inf:
        raise UsageError(f"{what} must be a finite number of seconds that is not negative, not {value!r:.60}")
    return number


def positive(value: object, what: str) -> float:
    """Return a finite number that is greater than 0.

    Args:
        value: The number.
        what: What it is, for the error.

    Raises:
        UsageError: It is something else.
    """
    number = _number(value)
    if not 0 < number < math.inf:
        raise UsageError(f"{what} must be a finite number greater than 0, not {value!r:.60}")
    return number


def probability(value: object, what: str) -> float:
    """Return a number from 0 to 1.

    Args:
        value: The number.
        what: What it is, for the error.

    Raises:
        UsageError: It is something else.
    """
    number = _number(value)
    if not 0 <= number <= 1:
        raise UsageError(f"{what} must be a number from 0 to 1, not {value!r:.60}")
    return number


def moment(value: object, what: str) -> float:
    """Return a finite time.

    Args:
        value: The time.
        what: What it is, for the error.

    Raises:
        UsageError: It is something else.
    """
    number = _number(value)
    if not math.isfinite(number):
        raise UsageError(f"{what} must be a finite number of seconds, not {value!r:.60}")
    return number


def several(value: object, what: str) -> tuple[Any, ...]:
    """Return what a list holds.

    Args:
        value: The list.
        what: What it is, for the error.

    Raises:
        UsageError: It is something else.
    """
    if not isinstance(value, Iterable):
        raise UsageError(f"{what} must be a list, not {value!r:.60}")
    return tuple(value)


def whole(value: object, what: str, least: int) -> int:
    """Return an integer, numpy's too, that is not too small.

    Args:
        value: The integer.
        what: What it is, for the error.
        least: The smallest that makes sense.

    Raises:
        UsageError: It is something else.
    """
    if type(value) is bool or not isinstance(value, Integral) or value < least:
        raise UsageError(f"{what} must be an integer of at least {least}, not {value!r:.60}")
    return int(value)


def delay(value: object, what: str) -> Delay:
    """Return seconds, or two bounds of seconds.

    Args:
        value: A number, or a pair.
        what: What it is, for the error.

    Raises:
        UsageError: It is something else, or the bounds are reversed.
    """
    if not isinstance(value, (tuple, list)):
        return seconds(value, what)
    if len(value) != 2:  # noqa: PLR2004  (a pair)
        raise UsageError(f"{what} must be a number of seconds or two bounds of it, not {value!r:.60}")
    low, high = seconds(value[0], what), seconds(value[1], what)
    if low > high:
        raise UsageError(f"{what} has reversed bounds: {low:g} is greater than {high:g}")
    return low, high
