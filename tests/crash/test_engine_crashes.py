"""The driver is killed at every passage of every seam, once and twice; the story must be that of an undisturbed run."""

from __future__ import annotations

import pytest

from runwright.status import FailureKind, StopReason
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


# Every policy, with failures of every kind. The points that follow hang on all that was told, penalties too.

KINDS = (FailureKind.CRASHED, FailureKind.LOST, FailureKind.MEMORYOUT, FailureKind.INVALID_RESULT)
POLICIES = {
    "fail": "fail",
    "retry": "retry 2",
    "penalty": "retry 1 then penalty 1000",
    "waits": {"crashed": {"retry": 2, "backoff": 0.7}, "lost": {"retry": 1, "backoff": 30}, "other": "penalty -3"},
    "abort": {"invalid_result": "abort", "other": "retry 1"},
}


def life(name: str, *kills: int | None) -> tuple[World, int]:
    """Let drivers live and die in a world, the last one to its end."""
    world = World(on_failure=POLICIES[name], kinds=KINDS)
    for kill_at in kills:
        drive(world, kill_at, trials=TRIALS)
    return world, drive(world, None, trials=TRIALS).count


def test_the_policies_meet_what_they_are_for() -> None:
    told = {name: story(life(name)[0]) for name in POLICIES}
    assert {name: told[name]["ended"] for name in told} == dict.fromkeys(POLICIES, StopReason.TRIALS) | {
        "abort": StopReason.ABORTED
    }
    attempts = {name: max(trial[3] for trial in told[name]["trials"]) for name in told}
    assert attempts["retry"] >= 3
    for name, penalties in (("penalty", {1000.0}), ("waits", {-3.0}), ("fail", set())):
        assert {trial[6]["y"] for trial in told[name]["trials"] if trial[6]} == penalties, name
    assert {wait > 0 for _, wait in told["waits"]["waits"]} == {True}


@pytest.mark.slow
@pytest.mark.parametrize("name", POLICIES)
def test_killed_at_every_passage_under_any_policy(name: str) -> None:
    expected, count = life(name)
    for kill_at in range(count):
        world, _ = life(name, kill_at)
        assert not world.violations, (kill_at, world.violations)
        assert story(world) == story(expected), kill_at


@pytest.mark.slow
@pytest.mark.parametrize("name", POLICIES)
def test_killed_twice_in_a_row_under_any_policy(name: str) -> None:
    expected, count = life(name)
    for kill_at in range(0, count, 7):
        for again_at in (0, 1, 3, 8, 21):
            world, _ = life(name, kill_at, again_at)
            assert not world.violations, (kill_at, again_at, world.violations)
            assert story(world) == story(expected), (kill_at, again_at)


def test_what_was_told_is_told_again_whatever_the_policy_says_now() -> None:
    """The number was recorded with the decision: a rebuilt optimizer learns that, not what the file says today."""
    unchanged, changed = World(on_failure="penalty 1000", kinds=KINDS), World(on_failure="penalty 1000", kinds=KINDS)
    drive(unchanged, None, trials=TRIALS)
    expected, world = story(unchanged)["trials"], changed
    drive(world, None, trials=TRIALS // 2)
    early = story(world)["trials"]
    assert any(trial[6] for trial in early), "somebody was penalised before the policy changed"
    world.on_failure = "penalty 7"
    drive(world, None, trials=TRIALS)
    late = story(world)["trials"]
    assert late[: len(early)] == early
    assert [trial[1] for trial in late[: len(early)]] == [trial[1] for trial in expected[: len(early)]]
    assert {trial[6]["y"] for trial in late[len(early) :] if trial[6]} <= {7.0}
