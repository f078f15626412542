"""`Runner.run`, `poll_trial_status` and `fetch_result`."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from runwright.result import Result, check_objectives
from runwright.status import FailureKind, TrialStatus
from runwright.testing.runners.driver import ENDS, LIVE
from runwright.testing.runners.fixtures import RunnerFixtures
from runwright.testing.runners.identity import check_sentence
from runwright.testing.runners.patience import must_return

if TYPE_CHECKING:
    from pathlib import Path

    from runwright.runner import Traits
    from runwright.testing.runners.driver import Driver
    from runwright.testing.runners.fixtures import OpenDriver
    from runwright.testing.runners.work import Work
    from runwright.trial import BaseTrial


def check_result(result: Result, trial: BaseTrial) -> None:
    """Check that a result holds together and goes through a journal."""
    assert isinstance(result, Result)
    body = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert Result.from_json(body) == result, "it comes back from JSON as another one"
    assert result.arms.keys() <= trial.arms_by_name.keys(), f"it has arms that the trial has not: {list(result.arms)}"
    for name in ("seconds", "cpu_seconds", "peak_memory"):
        value = getattr(result, name)
        assert value is None or (math.isfinite(value) and value >= 0), f"{name} is {value}"
    if result.started is not None and result.ended is not None:
        assert result.started <= result.ended


class RunnerDeploys(RunnerFixtures):
    """One trial, several trials, the same trial again."""

    def test_a_good_evaluation_completes_with_its_measurements(
        self, drive: OpenDriver, work: Work, traits: Traits
    ) -> None:
        """COMPLETED says that the result is there, with each objective."""
        driver = drive()
        point = work.point("good", 2.5)
        trial = driver.trial(0, point)
        driver.run(trial)
        assert driver.settle(trial) == {0: TrialStatus.COMPLETED}
        result = driver.runner.fetch_result(trial)
        assert result.failure is None
        check_result(result, trial)
        if traits.measures:
            check_objectives(result, driver.experiment.objectives, [trial.arms[0].name])
            assert work.measured(point, result.metrics), f"{result.metrics} was not measured at {point}"
        else:
            assert result.arms == {}, "its traits say that it measures nothing"
        assert driver.runner.poll_exception(trial) == ""
        work.check_begun(1)

    def test_run_metadata_is_json_that_finds_the_job_again(self, drive: OpenDriver, work: Work) -> None:
        """A trial that was read from a journal, with the metadata from there, is as good as the first."""
        driver = drive()
        trial = driver.trial(0, work.point("good"))
        metadata = driver.runner.run(trial)
        assert json.loads(json.dumps(metadata, allow_nan=False)) == metadata
        driver.deployed(trial, metadata)
        again = driver.trial(0, work.point("good"))
        driver.deployed(again, metadata)
        assert driver.settle(again) == {0: TrialStatus.COMPLETED}
        assert driver.runner.fetch_result(again) == driver.runner.fetch_result(trial)

    def test_keys_worth_a_report_are_in_the_run_metadata(self, drive: OpenDriver, work: Work) -> None:
        """Each of them, once, whatever becomes of the trial."""
        driver = drive()
        keys = driver.runner.run_metadata_report_keys
        assert all(isinstance(key, str) for key in keys)
        assert len(set(keys)) == len(keys)
        for index, task in enumerate(work.offered("good", "bad")):
            assert set(keys) <= driver.run(driver.trial(index, work.point(task))).keys()

    def test_a_failing_evaluation_is_a_result_with_a_reason_and_evidence(
        self, drive: OpenDriver, work: Work, directory: Path
    ) -> None:
        """`run` does not raise for it. FAILED, with kind, sentence, and the place of the log where there is one."""
        driver = drive()
        trial = driver.trial(0, work.point("bad"))
        driver.run(trial)
        assert driver.settle(trial) == {0: TrialStatus.FAILED}
        result = driver.runner.fetch_result(trial)
        check_result(result, trial)
        failure = result.failure
        assert failure is not None, "FAILED, but its result has no failure"
        assert isinstance(failure.kind, FailureKind)
        check_sentence(failure.message)
        assert driver.runner.poll_exception(trial) == failure.message
        if self.logs:
            assert failure.log is not None, "the suite was told that failed evaluations leave a log"
        if failure.log is not None:
            log = directory / failure.log
            assert log.resolve().is_relative_to(directory.resolve()), f"{failure.log} is outside the run directory"
            assert log.exists(), f"there is no {failure.log} in the run directory"

    def test_results_can_be_fetched_again(self, drive: OpenDriver, work: Work) -> None:
        """The same each time, and polls go on saying how it ended, while others run."""
        driver = drive()
        trials = [driver.trial(index, work.point(task)) for index, task in enumerate(work.offered("good", "bad"))]
        for trial in trials:
            driver.run(trial)
        ends = driver.settle(*trials)
        first = [driver.runner.fetch_result(trial).to_json() for trial in trials]
        assert [driver.runner.fetch_result(trial).to_json() for trial in trials] == first
        driver.result(driver.trial(7, work.point("good", 2)))
        assert {trial.index: driver.status(trial) for trial in trials} == ends
        assert [driver.runner.fetch_result(trial).to_json() for trial in trials] == first

    def test_the_same_attempt_is_evaluated_once(self, drive: OpenDriver, work: Work) -> None:
        """Adopt or start: asked again after the end, it gives the same metadata and starts nothing."""
        driver = drive()
        trial = driver.trial(0, work.point("good"))
        metadata = driver.run(trial)
        driver.settle(trial)
        result = driver.runner.fetch_result(trial).to_json()
        room = driver.runner.poll_available_capacity()
        again = driver.trial(0, work.point("good"))
        assert driver.runner.run(again) == metadata
        assert driver.settle(again) == {0: TrialStatus.COMPLETED}
        assert driver.runner.poll_available_capacity() == room, "an attempt that has ended takes a worker"
        assert driver.runner.fetch_result(again).to_json() == result
        work.check_begun(1)

    def test_a_running_attempt_is_adopted(self, drive: OpenDriver, work: Work) -> None:
        """Adopt or start: asked again while it runs, it starts nothing either."""
        driver = drive()
        trial = driver.trial(0, work.point("long"))
        metadata = driver.run(trial)
        self.begin(driver, work, 1)
        room = driver.runner.poll_available_capacity()
        assert driver.runner.run(driver.trial(0, work.point("long"))) == metadata
        assert driver.runner.poll_available_capacity() == room
        assert driver.status(trial) in LIVE
        work.release()
        assert driver.settle(trial) == {0: TrialStatus.COMPLETED}
        work.check_begun(1)

    def test_another_digest_under_the_same_key_is_an_error(self, drive: OpenDriver, work: Work) -> None:
        """Other parameters, budget, instance or seed; what was deployed is not harmed."""
        driver = drive()
        trial = driver.trial(0, work.point("good"))
        driver.run(trial)
        driver.settle(trial)
        result = driver.runner.fetch_result(trial).to_json()
        others: list[dict[str, Any]] = [{"budget": 2.0}, {"instance": "i"}, {"seed": 5}]
        strange = [driver.trial(0, work.point("good"), **facts) for facts in others]
        for other in [driver.trial(0, work.point("good", 7)), *strange]:
            with pytest.raises(Exception) as caught:
                driver.runner.run(other)
            check_sentence(str(caught.value))
        assert driver.status(trial) is TrialStatus.COMPLETED
        assert driver.runner.fetch_result(trial).to_json() == result
        work.check_begun(1)

    def test_another_attempt_is_another_evaluation(self, drive: OpenDriver, work: Work) -> None:
        """What became of attempt 1 is not said of attempt 2."""
        driver = drive()
        first = driver.trial(0, work.point("flaky"))
        driver.run(first)
        assert driver.settle(first) == {0: TrialStatus.FAILED}
        second = driver.trial(0, work.point("flaky"), attempt=2)
        assert driver.status(second) not in ENDS, "attempt 2 was not deployed, and is said to have ended"
        driver.run(second)
        assert driver.settle(second) == {0: TrialStatus.COMPLETED}
        assert driver.runner.fetch_result(second).failure is None
        work.check_begun(2)

    def test_the_trouble_of_one_trial_costs_no_other(self, drive: OpenDriver, work: Work) -> None:
        """Of several, the one that cannot be deployed is left out, and `submit_errors` says why."""
        driver = drive()
        known = driver.trial(0, work.point("good"))
        driver.result(known)
        strange, fine = driver.trial(0, work.point("good", 7)), driver.trial(1, work.point("good", 2))
        deployed = driver.runner.run_multiple(iter([strange, fine]))
        assert deployed.keys() == {1}, "one trial's trouble costs another"
        assert driver.runner.submit_errors.keys() == {0}
        error = driver.runner.submit_errors.pop(0)
        assert isinstance(error, Exception)
        check_sentence(str(error))
        assert driver.runner.submit_errors == {}, "the reader empties it"
        driver.deployed(fine, deployed[1])
        assert driver.settle(fine) == {1: TrialStatus.COMPLETED}
        assert driver.runner.run_multiple([]) == {}

    def test_a_failure_costs_no_other_trial(self, drive: OpenDriver, work: Work) -> None:
        """Together or one after another."""
        driver = drive()
        trials = [driver.trial(i, work.point(task, i)) for i, task in enumerate(["good", "bad", "good"])]
        for trial in trials:
            driver.run(trial)
        ends = [TrialStatus.COMPLETED, TrialStatus.FAILED, TrialStatus.COMPLETED]
        assert driver.settle(*trials) == dict(enumerate(ends))

    def test_batch_trials_are_evaluated_arm_by_arm_or_refused(
        self, drive: OpenDriver, work: Work, traits: Traits
    ) -> None:
        """`Result.arms` has each arm; or one sentence, and nothing was evaluated."""
        driver = drive()
        points = [work.point("good", 1), work.point("good", 2)]
        batch = driver.trial(0, *points)
        if not traits.batches:
            with pytest.raises(Exception) as caught:
                driver.runner.run(batch)
            check_sentence(str(caught.value))
            work.check_begun(0)
            return
        driver.run(batch)
        assert driver.settle(batch) == {0: TrialStatus.COMPLETED}
        result = driver.runner.fetch_result(batch)
        check_result(result, batch)
        if traits.measures:
            assert result.arms.keys() == batch.arms_by_name.keys()
            for arm, metrics in result.arms.items():
                assert work.measured(batch.arms_by_name[arm].parameters, metrics)

    # Polls.

    def test_a_poll_of_none_answers_about_none(self, drive: OpenDriver, work: Work) -> None:
        """Whatever runs."""
        driver = drive()
        driver.run(driver.trial(0, work.point("good")))
        assert not any(driver.runner.poll_trial_status(iter(())).values())

    def test_a_poll_answers_about_those_that_were_asked_about(self, drive: OpenDriver, work: Work) -> None:
        """Of many, each once; of some, no other."""
        driver = drive()
        trials = [driver.trial(i, work.point(task, i)) for i, task in enumerate(["good", "bad"])]
        for trial in trials:
            driver.run(trial)
        driver.settle(*trials)
        polled = driver.runner.poll_trial_status(iter(trials))
        assert {status: set(indices) for status, indices in polled.items() if indices} == {
            TrialStatus.COMPLETED: {0},
            TrialStatus.FAILED: {1},
        }
        assert driver.status(trials[1]) is TrialStatus.FAILED
        assert driver.status(trials[0]) is TrialStatus.COMPLETED

    def test_a_poll_does_not_wait_for_what_runs(self, drive: OpenDriver, work: Work) -> None:
        """A live trial is STAGED or RUNNING beside one that ended."""
        driver = drive()
        driver.need_room(2)
        live, ended = driver.trial(0, work.point("long")), driver.trial(1, work.point("good"))
        with must_return("a poll waited for a trial", work.release):
            driver.run(live)
            driver.run(ended)
            assert driver.settle(ended) == {1: TrialStatus.COMPLETED}
            polled = driver.runner.poll_trial_status([live, ended])
            assert polled[TrialStatus.COMPLETED] == {1}
            assert driver.status(live) in LIVE
        work.release()
        assert driver.settle(live) == {0: TrialStatus.COMPLETED}

    def test_of_an_unknown_trial_a_poll_gives_no_verdict(self, drive: OpenDriver, work: Work) -> None:
        """It does not raise, and an omitted index is asked again."""
        driver = drive()
        known = driver.trial(0, work.point("good"))
        driver.run(known)
        driver.settle(known)
        unknown, later = driver.trial(5, work.point("good")), driver.trial(0, work.point("good"), attempt=2)
        assert driver.status(unknown) is self.unknown
        assert driver.status(later) is self.unknown
        polled = driver.runner.poll_trial_status([unknown, known])
        assert 0 in polled[TrialStatus.COMPLETED], "an unknown trial hides another"

    # Capacity.

    def test_capacity_is_taken_by_trials_and_given_back(self, drive: OpenDriver, work: Work) -> None:
        """Never below zero, one less with each live trial, and the whole of it when all have ended."""
        driver = drive()
        room = driver.runner.poll_available_capacity()
        if room < 0:
            assert room == -1
            driver.run(driver.trial(0, work.point("good")))
            assert driver.runner.poll_available_capacity() == -1
            return
        trials = [driver.trial(index, work.point("long", index)) for index in range(min(room, 3))]
        for count, trial in enumerate(trials, 1):
            driver.run(trial)
            assert driver.runner.poll_available_capacity() == room - count
        work.release()
        driver.settle(*trials)
        driver.turn_until(lambda: driver.runner.poll_available_capacity() == room, "the capacity did not come back")

    def begin(self, driver: Driver, work: Work, count: int) -> None:
        """Wait until so many evaluations have begun, as far as that can be watched."""
        witness = work.witness
        if witness is not None:
            driver.turn_until(lambda: witness.begun() >= count, f"fewer than {count} evaluations have begun")
