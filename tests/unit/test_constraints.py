"""Constraints and conditions: what may be written, what is refused, and what a point may be."""

from __future__ import annotations

import pytest

from runwright import Choice, Experiment, Float, Int, Scheduler
from runwright.constraints import read
from runwright.errors import UsageError
from runwright.evaluation import Evaluation
from runwright.optimizers import RandomOptimizer
from runwright.process.command import Command
from runwright.runners import LocalMetadataRunner
from runwright.status import TrialStatus

PARAMETERS = {"x1": Float(0, 1), "x2": Float(0, 1), "n": Int(1, 9), "kind": Choice(["a", "b"])}
SGD = {
    "optimizer": Choice(["sgd", "adam"]),
    "momentum": Float(0, 1, when={"optimizer": "sgd"}),
    "nesterov": Choice([False, True], default=False, when={"optimizer": "sgd"}),
    "decay": Float(0, 1, when={"nesterov": True}),
    "rate": Float(1e-4, 1, log=True),
}


@pytest.mark.parametrize(
    ("text", "weights", "bound", "on"),
    [
        ("weight <= 40", {"weight": 1.0}, 40.0, "metrics"),
        ("y >= 0.5", {"y": -1.0}, -0.5, "metrics"),
        ("2 * weight - 0.5 * y + 1 <= 40", {"weight": 2.0, "y": -0.5}, 39.0, "metrics"),
        ("x1 + x2 <= 1", {"x1": 1.0, "x2": 1.0}, 1.0, "parameters"),
        ("x1 <= x2", {"x1": 1.0, "x2": -1.0}, 0.0, "parameters"),
        ("-x1/4 >= - 1e-1 * 2 + n", {"x1": 0.25, "n": 1.0}, 0.2, "parameters"),
        ("x1 * 3 + 2 * x1 <= .5", {"x1": 5.0}, 0.5, "parameters"),
        ("`peak memory` <= 2", {"peak memory": 1.0}, 2.0, "metrics"),
    ],
)
def test_a_constraint_is_a_weighted_sum_and_a_bound(text, weights, bound, on):
    found = read(text, PARAMETERS, {"y": "minimize"})
    assert (found.text, found.weights, found.bound, found.on) == (text, weights, pytest.approx(bound), on)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x1 + x3 <= 1", "'x3' in the constraint 'x1 + x3 <= 1' is no parameter; known are x1, x2, n, kind"),
        ("x1 + y <= 1", "mixes the parameter 'x1' and the metric 'y'"),
        ("x1 * x2 <= 1", "is not linear in 'x2'"),
        ("1 / x1 <= 1", "is not linear in 'x1'"),
        ("x1 ** 2 <= 1", "is not linear: it has a power"),
        ("x1 + x2", "is not a comparison"),
        ("0 <= x1 <= 1", "has 2 comparisons"),
        ("x1 == 1", "compares with ==; it must be <= or >="),
        ("x1 < 1", "compares with <; it must be"),
        ("x1 + <= 1", "a number or a name is missing"),
        ("(x1) <= 1", "'(' cannot stand where it does"),
        ("x1 <= __import__('os')", "'(' cannot stand where it does"),
        ("<= 1", "nothing stands on one side"),
        ("1 <= 2", "is about nothing"),
        ("x1 <= 1e999", "is too large"),
        ("x1 / 0 <= 1", "divides by zero"),
        ("kind <= 1", "is about 'kind', a choice"),
        ("x1 + x2 >= 3", "no point within the bounds meets"),
        ("", "must be a text such as"),
        (3, "must be a text such as"),
        ("x1 <= 1" + " " * 1000, "1000 are allowed"),
    ],
)
def test_what_is_no_constraint_is_refused_by_one_sentence(text, sentence):
    with pytest.raises(UsageError) as caught:
        Experiment("refused", PARAMETERS, {"y": "minimize"}, constraints=[text])
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_must_not_be_both():
    with pytest.raises(UsageError, match=r"'x1' .* is a parameter and also an objective"):
        Experiment("both", {"x1": Float(0, 1)}, {"x1": "minimize"}, constraints=["x1 <= 1"])
    with pytest.raises(UsageError, match="must be a list of texts"):
        Experiment("text", PARAMETERS, {"y": "minimize"}, constraints="x1 <= 1")


