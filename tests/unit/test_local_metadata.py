"""What `LocalMetadataRunner` promises beyond evaluating: the sentences of its reference page, one test each."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

import runwright as rw
from runwright.errors import ContractError
from runwright.optimizers import RandomOptimizer
from runwright.report import trial_row
from runwright.runner import Ended, Lost, RunContext, Runner
from runwright.runners import LocalMetadataRunner
from runwright.runners.local_json import UnrestorableError

EXPERIMENT = rw.Experiment("axtreme", {"x": rw.Float(0, 9)}, {"loc": "minimize", "scale": "maximize"}, seed=3)


@dataclass(frozen=True)
class PointResults:
    """What axtreme's evaluation functions return."""

    metric_names: list
    means: np.ndarray
    cov: np.ndarray | None

    def metric_data(self, name):
        position = self.metric_names.index(name)
        sem = None if self.cov is None else float(np.sqrt(self.cov[position, position]))
        return {"mean": self.means[position], "sem": sem}


def point_result(x):
    return PointResults(["loc", "scale"], np.array([x, 2 * x]), np.array([[0.04, 0.0], [0.0, 0.09]]))


def exact_point_result(x):
    return PointResults(["loc", "scale"], np.array([x, 2 * x]), None)


def wrong_point_result(x):
    return PointResults(["loc", "scale"], np.array([x, 2 * x]), np.array([[-0.04, 0.0], [0.0, 0.09]]))


def one_trial(index=0, *points):
    made = EXPERIMENT.new_trial(index, [{"x": x} for x in points or (2.0,)])
    made.attempt = 1
    return made


def through_json(value):
    return json.loads(json.dumps(value, allow_nan=False))


def test_it_is_a_runner():
    assert issubclass(LocalMetadataRunner, Runner)


def test_a_point_result_becomes_metrics_with_mean_and_sem():
    runner, trial = LocalMetadataRunner(point_result), one_trial()
    runner.run(trial)
    assert runner.fetch_result(trial).metrics == {"loc": (2.0, pytest.approx(0.2)), "scale": (4.0, pytest.approx(0.3))}
    data = point_result(2.0).metric_data("scale")
    assert runner.fetch_result(trial).metrics["scale"] == (data["mean"], data["sem"])


def test_a_point_result_without_covariance_has_no_sem():
    runner, trial = LocalMetadataRunner(exact_point_result), one_trial()
    runner.run(trial)
    assert runner.fetch_result(trial).metrics == {"loc": (2.0, None), "scale": (4.0, None)}


def test_negative_variance_is_an_error_not_a_nan():
    runner, trial = LocalMetadataRunner(wrong_point_result), one_trial()
    assert runner.run(trial)["simulation_result"] is None
    assert runner.poll_trial_status([trial]) == {rw.TrialStatus.FAILED: {0}}
    assert runner.poll_exception(trial) == "the variance of the metric 'loc' is negative: -0.04"
    assert runner.fetch_result(trial).failure.kind is rw.FailureKind.INVALID_RESULT


def test_the_simulation_result_gives_the_object_back():
    runner, trial = LocalMetadataRunner(point_result), one_trial()
    trial.run_metadata = through_json(runner.run(trial))
    given = LocalMetadataRunner.simulation_result(trial)
    assert type(given) is PointResults
    assert given.metric_names == ["loc", "scale"]
    assert given.means.dtype == np.float64
    assert given.means.tolist() == [2.0, 4.0]
    assert given.cov.tolist() == [[0.04, 0.0], [0.0, 0.09]]
    assert given.metric_data("loc") == point_result(2.0).metric_data("loc")


def test_the_simulation_results_of_a_batch_are_by_arm():
    runner, trial = LocalMetadataRunner(point_result), one_trial(4, 1.0, 3.0)
    trial.run_metadata = through_json(runner.run(trial))
    given = runner.simulation_result(trial)
    assert {name: point.means.tolist() for name, point in given.items()} == {"4_0": [1.0, 2.0], "4_1": [3.0, 6.0]}


def test_a_trial_without_a_simulation_result():
    with pytest.raises(ContractError, match="trial 0 has no simulation result: "):
        LocalMetadataRunner.simulation_result(one_trial())


@pytest.mark.parametrize("points", [(2.0,), (1.0, 3.0)])
def test_a_later_driver_reads_the_result_out_of_the_run_metadata(points):
    earlier, trial = LocalMetadataRunner(point_result), one_trial(0, *points)
    trial.run_metadata = through_json(earlier.run(trial))
    later = LocalMetadataRunner(point_result)
    assert later.reattach([trial]) == {0: Ended(trial.run_metadata)}
    assert later.fetch_result(trial).arms == earlier.fetch_result(trial).arms


