"""What goes wrong on the machine, and how long trials take."""

from __future__ import annotations

import json
import math
import random
import statistics
from dataclasses import dataclass
from functools import partial

import pytest

import runwright as rw
from runwright.errors import UsageError
from runwright.runners.simulated import sample_runtime_unif
from runwright.simulation import (
    BackendSimulatorOptions,
    ConstantRuntime,
    Crash,
    Fate,
    FaultModel,
    Hang,
    LogNormalRuntime,
    LostWorker,
    OutOfMemory,
    ParametersRuntime,
    Preemption,
    Straggler,
    TableRuntime,
    UniformRuntime,
    forms,
)
from runwright.status import FailureKind, TrialStatus
from tests.simulation.machines import EXPERIMENT, finish, machine, times, trial_of, x_seconds


def one(*faults, runtime=10.0, **options):
    """A machine of one slot with two trials, run out."""
    simulator = machine(1, faults=faults, **options)
    simulator.run_trial(0, runtime)
    simulator.run_trial(1, runtime)
    return finish(simulator)


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (Crash(1.0, after=4.0), FailureKind.CRASHED, "it crashed after 4 s, as simulated"),
        (OutOfMemory(1.0, after=4.0), FailureKind.MEMORYOUT, "it ran out of memory after 4 s, as simulated"),
        (LostWorker(1.0, after=4.0), FailureKind.LOST, "its worker was lost after 4 s, as simulated"),
    ],
)
def test_a_failure_after_a_time(fault, kind, message):
    simulator = one(fault)
    trial = simulator.get_sim_trial_by_index(0)
    assert (trial.status, trial.fate.failure, trial.fate.message) == (TrialStatus.FAILED, kind, message)
    assert (times(simulator, 0), times(simulator, 1)) == ((0.0, 4.0), (4.0, 8.0))


def test_a_fault_after_the_end_does_not_strike():
    simulator = one(Crash(1.0, after=10.0))
    assert simulator.num_completed == 2


def test_a_fault_at_any_moment():
    simulator = machine(1000, faults=[Crash(1.0)])
    for index in range(1000):
        simulator.run_trial(index, 10.0)
    ends = [trial.sim_completed_time for trial in finish(simulator).all_trials]
    assert simulator.num_failed == 1000
    assert 0 <= min(ends) < 0.2
    assert 9.8 < max(ends) < 10
    assert 4.5 < statistics.mean(ends) < 5.5


def test_a_hanging_trial_holds_its_slot_until_it_is_stopped():
    simulator = one(Hang(1.0, after=4.0), time_scaling=2.0)
    assert simulator.next_event() is None
    assert simulator.status().running == [0]
    assert simulator.status().time_remaining == [math.inf]
    simulator.update(30.0)
    simulator.stop_trial(0)
    assert times(simulator, 0) == (0.0, 30.0)
    assert simulator.status().running == [1]


def test_a_straggler_takes_longer():
    simulator = one(Straggler(1.0, factor=3.0))
    assert (times(simulator, 1), simulator.num_completed) == ((30.0, 60.0), 2)


def test_the_earliest_end_is_the_one_that_happens():
    simulator = one(
        Straggler(1.0, 3.0), Crash(1.0, after=20.0), OutOfMemory(1.0, after=15.0), LostWorker(1.0, after=16.0)
    )
    assert simulator.get_sim_trial_by_index(0).fate.failure is FailureKind.MEMORYOUT


def test_the_slot_of_a_lost_worker_is_down():
    simulator = one(LostWorker(1.0, after=4.0, down=6.0), time_scaling=2.0)
    assert (times(simulator, 0), times(simulator, 1)) == ((0.0, 2.0), (5.0, 7.0))
    assert simulator.available == 1


def test_nobody_counts_on_a_slot_that_is_down():
    simulator = machine(2, faults=[LostWorker(1.0, after=1.0, down=5.0)])
    simulator.run_trial(0, 9.0)
    assert simulator.update() == [0]
    assert simulator.available == 1
    assert simulator.next_event() == 6.0
    assert simulator.update() == []
    assert (simulator.time, simulator.available) == (6.0, 2)


def test_a_preempted_trial_is_staged_again_and_begins_anew():
    simulator = machine(1, faults=[Preemption(1.0, after=4.0, requeue=2.0)])
    simulator.run_trial(0, 10.0)
    told = []
    while simulator.next_event() is not None:
        simulator.update()
        told.append((simulator.time, simulator.lookup_trial_index_status(0).name, simulator.num_queued))
    assert told == [(4.0, "STAGED", 1), (6.0, "RUNNING", 0), (16.0, "COMPLETED", 0)]
    assert simulator.get_sim_trial_by_index(0).restarts == 1


