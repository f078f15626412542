"""The interface of submit and collect, sentence by sentence of its page, and the words that it speaks."""

from __future__ import annotations

import dataclasses
import inspect
import math
import os
import pickle
from collections.abc import Mapping
from enum import Enum, IntEnum
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import runwright as rw
from runwright.errors import ContractError, UsageError
from runwright.submission import spread_crash_cost

SUCCESS, CRASHED, TIMEOUT = rw.StatusType.SUCCESS, rw.StatusType.CRASHED, rw.StatusType.TIMEOUT


class Squares(rw.AbstractRunner):
    """A runner that defines `run` alone."""

    def run(self, config, instance=None, budget=None, seed=None):
        return SUCCESS, config["x"] ** 2, 0.25, {"instance": instance, "budget": budget, "seed": seed}


class Returns(rw.AbstractRunner):
    """A runner whose `run` returns, or raises, what it was given."""

    def __init__(self, answer: Any, scenario: Any = None) -> None:
        super().__init__(scenario)
        self.answer = answer

    def run(self, config, instance=None, budget=None, seed=None):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def scenario(**attributes: Any) -> SimpleNamespace:
    return SimpleNamespace(**attributes)


def value_of(answer: Any, given: Any = None) -> rw.TrialValue:
    return Returns(answer, given).run_wrapper(rw.TrialInfo({"x": 1}))[1]


# The class and its arguments.


def test_abstract_runner_scenario_required_arguments():
    arguments = inspect.signature(rw.AbstractRunner).parameters
    assert list(arguments) == ["scenario", "required_arguments"]
    assert arguments["scenario"].default is inspect.Parameter.empty
    assert arguments["required_arguments"].default == []


def test_required_arguments_is_a_list_of_names_that_nobody_shares():
    names = ["seed"]
    runner = Squares(None, names)
    names.append("budget")
    assert runner._required_arguments == ["seed"]
    assert Squares(None)._required_arguments == []


def test_it_is_an_interface_of_which_run_must_be_defined():
    assert inspect.isabstract(rw.AbstractRunner)
    assert rw.AbstractRunner.__abstractmethods__ == {"run"}
    with pytest.raises(TypeError, match="abstract"):
        rw.AbstractRunner(None)


def test_the_arguments_of_each_method():
    def names(method):
        return list(inspect.signature(getattr(rw.AbstractRunner, method)).parameters)[1:]

    assert names("run") == ["config", "instance", "budget", "seed"]
    defaults = [p.default for p in inspect.signature(rw.AbstractRunner.run).parameters.values()][2:]
    assert defaults == [None, None, None]
    assert names("run_wrapper") == names("submit_trial") == ["trial_info"]
    assert names("count_available_workers") == names("is_running") == names("iter_results") == names("wait") == []
    assert isinstance(rw.AbstractRunner.meta, property)


# Submit and collect, one after the other.


def test_submit_trial_internally_calls_run_wrapper():
    class Counting(Squares):
        calls = 0

        def run_wrapper(self, trial_info):
            self.calls += 1
            return super().run_wrapper(trial_info)

    runner = Counting(None)
    assert runner.submit_trial(rw.TrialInfo({"x": 3})) is None
    assert runner.calls == 1


def test_a_class_that_defines_run_translates_a_trial_info_to_a_trial_value():
    info = rw.TrialInfo({"x": 3}, instance="i", seed=4, budget=2)
    same, value = Squares(None).run_wrapper(info)
    assert same is info
    assert (value.status, value.cost, value.time) == (SUCCESS, 9.0, 0.25)
    assert value.additional_info == {"instance": "i", "budget": 2.0, "seed": 4}


def test_iter_results_iterates_and_consumes_any_finished_runs():
    runner = Squares(None)
    infos = [rw.TrialInfo({"x": x}) for x in range(4)]
    for info in infos:
        runner.submit_trial(info)
    assert [info for info, _ in runner.iter_results()] == infos
    assert list(runner.iter_results()) == []


