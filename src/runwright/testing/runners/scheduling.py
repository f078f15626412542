"""A runner under the real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runwright.errors import UsageError
from runwright.loop.scheduler import Scheduler
from runwright.optimizers.random_search import RandomOptimizer
from runwright.runner import Limits
from runwright.status import FailureKind, TrialStatus
from runwright.testing.runners.driver_process import DriverProcess
from runwright.testing.runners.fixtures import RunnerFixtures
from runwright.testing.runners.identity import check_sentence
from runwright.testing.runners.patience import PATIENCE, must_return

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from runwright.experiment import Experiment
    from runwright.result import Json
    from runwright.runner import Runner, Traits
    from runwright.state import State
    from runwright.testing.runners.work import Work
    from runwright.trial import BaseTrial

COMPLETED, FAILED = TrialStatus.COMPLETED, TrialStatus.FAILED


class RunnerServes(RunnerFixtures):
    """Results, retries, and drivers that die."""

    @pytest.fixture
    def schedule(
        self, make_runner: Callable[[], Runner], experiment: Experiment, directory: Path, traits: Traits
    ) -> Callable[..., Sequence[BaseTrial]]:
        """Runs points, one trial each, and returns the trials."""
        if not traits.measures:
            pytest.skip("it measures nothing: a scheduler refuses it")

        def run(points: Sequence[Json], **policy: Any) -> Sequence[BaseTrial]:
            scheduler = Scheduler(
                experiment,
                RandomOptimizer(),
                make_runner(),
                directory=directory,
                enqueue=points,
                trials=len(points),
                parallel=2,
                **{"limits": Limits(grace=0.5), **policy},
            )
            with scheduler, must_return("the scheduler does not come to an end", scheduler.interrupt, PATIENCE):
                scheduler.run()
                return _ended(scheduler.state)

        return run

    def test_a_runner_that_measures_nothing_is_refused(
        self, make_runner: Callable[[], Runner], experiment: Experiment, traits: Traits
    ) -> None:
        """The scheduler wants measurements; loops that measure by themselves do not."""
        if traits.measures:
            pytest.skip("it measures")
        with pytest.raises(UsageError) as caught:
            Scheduler(experiment, RandomOptimizer(), make_runner())
        check_sentence(str(caught.value))

    def test_every_trial_gets_its_result(self, schedule: Callable[..., Sequence[BaseTrial]], work: Work) -> None:
        """Each point is evaluated once, by itself, no more at once than allowed."""
        points = [work.point("good", x) for x in range(6)]
        trials = schedule(points)
        assert [trial.status for trial in trials] == [COMPLETED] * 6
        for point, trial in zip(points, trials, strict=True):
            assert trial.result is not None
            assert work.measured(point, trial.result.metrics)
        work.check_begun(6)
        if work.witness is not None:
            assert work.witness.together() <= 2

    def test_a_failed_trial_is_tried_again_as_often_as_asked(
        self, schedule: Callable[..., Sequence[BaseTrial]], work: Work
    ) -> None:
        """Its second attempt may succeed; who fails twice is FAILED, with the reason."""
        points = [work.point("flaky", 1), work.point("bad", 2), work.point("good", 3)]
        trials = schedule(points, on_failure="retry 1")
        assert [trial.status for trial in trials] == [COMPLETED, FAILED, COMPLETED]
        assert [trial.attempt for trial in trials] == [2, 2, 1]
        assert trials[1].failure is not None
        check_sentence(trials[1].failure.message)
        work.check_begun(5)

    def test_the_scheduler_enforces_a_time_limit_that_the_runner_does_not(
        self, schedule: Callable[..., Sequence[BaseTrial]], work: Work, traits: Traits
    ) -> None:
        """What it can stop it stops in time: FAILED, timeout; and the experiment goes on."""
        if "timeout" in traits.enforces or not traits.stops:
            pytest.skip("it enforces the limit itself, or cannot stop a trial")
        points = [work.point("long", 0), work.point("good", 1)]
        trials = schedule(points, limits=Limits(timeout=20.0 if traits.simulated else 1.0, grace=0.5))
        assert [trial.status for trial in trials] == [FAILED, COMPLETED]
        assert trials[0].failure is not None
        assert trials[0].failure.kind is FailureKind.TIMEOUT
        check_sentence(trials[0].failure.message)

    def test_the_next_driver_goes_on_where_one_died_between_trials(
        self,
        schedule: Callable[..., Sequence[BaseTrial]],
        make_runner: Callable[[], Runner],
        experiment: Experiment,
        directory: Path,
        work: Work,
    ) -> None:
        """Killed by SIGKILL without having closed anything; what is recorded is not repeated."""
        points = [work.point("good", x) for x in range(3)]
        if not self.saves:
            pytest.skip("a runner that cannot be saved cannot be made in another process")
        with DriverProcess(make_runner(), experiment, directory, points[:2], trials=2) as dying:
            dying.killed_itself()
        trials = schedule(points)
        assert [trial.status for trial in trials] == [COMPLETED] * 3
        assert [trial.attempt for trial in trials] == [1] * 3
        work.check_begun(3)

    def test_the_next_driver_goes_on_where_one_died_in_the_middle(
        self,
        schedule: Callable[..., Sequence[BaseTrial]],
        make_runner: Callable[[], Runner],
        experiment: Experiment,
        directory: Path,
        work: Work,
        traits: Traits,
    ) -> None:
        """What survived is evaluated once; what died with the driver is repeated, and is no failure."""
        points = [work.point("good", 0), *(work.point("long", x, elsewhere=True) for x in (1, 2))]
        witness = work.need_witness()
        if not self.saves:
            pytest.skip("a runner that cannot be saved cannot be made in another process")
        begun = 2 if traits.inline else 3
        with DriverProcess(make_runner(), experiment, directory, points, trials=3) as dying:
            dying.wait_until(lambda: witness.begun() >= begun, "begun all evaluations")
            if not traits.inline:  # else it is recorded after the evaluation
                dying.wait_until(lambda: dying.recorded() == begun, "recorded all deployments")
            work.check_begun(begun)
            dying.kill()
        work.release()
        trials = schedule(points)
        assert [trial.status for trial in trials] == [COMPLETED] * 3
        assert [trial.failures for trial in trials] == [0] * 3
        if traits.survives_driver:
            assert [trial.attempt for trial in trials] == [1] * 3
        once = 1 if traits.survives_driver else 2
        for x, count in enumerate([1, once, 1 if traits.inline else once]):
            work.check_begun(count, x)


def _ended(state: State) -> Sequence[BaseTrial]:
    """Return the trials, all of which have ended."""
    assert not state.live, "the scheduler left trials behind"
    return state.trials
