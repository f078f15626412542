"""`TorchXRunner` on a scheduler that outlives its driver, found by TorchX as it finds any plug-in."""

from __future__ import annotations

import json
from subprocess import CalledProcessError

import pytest

import runwright as rw
from runwright.clock import VirtualClock
from runwright.errors import SubmitError
from runwright.runner import Ended, Following, Lost, NeverStarted, RunContext
from runwright.runners import TorchXRunner, torchx_app, torchx_apps
from tests.torchx import cluster, components
from tests.torchx.conftest import EXPERIMENT

S = rw.TrialStatus


class Cluster:
    """The folder in which the jobs are, and what a test does to them."""

    def __init__(self, folder, base):
        self.folder = folder
        self.base = base

    def jobs(self):
        return sorted(self.folder.glob("*.json"))

    def job(self):
        (path,) = self.jobs()
        return path

    def set(self, **changes):
        path = self.job()
        cluster.write(path, **{**json.loads(path.read_text()), **changes})

    def log(self, text):
        self.job().with_suffix(".log").write_text(text)

    def result(self, **body):
        (self.base / "0").mkdir(exist_ok=True)
        (self.base / "0/result.json").write_text(json.dumps(body))


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    folder = tmp_path / "cluster"
    folder.mkdir()
    (tmp_path / "results").mkdir()
    cluster.install(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv(cluster.FOLDER, str(folder))
    return Cluster(folder, tmp_path / "results")


@pytest.fixture
def now(monkeypatch):
    """The monotonic clock of the runner, moved by the test."""
    clock = VirtualClock(1000.0)
    monkeypatch.setattr(torchx_app, "monotonic", clock.now)
    monkeypatch.setattr(torchx_apps, "monotonic", clock.now)
    return clock


@pytest.fixture
def make(tmp_path, jobs):
    runners = []

    def opened(scheduler="folder", component=components.trainer):
        runner = TorchXRunner(str(jobs.base), component, scheduler=scheduler, cfg={"partition": "long"})
        (tmp_path / "run").mkdir(exist_ok=True)
        runner.open(RunContext(EXPERIMENT, tmp_path / "run"))
        runners.append(runner)
        return runner

    yield opened
    for runner in runners:
        runner.close()


def a_trial(x=2.0, attempt=1):
    trial = EXPERIMENT.new_trial(0, [{"x": x}])
    trial.attempt = attempt
    trial._status = S.STAGED
    return trial


def deployed(runner):
    trial = a_trial()
    trial.run_metadata = runner.run(trial)
    return trial


def status(runner, trial):
    return next(iter(runner.poll_trial_status([trial])), None)


def test_torchx_itself_retries_nothing(make, jobs):
    """Whether an attempt is followed by another is the policy's decision, and counted."""
    deployed(make(component=components.insistent))
    assert json.loads(jobs.job().read_text())["retries"] == [0]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("UNSUBMITTED", S.STAGED),
        ("SUBMITTED", S.STAGED),
        ("PENDING", S.STAGED),
        ("RUNNING", S.RUNNING),
        ("FAILED", S.FAILED),
        ("CANCELLED", S.ABANDONED),
        ("UNKNOWN", None),
    ],
)
def test_the_status_map_in_which_unknown_is_never_failed(make, jobs, state, expected):
    runner = make()
    trial = deployed(runner)
    assert runner.poll_available_capacity() == -1
    assert runner.staging_required
    jobs.set(state=state)
    assert status(runner, trial) is expected


@pytest.mark.parametrize(("state", "expected"), [("CANCELLED by 1000", S.ABANDONED), ("COMPLETING", None)])
def test_states_of_slurm_that_torchx_asserts_not_to_exist(make, jobs, state, expected):
    runner = make()
    trial = deployed(runner)
    jobs.set(state=state)
    assert status(runner, trial) is expected


def test_the_trouble_with_one_job_is_not_that_of_others(make, jobs, caplog):
    runner = make()
    trials = []
    for index in range(2):
        trial = EXPERIMENT.new_trial(index, [{"x": 1.0}])
        trial.attempt = 1
        trial.run_metadata = runner.run(trial)
        trials.append(trial)
    first = jobs.folder / f"{trials[0].run_metadata['torchx_app_handle'].rpartition('/')[2]}.json"
    cluster.write(first, state="PENDING", error="no such partition")
    assert runner.poll_trial_status(trials) == {S.STAGED: {1}}
    assert "the status of trial 0 is not known: RuntimeError: no such partition" in caplog.text
    with pytest.raises(RuntimeError, match="no such partition"):
        runner.poll_trial_status(trials[:1])


