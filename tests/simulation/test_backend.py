"""The simulated machine in Ax's words; and each fault of Ax's simulator, which this one has not."""

from __future__ import annotations

import inspect
import logging
import random
from dataclasses import FrozenInstanceError, asdict, fields

import pytest

from runwright.errors import ContractError, UsageError
from runwright.simulation import (
    BackendSimulator,
    BackendSimulatorOptions,
    BackendSimulatorState,
    Crash,
    Phase,
    SimStatus,
    SimTrial,
)
from runwright.status import TrialStatus
from tests.simulation.machines import Hand, again, finish, machine, times, told

STAGED, RUNNING, COMPLETED = TrialStatus.STAGED, TrialStatus.RUNNING, TrialStatus.COMPLETED

# The surface.


def test_the_constructors_take_what_those_of_ax_take():
    options = [item.name for item in fields(BackendSimulatorOptions) if not item.kw_only]
    assert options == ["max_concurrency", "time_scaling", "failure_rate", "internal_clock", "use_update_as_start_time"]
    assert asdict(BackendSimulatorOptions()) | {"seed": 0} == {
        "max_concurrency": 1,
        "time_scaling": 1.0,
        "failure_rate": 0.0,
        "internal_clock": None,
        "use_update_as_start_time": False,
        "seed": 0,
        "speeds": (),
        "start_delay": 0.0,
        "stop_delay": 0.0,
        "faults": (),
    }
    by_place = [
        name
        for name, argument in inspect.signature(BackendSimulator).parameters.items()
        if argument.kind is argument.POSITIONAL_OR_KEYWORD
    ]
    assert by_place == ["options", "queued", "running", "failed", "completed", "verbose_logging"]
    assert [item.name for item in fields(SimTrial)][:5] == [
        "trial_index",
        "sim_runtime",
        "sim_start_time",
        "sim_queued_time",
        "sim_completed_time",
    ]
    assert [item.name for item in fields(SimStatus)][:5] == [
        "queued",
        "running",
        "failed",
        "time_remaining",
        "completed",
    ]
    assert [item.name for item in fields(BackendSimulatorState)][:6] == [
        "options",
        "verbose_logging",
        "queued",
        "running",
        "failed",
        "completed",
    ]


def test_a_session_with_the_clock_of_its_own():
    simulator = machine(2)
    for index, runtime in enumerate((1.0, 2.0, 3.0)):
        simulator.run_trial(trial_index=index, runtime=runtime)
    assert (simulator.num_queued, simulator.num_running, simulator.num_failed, simulator.num_completed) == (1, 2, 0, 0)
    assert simulator.status() == SimStatus([2], [0, 1], [], [1.0, 2.0], [])
    assert [simulator.lookup_trial_index_status(index) for index in range(3)] == [RUNNING, RUNNING, STAGED]
    assert simulator.update() == [0, 2]
    assert simulator.time == 1.0
    assert simulator.status() == SimStatus([], [1, 2], [], [1.0, 3.0], [0])
    assert simulator.get_sim_trial_by_index(2).sim_queued_time == 0.0
    assert times(simulator, 2) == (1.0, None)
    assert simulator.update() == [1]
    assert simulator.update() == [2]
    assert simulator.update() == []
    assert simulator.time == 4.0, "without an event it stays"
    assert simulator.status() == SimStatus([], [], [], [], [0, 1, 2])
    assert [trial.trial_index for trial in simulator.all_trials] == [0, 1, 2]


def test_it_says_what_its_options_are():
    simulator = machine(3, time_scaling=2.0, failure_rate=0.5)
    assert (simulator.max_concurrency, simulator.time_scaling, simulator.failure_rate) == (3, 2.0, 0.5)
    assert simulator.use_internal_clock
    assert not machine(clock=Hand()).use_internal_clock


def test_an_unknown_trial():
    simulator = machine()
    assert simulator.get_sim_trial_by_index(7) is None
    for ask in (simulator.lookup_trial_index_status, simulator.stop_trial):
        with pytest.raises(ValueError, match="trial 7 is not known to the simulated machine"):
            ask(7)


