"""`SimulatedBackendRunner` by hand: without a scheduler as in Ax, its contract, and as JSON."""

from __future__ import annotations

import json
from functools import partial

import pytest

import runwright as rw
from runwright.clock import SystemClock, VirtualClock, Waker
from runwright.errors import ContractError, SubmitError, UsageError
from runwright.runner import Limits, RunContext, Runner
from runwright.runners import SimulatedBackendRunner
from runwright.runners.simulated import sample_runtime_unif
from runwright.simulation import (
    BackendSimulator,
    BackendSimulatorOptions,
    ConstantRuntime,
    Crash,
    Hang,
    ParametersRuntime,
    Preemption,
    SimTrial,
    UniformRuntime,
)
from runwright.status import AttemptOutcome, FailureKind, TrialStatus
from runwright.trial import Attempt
from tests.simulation.machines import EXPERIMENT, Hand, machine, square, trial_of, x_seconds

RUNNING, STAGED, COMPLETED = TrialStatus.RUNNING, TrialStatus.STAGED, TrialStatus.COMPLETED


@pytest.fixture
def waker():
    waker = Waker()
    yield waker
    waker.close()


def opened(runner, clock=None, **limits):
    runner.open(RunContext(EXPERIMENT, clock=clock or VirtualClock(), limits=Limits(**limits)))
    return runner


# As in Ax: no scheduler.


def test_each_poll_updates_the_machine():
    runner = SimulatedBackendRunner(machine(2), ConstantRuntime(3.0), evaluation_function=square)
    trials = [trial_of(index, float(index), attempt=0) for index in range(3)]
    assert [runner.run(trial) for trial in trials] == [{"runtime": 3.0}] * 3
    assert runner.poll_trial_status(trials) == {COMPLETED: {0, 1}, RUNNING: {2}}
    assert runner.poll_trial_status(trials) == {COMPLETED: {0, 1, 2}}
    assert runner.simulator.time == 6.0
    result = runner.fetch_result(trials[2])
    assert (result.metrics, result.seconds, result.started, result.ended) == ({"y": (4.0, None)}, 3.0, 3.0, 6.0)
    assert result.cpu_seconds is None
    assert runner.fetch_result(trials[2]) is result


def test_the_real_clock_without_a_scheduler():
    clock = Hand()
    runner = SimulatedBackendRunner(machine(1, time_scaling=100.0, clock=clock), ConstantRuntime(200.0))
    trials = [trial_of(0), trial_of(1)]
    assert runner.run_multiple(trials) == {0: {"runtime": 200.0}, 1: {"runtime": 200.0}}
    assert runner.poll_trial_status(trials) == {RUNNING: {0}, STAGED: {1}}
    clock.seconds += 2.5
    assert runner.poll_trial_status(trials) == {COMPLETED: {0}, RUNNING: {1}}


def test_without_a_runtime_function_it_is_uniform():
    runner = SimulatedBackendRunner(machine(1))
    assert runner.sample_runtime_func is sample_runtime_unif
    assert runner.run(trial_of(4)) == {"runtime": sample_runtime_unif(trial_of(4))}
    assert runner.traits.measures is False


def test_a_stop_says_why():
    runner = SimulatedBackendRunner(machine(1))
    trials = [trial_of(0), trial_of(1)]
    runner.run_multiple(trials)
    assert runner.stop(trials[1], "not promising") == {"reason": "not promising"}
    assert runner.stop(trials[1]) == {}
    assert runner.stop(trial_of(7)) == {}
    assert runner.poll_trial_status([trials[1]]) == {TrialStatus.ABANDONED: {1}}
    result = runner.fetch_result(trials[1])
    assert (result.failure, result.arms, result.seconds) == (None, {}, 0.0)


# The contract.


def test_an_attempt_is_adopted_and_another_point_refused():
    runner = SimulatedBackendRunner(machine(4), evaluation_function=square)
    runner.run(trial_of(0))
    assert runner.run(trial_of(0)) == {"runtime": sample_runtime_unif(trial_of(0))}
    assert runner.simulator.num_running == 1
    with pytest.raises(SubmitError, match="trial 0: attempt 1 was already deployed with other parameters"):
        runner.run(trial_of(0, 2.0))


def test_an_attempt_that_it_does_not_know():
    runner = opened(SimulatedBackendRunner(machine(4)))
    runner.run(trial_of(0))
    assert runner.poll_trial_status([trial_of(0, attempt=2), trial_of(1)]) == {}
    with pytest.raises(ContractError, match="trial 0: attempt 1 has not ended on the simulated machine"):
        runner.fetch_result(trial_of(0))
    other = rw.Experiment("another", EXPERIMENT.parameters, {"y": "minimize"})
    assert runner.poll_trial_status([trial_of(0, experiment=other)]) == {}


