"""Wrapped jobs in an experiment file, after a restart, and what BOA's wrappers import."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

import runwright as rw
from runwright.cli import cli
from runwright.config import load
from runwright.errors import ExperimentFileError, SubmitError
from runwright.optimizers import RandomOptimizer
from runwright.runner import Ended, Following, NeverStarted
from runwright.runners import wrapped_errand
from runwright.wrappers import cd_and_cd_back_dec, get_trial_dir, make_trial_dir, zfilled_trial_index
from tests.wrappers.test_hooks import InMemory, Picky

LONG = """: > "$1/begun"; exec sleep 600"""
Y = """echo '{"y": 1.5}' > "$1/output.json" """
FILE = """\
name: small
parameters: {{x: {{type: float, bounds: [0, 1]}}}}
objectives: {{y: minimize}}
evaluate: {evaluate}
runner: {runner}
stop: {{trials: 2}}
"""


def reopened(driver, wrapper):
    for runner in driver.runners:
        runner.close()
    return driver.open(wrapper)


def test_a_script_that_runs_is_followed_by_the_next_driver(driver, happens):
    wrapper, trial = driver.wrapper(LONG), driver.trial()
    metadata = driver.open(wrapper).run(trial)
    happens((driver.work() / "begun").exists, "the start")
    runner = reopened(driver, wrapper)
    assert runner.reattach([trial]) == {0: Following(metadata)}
    assert runner.reattach([trial]) == {0: Following(metadata)}
    assert runner.run(trial) == metadata
    assert runner.poll_available_capacity() == 0
    runner.stop(trial)
    assert driver.finish(runner, trial) == {0: rw.TrialStatus.ABANDONED}


def test_run_adopts_what_an_earlier_driver_began(driver, happens):
    wrapper, trial = driver.wrapper(LONG), driver.trial()
    metadata = driver.open(wrapper).run(trial)
    runner = reopened(driver, wrapper)
    assert runner.run(trial) == metadata
    runner = reopened(driver, wrapper)
    assert runner.poll_trial_status([trial]) == {rw.TrialStatus.RUNNING: {0}}  # even without being told
    runner = reopened(driver, wrapper)
    runner.stop(trial)
    assert driver.finish(runner, trial) == {0: rw.TrialStatus.ABANDONED}
    with pytest.raises(SubmitError, match="was deployed with other parameters"):
        reopened(driver, wrapper).run(driver.trial(parameters={"x": 1.0, "n": 1}))


def test_a_script_that_ended_meanwhile_is_taken_in(driver, happens):
    wrapper, trial = driver.wrapper(Y), driver.trial()
    driver.open(wrapper).run(trial)
    happens((driver.folder / "control/0.1/exit").exists, "the end")
    runner = reopened(driver, wrapper)
    assert isinstance(runner.reattach([trial])[0], Ended)
    assert driver.finish(runner, trial) == {0: rw.TrialStatus.COMPLETED}
    assert runner.fetch_result(trial).metrics == {"y": (1.5, None)}
    assert reopened(driver, wrapper).fetch_result(trial).metrics == {"y": (1.5, None)}  # read again


def test_what_was_never_sent_is_sent_under_the_same_number(driver):
    trial = driver.trial()
    runner = driver.open(driver.wrapper(Y))
    assert runner.reattach([trial]) == {0: NeverStarted()}
    assert driver.result(runner, trial).metrics == {"y": (1.5, None)}


def test_a_supervisor_that_was_killed_is_lost(driver, happens):
    runner, trial = driver.open(driver.wrapper(LONG)), driver.trial()
    os.kill(runner.run(trial)["pid"], signal.SIGKILL)
    assert driver.finish(runner, trial) == {0: rw.TrialStatus.FAILED}
    assert runner.fetch_result(trial).failure.kind is rw.FailureKind.LOST


@pytest.mark.slow
def test_many_results_are_read_again_from_disk(tmp_path):
    experiment = rw.Experiment("many", {"x": rw.Float(0, 10)}, {"y": "minimize"})
    runner = rw.runners.WrappedJobRunner(InMemory(), workers=300)
    runner.open(rw.runner.RunContext(experiment, tmp_path))
    trials = [experiment.new_trial(index, [{"x": float(index % 10)}]) for index in range(300)]
    for trial in trials:
        trial.attempt = 1
    runner.run_multiple(trials)
    while len(runner.poll_trial_status(trials).get(rw.TrialStatus.COMPLETED, ())) < 300:
        runner.wait(runner.context.clock.now() + 1, rw.clock.Waker())
    assert [runner.fetch_result(trial).metrics["y"][0] for trial in trials] == [2.0 * (i % 10) for i in range(300)]
    runner.close()


def test_where_folders_cannot_be_private_hooks_take_turns(driver, tmp_path, monkeypatch):
    monkeypatch.setattr(wrapped_errand, "_unshare", lambda: False)
    wrapper = Picky(run_model_0=lambda _: os.chdir("/"), run_model_1=lambda _: Path("here").touch())
    wrapper.working_dir = tmp_path
    runner = driver.open(wrapper, workers=2)
    trials = [driver.trial(0), driver.trial(1)]
    runner.run_multiple(trials)
    driver.finish(runner, *trials)
    assert (tmp_path / "here").exists()


def test_what_boa_wrappers_import(tmp_path):
    assert zfilled_trial_index(7) == "000007"
    assert get_trial_dir("e", 7, fill_size=3) == Path("e/007")
    assert make_trial_dir(tmp_path, 1) == make_trial_dir(tmp_path, 1) == tmp_path / "000001"
    with pytest.raises(FileExistsError):
        make_trial_dir(tmp_path, 1, exist_ok=False)

    @cd_and_cd_back_dec(path=tmp_path)
    def where(go):
        os.chdir(go)
        return Path.cwd()

    assert where("/") == Path("/")


# In an experiment file.


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.sh").write_text(f"#!/bin/sh\n{Y}\n")
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "wrap.py").write_text(
        "from runwright.wrappers import BaseWrapper, ScriptWrapper\n"
        "class Good(BaseWrapper):\n"
        "    def run_model(self, trial): pass\n"
        "    def fetch_trial_data(self, **_): return 4\n"
        "class Script(ScriptWrapper):\n"
        "    def __init__(self, **settings): super().__init__(run_model='./run.sh', **settings)\n"
        "class Bad(BaseWrapper):\n"
        "    def setup(self): raise KeyError('nothing')\n"
    )

    def write(evaluate="{command: [./run.sh]}", runner="{type: wrapped}"):
        path = tmp_path / "experiment.yaml"
        path.write_text(FILE.format(evaluate=evaluate, runner=runner))
        return path

    yield write
    sys.modules.pop("wrap", None)


@pytest.mark.parametrize(
    ("evaluate", "runner", "y"),
    [
        ("{command: [./run.sh]}", "{type: wrapped, parallel: 2, pause: 10 ms, hook_time: 1 min}", 1.5),
        ('{wrapper: "wrap.py:Good"}', "{parallel: 2}", 4.0),
        ('{wrapper: "wrap:Script"}', "{type: wrapped, metrics: {y: mean}, link: [run.sh]}", 1.5),
    ],
)
def test_a_file_runs(write, tmp_path, evaluate, runner, y):
    setup = load(write(evaluate, runner))
    runner = setup.runner()
    with rw.Scheduler(setup.experiment(), RandomOptimizer(), runner, directory=tmp_path / "run") as scheduler:
        scheduler.run(trials=2)
        assert [trial.result.metrics for trial in scheduler.state.trials] == [{"y": (y, None)}] * 2


@pytest.mark.parametrize(
    ("evaluate", "runner", "key", "sentence"),
    [
        ('{function: "wrap:Good"}', "{type: wrapped}", "runner.type", "a function needs another runner"),
        ('{wrapper: "wrap.py:Good"}', "{type: process}", "runner.type", "a wrapper needs the wrapped runner"),
        ('{wrapper: "wrap.py:Good"}', "{type: pool}", "runner.type", "a wrapper needs the wrapped runner"),
        ('{wrapper: "wrap.py:Gone"}', "{type: wrapped}", "evaluate.wrapper", "has no 'Gone'"),
        ('{wrapper: "wrap.py:Good", command: [a]}', "{}", "evaluate", "a wrapper says itself what is run"),
        ('{wrapper: "wrap.py:Bad"}', "{}", "runner", "the wrapper 'Bad' cannot be made: KeyError: 'nothing'"),
        ('{wrapper: "wrap.py:Good"}', "{link: [run.sh]}", "runner.link", "only a wrapper around scripts"),
        ('{wrapper: "wrap.py:Good"}', "{linc: [run.sh]}", "runner.linc", "no such setting; did you mean 'link'?"),
        ("{command: [./run.sh]}", "{type: wrapped, pause: soon}", "runner.pause", "soon"),
        ("{command: [./run.sh]}", "{type: wrapped, copy: data}", "runner.copy", "copy must be a list of paths"),
        ("{command: [./run.sh]}", "{type: wrapped, working_dir: 5}", "runner.working_dir", "it must be a path, not 5"),
        (
            "{command: [./run.sh]}",
            "{type: wrapped, write_configs: 5}",
            "runner.write_configs",
            "write_configs must be a command",
        ),
        ("{command: [./run.sh]}", "{type: wrapped, copy: [gone]}", "runner.copy", "there is no '"),
        ("{command: [./run.sh]}", '{type: wrapped, copy: ["a\\0b"]}', "runner.copy", "there is no '"),
        ("{command: [./run.sh]}", "{type: wrapped, link: ['gone*']}", "runner.link", "nothing matches '"),
        ("{command: [./run.sh]}", "{type: wrapped, template: [gone]}", "runner.template", "there is no '"),
        ("{command: [./run.sh]}", "{type: wrapped, working_dir: gone}", "runner.working_dir", "there is no folder '"),
        (
            "{command: [./run.sh]}",
            "{type: wrapped, fetch_trial_data: [gone]}",
            "runner.fetch_trial_data",
            "not on PATH",
        ),
        ("{command: [./run.sh]}", '{type: wrapped, config: "a\\0b"}', "runner.config", "a null character in it"),
        ("{command: [./run.sh]}", "{type: wrapped, metrics: 5}", "runner.metrics", "must be a mapping of metrics to"),
        ("{command: [./run.sh]}", "{type: wrapped, metrics: [y]}", "runner.metrics", "such as {y: rmse}, not ['y']"),
        (
            "{command: [./run.sh]}",
            "{type: wrapped, metrics: {y: nope}}",
            "runner.metrics",
            "the metric function 'nope' is not",
        ),
        (
            "{command: [./run.sh]}",
            "{type: wrapped, metrics: {y: {a: 1}}}",
            "runner.metrics",
            "a mapping of function, arg",
        ),
        (
            "{command: [./run.sh]}",
            "{type: wrapped, metrics: {y: {function: mse, arguments: 5}}}",
            "runner.metrics",
            "arguments of the metric 'y' must be a mapping, not 5",
        ),
        ("{command: [./run.sh]}", "{type: wrapped, config: gone.yaml}", "runner.config", "there is no file '/"),
        ("{command: [./gone.sh]}", "{type: wrapped}", "evaluate.command[0]", "does not exist"),
        (
            "{command: [./run.sh], result: {from: stdout, pattern: '(.*)'}}",
            "{type: wrapped}",
            "runner.type",
            "reads a result its own way; remove evaluate.result",
        ),
    ],
)
def test_mistakes_in_a_file(write, evaluate, runner, key, sentence):
    with pytest.raises(ExperimentFileError) as caught:
        load(write(evaluate, runner))
    assert caught.value.key == key
    assert sentence in str(caught.value)


def test_a_limit_that_a_wrapper_cannot_keep_is_refused(write):
    path = write('{wrapper: "wrap.py:Good"}', "{type: wrapped}")
    path.write_text(f"{path.read_text()}limits: {{timeout: 10 s}}\n")
    with pytest.raises(ExperimentFileError, match="the wrapped runner cannot enforce a time limit"):
        load(path)


def test_the_command_is_known():
    assert "import-boa" in cli.list_commands(None)
