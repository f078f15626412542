"""What Ax's loop does with a runner that raises, lags or goes away, and what it sees of ours instead.

Each test is about a fault of Ax 1.3 that users suffer from; the loop is Ax's own ``Orchestrator``.
"""

from __future__ import annotations

import pytest

pytest.importorskip("ax")

from ax.core.trial_status import TrialStatus

from runwright.bridges.ax import AxRunner, HaltedError, RefusedError
from runwright.errors import SubmitError
from runwright.mailbox import post
from tests.bridges.ax_driving import batch_of, experiment, orchestrator, statuses, trial_of
from tests.fakes import FakeRunner, World, crash, value


def fake(world: World | None = None, **settings) -> FakeRunner:
    return FakeRunner(world, **{"simulated": True, "survives_driver": True, **settings})


def test_a_submission_that_raises_is_one_failure_with_a_reason_and_never_submitted_again() -> None:
    runner = fake().plan("run", SubmitError("the queue is closed"), trial=1, always=True)
    exp = experiment(AxRunner(runner))
    orchestrator(exp, max_pending_trials=3).run_n_trials(3)
    assert statuses(exp) == {0: "COMPLETED", 1: "FAILED", 2: "COMPLETED"}
    assert exp.trials[1].status_reason == "it could not be started: the queue is closed"
    assert runner.called("run") == [0, 1, 2], "Ax itself submits all three four times"
    assert set(runner.world.starts.values()) == {1}


def test_a_backend_that_refuses_everything_raises_nothing_into_the_loop() -> None:
    runner = fake().plan("run_multiple", OSError("no route to host"), always=True)
    exp = experiment(AxRunner(runner))
    trial = trial_of(exp, 0.1).run()
    assert exp.runner.poll_trial_status([trial]) == {TrialStatus.FAILED: {0}}
    assert exp.runner.poll_exception(trial) == "it could not be started: no route to host"


def test_an_outage_of_polling_is_no_change() -> None:
    runner = fake(World(seconds=20.0)).plan("poll_trial_status", *[OSError("timed out")] * 6)
    exp = experiment(AxRunner(runner))
    orchestrator(exp).run_n_trials(4)
    assert set(statuses(exp).values()) == {"COMPLETED"}, "Ax itself abandons all four"


def test_a_reason_that_cannot_be_asked_for_does_not_end_the_run() -> None:
    runner = fake(World(outcome=crash())).plan("poll_exception", OSError("gone"), always=True)
    runner.plan("poll_trial_status", lambda trials: {TrialStatus.FAILED: {trial.index for trial in trials}})
    exp = experiment(AxRunner(runner))
    trial = trial_of(exp, 0.1).run()
    assert exp.runner.poll_trial_status([trial]) == {TrialStatus.FAILED: {0}}
    assert exp.runner.poll_exception(trial)


def test_queued_jobs_are_waited_for() -> None:
    """Ax's loop returns as soon as no trial is RUNNING; those that wait are STAGED elsewhere."""
    world = World(seconds=1.0)
    exp = experiment(AxRunner(fake(world), parallel=1))
    loop = orchestrator(exp, max_pending_trials=5)
    for number in range(5):
        trial_of(exp, number / 8)
    loop.run_trials(existing_trials=list(exp.trials.values()), new_trials=[])
    assert set(statuses(exp).values()) == {"RUNNING"}
    loop.run_n_trials(5)
    assert list(statuses(exp).values())[:5] == ["COMPLETED"] * 5
    assert world.together == 1


def test_jobs_in_a_queue_of_the_backend_are_waited_for() -> None:
    world = World(seconds=3.0, queue={(0, 1), (1, 1)})
    runner = fake(world)
    runner.staging = True
    exp = experiment(AxRunner(runner))
    assert exp.runner.staging_required is False
    orchestrator(exp, max_pending_trials=2).run_n_trials(2)
    assert statuses(exp) == {0: "COMPLETED", 1: "COMPLETED"}


def test_a_failure_has_its_reason_in_ax() -> None:
    world = World(outcome=lambda trial: crash("exit status 3") if trial.index == 2 else value(0.5))
    exp = experiment(AxRunner(fake(world)))
    orchestrator(exp).run_n_trials(4)
    assert statuses(exp)[2] == "FAILED"
    assert exp.trials[2].status_reason == "exit status 3"
    assert exp.trials[1].status_reason is None


def test_a_missing_objective_is_a_failure_with_a_reason() -> None:
    exp = experiment(AxRunner(fake(World(outcome=crash()))))
    world = exp.runner.runner.world
    world.outcome = value(float("nan"))
    trial = trial_of(exp, 0.1).run()
    assert exp.runner.poll_trial_status([trial]) == {TrialStatus.FAILED: {0}}
    assert "'y' is nan" in exp.runner.poll_exception(trial)


def test_retries_are_ours_and_counted_once() -> None:
    world = World(outcome=lambda trial: crash() if trial.attempt == 1 else value(0.5))
    exp = experiment(AxRunner(fake(world), on_failure="retry 2"))
    orchestrator(exp).run_n_trials(3)
    assert set(statuses(exp).values()) == {"COMPLETED"}
    assert list(world.starts.values()) == [1] * 6


