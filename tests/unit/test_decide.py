"""Decisions: pure functions of the state, the time and the policy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runwright import events as ev
from runwright.experiment import Experiment, Float
from runwright.loop import decide
from runwright.loop.decide import UNLIMITED
from runwright.loop.on_failure import Rule
from runwright.loop.policy import Policy
from runwright.result import Failure, Result
from runwright.state import State
from runwright.status import FailureKind, StopCause, StopReason, TrialStatus
from tests.facts import facts

EXPERIMENT = Experiment("decide", {"x": Float(0, 1)}, {"y": "minimize"})


def story(index, *steps, attempt=1):
    """The events of one trial, step by step; a number is a time."""
    time = 0.0
    told: list[ev.Event] = [ev.TrialAsked(0.0, index, [{"x": 0.5}])]
    for step in steps:
        if isinstance(step, (int, float)):
            time = float(step)
        elif step == "send":
            told.append(ev.DeployStarted(time, index, attempt))
        elif step == "run":
            told += [ev.DeployStarted(time, index, attempt), ev.Deployed(time, index, attempt, {})]
        elif step == "done":
            told.append(ev.Finished(time, index, attempt, Result({"0_0": {"y": (1.0, None)}})))
        elif isinstance(step, Failure):
            told.append(ev.Finished(time, index, attempt, Result(failure=step)))
        elif isinstance(step, FailureKind):
            told.append(ev.Finished(time, index, attempt, Result.failed(step, "why")))
        elif step == "again":
            told.append(ev.RetryPlanned(time, index, time))
            attempt += 1
        elif step == "give up":
            told.append(ev.GaveUp(time, index))
        elif step == "stop":
            told.append(ev.StopRequested(time, index, attempt, StopCause.USER, "enough"))
        else:
            told.append(step)
    return told


def state_of(*stories, extra=(), seed=0):
    experiment = EXPERIMENT.to_dict() | {"seed": seed}
    events = [ev.ExperimentStarted(0.0, {"experiment": experiment})]
    for index, steps in enumerate(stories):
        events += story(index, *steps)
    state = State.of([*events, *extra])
    state.check()
    return state


CRASHED, LOST, SUBMIT = FailureKind.CRASHED, FailureKind.LOST, FailureKind.SUBMIT_ERROR
RUN, DONE, FAILED = ["run"], ["run", "done"], ["run", CRASHED, "give up"]


def delayed(index, until, kind=CRASHED):
    return ["run", kind, ev.RetryPlanned(0.0, index, until)]


# Verdicts on failed attempts.


TIMEOUT, MEMORYOUT, INVALID = FailureKind.TIMEOUT, FailureKind.MEMORYOUT, FailureKind.INVALID_RESULT


UNCONFIRMED = Failure(LOST, "nobody knows", may_live=True)


def after(*kinds, at=5.0, on_failure="fail", extra=(), seed=0):
    """The verdict on a trial whose attempts failed in these ways."""
    steps = [step for kind in kinds for step in ("run", kind, "again")][:-1]
    (verdict,) = decide.verdicts(state_of(steps, extra=extra, seed=seed), Policy(on_failure=on_failure), at)
    assert (verdict.time, verdict.trial) == (at, 0)
    return verdict


@pytest.mark.parametrize(
    ("kinds", "on_failure", "retry"),
    [
        # A rule alone is for every kind; those of the evaluation count together.
        ([CRASHED], "fail", None),
        ([CRASHED], "abort", None),
        ([CRASHED], "penalty 5", None),
        ([CRASHED], "retry 1", (1, 1)),
        ([CRASHED] * 2, "retry 1", None),
        ([CRASHED] * 2, "retry 9", (2, 9)),
        ([TIMEOUT], "retry 1", (1, 1)),
        ([INVALID], "retry 1", (1, 1)),
        ([CRASHED, TIMEOUT], "retry 1", None),
        ([CRASHED, TIMEOUT, INVALID], "retry 3 then abort", (3, 3)),
        # What is not the point's fault is tried three times again at the least, and counts by itself.
        ([LOST], "fail", (1, 3)),
        ([SUBMIT], "penalty 5", (1, 3)),
        ([SUBMIT] * 3, "retry 1", (3, 3)),
        ([SUBMIT] * 4, "retry 1", None),
        ([LOST] * 4, "retry 9", (4, 9)),
        ([CRASHED, CRASHED, LOST], "retry 2", (1, 3)),
        ([LOST, LOST, LOST, CRASHED], "retry 1", (1, 1)),
        ([LOST, SUBMIT, LOST, SUBMIT, LOST, SUBMIT], "fail", (3, 3)),
        # A kind that is named has its own rule and its own count; the rest count together.
        ([LOST], {"lost": "fail"}, None),
        ([LOST] * 2, {"lost": "retry 1"}, None),
        ([SUBMIT], {"lost": "fail"}, (1, 3)),
        # What may still live is tried again only where a rule names it.
        ([UNCONFIRMED], "fail", None),
        ([UNCONFIRMED], "retry 2", None),
        ([UNCONFIRMED], {"lost": "retry 2"}, (1, 2)),
        ([UNCONFIRMED], {"lost": "retry 2", "other": "abort"}, (1, 2)),
        ([CRASHED], {"timeout": "retry 2"}, None),
        ([TIMEOUT], {"timeout": "retry 2"}, (1, 2)),
        ([TIMEOUT, CRASHED], {"timeout": "retry 2", "other": "retry 1"}, (1, 1)),
        ([TIMEOUT, CRASHED, MEMORYOUT], {"timeout": "retry 2", "other": "retry 1"}, None),
        ([CRASHED, TIMEOUT, CRASHED], {FailureKind.CRASHED: Rule(2)}, (2, 2)),
    ],
)
def test_a_failed_attempt_is_followed_by_another_as_often_as_its_rule_says(kinds, on_failure, retry):
    verdict = after(*kinds, on_failure=on_failure)
    if retry is None:
        assert verdict.kind == "GaveUp"
    else:
        assert (verdict.kind, verdict.retry, verdict.retries) == ("RetryPlanned", *retry)


@pytest.mark.parametrize(
    ("kinds", "on_failure", "full"),
    [
        ([CRASHED], "retry 1", 0.0),
        ([CRASHED] * 5, "retry 9", 0.0),
        ([LOST], "fail", 1.0),
        ([LOST] * 3, "fail", 4.0),
        ([CRASHED, CRASHED, LOST], "retry 9", 1.0),
        ([SUBMIT] * 6, "retry 9", 32.0),
        ([SUBMIT] * 7, "retry 9", 60.0),
        ([SUBMIT] * 90, "retry 99", 60.0),
        ([CRASHED] * 2, {"crashed": Rule(9, backoff=10.0)}, 20.0),
        ([CRASHED] * 9, {"crashed": Rule(9, backoff=10.0)}, 60.0),
        ([CRASHED] * 9, {"crashed": Rule(9, backoff=90.0)}, 90.0),
        ([CRASHED] * 9, {"crashed": Rule(9, backoff=10.0, longest=1000.0)}, 1000.0),
        ([LOST] * 3, {"lost": Rule(9, longest=0.5)}, 0.5),
        ([LOST] * 3, {"lost": Rule(9, backoff=0)}, 0.0),
        ([LOST] * 2, Rule(1, backoff=8.0), 16.0),
    ],
)
def test_it_waits_from_half_of_what_its_rule_says_to_all_of_it(kinds, on_failure, full):
    waits = {after(*kinds, on_failure=on_failure, seed=seed).not_before - 5.0 for seed in range(9)}
    assert all(full / 2 <= round(wait, 6) <= full for wait in waits), waits
    assert len(waits) == (9 if full else 1), "not all together"


def test_the_same_seed_waits_the_same():
    assert after(LOST, seed=3) == after(LOST, seed=3)
    assert after(LOST, seed=3) != after(LOST, seed=4)
    first, second = (round(after(*[LOST] * count).not_before - 5.0, 6) for count in (1, 2))
    assert second != 2 * first, "each attempt has its own"


def test_what_was_lost_together_does_not_come_back_together():
    """Each attempt of each trial has a wait of its own."""
    state = state_of(["run", LOST], ["run", LOST], ["run", LOST, "again", "run", LOST])
    policy = Policy(on_failure={"lost": {"retry": 9, "backoff": 8, "longest": 8}})
    waits = [verdict.not_before - verdict.time for verdict in decide.verdicts(state, policy, 5.0)]
    assert len({round(wait, 3) for wait in waits}) == 3
    level = {"lost": {"retry": 9, "backoff": 8, "longest": 8}}
    assert after(LOST, on_failure=level).not_before != after(LOST, LOST, on_failure=level).not_before


def test_an_interrupted_attempt_is_no_failure_of_the_trial():
    interrupted = ["run", ev.Interrupted(1.0, 0, 1, "left")]
    state = state_of([*interrupted, ev.DeployStarted(1.0, 0, 2), ev.Finished(2.0, 0, 2, Result.failed(CRASHED, ""))])
    assert decide.verdicts(state, Policy(on_failure="retry 1"), 5.0) == [ev.RetryPlanned(5.0, 0, 5.0, 1, 1)]


def test_a_rerun_begins_a_new_count():
    failed = ["run", CRASHED, "again", "run", CRASHED, "give up", ev.Rerun(3.0, 0)]
    again = [ev.DeployStarted(4.0, 0, 3), ev.Finished(5.0, 0, 3, Result.failed(CRASHED, ""))]
    assert decide.verdicts(state_of([*failed, *again]), Policy(on_failure="retry 1"), 5.0) == [
        ev.RetryPlanned(5.0, 0, 5.0, 1, 1)
    ]


def test_giving_up_says_what_is_told_and_whether_the_experiment_ends():
    assert after(CRASHED) == ev.GaveUp(5.0, 0)
    assert after(CRASHED, on_failure="penalty 1000") == ev.GaveUp(5.0, 0, {"y": 1000.0})
    assert after(CRASHED, on_failure={"crashed": {"penalty": {"y": 3}}}) == ev.GaveUp(5.0, 0, {"y": 3.0})
    assert after(CRASHED, on_failure="abort") == ev.GaveUp(5.0, 0, None, abort=True)


def test_each_undecided_trial_gets_its_verdict():
    state = state_of(["run", CRASHED], DONE, ["run", TIMEOUT])
    rules = {"crashed": "retry 1"}
    assert decide.verdicts(state, Policy(on_failure=rules), 0.0) == [
        ev.RetryPlanned(0.0, 0, 0.0, 1, 1),
        ev.GaveUp(0.0, 2),
    ]
    assert decide.verdicts(state_of(RUN, DONE, []), Policy(), 0.0) == []


# Whether a failure ends the experiment.

ABORTED = ["run", CRASHED, ev.GaveUp(1.0, 0, None, abort=True)]


def test_a_failure_that_says_so_ends_the_experiment_whatever_else_could_go_on():
    end = decide.ending(state_of(ABORTED, RUN, []), Policy(trials=9, on_failure="abort"), 8.0, exhausted=False)
    assert (end.reason, end.time) == (StopReason.ABORTED, 8.0)
    assert end.message == (
        "trial 0 failed (crashed: why), for which on_failure says abort; have it tried again (rerun), or change "
        "on_failure, to go on"
    )


def test_it_ends_again_until_the_trial_is_tried_again_or_the_rule_is_another():
    policy = Policy(trials=9, on_failure="abort")
    again = state_of(ABORTED, extra=[ev.ExperimentEnded(1.0, StopReason.ABORTED, ""), ev.DriverStarted(2.0, 0.0, {})])
    assert decide.ending(again, policy, 8.0, exhausted=False).reason is StopReason.ABORTED
    assert decide.ending(again, Policy(trials=9), 8.0, exhausted=False) is None
    assert decide.ending(again, Policy(trials=9, on_failure={"timeout": "abort"}), 8.0, exhausted=False) is None
    assert decide.ending(state_of([*ABORTED, ev.Rerun(3.0, 0)]), policy, 8.0, exhausted=False) is None


# Whether the experiment ends.


@pytest.mark.parametrize(
    ("stories", "policy", "exhausted", "reason"),
    [
        ([], Policy(trials=0), False, StopReason.TRIALS),
        ([DONE, FAILED], Policy(trials=2), False, StopReason.TRIALS),
        ([DONE, DONE, DONE], Policy(trials=2), False, StopReason.TRIALS),
        ([DONE], Policy(trials=2), False, None),
        ([DONE], Policy(), False, None),
        ([DONE], Policy(), True, StopReason.EXHAUSTED),
        ([DONE], Policy(trials=9), True, StopReason.EXHAUSTED),
        ([DONE, RUN], Policy(trials=2), True, None),
        ([DONE, ["send"]], Policy(trials=2), True, None),
        ([DONE, []], Policy(trials=2), True, None),
        ([DONE, ["run", CRASHED]], Policy(trials=2), True, None),
        ([DONE, delayed(1, 9.0)], Policy(trials=2), True, None),
        ([RUN], Policy(seconds=9.0), False, None),
        ([RUN], Policy(seconds=8.0), False, StopReason.TIME),
        ([RUN], Policy(seconds=7.5), False, StopReason.TIME),
        # More than the rate of the ended trials failed, once enough have ended.
        ([FAILED] * 2 + [DONE] * 3, Policy(failure_rate=0.4), False, None),
        ([FAILED] * 3 + [DONE] * 3, Policy(failure_rate=0.4), False, StopReason.FAILURE_RATE),
        ([FAILED] * 4, Policy(failure_rate=0.4), False, None),
        ([FAILED] * 4, Policy(failure_rate=0.4, failure_rate_after=4), False, StopReason.FAILURE_RATE),
        ([FAILED] * 2 + [RUN], Policy(failure_rate=0.4, trials=3), False, None),
        ([FAILED] * 3, Policy(failure_rate=0.4, trials=3), False, StopReason.FAILURE_RATE),
        ([FAILED] * 3, Policy(failure_rate=1.0, trials=3), False, StopReason.TRIALS),
        ([FAILED], Policy(failure_rate=0.0, failure_rate_after=0), False, StopReason.FAILURE_RATE),
        ([], Policy(failure_rate=0.0, failure_rate_after=0, trials=1), False, None),
    ],
)
def test_ending(stories, policy, exhausted, reason):
    end = decide.ending(state_of(*stories), policy, 8.0, exhausted=exhausted)
    assert (None if end is None else (end.reason, end.time)) == (None if reason is None else (reason, 8.0))


@pytest.mark.parametrize(
    ("stories", "policy", "message"),
    [
        ([DONE, DONE], Policy(trials=2), "all 2 trials have ended"),
        ([DONE], Policy(trials=1), "the only trial has ended"),
        ([DONE], Policy(), "the optimizer has nothing more to propose"),
        ([RUN], Policy(seconds=7.5), "its time of 7.5 s is used up"),
        ([FAILED] * 5, Policy(failure_rate=0.25), "5 of 5 ended trials failed, more than the failure rate of 0.25"),
    ],
)
def test_the_end_is_told_in_a_sentence(stories, policy, message):
    assert decide.ending(state_of(*stories), policy, 8.0, exhausted=True).message == message


def test_an_attempt_that_never_ends_by_itself_is_not_waited_for():
    state, policy = state_of(DONE, RUN), Policy(trials=2)
    assert decide.ending(state, policy, 8.0, exhausted=False) is None
    end = decide.ending(state, policy, 8.0, exhausted=False, staying=1)
    assert (end.reason, end.message) == (StopReason.TRIALS, "all 2 trials have ended, but the latest, which goes on")
    assert decide.ending(state_of(RUN, RUN), policy, 8.0, exhausted=False, staying=1) is None
    assert decide.ending(state_of(DONE, DONE), policy, 8.0, exhausted=False, staying=1).message == (
        "all 2 trials have ended"
    )


def test_an_attempt_that_the_next_one_replaces_holds_no_slot():
    assert decide.free_slots(state_of(RUN), Policy(parallel=1), UNLIMITED) == 0
    assert decide.free_slots(state_of(RUN), Policy(parallel=1), UNLIMITED, staying=1) == 1
    assert decide.free_slots(state_of(), Policy(parallel=1), UNLIMITED, staying=1) == 1


def test_an_experiment_ends_once():
    state = state_of(DONE, extra=[ev.ExperimentEnded(1.0, StopReason.USER, "")])
    assert decide.ending(state, Policy(trials=1), 8.0, exhausted=True) is None


# Slots, asks and deployments.


@pytest.mark.parametrize(
    ("parallel", "capacity", "free"),
    [
        (None, 7, 7),
        (None, UNLIMITED, UNLIMITED),
        (5, UNLIMITED, 3),
        (5, 2, 2),
        (5, 9, 3),
        (2, 9, 0),
        (1, 9, 0),
        (5, 0, 0),
    ],
)
def test_free_slots(parallel, capacity, free):
    assert decide.free_slots(state_of(RUN, ["send"], DONE, []), Policy(parallel=parallel), capacity) == free


@pytest.mark.parametrize(
    ("stories", "trials", "free", "count"),
    [
        ([], 9, 3, 3),
        ([], 2, 3, 2),
        ([], None, 3, 3),
        ([], 5, UNLIMITED, 5),
        ([DONE, RUN], 9, 3, 3),
        ([DONE, RUN], 2, 3, 0),
        ([DONE, DONE, DONE], 2, 3, 0),
        ([[], []], 9, 3, 1),
        ([[], [], [], []], 9, 3, 0),
        ([delayed(0, 4.0), delayed(1, 6.0)], 9, 3, 2),
        ([delayed(0, 4.0), delayed(1, 5.0)], 9, 3, 1),
        ([delayed(0, 4.0), delayed(1, 5.0)], 9, 1, 0),
        ([delayed(0, 4.0, LOST), delayed(1, 6.0, SUBMIT), delayed(2, 6.0)], 9, 3, 1),
        ([delayed(0, 6.0, SUBMIT), delayed(1, 6.0, SUBMIT)], 9, 2, 0),
        ([delayed(0, 6.0, SUBMIT), delayed(1, 6.0, SUBMIT)], 9, 1, 0),
        ([delayed(0, 6.0, SUBMIT), delayed(1, 6.0, SUBMIT)], 9, UNLIMITED, 7),
    ],
)
def test_asks_fill_the_slots_that_candidates_leave(stories, trials, free, count):
    assert decide.asks(state_of(*stories), Policy(trials=trials, parallel=9), 5.0, free) == count


def test_nothing_is_asked_or_started_once_the_experiment_has_ended():
    state = state_of([], extra=[ev.ExperimentEnded(1.0, StopReason.TIME, "")])
    assert decide.asks(state, Policy(trials=9), 5.0, 3) == 0
    assert decide.room(state, 5.0, 3) == 0
    assert decide.deployments(state, 5.0, 3) == []


@pytest.mark.parametrize(
    ("stories", "free", "room"),
    [
        ([], 3, 3),
        ([], UNLIMITED, UNLIMITED),
        ([[], []], 3, 1),
        ([[], []], 1, 0),
        ([delayed(0, 4.0), delayed(1, 6.0)], 3, 2),
    ],
)
def test_room_is_what_candidates_leave(stories, free, room):
    assert decide.room(state_of(*stories), 5.0, free) == room


@pytest.mark.parametrize(
    ("stories", "free", "started"),
    [
        ([], 3, []),
        ([[], []], 3, [(0, 1), (1, 1)]),
        ([[], [], []], 2, [(0, 1), (1, 1)]),
        ([[], []], UNLIMITED, [(0, 1), (1, 1)]),
        ([[], []], 0, []),
        ([["run", CRASHED, "again"], []], 3, [(1, 1), (0, 2)]),
        ([delayed(0, 4.0), [], delayed(2, 3.0), delayed(3, 6.0)], 3, [(1, 1), (2, 2), (0, 2)]),
        ([delayed(0, 4.0), [], delayed(2, 3.0)], 2, [(1, 1), (2, 2)]),
        ([delayed(0, 4.0), delayed(1, 3.0)], UNLIMITED, [(1, 2), (0, 2)]),
        ([delayed(0, 6.0)], 3, []),
    ],
)
def test_deployments(stories, free, started):
    state = state_of(*stories)
    if stories and stories[0][-1:] == ["again"]:
        state.ready[0] = state.ready.pop(0)  # it became ready after the other was asked
    found = decide.deployments(state, 5.0, free)
    assert [(event.trial, event.attempt) for event in found] == started
    assert all(event.time == 5.0 for event in found)


# Limits and deadlines.


def test_timeouts_strike_running_trials_only_and_each_once():
    state = state_of([1, "run"], [2, "run"], [2, "run", "stop"], [2, "send"], [2, "run", "done"], [4, "run"])
    assert decide.timeouts(state, None, 99.0) == []
    assert decide.timeouts(state, 3.0, 3.9) == []
    assert [(stop.trial, stop.time) for stop in decide.timeouts(state, 3.0, 4.0)] == [(0, 4.0)]
    (first, second) = decide.timeouts(state, 3.0, 6.5)
    assert (first.trial, second.trial) == (0, 1)
    assert (first.attempt, first.cause) == (1, StopCause.TIMEOUT)
    assert first.reason == "it ran longer than its limit of 3 s"
    state.apply(replace(first, time=6.5))
    assert [stop.trial for stop in decide.timeouts(state, 3.0, 6.5)] == [1]


@pytest.mark.parametrize(
    ("stories", "seconds", "timeout", "now", "deadline"),
    [
        ([], None, None, 0.0, None),
        ([[1, "run"], [2, "run"]], None, None, 2.0, None),
        ([[1, "run"], [2, "run"]], None, 3.0, 2.0, 4.0),
        ([[1, "run", "stop"], [2, "run"]], None, 3.0, 2.0, 5.0),
        ([[1, "run", "stop"]], None, 3.0, 2.0, None),
        ([[1, "send"]], None, 3.0, 2.0, None),
        ([], 60.0, 3.0, 2.0, 60.0),
        ([delayed(0, 9.0), delayed(1, 7.0)], 60.0, 3.0, 2.0, 7.0),
        ([delayed(0, 9.0), delayed(1, 7.0)], None, None, 7.0, 9.0),
        ([delayed(0, 9.0), delayed(1, 7.0)], None, None, 9.0, None),
        ([delayed(0, 9.0), [1, "run"]], 60.0, 3.0, 2.0, 4.0),
    ],
)
def test_the_next_deadline(stories, seconds, timeout, now, deadline):
    """A retry that was due at the latest turn found no free slot: time alone will not give it one."""
    assert decide.next_deadline(state_of(*stories), Policy(seconds=seconds), timeout, now) == deadline


def test_once_the_experiment_has_ended_its_time_is_no_deadline():
    state = state_of([1, "run"], extra=[ev.ExperimentEnded(1.0, StopReason.USER, "")])
    assert decide.next_deadline(state, Policy(seconds=60.0), None, 2.0) is None


# Pure.


def test_decisions_change_nothing():
    state = state_of([], RUN, DONE, FAILED, ["run", CRASHED], delayed(5, 1.0), [1, "run", "stop"])
    policy = Policy(trials=9, parallel=9, on_failure="retry 1", failure_rate=0.1, failure_rate_after=1, seconds=1.0)
    known = facts(state)
    first = [
        (
            decide.verdicts(state, policy, 5.0),
            decide.ending(state, policy, 5.0, exhausted=True),
            decide.free_slots(state, policy, 9),
            decide.asks(state, policy, 5.0, 9),
            decide.deployments(state, 5.0, 9),
            decide.timeouts(state, 1.0, 5.0),
            decide.next_deadline(state, policy, 1.0, 0.0),
        )
        for _ in range(2)
    ]
    assert facts(state) == known
    assert first[0] == first[1]
    assert state.trials[0].status is TrialStatus.CANDIDATE