def test_with_the_real_clock_time_passes_by_itself_and_is_scaled():
    clock = Hand(1000.0)
    simulator = machine(1, time_scaling=10.0, clock=clock)
    simulator.run_trial(0, 20.0)
    simulator.run_trial(1, 10.0)
    clock.seconds = 1001.5
    assert simulator.time == 1001.5
    assert simulator.status().time_remaining == [0.5]
    assert simulator.update() == []
    clock.seconds = 1002.5
    assert simulator.lookup_trial_index_status(0) is RUNNING, "reading moves nothing"
    assert simulator.update() == [0, 1]
    assert times(simulator, 1) == (1002.0, None), "it began when the slot became free"
    clock.seconds = 1100.0
    assert simulator.update() == [1]
    assert times(simulator, 1) == (1002.0, 1003.0)
    with pytest.raises(UsageError, match="takes the time of the real clock"):
        simulator.update(5.0)


def test_the_time_of_the_update_as_the_time_of_the_start():
    clock = Hand(0.0)
    simulator = machine(1, use_update_as_start_time=True, clock=clock)
    for index in range(3):
        simulator.run_trial(index, 1.0)
    clock.seconds = 5.0
    assert simulator.update() == [0, 1]
    assert times(simulator, 0) == (0.0, 1.0)
    assert times(simulator, 1) == (5.0, None)
    clock.seconds = 50.0
    simulator.update()
    assert times(simulator, 2) == (50.0, None)


def test_all_ends_are_seen_before_the_late_starts():
    simulator = machine(2, use_update_as_start_time=True)
    for index, runtime in enumerate((1.0, 2.0, 1.0, 1.0)):
        simulator.run_trial(index, runtime)
    assert simulator.update(5.0) == [0, 1, 2, 3]
    assert [times(simulator, index) for index in range(4)] == [(0.0, 1.0), (0.0, 2.0), (5.0, None), (5.0, None)]


def test_starts_seen_late_that_end_at_once_are_seen_too():
    simulator = machine(1, use_update_as_start_time=True)
    simulator.run_trial(0, 1.0)
    for index in range(1, 4):
        simulator.run_trial(index, 0.0)
    assert simulator.update(3.0) == [0, 1, 1, 2, 2, 3, 3]
    assert [times(simulator, index) for index in range(1, 4)] == [(3.0, 3.0)] * 3


def test_the_machine_takes_the_time_of_the_day_by_default():
    from runwright.clock import epoch

    simulator = BackendSimulator()
    before = epoch()
    assert abs(simulator.time - before) < 60


def test_a_machine_may_begin_with_trials():
    given = SimTrial(4, 3.0, sim_start_time=1.0, sim_queued_time=0.0)
    simulator = BackendSimulator(
        BackendSimulatorOptions(1, internal_clock=2.0),
        queued=[SimTrial(5, 1.0)],
        running=[given],
        failed=[SimTrial(1, 1.0)],
        completed=[SimTrial(2, 1.0, 0.0, 0.0, 1.0)],
        stopped=[SimTrial(3, 1.0)],
    )
    assert simulator.status() == SimStatus([5], [4], [1], [2.0], [2], stopped=[3])
    finish(simulator)
    assert (times(simulator, 4), times(simulator, 5)) == ((1.0, 4.0), (4.0, 5.0))
    assert given.sim_completed_time is None, "it has a copy"


def test_waiting_trials_begin_where_a_slot_is_free():
    simulator = BackendSimulator(BackendSimulatorOptions(2, internal_clock=3.0), queued=[SimTrial(0, 1.0)])
    assert simulator.status().running == [0]
    assert times(simulator, 0) == (3.0, None)


def test_trials_whose_end_is_over_end_then():
    options = BackendSimulatorOptions(1, internal_clock=10.0)
    simulator = BackendSimulator(options, running=[SimTrial(0, 1.0, sim_start_time=2.0)], queued=[SimTrial(1, 1.0)])
    simulator.update()
    assert (simulator.time, times(simulator, 0)) == (10.0, (2.0, 3.0))