def test_a_second_attempt_replaces_the_first():
    runner = SimulatedBackendRunner(machine(1, faults=[Crash(1.0, after=1.0)]), ConstantRuntime(2.0))
    first = trial_of(0)
    runner.run(first)
    runner.simulator.update()
    assert runner.fetch_result(first).failure.kind is FailureKind.CRASHED
    assert runner.poll_exception(first) == "it crashed after 1 s, as simulated"
    second = trial_of(0, attempt=2)
    runner.run(second)
    assert runner.poll_trial_status([first]) == {}
    assert runner.poll_trial_status([second]) == {TrialStatus.FAILED: {0}}


def test_an_interrupted_attempt_is_repeated_with_its_luck():
    runner = SimulatedBackendRunner(machine(1))
    again = trial_of(0, attempt=3)
    again.attempts = (Attempt(1, AttemptOutcome.FAILED), Attempt(2, AttemptOutcome.INTERRUPTED))
    runner.run(again)
    assert runner.simulator.get_sim_trial_by_index(0).attempt == 2


@pytest.mark.parametrize("runtime", [-1.0, float("nan"), "soon", None])
def test_a_runtime_that_is_none(runtime):
    runner = SimulatedBackendRunner(machine(1), lambda trial: runtime)
    with pytest.raises(UsageError, match="the runtime of trial 0 must be a finite number of seconds"):
        runner.run(trial_of())
    assert runner.run_multiple([trial_of()]) == {}


def test_capacity_is_what_would_execute_at_once():
    runner = SimulatedBackendRunner(machine(2, start_delay=1.0))
    assert runner.poll_available_capacity() == 2
    runner.run(trial_of(0))
    assert runner.poll_available_capacity() == 1
    runner.run_multiple([trial_of(1), trial_of(2)])
    assert runner.poll_available_capacity() == 0


def test_staging_is_required_where_starting_takes_time():
    assert SimulatedBackendRunner(machine(1, start_delay=1.0)).staging_required
    assert not SimulatedBackendRunner(machine(1)).staging_required


def test_an_evaluation_that_fails_is_a_result():
    def broken(x):
        raise ValueError("no")

    runner = SimulatedBackendRunner(machine(1), ConstantRuntime(2.0), evaluation_function=broken)
    trial = trial_of()
    runner.run(trial)
    assert runner.poll_trial_status([trial]) == {TrialStatus.FAILED: {0}}
    result = runner.fetch_result(trial)
    assert (result.failure.kind, result.failure.message, result.seconds) == (FailureKind.CRASHED, "ValueError: no", 2.0)


def test_how_often_a_trial_was_preempted_is_told():
    faults = [Preemption(1.0, after=1.0, times=2)]
    runner = SimulatedBackendRunner(machine(1, faults=faults), ConstantRuntime(2.0), evaluation_function=square)
    trial = trial_of()
    runner.run(trial)
    while COMPLETED not in runner.poll_trial_status([trial]):
        pass
    assert runner.fetch_result(trial).additional_info == {"preemptions": 2}


# Time.


def test_a_wait_jumps_to_the_next_event_and_not_beyond_a_time(waker):
    clock = VirtualClock()
    runner = opened(SimulatedBackendRunner(BackendSimulator(), ConstantRuntime(3.0)), clock)
    trial = trial_of()
    runner.run(trial)
    assert runner.wait(2.0, waker) == set()
    assert clock.now() == 2.0
    assert runner.wait(None, waker) == {0}
    assert clock.now() == 3.0
    assert runner.wait(None, waker) == {0}, "told until it is polled"
    assert runner.poll_trial_status([trial]) == {COMPLETED: {0}}
    assert runner.wait(9.0, waker) == set()
    assert clock.now() == 9.0


def test_news_about_an_attempt_whose_end_is_recorded_are_dropped(waker):
    runner = opened(SimulatedBackendRunner(machine(1), ConstantRuntime(3.0)))
    trial = trial_of()
    runner.run(trial)
    assert runner.wait(None, waker) == {0}
    trial.attempts = (Attempt(1, AttemptOutcome.INTERRUPTED),)
    assert runner.wait(5.0, waker) == set()