def test_a_preempted_job_waits_again(make, jobs):
    runner = make()
    trial = deployed(runner)
    for state, expected in (("RUNNING", S.RUNNING), ("UNKNOWN", None), ("PENDING", S.STAGED), ("RUNNING", S.RUNNING)):
        jobs.set(state=state)
        assert status(runner, trial) is expected
    jobs.result(y=4.0)
    jobs.set(state="SUCCEEDED")
    assert status(runner, trial) is S.COMPLETED
    result = runner.fetch_result(trial)
    assert result.metrics == {"y": (4.0, None)}
    assert result.seconds >= 0
    assert result.started <= result.ended


def test_a_result_may_arrive_a_little_later(make, jobs, now):
    runner = make()
    trial = deployed(runner)
    jobs.set(state="SUCCEEDED")
    assert status(runner, trial) is S.RUNNING
    now.advance_to(1004.0)
    assert status(runner, trial) is S.RUNNING
    jobs.result(y=4.0)
    assert status(runner, trial) is S.COMPLETED


def test_a_result_that_does_not_arrive(make, jobs, now):
    runner = make()
    trial = deployed(runner)
    jobs.set(state="SUCCEEDED")
    assert status(runner, trial) is S.RUNNING
    now.advance_to(1005.0)
    assert status(runner, trial) is S.COMPLETED
    failure = runner.fetch_result(trial).failure
    assert failure.kind is rw.FailureKind.INVALID_RESULT
    assert failure.message.startswith("it ended well, but wrote no result")


def test_a_tracker_base_that_cannot_be_asked_is_no_verdict(make, jobs):
    runner = make()
    trial = deployed(runner)
    jobs.set(state="SUCCEEDED")
    runner._apps._results._files = Unreachable()
    runner._apps._outcomes._results._files = Unreachable()
    assert status(runner, trial) is S.COMPLETED
    with pytest.raises(ConnectionError):
        runner.fetch_result(trial)
    with pytest.raises(ConnectionError):
        runner.fetch_result(trial)


class Unreachable:
    def invalidate_cache(self):
        raise ConnectionError("the store is down")


def test_a_failure_with_the_schedulers_word_and_the_logs_tail(make, jobs, tmp_path):
    runner = make()
    trial = deployed(runner)
    jobs.log("one\ntwo\nthree\n")
    jobs.set(state="FAILED", message="NODE_FAIL")
    assert status(runner, trial) is S.FAILED
    result = runner.fetch_result(trial)
    assert result.failure.message == "the app failed; TorchX says: NODE_FAIL; its output ends with: three"
    assert result.additional_info == {"log_tail": ["one", "two", "three"]}
    assert result.failure.log == "trials/0/1/stderr.log"
    assert (tmp_path / "run" / result.failure.log).read_text() == "one\ntwo\nthree\n"


def test_a_scheduler_of_one_stream(make, jobs):
    runner = make()
    trial = deployed(runner)
    (jobs.folder / "one stream").touch()
    jobs.log("both\n")
    jobs.set(state="FAILED", message="FAILED")
    status(runner, trial)
    assert runner.fetch_result(trial).failure.message == "the app failed; its output ends with: both"


def test_logs_that_were_purged(make, jobs):
    runner = make()
    trial = deployed(runner)
    jobs.set(state="FAILED")
    status(runner, trial)
    message = runner.fetch_result(trial).failure.message
    assert message.endswith("(its log cannot be read: RuntimeError: the logs were purged)")


def test_stop_cancels_the_job_and_polls_confirm_it(make, jobs):
    runner = make()
    trial = deployed(runner)
    jobs.set(state="RUNNING")
    runner.stop(trial)
    assert json.loads(jobs.job().read_text())["cancelled"] == 1
    assert status(runner, trial) is S.RUNNING
    jobs.set(state="FAILED")  # what some schedulers say of a job that they have killed
    assert status(runner, trial) is S.ABANDONED
    runner.stop(trial)
    assert json.loads(jobs.job().read_text())["cancelled"] == 1


def test_a_job_that_was_stopped_may_have_been_done(make, jobs):
    runner = make()
    trial = deployed(runner)
    runner.stop(trial)
    jobs.result(y=4.0)
    jobs.set(state="SUCCEEDED")
    assert status(runner, trial) is S.COMPLETED


# Go on after another driver.


def test_what_the_scheduler_can_still_find_is_followed(make, jobs):
    trial = deployed(make())
    later = make()
    assert later.reattach([trial]) == {0: Following(trial.run_metadata)}
    jobs.set(state="RUNNING")
    assert status(later, trial) is S.RUNNING
    assert later.run(trial) == trial.run_metadata
    assert len(jobs.jobs()) == 1


