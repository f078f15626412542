"""`BotorchTestProblemRunner` on real BoTorch problems."""

from __future__ import annotations

import json
import math
import sys

import pytest
import torch
from botorch.test_functions import (
    Branin,
    BraninCurrin,
    ConstrainedBraninCurrin,
    Hartmann,
)
from botorch.test_functions.base import BaseTestProblem
from botorch.test_functions.synthetic import ConstrainedGramacy, ConstrainedHartmann

import runwright as rw
from runwright.errors import MissingExtraError, UsageError
from runwright.experiment import OpenExperiment
from runwright.optimizers import RandomOptimizer
from runwright.runner import Ended, Lost, RunContext, Runner, Traits
from runwright.runners import BotorchTestProblemRunner

PI = 3.141592653589793
S = rw.TrialStatus


def experiment(dim, *objectives, low=0.0, high=1.0, name="bt", seed=0):
    parameters = {f"x{i}": rw.Float(low, high) for i in range(dim)}
    return rw.Experiment(name, parameters, dict.fromkeys(objectives or ("y",), "minimize"), seed=seed)


BRANIN = rw.Experiment("branin", {"x1": rw.Float(-5, 10), "x2": rw.Float(0, 15)}, {"y": "minimize"})


def trial_of(definition, *points, index=0, **fields):
    names = list(definition.parameters)
    made = definition.new_trial(index, [dict(zip(names, point, strict=True)) for point in points], **fields)
    made.attempt = 1
    return made


def evaluated(runner, definition, *points, **fields):
    runner.open(RunContext(definition))
    trial = trial_of(definition, *points, **fields)
    trial.run_metadata = runner.run(trial)
    return trial


def test_the_constructor():
    runner = BotorchTestProblemRunner(Branin, {"negate": True})
    assert isinstance(runner, Runner)
    assert isinstance(runner.test_problem, Branin)
    assert (runner.outcome_names, runner.modified_bounds) == (None, None)
    assert runner.traits == Traits(batches=True, holds_results=True, inline=True)
    runner = BotorchTestProblemRunner(
        test_problem_class=Branin, test_problem_kwargs={}, outcome_names=["y"], modified_bounds=[(0, 1), (0, 1)]
    )
    assert (runner.outcome_names, runner.modified_bounds) == (["y"], [(0.0, 1.0), (0.0, 1.0)])


def test_branin():
    runner = BotorchTestProblemRunner(Branin, {})
    trial = evaluated(runner, BRANIN, (PI, 2.275))
    assert trial.run_metadata == {"Ys": {"0_0": [pytest.approx(0.397887, abs=1e-6)]}}
    assert json.loads(json.dumps(trial.run_metadata)) == trial.run_metadata
    assert runner.poll_trial_status([trial]) == {S.COMPLETED: {0}}
    result = runner.fetch_result(trial)
    assert result.metrics == {"y": (trial.run_metadata["Ys"]["0_0"][0], 0.0)}
    assert result.seconds >= 0
    assert runner.run_metadata_report_keys == ["Ys"]


def test_hartmann():
    optimum = (0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573)
    trial = evaluated(BotorchTestProblemRunner(Hartmann, {}), experiment(6), optimum)
    assert trial.run_metadata["Ys"]["0_0"] == [pytest.approx(-3.32237, abs=1e-5)]


@pytest.mark.parametrize("negate", [False, True])
def test_the_sign_is_the_problems_own(negate):
    trial = evaluated(BotorchTestProblemRunner(Branin, {"negate": negate}), BRANIN, (1.0, 2.0))
    problem = Branin(negate=negate)
    assert trial.run_metadata["Ys"]["0_0"] == problem(torch.tensor([[1.0, 2.0]], dtype=torch.double)).tolist()
    assert (trial.run_metadata["Ys"]["0_0"][0] < 0) is negate


def test_a_batch_trial_has_the_values_of_each_arm():
    runner = BotorchTestProblemRunner(Branin, {})
    trial = evaluated(runner, BRANIN, (0.0, 0.0), (1.0, 2.0), index=3)
    ys = trial.run_metadata["Ys"]
    assert list(ys) == ["3_0", "3_1"]
    assert runner.fetch_result(trial).arms == {arm: {"y": (ys[arm][0], 0.0)} for arm in ys}


