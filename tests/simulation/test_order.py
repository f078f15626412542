"""What happens when, against two independent references, over many random cases."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.machines import Hand, again, finish, machine, times, told
from tests.simulation.reference import NEVER, Bench, Job, list_scheduling

# Few different numbers make many ties; the others have digits that rounding could lose.
moments = st.one_of(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]), st.floats(0, 10).map(lambda number: number / 3))
runtimes = st.one_of(st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.0, 3.0]), st.floats(0, 10).map(lambda number: number / 7))
speeds = st.lists(st.sampled_from([0.5, 1.0, 1.0, 2.0, 3.0]), min_size=1, max_size=4)
many = settings(max_examples=1000, derandomize=True, deadline=None)


@st.composite
def arrivals(draw):
    found = draw(st.lists(st.tuples(moments, runtimes), min_size=1, max_size=25))
    return [Job(index, *case) for index, case in enumerate(sorted(found, key=lambda case: case[0]))]


@st.composite
def stopped(draw):
    jobs = draw(arrivals())
    for job in jobs:
        if draw(st.integers(0, 2)) == 0:
            job.stopped_at = job.arrives + draw(moments)
    return jobs


def actions(jobs):
    """Moments at which somebody does something, and what."""
    for moment in sorted({at for job in jobs for at in (job.arrives, job.stopped_at) if at < NEVER}):
        stops = [job for job in jobs if job.stopped_at == moment and job.arrives < moment]
        yield moment, stops, [job for job in jobs if job.arrives == moment]


def drive(simulator, jobs, move):
    """Submit and stop what is to be, and let the machine run out; return what it said in order."""
    heard = []

    def hear(changed):
        heard.extend((index, simulator.lookup_trial_index_status(index).name) for index in changed)

    for moment, stops, submissions in actions(jobs):
        move(simulator, moment, hear)
        for job in stops:
            simulator.stop_trial(job.index)
        for job in submissions:
            simulator.run_trial(job.index, job.runtime)
            if job.stopped_at == moment:
                simulator.stop_trial(job.index)
    while simulator.next_event() is not None:
        hear(simulator.update())
    return heard


def jump(simulator, moment, hear):
    hear(simulator.update(moment))


def step(simulator, moment, hear):
    while (due := simulator.next_event()) is not None and due <= moment:
        hear(simulator.update())
    hear(simulator.update(moment))


@pytest.mark.slow
@many
@given(arrivals(), st.integers(1, 5), st.sampled_from([jump, step]))
def test_no_inversion_against_list_scheduling(jobs, slots, move):
    simulator = machine(slots)
    heard = drive(simulator, jobs, move)
    expected = list_scheduling(jobs, slots)
    assert [times(simulator, job.index) for job in jobs] == expected
    order = {index: place for place, (index, status) in enumerate(heard) if status == "COMPLETED"}  # told last: its end
    missing = {job.index for job in jobs} - order.keys()
    assert all(job.runtime == 0 for job in jobs if job.index in missing), "an end was not told"
    inversions = sum(
        expected[first.index][1] < expected[second.index][1] and order[first.index] > order[second.index]
        for first in jobs
        for second in jobs
        if first.index in order and second.index in order
    )
    assert inversions == 0
    begun = [simulator.get_sim_trial_by_index(job.index).sim_start_time for job in jobs]
    assert begun == sorted(begun), "first come, first served"


@pytest.mark.slow
@many
@given(stopped(), speeds, st.sampled_from([jump, step]))
def test_stops_and_unequal_slots_against_a_scan(jobs, factors, move):
    simulator = machine(len(factors), speeds=factors)
    for job in jobs:  # the scan knows no trial that is stopped at the moment of its submission
        if job.stopped_at <= job.arrives:
            job.stopped_at = NEVER
    drive(simulator, jobs, move)
    Bench(jobs, factors).run()
    for job in jobs:
        found = simulator.get_sim_trial_by_index(job.index)
        assert (found.sim_start_time, found.sim_completed_time, found.phase.label) == (job.begun, job.ended, job.state)
        if job.slot is not None:
            assert found.slot == job.slot
    assert (simulator.num_completed, simulator.num_stopped) == tuple(
        sum(job.state == state for job in jobs) for state in ("completed", "stopped")
    )
    assert (simulator.num_running, simulator.num_queued, simulator.num_failed) == (0, 0, 0)
    assert simulator.available == len(factors)


@pytest.mark.slow
@many
@given(stopped(), st.integers(1, 3), st.lists(moments, max_size=10))
def test_when_somebody_looks_changes_nothing_with_the_real_clock(jobs, slots, looks):
    """Whoever polls a real clock seldom finds the same beginnings and ends as one that looks at each event."""
    exact, hand = machine(slots), Hand(0.0)
    real = machine(slots, clock=hand)
    drive(exact, jobs, jump)
    for moment, stops, submissions in actions(jobs):
        for look in sorted(looks):
            if hand.seconds < look < moment:
                hand.seconds = look
                real.update()
        hand.seconds = moment
        for job in stops:
            real.stop_trial(job.index)
        for job in submissions:
            real.run_trial(job.index, job.runtime)
            if job.stopped_at == moment:
                real.stop_trial(job.index)
    hand.seconds = 1e6
    real.update()
    assert [times(real, job.index) for job in jobs] == [times(exact, job.index) for job in jobs]
    assert real.status().completed == exact.status().completed


@pytest.mark.slow
@settings(max_examples=300, derandomize=True, deadline=None)
@given(stopped(), speeds, st.integers(0, 30), st.integers(0, 2**32))
def test_a_machine_goes_on_identically_from_its_state(jobs, factors, when, seed):
    from runwright.simulation import Crash, LostWorker, Preemption, Straggler

    options = {
        "speeds": factors,
        "seed": seed,
        "failure_rate": 0.2,
        "start_delay": (0.0, 0.5),
        "stop_delay": 0.25,
        "faults": (
            Straggler(0.2, 3.0),
            Crash(0.2),
            LostWorker(0.2, down=1.0),
            Preemption(0.4, times=2, taken=0.5, keeps_progress=True),
        ),
    }
    simulator = machine(len(factors), **options)
    for job in jobs:
        simulator.run_trial(job.index, job.runtime)
    for _ in range(when):
        simulator.update()
    for job in jobs[::5]:
        simulator.stop_trial(job.index)
    restored = again(simulator)
    assert told(restored) == told(simulator)
    while simulator.next_event() is not None:
        assert restored.next_event() == simulator.next_event()
        assert restored.update() == simulator.update()
        assert told(restored) == told(simulator)
    assert restored.next_event() is None
    assert told(finish(restored)) == told(simulator)
