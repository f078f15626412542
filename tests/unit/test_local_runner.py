"""The runner that evaluates in the driver's process."""

from __future__ import annotations

import json
import math

import pytest

import runwright as rw
from runwright.clock import Waker
from runwright.errors import ContractError, SubmitError, UsageError
from runwright.runner import Ended, Lost, RunContext, Traits
from runwright.runners import LocalMetadataRunner
from runwright.status import FailureKind

EXPERIMENT = rw.Experiment("e", {"x": rw.Float(0, 9)}, {"y": "minimize"})


def square(x):
    return {"y": (x**2, 0.1), "extra": 1}


def opposite(x):
    return -x


def trial(index=0, *points, **fields):
    made = EXPERIMENT.new_trial(index, [{"x": x} for x in points or (2.0,)], **fields)
    made.attempt = 1
    return made


def test_run_evaluates_and_says_what_it_measured():
    runner = LocalMetadataRunner(square)
    runner.open(RunContext(EXPERIMENT))
    one = trial()
    metadata = runner.run(one)
    told = {"y": {"__class__": "builtins:tuple", "items": [4.0, 0.1]}, "extra": 1}
    assert metadata == {"name": "e_0", "simulation_result": told}
    assert json.loads(json.dumps(metadata)) == metadata
    assert runner.poll_trial_status([one]) == {rw.TrialStatus.COMPLETED: {0}}
    result = runner.fetch_result(one)
    assert result.metrics == {"y": (4.0, 0.1), "extra": (1.0, None)}
    assert runner.fetch_result(one) is result
    assert runner.poll_exception(one) == ""
    assert runner.run_metadata_report_keys == ["name", "simulation_result"]
    assert runner.traits == Traits(batches=True, holds_results=True, inline=True)
    assert runner.poll_available_capacity() == -1
    assert runner.staging_required is False


def test_a_batch_is_named_by_arm():
    batch = trial(3, 1.0, 2.0)
    runner = LocalMetadataRunner(opposite)
    batch.run_metadata = runner.run(batch)
    assert batch.run_metadata["simulation_result"] == {"3_0": -1.0, "3_1": -2.0}
    assert runner.fetch_result(batch).arms["3_1"] == {"y": (-2.0, None)}
    assert runner.simulation_result(batch) == {"3_0": -1.0, "3_1": -2.0}


def test_an_exception_is_that_trials_failure():
    runner = LocalMetadataRunner(lambda x: 1 / (x - 2.0))
    bad, good = trial(0, 2.0), trial(1, 3.0)
    assert runner.run_multiple([bad, good])[0] == {"name": "e_0", "simulation_result": None}
    assert runner.poll_trial_status([bad, good]) == {rw.TrialStatus.FAILED: {0}, rw.TrialStatus.COMPLETED: {1}}
    assert runner.fetch_result(bad).failure.kind is FailureKind.CRASHED
    assert "Traceback" in runner.fetch_result(bad).additional_info["traceback"]
    assert runner.poll_exception(bad) == "ZeroDivisionError: float division by zero"


def test_a_trial_that_was_not_run_here():
    runner = LocalMetadataRunner(square)
    unknown = trial(5)
    assert runner.poll_trial_status([unknown]) == {rw.TrialStatus.RUNNING: {5}}
    with pytest.raises(ContractError, match="trial 5: attempt 1 was not evaluated here"):
        runner.fetch_result(unknown)
    assert runner.reattach([unknown]) == {5: Lost("it ended with the driver that ran it")}


@pytest.mark.parametrize("points", [(2.0,), (2.0, 3.0)])
def test_the_run_metadata_of_an_earlier_driver_hold_the_result(points):
    given = trial(0, *points)
    given.run_metadata = json.loads(json.dumps(LocalMetadataRunner(square).run(given)))
    runner = LocalMetadataRunner(square)
    assert runner.reattach([given]) == {0: Ended(given.run_metadata)}
    assert runner.poll_trial_status([given]) == {rw.TrialStatus.COMPLETED: {0}}
    assert runner.fetch_result(given).arms["0_0"]["y"] == (4.0, 0.1)


