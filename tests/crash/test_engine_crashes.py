"""The driver is killed at every passage of every seam, once and twice; the story must be that of an undisturbed run."""

from __future__ import annotations

import pytest

from tests.crash.world import World, drive, story

TRIALS = 16


def undisturbed() -> tuple[dict[str, object], int]:
    world = World()
    passages = drive(world, None, trials=TRIALS)
    return story(world), passages.count


def test_the_undisturbed_run_meets_everything_that_a_crash_can_disturb() -> None:
    told, count = undisturbed()
    trials = told["trials"]
    assert isinstance(trials, list)
    assert {status for _, _, status, *_ in trials} == {"COMPLETED", "FAILED"}
    kinds = {kind for trial in trials for _, _, kind in trial[4]}
    assert kinds == {"CRASHED", "TIMEOUT"}, "failures and time-outs, with retries"
    assert max(attempt for _, _, _, attempt, *_ in trials) == 2
    assert count > 150


@pytest.mark.slow
def test_killed_once_at_every_passage() -> None:
    expected, count = undisturbed()
    for kill_at in range(count):
        world = World()
        first = drive(world, kill_at, trials=TRIALS)
        assert first.dead
        drive(world, None, trials=TRIALS)
        assert not world.violations, (kill_at, first.labels[-1], world.violations)
        assert story(world) == expected, (kill_at, first.labels[-1])


@pytest.mark.slow
def test_killed_twice_in_a_row() -> None:
    expected, count = undisturbed()
    for kill_at in range(0, count, 3):
        for again_at in (0, 1, 2, 3, 5, 8, 13, 21):
            world = World()
            first = drive(world, kill_at, trials=TRIALS)
            second = drive(world, again_at, trials=TRIALS)
            drive(world, None, trials=TRIALS)
            labels = (kill_at, first.labels[-1], again_at, second.labels[-1])
            assert not world.violations, labels
            assert story(world) == expected, labels


@pytest.mark.slow
def test_killed_again_and_again() -> None:
    """A driver that never lives longer than a few passages still comes to the end."""
    expected, _ = undisturbed()
    for life in (12, 17, 29):
        world = World()
        for _ in range(2000):
            if not drive(world, life, trials=TRIALS).dead:
                break
        else:
            pytest.fail(f"no end with lives of {life} passages")
        assert not world.violations
        assert story(world) == expected