@pytest.mark.parametrize(
    ("groups", "complaint"),
    [
        ({"running": [SimTrial(0, 1.0)]}, "trial 0 is running on the simulated machine, but has no sim_start_time"),
        ({"running": [SimTrial(0, 1.0, 0.0), SimTrial(1, 1.0, 0.0)]}, "trial 1 is RUNNING, but all slots are taken"),
        ({"queued": [SimTrial(0, 1.0)], "failed": [SimTrial(0, 1.0)]}, "trial 0 stands twice"),
        ({"queued": [SimTrial(0, -1.0)]}, "the runtime of trial 0 must be a finite number of seconds"),
        (
            {"queued": [SimTrial(0, 1.0, phase=Phase.AWAY)]},
            "trial 0 is AWAY on the simulated machine, but it is not said",
        ),
        (
            {"queued": [SimTrial(0, 1.0, order=4)], "failed": [SimTrial(1, 1.0, order=4)]},
            "2 trials on the simulated machine have the order 4; leave it out",
        ),
        ({"running": [SimTrial(0, 1.0, 0.0, slot=3)]}, "the simulated machine has no such slots"),
    ],
)
def test_trials_that_do_not_fit(groups, complaint):
    with pytest.raises(UsageError, match=complaint):
        BackendSimulator(BackendSimulatorOptions(1, internal_clock=0.0), **groups)


def test_a_trial_that_somebody_made():
    simulator = machine(1)
    simulator.update(2.0)
    simulator.new_trial(SimTrial(0, 3.0), TrialStatus.RUNNING)
    simulator.new_trial(SimTrial(1, 1.0), TrialStatus.STAGED)
    finish(simulator)
    assert (times(simulator, 0), times(simulator, 1)) == ((2.0, 5.0), (5.0, 6.0))
    with pytest.raises(ValueError, match="a new trial must be STAGED or RUNNING, not FAILED"):
        simulator.new_trial(SimTrial(2, 1.0), TrialStatus.FAILED)
    with pytest.raises(UsageError, match="trial 1 is on the simulated machine already"):
        simulator.new_trial(SimTrial(1, 1.0), TrialStatus.STAGED)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"max_concurrency": 0}, "max_concurrency must be an integer of at least 1, not 0"),
        ({"max_concurrency": 2.0}, "max_concurrency must be an integer"),
        ({"time_scaling": 0}, "time_scaling must be a finite number greater than 0"),
        ({"failure_rate": 1.5}, "the failure rate must be a number from 0 to 1, not 1.5"),
        ({"internal_clock": float("nan")}, "internal_clock must be a finite number"),
        ({"speeds": [1.0]}, "there are 1 speeds for 2 slots; give one a slot"),
        ({"speeds": [1.0, 0.0]}, "the speed of a slot must be a finite number greater than 0"),
        ({"start_delay": -1}, "start_delay must be a finite number of seconds"),
        ({"start_delay": (1, 2, 3)}, "start_delay must be a number of seconds or two bounds"),
        ({"stop_delay": (3, 1)}, "stop_delay has reversed bounds: 3 is greater than 1"),
        ({"internal_clock": "x"}, "internal_clock must be a finite number of seconds, not 'x'"),
        ({"speeds": 5}, "speeds must be a list, not 5"),
        ({"faults": Crash(0.1)}, r"faults must be a list, not Crash\(rate=0.1"),
        ({"seed": "a"}, "the seed must be an integer of at least 0, not 'a'"),
        ({"faults": [0.1]}, "a fault must be a FaultModel such as"),
    ],
)
def test_options_that_make_no_sense(settings, complaint):
    with pytest.raises(UsageError, match=complaint):
        BackendSimulatorOptions(**{"max_concurrency": 2, **settings})


@pytest.mark.parametrize("runtime", [-1.0, float("nan"), float("inf"), "1", None, True])
def test_a_runtime_that_is_none(runtime):
    simulator = machine()
    with pytest.raises(UsageError, match="the runtime of trial 0 must be a finite number of seconds"):
        simulator.run_trial(0, runtime)
    assert simulator.num_running == 0


