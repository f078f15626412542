"""Branin's function: two parameters, three equal minima."""

from __future__ import annotations

from math import cos, pi

MINIMUM = 0.39788735772973816
MINIMISERS = ((-pi, 12.275), (pi, 2.275), (9.42477796076938, 2.475))


def branin(x1: float, x2: float) -> float:
    """Return the value at a point of -5 <= x1 <= 10, 0 <= x2 <= 15."""
    valley = x2 - 5.1 / (4 * pi**2) * x1**2 + 5 / pi * x1 - 6
    return valley**2 + 10 * (1 - 1 / (8 * pi)) * cos(x1) + 10
