"""An experiment of Ax's goes on after its process: its jobs are found again by experiment, index and parameters."""

from __future__ import annotations

import pytest

pytest.importorskip("ax")

from ax.core.trial_status import TrialStatus

from runwright.bridges import ax_deployments
from runwright.bridges.ax import AxRunner, RefusedError
from runwright.journal import read_events
from runwright.state import State
from tests.bridges.ax_driving import experiment, trial_of
from tests.fakes import FakeRunner, World


def over(world: World, directory=None, **settings) -> AxRunner:
    """A runner of a new process, over the jobs that are there."""
    return AxRunner(FakeRunner(world, **{"simulated": True, "survives_driver": True, **settings}), directory=directory)


def killed(runner: AxRunner) -> None:
    """Leave nothing behind but what a kill -9 leaves: what was committed."""
    session = runner._deployments._opened.session
    session.recorder._pending.clear()
    session.close()
    ax_deployments._opened.clear()


def recorded(directory) -> State:
    return State.of(read_events(directory / "journal.sqlite"))


def test_a_running_job_is_followed(tmp_path) -> None:
    world = World(seconds=10.0)
    first = experiment(over(world, tmp_path))
    trial = trial_of(first, 0.1).run()
    killed(first.runner)
    trial.experiment.runner = over(world, tmp_path)  # as Ax's storage gives it back
    assert first.runner.poll_trial_status([trial]) == {TrialStatus.COMPLETED: {0}}
    assert sum(world.starts.values()) == 1


def test_what_was_submitted_before_ax_had_stored_it_is_adopted(tmp_path) -> None:
    """A kill between submission and return: Ax has no such trial, and asks its strategy for the same point again."""
    world = World(seconds=10.0)
    first = experiment(over(world, tmp_path))
    trial_of(first, 0.1).run()
    killed(first.runner)
    again = experiment(over(world, tmp_path))
    trial = trial_of(again, 0.1).run()
    assert again.runner.poll_trial_status([trial]) == {TrialStatus.COMPLETED: {0}}
    assert sum(world.starts.values()) == 1, "Ax itself leaves an orphan and submits a second job"


def test_a_job_with_other_parameters_is_stopped_and_kept_as_evidence(tmp_path) -> None:
    world = World(seconds=10.0)
    first = experiment(over(world, tmp_path))
    trial_of(first, 0.1).run()
    killed(first.runner)
    again = experiment(over(world, tmp_path))
    trial = trial_of(again, 0.9).run()
    assert again.runner.poll_trial_status([trial]) == {TrialStatus.COMPLETED: {0}}
    again.runner.close()
    state = recorded(tmp_path)
    other, ours = state.trials
    assert world.jobs[0, 1].stopped
    assert other.status.name == "ABANDONED"
    assert other.stop_requested == "Ax gave its trial 0 other parameters, which trial 1 evaluates"
    assert (ours.arms[0].parameters["x1"], ours.arms[0].name) == (0.9, "0_0")


def test_an_old_result_with_other_parameters_is_not_taken(tmp_path) -> None:
    world = World()
    first = experiment(over(world, tmp_path))
    old = trial_of(first, 0.1).run()
    first.runner.poll_trial_status([old])
    first.runner.close()
    again = experiment(over(world, tmp_path))
    trial = trial_of(again, 0.9).run()
    assert trial.run_metadata["runwright"]["trial"] == 1
    assert again.runner.poll_trial_status([trial]) == {TrialStatus.COMPLETED: {0}}
    assert world.starts == {(0, 1): 1, (1, 1): 1}
    assert [one.status.name for one in recorded(tmp_path).trials] == ["COMPLETED", "COMPLETED"]


def test_each_later_process_finds_the_latest_job_of_an_index(tmp_path) -> None:
    world = World(seconds=50.0)
    for x1 in (0.1, 0.9):
        exp = experiment(over(world, tmp_path))
        trial = trial_of(exp, x1).run()
        killed(exp.runner)
    exp.runner = over(world, tmp_path)
    assert exp.runner.poll_trial_status([trial]) == {TrialStatus.COMPLETED: {0}}
    assert world.starts == {(0, 1): 1, (1, 1): 1}


def test_a_trial_on_record_without_a_job_is_not_reported_of_a_trial_of_other_parameters(tmp_path) -> None:
    world = World()
    first = experiment(over(world, tmp_path))
    trial_of(first, 0.1).run()
    killed(first.runner)
    again = experiment(over(world, tmp_path))
    by_hand = trial_of(again, 0.9).mark_running(no_runner_required=True)
    assert again.runner.poll_trial_status([by_hand]) == {}


def test_a_failure_is_told_again_and_not_evaluated_again(tmp_path) -> None:
    from tests.fakes import crash

    world = World(outcome=crash("exit status 9"))
    first = experiment(over(world, tmp_path))
    trial = trial_of(first, 0.1).run()
    first.runner.poll_trial_status([trial])
    killed(first.runner)
    first.runner = over(world, tmp_path)
    assert first.runner.poll_trial_status([trial]) == {TrialStatus.FAILED: {0}}
    assert first.runner.poll_exception(trial) == "exit status 9"
    assert sum(world.starts.values()) == 1


def test_what_was_in_memory_is_evaluated_again() -> None:
    world = World()
    exp = experiment(over(world, survives_driver=False))
    trial = trial_of(exp, 0.1).run()
    exp.runner.close()
    exp.runner = over(World(), survives_driver=False)
    assert exp.runner.poll_trial_status([trial]) == {TrialStatus.COMPLETED: {0}}


def test_an_experiment_without_a_name_goes_by_its_indices(tmp_path) -> None:
    world = World()
    first = experiment(over(world, tmp_path), name=None)
    trial_of(first, 0.1).run()
    killed(first.runner)
    again = experiment(over(world, tmp_path), name=None)
    trial = trial_of(again, 0.1).run()
    assert again.runner.poll_trial_status([trial]) == {TrialStatus.COMPLETED: {0}}
    assert sum(world.starts.values()) == 1
    assert again.runner._deployments.name == "ax"


def test_another_experiment_is_refused(tmp_path) -> None:
    world = World()
    first = experiment(over(world, tmp_path))
    trial_of(first, 0.1).run()
    other = experiment(first.runner, name="other")
    with pytest.raises(RefusedError, match="executes the trials of experiment 'exp'; make another one"):
        trial_of(other, 0.1).run()
    first.runner.close()
    other.runner = over(world, tmp_path)
    with pytest.raises(RefusedError, match="name: 'exp' became 'other'"):
        trial_of(other, 0.1).run()


def test_objectives_that_ax_learns_later_are_no_other_experiment(tmp_path) -> None:
    world = World()
    first = experiment(over(world, tmp_path), metrics=[_metric("y"), _metric("z")], objective="-y")
    trial_of(first, 0.1).run()
    first.runner.close()
    again = experiment(over(world, tmp_path), metrics=[_metric("y"), _metric("z")], objective="-y, z")
    trial_of(again, 0.1).run()
    assert recorded(tmp_path).experiment.objectives == {"y": "minimize"}


def _metric(name):
    from runwright.bridges.ax import RunnerMetric

    return RunnerMetric(name)
