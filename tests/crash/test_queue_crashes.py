"""A loop over a queue is killed at every passage of every seam, in virtual time, and begun anew: nothing differs."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

import runwright as rw
from runwright.clock import VirtualClock
from tests.crash.world import EXPERIMENT, Killed, Passages, PassingJournal, World, WorldRunner, story

SUBMITTED = [rw.TrialInfo({"x": number % 17 / 32}, seed=number % 17) for number in range(20)]
"""Three of them equal earlier ones: they are evaluations of their own."""


def loop(world: World, kill_at: int | None) -> tuple[Passages, list[tuple[int, str, Any]]]:
    """Let one life of a loop work until it is done or killed; return what it collected."""
    passages = Passages(kill_at)
    found: list[tuple[int, str, Any]] = []
    queue: rw.TrialQueue | None = None
    try:
        queue = rw.TrialQueue(
            WorldRunner(world, passages, workers=3),
            EXPERIMENT,
            journal=PassingJournal(world, passages),
            clock=VirtualClock(),
            limits=rw.Limits(timeout=9.0),
            on_failure="retry 1",
            crash_cost=5.0,
        )

        def collect() -> None:
            assert queue is not None
            for told, value in queue.iter_results():
                (place,) = [number for number, info in enumerate(SUBMITTED) if info is told]
                found.append((place, value.status.name, value.cost))

        for info in SUBMITTED:
            queue.submit_trial(info)
            collect()
        while queue.is_running():
            queue.wait()
            collect()
    except Killed:
        assert passages.dead
    else:
        queue.state.check()
    finally:
        if queue is not None:
            with suppress(Killed):  # a dead process closes nothing
                queue.close()
    return passages, found


def told(world: World) -> tuple[Any, Any]:
    """What must not hang on crashes."""
    known = story(world)
    return known["trials"], known["starts"]


def undisturbed() -> tuple[tuple[Any, Any], list[tuple[int, str, Any]], int]:
    world = World()
    passages, found = loop(world, None)
    return told(world), found, passages.count


def test_the_undisturbed_loop_meets_everything_that_a_crash_can_disturb() -> None:
    (trials, starts), found, count = undisturbed()
    assert sorted(place for place, _, _ in found) == list(range(len(SUBMITTED)))
    assert {status for _, status, _ in found} == {"SUCCESS", "CRASHED", "TIMEOUT"}
    assert {cost for _, status, cost in found if status != "SUCCESS"} == {5.0}
    assert len(trials) == len(SUBMITTED)
    assert len(starts) > len(SUBMITTED), "some were tried twice"
    assert count > 150


@pytest.mark.slow
def test_killed_once_at_every_passage() -> None:
    expected, results, count = undisturbed()
    for kill_at in range(count):
        world = World()
        first, _ = loop(world, kill_at)
        assert first.dead
        _, found = loop(world, None)
        assert not world.violations, (kill_at, first.labels[-1], world.violations)
        assert told(world) == expected, (kill_at, first.labels[-1])
        assert sorted(found) == sorted(results), (kill_at, first.labels[-1])


@pytest.mark.slow
def test_killed_again_and_again() -> None:
    """A loop that never lives longer than a few passages still comes to the end."""
    expected, results, _ = undisturbed()
    for life in (60, 83, 109):  # a life begins by submitting everything again, which passes seams too
        world = World()
        for _ in range(2000):
            passages, found = loop(world, life)
            if not passages.dead:
                break
        else:
            pytest.fail(f"no end with lives of {life} passages")
        assert not world.violations
        assert told(world) == expected
        assert sorted(found) == sorted(results)