def test_results_are_populated_to_the_results_queue_which_is_then_emptied():
    runner = Squares(None)
    runner.submit_trial(rw.TrialInfo({"x": 2}))
    assert [value.cost for _, value in runner._results_queue] == [4.0]
    results = list(runner.iter_results())
    assert isinstance(results[0], tuple)
    assert runner._results_queue == []


def test_what_an_iterator_is_not_asked_for_remains():
    runner = Squares(None)
    for x in range(3):
        runner.submit_trial(rw.TrialInfo({"x": x}))
    assert next(iter(runner.iter_results()))[1].cost == 0.0
    assert [value.cost for _, value in runner.iter_results()] == [1.0, 4.0]


def test_launching_a_trial_on_a_serial_runner_instantly_returns_its_result():
    runner = Squares(None)
    assert runner.count_available_workers() == 1
    runner.submit_trial(rw.TrialInfo({"x": 3}))
    assert not runner.is_running()
    assert runner.wait() is None
    assert len(list(runner.iter_results())) == 1


def test_meta_returns_the_meta_data_of_the_created_object():
    assert Squares(None).meta == {"name": "Squares"}


# run_wrapper checks what run gives.


def test_an_exception_makes_the_trial_crashed_with_its_traceback():
    value = value_of(ValueError("no convergence"))
    assert (value.status, value.cost) == (CRASHED, math.inf)
    assert value.additional_info["error"] == "ValueError: no convergence"
    assert "raise self.answer" in value.additional_info["traceback"]


def test_sys_exit_is_a_crash_too_and_ctrl_c_is_not():
    assert value_of(SystemExit(3)).status is CRASHED
    with pytest.raises(KeyboardInterrupt):
        value_of(KeyboardInterrupt())


def test_an_exception_that_cannot_be_shown_is_a_crash():
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

        __repr__ = __str__

    assert value_of(MuteError()).status is CRASHED


@pytest.mark.parametrize(
    "cost", [math.nan, math.inf, -math.inf, None, "0.5", True, [], [1.0, math.nan], 10**400, [[1]]]
)
def test_a_success_without_a_finite_cost_is_a_crash(cost):
    value = value_of((SUCCESS, cost, 1.0, {"seen": 1}), scenario(crash_cost=7.0))
    assert (value.status, value.cost) == (CRASHED, 7.0)
    assert value.additional_info["error"].startswith(("the cost is", "there are 0 costs"))
    assert value.additional_info["seen"] == 1


def test_a_crash_costs_the_crash_cost_whatever_was_said():
    assert value_of((CRASHED, 0.5, 1.0, {}), scenario(crash_cost=9.0)).cost == 9.0


def test_a_timeout_keeps_its_status_and_a_cost_of_its_own():
    given = scenario(crash_cost=9.0)
    assert (value_of((TIMEOUT, math.inf, 1.0, {}), given).status, value_of((TIMEOUT, None, 1.0, {}), given).cost) == (
        TIMEOUT,
        9.0,
    )
    assert value_of((TIMEOUT, 3.0, 1.0, {}), given).cost == 3.0


@pytest.mark.parametrize(
    ("cost", "read"),
    [
        (1, 1.0),
        (np.float32(0.5), 0.5),
        (np.array(2), 2.0),
        (np.array([2.0]), 2.0),
        ([3], 3.0),
        ({"y": 4}, 4.0),
        ([np.float64(1.0), np.array(2)], [1.0, 2.0]),
    ],
)
def test_costs_are_converted(cost, read):
    value = value_of((SUCCESS, cost, 1.0, {}))
    assert value.cost == read
    assert type(value.cost) is type(read)


def test_several_costs_stand_in_the_order_of_the_objectives():
    given = scenario(objectives=["loss", "size"], crash_cost=5.0)
    assert value_of((SUCCESS, {"size": 2, "loss": 1}, 1.0, {}), given).cost == [1.0, 2.0]
    assert value_of((SUCCESS, (1, 2), 1.0, {}), given).cost == [1.0, 2.0]
    missing = value_of((SUCCESS, {"size": 2}, 1.0, {}), given)
    assert (missing.status, missing.cost) == (CRASHED, [5.0, 5.0])
    assert missing.additional_info["error"] == "the cost of the objective 'loss' is missing; there is ['size']"
    short = value_of((SUCCESS, 1.0, 1.0, {}), given)
    assert short.additional_info["error"] == "there are 1 costs for 2 objectives"