def test_the_same_attempt_is_evaluated_once():
    calls = []
    runner = LocalMetadataRunner(lambda x: calls.append(x) or x)
    one = trial()
    assert runner.run(one) is runner.run(one)
    assert calls == [2.0]
    with pytest.raises(SubmitError, match="trial 0: attempt 1 was already evaluated with other parameters"):
        runner.run(trial(0, 3.0))
    with pytest.raises(SubmitError):
        runner.run(trial(0, 2.0, budget=3.0))
    one.attempt = 2
    runner.run(one)
    assert calls == [2.0, 2.0]


def test_results_are_forgotten_when_their_trials_are_terminal():
    runner = LocalMetadataRunner(opposite)
    stays = trial(0)
    runner.run(stays)
    for index in range(1, 100):
        one = trial(index)
        runner.run(one)
        one._status = rw.TrialStatus.COMPLETED
        assert runner.fetch_result(one).metrics["y"] == (-2.0, None)
    assert len(runner._kept) <= 3
    assert runner.fetch_result(stays).metrics["y"] == (-2.0, None)
    runner.close()
    assert not runner._kept


def test_stop_does_nothing():
    runner = LocalMetadataRunner(opposite)
    assert runner.stop(trial(), "why") == {"reason": "why"}
    assert runner.stop(trial()) == {}


def test_open_refuses_a_function_of_other_arguments():
    with pytest.raises(UsageError, match="its required argument 'z' is no parameter of the experiment"):
        LocalMetadataRunner(lambda x, z: 0).open(RunContext(EXPERIMENT))


def test_a_reference_is_taken_and_what_is_no_function_refused():
    assert LocalMetadataRunner("math:sqrt").evaluation_function is math.sqrt
    with pytest.raises(UsageError, match="must be a function, not an object of type builtins"):
        LocalMetadataRunner(42)
    with pytest.raises(UsageError, match="the function 'no_such_module:f' cannot be loaded"):
        LocalMetadataRunner("no_such_module:f")


def test_saved_and_built_again():
    runner = LocalMetadataRunner(evaluation_function=square)
    runner.db_id = 4
    assert runner.db_id == 4
    arguments = LocalMetadataRunner.serialize_init_args(runner)
    assert json.loads(json.dumps(arguments)) == arguments == {"evaluation_function": f"{__name__}:square"}
    again = LocalMetadataRunner(**LocalMetadataRunner.deserialize_init_args(arguments))
    assert again.evaluation_function is square
    assert again == runner == runner.clone()
    assert again.db_id is None
    assert runner != LocalMetadataRunner(opposite)
    assert runner != 3
    assert len({runner, again}) == 2


def test_a_lambda_runs_but_cannot_be_saved():
    runner = LocalMetadataRunner(lambda x: x)
    runner.run(trial())
    assert runner == LocalMetadataRunner(runner.evaluation_function)
    with pytest.raises(UsageError, match="a lambda has no name by which another process could import it"):
        runner.to_dict()


def test_wait_is_level_triggered_and_can_be_woken():
    runner = LocalMetadataRunner(opposite)
    runner.open(RunContext(EXPERIMENT))
    waker = Waker()
    waker.wake()
    assert runner.wait(None, waker) == set()
    waker.drain()
    first, second = trial(0), trial(1)
    runner.run(first)
    runner.run(second)
    assert runner.wait(None, waker) == runner.wait(None, waker) == {0, 1}
    runner.poll_trial_status([first])
    assert runner.wait(None, waker) == {1}
    second._status = rw.TrialStatus.COMPLETED
    assert runner.wait(None, waker) == set(), "nobody will poll a trial whose end is recorded"
    waker.close()
