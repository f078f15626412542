"""Policies on failures in a running engine and queue: what is told, what goes on, what ends."""

from __future__ import annotations

import pytest

import runwright as rw
from runwright.clock import VirtualClock
from runwright.errors import StoppedError, UsageError
from runwright.experiment import Experiment, Float
from runwright.journal import MemoryJournal
from runwright.mailbox import post
from runwright.result import Result
from runwright.status import FailureKind, StopReason
from tests.fakes import FakeRunner, World, value
from tests.unit.driving import EXPERIMENT, one, run, scheduler, statuses

TWO = Experiment("two", {"x": Float(0, 1)}, {"y": "minimize", "z": "maximize"})


def failing(*indices, kind=FailureKind.CRASHED, until=99):
    """A world in which some trials fail, up to an attempt."""

    def outcome(trial):
        failed = trial.index in indices and trial.attempt <= until
        return Result.failed(kind, "no luck") if failed else value(float(trial.index))

    return World(seconds=lambda trial: 1.0 + trial.index, outcome=outcome)


def test_a_penalty_is_told_in_place_of_a_measurement_and_is_none():
    driver = run(FakeRunner(failing(1)), 3, on_failure="retry 1 then penalty 1000")
    told = {observation.trial: observation for observation in driver.optimizer.told}
    assert (told[1].status.name, told[1].metrics, told[1].penalty, told[1].values) == (
        "FAILED",
        {},
        {"y": 1000.0},
        {"y": 1000.0},
    )
    assert (told[0].penalty, told[0].values) == (None, {"y": 0.0})
    results = driver.results()
    assert (results[1]["metrics"], results[1]["penalty"], results[1]["status"]) == ({}, {"y": 1000.0}, "FAILED")
    assert results.best["index"] == 0
    assert [len(row["past_attempts"]) for row in results] == [0, 2, 0]


def test_a_penalty_that_was_told_is_told_again_to_the_next_optimizer():
    journal = MemoryJournal(encoded=True)
    run(FakeRunner(failing(1)), 3, on_failure="penalty 1000", journal=journal)
    second = scheduler(FakeRunner(), 0, journal=journal, on_failure="penalty 7")
    penalties = [item.penalty for item in second.optimizer.restored if hasattr(item, "penalty")]
    assert penalties == [None, {"y": 1000.0}, None]
    second.close()


def test_failures_without_a_penalty_are_worth_what_the_optimizer_thinks():
    driver = run(FakeRunner(failing(1, kind=FailureKind.TIMEOUT)), 3, on_failure={"crashed": "penalty 5"})
    assert [observation.penalty for observation in driver.optimizer.told] == [None, None, None]


def test_abort_ends_the_experiment_and_lets_finish_what_runs():
    driver = run(FakeRunner(failing(0)), 9, parallel=3, on_failure={"crashed": "abort"})
    assert statuses(driver) == ["FAILED", "COMPLETED", "COMPLETED"], "what ran has finished, nothing more was started"
    assert driver.state.stop_reason is StopReason.ABORTED
    assert one(driver, "ExperimentEnded").message.startswith("trial 0 failed (crashed: no luck), for which on_failure")
    assert one(driver, "ExperimentEnded").time == 1.0


def test_after_an_abort_the_same_command_says_so_again_and_another_rule_goes_on():
    journal, world = MemoryJournal(encoded=True), failing(0)
    run(FakeRunner(world), 4, parallel=1, on_failure="abort", journal=journal)
    again = run(FakeRunner(world), 4, parallel=1, on_failure="abort", journal=journal)
    assert (statuses(again), again.state.stop_reason) == (["FAILED"], StopReason.ABORTED)
    other = run(FakeRunner(world), 3, parallel=1, on_failure="fail", journal=journal)
    assert statuses(other) == ["FAILED", "COMPLETED", "COMPLETED", "COMPLETED"]