def test_numbers_of_numpy_are_numbers():
    numpy = pytest.importorskip("numpy")
    simulator = machine(numpy.int64(1), seed=numpy.int64(2), time_scaling=numpy.float64(1.0))
    simulator.run_trial(numpy.int64(3), numpy.float32(1.5))
    assert told(again(simulator)) == told(simulator)
    assert finish(simulator).time == 1.5


def test_a_trial_is_on_the_machine_once():
    simulator = machine()
    simulator.run_trial(0, 1.0)
    with pytest.raises(ContractError, match=r"trial 0 is on the simulated machine already \(RUNNING\)"):
        simulator.run_trial(0, 1.0)
    finish(simulator)
    simulator.run_trial(0, 1.0)
    assert simulator.num_completed == 0, "an index is known by its last submission"
    assert simulator.get_sim_trial_by_index(0).attempt == 2


# The faults of Ax's simulator.


def test_slots_are_given_in_order_of_time_not_of_the_list():
    """Ax: 15. The slot of the trial that ends at 1 is free at 1, wherever it stands."""
    simulator = machine(2)
    for index, runtime in enumerate((10.0, 1.0, 5.0, 5.0)):
        simulator.run_trial(index, runtime)
    simulator.update(100.0)
    assert times(simulator, 3) == (6.0, 11.0)
    assert max(trial.sim_completed_time for trial in simulator.all_trials) == 11.0


def test_an_early_stop_frees_the_slot_at_its_moment():
    """Ax hands the slot on at the planned end."""
    simulator = machine(1)
    simulator.run_trial(0, 100.0)
    simulator.run_trial(1, 1.0)
    simulator.update(5.0)
    simulator.stop_trial(0)
    assert simulator.lookup_trial_index_status(0) is TrialStatus.ABANDONED
    assert simulator.take_news() == [0, 1]
    finish(simulator)
    assert (times(simulator, 0), times(simulator, 1)) == ((0.0, 5.0), (5.0, 6.0))
    assert simulator.time == 6.0, "nothing happens at the planned end"
    assert simulator.status().stopped == [0]


def test_a_queued_trial_can_be_stopped():
    """Ax ignores it."""
    simulator = machine(1)
    for index in range(3):
        simulator.run_trial(index, 1.0)
    simulator.stop_trial(1)
    simulator.stop_trial(1)
    assert (simulator.num_queued, simulator.num_stopped) == (1, 1)
    finish(simulator)
    assert (times(simulator, 1), times(simulator, 2)) == ((None, 0.0), (1.0, 2.0))


def test_failures_take_time_and_a_slot_and_stay_in_the_index():
    """Ax: they fail at once, take no slot and are not found again."""
    simulator = machine(1, failure_rate=1.0)
    simulator.run_trial(0, 2.0)
    simulator.run_trial(1, 2.0)
    assert (simulator.num_running, simulator.num_queued) == (1, 1)
    finish(simulator)
    assert simulator.time == 4.0
    assert simulator.status().failed == [0, 1]
    assert simulator.get_sim_trial_by_index(0).status is TrialStatus.FAILED


def test_failures_follow_the_seed_and_nothing_else():
    """Ax draws from the global random state, which is the user's."""
    before = random.getstate()
    failed = []
    for seed, slots in ((1, 3), (1, 7), (2, 3)):
        simulator = machine(slots, failure_rate=0.3, seed=seed)
        for index in range(300):
            simulator.run_trial(index, 1.0)
        failed.append(set(finish(simulator).status().failed))
    assert failed[0] == failed[1] != failed[2]
    assert 60 < len(failed[0]) < 120
    assert random.getstate() == before


def test_a_second_attempt_has_a_luck_of_its_own():
    simulator = machine(1, failure_rate=0.5)
    outcomes = []
    for _ in range(40):
        simulator.run_trial(0, 1.0)
        finish(simulator)
        outcomes.append(simulator.lookup_trial_index_status(0) is COMPLETED)
    assert 10 < sum(outcomes) < 30


def test_nothing_recurses():
    """Ax: RecursionError with 1,500 queued trials."""
    simulator = machine(1)
    for index in range(5000):
        simulator.run_trial(index, 1.0)
    changed = simulator.update(1e6)
    assert len(changed) == 2 * 5000 - 1
    assert times(simulator, 4999) == (4999.0, 5000.0)