def test_what_ended_meanwhile_is_taken_in(make, jobs):
    trial = deployed(make())
    jobs.result(y=1.0)
    jobs.set(state="SUCCEEDED")
    later = make()
    assert later.reattach([trial]) == {0: Ended(trial.run_metadata)}
    assert later.fetch_result(trial).metrics == {"y": (1.0, None)}


def test_a_driver_that_forgot_the_metadata_finds_them(make, jobs):
    metadata = deployed(make()).run_metadata
    assert make().reattach([a_trial()]) == {0: Following(metadata)}


def test_the_journal_alone_is_enough(make, jobs, tmp_path):
    trial = deployed(make())
    for note in (tmp_path / "run/torchx").iterdir():
        note.unlink()
    assert make().reattach([trial]) == {0: Following(trial.run_metadata)}


def test_a_trial_that_was_never_submitted(make):
    assert make().reattach([a_trial()]) == {0: NeverStarted()}


def test_what_the_scheduler_cannot_find_is_lost_once_that_is_believed(make, jobs, now):
    trial = deployed(make())
    jobs.job().unlink()
    later = make()
    assert later.reattach([trial]) == {0: Following(trial.run_metadata)}
    now.advance_to(1009.0)
    assert status(later, trial) is None
    now.advance_to(1010.0)
    assert later.reattach([trial])[0] == Lost(
        f"the scheduler does not know {trial.run_metadata['torchx_app_handle']} any more; it left no result"
    )
    assert status(later, trial) is S.FAILED
    assert later.fetch_result(trial).failure.kind is rw.FailureKind.LOST


def test_one_that_was_purged_after_its_end_has_left_its_result(make, jobs, now):
    runner = make()
    trial = deployed(runner)
    jobs.result(y=3.0)
    jobs.job().unlink()
    assert status(runner, trial) is None
    now.advance_to(1010.0)
    assert status(runner, trial) is S.COMPLETED
    assert runner.fetch_result(trial).metrics == {"y": (3.0, None)}


def test_one_that_was_stopped_and_purged_is_abandoned(make, jobs, now):
    runner = make()
    trial = deployed(runner)
    runner.stop(trial)
    jobs.job().unlink()
    assert status(runner, trial) is None
    now.advance_to(1010.0)
    assert status(runner, trial) is S.ABANDONED
    assert runner.fetch_result(trial).failure is None


def test_an_outage_between_two_looks_is_not_counted_as_forgotten(make, jobs, now):
    runner = make()
    trial = deployed(runner)
    text = jobs.job().read_text()
    path = jobs.job()
    path.unlink()
    assert status(runner, trial) is None
    path.write_text(text)
    assert status(runner, trial) is S.STAGED
    now.advance_to(2000.0)
    path.unlink()
    assert status(runner, trial) is None


def test_a_cluster_that_cannot_be_reached_is_told_before_the_first_trial(make, jobs):
    (jobs.folder / "outage").touch()
    with pytest.raises(rw.UsageError, match="cannot be used so: ConnectionError: the cluster is down"):
        make()


def test_a_cluster_that_cannot_list_its_apps_runs_them(make, jobs):
    (jobs.folder / "unlisted").touch()
    runner = make()
    trial = deployed(runner)
    assert status(runner, trial) is S.STAGED


def test_the_outage_of_a_cluster_is_raised(make, jobs):
    runner = make()
    trial = deployed(runner)
    (jobs.folder / "outage").touch()
    with pytest.raises(ConnectionError):
        runner.poll_trial_status([trial])


# Killed while it submitted.


def note_of(tmp_path):
    (path,) = (tmp_path / "run/torchx").iterdir()
    return path


def half_submitted(make, tmp_path, scheduler="folder"):
    """Leave a note as a driver does that is killed before it hears from the scheduler."""
    runner = make(scheduler)
    metadata = deployed(runner).run_metadata
    note = json.loads(note_of(tmp_path).read_text())
    note_of(tmp_path).write_text(json.dumps({**note, "handle": None, "confirmed": False}))
    return metadata


def test_a_job_of_which_the_driver_had_not_heard_is_found_by_its_name(make, jobs, tmp_path):
    metadata = half_submitted(make, tmp_path)
    assert make().reattach([a_trial()]) == {0: Following(metadata)}


@pytest.mark.parametrize("scheduler", ["numbers", "silent"])
def test_a_job_that_cannot_be_found_by_its_name_is_lost_with_advice(make, jobs, tmp_path, scheduler):
    half_submitted(make, tmp_path, scheduler)
    (answer,) = make(scheduler).reattach([a_trial()]).values()
    assert isinstance(answer, Lost)
    assert answer.reason.startswith("the driver died while it submitted it, and the scheduler cannot say whether")
    assert "look for an app with '0-1-" in answer.reason


