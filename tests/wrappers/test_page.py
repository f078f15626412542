"""The reference page of the wrapped runner, a test a sentence."""

from __future__ import annotations

import inspect
import json
import threading

import pytest

import runwright as rw
from runwright.runner import Runner
from runwright.runners import WrappedJobRunner
from runwright.wrappers import BaseWrapper, ScriptWrapper

EXPERIMENT = rw.Experiment("page", {"x": rw.Float(0, 1)}, {"y": "minimize"})


class Recording(BaseWrapper):
    def setup(self):
        self.calls = []

    def run_model(self, trial):
        self.calls.append(("run_model", trial.index, threading.current_thread() is threading.main_thread()))

    def set_trial_status(self, trial):
        self.calls.append(("set_trial_status", trial.index))
        if trial.index:
            trial.mark_completed()

    def fetch_trial_data(self, **_):
        return 1.0


def trial(index=0):
    made = EXPERIMENT.new_trial(index, [{"x": 0.5}])
    made.attempt = 1
    return made


@pytest.fixture
def runner():
    runner = WrappedJobRunner(Recording(), workers=3)
    yield runner
    runner.close()


def test_bases_runner(runner):
    assert isinstance(runner, Runner)


def test_constructor_wrapper_none_args_kwargs():
    signature = inspect.signature(WrappedJobRunner)
    assert list(signature.parameters)[:2] == ["wrapper", "args"]
    assert signature.parameters["wrapper"].default is None
    assert signature.parameters["args"].kind is inspect.Parameter.VAR_POSITIONAL
    assert list(signature.parameters)[-1] == "kwargs"
    assert isinstance(WrappedJobRunner().wrapper, BaseWrapper)
    wrapper = Recording()
    assert WrappedJobRunner(wrapper).wrapper is wrapper
    assert WrappedJobRunner(wrapper=wrapper).wrapper is wrapper
    with pytest.raises(TypeError):
        WrappedJobRunner(wrapper, "more")  # passed on to Runner, which takes none


def test_run_deploys_a_trial_and_returns_a_dict_of_run_metadata(runner):
    metadata = runner.run(trial(2))
    assert metadata["job_id"] == 2
    assert json.loads(json.dumps(metadata)) == metadata
    assert runner.wrapper.calls[0][:2] == ("run_model", 2)


def test_run_multiple_returns_trial_index_to_run_metadata(runner):
    deployed = runner.run_multiple(iter([trial(1), trial(2), trial(3)]))
    assert {index: metadata["job_id"] for index, metadata in deployed.items()} == {1: 1, 2: 2, 3: 3}


def test_poll_trial_status_returns_trial_status_to_a_set_of_indices(runner):
    trials = [trial(index) for index in range(3)]
    runner.run_multiple(trials)
    assert runner.poll_trial_status(iter(trials)) == {rw.TrialStatus.RUNNING: {0}, rw.TrialStatus.COMPLETED: {1, 2}}


def test_poll_trial_status_performs_a_single_poll_without_waiting(runner):
    runner.run(trial(0))
    asked = len(runner.wrapper.calls)
    for _ in range(3):
        runner.poll_trial_status([trial(0)])
    assert len(runner.wrapper.calls) == asked  # and asks the wrapper no more often than `pause` says


def test_poll_trial_status_may_include_trials_that_have_ended(runner):
    runner.run(trial(1))
    for _ in range(2):
        assert runner.poll_trial_status([trial(1)]) == {rw.TrialStatus.COMPLETED: {1}}


def test_to_dict_converts_the_runner_to_a_dictionary(runner):
    body = json.loads(json.dumps(runner.to_dict()))
    assert body["__type"] == "WrappedJobRunner"
    again = Runner.from_dict(body)
    assert isinstance(again, WrappedJobRunner)
    assert isinstance(again.wrapper, Recording)
    assert again == runner
    assert again.workers == 3
    assert runner.clone() == runner


def test_two_runners_are_equal_only_if_their_wrappers_are(runner):
    assert runner != WrappedJobRunner(Recording(), workers=2)
    assert runner != WrappedJobRunner(ScriptWrapper(run_model="true"), workers=3)
    assert runner == WrappedJobRunner(runner.wrapper, workers=3)
    assert runner != WrappedJobRunner(runner.wrapper, workers=3, pause=5)
    assert runner != 5
    assert len({runner, runner}) == 1
    assert runner.run_metadata_report_keys == ["job_id", "folder"]


def test_the_hooks_of_a_wrapper():
    names = [
        "load_config",
        "mk_experiment_dir",
        "setup",
        "write_configs",
        "run_model",
        "set_trial_status",
        "fetch_trial_data",
    ]
    assert all(callable(getattr(BaseWrapper, name)) for name in names)
    assert list(inspect.signature(BaseWrapper).parameters)[:4] == [
        "config_path",
        "config",
        "mk_exp_dir",
        "fetch_none_ok",
    ]
