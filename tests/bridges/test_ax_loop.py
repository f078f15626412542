"""Ax's loops, end to end, over every kind of runner."""

from __future__ import annotations

import pytest

pytest.importorskip("ax")

from ax.core.data import Data
from ax.core.metric import Metric
from ax.core.trial_status import TrialStatus
from ax.early_stopping.strategies import ThresholdEarlyStoppingStrategy
from ax.utils.common.result import Ok

from runwright.bridges.ax import AxRunner, RunnerMetric, RunnerProgressMetric, runner_metrics
from runwright.folder import JOURNAL
from runwright.journal.reading import read_events
from runwright.report import best
from runwright.runners import (
    LocalMetadataRunner,
    PoolRunner,
    ProcessRunner,
    SimulatedBackendRunner,
    SyntheticRunner,
    WrappedJobRunner,
)
from runwright.simulation import BackendSimulator, BackendSimulatorOptions
from runwright.state import State
from runwright.wrappers import ScriptWrapper
from tests.bridges import ax_functions
from tests.bridges.ax_driving import batch_of, experiment, orchestrator, statuses
from tests.bridges.test_ax_storage import new_client

COMMAND = ["sh", "-c", 'printf \'{{"y": %s}}\' "$1" > "$RUNWRIGHT_RESULT"', "sh", "{x1}"]
SCRIPT = """printf '{"y": %s}' "$1" > output.json"""


def runner_of(kind: str, folder):
    if kind == "local":
        return LocalMetadataRunner(ax_functions.paraboloid)
    if kind == "pool":
        return PoolRunner(ax_functions.reference("paraboloid"), workers=2)
    if kind == "command":
        return ProcessRunner(COMMAND, workers=2)
    if kind == "function":
        return ProcessRunner(function=ax_functions.reference("paraboloid"), workers=2, preload=True)
    if kind == "wrapped":
        (folder / "model.sh").write_text(SCRIPT)
        wrapper = ScriptWrapper(run_model=["sh", str(folder / "model.sh"), "{x1}"], pause=0.01)
        return WrappedJobRunner(wrapper, workers=2)
    machine = BackendSimulator(BackendSimulatorOptions(2))
    return SimulatedBackendRunner(machine, lambda trial: 3600.0, evaluation_function=ax_functions.paraboloid)


