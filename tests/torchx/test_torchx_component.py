"""Names and types of a component's arguments, checked before the first trial."""

from __future__ import annotations

from typing import Any, Literal, Optional, Union

import pytest

import runwright as rw
from runwright.errors import UsageError
from runwright.experiment import OpenExperiment
from runwright.runners import TorchXRunner
from runwright.runners.torchx_component import Component
from tests.torchx import components

PARAMETERS = {"x": rw.Float(0, 1), "n": rw.Int(1, 9), "name": rw.Choice(["a", "b"]), "flag": rw.Choice([True, False])}
EXPERIMENT = rw.Experiment("e", PARAMETERS, {"y": "minimize"})


def check(function, experiment=EXPERIMENT, **constants):
    component = Component(function, constants, "s3://foo/bar")
    component.check(experiment)
    return component


def exact(x: float, n: int, name: str, flag: bool): ...
def with_rest(x: float, n: int, name: str, flag: bool, x3: float, x4: str = "d", lr: Optional[float] = None): ...  # noqa: UP045
def rest_by_name(*, x: float, n: int, name: str, flag: bool, trial_idx: int, tracker_base: str, x3: float): ...
def wide(x: Any, n: Union[int, str], name: Literal["a", "b", "c"], flag: bool | None): ...  # noqa: UP007
def bare(x, n, name, flag): ...
def anything(**parameters): ...


def test_names_and_types_that_match_exactly():
    check(exact)


def test_arguments_that_are_not_searched_come_from_the_constants():
    check(with_rest, x3=1.2, x4="barbaz", lr=0.1)
    check(with_rest, x3=1)
    check(with_rest, x3=1.2, lr=None)


@pytest.mark.parametrize("function", [wide, bare, anything])
def test_annotations_that_leave_room(function):
    check(function)


def test_trial_idx_tracker_base_and_experiment_name_are_filled_in_where_declared():
    component = check(rest_by_name, x3=1.5)
    trial = EXPERIMENT.new_trial(7, [{"x": 0.5, "n": 3, "name": "a", "flag": True}])
    assert component.arguments(trial) == {
        "x": 0.5,
        "n": 3,
        "name": "a",
        "flag": True,
        "trial_idx": 7,
        "tracker_base": "s3://foo/bar",
        "x3": 1.5,
    }
    assert "trial_idx" not in check(anything).arguments(trial)
    assert check(components.keyword_only, flag=True).arguments(trial)["experiment_name"] == "e"


def test_parameters_win_over_constants():
    trial = EXPERIMENT.new_trial(0, [{"x": 0.5, "n": 3, "name": "a", "flag": True}])
    assert check(exact, x=0.25).arguments(trial)["x"] == 0.5


def without_n(x: float, name: str, flag: bool): ...
def other_kind(x: float, n: float, name: str, flag: bool): ...
def integer(x: int, n: int, name: str, flag: bool): ...
def not_all(x: float, n: int, name: Literal["a"], flag: bool): ...
def text_flag(x: float, n: int, name: str, flag: str): ...
def by_position(x: float, n: int, name: str, flag: bool, z: int, /): ...
def text_index(x: float, n: int, name: str, flag: bool, trial_idx: str): ...
def needs_more(x: float, n: int, name: str, flag: bool, x3: float, *, x4: str): ...


@pytest.mark.parametrize(
    ("function", "constants", "sentence"),
    [
        (without_n, {}, "the component 'without_n' declares no argument 'n', which is a parameter of the experiment; "),
        (without_n, {}, "it declares x, name, flag$"),
        (other_kind, {}, "declares 'n' as float, but the parameter is int; their types must be the same$"),
        (integer, {}, "declares 'x' as int, but the parameter is float; their types must be the same$"),
        (not_all, {}, r"declares 'name' as typing.Literal\['a'\], but the parameter is str"),
        (text_flag, {}, "declares 'flag' as str, but the parameter is bool"),
        (by_position, {}, "takes 'z' by position alone; take it by name|declares no argument"),
        (text_index, {}, "the component 'text_index' declares 'trial_idx' as str; it is int"),
        (needs_more, {"x4": "a"}, "the component 'needs_more' needs 'x3', which is neither a parameter of the "),
        (needs_more, {"x3": 1.0}, "needs 'x4', which is neither a parameter of the experiment nor in component_const"),
        (exact, {"x9": 1}, "declares no argument 'x9', which is in component_const_params; it declares x, n, name"),
        (with_rest, {"x3": "1"}, "declares 'x3' as float, but component_const_params has '1'"),
        (with_rest, {"x3": True}, "declares 'x3' as float, but component_const_params has True"),
        (with_rest, {"x3": 1.0, "lr": "fast"}, r"declares 'lr' as typing.Optional\[float\], but component_const_par"),
        (rest_by_name, {"x3": 1.0, "trial_idx": 3}, "'trial_idx' is filled in by the runner; take it out of component"),
    ],
)
def test_what_does_not_fit_is_said_before_the_first_trial(function, constants, sentence):
    with pytest.raises(UsageError, match=sentence):
        check(function, **constants)


def mixed(x: float): ...


@pytest.mark.parametrize(
    ("parameter", "sentence"),
    [
        (rw.Choice([1, 2]), "declares 'x' as float, but the parameter is int"),
        (rw.Choice(["a"]), "declares 'x' as float, but the parameter is str"),
    ],
)
def test_choices_of_other_types(parameter, sentence):
    with pytest.raises(UsageError, match=sentence):
        check(mixed, rw.Experiment("e", {"x": parameter}, {"y": "minimize"}))


def test_a_parameter_with_the_name_of_what_is_filled_in():
    def component(trial_idx: int): ...

    with pytest.raises(UsageError, match="'trial_idx' is filled in by the runner; give the parameter another name"):
        check(component, rw.Experiment("e", {"trial_idx": rw.Int(0, 3)}, {"y": "minimize"}))


def test_a_component_whose_annotations_cannot_be_told():
    def component(x: NoSuchName, n: int, name, flag): ...  # noqa: F821

    check(component)


def test_the_points_of_an_open_experiment_are_checked_one_by_one():
    experiment = OpenExperiment("open")
    component = check(mixed, experiment)
    assert component.arguments(experiment.new_trial(0, [{"x": 1.0}])) == {"x": 1.0}
    with pytest.raises(UsageError, match="declares no argument 'z'"):
        component.arguments(experiment.new_trial(1, [{"x": 1.0, "z": 1}]))
    with pytest.raises(UsageError, match="the component 'mixed' needs 'x'"):
        component.arguments(experiment.new_trial(1, [{}]))


def test_a_scheduler_is_not_even_made(tmp_path):
    runner = TorchXRunner(str(tmp_path), without_n)
    with pytest.raises(UsageError, match="declares no argument 'n'"):
        runner.open(rw.runner.RunContext(EXPERIMENT, tmp_path))
