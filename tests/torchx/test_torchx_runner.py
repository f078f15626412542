"""`TorchXRunner` on real TorchX and its local scheduler: the sentences of its reference page, and their background."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

import runwright as rw
from runwright.errors import ContractError, MissingExtraError, SubmitError, UsageError
from runwright.optimizers import RandomOptimizer
from runwright.process.linux import read_small
from runwright.runner import RunContext, Runner, Traits
from runwright.runners import TorchXRunner
from runwright.runners.torchx_processes import processes_of
from tests.torchx import components
from tests.torchx.conftest import EXPERIMENT

S = rw.TrialStatus
pytestmark = pytest.mark.slow


def result_of(bench, kind, **settings):
    runner = bench.runner(kind=kind, **settings)
    trial = bench.deploy(runner, bench.trial())
    status = bench.settle(runner, trial)
    return status, runner.fetch_result(trial), runner


# What the page says.


def test_it_is_a_runner_with_the_pages_arguments():
    runner = TorchXRunner("base", components.trainer, {"kind": "good"}, "local_cwd", {"prepend_cwd": True})
    assert isinstance(runner, Runner)
    assert runner.traits == Traits(survives_driver=True, stops=True)
    runner = TorchXRunner(
        tracker_base="base", component=components.trainer, component_const_params=None, scheduler="local", cfg=None
    )
    assert (runner.scheduler, runner.cfg, runner.component_const_params) == ("local", None, {})


def test_the_parameters_constants_and_automatic_arguments_make_the_app(bench):
    bench.experiment = rw.Experiment(
        "named", {"x": rw.Float(0, 9), "n": rw.Int(1, 9), "name": rw.Choice(["a", "b"])}, {"y": "minimize"}
    )
    runner = bench.runner(components.keyword_only, flag=True, c=0.25)
    trial = bench.experiment.new_trial(4, [{"x": 1.5, "n": 3, "name": "b"}])
    trial.attempt = 1
    bench.deploy(runner, trial)
    app = runner._apps.session._torchx.describe(trial.run_metadata["torchx_app_handle"])
    assert app.metadata == {"experiment": "named", "given": "(1.5, 3, 'b', True, 0.25)"}
    assert app.roles[0].args[2:] == [str(bench.base), "4", "1.5"]
    bench.settle(runner, trial)


def test_parameters_win_over_constants(bench):
    runner = bench.runner(x=7.0)
    trial = bench.deploy(runner, bench.trial(x=3.0))
    bench.settle(runner, trial)
    assert runner.fetch_result(trial).metrics == {"y": (9.0, None)}


def test_run_submits_the_trial_and_its_metadata_is_json(bench):
    runner = bench.runner()
    trial = bench.deploy(runner, bench.trial())
    assert json.loads(json.dumps(trial.run_metadata)) == trial.run_metadata
    assert trial.run_metadata["torchx_app_handle"].startswith("local_cwd://torchx/test-0-1-")
    assert trial.run_metadata["torchx_tracker_base"] == str(bench.base)
    assert runner.run_metadata_report_keys == list(trial.run_metadata)
    assert bench.settle(runner, trial) is S.COMPLETED
    result = runner.fetch_result(trial)
    assert result.metrics == {"y": (4.0, None)}
    assert 0 < result.seconds < 60
    assert result.started <= result.ended
    assert runner.fetch_result(trial) is result
    assert runner.poll_exception(trial) == ""


def test_it_only_supports_trials_of_one_arm(bench):
    runner = bench.runner()
    batch = EXPERIMENT.new_trial(3, [{"x": 1.0}, {"x": 2.0}])
    with pytest.raises(SubmitError, match="TorchXRunner takes trials of one arm; trial 3 has 2"):
        runner.run(batch)


def test_stop_kills_the_given_trial(bench):
    runner = bench.runner(kind="stays")
    trial = bench.deploy(runner, bench.trial())
    bench.until(lambda: bench.is_up(trial))
    assert bench.status(runner, trial) == {S.RUNNING}
    with pytest.raises(ContractError, match="trial 0 has no result: its attempt 1 has not ended"):
        runner.fetch_result(trial)
    assert runner.stop(trial, "enough") == {"reason": "enough"}
    assert runner.stop(trial) == {}
    assert bench.settle(runner, trial) is S.ABANDONED
    assert runner.fetch_result(trial).failure is None
    assert runner.stop(trial) == {}
    bench.gone(bench.handles[0])


def test_stop_kills_one_that_ignores_it_after_the_grace(bench):
    runner = bench.runner(kind="stubborn", limits=rw.Limits(grace=0.1))
    trial = bench.deploy(runner, bench.trial())
    bench.until(lambda: bench.is_up(trial))
    runner.stop(trial, "enough")
    assert bench.settle(runner, trial) is S.ABANDONED
    bench.gone(bench.handles[0])


def test_stop_of_an_unknown_trial_does_nothing(bench):
    runner = bench.runner()
    assert runner.stop(bench.trial(9), "why") == {"reason": "why"}
    assert runner.poll_trial_status([bench.trial(9)]) == {}


# Results, and failures with reason and log.


def test_mean_and_sem_as_torchx_writes_them(bench):
    _, result, _ = result_of(bench, "sem")
    assert result.metrics == {"y": (2.0, 0.5)}


def test_a_failure_has_its_reason_with_the_logs_tail(bench):
    status, result, runner = result_of(bench, "fails")
    assert status is S.FAILED
    assert result.failure.kind is rw.FailureKind.CRASHED
    assert result.failure.message == "the app exited with status 3; its output ends with: it was too much"
    assert result.additional_info == {"log_tail": ["a word of warning", "it was too much"]}
    log = bench.directory / result.failure.log
    assert log.read_text().endswith("it was too much\n")
    assert (bench.directory / "trials/0/1/stdout.log").read_text() == "about to fail\n"
    assert (bench.directory / "trials/0/1/stderr.log").read_text() == log.read_text()
    assert runner.poll_exception(bench.trial()) == result.failure.message


def test_the_exit_status_wins_over_the_result(bench):
    status, result, _ = result_of(bench, "fails_after_writing")
    assert status is S.FAILED
    assert result.failure.message == "the app exited with status 4"


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("kills_itself", "the app was ended by SIGSEGV"),
        ("rare_signal", "the app was ended by signal 40"),
        ("garbled_reply", "the app exited with status 1"),
        ("folder_for_a_reply", "the app exited with status 1"),
        ("number_for_a_reply", "the app exited with status 1; TorchX says: 3"),
        ("binary", "the app exited with status 1; its output ends with: the end\N{REPLACEMENT CHARACTER}"),
        ("says_on_stdout", "the app exited with status 1; its output ends with: only here"),
        ("reply", "the app exited with status 1; TorchX says: ValueError: no such layer"),
    ],
)
def test_other_failures(bench, kind, sentence):
    status, result, _ = result_of(bench, kind)
    assert status is S.FAILED
    assert result.failure.message == sentence


def test_logs_elsewhere(bench, tmp_path):
    _, result, _ = result_of(bench, "fails", settings={"cfg": {"log_dir": str(tmp_path / "logs")}})
    assert result.failure.log is None, "it is outside the run directory"
    assert result.additional_info["log_tail"][-1] == "it was too much"
    assert (bench.directory / "trials/0/1/stderr.log").read_text().endswith("it was too much\n")


def test_failures_without_a_run_directory(bench):
    _, result, _ = result_of(bench, "fails", directory=False)
    assert result.failure.log is None
    assert result.failure.message.endswith("it was too much")


def test_an_app_without_a_result(bench):
    _, result, _ = result_of(bench, "silent")
    assert result.failure.kind is rw.FailureKind.INVALID_RESULT
    base = bench.base
    assert result.failure.message == (
        f"it ended well, but wrote no result: there is neither {base}/0/result.json nor {base}/0"
    )


def test_a_result_of_another_experiment_is_not_taken(bench):
    (bench.base / "0").mkdir()
    (bench.base / "0/result.json").write_text('{"y": 99}')
    _, result, _ = result_of(bench, "silent")
    assert (
        result.failure.message == f"it ended well, but wrote no result: {bench.base}/0/result.json was there before it"
    )


def test_an_old_result_may_be_written_again(bench):
    (bench.base / "0").mkdir()
    (bench.base / "0/result.json").write_text('{"y": 99}')
    _, result, _ = result_of(bench, "good")
    assert result.metrics == {"y": (4.0, None)}


def test_an_objective_that_is_no_number(bench):
    _, result, _ = result_of(bench, "nan")
    assert result.failure.message == f"{bench.base}/0/result.json: the metric 'y' is nan"


def test_nothing_of_a_trial_outlives_it(bench):
    status, _, _ = result_of(bench, "leaves_a_child")
    assert status is S.COMPLETED
    bench.gone(bench.handles[0])


def test_the_app_of_several_replicas_names_the_one_that_failed(bench):
    runner = bench.runner(kind="fails", replicas=2)
    trial = bench.deploy(runner, bench.trial())
    assert bench.settle(runner, trial) is S.FAILED
    message = runner.fetch_result(trial).failure.message
    assert message == "replica 0 of role 'program' exited with status 3; its output ends with: it was too much"
    assert not (bench.directory / "trials/0/1/stdout.log").exists()


# Submission.


def test_the_same_attempt_is_submitted_once(bench):
    runner = bench.runner(kind="waits_for_go")
    trial = bench.deploy(runner, bench.trial())
    assert runner.run(bench.trial()) == trial.run_metadata
    with pytest.raises(SubmitError, match="attempt 1 was already submitted with other parameters"):
        runner.run(bench.trial(x=5.0))
    (bench.base / "go").touch()
    assert bench.settle(runner, trial) is S.COMPLETED
    assert runner.run(bench.trial()) == trial.run_metadata
    assert len(list(bench.base.glob("begun.0.*"))) == 1
    bench.deploy(runner, bench.trial(attempt=2))
    assert bench.handles[1] != bench.handles[0]


@pytest.mark.parametrize(
    ("component", "sentence"),
    [
        (components.no_program, "FileNotFoundError: .*'/no/such/program'"),
        (components.half_a_program, "FileNotFoundError: .*'/no/such/program'"),
        (components.no_app, "the component returned an object of type dict, not a TorchX AppDef"),
        (components.raises, "no app of 2.0"),
    ],
)
def test_what_cannot_be_submitted_costs_no_other_trial(bench, component, sentence):
    bench.experiment = EXPERIMENT
    runner = bench.runner(component)
    trial = bench.trial()
    assert runner.run_multiple([trial]) == {}
    assert runner.submit_errors[0].args
    with pytest.raises(Exception, match=sentence):
        raise runner.submit_errors.pop(0)
    assert runner.reattach([trial]) == {0: rw.runner.NeverStarted()}
    processes = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    marked = [pid for pid in processes if str(bench.directory).encode() in _environment(pid)]
    assert not marked, "a replica that was started before another could not be"


def _environment(pid):
    return read_small(f"/proc/{pid}/environ")


def test_at_most_100_live_apps(bench):
    runner = bench.runner(kind="stays")
    assert runner.poll_available_capacity() == 100
    trials = [bench.deploy(runner, bench.trial(index)) for index in range(2)]
    assert runner.poll_available_capacity() == 98
    for trial in trials:
        runner.stop(trial)
        bench.settle(runner, trial)
    assert runner.poll_available_capacity() == 100


def test_the_interval_of_polling_is_stated():
    assert TorchXRunner("b", components.trainer).poll_interval == 0.1
    assert TorchXRunner("b", components.trainer, scheduler="slurm").poll_interval == 2.0
    assert TorchXRunner("b", components.trainer, poll_interval=0.5).poll_interval == 0.5
    assert not TorchXRunner("b", components.trainer).staging_required
    assert TorchXRunner("b", components.trainer, scheduler="slurm").staging_required


# Settings that are refused before the first trial.


@pytest.mark.parametrize(
    ("scheduler", "cfg", "sentence"),
    [
        ("locale", None, "TorchX has no scheduler 'locale'; it has .*local_cwd"),
        ("local", {"no_such": 1}, "the TorchX scheduler 'local' has no option 'no_such'; it has log_dir, prepend_cwd"),
        ("local", {"prepend_cwd": "perhaps"}, "the TorchX scheduler 'local' cannot be used so: .*prepend_cwd"),
    ],
)
def test_a_scheduler_that_cannot_be_used(bench, scheduler, cfg, sentence):
    with pytest.raises(UsageError, match=sentence):
        bench.runner(settings={"scheduler": scheduler, "cfg": cfg})


def test_a_tracker_base_that_nobody_knows(bench):
    with pytest.raises(UsageError, match="the tracker base 'nowhere://x' cannot be used: Protocol not known: nowhere"):
        TorchXRunner("nowhere://x", components.trainer).open(RunContext(EXPERIMENT, bench.directory))


def test_torchx_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'runwright\[torchx\]'"):
        TorchXRunner("base", components.trainer)


def test_it_was_not_opened():
    with pytest.raises(ContractError, match="TorchXRunner is not open"):
        TorchXRunner("base", components.trainer).poll_available_capacity()


# What TorchX does to a process, and is undone.


def test_handlers_of_signals_stay_ours(bench):
    def handler(*_):
        pass

    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        runner = bench.runner()
        trial = bench.deploy(runner, bench.trial())
        bench.settle(runner, trial)
        assert signal.getsignal(signal.SIGTERM) is signal.getsignal(signal.SIGINT) is handler
        assert not {signal.SIGTERM, signal.SIGINT} & signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        for number, was in before.items():
            signal.signal(number, was)


def test_no_threads(bench):
    runner = bench.runner(kind="stays")
    before = threading.active_count()
    trial = bench.deploy(runner, bench.trial())
    bench.until(lambda: bench.is_up(trial))
    assert threading.active_count() == before


def test_close_leaves_apps_alone_and_another_runner_follows_them(bench):
    first = bench.runner(kind="waits_for_go")
    trial = bench.deploy(first, bench.trial())
    bench.until(lambda: bench.is_up(trial))
    first.close()
    first.close()
    assert processes_of(bench.handles[0])
    second = bench.runner(kind="waits_for_go")
    assert second.reattach([trial]) == {0: rw.runner.Following(trial.run_metadata)}
    assert bench.status(second, trial) == {S.RUNNING}
    (bench.base / "go").touch()
    assert bench.settle(second, trial) is S.COMPLETED
    result = second.fetch_result(trial)
    assert result.metrics == {"y": (2.0, None)}
    assert "exit status is not known" in result.additional_info["torchx"]


def test_without_a_run_directory_close_ends_local_apps(bench):
    runner = bench.runner(kind="stays", directory=False)
    trial = bench.deploy(runner, bench.trial())
    bench.until(lambda: bench.is_up(trial))
    runner.close()
    bench.gone(bench.handles[0])


# Save.


def test_clone_equality_and_serialisation_by_the_components_reference():
    runner = TorchXRunner("base", components.trainer, {"kind": "good"}, "local", {"prepend_cwd": True})
    body = json.loads(json.dumps(runner.to_dict()))
    assert body["args"]["component"] == "tests.torchx.components:trainer"
    assert Runner.from_dict(body) == runner == runner.clone()
    assert runner.clone() is not runner
    assert runner != TorchXRunner("base", components.keyword_only, {"kind": "good"}, "local", {"prepend_cwd": True})
    assert runner != 3
    assert len({runner, runner.clone()}) == 2
    assert TorchXRunner("base", "tests.torchx.components:trainer").component is components.trainer


def test_a_lambda_runs_but_cannot_be_saved():
    runner = TorchXRunner("base", lambda x: None)
    assert runner == TorchXRunner("base", runner.component)
    with pytest.raises(UsageError, match="a lambda has no name"):
        runner.clone()


def test_meta_is_the_same_in_every_process():
    assert TorchXRunner("b", components.trainer).meta == {
        "name": "TorchXRunner",
        "scheduler": "local",
        "component": "trainer",
    }


def test_a_component_that_is_no_function():
    with pytest.raises(UsageError, match="the component must be a function that returns an AppDef, not 3"):
        TorchXRunner("base", 3)


# Through the scheduler.


def test_through_the_scheduler(tmp_path):
    runner = TorchXRunner(str(tmp_path / "results"), components.trainer, {"kind": "good"})
    with rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, directory=tmp_path / "run", trials=5, parallel=3) as it:
        results = it.run()
        report = it.report_results()
    assert [row["status"] for row in results] == ["COMPLETED"] * 5
    for row in results:
        assert row["metrics"]["y"]["mean"] == row["parameters"]["x"] ** 2
        assert row["run_metadata"]["torchx_app_handle"] == report[row["index"]]["torchx_app_handle"]


def test_a_time_limit_is_kept_by_the_scheduler(tmp_path):
    (tmp_path / "results").mkdir()
    runner = TorchXRunner(str(tmp_path / "results"), components.trainer, {"kind": "stays"})
    limits = rw.Limits(timeout=5, grace=0.5)
    with rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, directory=tmp_path / "r", trials=1, limits=limits) as it:
        (row,) = it.run()
    assert row["failure"]["kind"] == "timeout"
    assert (tmp_path / "r" / row["failure"]["log"]).read_text() == "still here\n"


def test_the_booth_component_of_torchx_itself(tmp_path, monkeypatch):
    """What the page's own tests run: the app writes by TorchX's FsspecResultTracker."""
    from torchx.components.utils import booth

    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    experiment = rw.Experiment("booth", {"x1": rw.Float(-10, 10), "x2": rw.Float(-10, 10)}, {"booth_eval": "minimize"})
    runner = TorchXRunner(
        tracker_base=str(tmp_path / "results"), component=booth, scheduler="local_cwd", cfg={"prepend_cwd": True}
    )
    enqueue = [{"x1": 1.0, "x2": 3.0}]
    with rw.Scheduler(
        experiment, RandomOptimizer(), runner, directory=tmp_path / "run", trials=2, parallel=2, enqueue=enqueue
    ) as scheduler:
        results = scheduler.run()
    assert results[0]["metrics"]["booth_eval"]["mean"] == 0.0
    assert results[1]["status"] == "COMPLETED"