def test_after_an_abort_a_rerun_goes_on(tmp_path):
    world = failing(0, until=1)
    driver = scheduler(FakeRunner(world), 3, parallel=1, on_failure="abort", directory=tmp_path)
    driver.run()
    driver.close()
    assert statuses(driver) == ["FAILED"]
    post(tmp_path, {"kind": "rerun", "trial": 0})
    driver = scheduler(FakeRunner(world), 2, parallel=1, on_failure="abort", directory=tmp_path)
    driver.run()
    driver.close()
    assert statuses(driver) == ["COMPLETED", "COMPLETED", "COMPLETED"]


def test_the_failure_rate_counts_trials_that_were_given_up_not_attempts():
    driver = run(FakeRunner(failing(0, 1, 2, 3, until=2)), 8, on_failure="retry 2", failure_rate=0.1)
    assert statuses(driver) == ["COMPLETED"] * 8
    driver = run(FakeRunner(failing(0, 1, 2, 3)), 8, parallel=1, on_failure="penalty 9", failure_rate=0.5)
    assert (statuses(driver), driver.state.stop_reason) == (["FAILED"] * 4 + ["COMPLETED"], StopReason.FAILURE_RATE)


MISFIT = r"^on_failure, other: with 2 objectives a penalty names each"


def test_a_penalty_that_does_not_fit_is_refused_before_anything_is_started():
    with pytest.raises(UsageError, match=MISFIT):
        scheduler(FakeRunner(), 1, experiment=TWO, on_failure="penalty 5")
    with pytest.raises(UsageError, match=MISFIT):
        rw.TrialQueue(FakeRunner(), TWO, parallel=1, clock=VirtualClock(), on_failure="penalty 5")


def test_several_objectives_have_a_penalty_each():
    outcome = Result.failed(FailureKind.CRASHED, "no")
    rules = {"crashed": {"penalty": {"z": -1, "y": 99}}}
    driver = run(FakeRunner(World(outcome=outcome)), 1, experiment=TWO, on_failure=rules)
    assert driver.optimizer.told[0].values == {"y": 99.0, "z": -1.0}


# The queue.


def queue(runner, **settings):
    settings.setdefault("experiment", EXPERIMENT)
    return rw.TrialQueue(runner, parallel=2, clock=VirtualClock(), **settings)


def test_a_penalty_is_the_cost_of_a_failed_trial_in_place_of_the_crash_cost():
    rules = {"crashed": "penalty 50"}
    costs = []
    for kind in (FailureKind.CRASHED, FailureKind.TIMEOUT):
        with queue(FakeRunner(failing(0, kind=kind)), on_failure=rules, crash_cost=7.0) as trials:
            _, got = trials.run_wrapper(rw.TrialInfo({"x": 0.5}))
            costs.append((got.status.name, got.cost))
    assert costs == [("CRASHED", 50.0), ("TIMEOUT", 7.0)]


def test_penalties_of_several_objectives_come_in_their_order():
    runner = FakeRunner(World(outcome=Result.failed(FailureKind.CRASHED, "no")))
    with queue(runner, experiment=TWO, on_failure={"other": {"penalty": {"z": -1, "y": 99}}}) as trials:
        assert trials.run_wrapper(rw.TrialInfo({"x": 0.5}))[1].cost == [99.0, -1.0]


def test_abort_ends_a_queue_until_the_trial_is_tried_again():
    journal = MemoryJournal(encoded=True)
    runner = FakeRunner(failing(0))
    trials = queue(runner, on_failure="abort", journal=journal)
    trials.submit_trial(rw.TrialInfo({"x": 0.5}))
    trials.wait()
    with pytest.raises(StoppedError, match=r"trial 0 failed .crashed: no luck., for which on_failure says abort"):
        trials.submit_trial(rw.TrialInfo({"x": 0.25}))
    trials.close()
    assert [event.kind for event in journal.read()].count("ExperimentEnded") == 1
    with queue(FakeRunner(runner.world), on_failure="fail", journal=journal) as other:
        other.submit_trial(rw.TrialInfo({"x": 0.25}))
        other.wait()