def test_a_trial_that_queues_although_nothing_was_said_of_staging_is_news(waker):
    runner = opened(SimulatedBackendRunner(machine(1), ConstantRuntime(3.0)))
    trials = [trial_of(0), trial_of(1)]
    runner.run_multiple(trials)
    assert runner.wait(None, waker) == {1}
    assert runner.poll_trial_status(trials) == {RUNNING: {0}, STAGED: {1}}


def test_who_gets_the_slot_of_a_stopped_trial_is_news(waker):
    runner = opened(SimulatedBackendRunner(machine(1), ConstantRuntime(3.0)))
    trials = [trial_of(0), trial_of(1)]
    runner.run_multiple(trials)
    runner.poll_trial_status(trials)
    runner.stop(trials[0])
    assert runner.wait(None, waker) == {0, 1}


def test_virtual_time_without_an_event_is_an_error_not_an_eternity(waker):
    runner = opened(SimulatedBackendRunner(machine(1)))
    with pytest.raises(UsageError, match="simulated time has nothing to wait for"):
        runner.wait(None, waker)


def test_trials_that_hang_need_a_time_limit():
    runner = SimulatedBackendRunner(machine(1, faults=[Hang(0.1)]))
    with pytest.raises(UsageError, match=r"Hang makes trials that never end: set a time limit, Limits\(timeout="):
        opened(runner)
    opened(runner, timeout=3.0)


def test_machine_and_clock_take_the_later_time():
    clock = VirtualClock(7.0)
    late, early = machine(1, internal_clock=20.0), BackendSimulator()
    opened(SimulatedBackendRunner(early), clock)
    assert early.time == 7.0
    opened(SimulatedBackendRunner(late), clock)
    assert (late.time, clock.now()) == (20.0, 20.0)


def test_a_machine_of_real_time_does_not_become_a_simulated_one():
    runner = SimulatedBackendRunner(machine(1, clock=Hand()))
    runner.run(trial_of())
    with pytest.raises(UsageError, match="has run trials in real time and cannot go on in simulated time"):
        opened(runner)


def test_a_clock_of_its_own_needs_virtual_time():
    with pytest.raises(UsageError, match="with internal_clock runs in virtual time"):
        opened(SimulatedBackendRunner(machine(1)), SystemClock())


def test_a_function_that_takes_other_arguments_is_refused():
    with pytest.raises(UsageError, match="cannot be called with the parameters"):
        opened(SimulatedBackendRunner(machine(1), evaluation_function=lambda a, b: 0.0))


def test_closing_ends_what_runs_at_once():
    runner = opened(SimulatedBackendRunner(machine(1, stop_delay=5.0)))
    runner.run_multiple([trial_of(0), trial_of(1)])
    runner.close()
    runner.close()
    assert (runner.simulator.num_running, runner.simulator.num_queued) == (0, 0)
    assert runner.poll_trial_status([trial_of(0)]) == {}
    opened(runner)
    assert runner.run(trial_of(0, 2.0)), "the next driver begins anew"


# As JSON.


def functions():
    return SimulatedBackendRunner(
        machine(3, time_scaling=2.0, seed=4, faults=[Crash(0.1)]),
        ParametersRuntime(x_seconds),
        evaluation_function=square,
    )


@pytest.mark.parametrize(
    "runner",
    [
        SimulatedBackendRunner(BackendSimulator()),
        SimulatedBackendRunner(machine(2), UniformRuntime(1.0, 2.0)),
        SimulatedBackendRunner(
            BackendSimulator(BackendSimulatorOptions(1, internal_clock=1.0), queued=[SimTrial(100, 5.0)]), x_seconds
        ),
        functions(),
    ],
)
def test_a_runner_is_json(runner):
    body = json.loads(json.dumps(runner.to_dict(), allow_nan=False))
    copy = Runner.from_dict(body)
    assert copy == runner == runner.clone()
    assert copy.to_dict() == body
    assert copy.simulator is not runner.simulator


def test_a_clone_has_a_machine_as_it_was_made():
    runner = functions()
    runner.run(trial_of())
    clone = runner.clone()
    assert clone == runner
    assert clone.simulator.num_running == 0
    assert runner != SimulatedBackendRunner(machine(3))
    assert runner != 3


def test_a_lambda_cannot_be_written():
    runner = SimulatedBackendRunner(machine(1), lambda trial: 1.0)
    with pytest.raises(UsageError, match="a lambda has no name by which another process could import it"):
        runner.clone()
    assert SimulatedBackendRunner(machine(1), partial(sample_runtime_unif, low=2.0)).clone().run(trial_of())
