"""SMAC through our scheduler: budgets and instances, processes with other hash seeds, how ends are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runwright import Choice, Experiment, Float, Scheduler
from runwright.errors import UsageError
from runwright.optimizer import Asked, Exhausted, Observation, Suggestion
from runwright.optimizers import SmacOptimizer, create
from runwright.result import Failure
from runwright.runners import LocalMetadataRunner
from runwright.status import FailureKind, TrialStatus

pytest.importorskip("smac")
pytestmark = pytest.mark.slow

LOSS = {"loss": "minimize"}
SPACE = {"x": Float(0, 1), "c": Choice(["a", "b"])}
LIFE = Path(__file__).with_name("smac_life.py")


def completed(trial, point, loss):
    return Observation(trial, point, TrialStatus.COMPLETED, {"loss": (loss, None)})


def live(until, facade, settings, known=(), *, hash_seed):
    command = [sys.executable, str(LIFE), str(until), facade, json.dumps(settings), json.dumps(list(known))]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    )
    return json.loads(done.stdout.splitlines()[-1])


FEW = {"n_trials": 60, "initial_design": {"n_configs": 4}}


@pytest.mark.parametrize(
    ("facade", "settings"),
    [
        ("random", {"n_trials": 40, "deterministic": False, "instances": ["i", "j"]}),
        ("hpo", FEW),
        ("hpo", {**FEW, "deterministic": False, "instances": ["i", "j"]}),
        ("blackbox", FEW),
        ("multifidelity", {**FEW, "min_budget": 1, "max_budget": 3}),
    ],
)
def test_another_process_with_another_hash_seed_goes_on_with_the_same_points(facade, settings):
    """Also where the model proposes: the local search of SMAC began in the order of a set, another in every process."""
    whole = live(24, facade, settings, hash_seed=1)
    resumed = live(24, facade, settings, whole["points"][:15], hash_seed=2)
    assert resumed["exact"], resumed["reason"]
    assert resumed["points"] == whole["points"]
    if "instances" in settings:
        assert len({instance for _, instance, _, _ in whole["points"]}) > 1
        assert len({seed for *_, seed in whole["points"]}) > 1


def test_budgets_and_instances_go_through_our_scheduler_and_are_resumed(tmp_path):
    seen = []

    def evaluate(x, c, instance, seed):
        seen.append((instance, seed))
        return {"loss": (x - 0.3) ** 2 + (c == "b") + ord(instance) / 100}

    def run(trials, directory):
        optimizer = SmacOptimizer("hyperband", min_budget=1, max_budget=3, instances=["i", "j", "k"], n_trials=40)
        runner = LocalMetadataRunner(evaluate)
        with Scheduler(Experiment("instances", SPACE, LOSS), optimizer, runner, directory=directory) as scheduler:
            return scheduler.run(trials=trials)

    run(7, tmp_path / "twice")
    rows = run(14, tmp_path / "twice")
    whole = run(14, tmp_path / "once")
    kept = ("parameters", "instance", "budget", "seed")
    assert [[row[key] for key in kept] for row in rows] == [[row[key] for key in kept] for row in whole]
    assert {instance for instance, _ in seen} == {"i", "j", "k"}
    losses = {}
    for row in rows:
        losses.setdefault(str(row["parameters"]), []).append(row["metrics"]["loss"]["mean"])
    most = max(map(len, losses.values()))
    assert most > 1, "a promoted point is evaluated on more instances"
    mean, best = min((sum(found) / most, point) for point, found in losses.items() if len(found) == most)
    assert str(rows.best["parameters"]) == best
    assert f"best loss = {mean:.6g} (trial {rows.best['index']}, mean of {most} evaluations)" in repr(rows)


def test_budgets_go_through_our_scheduler():
    experiment = Experiment("budgets", SPACE, LOSS)
    optimizer = SmacOptimizer("multifidelity", min_budget=1, max_budget=9, n_trials=20, initial_design={"n_configs": 5})
    runner = LocalMetadataRunner(lambda x, c, budget: {"loss": (x - 0.3) ** 2 + (c == "b") + 1 / budget})
    with Scheduler(experiment, optimizer, runner) as scheduler:
        results = scheduler.run(trials=14)
    assert {row["budget"] for row in results} == {1.0, 3.0, 9.0}
    assert results.best["budget"] == 9.0


@pytest.mark.parametrize("facade", ["hpo", "blackbox", "ac", "random"])
def test_each_facade_proposes(facade):
    optimizer = SmacOptimizer(
        facade, n_trials=20, initial_design=None if facade in ("ac", "random") else {"n_configs": 2}
    )
    optimizer.setup(Experiment("facades", SPACE, LOSS))
    for trial in range(3):
        point = optimizer.ask(trial).parameters
        optimizer.tell(completed(trial, point, point["x"]))


def test_ends_are_told_as_smac_wants_them():
    optimizer = SmacOptimizer("random")
    optimizer.setup(Experiment("ends", SPACE, LOSS))
    points = [optimizer.ask(trial).parameters for trial in range(5)]
    failures = [Failure(kind, "why") for kind in (FailureKind.CRASHED, FailureKind.TIMEOUT, FailureKind.MEMORYOUT)]
    for trial, failure in enumerate(failures):
        optimizer.tell(Observation(trial, points[trial], TrialStatus.FAILED, failure=failure))
    optimizer.tell(completed(3, points[3], 5.0))  # the first price of a failure
    values = list(optimizer.facade.runhistory.values())
    assert [value.status.name for value in values] == ["CRASHED", "TIMEOUT", "MEMORYOUT", "SUCCESS", "RUNNING"]
    assert [value.cost for value in values[:4]] == [5.0] * 4
    optimizer.tell(Observation(0, points[0], TrialStatus.FAILED, failure=failures[0], penalty={"loss": 70.0}))
    optimizer.tell(completed(1, points[1], 2.0))
    values = list(optimizer.facade.runhistory.values())
    assert [(value.status.name, value.cost) for value in values[:2]] == [("SUCCESS", 70.0), ("SUCCESS", 2.0)]


def test_a_price_of_ones_own_and_directions_are_costs():
    optimizer = SmacOptimizer("random", crash_cost={"a": 9, "b": -1})
    optimizer.setup(Experiment("costs", SPACE, {"a": "minimize", "b": "maximize"}))
    points = [optimizer.ask(trial).parameters for trial in range(2)]
    optimizer.tell(Observation(0, points[0], TrialStatus.ABANDONED))
    optimizer.tell(Observation(1, points[1], TrialStatus.COMPLETED, {"a": (1.0, None), "b": (3.0, None)}))
    assert [value.cost for value in optimizer.facade.runhistory.values()] == [[9.0, -1.0], [1.0, -3.0]]


def test_a_space_that_is_used_up_waits_for_what_is_pending_and_then_ends():
    def fresh():
        optimizer = SmacOptimizer("random")
        optimizer.setup(Experiment("small", {"c": Choice(["a", "b", "c"])}, LOSS))
        return optimizer

    optimizer, history = fresh(), []
    asked = []
    while (found := optimizer.ask(len(asked))) is not None:
        asked.append(found)
        history.append(Asked(len(asked) - 1, found))
    assert [point.parameters["c"] for point in asked] != []
    assert len(asked) == 3
    assert optimizer.ask(3) is None
    restored = fresh()
    assert restored.restore(history).exact, "asks in vain leave no trace"
    for both in (optimizer, restored):
        for trial, point in enumerate(asked):
            both.tell(completed(trial, point.parameters, trial))
        with pytest.raises(Exhausted):
            both.ask(3)


def test_a_replay_that_takes_too_long_says_so_and_goes_on():
    experiment = Experiment("slow", SPACE, LOSS)
    lived = SmacOptimizer("random")
    lived.setup(experiment)
    history = []
    for trial in range(4):
        point = lived.ask(trial)
        history += [Asked(trial, point), completed(trial, point.parameters, 1.0)]
        lived.tell(history[-1])
    restored = SmacOptimizer("random", rebuild_seconds=1e-9)
    restored.setup(experiment)
    outcome = restored.restore(history)
    assert not outcome.exact
    assert "asking again took longer than 1e-09 s" in outcome.reason
    assert restored.ask(4) is not None


def test_a_point_of_a_user_without_an_instance_is_not_learned():
    optimizer = SmacOptimizer("random", instances=["i", "j"])
    optimizer.setup(Experiment("users", SPACE, LOSS))
    optimizer.attach(0, Suggestion({"x": 0.5, "c": "a"}))
    optimizer.attach(1, Suggestion({"x": 0.25, "c": "a"}, instance="j"))
    for trial, x in ((0, 0.5), (1, 0.25)):
        optimizer.tell(completed(trial, {"x": x, "c": "a"}, 1.0))
    assert [key.instance for key in optimizer.facade.runhistory] == ["j"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"facade": "bohb"}, "there is no facade 'bohb' of smac; known are hpo"),
        ({"facade": "hyperband"}, "needs min_budget and a larger max_budget"),
        ({"max_budget": 3}, "the facade 'hpo' takes no budgets; multifidelity and hyperband do"),
        ({"facade": "hyperband", "min_budget": 3, "max_budget": 1}, "a larger max_budget"),
        ({"facade": "hyperband", "min_budget": 1, "max_budget": 3, "instances": ["a"]}, "max_budget 3 is more than 1"),
        ({"facade": "hyperband", "min_budget": "1", "max_budget": 3}, "a budget must be a positive number, not '1'"),
        ({"n_trials": 0}, "n_trials of the smac optimizer must be a positive integer"),
        ({"deterministic": 1}, "deterministic must be true or false"),
        ({"instances": []}, "must be a list of different names"),
        ({"instances": ["a"], "instance_features": {"b": [1.0]}}, "for each of the instances"),
        ({"instances": ["a", "b"], "instance_features": {"a": [1.0], "b": []}}, "the same number of features"),
        ({"intensifier": {"eat": 3}}, "intensifier of smac has no setting 'eat'"),
        ({"initial_design": 3}, "initial_design of the smac optimizer must be a mapping"),
        ({"rebuild_seconds": 0}, "rebuild_seconds must be a positive number"),
        ({"limit": 0}, "the optimizer 'smac' has no setting 'limit'"),
    ],
)
def test_settings_are_checked(settings, sentence):
    with pytest.raises(UsageError) as caught:
        create("smac", **settings)
    assert sentence in str(caught.value)


def test_a_crash_cost_fits_the_objectives():
    with pytest.raises(UsageError, match="'loss' has None"):
        SmacOptimizer(crash_cost={"other": 3}).setup(Experiment("cost", SPACE, LOSS))