def test_the_clock_moves_to_the_event_not_by_one():
    """Ax: three trials of 0.1 s take 3 s."""
    simulator = machine(1)
    for index in range(3):
        simulator.run_trial(index, 0.125)
    assert finish(simulator).time == 0.375


def test_options_are_nobodys_clock():
    """Ax keeps the time in the options: two simulators with one of them share it."""
    options = BackendSimulatorOptions(internal_clock=0.0)
    first, second = BackendSimulator(options), BackendSimulator(options)
    first.run_trial(0, 5.0)
    first.update()
    assert (first.time, second.time, options.internal_clock) == (5.0, 0.0, 0.0)
    with pytest.raises(FrozenInstanceError):
        options.max_concurrency = 3


def test_an_update_looks_at_what_is_due_alone(monkeypatch):
    """Ax goes through all trials at each tick: quadratic. Here the machine never lists what it has."""
    simulator = machine(10)

    def refuse(*_):
        raise AssertionError("it went through all trials")

    monkeypatch.setattr("runwright.simulation.listing._groups", refuse)
    for index in range(1000):
        simulator.run_trial(index, 1.0 + index % 7)
    while simulator.next_event() is not None:
        simulator.update()
        simulator.lookup_trial_index_status(500)
    assert simulator.num_completed == 1000


def test_stopped_trials_leave_no_litter():
    simulator = machine(10)
    for index in range(20_000):
        simulator.run_trial(index, 1e9)
    for index in range(19_000, 0, -1):
        simulator.stop_trial(index)
    inner = simulator._machine
    assert len(inner.queue._entries) < 3000
    assert len(inner.agenda) < 200
    assert simulator.num_queued == 990


def test_stopped_trials_that_ran_leave_no_litter_either():
    simulator = machine(1000)
    for index in range(2000):
        simulator.run_trial(index, 1e9)
    for index in range(1990):
        simulator.stop_trial(index)
    assert len(simulator._machine.agenda) < 200
    assert simulator.num_running == 10
    assert finish(simulator).num_completed == 10


def test_a_machine_of_a_million_slots_is_small_until_it_is_used():
    simulator = machine(10**9)
    simulator.run_trial(0, 1.0)
    assert simulator.available == 10**9 - 1


# Time that a slot takes.


def test_the_fastest_free_slot_is_given_first():
    simulator = machine(3, speeds=[1.0, 4.0, 2.0])
    for index in range(4):
        simulator.run_trial(index, 8.0)
    assert [simulator.get_sim_trial_by_index(index).slot for index in range(3)] == [1, 2, 0]
    finish(simulator)
    assert [times(simulator, index) for index in range(4)] == [(0.0, 2.0), (0.0, 4.0), (0.0, 8.0), (2.0, 4.0)]


def test_of_equally_fast_slots_the_lowest_number():
    simulator = machine(3)
    for index in range(3):
        simulator.run_trial(index, 1.0)
    assert simulator.update() == [0, 1, 2], "what ends at one moment ends in order of submission"
    for index in range(3):
        simulator.run_trial(index, 1.0)
        assert simulator.get_sim_trial_by_index(index).slot == index


def test_a_slot_is_taken_while_a_trial_starts():
    simulator = machine(1, start_delay=2.0, time_scaling=2.0)
    simulator.run_trial(0, 6.0)
    simulator.run_trial(1, 6.0)
    assert simulator.lookup_trial_index_status(0) is STAGED
    assert (simulator.num_queued, simulator.num_running, simulator.available) == (2, 0, 0)
    assert simulator.update() == [0]
    assert (simulator.time, simulator.lookup_trial_index_status(0)) == (1.0, RUNNING)
    finish(simulator)
    assert (times(simulator, 0), times(simulator, 1)) == ((1.0, 4.0), (5.0, 8.0))


def test_who_starts_stops_at_once():
    simulator = machine(1, start_delay=2.0, stop_delay=5.0)
    simulator.run_trial(0, 6.0)
    simulator.stop_trial(0)
    assert (simulator.num_stopped, simulator.available, simulator.next_event()) == (1, 1, None)