@pytest.mark.parametrize("negate", [False, True])
def test_a_problem_of_several_objectives(negate):
    runner = BotorchTestProblemRunner(BraninCurrin, {"negate": negate})
    trial = evaluated(runner, experiment(2, "branin", "currin"), (0.25, 0.5))
    expected = BraninCurrin(negate=negate)(torch.tensor([[0.25, 0.5]], dtype=torch.double))[0].tolist()
    assert trial.run_metadata["Ys"]["0_0"] == expected
    assert runner.fetch_result(trial).metrics == {"branin": (expected[0], 0.0), "currin": (expected[1], 0.0)}


@pytest.mark.parametrize(
    ("problem", "objectives", "constraints"),
    [(ConstrainedBraninCurrin, 2, 1), (ConstrainedGramacy, 1, 2), (ConstrainedHartmann, 1, 1)],
)
def test_constraints_are_further_outcomes(problem, objectives, constraints):
    own = problem(negate=True)
    definition = experiment(own.dim, *[f"y{i}" for i in range(objectives)])
    runner = BotorchTestProblemRunner(problem, {"negate": True})
    point = (0.25, 0.5, 0.125, 0.75, 0.5, 0.25)[: own.dim]
    trial = evaluated(runner, definition, point)
    x = torch.tensor([point], dtype=torch.double)
    expected = [*own(x).reshape(-1).tolist(), *own.evaluate_slack(x)[0].tolist()]
    assert trial.run_metadata["Ys"]["0_0"] == expected
    names = [f"y{i}" for i in range(objectives)] + [f"constraint_{i}" for i in range(constraints)]
    assert list(runner.fetch_result(trial).metrics) == names


def test_outcome_names():
    runner = BotorchTestProblemRunner(ConstrainedBraninCurrin, {}, outcome_names=["branin", "currin", "slack"])
    trial = evaluated(runner, experiment(2, "currin"), (0.25, 0.5))
    ys = trial.run_metadata["Ys"]["0_0"]
    metrics = {name: (value, 0.0) for name, value in zip(["branin", "currin", "slack"], ys, strict=True)}
    assert runner.fetch_result(trial).metrics == metrics


def test_modified_bounds_rescale_to_the_problems_own():
    definition = experiment(2, low=0, high=10)
    runner = BotorchTestProblemRunner(Branin, {}, modified_bounds=[(0, 10), (0, 10)])
    trial = evaluated(runner, definition, (10 * (PI + 5) / 15, 10 * 2.275 / 15), (0.0, 10.0))
    assert trial.run_metadata["Ys"]["0_0"] == [pytest.approx(0.397887, abs=1e-6)]
    assert trial.run_metadata["Ys"]["0_1"] == Branin()(torch.tensor([[-5.0, 15.0]], dtype=torch.double)).tolist()


def test_a_point_outside_modified_bounds_has_no_value():
    runner = BotorchTestProblemRunner(Branin, {}, modified_bounds=[(0, 10), (0, 10)])
    trial = evaluated(runner, experiment(2, low=0, high=20), (12.0, 0.0))
    failure = runner.fetch_result(trial).failure
    assert (failure.kind, failure.message) == (
        rw.FailureKind.CRASHED,
        "arm '0_0': ValueError: Expected `X` to be within the bounds of the test problem.",
    )


def test_integers_are_parameters_too():
    definition = rw.Experiment("e", {"a": rw.Int(0, 10), "b": rw.Choice([0, 5, 10])}, {"y": "minimize"})
    runner = BotorchTestProblemRunner(Branin, {}, modified_bounds=[(0, 10), (0, 10)])
    trial = evaluated(runner, definition, (5, 10))
    assert trial.run_metadata["Ys"]["0_0"] == Branin()(torch.tensor([[2.5, 15.0]], dtype=torch.double)).tolist()


def test_noise_has_its_standard_error_and_a_seed_of_its_own():
    values = {}
    state = torch.random.get_rng_state()
    for seed, index in ((0, 0), (0, 0), (0, 1), (1, 0)):
        definition = experiment(2, low=0, high=1, seed=seed)
        runner = BotorchTestProblemRunner(BraninCurrin, {"noise_std": [0.5, 0.25]}, ["y", "z"])
        trial = evaluated(runner, definition, (0.5, 0.5), (0.5, 0.5), index=index)
        for arm, ys in trial.run_metadata["Ys"].items():
            values.setdefault((seed, arm), []).append(ys)
        sems = [sem for _, sem in runner.fetch_result(trial).arms[f"{index}_0"].values()]
        assert sems == [0.5, 0.25]
    assert values[0, "0_0"][0] == values[0, "0_0"][1], "an attempt that is repeated measures the same"
    distinct = {tuple(found[0]) for found in values.values()}
    assert len(distinct) == len(values) == 6
    assert torch.equal(state, torch.random.get_rng_state())
    exact = BotorchTestProblemRunner(BraninCurrin, {}).true_values({"a": 0.5, "b": 0.5})
    noise = [ys[0][0] - exact[0] for ys in values.values()]
    assert all(abs(part) < 3 for part in noise)


