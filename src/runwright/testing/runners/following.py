"""`Runner.reattach`: what an earlier driver left, alive, ended, or dead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runwright.runner import Ended, Following, Limits, Lost, NeverStarted
from runwright.status import FailureKind, TrialStatus
from runwright.testing.runners.driver import LIVE
from runwright.testing.runners.driver_process import DriverProcess
from runwright.testing.runners.fixtures import RunnerFixtures
from runwright.testing.runners.identity import check_sentence
from runwright.testing.runners.patience import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runwright.experiment import Experiment
    from runwright.result import Json
    from runwright.runner import Reattachment, Runner, Traits
    from runwright.testing.runners.driver import Driver
    from runwright.testing.runners.fixtures import OpenDriver
    from runwright.testing.runners.work import Work
    from runwright.trial import BaseTrial


def answer(driver: Driver, trial: BaseTrial) -> Reattachment:
    """Ask what became of an attempt, again while it is not known."""
    found: dict[int, Reattachment] = {}

    def known() -> bool:
        found.update(driver.runner.reattach([trial]))
        assert found.keys() <= {trial.index}, f"asked about trial {trial.index} alone, it answers about {list(found)}"
        return bool(found)

    wait_until(known, "what became of the attempt is still unknown")
    return found[trial.index]


class RunnerFollows(RunnerFixtures):
    """Another runner of the same arguments in the same run directory."""

    @pytest.fixture
    def lose(self) -> Callable[[Json], None] | None:
        """Makes a running attempt vanish without a record, given its run metadata; None: nobody knows how."""
        return None

    @pytest.fixture
    def start_driver(
        self, make_runner: Callable[[], Runner], experiment: Experiment, directory: Path, work: Work
    ) -> Callable[..., DriverProcess]:
        """Starts a driver in a process of its own, given points; see `DriverProcess`."""
        if not self.saves:
            pytest.skip("a runner that cannot be saved cannot be made in another process")
        work.need_witness()
        return lambda points, **more: DriverProcess(make_runner(), experiment, directory, points, **more)

    # Who survives.

    @pytest.mark.parametrize("metadata_are", ["told", "lost"])
    def test_what_runs_is_followed(self, drive: OpenDriver, work: Work, traits: Traits, metadata_are: str) -> None:
        """Following, with the metadata, which may have been lost; it is polled as ever, and evaluated once."""
        self.need_survivor(traits)
        first = drive()
        trial = first.trial(0, work.point("long"))
        metadata = first.run(trial)
        first.turn_until(lambda: work.need_witness().begun() == 1, "the evaluation did not begin")
        first.live.clear()
        first.close()
        assert work.need_witness().alive(), "it was to survive, and is gone"
        second = drive()
        again = second.trial(0, work.point("long"))
        again.run_metadata = metadata if metadata_are == "told" else {}
        found = answer(second, again)
        assert isinstance(found, Following), f"the attempt is alive, and reattach says {found}"
        assert found.metadata == metadata
        second.deployed(again, found.metadata)
        assert second.status(again) in LIVE
        assert second.runner.run(again) == metadata, "adopt or start"
        work.release()
        assert second.settle(again) == {0: TrialStatus.COMPLETED}
        assert second.runner.fetch_result(again).failure is None
        work.check_begun(1)

    def test_what_ended_meanwhile_is_taken_in(self, drive: OpenDriver, work: Work, traits: Traits) -> None:
        """Ended, or Following until a poll says so; the result is that of the first runner."""
        self.need_survivor(traits)
        tasks = work.offered("good", "bad")
        first = drive()
        trials = [first.trial(index, work.point(task)) for index, task in enumerate(tasks)]
        metadata = [first.run(trial) for trial in trials]
        ends = first.settle(*trials)
        results = [first.runner.fetch_result(trial).to_json() for trial in trials]
        first.close()
        second = drive()
        again = [second.trial(index, work.point(task)) for index, task in enumerate(tasks)]
        for trial, facts in zip(again, metadata, strict=True):
            trial.run_metadata = facts
            found = answer(second, trial)
            assert isinstance(found, Ended | Following), f"the attempt has a result, and reattach says {found}"
            assert found.metadata == facts
            second.deployed(trial, found.metadata)
        assert second.settle(*again) == ends
        assert [second.runner.fetch_result(trial).to_json() for trial in again] == results
        work.check_begun(len(tasks))

    def test_what_was_never_sent_is_sent_under_the_same_number(
        self, drive: OpenDriver, work: Work, traits: Traits
    ) -> None:
        """NeverStarted; `run` then starts it, once."""
        self.need_survivor(traits)
        driver = drive()
        trial = driver.trial(0, work.point("good"))
        found = answer(driver, trial)
        assert isinstance(found, NeverStarted), f"nobody has sent the attempt, and reattach says {found}"
        assert answer(driver, trial) == found
        driver.run(trial)
        assert driver.settle(trial) == {0: TrialStatus.COMPLETED}
        work.check_begun(1)

    def test_its_own_running_attempt_is_followed(self, drive: OpenDriver, work: Work, traits: Traits) -> None:
        """So the engine asks after a submission that raised; an attempt that it has is never Lost."""
        self.need_survivor(traits)
        driver = drive()
        trial = driver.trial(0, work.point("long"))
        metadata = driver.run(trial)
        assert answer(driver, trial) == Following(metadata)
        work.release()
        assert driver.settle(trial) == {0: TrialStatus.COMPLETED}

    def test_what_vanished_is_lost(
        self, drive: OpenDriver, work: Work, traits: Traits, lose: Callable[[Json], None] | None
    ) -> None:
        """Confirmed dead without a record: FAILED and LOST for who polls, Lost for who re-attaches."""
        self.need_survivor(traits)
        if lose is None:
            pytest.skip("nobody knows how to make its attempts vanish")
        driver = drive()
        trial = driver.trial(0, work.point("long"))
        metadata = driver.run(trial)
        driver.turn_until(lambda: work.need_witness().begun() == 1, "the evaluation did not begin")
        lose(metadata)
        assert driver.settle(trial) == {0: TrialStatus.FAILED}
        failure = driver.runner.fetch_result(trial).failure
        assert failure is not None
        assert failure.kind is FailureKind.LOST
        check_sentence(failure.message)
        work.check_dead("it is said to be lost")
        other = drive()
        found = answer(other, trial)
        assert isinstance(found, Lost), f"the attempt is dead, and reattach says {found}"
        check_sentence(found.reason)

    def test_a_killed_driver_costs_nothing(
        self, drive: OpenDriver, work: Work, traits: Traits, start_driver: Callable[..., DriverProcess]
    ) -> None:
        """What a driver deployed that was then killed by SIGKILL goes on, is followed, stopped, or taken in."""
        self.need_survivor(traits)
        with start_driver([work.point("long", 0), work.point("good", 1)]) as dying:
            metadata = dying.deployed()
            wait_until(lambda: work.need_witness().begun() >= 2, "the evaluations did not begin")
            dying.kill()
        driver = drive()
        trials = [driver.trial(0, work.point("long", 0)), driver.trial(1, work.point("good", 1))]
        found = [answer(driver, trial) for trial in trials]
        assert found[0] == Following(metadata[0])
        assert isinstance(found[1], Following | Ended)
        for trial in trials:
            driver.deployed(trial, metadata[trial.index])
        if traits.stops:
            driver.runner.stop(trials[0])
        work.release()
        first = TrialStatus.ABANDONED if traits.stops else TrialStatus.COMPLETED
        assert driver.settle(*trials) == {0: first, 1: TrialStatus.COMPLETED}
        work.check_dead("its trial has ended")
        work.check_begun(2)

    def test_limits_hold_without_a_driver(
        self, drive: OpenDriver, work: Work, traits: Traits, start_driver: Callable[..., DriverProcess]
    ) -> None:
        """A time limit that the runner enforces by itself ends the evaluation though the driver is dead."""
        self.need_survivor(traits)
        if "timeout" not in traits.enforces:
            pytest.skip("it does not enforce timeout")
        with start_driver([work.point("long")], limits=Limits(timeout=1.0, grace=0.5)) as dying:
            metadata = dying.deployed()
            dying.kill()
        wait_until(
            lambda: work.need_witness().begun() == 1 and not work.need_witness().alive(), "it outlives its time limit"
        )
        driver = drive()
        trial = driver.trial(0, work.point("long"))
        trial.run_metadata = metadata[0]
        found = answer(driver, trial)
        assert isinstance(found, Ended | Following)
        driver.deployed(trial, found.metadata)
        assert driver.settle(trial) == {0: TrialStatus.FAILED}
        failure = driver.runner.fetch_result(trial).failure
        assert failure is not None
        assert failure.kind is FailureKind.TIMEOUT

    def need_survivor(self, traits: Traits) -> None:
        """Skip the test where trials end with the driver."""
        if not traits.survives_driver:
            pytest.skip("its trials end with the driver")

    # Who does not.

    def test_what_ends_with_its_driver_is_lost_once_it_is_dead(
        self, drive: OpenDriver, work: Work, traits: Traits, start_driver: Callable[..., DriverProcess]
    ) -> None:
        """Lost is said of attempts that are confirmed dead; until then nothing is said."""
        if traits.survives_driver:
            pytest.skip("its trials survive the driver")
        point = work.point("long", elsewhere=True)
        with start_driver([point]) as dying:
            dying.wait_until(lambda: work.need_witness().begun() >= 1, "begun its evaluation")
            dying.kill()
        driver = drive()
        trial = driver.trial(0, point)
        found = answer(driver, trial)
        assert isinstance(found, Lost), f"the attempt ended with its driver, and reattach says {found}"
        check_sentence(found.reason)
        work.check_dead("it is said to be lost")

    def test_reattach_to_nothing(self, drive: OpenDriver) -> None:
        """Nobody asked, nothing answered."""
        assert drive().runner.reattach([]) == {}