def test_stopping_takes_its_time():
    simulator = machine(1, stop_delay=2.0)
    simulator.run_trial(0, 10.0)
    simulator.run_trial(1, 1.0)
    simulator.update(3.0)
    simulator.stop_trial(0)
    simulator.update(4.0)
    simulator.stop_trial(0)
    assert simulator.lookup_trial_index_status(0) is RUNNING
    assert simulator.status().running == [0]
    assert simulator.update() == [0, 1]
    assert times(simulator, 0) == (0.0, 5.0)


def test_who_ends_while_it_stops_has_ended_well():
    simulator = machine(1, stop_delay=2.0)
    simulator.run_trial(0, 4.0)
    simulator.update(2.0)
    simulator.stop_trial(0)
    simulator.update()
    assert (simulator.lookup_trial_index_status(0), simulator.time) == (COMPLETED, 4.0)


def test_a_stop_may_be_at_once_in_spite_of_the_delay():
    simulator = machine(1, stop_delay=2.0)
    simulator.run_trial(0, 4.0)
    simulator.stop_trial(0)
    simulator.stop_trial(0, at_once=True)
    assert times(simulator, 0) == (0.0, 0.0)
    assert simulator.available == 1


def test_delays_between_bounds_follow_the_seed():
    drawn = []
    for seed in (1, 1, 2):
        simulator = machine(100, start_delay=(1.0, 3.0), seed=seed)
        for index in range(100):
            simulator.run_trial(index, 0.0)
        finish(simulator)
        drawn.append([times(simulator, index)[0] for index in range(100)])
    assert drawn[0] == drawn[1] != drawn[2]
    assert 1.0 <= min(drawn[0]) < 1.2
    assert 2.8 < max(drawn[0]) <= 3.0


# State.


def test_a_state_is_json_and_a_copy():
    simulator = machine(1, faults=[Crash(0.5)], seed=3)
    for index in range(5):
        simulator.run_trial(index, 1.0)
    simulator.update()
    state = simulator.state()
    assert state.options.internal_clock == 1.0
    restored = again(simulator)
    assert restored.options == state.options
    before = told(simulator)
    finish(restored)
    assert told(simulator) == before


def test_a_state_of_ax_is_taken():
    """Lists of what Ax knows of a trial, nothing else."""
    state = BackendSimulatorState(
        BackendSimulatorOptions(1, internal_clock=2.0),
        False,
        queued=[{"trial_index": 1, "sim_runtime": 1.0, "sim_start_time": None, "sim_queued_time": 0.0}],
        running=[{"trial_index": 0, "sim_runtime": 3.0, "sim_start_time": 0.0, "sim_completed_time": None}],
        failed=[],
        completed=[],
    )
    simulator = BackendSimulator.from_state(state)
    finish(simulator)
    assert (times(simulator, 0), times(simulator, 1)) == ((0.0, 3.0), (3.0, 4.0))


def test_a_machine_with_the_real_clock_goes_on_too():
    clock = Hand(0.0)
    simulator = machine(1, clock=clock)
    simulator.run_trial(0, 1.0)
    simulator.run_trial(1, 1.0)
    clock.seconds = 0.5
    restored = again(simulator, clock=clock)
    clock.seconds = 7.0
    assert restored.update() == simulator.update() == [0, 1, 1]
    assert told(restored) == told(simulator)


def test_news_that_nobody_has_heard_are_part_of_the_state():
    simulator = machine(1)
    simulator.run_trial(0, 5.0)
    simulator.run_trial(1, 5.0)
    simulator.stop_trial(0)
    assert again(simulator).take_news() == simulator.take_news() == [0, 1]


def test_an_update_is_one_line_in_the_log(caplog):
    simulator = machine(1)
    quiet = BackendSimulator(BackendSimulatorOptions(internal_clock=0.0), verbose_logging=False)
    with caplog.at_level(logging.INFO, "runwright.simulation"):
        simulator.run_trial(0, 1.0)
        simulator.update()
        quiet.update()
    (line,) = caplog.messages
    assert line == "BackendSimulator(time=1: 0 queued, 0 running, 0 failed, 1 completed, 0 stopped)"
