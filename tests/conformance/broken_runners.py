"""Runners that break one obligation each, and the test of the suite that says so. Run by test_the_suite_itself.py.

They are made of the two runners of docs/add-a-runner.md, which break none.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from folder_runner import FolderRunner
from thread_runner import ThreadRunner

from runwright.result import Result
from runwright.runner import Following, Lost, NeverStarted, Traits
from runwright.status import FailureKind, TrialStatus
from runwright.testing import RunnerSuite
from runwright.testing.runners import patience, task

patience.PATIENCE = 1.0  # what is broken stays broken


class Broken(RunnerSuite):
    """A suite of a broken runner.

    Attributes:
        caught_by: Test that must fail.
    """

    ends_on_close = False
    caught_by = ""


def broken(caught_by, **changes):
    """Make a suite of a runner of threads in which something is replaced."""
    runner = type("BrokenRunner", (ThreadRunner,), changes)

    class Suite(Broken):
        @pytest.fixture
        def make_runner(self):
            return lambda: runner(f"{task.__name__}:evaluate")

    Suite.caught_by = f"test_{caught_by}"
    return Suite


def broken_folder(caught_by, **changes):
    """The same of a runner of folders."""
    runner = type("BrokenRunner", (FolderRunner,), changes)

    class Suite(Broken):
        logs = True

        @pytest.fixture
        def make_runner(self):
            return lambda: runner([sys.executable, task.__file__])

    Suite.caught_by = f"test_{caught_by}"
    return Suite


# run


def submits(self, trial):
    self._jobs.pop((trial.index, trial.attempt), None)
    return ThreadRunner.run(self, trial)


def ignores_the_digest(self, trial):
    known = self._jobs.get((trial.index, trial.attempt))
    return {"name": f"suite_{trial.index}"} if known else ThreadRunner.run(self, trial)


def evaluates(self, trial):
    ThreadRunner.run(self, trial)
    failure = ThreadRunner.fetch_result(self, trial).failure
    if failure is not None:
        raise RuntimeError(failure.message)
    return {"name": ""}


def ignores_the_attempt(self, trial):
    trial.attempt = 1
    return ThreadRunner.run(self, trial)


def takes_one_arm(self, trial):
    one = trial.experiment.new_trial(trial.index, [trial.arms[0].parameters], names=[trial.arms[0].name])
    one.attempt = trial.attempt
    return ThreadRunner.run(self, one)


def says_more(more):
    return lambda self, trial: {**ThreadRunner.run(self, trial), **more()}


def all_or_nothing(self, trials):
    return {trial.index: self.run(trial) for trial in trials}


BrokenTwice = broken("the_same_attempt_is_evaluated_once", run=submits)
BrokenTwiceAtOnce = broken("a_running_attempt_is_adopted", run=submits)
BrokenDigest = broken("another_digest_under_the_same_key_is_an_error", run=ignores_the_digest)
BrokenRaises = broken("a_failing_evaluation_is_a_result_with_a_reason_and_evidence", run=evaluates)
BrokenAttempt = broken("another_attempt_is_another_evaluation", run=ignores_the_attempt)
BrokenBatch = broken("batch_trials_are_evaluated_arm_by_arm_or_refused", run=takes_one_arm)
BrokenBatchRefusal = broken(
    "batch_trials_are_evaluated_arm_by_arm_or_refused", traits=replace(ThreadRunner.traits, batches=False)
)
BrokenLiveMetadata = broken("run_metadata_is_json_that_finds_the_job_again", run=says_more(lambda: {"app": object()}))
BrokenTuple = broken("run_metadata_is_json_that_finds_the_job_again", run=says_more(lambda: {"at": (1, 2)}))
BrokenMetadata = broken("the_same_attempt_is_evaluated_once", run=says_more(lambda: {"at": os.urandom(4).hex()}))
BrokenMultiple = broken("the_trouble_of_one_trial_costs_no_other", run_multiple=all_or_nothing)
BrokenReport = broken("keys_worth_a_report_are_in_the_run_metadata", run_metadata_report_keys=["nme"])


# poll, fetch


def guesses(self, trials):
    asked = list(trials)
    found = ThreadRunner.poll_trial_status(self, asked)
    unknown = {trial.index for trial in asked} - {index for indices in found.values() for index in indices}
    return {**found, TrialStatus.FAILED: found.get(TrialStatus.FAILED, set()) | unknown}


def raises_for_unknown(self, trials):
    return {self._status(self._jobs[trial.index, trial.attempt][1]): {trial.index} for trial in trials}


def answers_about_all(self, trials):
    list(trials)
    found = {}
    for (index, _), (_, future) in self._jobs.items():
        found.setdefault(self._status(future), set()).add(index)
    return found


def always_well(self, future):
    return TrialStatus.COMPLETED if future.done() else TrialStatus.RUNNING


def waits_for_the_end(self, trials):
    asked = list(trials)
    for trial in asked:
        if (trial.index, trial.attempt) in self._jobs:
            self._jobs[trial.index, trial.attempt][1].result()
    return ThreadRunner.poll_trial_status(self, asked)


def once(self, trial):
    result = ThreadRunner.fetch_result(self, trial)
    given, self.given = getattr(self, "given", set()), {*getattr(self, "given", set()), trial.index}
    return Result() if trial.index in given else result


def of_another(self, trial):
    return self._jobs[0, 1][1].result()


def in_lines(self, trial):
    result = ThreadRunner.fetch_result(self, trial)
    return result if result.failure is None else Result.failed(FailureKind.CRASHED, "Traceback:\n  File ...")


def with_a_log(log):
    def fetch_result(self, trial):
        result = FolderRunner.fetch_result(self, trial)
        return result if result.failure is None else Result.failed(FailureKind.CRASHED, "it crashed", log)

    return fetch_result


def of_more_arms(self, trial):
    return Result({**ThreadRunner.fetch_result(self, trial).arms, "elsewhere": {"y": (1.0, None)}})


BrokenGuess = broken("of_an_unknown_trial_a_poll_gives_no_verdict", poll_trial_status=guesses)
BrokenUnknown = broken("of_an_unknown_trial_a_poll_gives_no_verdict", poll_trial_status=raises_for_unknown)
BrokenPoll = broken("a_poll_answers_about_those_that_were_asked_about", poll_trial_status=answers_about_all)
BrokenNone = broken("a_poll_of_none_answers_about_none", poll_trial_status=answers_about_all)
BrokenStatus = broken("a_failing_evaluation_is_a_result_with_a_reason_and_evidence", _status=always_well)
BrokenPatience = broken("a_poll_does_not_wait_for_what_runs", poll_trial_status=waits_for_the_end)
BrokenOnce = broken("results_can_be_fetched_again", fetch_result=once)
BrokenMixUp = broken("every_trial_gets_its_result", fetch_result=of_another)
BrokenSentence = broken("a_failing_evaluation_is_a_result_with_a_reason_and_evidence", fetch_result=in_lines)
BrokenArms = broken("a_good_evaluation_completes_with_its_measurements", fetch_result=of_more_arms)
BrokenNoLog = broken_folder(
    "a_failing_evaluation_is_a_result_with_a_reason_and_evidence", fetch_result=with_a_log("jobs/nowhere")
)
BrokenOutside = broken_folder(
    "a_failing_evaluation_is_a_result_with_a_reason_and_evidence", fetch_result=with_a_log("../../../etc/passwd")
)


# wait, capacity


def tells_once(self, until, waker):
    done = {index for (index, _), (_, future) in self._jobs.items() if future.done()}
    told, self.told = getattr(self, "told", set()), done
    if not done - told:
        self.context.clock.wait(self.context.clock.now() + 0.01 if until is None else until, waker)
    return done - told


def tells_for_ever(self, until, waker):
    return {index for index, _ in self._jobs}


def hurries(self, until, waker):
    return set()


def is_deaf(self, until, waker):
    select.poll().poll(1000)


def is_late(self, until, waker):
    self.context.clock.wait(self.context.clock.now() + 1.0, waker)


def looks_in_a_wait_alone(self, until, waker):
    clock = self.context.clock
    return set() if until is not None and until <= clock.now() else ThreadRunner.wait(self, until, waker)


BrokenNews = broken("news_are_told_until_they_are_polled", wait=tells_once)
BrokenOldNews = broken("news_are_told_until_they_are_polled", wait=tells_for_ever)
BrokenHurry = broken("it_returns_at_the_latest_when_it_must", wait=hurries)
BrokenLate = broken("a_time_that_is_over_ends_the_wait", wait=is_late)
BrokenLook = broken("a_wait_of_no_length_sees_what_is_there", wait=looks_in_a_wait_alone)
BrokenDeaf = broken("the_waker_ends_a_wait", wait=is_deaf)
BrokenCapacity = broken("capacity_is_taken_by_trials_and_given_back", poll_available_capacity=lambda self: self.slots)
BrokenRoom = broken(
    "capacity_is_taken_by_trials_and_given_back", poll_available_capacity=lambda self: self.slots - len(self._jobs)
)


# stop, close


def abandons(self, trial, reason=None):
    self.stopped = trial.index
    return {} if reason is None else {"reason": reason}


def as_abandoned(self, trials):
    found = ThreadRunner.poll_trial_status(self, trials)
    gone = {index for indices in found.values() for index in indices if index == getattr(self, "stopped", None)}
    return {TrialStatus.ABANDONED: gone} if gone else found


def stops_the_shell_alone(self, trial, reason=None):
    folder, state = self._look(trial)
    if state == "live":
        (folder / "stop").touch()
        os.kill(int((folder / "started").read_text()), signal.SIGKILL)
    return {} if reason is None else {"reason": reason}


def stops_and_waits(self, trial, reason=None):
    poller = select.poll()
    poller.poll(self.context.limits.grace * 1000)
    answer = FolderRunner.stop(self, trial, reason)
    while self._look(trial)[1] == "live":
        poller.poll(1)
    return answer


def raises_when_asked_again(self, trial, reason=None):
    if self._look(trial)[1] != "live":
        raise ProcessLookupError("no such process")
    return FolderRunner.stop(self, trial, reason)


def kills_all(self):
    for folder in (self.context.directory / "jobs").iterdir() if self._context else ():
        if (folder / "started").exists() and not (folder / "exit").exists():
            os.killpg(int((folder / "started").read_text()), signal.SIGKILL)


STOPS = replace(ThreadRunner.traits, stops=True)
BrokenAnswer = broken("stop_answers_with_the_reason", stop=lambda self, trial, reason=None: None)
BrokenLateStop = broken("stop_leaves_alone_what_has_ended", stop=abandons, poll_trial_status=as_abandoned)
BrokenStop = broken(
    "a_running_trial_is_stopped_and_polls_confirm_it", stop=abandons, poll_trial_status=as_abandoned, traits=STOPS
)
BrokenDeafness = broken("a_running_trial_is_stopped_and_polls_confirm_it", traits=STOPS)
BrokenSurprise = broken("where_it_cannot_stop_a_trial_goes_on", stop=abandons, poll_trial_status=as_abandoned)
BrokenHalfStop = broken_folder("a_running_trial_is_stopped_and_polls_confirm_it", stop=stops_the_shell_alone)
BrokenSecondStop = broken_folder("a_running_trial_is_stopped_and_polls_confirm_it", stop=raises_when_asked_again)
BrokenSlowStop = broken_folder("stop_does_not_wait", stop=stops_and_waits)
BrokenLimit = broken_folder(
    "a_limit_ends_the_evaluation[timeout]", traits=Traits(survives_driver=True, enforces=frozenset({"timeout"}))
)
BrokenOutput = broken_folder(
    "output_beyond_the_limit_is_not_kept", traits=Traits(survives_driver=True, enforces=frozenset({"output"}))
)
BrokenClose = broken_folder("what_runs_is_followed[told]", close=kills_all)


# reattach


BrokenLost = broken_folder("what_runs_is_followed[told]", _found=lambda self, trial: Lost("it is gone"))
BrokenNever = broken_folder("what_runs_is_followed[lost]", _found=lambda self, trial: NeverStarted())
BrokenFollowing = broken_folder("what_runs_is_followed[lost]", _found=lambda self, trial: Following({}))
BrokenSilence = broken_folder(
    "what_was_never_sent_is_sent_under_the_same_number", _found=lambda self, trial: Following({})
)
BrokenUnknownFolder = broken_folder("what_ended_meanwhile_is_taken_in", reattach=lambda self, trials: {})
BrokenSurvivor = broken(
    "what_was_never_sent_is_sent_under_the_same_number", traits=replace(ThreadRunner.traits, survives_driver=True)
)


class Orphans(FolderRunner):
    """Its jobs outlive the driver, and nobody looks after them."""

    traits = Traits(stops=True)

    def reattach(self, trials):
        return {trial.index: Lost("it ended with the driver that ran it") for trial in trials}


class BrokenOrphans(Broken):
    caught_by = "test_what_ends_with_its_driver_is_lost_once_it_is_dead"

    @pytest.fixture
    def make_runner(self):
        return lambda: Orphans([sys.executable, task.__file__])


# identity, leftovers


def leaves_a_descriptor(self, context):
    ThreadRunner.open(self, context)
    os.pipe()


def leaves_a_process(self, context):
    ThreadRunner.open(self, context)
    subprocess.run(["setsid", "--fork", "sleep", "2"], check=True)


BrokenClone = broken("a_clone_is_an_equal_runner_and_another_one", clone=lambda self: self)
BrokenDescription = broken(
    "its_description_is_json_and_builds_it_again", serialize_init_args=classmethod(lambda cls, obj: {"function": task})
)
BrokenEquality = broken("equality", __eq__=lambda self, other: self is other, __hash__=object.__hash__)
BrokenFacts = broken("its_facts_are_json_and_stay", meta=property(lambda self: {"at": id(self)}))
BrokenRow = broken("db_id_is_none_until_it_is_set", db_id=property(lambda self: None, lambda self, value: None))
BrokenSecondClose = broken(
    "close_is_idempotent", close=lambda self: (ThreadRunner.close(self), self._jobs.pop("closed"))
)
BrokenThreads = broken("a_poll_of_none_answers_about_none", close=lambda self: None)
BrokenDescriptors = broken("a_poll_of_none_answers_about_none", open=leaves_a_descriptor)
BrokenProcesses = broken("a_poll_of_none_answers_about_none", open=leaves_a_process)

SUITES = {name: suite for name, suite in globals().items() if name.startswith("Broken") and suite is not Broken}