def with_remark(x):
    return {"loc": x, "scale": x, "remark": f"at {x}"}


@pytest.mark.parametrize("points", [(2.0,), (1.0, 3.0)])
def test_remarks_are_read_again_too(points):
    earlier, trial = LocalMetadataRunner(with_remark), one_trial(0, *points)
    trial.run_metadata = through_json(earlier.run(trial))
    later = LocalMetadataRunner(with_remark).fetch_result(trial)
    assert later.additional_info == earlier.fetch_result(trial).additional_info
    assert later.arms == earlier.fetch_result(trial).arms


def test_what_is_told_of_other_arms_is_evaluated_again():
    trial = one_trial(0, 1.0, 3.0)
    for told in ({"9_0": 1.0}, 3.0):
        trial.run_metadata = {"simulation_result": told}
        assert LocalMetadataRunner(point_result).poll_trial_status([trial]) == {rw.TrialStatus.RUNNING: {0}}


@pytest.mark.parametrize(
    "told",
    [
        {"__class__": "nowhere.to_be_found:Point", "fields": {}},
        {"__text__": "Point(...)", "of": "tests:Point"},
        {"loc": 1.0},
    ],
)
def test_what_cannot_be_read_again_is_evaluated_again(told):
    trial = one_trial()
    trial.run_metadata = {"name": "axtreme_0", "simulation_result": told}
    runner = LocalMetadataRunner(point_result)
    assert runner.reattach([trial]) == {0: Lost("it ended with the driver that ran it")}
    assert runner.poll_trial_status([trial]) == {rw.TrialStatus.RUNNING: {0}}


def test_a_class_that_is_gone_is_named():
    trial = one_trial()
    trial.run_metadata = {"simulation_result": {"__class__": "nowhere.to_be_found:Point", "fields": {}}}
    with pytest.raises(UnrestorableError, match=r"'nowhere.to_be_found:Point' cannot be restored: ModuleNotFoundError"):
        LocalMetadataRunner.simulation_result(trial)


def test_run_multiple_runs_a_single_evaluation_for_each_of_the_given_trials():
    calls = []
    runner = LocalMetadataRunner(lambda x: calls.append(x) or {"loc": x, "scale": x})
    deployed = runner.run_multiple([one_trial(0, 1.0), one_trial(1, 2.0)])
    assert calls == [1.0, 2.0]
    assert {index: metadata["name"] for index, metadata in deployed.items()} == {0: "axtreme_0", 1: "axtreme_1"}


def test_poll_available_capacity_is_unlimited():
    assert LocalMetadataRunner(point_result).poll_available_capacity() == -1


def test_poll_exception_is_a_text():
    runner = LocalMetadataRunner(lambda x: {}["x"])
    trial = one_trial()
    runner.run(trial)
    assert runner.poll_exception(trial) == "KeyError: 'x'"


def test_staging_is_not_required():
    assert LocalMetadataRunner(point_result).staging_required is False


def test_clone_creates_a_copy():
    runner = LocalMetadataRunner(point_result)
    copy = runner.clone()
    assert copy is not runner
    assert copy == runner
    assert copy.evaluation_function is point_result


def test_deserialize_init_args_takes_the_pages_arguments():
    arguments = LocalMetadataRunner.serialize_init_args(obj=LocalMetadataRunner(point_result))
    found = LocalMetadataRunner.deserialize_init_args(
        args=through_json(arguments), decoder_registry={}, class_decoder_registry={}
    )
    assert found == {"evaluation_function": point_result}


def test_db_id_is_the_journals_row(tmp_path):
    runner = LocalMetadataRunner(point_result)
    assert runner.db_id is None
    with rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, directory=tmp_path, trials=1) as scheduler:
        scheduler.run()
    assert runner.db_id == 1
    runner.db_id = None
    assert runner.db_id is None


def test_report_results_carries_the_keys(tmp_path):
    runner = LocalMetadataRunner(point_result)
    runner.open(RunContext(EXPERIMENT))
    with rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, directory=tmp_path, trials=2) as scheduler:
        results = scheduler.run()
        report = scheduler.report_results()
        rows = [trial_row(scheduler.state, trial) for trial in scheduler.state.trials]
        restored = [runner.simulation_result(trial).means[0] for trial in scheduler.state.trials]
    assert runner.run_metadata_report_keys == ["name", "simulation_result"]
    assert [report[index]["name"] for index in (0, 1)] == ["axtreme_0", "axtreme_1"]
    for index, row in enumerate(rows):
        assert set(row["run_metadata"]) == {"name", "simulation_result"}
        assert report[index]["simulation_result"] == row["run_metadata"]["simulation_result"]
        assert restored[index] == results[index]["metrics"]["loc"]["mean"]
