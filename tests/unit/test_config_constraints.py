"""Several objectives, constraints and conditions: in the experiment file, in the export, in the summary."""

from __future__ import annotations

import csv
import io

import pytest

from runwright import Experiment, Float, Scheduler
from runwright.config import load
from runwright.errors import ExperimentFileError
from runwright.optimizers import RandomOptimizer
from runwright.report import summarize, to_csv
from runwright.runners import LocalMetadataRunner

FILE = """
name: conditions
parameters:
  optimizer: {type: choice, values: [sgd, adam]}
  momentum: {type: float, bounds: [0, 1], when: {optimizer: sgd}}
  x1: {type: float, bounds: [0, 1]}
  x2: {type: float, bounds: [0, 1], log: false}
objectives: {error: minimize, speed: maximize}
constraints:
  - "x1 + x2 <= 1"
  - "weight <= 40"
evaluate: {command: ["true", "--momentum={momentum}"]}
enqueue: [{optimizer: adam, x1: 0, x2: 1}]
stop: {trials: 3}
"""


def written(tmp_path, text):
    path = tmp_path / "file.yaml"
    path.write_text(text)
    return path


def test_a_file_has_objectives_constraints_and_conditions(tmp_path):
    found = load(written(tmp_path, FILE))
    experiment = found.experiment()
    assert experiment.objectives == {"error": "minimize", "speed": "maximize"}
    assert [constraint.on for constraint in experiment.constraints] == ["parameters", "metrics"]
    assert experiment.parameters["momentum"].when == {"optimizer": ("sgd",)}
    assert found.enqueue == [{"optimizer": "adam", "x1": 0.0, "x2": 1.0}]
    assert found.definition()["experiment"]["constraints"] == ["x1 + x2 <= 1", "weight <= 40"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("x1 + x2 <= 1", "x1 + x3 <= 1", "constraints[0]: 'x3' in the constraint"),
        ("weight <= 40", "x1 + error <= 40", "constraints[1]: the constraint 'x1 + error <= 40' mixes"),
        ("weight <= 40", "weight * weight <= 40", "'weight * weight <= 40' is not linear"),
        ("weight <= 40", "weight <= \u0661", "constraints[1]: '\u0661' cannot stand where it does"),
        ("weight <= 40", "weight <= 4_0", "constraints[1]: '_0' cannot stand where it does"),
        ("weight <= 40", "weight", "constraints[1]: the constraint 'weight' is not a comparison"),
        ('"weight <= 40"', "40", "constraints[1]: it must be a text"),
        ("when: {optimizer: sgd}", "when: {optimizer: sdg}", "momentum.when: when 'optimizer': the value 'sdg'"),
        ("when: {optimizer: sgd}", "when: {x1: 0}", "parameters.momentum.when: when names 'x1', which is no choice"),
        ("when: {optimizer: sgd}", "when: {kind: 0}", "momentum.when: when names 'kind', which is no parameter"),
        ("when: {optimizer: sgd}", "when: sgd", "parameters.momentum.when: it must name a choice and its value"),
        ("x1: 0, x2: 1}", "x1: 0.5, x2: 1}", "enqueue[0]: the point breaks the constraint 'x1 + x2 <= 1'"),
        ("{optimizer: adam, x1", "{optimizer: adam, momentum: 1, x1", "enqueue[0]: parameter 'momentum' is there only"),
        ("{optimizer: adam, x1", "{optimizer: sgd, x1", "enqueue[0]: parameter 'momentum' is missing"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, old, new, sentence):
    assert old in FILE
    with pytest.raises(ExperimentFileError) as caught:
        load(written(tmp_path, FILE.replace(old, new)))
    assert sentence in str(caught.value)


def test_what_an_optimizer_cannot_keep_is_refused_before_anything_starts(tmp_path):
    pytest.importorskip("optuna")
    text = FILE.replace("error: minimize, speed: maximize", "error: minimize")
    with pytest.raises(ExperimentFileError, match="the sampler cmaes does not learn the constraint 'weight <= 40'"):
        load(
            written(
                tmp_path,
                text + "optimizer: {type: optuna, sampler: cmaes, options: {warn_independent_sampling: false}}\n",
            )
        )


def ended(constraints=()):
    experiment = Experiment(
        "front", {"x": Float(0, 1)}, {"error": "minimize", "speed": "maximize"}, constraints=constraints
    )
    runner = LocalMetadataRunner(lambda x: {"error": x, "speed": 2 * x if x < 0.5 else 0.5, "weight": 10 * x})
    scheduler = Scheduler(experiment, RandomOptimizer(), runner)
    results = scheduler.run(trials=12)
    return scheduler.state, results


def test_the_export_says_which_points_are_on_the_front():
    state, results = ended()
    front = [row["index"] for row in results if row["pareto"]]
    assert front == [row["index"] for row in results.pareto]
    assert front == [point.trial.index for point in summarize(state).front]
    assert 0 < len(front) < 12
    assert "feasible" not in results[0]
    text = io.StringIO()
    to_csv(state, text)
    lines = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert [int(line["index"]) for line in lines if line["pareto"] == "true"] == front
    assert summarize(state).infeasible is None


def test_what_breaks_a_constraint_is_not_on_the_front():
    state, results = ended(["weight <= 3"])
    assert all(row["feasible"] is (row["metrics"]["weight"]["mean"] <= 3) for row in results)
    assert all(row["feasible"] for row in results.pareto)
    summary = summarize(state)
    assert summary.infeasible == sum(not row["feasible"] for row in results) > 0
    assert summary.to_json(state)["infeasible"] == summary.infeasible
    assert [row["pareto"] for row in summary.to_json(state)["front"]] == [True] * len(summary.front)
    text = io.StringIO()
    to_csv(state, text)
    assert ",penalty,pareto,feasible," in text.getvalue().splitlines()[0]


@pytest.mark.parametrize("options", ["[]", "0", "false", '""'])
def test_options_that_are_no_mapping(tmp_path, options):
    pytest.importorskip("optuna")
    with pytest.raises(ExperimentFileError, match="options of the sampler tpe must be a mapping") as caught:
        load(written(tmp_path, f"{FILE}optimizer: {{type: optuna, options: {options}}}\n"))
    assert caught.value.key == "optimizer.options"


@pytest.mark.parametrize(
    ("sampler", "options", "key"),
    [
        ("cmaes", "popsize: 0", "popsize"),
        ("cmaes", "sigma0: -1", "sigma0"),
        ("nsgaii", "mutation_prob: 0.1, population_size: 1", "population_size"),
        ("qmc", "scramble: true, qmc_type: best", "qmc_type"),
        ("tpe", "n_startup_trials: -1", "n_startup_trials"),
        ("tpe", "gamma_ray: 1", "gamma_ray"),
    ],
)
def test_an_option_that_is_refused_is_named_where_it_stands(tmp_path, sampler, options, key):
    pytest.importorskip("optuna")
    text = f"{FILE}optimizer: {{type: optuna, sampler: {sampler}, options: {{{options}}}}}\n"
    with pytest.raises(ExperimentFileError) as caught:
        load(written(tmp_path, text))
    assert caught.value.key == f"optimizer.options.{key}"