def test_a_preempted_trial_joins_the_end_of_the_queue_and_may_keep_its_progress():
    simulator = one(Preemption(1.0, after=4.0, requeue=0.0, keeps_progress=True))
    # 0 runs 4 s; 1 runs 4 s; 0 does its other 6 s; 1 its own.
    assert (times(simulator, 0), times(simulator, 1)) == ((8.0, 14.0), (14.0, 20.0))


def test_progress_is_kept_of_a_straggler_too():
    simulator = machine(1, faults=[Straggler(1.0, 2.0), Preemption(1.0, after=5.0, requeue=0.0, keeps_progress=True)])
    simulator.run_trial(0, 10.0)
    assert finish(simulator).time == 20.0, "5 of 20 s were done, 7.5 of 10 are left and take twice as long"


def test_the_slot_of_a_preempted_trial_is_taken_by_somebody_else():
    simulator = machine(1, faults=[Preemption(1.0, after=4.0, requeue=1.0, taken=10.0)])
    simulator.run_trial(0, 10.0)
    assert finish(simulator).time == 24.0


def test_a_trial_is_preempted_so_often_at_the_most():
    simulator = machine(1, faults=[Preemption(1.0, after=1.0, times=3, requeue=1.0)])
    simulator.run_trial(0, 2.0)
    assert finish(simulator).time == 8.0
    assert simulator.get_sim_trial_by_index(0).restarts == 3


def test_who_is_away_can_be_stopped():
    simulator = machine(1, faults=[Preemption(1.0, after=4.0, requeue=100.0)])
    simulator.run_trial(0, 10.0)
    simulator.update()
    simulator.stop_trial(0)
    assert (simulator.next_event(), simulator.num_queued, simulator.available) == (None, 0, 1)
    assert times(simulator, 0) == (0.0, 4.0)


def test_one_more_fault_does_not_shift_the_luck_of_the_others():
    def crashed(*faults, **options):
        simulator = machine(10, faults=faults, **options)
        for index in range(200):
            simulator.run_trial(index, 10.0)
        return {
            trial.trial_index
            for trial in finish(simulator).all_trials
            if trial.fate.failure is not None and "crashed" in trial.fate.message
        }

    alone = crashed(Crash(0.3, after=1.0))
    assert 40 < len(alone) < 80
    assert crashed(Crash(0.3, after=1.0), OutOfMemory(0.5, after=2.0), failure_rate=0.5) == alone
    assert crashed(Crash(0.3, after=1.0), seed=1) != alone


@dataclass(frozen=True)
class EveryThird(FaultModel):
    """A fault that a user wrote: each third trial ends badly in slot 0, at once on a first attempt."""

    kind: str = "crashed"

    def strike(self, fate, execution):
        if execution.trial_index % 3 or execution.slot or execution.attempt > 1:
            return fate
        return Fate(0.0, FailureKind(self.kind), "it is one of three")


def test_a_fault_of_ones_own():
    simulator = machine(1, faults=[EveryThird()])
    for index in range(6):
        simulator.run_trial(index, 1.0)
    assert finish(simulator).status().failed == [0, 3]
    simulator.run_trial(0, 1.0)
    assert finish(simulator).status().failed == [3]


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Crash(1.5), "the rate of Crash must be a number from 0 to 1"),
        (lambda: Crash(0.1, after=-1), "the time after which Crash strikes must be a finite number"),
        (lambda: LostWorker(0.1, down=math.inf), "the time for which a lost worker's slot is down must be a finite"),
        (lambda: Preemption(0.1, times=-1), "how often a trial is pre-empted must be an integer of at least 0"),
        (lambda: Preemption(0.1, requeue=math.nan), "the time before a pre-empted trial joins the queue must be"),
        (lambda: Preemption(0.1, taken="1"), "the time for which a pre-empted trial's slot is taken must be"),
        (lambda: Straggler(2), "the rate of Straggler must be"),
        (lambda: Straggler(0.5, factor=0), "the factor of Straggler must be a finite number greater than 0"),
        (lambda: ConstantRuntime(-1), "the runtime must be a finite number of seconds"),
        (lambda: UniformRuntime(3, 1), "the shortest runtime, 3 s, is longer than the longest, 1 s"),
        (lambda: LogNormalRuntime(0, 1), "the median of the runtimes must be"),
        (lambda: LogNormalRuntime(1, -1), "the sigma of the runtimes must be"),
        (lambda: TableRuntime([]), "the table of runtimes is empty"),
        (lambda: TableRuntime([1.0, None]), "a runtime of the table must be"),
    ],
)
def test_models_that_make_no_sense(make, complaint):
    with pytest.raises(UsageError, match=complaint):
        make()