def test_noise_of_constraints():
    runner = BotorchTestProblemRunner(ConstrainedGramacy, {"noise_std": 0.1, "constraint_noise_std": [0.2, 0.3]})
    trial = evaluated(runner, experiment(2), (0.25, 0.5))
    assert [sem for _, sem in runner.fetch_result(trial).metrics.values()] == [0.1, 0.2, 0.3]


def test_a_later_driver_reads_the_values_from_the_run_metadata():
    first = BotorchTestProblemRunner(BraninCurrin, {"noise_std": 0.5}, ["y", "z"])
    trial = evaluated(first, experiment(2), (0.5, 0.5), (0.25, 0.5))
    trial.run_metadata = json.loads(json.dumps(trial.run_metadata))
    later = BotorchTestProblemRunner(BraninCurrin, {"noise_std": 0.5}, ["y", "z"])
    assert later.reattach([trial]) == {0: Ended(trial.run_metadata)}
    assert later.fetch_result(trial).arms == first.fetch_result(trial).arms
    trial.run_metadata = {}
    assert later.reattach([trial]) == {0: Lost("it ended with the driver that ran it")}
    trial.run_metadata = {"Ys": {"0_0": [1.0, 2.0]}}
    assert later.reattach([trial]) == {0: Lost("it ended with the driver that ran it")}


def test_a_point_that_the_problem_refuses_is_that_trials_failure():
    runner = BotorchTestProblemRunner(Branin, {})
    trial = evaluated(runner, experiment(2, low=0, high=100), (1.0, 2.0), (99.0, 99.0))
    assert runner.poll_trial_status([trial]) == {S.FAILED: {0}}
    failure = runner.fetch_result(trial).failure
    assert failure.kind is rw.FailureKind.CRASHED
    assert failure.message == "arm '0_1': ValueError: Expected `X` to be within the bounds of the test problem."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((int, {}), "the test problem must be a subclass of BoTorch's BaseTestProblem, not <class 'int'>"),
        (("builtins:dict", {}), "the test problem must be a subclass of BoTorch's BaseTestProblem, not <class 'dict'>"),
        ((Branin, {"dimension": 3}), r"Branin cannot be made of {'dimension': 3}: TypeError: .*dimension"),
        ((Branin, {}, ["y", "z"]), "outcome_names must be 1 different names, as Branin has 1 objectives and 0 constr"),
        ((BraninCurrin, {}, ["y", "y"]), "outcome_names must be 2 different names"),
        ((Branin, {}, None, [(0, 1)]), "modified_bounds has 1 pairs, but Branin has 2 parameters"),
        (
            (Branin, {}, None, [(0, 1), (1, 1)]),
            r"modified_bounds must be finite pairs \(low, high\) with low < high, not",
        ),
        (
            (Branin, {}, None, [(0, 1), (0, 1, 2)]),
            r"modified_bounds must be finite pairs \(low, high\) with low < high, not",
        ),
        ((Branin, {}, None, [(0, 1), (0, math.inf)]), r"modified_bounds must be finite pairs .*, not \(0, inf\)"),
        ((Branin, {}, None, [(0, 1), 5]), r"modified_bounds must be finite pairs .*, not 5"),
        ((Branin, None), "test_problem_kwargs must map names to values, as {} does, not None"),
    ],
)
def test_arguments_that_do_not_fit(arguments, sentence):
    with pytest.raises(UsageError, match=sentence):
        BotorchTestProblemRunner(*arguments)


@pytest.mark.parametrize(
    ("runner", "definition", "sentence"),
    [
        ((Branin, {}), experiment(3), "Branin has 2 parameters, but the experiment has 3"),
        (
            (Branin, {}),
            rw.Experiment("e", {"x": rw.Float(0, 1), "k": rw.Choice(["a", "b"])}, {"y": "minimize"}),
            "Branin takes numbers, but parameter 'k' is a choice of texts",
        ),
        (
            (ConstrainedBraninCurrin, {}),
            experiment(2, "y"),
            "ConstrainedBraninCurrin has 2 objectives and 1 constraints, but the experiment has 1 objectives; give out",
        ),
        ((Branin, {}, ["f"]), experiment(2, "y"), "the objective 'y' is no outcome of Branin; those are f"),
    ],
)
def test_an_experiment_that_does_not_fit_is_refused_before_the_first_trial(runner, definition, sentence):
    with pytest.raises(UsageError, match=sentence):
        rw.Scheduler(definition, RandomOptimizer(), BotorchTestProblemRunner(*runner), trials=1)


