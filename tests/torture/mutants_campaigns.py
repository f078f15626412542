"""A few campaigns, for `mutants` alone: what the unit tests miss must get past these too."""

from __future__ import annotations

from tests.torture.campaigns import campaign

FEW = 150


def test_the_judge_finds_no_fault() -> None:
    for seed in range(FEW):
        assert campaign(seed).complaints == [], seed