def test_capacity_counts_what_ended_and_was_not_told() -> None:
    """Otherwise Ax would ask its model for a point without a result that is already there."""
    world = World(seconds=1.0)
    exp = experiment(AxRunner(fake(world, capacity=-1), parallel=2))
    runner = exp.runner
    assert runner.poll_available_capacity() == 2
    first, second = trial_of(exp, 0.1), trial_of(exp, 0.2)
    first.run()
    assert runner.poll_available_capacity() == 1
    world.seconds = 5.0
    second.run()
    assert runner.poll_available_capacity() == 0
    assert runner.poll_trial_status([second, first]) == {TrialStatus.COMPLETED: {0}, TrialStatus.RUNNING: {1}}
    assert runner.poll_available_capacity() == 1


def test_an_early_stop_ends_the_job() -> None:
    world = World(seconds=100.0)
    exp = experiment(AxRunner(fake(world)))
    trial = trial_of(exp, 0.1).run()
    assert exp.runner.stop(trial, "not promising") == {"reason": "not promising"}
    trial.mark_early_stopped(unsafe=True)
    assert world.jobs[0, 1].stopped
    world.seconds = 1.0
    other = trial_of(exp, 0.2).run()
    assert exp.runner.poll_trial_status([trial, other]) == {TrialStatus.COMPLETED: {1}}
    own = exp.runner._deployments.outcomes.trial(0)
    assert (own.status.name, own.stop_requested) == ("EARLY_STOPPED", "not promising")


def test_a_trial_that_ax_gave_up_is_stopped() -> None:
    """Ax marks it ABANDONED, or FAILED after its time to live, and tells no runner: the job would keep its slot."""
    world = World(seconds=lambda trial: 100.0 if trial.index == 0 else 1.0)
    exp = experiment(AxRunner(fake(world), parallel=2))
    given_up, other = trial_of(exp, 0.1).run(), trial_of(exp, 0.2).run()
    given_up.mark_abandoned(reason="by hand")
    assert exp.runner.poll_trial_status([other]) == {TrialStatus.COMPLETED: {1}}
    assert world.jobs[0, 1].stopped
    assert exp.runner.poll_exception(given_up) == "Ax gave it up: there it is ABANDONED"
    assert exp.runner.poll_available_capacity() == 2


def test_trials_that_were_never_deployed_here_are_left_alone() -> None:
    """A person who attaches a trial, or evaluates it elsewhere, has no job of ours."""
    world = World()
    exp = experiment(AxRunner(fake(world)))
    by_hand, ours = trial_of(exp, 0.1).mark_running(no_runner_required=True), trial_of(exp, 0.2).run()
    assert exp.runner.poll_trial_status([by_hand, ours]) == {TrialStatus.COMPLETED: {1}}
    assert exp.runner.poll_trial_status([by_hand]) == {}
    assert sorted(world.jobs) == [(0, 1)], "the second of Ax's trials is our first"


def test_a_journal_that_cannot_be_written_ends_the_loop_and_no_trial() -> None:
    exp = experiment(AxRunner(fake(World(seconds=5.0))))
    trial = trial_of(exp, 0.1).run()
    exp.runner._deployments._opened.session.recorder._torn = True
    loop = orchestrator(exp)
    with pytest.raises(HaltedError, match="open the experiment anew"):
        loop.run_n_trials(3)
    assert trial.status is TrialStatus.RUNNING, "Ax itself abandons it"


def test_a_user_who_stops_the_experiment_ends_the_loop_and_no_trial(tmp_path) -> None:
    world = World(seconds=5.0)
    exp = experiment(AxRunner(fake(world), directory=tmp_path))
    trial = trial_of(exp, 0.1).run()
    post(tmp_path, {"kind": "stop", "reason": "the machine is needed"})
    loop = orchestrator(exp)
    with pytest.raises(HaltedError, match="the machine is needed"):
        loop.run_n_trials(3)
    assert trial.status is TrialStatus.RUNNING
    exp.runner.close()
    exp.runner = AxRunner(fake(world), directory=tmp_path)
    assert exp.runner.poll_trial_status([trial]) == {TrialStatus.COMPLETED: {0}}


def test_batch_trials_where_the_runner_takes_them() -> None:
    world = World(outcome=_by_arm)
    exp = experiment(AxRunner(fake(world, batches=True)))
    batch = batch_of(exp, (0.1, 0.2), (0.3, 0.4)).run()
    assert exp.runner.poll_trial_status([batch]) == {TrialStatus.COMPLETED: {0}}
    batch.mark_completed()
    data = exp.fetch_data().df.set_index("arm_name")["mean"].to_dict()
    assert data == {"0_0": 0.1, "0_1": 0.3}


def test_batch_trials_where_it_does_not_are_refused_before_anything_starts() -> None:
    world = World()
    exp = experiment(AxRunner(fake(world)))
    batch_of(exp, (0.1, 0.2), (0.3, 0.4))
    loop = orchestrator(exp)
    with pytest.raises(RefusedError, match="trial 0 has 2 arms, and FakeRunner takes no batch trials"):
        loop.run_n_trials(3)
    assert not world.jobs


def test_a_runner_that_cannot_stop_says_so() -> None:
    exp = experiment(AxRunner(fake(World(seconds=9.0), stops=False)))
    trial = trial_of(exp, 0.1).run()
    with pytest.raises(RefusedError, match="FakeRunner cannot stop a trial that has begun; wait for its end"):
        exp.stop_trial_runs([trial])
    assert trial.status is TrialStatus.RUNNING


def _by_arm(trial):
    from runwright.result import Result

    return Result({arm.name: {"y": (arm.parameters["x1"], None)} for arm in trial.arms})