def test_the_crash_cost_is_never_shared_between_results():
    runner = Returns(ValueError(), scenario(objectives=["a", "b"], crash_cost=[1, 2]))
    first, second = (runner.run_wrapper(rw.TrialInfo({}))[1] for _ in range(2))
    first.cost.append(3)
    assert second.cost == [1.0, 2.0]


def test_objectives_of_a_scenario_may_be_one_name():
    assert Returns(None, scenario(objectives="cost"))._objectives == ["cost"]
    assert Returns(None)._objectives == []


def test_run_may_return_cpu_seconds_too():
    value = value_of((SUCCESS, 1.0, 2.0, 1.5, {"a": 1}))
    assert (value.time, value.cpu_time, value.additional_info) == (2.0, 1.5, {"a": 1})


def test_what_run_does_not_measure_is_measured():
    class Working(rw.AbstractRunner):
        def run(self, config, instance=None, budget=None, seed=None):
            pid = os.fork()
            sum(range(200_000))
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)
            return SUCCESS, 1.0, None, None

    _, value = Working(None).run_wrapper(rw.TrialInfo({}))
    assert value.time > 0.0
    assert value.cpu_time > 0.0
    assert value.starttime + value.time == pytest.approx(value.endtime)
    assert value.additional_info == {}


def test_the_status_of_another_library_has_the_same_integers():
    class Foreign(IntEnum):
        SUCCESS = 1

    assert value_of((Foreign.SUCCESS, 1.0, 1.0, {})).status is SUCCESS
    assert value_of((1, 1.0, 1.0, {})).status is SUCCESS


@pytest.mark.parametrize(
    "answer",
    [
        None,
        1.0,
        (SUCCESS, 1.0),
        (SUCCESS, 1.0, 1.0, "info"),
        ("SUCCESS", 1.0, 1.0, {}),
        (9, 1.0, 1.0, {}),
        (rw.StatusType.RUNNING, 1.0, 1.0, {}),
        (SUCCESS, 1.0, 1.0, 1.0, {}, {}),
    ],
)
def test_an_answer_of_another_form_is_said_to_the_author(answer):
    with pytest.raises(ContractError, match=r"Returns\.run returned .*; it must return \(status, cost, runtime, addit"):
        value_of(answer)


# The words.


def test_status_types_have_the_integers_of_smac():
    assert {status.name: int(status) for status in rw.StatusType} == {
        "RUNNING": 0,
        "SUCCESS": 1,
        "CRASHED": 2,
        "TIMEOUT": 3,
        "MEMORYOUT": 4,
    }


def test_a_trial_value_has_these_fields_and_defaults():
    assert dataclasses.asdict(rw.TrialValue(0.5)) == {
        "cost": 0.5,
        "time": 0.0,
        "cpu_time": 0.0,
        "status": SUCCESS,
        "starttime": 0.0,
        "endtime": 0.0,
        "additional_info": {},
    }


class OldConfiguration:
    """As ConfigSpace had them."""

    def __init__(self, **values: Any) -> None:
        self.values = values

    def get_dictionary(self):
        return self.values


class NewConfiguration(Mapping):
    """As ConfigSpace has them."""

    def __init__(self, **values: Any) -> None:
        self.values_ = values

    def __getitem__(self, name):
        return self.values_[name]

    def __iter__(self):
        return iter(self.values_)

    def __len__(self):
        return len(self.values_)


class Kind(str, Enum):  # noqa: UP042  (not a StrEnum: its str() is another)
    LEFT = "left"


