"""`SingleRunningTrialMixin`: the sentences of its reference page, and what a scheduler makes of it."""

from __future__ import annotations

import itertools

import pytest

import runwright as rw
from runwright.clock import VirtualClock
from runwright.journal import MemoryJournal
from runwright.optimizers import RandomOptimizer
from runwright.runners import LocalMetadataRunner, ProcessRunner, SingleRunningTrialMixin, SyntheticRunner
from runwright.status import StopCause
from tests.fakes import FakeRunner, ListOptimizer, World

S = rw.TrialStatus
EXPERIMENT = rw.Experiment("e", {"x": rw.Float(0, 9)}, {"y": "minimize"})


class SingleSynthetic(SingleRunningTrialMixin, SyntheticRunner):
    pass


class SingleLocal(SingleRunningTrialMixin, LocalMetadataRunner):
    pass


class SingleProcess(SingleRunningTrialMixin, ProcessRunner):
    pass


class SingleInAWorld(SingleRunningTrialMixin, FakeRunner):
    """Trials of a world that outlives the driver; what has ended there is seen as the mixin says."""

    def fetch_result(self, trial):
        return rw.Result({trial.arms[0].name: {"y": (float(trial.index), None)}})

    def wait(self, until, waker):
        self.context.clock.advance_to(self.context.clock.now() + 1.0 if until is None else until)


def trials(*statuses):
    made = []
    for index, status in enumerate(statuses):
        trial = EXPERIMENT.new_trial(index, [{"x": 1.0}])
        trial._status = status
        made.append(trial)
    return made


def square(x):
    return x * x


def test_its_base_is_object():
    assert SingleRunningTrialMixin.__bases__ == (object,)


def test_the_latest_running_trial_runs_and_earlier_ones_are_completed():
    found = SingleSynthetic().poll_trial_status(trials(S.RUNNING, S.RUNNING, S.RUNNING))
    assert found == {S.COMPLETED: {0, 1}, S.RUNNING: {2}}


@pytest.mark.parametrize("status", [S.CANDIDATE, S.STAGED])
def test_other_trials_that_have_not_ended_keep_their_status(status):
    found = SingleSynthetic().poll_trial_status(trials(status, S.RUNNING, status))
    assert found == {status: {0, 2}, S.RUNNING: {1}}


@pytest.mark.parametrize("status", [status for status in S if status.is_terminal])
def test_trials_in_each_of_the_five_terminal_states_are_skipped(status):
    assert SingleSynthetic().poll_trial_status(trials(status)) == {}
    assert SingleSynthetic().poll_trial_status(trials(S.RUNNING, status)) == {S.RUNNING: {0}}


def test_no_trials():
    assert SingleSynthetic().poll_trial_status(iter([])) == {}


def test_a_trial_that_was_asked_to_stop_is_abandoned():
    polled = trials(S.RUNNING, S.STAGED, S.RUNNING, S.CANDIDATE)
    for trial in polled[1:]:
        trial.stop_requested = "enough"
    assert SingleSynthetic().poll_trial_status(polled) == {S.COMPLETED: {0}, S.ABANDONED: {1, 2}, S.CANDIDATE: {3}}


@pytest.mark.parametrize("parallel", [None, 1, 3])
def test_under_the_scheduler_one_whose_last_trial_never_ends_detaches_it(parallel):
    with rw.Scheduler(EXPERIMENT, RandomOptimizer(), SingleLocal(square), trials=4, parallel=parallel) as scheduler:
        results = scheduler.run()
        state = scheduler.state
    assert [row["status"] for row in results] == ["COMPLETED"] * 3 + ["RUNNING"]
    assert state.detached == {3}
    assert state.stop_reason is rw.StopReason.TRIALS
    assert state.stop_message == "all 4 trials have ended, but the latest, which goes on"


def test_programs_that_end_are_replaced(tmp_path):
    """Their ends are news that somebody must read: a driver whose runner has unread ones never waits."""
    runner = SingleProcess(["sh", "-c", "echo '{{\"y\": 1}}' > result.json"])
    turns = itertools.count(1)
    with rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, trials=4, directory=tmp_path / "run") as scheduler:

        def turned(*_):
            if next(turns) == 100:
                scheduler.detach()

        results = scheduler.run(on_turn=turned)
    assert [row["status"] for row in results] == ["COMPLETED"] * 3 + ["RUNNING"]


def test_the_next_driver_follows_the_last_trial_and_replaces_it():
    world, journal = World(seconds=1e9), MemoryJournal()
    for wanted in (2, 2, 3):
        runner = SingleInAWorld(world, survives_driver=True)
        optimizer = ListOptimizer(*[{"x": 1.0}] * 2)
        with rw.Scheduler(
            EXPERIMENT, optimizer, runner, trials=wanted, journal=journal, clock=VirtualClock()
        ) as scheduler:
            results = scheduler.run()
        assert [row["status"] for row in results] == ["COMPLETED"] * (wanted - 1) + ["RUNNING"]
        assert scheduler.state.detached == {wanted - 1}
    assert world.starts.total() == 3
    assert results[0]["metrics"] == {"y": {"mean": 0.0, "sem": None}}


def in_a_world(*steps, **settings):
    runner = SingleInAWorld(World(seconds=1e9), survives_driver=True)
    return rw.Scheduler(EXPERIMENT, ListOptimizer(*steps), runner, clock=VirtualClock(), **settings)


def test_it_ends_where_nothing_more_is_proposed():
    with in_a_world({"x": 1.0}, {"x": 2.0}, parallel=1) as scheduler:
        scheduler.run()
        assert scheduler.state.stop_reason is rw.StopReason.EXHAUSTED
        assert scheduler.state.detached == {1}


def test_it_ends_where_the_optimizer_waits_for_the_last_trial():
    with in_a_world({"x": 1.0}, None, None, parallel=2) as scheduler:
        scheduler.run()
        assert scheduler.state.stop_reason is rw.StopReason.EXHAUSTED
        assert scheduler.state.detached == {0}


def test_the_last_trial_does_not_hold_a_draining_driver():
    with in_a_world(*[{"x": 1.0}] * 9, trials=9, parallel=1) as scheduler:
        scheduler.run(on_turn=lambda state, _: scheduler.drain() if len(state.trials) == 3 else None)
        assert scheduler.state.detached == {2}


def test_an_interrupted_driver_stops_the_last_trial():
    with in_a_world(*[{"x": 1.0}] * 9, trials=9, parallel=1) as scheduler:
        scheduler.run(on_turn=lambda state, _: scheduler.interrupt() if len(state.trials) == 3 else None)
        assert scheduler.state.detached == set()
        assert scheduler.state.trials[2].status is S.CANDIDATE
        assert str(scheduler.state.trials[2].attempts[-1].outcome.value) == "interrupted"


def test_a_user_stops_the_last_trial_before_the_experiment_ends():
    with in_a_world({"x": 1.0}, {"x": 2.0}, trials=2, parallel=1) as scheduler:

        def stop(state, _):
            if len(state.trials) == 2 and 1 in state.running and not state.stopping:
                scheduler._engine.stop(1, StopCause.USER, "enough")

        scheduler.run(on_turn=stop)
        assert scheduler.state.trials[1].status is S.ABANDONED
        assert scheduler.state.detached == set()
