"""The fold of events: by hand, event by event, and by random stories."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runwright import events as ev
from runwright.errors import ContractError, IllegalTransitionError
from runwright.experiment import Choice, Experiment, Float
from runwright.result import Result
from runwright.state import State
from runwright.status import AttemptOutcome, FailureKind, StopCause, StopReason, TrialStatus
from runwright.trial import BatchTrial, Trial
from tests.facts import facts

S = TrialStatus
EXPERIMENT = Experiment("fold", {"x": Float(0, 1), "c": Choice(["a", "b"])}, {"y": "minimize"})
DEFINITION = {"format": 1, "experiment": EXPERIMENT.to_dict()}
POINT = {"x": 0.5, "c": "a"}
GOOD = Result({"0_0": {"y": (1.0, 0.1)}}, seconds=2.0, additional_info={"remark": ["a", None]})
CRASH = Result.failed(FailureKind.CRASHED, "exit status 1", "trials/0/1/stderr.log", seconds=0.5)

STARTED = ev.ExperimentStarted(0.0, DEFINITION)
ASKED = ev.TrialAsked(1.0, 0, [POINT])
SENT = ev.DeployStarted(2.0, 0, 1)
QUEUED = ev.Deployed(3.0, 0, 1, {"job": 1}, staged=True)
DEPLOYED = ev.Deployed(3.0, 0, 1, {"job": 1})
FINISHED = ev.Finished(4.0, 0, 1, GOOD)
CRASHED = ev.Finished(4.0, 0, 1, CRASH)
RUNS = [STARTED, ASKED, SENT, DEPLOYED]
FAILED = [*RUNS, CRASHED, ev.GaveUp(4.0, 0)]


def fold(*events):
    state = State.of(events)
    state.check()
    assert facts(State.of(ev.decode(ev.encode(event)) for event in events)) == facts(state)
    return state


# What each event does.


def test_a_trial_from_its_proposal_to_its_end():
    state = fold(STARTED, ASKED)
    (trial,) = state.trials
    assert isinstance(trial, Trial)
    assert (trial.status, trial.attempt, trial.parameters, list(state.ready)) == (S.CANDIDATE, 0, POINT, [0])
    assert (state.asked_of_optimizer, state.live, state.ended) == (1, 0, 0)

    state = fold(STARTED, ASKED, SENT)
    assert (state.trials[0].status, state.trials[0].attempt, state.staged) == (S.STAGED, 1, {0})
    assert (list(state.ready), state.live) == ([], 1)

    state = fold(*RUNS)
    assert (state.trials[0].status, state.trials[0].run_metadata) == (S.RUNNING, {"job": 1})
    assert (state.staged, state.running) == (set(), {0: 3.0})

    state = fold(*RUNS, FINISHED)
    assert (state.trials[0].status, state.trials[0].result) == (S.COMPLETED, GOOD)
    assert (state.running, list(state.untold), state.ended, state.live) == ({}, [0], 1, 0)
    assert state.counts[S.COMPLETED] == 1
    assert state.last_time == 4.0

    state = fold(*RUNS, FINISHED, ev.Told(5.0, 0))
    assert list(state.untold) == []


def test_a_queued_job_runs_waits_again_and_runs():
    events = [STARTED, ASKED, SENT, QUEUED]
    assert fold(*events).staged == {0}
    events.append(ev.Polled(4.0, 0, S.RUNNING))
    assert fold(*events).running == {0: 4.0}
    events.append(ev.Polled(5.0, 0, S.STAGED))
    state = fold(*events)
    assert (state.staged, state.running, state.trials[0].status) == ({0}, {}, S.STAGED)
    events.append(ev.Polled(6.0, 0, S.RUNNING))
    assert fold(*events).running == {0: 6.0}, "a limit counts from the last start of execution"


def test_a_second_word_of_the_runner_about_a_running_trial_renews_its_metadata_alone():
    state = fold(*RUNS, ev.Detached(5.0, 0, 1), ev.Deployed(9.0, 0, 1, {"job": 2}))
    assert (state.running, state.detached, state.trials[0].run_metadata) == ({0: 3.0}, set(), {"job": 2})
    assert fold(*RUNS, ev.Detached(5.0, 0, 1)).detached == {0}


def test_a_failed_attempt_waits_for_a_decision():
    state = fold(*RUNS, CRASHED)
    trial = state.trials[0]
    assert (list(state.undecided), trial.status, state.live) == ([0], S.RUNNING, 0)
    assert (trial.failures, trial.failure) == (1, CRASH.failure)
    assert [(a.number, a.outcome) for a in trial.attempts] == [(1, AttemptOutcome.FAILED)]

    gave_up = fold(*FAILED)
    assert (gave_up.trials[0].status, list(gave_up.untold), list(gave_up.undecided)) == (S.FAILED, [0], [])
    assert gave_up.trials[0].failure == CRASH.failure

    now = fold(*RUNS, CRASHED, ev.RetryPlanned(4.0, 0, 4.0))
    assert (list(now.ready), now.delayed, now.trials[0].status, now.trials[0].result) == ([0], [], S.CANDIDATE, None)

    later = fold(*RUNS, CRASHED, ev.RetryPlanned(4.0, 0, 6.0))
    assert (list(later.ready), later.delayed) == ([], [(6.0, 0)])
    again = fold(*RUNS, CRASHED, ev.RetryPlanned(4.0, 0, 6.0), replace(SENT, time=6.0, attempt=2))
    assert (again.delayed, again.trials[0].attempt, again.trials[0].run_metadata) == ([], 2, {})


def test_delayed_trials_are_sorted_and_leave_one_by_one():
    events = [STARTED]
    for index, not_before in enumerate((30.0, 10.0, 20.0)):
        events += [
            replace(ASKED, trial=index),
            replace(SENT, trial=index),
            replace(CRASHED, trial=index),
            ev.RetryPlanned(4.0, index, not_before),
        ]
    assert fold(*events).delayed == [(10.0, 1), (20.0, 2), (30.0, 0)]
    assert fold(*events, replace(SENT, trial=2, attempt=2)).delayed == [(10.0, 1), (30.0, 0)]
    assert fold(*events, ev.Stopped(5.0, 1, 1, S.ABANDONED, "no")).delayed == [(20.0, 2), (30.0, 0)]


def test_an_interrupted_attempt_counts_for_nothing():
    state = fold(*RUNS, ev.StopRequested(4.0, 0, 1, StopCause.INTERRUPT, "leaving"), ev.Interrupted(5.0, 0, 1, "left"))
    trial = state.trials[0]
    assert (trial.status, list(state.ready), trial.failures, trial.stop_requested) == (S.CANDIDATE, [0], 0, None)
    assert [(a.outcome, a.reason) for a in trial.attempts] == [(AttemptOutcome.INTERRUPTED, "left")]
    assert (state.stopping, list(state.untold)) == ({}, [])


@pytest.mark.parametrize("status", [S.ABANDONED, S.EARLY_STOPPED])
def test_a_stopped_attempt_ends_its_trial(status):
    request = ev.StopRequested(4.0, 0, 1, StopCause.USER, "enough")
    state = fold(*RUNS, request)
    assert (state.stopping, state.trials[0].stop_requested, state.live) == ({0: StopCause.USER}, "enough", 1)
    cost = Result(seconds=3.0)
    state = fold(*RUNS, request, ev.Stopped(5.0, 0, 1, status, "enough", cost))
    trial = state.trials[0]
    assert (trial.status, trial.result, state.stopping, list(state.untold)) == (status, cost, {}, [0])
    assert [str(attempt) for attempt in trial.attempts] == ["attempt 1 stopped (enough)"]


@pytest.mark.parametrize("status", [S.ABANDONED, S.STALE])
def test_a_candidate_may_end_without_an_attempt(status):
    state = fold(STARTED, ASKED, ev.Stopped(2.0, 0, 0, status, "not wanted"))
    trial = state.trials[0]
    assert (trial.status, trial.attempts, list(state.ready), list(state.untold)) == (status, (), [], [0])


@pytest.mark.parametrize("told", [[], [ev.Told(5.0, 0)]])
def test_rerun_takes_back_a_failed_and_an_abandoned_trial(told):
    state = fold(*FAILED, *told, ev.Rerun(6.0, 0))
    trial = state.trials[0]
    assert (trial.status, list(state.ready), trial.result, trial.failures) == (S.CANDIDATE, [0], None, 1)
    assert list(state.untold) == [], "it is told again when it has ended again"
    stopped = ev.Stopped(4.0, 0, 1, S.ABANDONED, "no")
    state = fold(*RUNS, stopped, *told, ev.Rerun(6.0, 0))
    assert (state.trials[0].status, state.trials[0].stop_requested) == (S.CANDIDATE, None)


def test_the_experiment_ends_and_the_next_driver_goes_on():
    ended = ev.ExperimentEnded(9.0, StopReason.USER, "a user stopped it")
    state = fold(STARTED, ev.DriverStarted(0.0, 100.0, {"trials": 3}), ended)
    assert (state.stop_reason, state.stop_message) == (StopReason.USER, "a user stopped it")
    state = fold(STARTED, ended, ev.DriverStarted(9.0, 200.0, {"trials": 5}))
    assert (state.stop_reason, state.stop_message, state.policy) == (None, "", {"trials": 5})


def test_the_epoch_is_that_of_the_driver_that_lived_at_a_time():
    assert State().epoch_of(3.0) is None
    state = fold(STARTED, ev.DriverStarted(0.0, 1000.0, {}), ev.DriverStarted(10.0, 5000.0, {}))
    assert [state.epoch_of(time) for time in (0.0, 4.0, 10.0, 12.0)] == [1000.0, 1004.0, 5000.0, 5002.0]
    assert fold(STARTED, ev.DriverStarted(5.0, 50.0, {})).epoch_of(3.0) == 48.0, "before the first: reckoned back"


def test_remarks_requests_and_live_trials():
    state = fold(
        STARTED,
        ev.Noted(1.0, "polling failed"),
        ev.OptimizerRebuilt(2.0, exact=True, reason="replayed"),
        ev.OptimizerRebuilt(3.0, exact=False, reason="another version"),
        ev.RequestTaken(4.0, "r1", {"kind": "stop"}, "no such trial"),
        ASKED,
        replace(ASKED, trial=1, source="enqueued"),
        SENT,
        replace(SENT, trial=1),
        replace(DEPLOYED, trial=1),
    )
    assert state.notes == ["polling failed", "the optimizer was rebuilt, not exactly: another version"]
    assert (state.requests, state.asked_of_optimizer) == ({"r1"}, 1)
    assert [trial.index for trial in state.live_trials()] == [0, 1]


def test_a_trial_of_several_points():
    asked = ev.TrialAsked(1.0, 0, [POINT, POINT], "submitted", "i1", 0.5, 9, ["left", "right"])
    (trial,) = fold(STARTED, asked).trials
    assert isinstance(trial, BatchTrial)
    assert list(trial.arms_by_name) == ["left", "right"]
    assert (trial.source, trial.instance, trial.budget, trial.seed) == ("submitted", "i1", 0.5, 9)


# What is refused: by name, and without a trace.


@pytest.mark.parametrize(
    ("before", "event", "error", "sentence"),
    [
        ([STARTED], replace(ASKED, trial=1), ContractError, "trial 1 was asked for where trial 0 was due"),
        ([STARTED], SENT, ContractError, "there is no trial 0; there are 0"),
        ([STARTED, ASKED], replace(SENT, trial=-1), ContractError, "there is no trial -1; there are 1"),
        ([STARTED, ASKED], replace(SENT, attempt=2), ContractError, "trial 0: attempt 2 follows attempt 0"),
        (RUNS, replace(SENT, attempt=2), ContractError, "trial 0 has an attempt that nobody has decided about"),
        ([*RUNS, FINISHED], replace(SENT, attempt=2), IllegalTransitionError, "trial 0 cannot go from COMPLETED to"),
        ([STARTED, ASKED], DEPLOYED, ContractError, "trial 0 has no live attempt 1"),
        (RUNS, replace(DEPLOYED, attempt=2), ContractError, "trial 0 has no live attempt 2"),
        ([*RUNS, CRASHED], ev.Polled(5.0, 0, S.STAGED), ContractError, "trial 0 has no live attempt"),
        (RUNS, ev.Polled(5.0, 0, S.RUNNING), IllegalTransitionError, "trial 0 cannot go from RUNNING to RUNNING"),
        (RUNS, ev.Polled(5.0, 0, S.COMPLETED), ContractError, "trial 0 was polled as COMPLETED"),
        ([*RUNS, FINISHED], FINISHED, ContractError, "trial 0 has no live attempt 1"),
        ([*RUNS, CRASHED], FINISHED, ContractError, "trial 0 has no live attempt 1"),
        (RUNS, ev.RetryPlanned(5.0, 0, 5.0), ContractError, "trial 0 has no failed attempt to decide about"),
        (FAILED, ev.GaveUp(5.0, 0), ContractError, "trial 0 has no failed attempt to decide about"),
        (RUNS, ev.Told(5.0, 0), ContractError, "there is nothing to tell of trial 0"),
        ([STARTED], ev.Told(5.0, 0), ContractError, "there is no trial 0"),
        (RUNS, ev.Rerun(5.0, 0), ContractError, "trial 0 has an attempt that nobody has decided about"),
        ([*RUNS, FINISHED], ev.Rerun(5.0, 0), IllegalTransitionError, "trial 0 cannot go from COMPLETED to CANDIDATE"),
        ([STARTED, ASKED], ev.Rerun(5.0, 0), IllegalTransitionError, "trial 0 cannot go from CANDIDATE to CANDIDATE"),
        (RUNS, ev.Stopped(5.0, 0, 1, S.COMPLETED, ""), ContractError, "trial 0 cannot be stopped to become COMPLETED"),
        (RUNS, ev.Stopped(5.0, 0, 1, S.STALE, ""), IllegalTransitionError, "trial 0 cannot go from RUNNING to STALE"),
        (FAILED, ev.Stopped(5.0, 0, 1, S.ABANDONED, ""), ContractError, "trial 0 has no live attempt 1"),
        ([STARTED, ASKED], ev.Detached(5.0, 0, 0), ContractError, "trial 0 has no live attempt"),
        (RUNS, replace(FINISHED, attempt=2), ContractError, "trial 0 has no live attempt 2"),
        (RUNS, ev.StopRequested(5.0, 0, 2, StopCause.USER, ""), ContractError, "trial 0 has no live attempt 2"),
        (RUNS, ev.Stopped(5.0, 0, 2, S.ABANDONED, ""), ContractError, "trial 0 has no live attempt 2"),
        (RUNS, ev.Interrupted(5.0, 0, 2, ""), ContractError, "trial 0 has no live attempt 2"),
        (RUNS, ev.Detached(5.0, 0, 2), ContractError, "trial 0 has no live attempt 2"),
    ],
)
def test_what_cannot_happen_is_refused_and_changes_nothing(before, event, error, sentence):
    state = State.of(before)
    known = facts(state)
    with pytest.raises(error, match=sentence):
        state.apply(event)
    assert facts(state) == known
    state.check()


def test_the_refusal_tells_the_story_of_the_trial():
    state = State.of([*RUNS, CRASHED, ev.RetryPlanned(4.0, 0, 4.0), replace(SENT, attempt=2)])
    state.apply(replace(FINISHED, attempt=2))
    with pytest.raises(IllegalTransitionError) as raised:
        state.apply(ev.Rerun(9.0, 0))
    assert str(raised.value) == (
        "trial 0 cannot go from COMPLETED to CANDIDATE; "
        "its story: attempt 1 failed (crashed: exit status 1), attempt 2 was the latest"
    )
    with pytest.raises(IllegalTransitionError, match="its story: it was never attempted"):
        fold(STARTED, ASKED).apply(ev.Rerun(9.0, 0))


def damage(name, value):
    def change(state):
        setattr(state, name, value)

    return change


def misplace(state):
    state.trials[0].index = 3


def age(state):
    state.trials[0].attempts *= 3


@pytest.mark.parametrize(
    ("events", "change", "complaint"),
    [
        (RUNS, damage("staged", {0}), "staged and running"),
        ([STARTED, ASKED], damage("delayed", [(1.0, 0)]), "waits twice"),
        ([STARTED], damage("delayed", [(2.0, 0), (1.0, 1)]), "not sorted"),
        ([STARTED, ASKED], damage("stopping", {0: StopCause.USER}), "not live is stopping"),
        ([STARTED, ASKED], damage("detached", {0}), "not live is detached"),
        ([STARTED, ASKED], misplace, "not its position"),
        (RUNS, damage("running", {}), "in the wrong set"),
        ([STARTED, ASKED], damage("ready", {}), "waits wrongly"),
        ([STARTED, ASKED, SENT], lambda state: (state.staged.clear(), state.running.update({0: 1.0})), "STAGED"),
        (RUNS, lambda state: (state.running.clear(), state.staged.add(0)), "RUNNING"),
        ([STARTED, ASKED], damage("untold", {0: None}), "is to be told"),
        ([*RUNS, CRASHED], age, "attempts that never began"),
        ([STARTED, ASKED], damage("counts", dict.fromkeys(S, 0)), "counts are wrong"),
        ([STARTED, ASKED], damage("ended", 1), "ended trials is wrong"),
    ],
)
def test_the_check_sees_each_kind_of_damage(events, change, complaint):
    state = fold(*events)
    change(state)
    with pytest.raises(AssertionError, match=complaint):
        state.check()


# Random stories.

small = st.integers(-1, 5)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
texts = st.text(st.characters(codec="utf-8"), max_size=5)
json_values = st.sampled_from([None, True, -3, 0.1, 1e300, "ä\n", ["a", [1, None]], {"": {"b": []}}])
metadata = st.dictionaries(texts, json_values, max_size=2)
measured = st.dictionaries(texts, st.tuples(numbers, st.none() | numbers), max_size=2)
failures = st.builds(Result.failed, st.sampled_from(FailureKind), texts, st.none() | texts, seconds=st.none() | numbers)
results = failures | st.builds(
    Result,
    arms=st.dictionaries(texts, measured, max_size=2),
    seconds=st.none() | numbers,
    peak_memory=st.none() | st.integers(0, 2**40),
    additional_info=st.none() | metadata,
)
points = st.fixed_dictionaries({"x": st.floats(0, 1), "c": st.sampled_from(["a", "b"])})
asked = st.builds(
    dict,
    points=st.lists(points, min_size=1, max_size=2),
    source=st.sampled_from(["optimizer", "enqueued", "submitted"]),
    instance=st.none() | texts,
    budget=st.none() | st.floats(0.5, 9),
    seed=st.none() | st.integers(0, 2**31),
)
anything: st.SearchStrategy[Any] = st.one_of(
    st.builds(ev.DeployStarted, st.just(0.0), small, small),
    st.builds(ev.Deployed, st.just(0.0), small, small, metadata, st.booleans()),
    st.builds(ev.Polled, st.just(0.0), small, st.sampled_from(S)),
    st.builds(ev.Finished, st.just(0.0), small, small, results),
    st.builds(ev.StopRequested, st.just(0.0), small, small, st.sampled_from(StopCause), texts),
    st.builds(ev.Stopped, st.just(0.0), small, small, st.sampled_from(S), texts, st.none() | results),
    st.builds(ev.Interrupted, st.just(0.0), small, small, texts),
    st.builds(ev.RetryPlanned, st.just(0.0), small, st.floats(0, 99)),
    st.builds(ev.GaveUp, st.just(0.0), small),
    st.builds(ev.Told, st.just(0.0), small),
    st.builds(ev.Rerun, st.just(0.0), small),
    st.builds(ev.Detached, st.just(0.0), small, small),
    st.builds(ev.RequestTaken, st.just(0.0), texts, metadata, st.none() | texts),
    st.builds(ev.OptimizerRebuilt, st.just(0.0), st.booleans(), texts),
    st.builds(ev.Noted, st.just(0.0), texts, st.none() | small),
    st.builds(ev.ExperimentEnded, st.just(0.0), st.sampled_from(StopReason), texts),
    st.builds(ev.DriverStarted, st.just(0.0), numbers, metadata),
)


def legal(state: State, trial: Any) -> list[st.SearchStrategy[Any]]:
    """What may happen to a trial now, by the rules of docs/states.md and not by those of the code."""
    index, attempt, time = trial.index, trial.attempt, state.last_time
    if trial.status is S.CANDIDATE:
        return [
            *[st.just(ev.DeployStarted(time, index, attempt + 1))] * 5,
            st.builds(
                ev.Stopped,
                st.just(time),
                st.just(index),
                st.just(attempt),
                st.sampled_from([S.ABANDONED, S.STALE]),
                texts,
            ),
        ]
    if index in state.undecided:
        return [
            st.builds(ev.RetryPlanned, st.just(time), st.just(index), st.floats(0, 99)),
            st.just(ev.GaveUp(time, index)),
        ]
    if trial.status.is_deployed:
        about = (st.just(time), st.just(index), st.just(attempt))
        other = S.STAGED if trial.status is S.RUNNING else S.RUNNING
        return [
            st.builds(ev.Deployed, *about, metadata, st.booleans()),
            st.just(ev.Polled(time, index, other)),
            st.builds(ev.Finished, *about, results),
            st.builds(ev.StopRequested, *about, st.sampled_from(StopCause), texts),
            st.builds(ev.Stopped, *about, st.sampled_from([S.ABANDONED, S.EARLY_STOPPED]), texts, st.none() | results),
            st.builds(ev.Interrupted, *about, texts),
            st.just(ev.Detached(time, index, attempt)),
        ]
    told = [st.just(ev.Told(time, index))] if index in state.untold else []
    again = [st.just(ev.Rerun(time, index))] if trial.status in (S.FAILED, S.ABANDONED) else []
    return told + again


MOST_TRIALS = 4
STEPS_AT_ONCE = 8


class Story(RuleBasedStateMachine):
    """Applies whatever may happen, and now and then what may not."""

    def __init__(self):
        super().__init__()
        self.events = [STARTED, ev.DriverStarted(0.0, 1.7e9, {})]
        self.state = State.of(self.events)

    def happen(self, event):
        self.state.apply(event)
        self.events.append(event)

    @precondition(lambda self: len(self.state.trials) < MOST_TRIALS)
    @rule(passed=st.floats(0, 9), body=asked)
    def ask(self, passed, body):
        self.happen(ev.TrialAsked(self.state.last_time + passed, len(self.state.trials), **body))

    @rule(data=st.data(), passed=st.sampled_from([0.0, 0.25, 3.0]))
    def go_on(self, data, passed):
        for _ in range(STEPS_AT_ONCE):
            options = [option for trial in self.state.trials for option in legal(self.state, trial)]
            if not options:
                return
            event = data.draw(data.draw(st.sampled_from(options)))
            event.time += passed
            self.happen(event)
            self.state.check()

    @rule(event=anything)
    def try_anything(self, event):
        event.time = self.state.last_time
        known = facts(self.state)
        with suppress(IllegalTransitionError, ContractError):
            self.happen(event)
            return
        assert facts(self.state) == known, "a refused event has changed something"
        with pytest.raises((IllegalTransitionError, ContractError), match=f"trial {event.trial}"):
            self.state.apply(event)

    @invariant()
    def the_index_sets_are_right(self):
        self.state.check()
        assert self.state.last_time == self.events[-1].time

    def teardown(self):
        live = facts(self.state)
        assert facts(State.of(self.events)) == live
        assert facts(State.of(ev.decode(ev.encode(event)) for event in self.events)) == live


TestStory = Story.TestCase
TestStory.settings = settings(max_examples=80, stateful_step_count=40, deadline=None, derandomize=True)
TestStory = pytest.mark.slow(TestStory)