# Runtimes.


def test_uniform_runtimes_follow_experiment_and_index():
    before = random.getstate()
    drawn = [sample_runtime_unif(trial_of(index)) for index in range(2000)]
    assert random.getstate() == before, "the global random state is the user's"
    assert 1.0 <= min(drawn) < 1.01
    assert 4.99 < max(drawn) <= 5.0
    assert 2.9 < statistics.mean(drawn) < 3.1
    other = rw.Experiment("machine", EXPERIMENT.parameters, EXPERIMENT.objectives, seed=6)
    assert sample_runtime_unif(trial_of(3)) == sample_runtime_unif(trial_of(3, attempt=2)) == drawn[3]
    assert sample_runtime_unif(trial_of(3, experiment=other)) != drawn[3]
    assert sample_runtime_unif(trial_of(3), 2.0, 2.0) == 2.0
    assert sample_runtime_unif(trial_of(3), low=0.0, high=4.0) == pytest.approx(drawn[3] - 1.0)
    assert UniformRuntime(1.0, 5.0)(trial_of(3)) == drawn[3]
    assert UniformRuntime(1.0, 5.0, seed=9)(trial_of(3)) != drawn[3]


def test_lognormal_runtimes():
    model = LogNormalRuntime(10.0, 0.5)
    logs = [math.log(model(trial_of(index))) for index in range(3000)]
    assert statistics.mean(logs) == pytest.approx(math.log(10.0), abs=0.03)
    assert statistics.stdev(logs) == pytest.approx(0.5, abs=0.03)
    assert model(trial_of(5, attempt=2)) == model(trial_of(5))


def test_runtimes_from_a_table():
    model = TableRuntime([3.0, 1, 2.0])
    assert [model(trial_of(index)) for index in range(5)] == [3.0, 1.0, 2.0, 3.0, 1.0]
    drawn = [TableRuntime([3.0, 1.0, 2.0], shuffled=True)(trial_of(index)) for index in range(300)]
    assert {value: drawn.count(value) > 60 for value in drawn} == {1.0: True, 2.0: True, 3.0: True}


def test_runtimes_from_the_parameters():
    model = ParametersRuntime(x_seconds)
    assert model(trial_of(x=7.5)) == 7.5
    assert model(EXPERIMENT.new_trial(0, [{"x": 1.0}, {"x": 2.0}])) == 3.0, "a batch is the sum of its arms"
    assert ConstantRuntime(2.0)(trial_of()) == 2.0


# As JSON.


@pytest.mark.parametrize(
    "value",
    [
        Crash(0.1, after=3.0),
        Hang(0.2),
        OutOfMemory(0.3),
        Straggler(0.4, 5.0),
        LostWorker(0.5, down=1.0),
        Preemption(0.6, times=2, keeps_progress=True),
        EveryThird("lost"),
        ConstantRuntime(1.0),
        UniformRuntime(1.0, 2.0, seed=3),
        LogNormalRuntime(1.0, 2.0),
        TableRuntime((1.0, 2.0), shuffled=True),
        ParametersRuntime(x_seconds),
        x_seconds,
        (1, "a", None, {"b": 2.5}),
        BackendSimulatorOptions(
            2, 3.0, seed=4, speeds=[1.0, 2.0], start_delay=(1, 2), faults=[Crash(0.1), EveryThird()]
        ),
    ],
)
def test_models_are_json(value):
    text = json.dumps(forms.to_json(value), allow_nan=False)
    assert forms.from_json(json.loads(text)) == value


def test_a_partial_function_is_json():
    again = forms.from_json(json.loads(json.dumps(forms.to_json(partial(sample_runtime_unif, low=2.0, high=2.0)))))
    assert again(trial_of()) == 2.0


def test_what_is_no_json():
    with pytest.raises(UsageError, match="a lambda has no name"):
        forms.to_json(ParametersRuntime(lambda parameters: 1.0))
    with pytest.raises(UsageError, match="cannot be written as JSON; make the model a dataclass"):
        forms.to_json(frozenset({1}))
    with pytest.raises(UsageError, match="'os:getcwd' is no model: models are dataclasses"):
        forms.from_json({"call": "os:getcwd", "args": [], "keywords": {}})