KINDS = ["local", "pool", "command", "function", "wrapped", "simulated"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_orchestrator(tmp_path, kind) -> None:
    with AxRunner(runner_of(kind, tmp_path), directory=tmp_path / "run") as runner:
        exp = experiment(runner)
        orchestrator(exp).run_n_trials(5)
        assert statuses(exp) == dict.fromkeys(range(5), "COMPLETED")
        data = exp.lookup_data().df.set_index("trial_index")["mean"].to_dict()
        for index, trial in exp.trials.items():
            x1, x2 = trial.arm.parameters["x1"], trial.arm.parameters["x2"]
            expected = x1 if kind in ("command", "wrapped") else (x1 - 0.3) ** 2 + x2
            assert data[index] == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_client(tmp_path, kind) -> None:
    client = new_client()
    runner = AxRunner(runner_of(kind, tmp_path), directory=tmp_path / "run")
    client.configure_runner(runner)
    client.configure_metrics(runner_metrics(runner, ["y"]))
    client.run_trials(max_trials=2, parallelism=2, initial_seconds_between_polls=0)
    assert list(client.summarize()["trial_status"]) == ["COMPLETED"] * 2
    runner.close()


@pytest.mark.slow
def test_what_runwright_shows_of_it(tmp_path, capsys) -> None:
    from runwright.cli import main

    with AxRunner(PoolRunner(ax_functions.reference("fails_in_a_corner"), workers=2), directory=tmp_path) as runner:
        exp = experiment(runner)
        orchestrator(exp).run_n_trials(6)
        failed = [trial for trial in exp.trials.values() if trial.status is TrialStatus.FAILED]
        assert failed
        assert "beyond 0.5" in failed[0].status_reason
    for command in (["status", str(tmp_path)], ["story", str(tmp_path), str(failed[0].index)]):
        with pytest.raises(SystemExit) as left:
            main(command)
        assert left.value.code == 0
    assert "beyond 0.5" in capsys.readouterr().out


class Elsewhere(Metric):
    """A metric of the user's own: the runner measures nothing."""

    def fetch_trial_data(self, trial, **kwargs):
        rows = [
            {"trial_index": trial.index, "arm_name": arm.name, "metric_name": self.name, "metric_signature": self.name}
            | {"mean": arm.parameters["x1"], "sem": 0.0}
            for arm in trial.arms
        ]
        import pandas as pd

        return Ok(Data(df=pd.DataFrame(rows)))


def test_a_runner_that_measures_nothing() -> None:
    exp = experiment(AxRunner(SyntheticRunner("dummy")), metrics=[Elsewhere("y")])
    orchestrator(exp).run_n_trials(3)
    assert statuses(exp) == dict.fromkeys(range(3), "COMPLETED")
    assert exp.trials[1].run_metadata["name"] == "exp_1"
    assert exp.trials[1].run_metadata["dummy_metadata"] == "dummy"


def test_batch_trials_on_a_test_problem() -> None:
    pytest.importorskip("botorch")
    from botorch.test_functions import Branin

    from runwright.runners import BotorchTestProblemRunner

    exp = experiment(AxRunner(BotorchTestProblemRunner(Branin, {})))
    batch = batch_of(exp, (0.1, 0.2), (0.3, 0.4), (0.5, 0.6)).run()
    assert exp.runner.poll_trial_status([batch]) == {TrialStatus.COMPLETED: {0}}
    batch.mark_completed()
    data = exp.fetch_data().df.set_index("arm_name")["mean"]
    import torch

    for arm in batch.arms:
        point = torch.tensor([arm.parameters["x1"], arm.parameters["x2"]], dtype=torch.double)
        assert data[arm.name] == pytest.approx(float(Branin().double()(point)))


@pytest.mark.slow
def test_a_pareto_front() -> None:
    metrics = [RunnerMetric("y", lower_is_better=True), RunnerMetric("z", lower_is_better=True)]
    with AxRunner(PoolRunner(ax_functions.reference("two"), workers=2)) as runner:
        exp = experiment(runner, metrics=metrics, objective="-y, -z")
        orchestrator(exp).run_n_trials(8)
        assert runner._deployments._opened.state.experiment.objectives == {"y": "minimize", "z": "minimize"}
        values = exp.lookup_data().df.pivot_table(index="trial_index", columns="metric_name", values="mean")
        assert len(values) == 8
        for index, trial in exp.trials.items():
            assert values.loc[index, "z"] == pytest.approx(1.0 - trial.arm.parameters["x1"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_with_a_model() -> None:
    client = new_client()
    runner = AxRunner(LocalMetadataRunner(ax_functions.paraboloid))
    client.configure_generation_strategy(method="fast", initialization_budget=3)
    client.configure_runner(runner)
    client.configure_metrics(runner_metrics(runner, ["y"]))
    client._experiment.runner = runner
    from ax.orchestration.orchestrator import Orchestrator

    from tests.bridges.ax_driving import options

    Orchestrator(client._experiment, client._generation_strategy, options(max_pending_trials=1)).run_n_trials(4)
    assert set(statuses(client._experiment).values()) == {"COMPLETED"}
    parameters, _, _, _ = client.get_best_parameterization()
    assert set(parameters) == {"x1", "x2"}


def test_the_face_that_knows_indices_alone() -> None:
    runner = AxRunner(LocalMetadataRunner(ax_functions.paraboloid))
    (metric,) = runner_metrics(runner, ["y"])
    metadata = runner.run_trial(7, {"x1": 0.3, "x2": 0.25})
    assert runner.poll_trial(7, metadata) is TrialStatus.COMPLETED
    assert metric.fetch(7, metadata) == (0, (0.25, 0.1))
    assert runner.stop_trial(7, metadata) == {}


@pytest.mark.slow
def test_progress_is_map_data(tmp_path) -> None:
    lines = "".join(f'{{{{"step": {step}, "y": {{x1}}{step}, "note": "n"}}}}\\n' for step in (1, 2, 3))
    command = ["sh", "-c", f"printf '{lines}' > progress.jsonl; printf '{{{{\"y\": 0.5}}}}' > \"$RUNWRIGHT_RESULT\""]
    runner = AxRunner(ProcessRunner(command, workers=1), directory=tmp_path)
    exp = experiment(runner, metrics=runner_metrics(runner, ["y"], progress=True))
    assert isinstance(exp.metrics["y"], RunnerProgressMetric)
    assert exp.metrics["y"].is_available_while_running()
    orchestrator(exp).run_n_trials(1)
    found = exp.lookup_data().full_df.set_index("step")["mean"]
    assert list(found.index) == [1.0, 2.0, 3.0]
    assert found[3.0] == 0.5
    runner.close()


@pytest.mark.slow
def test_the_loop_goes_on_after_an_early_stop(tmp_path) -> None:
    """Ax ends a study for stuck where it waits for nothing and there is no room: what it stopped holds its slot."""
    text = """printf '{"step": 1, "y": %s}\\n' "$1" > progress.jsonl
    case $1 in 0.[0-4]*) printf '{"y": %s}' "$1" > "$RUNWRIGHT_RESULT";; *) exec sleep 600;; esac"""
    command = ["sh", "-c", text.replace("{", "{{").replace("}", "}}"), "sh", "{x1}"]
    runner = AxRunner(ProcessRunner(command, workers=1), directory=tmp_path, wait=0.1)
    exp = experiment(runner, metrics=runner_metrics(runner, ["y"], progress=True))
    strategy = ThresholdEarlyStoppingStrategy(metric_threshold=0.5, min_progression=1, min_curves=0)
    orchestrator(exp, early_stopping_strategy=strategy, max_pending_trials=1).run_n_trials(6)
    ends = {
        index: "COMPLETED" if trial.arm.parameters["x1"] < 0.5 else "EARLY_STOPPED"
        for index, trial in exp.trials.items()
    }
    assert statuses(exp) == ends
    assert set(ends.values()) == {"COMPLETED", "EARLY_STOPPED"}
    runner.close()


def test_what_ax_finds_infeasible_is_not_our_best(tmp_path) -> None:
    client = new_client()
    limits = ["z >= 0.5", "2 * w - z <= 0.5", "w <= 9 * baseline"]  # the last is relative: Ax alone can judge it
    client.configure_optimization(objective="y", outcome_constraints=limits)
    runner = AxRunner(LocalMetadataRunner(ax_functions.three), directory=tmp_path)
    client.configure_runner(runner)
    client.configure_metrics(runner_metrics(runner, ["y", "z", "w"]))
    client.run_trials(max_trials=8)
    runner.close()
    state = State.of(read_events(tmp_path / JOURNAL))
    constraints = {constraint.text: dict(constraint.weights) for constraint in state.experiment.outcome_constraints}
    assert sorted(constraints.values(), key=len) == [{"z": -1.0}, {"w": 2.0, "z": -1.0}]
    values = [{name: mean for name, (mean, _) in trial.result.metrics.items()} for trial in state.trials]
    feasible = [found for found in values if found["z"] >= 0.5 and 2 * found["w"] - found["z"] <= 0.5]
    assert 0 < len(feasible) < len(values)
    assert values[best(state).index] == max(feasible, key=lambda found: found["y"])