def test_an_experiment_of_a_foreign_loop():
    definition = OpenExperiment("open")
    runner = BotorchTestProblemRunner(Branin, {})
    trial = definition.new_trial(0, [{"a": 1, "b": 2.0}])
    trial.attempt = 1
    runner.run(trial)
    assert list(runner.fetch_result(trial).metrics) == ["objective_0"]


def observed(definition, **point):
    runner = BotorchTestProblemRunner(Hartmann, {})
    trial = definition.new_trial(0, [point])
    trial.attempt = 1
    return runner.run(trial)["Ys"]["0_0"]


def test_a_foreign_loops_points_are_taken_by_the_natural_order_of_their_names():
    """Points that are equal have equal values: the order in which somebody wrote them is not theirs."""
    exact = BotorchTestProblemRunner(Hartmann, {}).true_values({str(i): i / 10 for i in range(6)})
    definition = OpenExperiment("open")
    assert observed(definition, x10=0.5, x9=0.4, x2=0.2, x1=0.1, x3=0.3, x0=0.0) == exact
    assert observed(definition, b=0.2, a10=0.1, a2=0.0, c1d2=0.3, e=0.5, c1d10=0.4) == exact


def test_an_experiments_order_counts_whatever_the_order_of_a_point():
    definition = rw.Experiment("e", {name: rw.Float(0, 1) for name in "fbacde"}, {"y": "minimize"})
    exact = BotorchTestProblemRunner(Hartmann, {}).true_values({str(i): i / 10 for i in range(6)})
    assert observed(definition, a=0.2, b=0.1, c=0.3, d=0.4, e=0.5, f=0.0) == exact


class Own(BaseTestProblem):
    dim = 1
    continuous_inds = [0]  # noqa: RUF012
    _bounds = [(0.0, 1.0)]  # noqa: RUF012

    def _evaluate_true(self, X):  # noqa: N803
        return X.sum(dim=-1) * 2


def test_a_problem_of_ones_own():
    trial = evaluated(BotorchTestProblemRunner(Own, {}), experiment(1), (0.25,))
    assert trial.run_metadata["Ys"] == {"0_0": [0.5]}


def test_saved_and_built_again():
    runner = BotorchTestProblemRunner(Branin, {"negate": True}, ["y"], [(0, 1), (0, 2)])
    body = json.loads(json.dumps(runner.to_dict()))
    assert body["args"] == {
        "test_problem_class": "botorch.test_functions.synthetic:Branin",
        "test_problem_kwargs": {"negate": True},
        "outcome_names": ["y"],
        "modified_bounds": [[0.0, 1.0], [0.0, 2.0]],
    }
    assert Runner.from_dict(body) == runner == runner.clone()
    assert runner != BotorchTestProblemRunner(Branin, {})
    assert runner.meta == {"name": "BotorchTestProblemRunner", "test_problem": "Branin"}


def test_botorch_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "botorch.test_functions.base", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'runwright\[botorch\]'"):
        BotorchTestProblemRunner(Branin, {})


@pytest.mark.parametrize("problem", [Branin, BraninCurrin, ConstrainedGramacy])
def test_through_the_scheduler(tmp_path, problem):
    own = problem()
    low, high = own.bounds.tolist()
    objectives = ["f", "g"][: getattr(own, "num_objectives", 1)]
    parameters = {f"x{i}": rw.Float(low[i], high[i]) for i in range(own.dim)}
    definition = rw.Experiment("bt", parameters, dict.fromkeys(objectives, "minimize"))
    runner = BotorchTestProblemRunner(problem, {})
    with rw.Scheduler(definition, RandomOptimizer(), runner, directory=tmp_path / "run", trials=6) as scheduler:
        results = scheduler.run()
        report = scheduler.report_results()
    for row in results:
        assert row["status"] == "COMPLETED"
        x = torch.tensor([list(row["parameters"].values())], dtype=torch.double)
        assert [row["metrics"][name]["mean"] for name in objectives] == own(x).reshape(-1).tolist()
        assert report[row["index"]]["Ys"] == row["run_metadata"]["Ys"]
