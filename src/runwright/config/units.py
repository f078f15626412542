"""Durations and sizes as people write them: ``10 min``, ``1.5 h``, ``90``, ``2 GiB``, ``500 MB``."""

from __future__ import annotations

import math
import re

from runwright.config.scalars import shown

_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([^\W\d_]*)\s*")

_SECONDS = {
    "ms": 1e-3,
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
_BYTES = {"": 1, "b": 1} | {
    f"{letter}{ending}": base**power
    for power, letter in enumerate("kmgt", 1)
    for ending, base in (("b", 1000), ("ib", 1024))
}
LONGEST = 100 * 365 * 86400.0
LARGEST = 2**62


def duration(value: object, *, zero: bool = False) -> float:
    """Return seconds.

    Args:
        value: A number of seconds, or a text of one number and one unit: ms, s, min, h, d.
        zero: Whether it may be nothing.

    Raises:
        ValueError: A sentence.
    """
    seconds = _quantity(value, _SECONDS, "a duration such as 90, 10 min or 1.5 h", "ms, s, min, h and d")
    if not 0 <= seconds <= LONGEST or (seconds == 0 and not zero):
        wanted = "not be negative, nor longer than" if zero else "be positive and at most"
        raise ValueError(f"a duration must {wanted} 100 years, not {shown(value)}")
    return seconds


def size(value: object) -> int:
    """Return bytes.

    Args:
        value: A number of bytes, or a text of one number and one unit: B, kB, MB, GB, TB (powers of 1000), KiB, MiB,
            GiB, TiB (powers of 1024).

    Raises:
        ValueError: A sentence.
    """
    wanted = "a size such as 500 MB or 2 GiB"
    amount = _quantity(value, _BYTES, wanted, "B, kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB and TiB (of 1024)")
    if not 1 <= amount <= LARGEST:
        raise ValueError(f"a size must be at least 1 byte and at most {LARGEST}, not {shown(value)}")
    return int(amount)


def _quantity(value: object, units: dict[str, float] | dict[str, int], wanted: str, known: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"it must be {wanted}, not {number}")
        return number
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"it must be {wanted}: one number and one unit, not {shown(value)}")
    unit = found[2].lower()
    if unit not in units:
        meant = "; a minute is min" if unit == "m" and "min" in units else ""
        raise ValueError(f"{found[2]!r:.60} in {shown(value)} is no unit here; units are {known}{meant}")
    return float(found[1]) * units[unit]
