"""Random numbers of one cause: whoever draws has a generator of its own, and nobody shifts another's draws."""

from __future__ import annotations

import math

from runwright.experiment import stable_seed

_MASK = 2**64 - 1


class Luck:
    """A small generator (splitmix64), seeded by a hash of its cause; the same in every process.

    Seeding ``random.Random`` costs four times as much, and the global random state belongs to the user.

    Args:
        *cause: What the numbers are for: a seed, a word, the index of a trial.
    """

    __slots__ = ("_state",)

    def __init__(self, *cause: object) -> None:
        self._state = stable_seed(*cause)

    def uniform(self) -> float:
        """Draw a number from [0, 1)."""
        self._state = mixed = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((mixed ^ (mixed >> 31)) >> 11) * 2.0**-53

    def normal(self) -> float:
        """Draw from the standard normal distribution."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform()))
        return radius * math.cos(2.0 * math.pi * self.uniform())
