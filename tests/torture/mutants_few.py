"""A few of what there is many of elsewhere, for `mutants` alone: what the unit tests miss must get past these too."""

from __future__ import annotations

from hypothesis import settings

from tests.crash.test_engine_crashes import TRIALS, undisturbed
from tests.crash.world import World, drive, story
from tests.torture.campaigns import campaign
from tests.unit.test_state import Story

CAMPAIGNS = 40
KILLS = 30


class TestFewStories(Story.TestCase):  # type: ignore[misc, valid-type]
    """Every event at every moment."""

    settings = settings(max_examples=8, stateful_step_count=40, deadline=None, derandomize=True)


def test_killed_at_some_passages() -> None:
    expected, count = undisturbed()
    for kill_at in range(0, count, count // KILLS):
        world = World()
        drive(world, kill_at, trials=TRIALS)
        drive(world, None, trials=TRIALS)
        assert not world.violations, (kill_at, world.violations)
        assert story(world) == expected, kill_at


def test_the_judge_finds_no_fault() -> None:
    for seed in range(CAMPAIGNS):
        assert campaign(seed).complaints == [], seed