def test_a_point_that_breaks_a_constraint_is_none_but_rounding_is_forgiven():
    experiment = Experiment("points", {"x1": Float(0, 1), "x2": Float(0, 1)}, {}, constraints=["x1 + x2 <= 1"])
    assert experiment.validate({"x1": 0.7, "x2": 0.3 + 1e-9})
    with pytest.raises(UsageError, match=r"breaks the constraint 'x1 \+ x2 <= 1'"):
        experiment.validate({"x1": 0.7, "x2": 0.31})


def test_results_are_feasible_by_their_means():
    experiment = Experiment("results", PARAMETERS, {"y": "minimize"}, constraints=["weight <= 40", "y + weight >= 1"])
    assert experiment.measured == ("y", "weight")
    assert experiment.feasible({"y": (0.0, None), "weight": (40.0, 9.0)})
    assert not experiment.feasible({"y": (0.0, None), "weight": (40.1, None)})
    assert not experiment.feasible({"y": (0.0, None), "weight": (0.5, None)})
    assert not experiment.feasible({"y": (0.0, None)})


def test_a_point_has_the_parameters_that_are_there():
    experiment = Experiment("when", SGD, {"y": "minimize"})
    assert experiment.validate({"rate": 0.1, "optimizer": "adam"}) == {"optimizer": "adam", "rate": 0.1}
    point = experiment.validate({"rate": 0.1, "momentum": 0.5, "optimizer": "sgd"})
    assert list(point.items()) == [("optimizer", "sgd"), ("momentum", 0.5), ("nesterov", False), ("rate", 0.1)]
    full = {"optimizer": "sgd", "momentum": 0.5, "nesterov": True, "decay": 0.1, "rate": 0.1}
    assert experiment.validate(full) == full
    assert experiment.active({**full, "optimizer": "adam"}) == {"optimizer": "adam", "rate": 0.1}
    with pytest.raises(UsageError, match="parameter 'momentum' is there only when optimizer is 'sgd'; remove it"):
        experiment.validate({"rate": 0.1, "optimizer": "adam", "momentum": 0.5})
    with pytest.raises(UsageError, match="parameter 'momentum' is missing"):
        experiment.validate({"rate": 0.1, "optimizer": "sgd"})


def test_conditions_may_form_a_long_chain():
    parameters = {f"z{n}": Choice(["a", "b"], when={f"z{n + 1}": "a"}) for n in range(1500)}
    parameters["z1500"] = Choice(["a", "b"])
    experiment = Experiment("chain", parameters, {"y": "minimize"})
    assert experiment.order == [f"z{n}" for n in range(1500, -1, -1)]
    assert len(experiment.active(dict.fromkeys(parameters, "a"))) == 1501
    assert experiment.active(dict.fromkeys(parameters, "a") | {"z1500": "b"}) == {"z1500": "b"}


def test_conditions_may_meet_again_below_many_times():
    parameters = {"top": Choice(["a", "b"])}
    for n in range(60):  # 2**60 ways lead from the lowest to the top
        above = [f"left{n - 1}", f"right{n - 1}"] if n else ["top"]
        for side in ("left", "right"):
            parameters[f"{side}{n}"] = Choice(["a", "b"], when=dict.fromkeys(above, "a"))
    experiment = Experiment("diamonds", parameters, {"y": "minimize"})
    point = dict.fromkeys(parameters, "a")
    assert experiment.active(point) == experiment.validate(point) == point
    assert experiment.active(point | {"top": "b"}) == {"top": "b"}


