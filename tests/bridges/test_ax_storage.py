"""AxRunner and its metrics in Ax's storage: JSON, SQL, clone, equality."""

from __future__ import annotations

import copy

import pytest

pytest.importorskip("ax")

from ax.api.client import Client
from ax.core.runner import Runner as AxBaseRunner
from ax.core.trial_status import TrialStatus
from ax.storage.json_store.decoder import object_from_json
from ax.storage.json_store.encoder import object_to_json

import runwright as rw
from runwright.bridges.ax import AxRunner, RefusedError, RunnerMetric, RunnerProgressMetric, register, runner_metrics
from runwright.runners import LocalMetadataRunner, PoolRunner, ProcessRunner
from tests.bridges import ax_functions
from tests.bridges.ax_driving import experiment, orchestrator, trial_of

SETTINGS = {
    "wait": 0.5,
    "parallel": 2,
    "on_failure": {"crashed": "retry 2", "other": "fail"},
    "limits": rw.Limits(timeout=9.0, memory=2**30),
}


@pytest.fixture(autouse=True)
def _registered() -> None:
    register()
    register()  # twice is once


def through_json(thing):
    return object_from_json(object_to_json(thing))


def full(directory) -> AxRunner:
    return AxRunner(PoolRunner(ax_functions.reference("paraboloid"), workers=2), directory=directory, **SETTINGS)


def test_it_is_a_runner_of_ax() -> None:
    runner = AxRunner(LocalMetadataRunner(ax_functions.paraboloid))
    assert isinstance(runner, AxBaseRunner)
    assert runner.run_metadata_report_keys == ["name", "simulation_result"]


@pytest.mark.parametrize("way", [through_json, lambda runner: runner.clone()])
def test_the_arguments_are_kept(tmp_path, way) -> None:
    runner = full(tmp_path)
    again = way(runner)
    assert again is not runner
    assert again == runner
    assert AxRunner.serialize_init_args(again) == AxRunner.serialize_init_args(runner)
    assert again._settings.limits == SETTINGS["limits"]
    assert again.runner.workers == 2
    assert again != AxRunner(again.runner)
    assert runner != "runner"


def test_defaults_are_kept(tmp_path) -> None:
    runner = AxRunner(ProcessRunner(["true"]))
    assert through_json(runner) == runner


def test_another_working_folder_finds_the_directory(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    runner = AxRunner(LocalMetadataRunner(ax_functions.paraboloid), directory="run")
    assert AxRunner.serialize_init_args(runner)["directory"] == str(tmp_path / "run")


def test_what_another_process_could_not_make_is_refused() -> None:
    runner = AxRunner(LocalMetadataRunner(lambda x1: x1))
    with pytest.raises(RefusedError, match="lambda"):
        object_to_json(runner)
    assert runner == AxRunner(runner.runner)


def test_a_deep_copy_stands_for_the_same_jobs() -> None:
    exp = experiment(AxRunner(LocalMetadataRunner(ax_functions.paraboloid)))
    trial = trial_of(exp, 0.1).run()
    copied = copy.deepcopy(exp)
    assert copied.runner is exp.runner
    assert copied.runner.poll_trial_status([trial]) == {TrialStatus.COMPLETED: {0}}


@pytest.mark.parametrize("kind", [RunnerMetric, RunnerProgressMetric])
def test_metrics_are_kept(kind) -> None:
    metric = kind("y", lower_is_better=True, properties={"unit": "s"})
    assert through_json(metric) == metric
    assert metric.clone() == metric
    (bound,) = runner_metrics(AxRunner(LocalMetadataRunner(ax_functions.paraboloid)), ["y"])
    assert through_json(bound) == bound, "whose runner it was given is no part of it"


def test_a_client_is_saved_and_loaded(tmp_path) -> None:
    client = new_client()
    runner = LocalMetadataRunner(ax_functions.paraboloid)
    client.configure_runner(AxRunner(runner, directory=tmp_path / "run"))
    client.configure_metrics(runner_metrics(runner, ["y"]))
    client._experiment.runner.run(trial_of(client._experiment, 0.3))
    client.save_to_json_file(str(tmp_path / "client.json"))
    client._experiment.runner.close()
    loaded = Client.load_from_json_file(str(tmp_path / "client.json"))
    assert loaded._experiment.runner == client._experiment.runner
    assert type(loaded._experiment.metrics["y"]) is RunnerMetric


def new_client() -> Client:
    from ax.api.configs import RangeParameterConfig

    client = Client(random_seed=3)
    parameters = [RangeParameterConfig(name=name, parameter_type="float", bounds=(0.0, 1.0)) for name in ("x1", "x2")]
    client.configure_experiment(name="exp", parameters=parameters)
    client.configure_optimization(objective="-y")
    client.configure_generation_strategy(method="random_search")
    return client


def test_an_experiment_in_a_database(tmp_path) -> None:
    pytest.importorskip("sqlalchemy")
    from ax.storage.sqa_store.db import create_all_tables, get_engine, init_engine_and_session_factory
    from ax.storage.sqa_store.load import load_experiment
    from ax.storage.sqa_store.save import save_experiment

    init_engine_and_session_factory(url=f"sqlite:///{tmp_path / 'ax.db'}", force_init=True)
    create_all_tables(get_engine())
    exp = experiment(full(tmp_path / "run"), metrics=[RunnerMetric("y"), RunnerProgressMetric("z")])
    save_experiment(exp)
    loaded = load_experiment("exp")
    assert loaded.runner == exp.runner
    assert loaded.metrics == exp.metrics
    orchestrator(loaded, max_pending_trials=2).run_n_trials(2)
    assert {trial.status for trial in loaded.trials.values()} == {TrialStatus.COMPLETED}
    trial = trial_of(loaded, 0.1).run()
    loaded.runner_for_trial_type(None).stop(trial)  # an equal runner, but another object
    loaded.runner.close()


def test_equal_runners_in_one_process_share_their_jobs(tmp_path) -> None:
    first = experiment(full(tmp_path))
    trial = trial_of(first, 0.1).run()
    again = experiment(full(tmp_path))
    same = trial_of(again, 0.1).run()
    assert same.run_metadata == trial.run_metadata
    assert again.runner._deployments is first.runner._deployments
    del first, trial
    assert again.runner.poll_trial_status([same])[TrialStatus.COMPLETED] == {0}
    again.runner.close()


def test_a_directory_is_free_when_its_runner_is_no_longer_used(tmp_path) -> None:
    import gc

    exp = experiment(full(tmp_path))
    trial_of(exp, 0.1).run()
    del exp
    gc.collect()
    exp = experiment(AxRunner(PoolRunner(ax_functions.reference("paraboloid"), workers=1), directory=tmp_path))
    trial = trial_of(exp, 0.1).run()
    assert exp.runner.poll_trial_status([trial])[TrialStatus.COMPLETED] == {0}
    exp.runner.close()