def test_a_submission_that_was_refused(make, jobs):
    runner = make()
    (jobs.folder / "refuse").touch()
    with pytest.raises(SubmitError, match="ConnectionError: the cluster is down"):
        runner.run(a_trial())
    assert runner.reattach([a_trial()]) == {0: NeverStarted()}


def test_a_cluster_that_cannot_say_how_apps_stand_is_refused(make, jobs):
    """As SLURM without accounting: every app would be asked after for ever, though its result is long there."""
    (jobs.folder / "unaccounted").touch()
    with pytest.raises(rw.UsageError, match=r"cannot be used so: CalledProcessError: Command '\['sacct', '-j'\]'"):
        make()
    (jobs.folder / "unaccounted").rename(jobs.folder / "unlisted")
    make()


UNLISTED = "CalledProcessError: Command '['sacct', '--json']' returned non-zero exit status 1."


def test_a_refusal_of_a_cluster_that_cannot_list_its_apps_is_lost_in_the_end(make, jobs, now):
    (jobs.folder / "unlisted").touch()
    runner = make()
    (jobs.folder / "refuse").touch()
    with pytest.raises(SubmitError, match=r"^ConnectionError: the cluster is down$"):
        runner.run(a_trial())
    with pytest.raises(CalledProcessError):
        runner.reattach([a_trial()])
    now.advance_to(1059.0)
    with pytest.raises(CalledProcessError):
        runner.reattach([a_trial()])
    now.advance_to(1060.0)
    (answer,) = runner.reattach([a_trial()]).values()
    assert answer.may_live
    assert answer.reason.startswith(
        "its submission failed, and the scheduler cannot say whether it took it: look for an app with '0-1-"
    )
    assert answer.reason.endswith(
        f"the submission gave ConnectionError: the cluster is down; listing apps gave {UNLISTED}"
    )
    with pytest.raises(SubmitError):
        runner.run(a_trial(attempt=2))
    with pytest.raises(CalledProcessError):  # of another attempt nobody has asked for so long
        runner.reattach([a_trial(attempt=2)])


def test_an_app_is_found_once_a_cluster_can_list_it_again(make, jobs, tmp_path, now):
    metadata = half_submitted(make, tmp_path)
    (jobs.folder / "unlisted").touch()
    later = make()
    with pytest.raises(CalledProcessError):
        later.reattach([a_trial()])
    (jobs.folder / "unlisted").unlink()
    now.advance_to(1100.0)
    assert later.reattach([a_trial()]) == {0: Following(metadata)}


def test_what_is_known_of_one_trial_is_said_though_another_is_in_doubt(make, jobs, caplog):
    runner = make()
    trial = deployed(runner)
    for mark in ("unlisted", "refuse"):
        (jobs.folder / mark).touch()
    doubtful = EXPERIMENT.new_trial(1, [{"x": 1.0}])
    doubtful.attempt = 1
    with pytest.raises(SubmitError):
        runner.run(doubtful)
    assert runner.reattach([doubtful, trial]) == {0: Following(trial.run_metadata)}
    assert f"the status of trial 1 is not known: {UNLISTED}" in caplog.text


def test_a_submission_whose_answer_was_lost(make, jobs):
    runner = make()
    (jobs.folder / "lose the answer").touch()
    trial = deployed(runner)
    assert trial.run_metadata["torchx_app_handle"] == f"folder://torchx/{jobs.job().stem}"
    assert status(runner, trial) is S.STAGED


def test_an_attempt_with_other_parameters_is_ended_first(make, jobs):
    """The journal lost its last lines in a power cut, and the trial was proposed anew."""
    deployed(make())
    other = a_trial(x=5.0)
    later = make()
    assert later.reattach([other]) == {}
    with pytest.raises(SubmitError, match="attempt 1 was already submitted with other parameters"):
        later.run(other)
    assert json.loads(jobs.job().read_text())["cancelled"] == 1
    jobs.set(state="CANCELLED")
    assert later.reattach([other])[0] == Lost("attempt 1 had been submitted with other parameters, and was ended")


def test_apps_whose_end_is_recorded_are_forgotten(make, jobs):
    runner = make()
    for index in range(20):
        trial = EXPERIMENT.new_trial(index, [{"x": 1.0}])
        trial.attempt = 1
        runner.run(trial)
        trial._status = S.COMPLETED
    assert len(runner._apps._kept) <= 2