def test_several_values_and_several_choices_are_conditions_too():
    parameters = {
        "a": Choice([1, 2, 3]),
        "b": Choice([False, True]),
        "x": Float(0, 1, when={"a": [1, 2], "b": True}),
    }
    experiment = Experiment("when", parameters, {"y": "minimize"})
    there = [(a, b) for a in (1, 2, 3) for b in (False, True) if "x" in experiment.active({"a": a, "b": b, "x": 0.5})]
    assert there == [(1, True), (2, True)]


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"x": Float(0, 1, when={"z": 1})}, "when names 'z', which is no parameter"),
        ({"z": Int(0, 1), "x": Float(0, 1, when={"z": 1})}, "when names 'z', which is no choice"),
        ({"z": Choice(["a"]), "x": Float(0, 1, when={"z": "b"})}, "the value 'b' is none of 'a'"),
        (
            {"z": Choice(["a"], when={"w": "b"}), "w": Choice(["b"], when={"z": "a"})},
            "in a circle: z depends on w depends on z",
        ),
        (
            {f"z{n}": Choice(["a"], when={f"z{(n + 1) % 2000}": "a"}) for n in range(2000)},
            "in a circle: z0 depends on z1 depends on z2",
        ),
    ],
)
def test_a_condition_that_cannot_hold_is_refused(parameters, sentence):
    with pytest.raises(UsageError) as caught:
        Experiment("circle", parameters, {"y": "minimize"})
    assert sentence in str(caught.value)


@pytest.mark.parametrize("when", ["sgd", {}, [1], {"a": []}, {1: 2}])
def test_a_condition_names_a_choice_and_its_value(when):
    with pytest.raises(UsageError, match="when must name a choice and its value"):
        Float(0, 1, when=when)


def test_a_conditional_parameter_is_in_no_linear_constraint():
    parameters = {"z": Choice(["a", "b"]), "x": Float(0, 1, when={"z": "a"})}
    with pytest.raises(UsageError, match="about 'x', which is not in every point"):
        Experiment("linear", parameters, {"y": "minimize"}, constraints=["x <= 0.5"])


def test_the_json_form_is_additive():
    plain = Experiment("plain", PARAMETERS, {"y": "minimize"})
    assert "constraints" not in plain.to_dict()
    assert all("when" not in parameter for parameter in plain.to_dict()["parameters"].values())
    experiment = Experiment("more", SGD, {"y": "minimize"}, constraints=["rate <= 0.5", "w <= 1"])
    body = experiment.to_dict()
    assert body["constraints"] == ["rate <= 0.5", "w <= 1"]
    assert body["parameters"]["momentum"]["when"] == {"optimizer": "sgd"}
    assert Experiment.from_dict(body) == experiment
    assert Experiment.from_dict(body).to_dict() == body


def test_a_function_needs_defaults_for_what_is_not_in_every_point():
    experiment = Experiment("when", SGD, {"y": "minimize"})

    def without(optimizer, momentum, nesterov, decay, rate): ...
    def with_defaults(optimizer, rate, momentum=0.0, nesterov=False, decay=0.0): ...

    with pytest.raises(UsageError, match=r"'momentum' is not in every point \(when\), so it needs a default"):
        Evaluation(without).prepare(experiment)
    Evaluation(with_defaults).prepare(experiment)
    Evaluation(lambda point: point).prepare(experiment)
    Evaluation(lambda **momentum: momentum).prepare(experiment)
    Evaluation(lambda *momentum: momentum).prepare(experiment)


def test_a_command_does_without_the_arguments_of_what_is_not_there():
    command = Command(["true", "--rate={rate}", "--momentum={momentum}"], {"MOMENTUM": "{momentum}"})
    command.check(Experiment("when", SGD, {"y": "minimize"}), "/")
    assert command.arguments({"rate": 0.5, "here": "/"})[1:] == ["--rate=0.5"]
    assert command.environment({"rate": 0.5}, {}) == {}
    assert command.arguments({"rate": 0.5, "momentum": 0.25, "here": "/"})[1:] == ["--rate=0.5", "--momentum=0.25"]


def test_a_metric_of_a_constraint_must_be_measured():
    experiment = Experiment("measured", {"x": Float(0, 1)}, {"y": "minimize"}, constraints=["weight <= 40"])
    runner = LocalMetadataRunner(lambda x: {"y": x, "weight": 1} if x > 0.5 else {"y": x})
    scheduler = Scheduler(experiment, RandomOptimizer(), runner)
    scheduler.run(trials=8)
    failures = {str(trial.failure) for trial in scheduler.state.trials if trial.status is TrialStatus.FAILED}
    assert any("'weight' is missing, which the constraint 'weight <= 40' is about" in text for text in failures)
    assert any(trial.status is TrialStatus.COMPLETED for trial in scheduler.state.trials)
    assert not any("weight" in note for note in scheduler.state.notes)
