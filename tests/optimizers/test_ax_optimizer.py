"""Ax through our scheduler: a model step, a Pareto run, how ends are told, what is refused."""

from __future__ import annotations

import pytest

from runwright import Choice, Experiment, Float, Int, Scheduler
from runwright.errors import UsageError
from runwright.optimizer import Asked, Observation
from runwright.optimizers import AxOptimizer, create
from runwright.result import Failure
from runwright.runners import LocalMetadataRunner
from runwright.status import FailureKind, TrialStatus

pytest.importorskip("ax")
pytestmark = pytest.mark.slow

LOSS = {"loss": "minimize"}
FLOATS = {"x": Float(-5, 10), "rate": Float(1e-5, 1, log=True)}


def completed(trial, point, **metrics):
    return Observation(trial, point, TrialStatus.COMPLETED, {name: (value, None) for name, value in metrics.items()})


def test_a_model_step_is_the_same_after_a_restart_and_avoids_what_crashed():
    experiment = Experiment("model", FLOATS, LOSS, seed=3)
    lived, history = AxOptimizer(options={"initialization_budget": 3}), []
    lived.setup(experiment)
    for trial in range(4):
        asked = lived.ask(trial)
        history.append(Asked(trial, asked))
        if trial < 3:
            history.append(completed(trial, asked.parameters, loss=(asked.parameters["x"] - 1) ** 2))
            lived.tell(history[-1])
    # Trial 3 is of the model, and pending for it. Then it crashes.
    failure = Failure(FailureKind.CRASHED, "it ended with exit status 1")
    history.append(Observation(3, history[-1].suggestion.parameters, TrialStatus.FAILED, failure=failure))
    lived.tell(history[-1])
    restored = AxOptimizer(options={"initialization_budget": 3})
    restored.setup(experiment)
    assert restored.restore(history).exact
    after = lived.ask(4)
    assert restored.ask(4) == after
    assert after.parameters != history[-1].parameters


def test_ends_are_told_as_ax_wants_them():
    optimizer = AxOptimizer("random_search")
    optimizer.setup(Experiment("ends", FLOATS, LOSS))
    points = [optimizer.ask(trial).parameters for trial in range(7)]
    optimizer.tell(completed(0, points[0], loss=1.0))
    for trial, kind in ((1, FailureKind.CRASHED), (2, FailureKind.LOST)):
        optimizer.tell(Observation(trial, points[trial], TrialStatus.FAILED, failure=Failure(kind, "why")))
    optimizer.tell(Observation(3, points[3], TrialStatus.FAILED, penalty={"loss": 100.0}))
    for trial, status in ((4, TrialStatus.ABANDONED), (5, TrialStatus.STALE)):
        optimizer.tell(Observation(trial, points[trial], status))
    trials = optimizer.client._experiment.trials
    names = ["COMPLETED", "ABANDONED", "FAILED", "COMPLETED", "ABANDONED", "FAILED", "RUNNING"]
    assert [trials[index].status.name for index in range(7)] == names
    optimizer.tell(completed(1, points[1], loss=2.0))
    optimizer.tell(completed(3, points[3], loss=3.0))
    data = optimizer.client._experiment.lookup_data().df
    assert trials[1].status.name == "COMPLETED"
    assert dict(zip(data["trial_index"], data["mean"], strict=True)) == {0: 1.0, 1: 2.0, 3: 3.0}


def test_a_strategy_that_may_not_exceed_its_budget_waits():
    optimizer = AxOptimizer(options={"initialization_budget": 2, "allow_exceeding_initialization_budget": False})
    optimizer.setup(Experiment("waits", FLOATS, LOSS))
    assert optimizer.ask(0) is not None
    assert optimizer.ask(1) is not None
    assert optimizer.ask(2) is None


def test_names_that_are_mathematics_for_ax_are_names():
    experiment = Experiment(
        "names", {"beta": Float(0, 1), "a-b": Float(0, 1), "S": Int(1, 5)}, {"val loss": "minimize", "E": "maximize"},
        constraints=["beta + `a-b` <= 1", "gamma <= 3"],
    )  # fmt: skip
    optimizer = AxOptimizer("random_search")
    optimizer.setup(experiment)
    for trial in range(6):
        point = optimizer.ask(trial).parameters
        assert list(point) == ["beta", "a-b", "S"]
        assert point["beta"] + point["a-b"] <= 1 + 1e-9
        optimizer.tell(completed(trial, point, **{"val loss": 1.0, "E": 2.0, "gamma": 1.0, "other": 5.0}))


def test_a_pareto_run_goes_through_our_scheduler_and_is_resumed(tmp_path):
    experiment = Experiment(
        "pareto",
        {"x1": Float(0, 1), "x2": Float(0, 1)},
        {"cost": "minimize", "speed": "maximize"},
        constraints=["x1 + x2 <= 1.5", "weight <= 1.2", "cost <= 2"],
        seed=1,
    )

    def evaluate(x1, x2):
        return {"cost": x1**2 + x2, "speed": x1 + 0.5 * x2, "weight": x1 + x2}

    def run(trials):
        optimizer = AxOptimizer(options={"initialization_budget": 6})
        runner = LocalMetadataRunner(evaluate)
        with Scheduler(experiment, optimizer, runner, directory=tmp_path / "run") as scheduler:
            return scheduler.run(trials=trials)

    run(4)
    results = run(7)  # the last one is of the model
    assert len(results) == 7
    assert all(row["status"] == "COMPLETED" for row in results)
    front = [row["index"] for row in results.pareto]
    assert front == [row["index"] for row in results if row["pareto"]]
    assert front
    assert all(row["feasible"] is (row["metrics"]["weight"]["mean"] <= 1.2 and row["metrics"]["cost"]["mean"] <= 2)
               for row in results)  # fmt: skip
    assert all(row["feasible"] for row in results.pareto)


@pytest.mark.parametrize(
    ("experiment", "sentence"),
    [
        (Experiment("none", FLOATS), "needs an objective"),
        (Experiment("log", FLOATS, LOSS, constraints=["rate <= 0.5"]), "no constraint on a parameter with a logar"),
        (Experiment("only", FLOATS, LOSS, constraints=["loss <= 5"]), "no constraint on its only objective, 'loss'"),
        (
            Experiment("turned", FLOATS, {"a": "minimize", "b": "maximize"}, constraints=["a >= 5"]),
            "'a >= 5' is the wrong way round for minimize",
        ),
        (
            Experiment("two", {"a": Choice(["u", "v"]), "x": Float(0, 1, when={"a": ["u", "v"]})}, LOSS),
            "conditions on one value of one choice",
        ),
        (Experiment("narrow", {"x": Float(0, 1e-9)}, LOSS), "Ax refuses this experiment"),
    ],
)
def test_what_ax_cannot_express_is_refused_by_one_sentence(experiment, sentence):
    with pytest.raises(UsageError) as caught:
        AxOptimizer().setup(experiment)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"method": "bayes"}, "there is no method 'bayes' of the ax optimizer; known are fast, quality, random_search"),
        ({"options": {"budget": 3}}, "has no option 'budget'"),
        ({"options": {"initialization_budget": "3"}}, "must be int, not '3'"),
        ({"options": {"initialization_budget": -1}}, "must be at least 0"),
        ({"seed": -1}, "the seed of the ax optimizer"),
    ],
)
def test_settings_are_checked(settings, sentence):
    with pytest.raises(UsageError) as caught:
        create("ax", **settings)
    assert sentence in str(caught.value)
