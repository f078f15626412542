"""Experiments: what defines them, and what is refused by a sentence."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwright.errors import UsageError
from runwright.experiment import Choice, Experiment, Float, Int, OpenExperiment, parameter_from_dict, stable_seed

INF, NAN = float("inf"), float("nan")


def refused(sentence):
    return pytest.raises(UsageError, match="^" + re.escape(sentence))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Float(1, 0), "the bounds are reversed: 1.0 is greater than 0.0"),
        (lambda: Float(1, 1), "the bounds are equal (1.0); a parameter needs room, a constant is no parameter"),
        (lambda: Float(NAN, 1), "the lower bound must be finite, not nan"),
        (lambda: Float(0, INF), "the upper bound must be finite, not inf"),
        (lambda: Float(0, 10**400), "the upper bound must be finite, not 1000"),
        (lambda: Float("0", 1), "the lower bound must be a number, not '0'"),
        (lambda: Float(False, 1), "the lower bound must be a number, not False"),
        (lambda: Float(None, 1), "the lower bound must be a number, not None"),
        (lambda: Float(0, 1, log=True), "a logarithmic scale needs a positive lower bound, not 0.0"),
        (lambda: Float(-1e308, 1e308), "the bounds [-1e+308, 1e+308] are too far apart for a floating-point number"),
        (lambda: Float(0, 1, default=2), "the value 2.0 is outside the bounds [0.0, 1.0]"),
        (lambda: Float(0, 1, default="a"), "the value must be a number, not 'a'"),
        (lambda: Int(2, 1), "the bounds are reversed: 2 is greater than 1"),
        (lambda: Int(1, 1), "the bounds are equal (1)"),
        (lambda: Int(0.5, 1), "the lower bound must be an integer, not 0.5"),
        (lambda: Int(0, 2**63), "the upper bound must fit in 64 bits, not 9223372036854775808"),
        (lambda: Int(-(10**400), 1), "the lower bound must be finite, not -1000"),
        (lambda: Int(0, 9, log=True), "a logarithmic scale needs a positive lower bound, not 0"),
        (lambda: Int(0, 9, default=10), "the value 10 is outside the bounds [0, 9]"),
        (lambda: Int(0, 9, default=True), "the value must be a number, not True"),
        (lambda: Choice([]), "a choice needs at least one value"),
        (lambda: Choice("ab"), "the values of a choice must be a list, not 'ab'"),
        (lambda: Choice(3), "the values of a choice must be a list, not 3"),
        (lambda: Choice([None]), "a choice takes texts, numbers or booleans, not None"),
        (lambda: Choice([["a"]]), "a choice takes texts, numbers or booleans, not ['a']"),
        (lambda: Choice([1.0, NAN]), "a choice takes finite numbers, not nan"),
        (lambda: Choice([1, "a"]), "the values of a choice must be of one kind, not of int, str; quote texts"),
        (lambda: Choice([1, True]), "the values of a choice must be of one kind, not of bool, int; quote texts"),
        (lambda: Choice(["a", "a"]), "the value 'a' stands more than once in a choice"),
        (lambda: Choice([1, 1.0]), "the value 1.0 stands more than once in a choice"),
        (lambda: Choice([10**400, 1.5]), "a value of a choice must be finite, not 1000"),
        (lambda: Choice(["a"], default="b"), "the value 'b' is none of 'a'"),
    ],
)
def test_a_parameter_that_is_none(make, sentence):
    with refused(sentence):
        make()


@pytest.mark.parametrize(
    ("parameter", "value", "taken"),
    [
        (Float(0, 1), 1, 1.0),
        (Float(0, 1), 0.0, 0.0),
        (Int(0, 9), 9.0, 9),
        (Int(0, 2**63 - 1), 2**63 - 1, 2**63 - 1),
        (Int(0, 2**60), 2**53 + 1, 2**53 + 1),
        (Choice([1, 2.5]), 1, 1.0),
        (Choice([1, 2]), 2.0, 2),
        (Choice([True, False]), False, False),
        (Choice(["a", "b"]), "b", "b"),
    ],
)
def test_a_value_becomes_one_of_the_parameters_own_kind(parameter, value, taken):
    found = parameter.validate(value)
    assert found == taken
    assert type(found) is type(taken)


@pytest.mark.parametrize(
    ("parameter", "value", "sentence"),
    [
        (Float(0, 1), 1.01, "the value 1.01 is outside the bounds [0.0, 1.0]"),
        (Float(0, 1), NAN, "the value must be finite, not nan"),
        (Float(0, 1), True, "the value must be a number, not True"),
        (Int(0, 9), 0.5, "the value must be an integer, not 0.5"),
        (Int(0, 9), -1, "the value -1 is outside the bounds [0, 9]"),
        (Int(0, 9), 2**70, "the value must fit in 64 bits, not 1180591620717411303424"),
        (Choice([0, 1]), True, "the value True is none of 0, 1"),
        (Choice([True, False]), 1, "the value 1 is none of True, False"),
        (Choice(["a"]), ["a"], "the value ['a'] is none of 'a'"),
        (Choice(list(range(20))), 99, "the value 99 is none of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
    ],
)
def test_a_value_that_a_parameter_cannot_take(parameter, value, sentence):
    with refused(sentence):
        parameter.validate(value)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Experiment("", {"x": Float(0, 1)}), "the name of the experiment must be a text that is not empty"),
        (lambda: Experiment("  ", {"x": Float(0, 1)}), "the name of the experiment must be a text that is not empty"),
        (
            lambda: Experiment(3, {"x": Float(0, 1)}),
            "the name of the experiment must be a text that is not empty, not 3",
        ),
        (lambda: Experiment("a/b", {"x": Float(0, 1)}), "the name of the experiment 'a/b' has a path or a line break"),
        (lambda: Experiment("..", {"x": Float(0, 1)}), "the name of the experiment '..' has a path or a line break"),
        (lambda: Experiment("a\n", {"x": Float(0, 1)}), "the name of the experiment 'a\\n' has a path or a line break"),
        (
            lambda: Experiment("n" * 201, {"x": Float(0, 1)}),
            "the name of the experiment is 201 bytes long in UTF-8; 200",
        ),
        (
            lambda: Experiment("e", [Float(0, 1)]),
            "the parameters must map names to Float, Int or Choice, which [Float(low=0.0",
        ),
        (
            lambda: Experiment("e", {"x": Float(0, 1)}, ["y"]),
            "the objectives must map names to minimize or maximize, which ['y'] does not",
        ),
        (lambda: Experiment("e", {}), "an experiment needs at least one parameter"),
        (lambda: Experiment("e", {"": Float(0, 1)}), "the name of a parameter must be a text that is not empty"),
        (lambda: Experiment("e", {"x": (0, 1)}), "parameter 'x' must be Float, Int or Choice, not (0, 1)"),
        (lambda: Experiment("e", {"x": Float(0, 1)}, {"": "minimize"}), "the name of an objective must be a text"),
        (
            lambda: Experiment("e", {"x": Float(0, 1)}, {"y": "min"}),
            "the direction of objective 'y' must be minimize or maximize, not 'min'",
        ),
        (
            lambda: Experiment("e", {"x": Float(0, 1)}, seed=-1),
            "the seed must be an integer from 0 to 2**63 - 1, not -1",
        ),
        (lambda: Experiment("e", {"x": Float(0, 1)}, seed=True), "the seed must be an integer from 0 to 2**63 - 1"),
        (lambda: Experiment("e", {"x": Float(0, 1)}, seed=2**63), "the seed must be an integer from 0 to 2**63 - 1"),
    ],
)
def test_an_experiment_that_is_none(make, sentence):
    with refused(sentence):
        make()


def experiment():
    return Experiment(
        "e",
        {
            "x": Float(0, 1, default=0.5),
            "n": Int(1, 100, log=True),
            "c": Choice(["a", "b"], default="b"),
            "on": Choice([True, False]),
        },
        {"y": "minimize", "z": "maximize"},
        seed=7,
    )


def test_the_definition_survives_json_in_its_order():
    again = Experiment.from_dict(json.loads(json.dumps(experiment().to_dict())))
    assert again == experiment()
    assert list(again.parameters) == ["x", "n", "c", "on"]
    assert list(again.objectives) == ["y", "z"]
    for name, parameter in experiment().parameters.items():
        assert parameter_from_dict(json.loads(json.dumps(parameter.to_dict()))) == parameter
        assert type(again.parameters[name]) is type(parameter)


def test_experiments_are_values():
    assert experiment() != Experiment("e", {"x": Float(0, 1)})
    assert experiment() != "e"
    assert len({experiment(), experiment()}) == 1
    assert repr(experiment()) == "Experiment('e', 4 parameters, objectives={'y': 'minimize', 'z': 'maximize'})"


def test_a_point_comes_out_in_the_order_of_the_parameters():
    point = experiment().validate({"on": True, "n": 3.0, "x": 1})
    assert list(point.items()) == [("x", 1.0), ("n", 3), ("c", "b"), ("on", True)]


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        ({"x": 0.5, "on": True}, "parameter 'n' is missing in this point"),
        ({"n": 1, "on": True, "m": 3}, "'m' is no parameter of this experiment"),
        ({"n": 0, "on": True}, "parameter 'n': the value 0 is outside the bounds [1, 100]"),
        ({"n": 1, "on": None}, "parameter 'on': the value None is none of True, False"),
    ],
)
def test_a_point_that_is_none(point, sentence):
    with refused(sentence):
        experiment().validate(point)


def test_an_open_experiment_takes_any_point_that_json_can_hold():
    opened = OpenExperiment("queue", {"cost": "minimize"}, seed=3)
    assert opened.validate({"a": (1, 2.5), "b": {"c": None}}) == {"a": [1, 2.5], "b": {"c": None}}
    assert Experiment.from_dict(json.loads(json.dumps(opened.to_dict()))) == opened
    assert isinstance(Experiment.from_dict(opened.to_dict()), OpenExperiment)
    with refused("parameter 'a' must be finite, not nan"):
        opened.validate({"a": NAN})


# Seeds.


def test_a_stable_seed_is_the_same_for_ever():
    assert stable_seed(0, "runtime", 3, 1) == 7869113392904110572
    assert stable_seed("ab", "c") != stable_seed("a", "bc")


@settings(deadline=None, derandomize=True, max_examples=50)
@given(parts=st.lists(st.integers() | st.text(st.characters(codec="utf-8"))))
def test_a_stable_seed_fits_in_63_bits(parts):
    assert 0 <= stable_seed(*parts) < 2**63
    assert stable_seed(*parts) == stable_seed(*parts)
