"""`Runner.stop`, `Runner.close`, and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runwright.clock import monotonic
from runwright.result import Result
from runwright.runner import Limits
from runwright.status import FailureKind, TrialStatus
from runwright.testing.runners.deploying import check_result
from runwright.testing.runners.driver import LIVE
from runwright.testing.runners.fixtures import RunnerFixtures
from runwright.testing.runners.identity import check_sentence
from runwright.testing.runners.patience import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from runwright.runner import Traits
    from runwright.testing.runners.driver import Driver
    from runwright.testing.runners.fixtures import OpenDriver
    from runwright.testing.runners.work import Work
    from runwright.trial import BaseTrial

_GRACE = 0.5
_OUTPUT = 20_000


class RunnerStops(RunnerFixtures):
    """Ends on request, by limits, and with the runner."""

    def running(self, driver: Driver, work: Work, task: str = "long") -> BaseTrial:
        """Run a trial that has to be ended, and wait until it has begun."""
        trial = driver.trial(0, work.point(task))
        driver.run(trial)
        witness = work.witness
        if witness is not None:
            driver.turn_until(lambda: witness.begun() == 1, "the evaluation did not begin")
        return trial

    def test_stop_answers_with_the_reason(self, drive: OpenDriver, work: Work) -> None:
        """`{"reason": reason}`, or `{}`: of a live trial, of one that has ended, of one that nobody knows."""
        driver = drive()
        trial = driver.trial(0, work.point("good"))
        driver.run(trial)
        driver.settle(trial)
        for asked in (trial, driver.trial(9, work.point("good"))):
            assert driver.runner.stop(asked, "it is not needed") == {"reason": "it is not needed"}
            assert driver.runner.stop(asked) == {}

    def test_stop_leaves_alone_what_has_ended(self, drive: OpenDriver, work: Work) -> None:
        """Its status and its result stay."""
        driver = drive()
        trial = driver.trial(0, work.point("good"))
        result = driver.result(trial).to_json()
        driver.runner.stop(trial, "too late")
        driver.wait(driver.clock.now())
        assert driver.status(trial) is TrialStatus.COMPLETED
        assert driver.runner.fetch_result(trial).to_json() == result

    def test_a_running_trial_is_stopped_and_polls_confirm_it(
        self, drive: OpenDriver, work: Work, traits: Traits
    ) -> None:
        """Asked twice it is stopped once: ABANDONED, when nothing of it is alive, and its room is free again."""
        if not traits.stops:
            pytest.skip("it cannot stop a running trial")
        driver = drive()
        room = driver.runner.poll_available_capacity()
        trial = self.running(driver, work)
        assert driver.runner.stop(trial, "enough") == {"reason": "enough"}
        assert driver.runner.stop(trial, "enough") == {"reason": "enough"}
        assert driver.settle(trial) == {0: TrialStatus.ABANDONED}
        work.check_dead("it is said to have been stopped")
        result = driver.runner.fetch_result(trial)
        check_result(result, trial)
        assert result.arms == {}, "a stopped evaluation measured nothing"
        driver.runner.stop(trial)
        assert driver.status(trial) is TrialStatus.ABANDONED
        driver.turn_until(lambda: driver.runner.poll_available_capacity() == room, "its room did not come back")
        assert driver.result(driver.trial(1, work.point("good", 2))).failure is None

    def test_stop_does_not_wait(self, drive: OpenDriver, work: Work, traits: Traits) -> None:
        """An evaluation that is deaf to the polite signal does not hold up who stops it; the grace ends it."""
        if not traits.stops:
            pytest.skip("it cannot stop a running trial")
        driver = drive(Limits(grace=_GRACE))
        trial = self.running(driver, work, "stubborn")
        began = monotonic()
        driver.runner.stop(trial)
        seconds = monotonic() - began
        if driver.status(trial) not in LIVE:  # else it surely has not waited for the end
            assert seconds < _GRACE / 2, f"stop took {seconds:.2g} s"
        assert driver.settle(trial) == {0: TrialStatus.ABANDONED}
        work.check_dead("it is said to have been stopped")

    def test_where_it_cannot_stop_a_trial_goes_on(self, drive: OpenDriver, work: Work, traits: Traits) -> None:
        """It does not raise, and does not say that the trial was stopped."""
        if traits.stops:
            pytest.skip("it stops running trials")
        driver = drive()
        trial = self.running(driver, work)
        driver.runner.stop(trial, "enough")
        assert driver.status(trial) in LIVE
        work.release()
        assert driver.settle(trial) == {0: TrialStatus.COMPLETED}
        assert driver.runner.fetch_result(trial).failure is None

    def test_a_queued_trial_is_stopped_before_it_begins(self, drive: OpenDriver, work: Work) -> None:
        """It leaves the queue, and never begins; the others go on."""
        if self.queues is None:
            pytest.skip("it has no queue")
        driver = drive()
        running = [driver.trial(index, work.point("long", index)) for index in range(self.queues)]
        queued = driver.trial(self.queues, work.point("long", self.queues))
        for trial in (*running, queued):
            driver.deployed(trial, driver.runner.run(trial))
        assert driver.status(queued) in LIVE
        driver.runner.stop(queued)
        assert driver.settle(queued) == {self.queues: TrialStatus.ABANDONED}
        assert isinstance(driver.runner.fetch_result(queued), Result)
        assert {driver.status(trial) for trial in running} <= set(LIVE)
        work.release()
        assert set(driver.settle(*running).values()) == {TrialStatus.COMPLETED}
        work.check_begun(self.queues)

    # Limits.

    @pytest.mark.parametrize(
        ("limit", "task", "kind", "limits"),
        [
            ("timeout", "long", FailureKind.TIMEOUT, Limits(timeout=0.3, grace=0.5)),
            ("memory", "hungry", FailureKind.MEMORYOUT, Limits(memory=128 * 2**20, grace=0.5)),
        ],
        ids=["timeout", "memory"],
    )
    def test_a_limit_ends_the_evaluation(
        self,
        drive: OpenDriver,
        work: Work,
        traits: Traits,
        limit: str,
        task: str,
        kind: FailureKind,
        limits: Limits,
    ) -> None:
        """FAILED, with the kind of the limit and a sentence, when nothing of it is alive; the next one is unharmed."""
        if limit not in traits.enforces:
            pytest.skip(f"it does not enforce {limit}")
        driver = drive(limits)
        trial = driver.trial(0, work.point(task))
        driver.run(trial)
        assert driver.settle(trial) == {0: TrialStatus.FAILED}
        work.check_dead("it was ended by its limit")
        result = driver.runner.fetch_result(trial)
        check_result(result, trial)
        assert result.failure is not None
        assert result.failure.kind is kind, result.failure
        check_sentence(result.failure.message)

    def test_output_beyond_the_limit_is_not_kept(
        self, drive: OpenDriver, work: Work, traits: Traits, directory: Path
    ) -> None:
        """The attempt has failed by it, and no file of the run directory is much larger than the limit."""
        if "output" not in traits.enforces:
            pytest.skip("it does not enforce output")
        driver = drive(Limits(output=_OUTPUT, grace=0.5))
        trial = driver.trial(0, work.point("loud"))
        failure = driver.result(trial).failure
        assert failure is not None, "it wrote too much, and has no failure"
        assert failure.kind is FailureKind.OUTPUT_LIMIT, failure
        check_sentence(failure.message)
        files = [path for path in directory.rglob("*") if path.is_file()]
        assert max(path.stat().st_size for path in files) < 2 * _OUTPUT

    # Close.

    def test_close_ends_what_does_not_survive(self, drive: OpenDriver, work: Work, traits: Traits) -> None:
        """Nothing is left of it."""
        if traits.survives_driver:
            pytest.skip("its trials go on without it")
        if not self.ends_on_close:
            pytest.skip("what it evaluates is in somebody else's hands")
        driver = drive()
        self.running(driver, work)
        witness = work.need_witness()
        driver.runner.close()
        driver.live.clear()
        wait_until(lambda: not witness.alive(), "the runner is closed, and its evaluation goes on")
