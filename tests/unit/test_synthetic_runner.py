"""`SyntheticRunner`: the sentences of its reference pages, one test each."""

from __future__ import annotations

import json

import pytest

import runwright as rw
from runwright.errors import SubmitError, UsageError
from runwright.optimizers import RandomOptimizer
from runwright.runner import Ended, NeverStarted, Runner, Traits
from runwright.runners import SyntheticRunner

EXPERIMENT = rw.Experiment("dummy", {"x": rw.Float(0, 9)}, {"y": "minimize"})


def a_trial(index=0, attempt=1):
    made = EXPERIMENT.new_trial(index, [{"x": 1.0}])
    made.attempt = attempt
    return made


def test_it_is_a_runner_whose_only_argument_may_be_left_out():
    assert issubclass(SyntheticRunner, Runner)
    assert SyntheticRunner().dummy_metadata is None
    assert SyntheticRunner("x").dummy_metadata == "x"
    assert SyntheticRunner(dummy_metadata="x") == SyntheticRunner("x") != SyntheticRunner()


def test_it_only_creates_a_name():
    assert SyntheticRunner().run(a_trial(3)) == {"name": "dummy_3"}
    assert SyntheticRunner("").run(a_trial(3)) == {"name": "dummy_3"}


def test_dummy_metadata_are_part_of_the_run_metadata():
    assert SyntheticRunner("m").run(a_trial(3)) == {"name": "dummy_3", "dummy_metadata": "m"}


def test_every_trial_is_completed_when_it_is_polled():
    trials = [a_trial(0), a_trial(1)]
    runner = SyntheticRunner()
    assert runner.poll_trial_status(iter(trials)) == {rw.TrialStatus.COMPLETED: {0, 1}}
    assert runner.poll_trial_status([]) == {}


def test_run_metadata_report_keys():
    assert SyntheticRunner("m").run_metadata_report_keys == ["name"]


def test_it_measures_nothing():
    assert SyntheticRunner.traits == Traits(survives_driver=True, batches=True, measures=False)
    runner, trial = SyntheticRunner(), a_trial()
    runner.run(trial)
    assert runner.fetch_result(trial) == rw.Result()
    assert runner.poll_exception(trial) == ""


def test_a_scheduler_refuses_it_for_an_experiment_with_objectives():
    with pytest.raises(UsageError, match="SyntheticRunner measures nothing, but the experiment has objectives"):
        rw.Scheduler(EXPERIMENT, RandomOptimizer(), SyntheticRunner(), trials=1)


def test_stop_does_nothing_since_nothing_runs():
    runner = SyntheticRunner()
    assert runner.stop(a_trial(2), "why") == {"reason": "why"}
    assert runner.stop(a_trial(2)) == {}
    assert runner.poll_trial_status([a_trial(2)]) == {rw.TrialStatus.COMPLETED: {2}}


def test_the_same_attempt_with_other_parameters_is_an_error():
    runner = SyntheticRunner()
    runner.run(a_trial())
    other = EXPERIMENT.new_trial(0, [{"x": 2.0}])
    other.attempt = 1
    with pytest.raises(SubmitError, match="was already evaluated with other parameters"):
        runner.run(other)


def test_a_later_driver_finds_every_attempt_ended():
    known = a_trial(0)
    known.run_metadata = {"name": "dummy_0", "dummy_metadata": "first"}
    later = SyntheticRunner("second")
    assert later.reattach([known, a_trial(1)]) == {0: Ended(known.run_metadata), 1: NeverStarted()}
    assert later.fetch_result(known) == rw.Result()


def test_saved_and_built_again():
    runner = SyntheticRunner("m")
    body = json.loads(json.dumps(runner.to_dict()))
    assert body == {"type": "runwright.runners.synthetic:SyntheticRunner", "args": {"dummy_metadata": "m"}}
    assert Runner.from_dict(body) == runner == runner.clone()
