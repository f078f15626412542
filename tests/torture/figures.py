"""What a section of the torture gives back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How much to do.

    Attributes:
        full: Whether everything is done, or only what fits into a test suite.
        seed: Of all that is random.
        only: A case to repeat alone, as a failure printed it; None: all.
    """

    full: bool
    seed: int = 0
    only: str | None = None


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        name: What was counted or measured.
        value: What came out.
        count: Over how many cases.
        asked: What it should be, as a sentence; empty: it is only told.
        holds: Whether it is as asked.
        beside: What a peer gives in the same harness, or empty.
        failures: The cases in which it did not hold, each with the words that repeat it.
    """

    name: str
    value: str
    count: int
    asked: str = ""
    holds: bool = True
    beside: str = ""
    failures: tuple[str, ...] = ()


def zero(name: str, failures: list[str], count: int, beside: str = "") -> Figure:
    """Return a figure that must be 0."""
    return Figure(name, str(len(failures)), count, "0", not failures, beside, tuple(failures))