def test_trial_infos_are_equal_and_hash_alike_by_content():
    configs = [{"x": 0.5, "n": 3}, {"n": 3, "x": 0.5}, OldConfiguration(x=0.5, n=3), NewConfiguration(x=0.5, n=3)]
    configs += [[("x", 0.5), ("n", 3)], {"x": np.float64(0.5), "n": np.int32(3)}]
    infos = [rw.TrialInfo(config, "i", 1, 2) for config in configs]
    assert len(set(infos)) == 1
    assert infos[2].config is configs[2]
    assert infos[0] != rw.TrialInfo(configs[0], "i", 2, 2)
    assert infos[0] != rw.TrialInfo(configs[0], "i", 1, 3)
    assert infos[0] != rw.TrialInfo(configs[0], "j", 1, 2)
    assert infos[0] != rw.TrialInfo({"x": 0.5, "n": 4}, "i", 1, 2)
    assert rw.TrialInfo({"x": 1}) != rw.TrialInfo({"x": True})
    assert infos[0] != "info"


def test_a_trial_info_is_what_its_configuration_was_when_it_was_made():
    config = {"x": 1}
    info = rw.TrialInfo(config)
    config["x"] = 2
    assert info == rw.TrialInfo({"x": 1})
    assert info.parameters == {"x": 1}


def test_a_trial_info_can_be_pickled_and_replaced():
    info = rw.TrialInfo({"x": 1}, "i", 2, 3)
    assert pickle.loads(pickle.dumps(info)) == info
    assert dataclasses.replace(info, seed=5) == rw.TrialInfo({"x": 1}, "i", 5, 3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.seed = 3


def test_values_become_json():
    given = {"a": np.int64(1), "b": np.bool_(True), "c": (1, [np.float32(0.5)]), "d": {"e": None}, "f": np.arange(2)}
    info = rw.TrialInfo({**given, "g": Kind.LEFT})
    assert info.parameters == {"a": 1, "b": True, "c": [1, [0.5]], "d": {"e": None}, "f": [0, 1], "g": "left"}
    assert type(info.parameters["g"]) is str


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"config": 3}, "the configuration must be a mapping of parameter names to values, not an object of type"),
        ({"config": "abc"}, "the configuration must be a mapping"),
        ({"config": {1: 2}}, "the name of a parameter must be a text that is not empty, not 1"),
        ({"config": {"": 2}}, "the name of a parameter must be a text that is not empty"),
        ({"config": {"x": math.nan}}, "parameter 'x' must be finite, not nan"),
        ({"config": {"x": object()}}, "parameter 'x' is an object of type builtins.object; a configuration holds"),
        ({"config": {"x": {1: 2}}}, "parameter 'x' has a name in it that is no text"),
        ({"config": {"x": "\ud800"}}, "parameter 'x' holds half of a character"),
        ({"config": {"x": deep()}}, "parameter 'x' is nested too deeply"),
        ({"budget": 0}, "the budget must be a positive number or None, not 0"),
        ({"budget": -1.0}, "the budget must be a positive number or None, not -1.0"),
        ({"budget": math.inf}, "the budget must be a positive number or None, not inf"),
        ({"budget": True}, "the budget must be a positive number or None, not True"),
        ({"budget": "1"}, "the budget must be a positive number or None, not '1'"),
        ({"seed": 0.5}, "the seed must be an integer or None, not 0.5"),
        ({"seed": True}, "the seed must be an integer or None, not True"),
        ({"instance": 1}, "the instance must be a text or None, not 1"),
    ],
)
def test_what_is_no_trial_is_refused_by_a_sentence(arguments, sentence):
    with pytest.raises(UsageError) as raised:
        rw.TrialInfo(**{"config": {"x": 1}, **arguments})
    assert str(raised.value).startswith(sentence)


def test_the_crash_cost_takes_the_form_of_a_cost():
    assert spread_crash_cost(1, 1) == 1.0
    assert spread_crash_cost(math.inf, 2) == [math.inf, math.inf]
    assert spread_crash_cost([1, 2], 2) == [1.0, 2.0]
    assert spread_crash_cost([1], 1) == 1.0
    assert spread_crash_cost([1, 2], 0) == [1.0, 2.0]
    for wrong in ("1", math.nan, None, True, [1, "2"]):
        with pytest.raises(UsageError, match="crash_cost must be a number"):
            spread_crash_cost(wrong, 1)
    with pytest.raises(UsageError, match="crash_cost has 2 numbers where there are 3 objectives"):
        spread_crash_cost([1, 2], 3)
