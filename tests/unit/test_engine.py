"""What the engine makes of everything that a runner may do, in virtual time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from runwright import events as ev
from runwright.errors import ContractError, JournalError, SubmitError
from runwright.journal import MemoryJournal
from runwright.loop.observer import FETCH_TRIES
from runwright.loop.policy import Policy
from runwright.result import Failure, Result
from runwright.runner import Following, Limits, Lost, NeverStarted
from runwright.status import FailureKind, StopCause, TrialStatus
from tests.fakes import FOREVER, GO_ON, FakeRunner, ListOptimizer, World, crash, value
from tests.unit.driving import ONCE, check, events, kinds, one, points, run, scheduler, statuses

S = TrialStatus
WHOLE_STORY = ["TrialAsked", "DeployStarted", "Deployed", "Finished", "Told"]


def failure(driver, trial=0):
    return driver.state.trials[trial].failure


# A trial that ends well.


def test_the_story_of_a_trial():
    driver = run(FakeRunner())
    assert kinds(driver) == ["ExperimentStarted", "DriverStarted", *WHOLE_STORY, "ExperimentEnded"]
    assert driver.state.trials[0].result.metrics == {"y": (0.5, None)}
    assert one(driver, "Finished").time == 1.0
    assert driver.state.stop_message == "the optimizer has nothing more to propose"


def test_intents_are_committed_before_the_runner_hears_of_them():
    journal = MemoryJournal()
    known_at = {}

    def note(what):
        def step(trial, *_):
            known_at[what, trial.index] = [event.kind for event in journal.read() if event.trial == trial.index]
            return GO_ON

        return step

    runner = FakeRunner(World(seconds=FOREVER)).plan("run", note("run"), note("run")).plan("stop", note("stop"))
    driver = scheduler(runner, 1, journal=journal, limits=Limits(timeout=5.0))
    driver.run()
    assert known_at["run", 0] == ["TrialAsked", "DeployStarted"]
    assert known_at["stop", 0] == ["TrialAsked", "DeployStarted", "Deployed", "StopRequested"]


def test_a_queued_job_is_staged_until_a_poll_says_that_it_runs():
    world = World(seconds=10.0, queue={(0, 1)})
    runner = FakeRunner(world)
    runner.staging = True
    runner.plan("wait", lambda until, waker: (runner.context.clock.advance_to(3.0), world.queue.clear(), {0})[-1])
    driver = run(runner)
    assert kinds(driver, 0) == ["TrialAsked", "DeployStarted", "Deployed", "Polled", "Finished", "Told"]
    polled = one(driver, "Polled")
    assert (polled.status, polled.time) == (S.RUNNING, 3.0)


def test_only_trials_that_wait_has_named_are_polled():
    runner = FakeRunner(World(seconds=lambda trial: 1.0 + trial.index))
    run(runner, 3)
    assert runner.called("poll_trial_status")[-3:] == [[0], [1], [2]]


def polled(statuses, live, end=None):
    """What an observer says and records where a runner polls so."""
    driver = scheduler(FakeRunner(), 0)
    driver.run()
    engine = driver._engine
    for index, point in enumerate(points(9)):
        engine.recorder.record(ev.TrialAsked(0.0, index, [point]))
        engine.recorder.record(ev.DeployStarted(0.0, index, 1))
        engine.recorder.record(ev.Deployed(0.0, index, 1, {}))
    engine._runner.plan("poll_trial_status", lambda trials: statuses, always=True)
    engine._runner.plan("fetch_result", lambda trial: value(1.0), always=True)
    seen = engine._observer.poll({index: driver.state.trials[index] for index in live}, 3.0)
    engine.recorder.commit()
    return seen, [event.trial for event in events(driver) if event.kind == "Finished"]


@pytest.mark.parametrize(
    ("statuses", "live", "found"),
    [
        ({S.COMPLETED: {8, 1}}, [1, 8], (True, [1, 8])),
        ({S.COMPLETED: {2}, S.RUNNING: {1}}, [1, 2], (True, [2])),
        ({S.RUNNING: {1, 2}}, [1, 2], (False, [])),
        ({S.COMPLETED: {1}}, [2], (False, [])),
        ({}, [], (False, [])),
    ],
)
def test_ends_are_recorded_in_order_and_it_is_said_that_there_was_one(statuses, live, found):
    assert polled(statuses, live) == found


def test_everything_is_polled_now_and_then_in_case_the_runner_forgets_to_name_a_trial():
    world = World(seconds=1.0)
    runner = FakeRunner(world)
    clock_to = lambda until, waker: (runner.context.clock.advance_to(until), set())[-1]  # noqa: E731
    runner.plan("wait", clock_to, always=True)
    driver = run(runner)
    assert statuses(driver) == ["COMPLETED"]
    assert one(driver, "Finished").time == 30.0


# Submission.


def test_a_trial_that_cannot_be_submitted_fails_alone_and_is_not_sent_twice():
    runner = FakeRunner().plan("run", SubmitError("the queue is full"), trial=1)
    driver = run(runner, 3, on_failure=ONCE)
    assert statuses(driver) == ["COMPLETED", "FAILED", "COMPLETED"]
    assert failure(driver, 1) == Failure(FailureKind.SUBMIT_ERROR, "it could not be started: the queue is full", None)
    assert runner.called("run") == [0, 1, 2]
    assert [trial.status for trial in driver.optimizer.told] == [S.FAILED, S.COMPLETED, S.COMPLETED]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RuntimeError("no route"), "it could not be started: no route"),
        (KeyError(), "it could not be started: KeyError"),
    ],
)
def test_whatever_run_raises_is_that_trials_failure(error, sentence):
    driver = run(FakeRunner().plan("run", error), on_failure=ONCE)
    assert failure(driver).message == sentence


def test_run_multiple_that_raises_fails_what_it_was_given_and_nothing_else():
    runner = FakeRunner(capacity=2).plan("run_multiple", RuntimeError("no route"))
    driver = run(runner, 3, policy=Policy(parallel=2), on_failure=ONCE)
    assert statuses(driver) == ["FAILED", "FAILED", "COMPLETED"]
    assert failure(driver, 1).message == "it could not be started: no route"


def test_a_trial_that_run_multiple_leaves_out_was_not_submitted():
    driver = run(FakeRunner().plan("run_multiple", {}), on_failure=ONCE)
    assert failure(driver).message == "it could not be started: the runner did not say why"


def test_a_runner_that_survives_is_asked_whether_a_failed_submission_exists_after_all():
    def start_and_raise(trial):
        runner.world.start(trial, 0.0)
        raise SubmitError("no answer")

    runner = FakeRunner(survives_driver=True).plan("run", start_and_raise)
    driver = run(runner)
    assert statuses(driver) == ["COMPLETED"]
    assert (kinds(driver, 0), runner.world.starts[0, 1]) == (WHOLE_STORY, 1)
    assert driver.state.trials[0].run_metadata == {"job": "0.1"}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (NeverStarted(), "it could not be started: no answer"),
        (Lost("its host is gone"), "it could not be started: no answer; its host is gone"),
        (Lost("no answer"), "it could not be started: no answer"),
    ],
)
def test_a_failed_submission_that_does_not_exist_is_a_failure(answer, sentence):
    runner = FakeRunner(survives_driver=True).plan("run", SubmitError("no answer")).plan("reattach", {0: answer})
    driver = run(runner, on_failure=ONCE)
    assert failure(driver) == Failure(FailureKind.SUBMIT_ERROR, sentence)


@pytest.mark.parametrize("unknown", [{}, ConnectionError("the queue does not answer")])
def test_a_submission_of_which_nothing_is_known_is_asked_after_until_it_is(unknown):
    def start_and_raise(trial):
        runner.world.start(trial, 0.0)
        raise SubmitError("no answer")

    runner = FakeRunner(survives_driver=True).plan("run", start_and_raise).plan("reattach", unknown, unknown, unknown)
    driver = run(runner, 1, on_failure="retry 3")
    assert statuses(driver) == ["COMPLETED"]
    assert runner.world.starts == {(0, 1): 1}, "a second attempt might have run beside the first"
    assert len(runner.called("reattach")) == 4
    (note,) = [event for event in events(driver) if event.kind == "Noted" and event.trial == 0]
    assert note.message == "it could not be started, and whether it exists is not known yet: no answer"


def test_run_metadata_that_is_no_json_is_the_runners_fault():
    driver = scheduler(FakeRunner().plan("run", {"job": object()}))
    with pytest.raises(ContractError, match=r"FakeRunner\.run gave run metadata that is no JSON: 'job' is <class 'obj"):
        driver.run()


def test_run_metadata_of_nested_json_is_kept():
    metadata = {"a": {"b": [1, 2.5, None, {"c": True}]}, "d": "e"}

    def start(trial):
        runner.world.start(trial, 0.0)
        return metadata

    runner = FakeRunner().plan("run", start)
    assert run(runner).state.trials[0].run_metadata == metadata


@pytest.mark.parametrize("bad", [{"a": (1, 2)}, {"a": [{1: 2}]}, {"a": {"b": {3}}}])
def test_nested_run_metadata_that_is_no_json_is_refused(bad):
    with pytest.raises(ContractError, match="no JSON: 'a'"):
        scheduler(FakeRunner().plan("run", bad)).run()


# Polling.


def test_a_polling_outage_changes_nothing_and_is_said_once():
    runner = FakeRunner(World(seconds=1.0)).plan("poll_trial_status", *[ConnectionError("no route")] * 3)
    driver = run(runner)
    assert statuses(driver) == ["COMPLETED"]
    assert one(driver, "Noted").message == "polling failed and is tried again: ConnectionError: no route"
    assert one(driver, "Finished").time < 2.0, "it is tried again soon, not with the next full poll"


def test_unknown_trials_are_left_out_and_asked_again():
    runner = FakeRunner(World(seconds=1.0)).plan("poll_trial_status", {}, {})
    driver = run(runner)
    assert kinds(driver, 0) == WHOLE_STORY


def test_an_answer_about_a_trial_that_was_not_asked_for_is_not_heard():
    runner = FakeRunner(World(seconds=lambda trial: 5.0 if trial.index else 1.0))
    runner.plan("poll_trial_status", {S.COMPLETED: {0, 1, 77}})
    driver = run(runner, 2)
    assert [event.time for event in events(driver) if event.kind == "Finished"] == [1.0, 5.0]


def test_candidate_is_no_answer():
    with pytest.raises(ContractError, match="polled trial 0 as CANDIDATE, though it was deployed"):
        scheduler(FakeRunner().plan("poll_trial_status", {S.CANDIDATE: {0}})).run()


# Results.


@pytest.mark.parametrize("failures", [1, FETCH_TRIES - 1])
def test_a_result_that_cannot_be_fetched_is_asked_for_again(failures):
    runner = FakeRunner(World(seconds=1.0)).plan("fetch_result", *[OSError("stale handle")] * failures)
    driver = run(runner)
    assert statuses(driver) == ["COMPLETED"]
    assert one(driver, "Noted").message == "its result could not be fetched: OSError: stale handle"
    assert one(driver, "Noted").trial == 0
    assert one(driver, "Finished").time < 5.0, "it is asked for again soon, not with the next full poll"


def test_a_result_that_can_never_be_fetched_is_lost():
    runner = FakeRunner().plan("fetch_result", OSError("stale handle"), always=True)
    driver = run(runner, on_failure=ONCE)
    assert failure(driver) == Failure(FailureKind.LOST, "its result could not be fetched: OSError: stale handle")
    assert len(runner.called("fetch_result")) == FETCH_TRIES


def test_the_next_attempt_has_all_its_tries_again():
    runner = FakeRunner().plan("fetch_result", *[OSError("gone")] * (2 * FETCH_TRIES - 1))
    driver = run(runner, 1, on_failure="retry 1")
    assert statuses(driver) == ["COMPLETED"]
    assert driver.state.trials[0].attempt == 2


def test_a_failed_attempt_keeps_what_it_cost_but_measures_nothing():
    result = Result({"": {"y": (1.0, None)}}, failure=Failure(FailureKind.CRASHED, "exit 3", "log"), seconds=1.0)
    driver = run(FakeRunner(World(outcome=result)))
    trial = driver.state.trials[0]
    assert (trial.result.arms, trial.result.seconds, trial.failure.log) == ({}, 1.0, "log")


def test_a_failure_without_a_reason_gets_one():
    runner = FakeRunner().plan("poll_trial_status", {S.FAILED: {0}})
    runner.plan("fetch_result", *[Result(seconds=1.0)] * 2)
    assert failure(run(runner)) == Failure(FailureKind.CRASHED, "it gave no reason")


def test_a_runner_that_can_say_why_an_attempt_failed_is_asked():
    class Telling(FakeRunner):
        def poll_exception(self, trial):
            return "out of quota"

    runner = Telling().plan("poll_trial_status", {S.FAILED: {0}}).plan("fetch_result", Result())
    assert failure(run(runner)) == Failure(FailureKind.CRASHED, "out of quota")


def test_a_runner_that_cannot_even_say_why_costs_one_trial():
    runner = FakeRunner().plan("poll_trial_status", {S.FAILED: {0}})
    runner.plan("fetch_result", Result(), OSError("gone"))
    driver = run(runner, 2, parallel=1)
    assert statuses(driver) == ["FAILED", "COMPLETED"]
    assert failure(driver) == Failure(FailureKind.CRASHED, "it gave no reason, and asking for it failed: OSError: gone")


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (Result({"": {}}), "the objective 'y' is missing; the evaluation returned nothing"),
        (Result({"": {"z": (1.0, None)}}), "the objective 'y' is missing; the evaluation returned 'z'"),
        (Result({"": {"y": (float("nan"), None)}}), "the metric 'y' is nan"),
        (Result({"other": {"y": (1.0, None)}}), "nothing was measured for arm '0_0'"),
    ],
)
def test_what_is_no_result_is_a_failure(result, sentence):
    driver = run(FakeRunner(World(outcome=result)))
    assert failure(driver) == Failure(FailureKind.INVALID_RESULT, sentence)
    assert driver.state.trials[0].result.arms == {}


def test_every_point_of_a_batch_needs_its_result():
    driver = scheduler(FakeRunner(World(outcome=Result({"0_0": {"y": (1.0, None)}, "0_1": {}}))), 0)
    driver.run()
    driver._engine.recorder.record(ev.TrialAsked(0.0, 0, points(2), "submitted"))
    driver.run()
    assert failure(driver).kind is FailureKind.INVALID_RESULT


def test_a_metric_that_nobody_asked_for_is_kept_and_mentioned_once():
    result = Result({"": {"y": (1.0, None), "extra": (2.0, 0.1)}})
    driver = run(FakeRunner(World(outcome=result)), 3)
    assert one(driver, "Noted").message == "the metric 'extra' is no objective; it is kept"
    assert driver.state.trials[2].result.metrics == {"y": (1.0, None), "extra": (2.0, 0.1)}


# Retries.


def until_attempt(good):
    return lambda trial: value(1.0) if trial.attempt >= good else crash(f"attempt {trial.attempt}")


def test_a_crash_is_tried_again_at_once_as_often_as_policy_says():
    driver = run(FakeRunner(World(outcome=until_attempt(3))), 1, on_failure="retry 2")
    assert statuses(driver) == ["COMPLETED"]
    assert [event.time for event in events(driver) if event.kind == "DeployStarted"] == [0.0, 1.0, 2.0]

    driver = run(FakeRunner(World(outcome=until_attempt(3))), 1, on_failure="retry 1")
    assert statuses(driver) == ["FAILED"]
    assert [str(attempt) for attempt in driver.state.trials[0].attempts] == [
        "attempt 1 failed (crashed: attempt 1)",
        "attempt 2 failed (crashed: attempt 2)",
    ]
    assert [(told.status, told.failure.message) for told in driver.optimizer.told] == [(S.FAILED, "attempt 2")]


def test_a_submission_is_tried_again_after_longer_and_longer():
    runner = FakeRunner().plan("run", SubmitError("full"), always=True)
    driver = run(runner, 1, on_failure="retry 8")
    sent = [event.time for event in events(driver) if event.kind == "DeployStarted"]
    waits = [later - earlier for earlier, later in pairwise(sent)]
    assert [full / 2 <= wait <= full for wait, full in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60], strict=True)] == [
        True
    ] * 8
    assert statuses(driver) == ["FAILED"]


def test_a_retry_that_is_due_but_finds_no_free_slot_waits_for_one():
    world = World(
        seconds=lambda trial: 100.0 if trial.index else 1.0,
        outcome=lambda trial: crash() if (trial.index, trial.attempt) == (0, 1) else value(0.5),
    )
    driver = run(FakeRunner(world), 2, on_failure={"crashed": {"retry": 1, "backoff": 1.0}}, parallel=1)
    assert statuses(driver) == ["COMPLETED", "COMPLETED"]
    assert [event.time for event in events(driver) if event.kind == "Finished" and event.trial == 0] == [1.0, 102.0]


def test_no_new_points_are_spent_while_nothing_can_be_started():
    """An outage of seconds would use up all trials: each asked for, refused, and given up after its retries."""
    runner = FakeRunner().plan("run", *[SubmitError("the queue is down")] * 6)
    driver = run(runner, 50, parallel=2)
    assert set(statuses(driver)) == {"COMPLETED"}
    refused = [event.trial for event in events(driver) if event.kind == "RetryPlanned"]
    assert sorted(refused) == [0, 0, 0, 1, 1, 1]
    (back, *_) = [event.time for event in events(driver) if event.kind == "Deployed"]
    assert sum(event.kind == "TrialAsked" and event.time < back for event in events(driver)) == 2


def test_an_exhausted_optimizer_leaves_time_for_retries():
    runner = FakeRunner().plan("run", SubmitError("full"), SubmitError("full"))
    driver = run(runner, 1, on_failure="retry 2")
    assert statuses(driver) == ["COMPLETED"]
    waits = [event.not_before - event.time for event in events(driver) if event.kind == "RetryPlanned"]
    assert one(driver, "ExperimentEnded").time == sum(waits) + 1.0


# Limits that the engine sees to.


def test_a_running_trial_is_stopped_when_its_time_is_up():
    world = World(seconds=lambda trial: FOREVER if trial.index == 0 else 4.0)
    driver = run(FakeRunner(world), 2, limits=Limits(timeout=5.0))
    assert statuses(driver) == ["FAILED", "COMPLETED"]
    assert failure(driver) == Failure(FailureKind.TIMEOUT, "it ran longer than its limit of 5 s")
    assert one(driver, "StopRequested").cause is StopCause.TIMEOUT
    assert one(driver, "StopRequested").time == 5.0
    assert driver.state.trials[0].result.seconds == 5.0


def test_a_queued_job_is_not_running_out_of_time():
    world = World(seconds=100.0, queue={(0, 1)})
    runner = FakeRunner(world)
    runner.staging = True
    runner.plan("wait", lambda until, waker: (runner.context.clock.advance_to(50.0), world.queue.clear(), {0})[-1])
    driver = run(runner, 1, limits=Limits(timeout=5.0))
    assert one(driver, "StopRequested").time == 55.0


def test_a_trial_that_ends_well_while_it_is_stopped_has_completed():
    def end_well(trial, reason):
        runner.world.jobs[0, 1].ends = 5.0
        runner._news.add(0)

    runner = FakeRunner(World(seconds=FOREVER)).plan("stop", end_well)
    driver = run(runner, 1, limits=Limits(timeout=5.0))
    assert statuses(driver) == ["COMPLETED"]


def test_a_limit_strikes_in_time_though_the_runner_cannot_be_asked():
    runner = FakeRunner(World(seconds=FOREVER)).plan("poll_trial_status", *[OSError("no route")] * 12)
    driver = run(runner, 1, limits=Limits(timeout=5.3))
    assert one(driver, "StopRequested").time == 5.3
    assert failure(driver).kind is FailureKind.TIMEOUT


def test_a_runner_that_enforces_the_limit_is_left_to_do_it():
    runner = FakeRunner(World(seconds=20.0), enforces=frozenset({"timeout"}))
    driver = run(runner, 1, limits=Limits(timeout=5.0))
    assert statuses(driver) == ["COMPLETED"]
    assert "StopRequested" not in kinds(driver)


def test_a_stop_that_fails_is_tried_again():
    runner = FakeRunner(World(seconds=FOREVER)).plan("stop", OSError("no route"), OSError("no route"))
    driver = run(runner, 1, limits=Limits(timeout=5.0))
    assert failure(driver).kind is FailureKind.TIMEOUT
    assert one(driver, "Noted").message == "stopping failed and is tried again: OSError: no route"
    assert one(driver, "Noted").trial == 0
    assert len(runner.called("stop")) == 3
    assert len([kind for kind in kinds(driver) if kind == "StopRequested"]) == 1
    assert one(driver, "Finished").time < 6.0


def test_a_stop_never_reaches_the_next_attempt():
    def end_and_raise(trial, reason):
        job = runner.world.jobs[0, 1]
        job.stopped, job.ends = True, 5.0
        runner._news.add(0)
        raise OSError("no answer")

    world = World(seconds=lambda trial: FOREVER if trial.attempt == 1 else 3.0)
    runner = FakeRunner(world).plan("stop", end_and_raise)
    driver = run(runner, 1, on_failure="retry 1", limits=Limits(timeout=5.0))
    assert (statuses(driver), driver.state.trials[0].attempt) == (["COMPLETED"], 2)
    assert runner.called("stop") == [0]


@pytest.mark.parametrize(
    ("polled", "status"),
    [(S.ABANDONED, "ABANDONED"), (S.STALE, "ABANDONED"), (S.EARLY_STOPPED, "EARLY_STOPPED")],
)
def test_what_was_stopped_from_outside_has_ended(polled, status):
    runner = FakeRunner().plan("poll_trial_status", {polled: {0}}).plan("fetch_result", Result(seconds=0.5))
    driver = run(runner)
    assert statuses(driver) == [status]
    assert driver.state.trials[0].stop_requested == "it was stopped from outside"


def test_an_early_stop():
    runner = FakeRunner(World(seconds=FOREVER))
    driver = scheduler(runner)
    driver.run(on_turn=lambda state, news: state.running and driver._engine.stop(0, StopCause.EARLY, "not promising"))
    assert statuses(driver) == ["EARLY_STOPPED"]
    check(driver)


# Capacity.


def test_no_more_is_started_than_policy_and_capacity_allow():
    world = World(seconds=lambda trial: 1.0 + trial.index % 3)
    run(FakeRunner(world), 12, parallel=3)
    assert world.together == 3
    world = World()
    runner = FakeRunner(world)
    free = lambda: 2 - sum(job.ends > runner.context.clock.now() for job in world.jobs.values())  # noqa: E731
    runner.plan("poll_available_capacity", free, always=True)
    run(runner, 6, parallel=3)
    assert world.together == 2


def test_an_outage_of_the_question_for_capacity_starts_nothing_and_ends_nothing():
    runner = FakeRunner(capacity=4).plan("poll_available_capacity", *[ConnectionError("no route")] * 2)
    driver = run(runner, 2, parallel=4)
    assert statuses(driver) == ["COMPLETED", "COMPLETED"]
    assert one(driver, "Noted").message == "asking for capacity failed and is tried again: ConnectionError: no route"
    assert one(driver, "ExperimentEnded").time < 2.0
    started = [event.time for event in events(driver) if event.kind == "DeployStarted"]
    assert started[0] == started[1] > 0.0, "one was started though nobody knew of a slot"


# Only the driver has the result.


def test_results_that_only_the_driver_has_are_committed_as_soon_as_they_are_seen():
    journal = MemoryJournal()
    seen = []

    def on_tell(observation):
        seen.append([event.kind for event in journal.read() if event.trial == observation.trial][-1])

    for holds, last in ((True, "Finished"), (False, "DeployStarted")):
        journal, optimizer = MemoryJournal(), ListOptimizer(*points(1))
        optimizer.on_tell = on_tell
        runner = FakeRunner(World(seconds=0.0), holds_results=holds)
        scheduler(runner, optimizer, journal=journal).run()
        assert seen.pop() == last


def test_where_nobody_is_asked_they_go_into_the_one_commit_of_the_turn():
    """Between the end that was seen and the commit of its turn lies nothing that takes time."""
    runner = FakeRunner(World(seconds=1.0), holds_results=True)
    driver = scheduler(runner, 2)
    engine = driver._engine
    engine.asking = False
    engine.add([{"x": 0.5}], "submitted")
    engine.turn()
    while engine.news == set():
        engine.wait()
    assert engine.news == {0}
    commits = engine.recorder.commits
    engine.turn()
    assert driver.state.counts[TrialStatus.COMPLETED] == 1
    assert engine.recorder.commits == commits + 1
    assert not engine.recorder.pending
    driver.close()


# Going on after another driver.


def left_alone(runner, proposals=1, **settings):
    """Let a driver die in its first wait; return its journal."""
    journal = MemoryJournal(encoded=True)
    runner.plan("wait", KeyboardInterrupt())
    driver = scheduler(runner, proposals, journal=journal, **settings)
    with pytest.raises(KeyboardInterrupt):
        driver.run()
    driver.close()
    return journal


def test_what_runs_on_is_followed():
    world = World(seconds=9.0)
    journal = left_alone(FakeRunner(world, survives_driver=True), 2)
    again = FakeRunner(world, survives_driver=True)
    driver = run(again, 0, journal=journal)
    assert statuses(driver) == ["COMPLETED", "COMPLETED"]
    assert (kinds(driver, 0), set(world.starts.values())) == (WHOLE_STORY, {1})
    assert (again.called("reattach"), again.called("run")) == ([[0, 1]], [])


def test_what_ended_meanwhile_is_taken_in():
    world = World(seconds=9.0)
    journal = left_alone(FakeRunner(world, survives_driver=True))
    world.jobs[0, 1].ends = 0.0
    driver = run(FakeRunner(world, survives_driver=True), 0, journal=journal)
    assert (statuses(driver), one(driver, "Finished").time) == (["COMPLETED"], 0.0)


def test_what_never_started_is_sent_again_under_its_number():
    world = World()
    journal = MemoryJournal(encoded=True)
    runner = FakeRunner(world, survives_driver=True).plan("run", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        scheduler(runner, 1, journal=journal).run()
    driver = run(FakeRunner(world, survives_driver=True), 0, journal=journal)
    assert (statuses(driver), world.starts) == (["COMPLETED"], {(0, 1): 1})
    assert kinds(driver, 0) == WHOLE_STORY, "there is one DeployStarted"


def test_what_is_lost_has_failed_if_it_would_have_survived_the_driver():
    world = World()
    journal = left_alone(FakeRunner(world, survives_driver=True))
    runner = FakeRunner(world, survives_driver=True).plan("reattach", {0: Lost("its host is gone", "trials/0/1")})
    driver = run(runner, 0, journal=journal, on_failure=ONCE)
    assert failure(driver) == Failure(FailureKind.LOST, "its host is gone", "trials/0/1")
    assert "Interrupted" not in kinds(driver)


def test_what_died_with_the_driver_is_repeated_and_counts_for_nothing():
    world = World(seconds=FOREVER)
    journal = left_alone(FakeRunner(world))
    world.jobs.clear()
    world.seconds = 1.0
    driver = run(FakeRunner(world), 0, journal=journal)
    assert (statuses(driver), driver.state.trials[0].attempt) == (["COMPLETED"], 2)
    assert one(driver, "Interrupted").reason == "it ended with the driver that ran it"


def test_a_runner_that_does_not_survive_may_still_know_the_end():
    world = World(seconds=2.0)
    journal = left_alone(FakeRunner(world))
    runner = FakeRunner(world).plan("reattach", {0: Following({"job": "elsewhere"})})
    driver = run(runner, 0, journal=journal)
    assert (statuses(driver), world.starts) == (["COMPLETED"], {(0, 1): 1})
    assert driver.state.trials[0].run_metadata == {"job": "elsewhere"}


@pytest.mark.parametrize("outage", [{}, ConnectionError("no route")])
def test_what_is_not_known_yet_is_asked_again_and_holds_its_slot(outage):
    world = World(seconds=9.0)
    journal = left_alone(FakeRunner(world, survives_driver=True), 2, parallel=2)
    again = FakeRunner(world, survives_driver=True).plan("reattach", outage, outage)
    driver = run(again, ListOptimizer(*points(3)), journal=journal, parallel=2)
    assert statuses(driver) == ["COMPLETED"] * 5
    assert (len(again.called("reattach")), world.together) == (3, 2)
    assert set(world.starts.values()) == {1}


def test_a_stop_that_an_earlier_driver_had_recorded_is_done():
    world = World(seconds=FOREVER)
    runner = FakeRunner(world, survives_driver=True).plan("stop", KeyboardInterrupt())
    journal = MemoryJournal(encoded=True)
    with pytest.raises(KeyboardInterrupt):
        scheduler(runner, 1, journal=journal, limits=Limits(timeout=5.0)).run()
    again = FakeRunner(world, survives_driver=True)
    driver = run(again, 0, journal=journal)
    assert failure(driver) == Failure(FailureKind.TIMEOUT, "it ran longer than its limit of 5 s")
    assert again.called("stop") == [0]


def test_a_stop_waits_until_it_is_known_what_there_is_to_stop():
    world = World(seconds=FOREVER)
    runner = FakeRunner(world, survives_driver=True).plan("stop", KeyboardInterrupt())
    journal = MemoryJournal(encoded=True)
    with pytest.raises(KeyboardInterrupt):
        scheduler(runner, 1, journal=journal, limits=Limits(timeout=5.0)).run()
    again = FakeRunner(world, survives_driver=True).plan("reattach", {}, {})
    run(again, 0, journal=journal)
    order = [name for name, _ in again.calls if name in ("reattach", "stop")]
    assert order == ["reattach"] * 3 + ["stop"]


def stopped_and_left_alone(world, cause=StopCause.USER, **traits):
    """Let a driver die after it has recorded that its trial is to stop, before it does it; return its journal."""
    journal = left_alone(FakeRunner(world, **traits))
    driver = scheduler(FakeRunner(world, **traits), 0, journal=journal)
    driver._engine.stop(0, cause, "enough")
    driver._session.recorder.commit()
    driver.close()
    return journal


def test_what_never_started_is_not_started_to_be_stopped():
    world = World(seconds=FOREVER)
    journal = stopped_and_left_alone(world, survives_driver=True)
    world.jobs.clear()
    again = FakeRunner(world, survives_driver=True)
    driver = run(again, 0, journal=journal)
    assert statuses(driver) == ["ABANDONED"]
    assert [name for name, _ in again.calls if name in ("run", "stop")] == []


@pytest.mark.parametrize("survives", [True, False])
@pytest.mark.parametrize(
    ("cause", "status"),
    [(StopCause.USER, "ABANDONED"), (StopCause.EARLY, "EARLY_STOPPED"), (StopCause.TIMEOUT, "FAILED")],
)
def test_what_is_lost_while_it_is_being_stopped_has_been_stopped(survives, cause, status):
    journal = stopped_and_left_alone(World(seconds=FOREVER), cause, survives_driver=survives)
    again = FakeRunner(survives_driver=survives).plan("reattach", {0: Lost("its machine burnt down", "its/log")})
    driver = run(again, 0, journal=journal, on_failure=ONCE)
    assert (statuses(driver), again.called("run")) == ([status], [])
    if cause is StopCause.TIMEOUT:
        assert failure(driver) == Failure(FailureKind.TIMEOUT, "enough", "its/log")


@pytest.mark.parametrize("survives", [True, False])
def test_what_is_lost_while_it_is_being_interrupted_is_repeated(survives):
    journal = stopped_and_left_alone(World(seconds=FOREVER), StopCause.INTERRUPT, survives_driver=survives)
    again = FakeRunner(survives_driver=survives).plan("reattach", {0: Lost("its machine burnt down")})
    driver = run(again, 0, journal=journal, on_failure="fail")
    assert (statuses(driver), again.called("run")) == (["COMPLETED"], [0])


def test_what_may_live_when_it_is_lost_is_not_repeated_for_an_interrupt():
    journal = stopped_and_left_alone(World(seconds=FOREVER), StopCause.INTERRUPT, survives_driver=True)
    again = FakeRunner(survives_driver=True).plan("reattach", {0: Lost("nobody can say", may_live=True)})
    driver = run(again, 0, journal=journal)
    assert (statuses(driver), again.called("run")) == (["FAILED"], [])
    assert failure(driver) == Failure(FailureKind.LOST, "nobody can say", may_live=True)


def test_what_cannot_be_started_after_a_stop_was_asked_for_is_stopped():
    def refuse(trial):
        driver._engine.stop(0, StopCause.USER, "enough")
        raise ConnectionError("no route")

    driver = scheduler(FakeRunner().plan("run", refuse), on_failure="retry 3")
    driver.run()
    assert statuses(driver) == ["ABANDONED"]


def test_what_ends_without_a_valid_result_while_it_is_being_stopped_has_been_stopped():
    world = World(seconds=5.0, outcome=value(float("nan")), stubborn={0})
    driver = scheduler(FakeRunner(world), on_failure="retry 3")
    driver._session.begin()
    driver._engine.turn()
    driver._engine.stop(0, StopCause.USER, "enough")
    driver.run()
    assert (statuses(driver), world.starts) == (["ABANDONED"], {(0, 1): 1})


@pytest.mark.parametrize(("capacity", "parallel"), [(1, 8), (8, 1)])
def test_what_never_started_is_sent_again_only_as_far_as_there_are_slots(capacity, parallel):
    world = World(seconds=4.0)
    journal = left_alone(FakeRunner(world, survives_driver=True), 3)
    world.jobs.clear()
    world.together = 0

    again = FakeRunner(world, survives_driver=True)

    def free():
        return max(0, capacity - sum(job.ends > again.context.clock.now() for job in world.jobs.values()))

    again.plan("poll_available_capacity", free, always=True)
    driver = run(again, 0, journal=journal, parallel=parallel)
    assert (statuses(driver), world.together) == (["COMPLETED"] * 3, 1)
    assert [trial.attempt for trial in driver.state.trials] == [1, 1, 1]


def test_without_limits_all_that_never_started_is_sent_again_at_once():
    world = World(seconds=4.0)
    journal = left_alone(FakeRunner(world, survives_driver=True), 3)
    world.jobs.clear()
    driver = run(FakeRunner(world, survives_driver=True), 0, journal=journal, trials=3)
    assert [driver.state.trials[index].attempt for index in range(3)] == [1, 1, 1]
    sent = {event.time for event in events(driver)[-12:] if event.kind == "Deployed"}
    assert len(sent) == 1, "one waited for the others"


def test_what_waits_to_be_sent_again_can_be_stopped():
    world = World(seconds=4.0)
    journal = left_alone(FakeRunner(world, survives_driver=True), 2)
    world.jobs.clear()
    again = FakeRunner(world, survives_driver=True)
    driver = scheduler(again, 0, journal=journal, parallel=1)
    again.plan("wait", lambda until, waker: driver._engine.stop(1, StopCause.USER, "enough") or set())
    driver.run()
    assert (statuses(driver), again.called("run")) == (["COMPLETED", "ABANDONED"], [0])


def test_what_has_ended_is_not_interrupted_though_nobody_has_looked():
    driver = scheduler(FakeRunner(World(seconds=lambda trial: 4.0 * trial.index), stops=False), 2)
    driver._session.begin()
    driver._engine.turn()
    driver._engine.interrupt("the driver leaves")
    assert statuses(driver) == ["COMPLETED", "CANDIDATE"]


def test_what_an_inline_runner_leaves_out_of_its_answer_is_looked_for_before_it_is_interrupted():
    runner = FakeRunner(World(seconds=0.0), inline=True, stops=False)
    driver = scheduler(runner, 1)
    driver._session.begin()
    driver._engine.turn()
    runner.plan("poll_trial_status", lambda trials: {})
    driver._engine.stop(0, StopCause.USER, "enough")
    driver._engine.interrupt("the driver leaves")
    assert statuses(driver) == ["COMPLETED"]


def test_what_is_not_known_yet_is_not_interrupted_before():
    """A request to stop everything that was meant for the last driver comes before this one has looked."""
    runner = FakeRunner(World(seconds=9.0), stops=False, survives_driver=False)
    driver = scheduler(FakeRunner(World(), stops=False), 0, journal=left_alone(runner))
    driver._engine.interrupt("it was meant for another")
    driver.run()
    assert statuses(driver) == ["COMPLETED"]
    assert [event.trial for event in events(driver) if event.kind == "Interrupted"] == [0]


def test_a_users_stop_holds_though_the_driver_leaves_before_what_nobody_can_stop_has_ended():
    driver = scheduler(FakeRunner(World(seconds=9.0, stubborn={0}), stops=False), 1)
    driver._session.begin()
    driver._engine.turn()
    driver._engine.stop(0, StopCause.USER, "enough")
    driver._engine.interrupt("the driver leaves")
    assert statuses(driver) == ["ABANDONED"]


@pytest.mark.parametrize("method", ["ask", "tell"])
def test_an_optimizer_that_was_cut_short_is_not_used_any_more(method):
    optimizer = ListOptimizer(*points(2))
    if method == "ask":
        optimizer.steps[1] = KeyboardInterrupt()
    else:
        optimizer.on_tell = lambda told: (_ for _ in ()).throw(KeyboardInterrupt)
    driver = scheduler(FakeRunner(), optimizer, parallel=1)
    with pytest.raises(KeyboardInterrupt):
        driver.run()
    with pytest.raises(JournalError) as refused:
        driver.run()
    assert f"{refused.value}" == (
        "a step with the optimizer was cut short, and what it knows is not recorded; "
        "open the experiment anew to go on from the journal"
    )


def test_a_stop_that_ctrl_c_cut_short_is_done_by_the_next_run():
    runner = FakeRunner(World(seconds=FOREVER)).plan("stop", KeyboardInterrupt())
    driver = scheduler(runner, 1, limits=Limits(timeout=5.0), on_failure="fail")
    with pytest.raises(KeyboardInterrupt):
        driver.run()
    driver.run()
    assert (statuses(driver), runner.called("stop")) == (["FAILED"], [0, 0])


def test_news_that_was_read_when_ctrl_c_came_is_looked_for_again():
    world = World(seconds=3.0)
    runner = FakeRunner(world, simulated=True).plan("fetch_result", KeyboardInterrupt())
    driver = scheduler(runner)
    with pytest.raises(KeyboardInterrupt):
        driver.run()
    driver.run()
    assert statuses(driver) == ["COMPLETED"]


def test_an_outage_is_waited_for_though_there_is_news():
    """What cannot be polled stays unread, and a wait for news would return at once: five tries must take time."""
    world = World(seconds=3.0)
    runner = FakeRunner(world).plan("fetch_result", *[ConnectionError("no route")] * 4)
    runner.plan("wait", GO_ON, *[lambda until, waker: {0}] * 4)
    driver = run(runner, 1)
    (ended,) = [event.time for event in events(driver) if event.kind == "Finished"]
    assert (statuses(driver), ended) == (["COMPLETED"], pytest.approx(3.0 + 0.1 + 0.2 + 0.4 + 0.8))


# What others propose, and what they want stopped.


def test_trials_that_others_propose_are_recorded_as_they_are():
    driver = scheduler(FakeRunner(), 0)
    driver.run()
    engine = driver._engine
    assert engine.add(points(2), "submitted", instance="i", budget=0.5, seed=7) == [0, 1]
    assert engine.add([{"x": 0.75}], "enqueued") == [2]
    assert driver.optimizer.attached == [0, 1, 2]
    engine.recorder.commit()
    asked = [event for event in events(driver) if event.kind == "TrialAsked"]
    assert [(event.points, event.source, event.instance, event.budget, event.seed) for event in asked] == [
        ([{"x": 0.0}], "submitted", "i", 0.5, 7),
        ([{"x": 1 / 64}], "submitted", "i", 0.5, 7),
        ([{"x": 0.75}], "enqueued", None, None, None),
    ]


@pytest.mark.parametrize("cause", [StopCause.USER, StopCause.TIMEOUT])
def test_a_trial_that_has_ended_is_not_stopped(cause):
    driver = run(FakeRunner())
    before = events(driver)
    driver._engine.stop(0, cause, "too late")
    assert not driver._engine.recorder.pending
    assert events(driver) == before


def test_a_candidate_is_stopped_by_users_alone():
    driver = scheduler(FakeRunner(), 0)
    driver.run()
    engine = driver._engine
    engine.add(points(1), "submitted")
    engine.stop(0, StopCause.INTERRUPT, "the driver leaves")
    assert statuses(driver) == ["CANDIDATE"]
    engine.clock.advance_to(7.0)
    engine.stop(0, StopCause.USER, "enough")
    engine.recorder.commit()
    stopped = one(driver, "Stopped")
    assert (stopped.time, stopped.attempt, stopped.status, stopped.reason) == (7.0, 0, S.ABANDONED, "enough")


def test_time_goes_on_where_the_last_driver_left():
    def die(state, _):
        if state.ended == 2:
            raise KeyboardInterrupt

    journal = MemoryJournal(encoded=True)
    with pytest.raises(KeyboardInterrupt):
        scheduler(FakeRunner(World(seconds=4.0)), 3, journal=journal, parallel=1).run(on_turn=die)
    driver = run(FakeRunner(World(seconds=4.0)), 0, journal=journal)
    assert [event.time for event in events(driver) if event.kind == "DriverStarted"] == [0.0, 8.0]
    assert [event.time for event in events(driver) if event.kind == "Finished"] == [4.0, 8.0, 12.0]
