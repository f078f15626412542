"""The scheduler, unmodified, on a machine where things go wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import runwright as rw
from runwright.clock import SystemClock
from runwright.errors import UsageError
from runwright.events import encode
from runwright.journal import MemoryJournal
from runwright.loop.policy import Policy
from runwright.optimizers import RandomOptimizer
from runwright.runner import Limits
from runwright.runners import SimulatedBackendRunner
from runwright.simulation import (
    BackendSimulator,
    BackendSimulatorOptions,
    ConstantRuntime,
    Crash,
    Hang,
    LogNormalRuntime,
    LostWorker,
    OutOfMemory,
    Preemption,
    Straggler,
)
from runwright.status import AttemptOutcome, FailureKind, TrialStatus
from tests.simulation.machines import EXPERIMENT, Hand, square
from tests.unit.driving import ONCE, check, events

CHAOS = (
    Straggler(0.1, factor=5.0),
    Crash(0.1),
    Crash(0.05, after=0.0),
    Hang(0.05),
    OutOfMemory(0.05),
    LostWorker(0.05, down=20.0),
    Preemption(0.2, times=2, requeue=3.0, taken=5.0),
)


def simulate(slots=4, *, runtime=None, clock=None, journal=None, trials=50, **settings):
    """Run an experiment to its end; what is no option of the machine is one of the scheduler."""
    names = ("faults", "speeds", "start_delay", "stop_delay", "failure_rate", "seed", "time_scaling")
    options = BackendSimulatorOptions(slots, **{name: settings.pop(name) for name in names if name in settings})
    machine = BackendSimulator(options, clock=clock)
    runner = SimulatedBackendRunner(machine, runtime, evaluation_function=square)
    journal = MemoryJournal(encoded=True) if journal is None else journal
    driver = rw.Scheduler(
        EXPERIMENT, RandomOptimizer(), runner, trials=trials, journal=journal, clock=clock, **settings
    )
    with driver:
        driver.run()
        check(driver)
    assert (machine.num_running, machine.num_queued) == (0, 0)
    return driver


def story(driver, trial=0):
    """What happened to a trial: time and kind; of a poll, what it said."""
    return [
        (event.time, event.status.name if event.kind == "Polled" else event.kind)
        for event in events(driver)
        if event.trial == trial and event.kind not in ("TrialAsked", "Told")
    ]


@pytest.mark.parametrize(
    ("fault", "kind", "seconds"),
    [
        (Crash(1.0, after=2.0), FailureKind.CRASHED, 2.0),
        (OutOfMemory(1.0, after=2.0), FailureKind.MEMORYOUT, 2.0),
        (LostWorker(1.0, after=2.0), FailureKind.LOST, 2.0),
        (Hang(1.0, after=2.0), FailureKind.TIMEOUT, 7.0),
        (Straggler(1.0, factor=10.0), FailureKind.TIMEOUT, 7.0),
    ],
)
def test_a_fault_is_the_right_kind_of_failure(fault, kind, seconds):
    driver = simulate(
        runtime=ConstantRuntime(5.0), faults=[fault], limits=Limits(timeout=7.0), trials=3, parallel=1, on_failure=ONCE
    )
    for index, trial in enumerate(driver.state.trials):
        assert (trial.status, trial.failure.kind) == (TrialStatus.FAILED, kind)
        assert (trial.result.seconds, trial.result.started) == (seconds, index * seconds)
        assert trial.failure.message


def test_a_failure_by_the_failure_rate_takes_its_time():
    driver = simulate(runtime=ConstantRuntime(5.0), failure_rate=1.0, trials=1)
    assert driver.state.trials[0].failure.message == "it failed by the simulated failure rate"
    assert driver.state.last_time == 5.0


def test_a_preempted_trial_is_running_staged_running():
    driver = simulate(1, runtime=ConstantRuntime(5.0), faults=[Preemption(1.0, after=2.0, requeue=3.0)], trials=1)
    assert story(driver) == [
        (0.0, "DeployStarted"),
        (0.0, "Deployed"),
        (2.0, "STAGED"),
        (5.0, "RUNNING"),
        (10.0, "Finished"),
    ]
    assert driver.state.trials[0].result.additional_info == {"preemptions": 1}


def test_a_limit_counts_from_the_last_beginning():
    limits = Limits(timeout=6.0)
    faults = [Preemption(1.0, after=4.0, requeue=3.0)]
    assert simulate(1, runtime=ConstantRuntime(5.0), faults=faults, limits=limits, trials=1).state.ended == 1
    driver = simulate(1, runtime=ConstantRuntime(9.0), faults=faults, limits=limits, trials=1)
    assert story(driver)[2:5] == [(4.0, "STAGED"), (7.0, "RUNNING"), (13.0, "StopRequested")]


def test_starting_and_stopping_take_their_time():
    driver = simulate(
        1, runtime=ConstantRuntime(9.0), start_delay=1.0, stop_delay=2.0, limits=Limits(timeout=5.0), trials=1
    )
    assert story(driver) == [
        (0.0, "DeployStarted"),
        (0.0, "Deployed"),
        (1.0, "RUNNING"),
        (6.0, "StopRequested"),
        (8.0, "Finished"),
        (8.0, "GaveUp"),
    ]


def test_a_lost_workers_slot_is_used_when_it_is_back():
    driver = simulate(
        1, runtime=ConstantRuntime(5.0), faults=[LostWorker(1.0, after=2.0, down=10.0)], trials=3, on_failure=ONCE
    )
    deployed = [event.time for event in events(driver) if event.kind == "DeployStarted"]
    assert deployed == [0.0, 12.0, 24.0]


def test_unequal_slots_and_scaled_time():
    driver = simulate(2, runtime=ConstantRuntime(8.0), speeds=[4.0, 1.0], time_scaling=2.0, trials=5)
    assert [trial.result.seconds for trial in driver.state.trials] == [1.0, 4.0, 1.0, 1.0, 1.0]
    assert {trial.run_metadata["runtime"] for trial in driver.state.trials} == {8.0}
    assert driver.state.last_time == 4.0


@pytest.mark.parametrize("fault", CHAOS)
@pytest.mark.parametrize("retries", [0, 2])
def test_every_trial_ends_whatever_goes_wrong(fault, retries):
    driver = simulate(3, faults=[fault], on_failure=f"retry {retries}", limits=Limits(timeout=30.0), trials=60)
    assert [trial for trial in driver.state.trials if not trial.status.is_terminal] == []
    assert len(driver.state.trials) == 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_every_trial_ends_in_chaos(seed):
    driver = simulate(
        1 + seed,
        runtime=LogNormalRuntime(5.0, 1.0),
        faults=CHAOS,
        seed=seed,
        start_delay=(0.0, 1.0),
        stop_delay=(0.0, 3.0),
        failure_rate=0.05,
        speeds=[1.0 + slot % 3 for slot in range(1 + seed)],
        on_failure=f"retry {seed % 3}",
        limits=Limits(timeout=40.0),
        trials=200,
    )
    assert [trial for trial in driver.state.trials if not trial.status.is_terminal] == []
    kinds = {
        attempt.failure.kind
        for trial in driver.state.trials
        for attempt in trial.attempts
        if attempt.outcome is AttemptOutcome.FAILED
    }
    assert kinds == {FailureKind.CRASHED, FailureKind.TIMEOUT, FailureKind.MEMORYOUT, FailureKind.LOST}
    assert any(event.kind == "Polled" and event.status is TrialStatus.STAGED for event in events(driver))


def test_two_runs_are_row_by_row_the_same():
    settings = {
        "faults": CHAOS,
        "limits": Limits(timeout=30.0),
        "on_failure": "retry 1",
        "start_delay": (0.0, 1.0),
        "trials": 80,
    }
    first, second = (simulate(4, **settings) for _ in range(2))
    assert [encode(event) for event in events(first)] == [encode(event) for event in events(second)]
    other = simulate(4, seed=1, **settings)
    assert [encode(event) for event in events(first)] != [encode(event) for event in events(other)]


@pytest.mark.slow
def test_the_same_rows_under_any_hash_seed():
    here = Path(__file__)
    said = set()
    for seed in ("0", "1", "424242"):
        ran = subprocess.run(
            [sys.executable, str(here.with_name("rows.py"))],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(here.parents[2])},
            capture_output=True,
            text=True,
            check=True,
        )
        said.add(ran.stdout)
    (rows,) = said
    assert rows.count("\n") > 500


def test_a_user_stops_a_trial_that_waits_and_one_that_runs():
    from runwright.status import StopCause

    machine = BackendSimulator(BackendSimulatorOptions(1, start_delay=5.0))
    runner = SimulatedBackendRunner(machine, ConstantRuntime(10.0), evaluation_function=square)
    with rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, trials=2, journal=MemoryJournal()) as driver:

        def on_turn(state, news):
            for event in news:
                if event.kind == "Deployed" and event.trial == 0:
                    driver._engine.stop(0, StopCause.USER, "not needed")
                if event.kind == "Polled" and event.trial == 1:
                    driver._engine.stop(1, StopCause.USER, "not needed either")

        driver.run(on_turn=on_turn)
        assert [trial.status for trial in driver.state.trials] == [TrialStatus.ABANDONED] * 2
        assert machine.num_stopped == 2


def test_the_next_driver_repeats_what_ran_with_the_same_luck():
    """Driver and machine die together; the repeated attempt takes as long as the first would have."""
    journal = MemoryJournal(encoded=True)
    machine = BackendSimulator(BackendSimulatorOptions(2, faults=[Straggler(0.5, 3.0)]))
    runner = SimulatedBackendRunner(machine, evaluation_function=square)
    dying = rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, trials=6, journal=journal)

    def die(state, news):
        if state.last_time > 3.0:
            raise MemoryError

    with pytest.raises(MemoryError):
        dying.run(on_turn=die)
    driver = simulate(2, faults=[Straggler(0.5, 3.0)], journal=journal, trials=6)
    repeated = [trial for trial in driver.state.trials if trial.attempts]
    assert repeated
    undisturbed = simulate(2, faults=[Straggler(0.5, 3.0)], trials=6)
    for trial in driver.state.trials:
        assert trial.result.seconds == pytest.approx(undisturbed.state.trials[trial.index].result.seconds)
    dying.close()


# Real time.


def test_in_real_time_trials_take_their_time():
    clock = Hand(50.0)
    driver = simulate(2, runtime=ConstantRuntime(30.0), clock=clock, time_scaling=10.0, trials=4)
    assert clock.seconds == 6.0, "two rounds of 3 s; an experiment begins at 0"
    assert driver.runner.traits.simulated is False
    assert [trial.result.seconds for trial in driver.state.trials] == [3.0] * 4


def test_in_real_time_a_limit_ends_what_hangs():
    clock = Hand(0.0)
    driver = simulate(
        1, runtime=ConstantRuntime(3.0), clock=clock, faults=[Hang(1.0)], limits=Limits(timeout=4.0), trials=1
    )
    assert driver.state.trials[0].failure.kind is FailureKind.TIMEOUT


@pytest.mark.slow
def test_the_clock_of_the_machine_room():
    machine = BackendSimulator(BackendSimulatorOptions(4, time_scaling=1000.0))
    runner = SimulatedBackendRunner(machine, evaluation_function=square)
    with rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, trials=20, clock=SystemClock()) as driver:
        driver.run()
        assert {trial.status for trial in driver.state.trials} == {TrialStatus.COMPLETED}
        first = driver.state.trials[0].result
        assert first.started > 1e9, "seconds of the epoch"


def test_what_does_not_fit_is_refused_before_the_first_trial():
    with pytest.raises(UsageError, match="Hang makes trials that never end"):
        simulate(faults=[Hang(0.1)])
    machine = BackendSimulator(BackendSimulatorOptions(1, internal_clock=0.0))
    with pytest.raises(UsageError, match="with internal_clock runs in virtual time"):
        rw.Scheduler(
            EXPERIMENT,
            RandomOptimizer(),
            SimulatedBackendRunner(machine, evaluation_function=square),
            clock=SystemClock(),
        )


def test_a_run_can_be_ended_by_its_time():
    driver = simulate(1, runtime=ConstantRuntime(10.0), policy=Policy(seconds=25.0), trials=99)
    assert driver.state.last_time == 25.0, "what runs is interrupted"
    assert [trial.status.name for trial in driver.state.trials] == ["COMPLETED", "COMPLETED", "CANDIDATE"]
