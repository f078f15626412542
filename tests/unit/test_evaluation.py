"""Calling an evaluation function, reading what it returned, and finding it again from another process."""

from __future__ import annotations

import functools
import math
import re
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

import runwright as rw
from runwright.errors import UsageError
from runwright.evaluation import Evaluation, FunctionReference, evaluate
from runwright.experiment import stable_seed
from runwright.function_reference import refuse_while_loading
from runwright.result import Failure, Result
from runwright.status import FailureKind

POINT = {"x": 0.5, "z": 2.0}


def named(value):
    """Name a test: without addresses, so that every process collects the same names."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def experiment(**objectives):
    return rw.Experiment("e", {"x": rw.Float(0, 1), "z": rw.Float(0, 9)}, objectives or {"y": "minimize"}, seed=3)


def trial(points=1, objectives=None, **fields):
    return experiment(**(objectives or {"y": "minimize"})).new_trial(7, [POINT] * points, **fields)


def returning(value, **fields):
    return evaluate(lambda _: value, trial(**fields))


# What may be returned.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, (1.5, None)),
        (2, (2.0, None)),
        (np.float32(0.5), (0.5, None)),
        (np.float64(0.1), (0.1, None)),
        (np.int64(3), (3.0, None)),
        (np.array(4.0), (4.0, None)),
        (np.array(4), (4.0, None)),
        (np.ma.array(4.0, mask=False), (4.0, None)),
        (Decimal("0.25"), (0.25, None)),
        (Fraction(1, 4), (0.25, None)),
        ((1.0, 0.1), (1.0, 0.1)),
        ((np.float64(1.0), None), (1.0, None)),
        ([1, 0], (1.0, 0.0)),
        ({"y": 1}, (1.0, None)),
        ({"y": (1.0, 0.5)}, (1.0, 0.5)),
        ({"y": {"mean": 1, "sem": np.float64(0.5)}}, (1.0, 0.5)),
        ({"y": {"mean": 1}}, (1.0, None)),
        (SimpleNamespace(metric_names=["y"], means=[3.0], cov=None), (3.0, None)),
        (SimpleNamespace(metric_names=["y"], means=np.array([3.0]), cov=np.array([[4.0]])), (3.0, 2.0)),
        (Result(arms={"any": {"y": (1.0, None)}}), (1.0, None)),
        ((1.5, {}), (1.5, None)),
        (({"y": (1.0, 0.5)}, {"note": 1}), (1.0, 0.5)),
    ],
    ids=named,
)
def test_accepted(value, expected):
    result = returning(value)
    assert result.failure is None
    assert result.arms == {"7_0": {"y": expected}}
    mean, sem = result.metrics["y"]
    assert type(mean) is float
    assert sem is None or type(sem) is float


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "returned None where the objective 'y' was expected"),
        ("3.0", "the metric 'y' is the text '3.0'; a number is needed"),
        (b"3", "the metric 'y' is an object of type bytes; a number is needed"),
        (True, "the metric 'y' is the boolean True; a number is needed"),
        (np.bool_(True), "the metric 'y' is the boolean True; a number is needed"),
        (1j, "the metric 'y' is an object of type complex; a number is needed"),
        (math.nan, "the metric 'y' is nan"),
        (-math.inf, "the metric 'y' is -inf"),
        (Decimal("NaN"), "the metric 'y' is nan"),
        (10**400, "the metric 'y' does not fit into a floating-point number"),
        (np.ma.masked, "the metric 'y' is masked; a number is needed"),
        (np.ma.array(5.0, mask=True), "the metric 'y' is masked; a number is needed"),
        ((1.0, np.ma.masked), "the metric 'y (sem)' is masked; a number is needed"),
        (np.array([1.0]), "the metric 'y' is an array of shape (1,); a number is needed"),
        ((1.0, 2.0, 3.0), "the metric 'y' is a tuple of 3; return a number, or (mean, sem)"),
        ((1.0, -0.1), "the standard error (sem) of the metric 'y' is negative: -0.1"),
        ((1.0, math.nan), "the metric 'y' is nan"),
        (object(), "the metric 'y' is an object of type object; a number is needed"),
        ({}, "the objective 'y' is missing; the evaluation returned nothing"),
        ({"loss": 1.0}, "the objective 'y' is missing; the evaluation returned 'loss'"),
        ({"y": None}, "the metric 'y' is None; a number is needed"),
        ({"y": {"a": {"b": 1}}}, "the metric 'y' is a mapping"),
        ({"y": 1.0, 3: 1.0}, "the name of a metric must be a text, not 3"),
        (SimpleNamespace(metric_names=["y"], means=[1.0], cov=[[-4.0]]), "the variance of the metric 'y' is negative"),
        (SimpleNamespace(metric_names=["y"], means=[1.0, 2.0], cov=None), "the point result has 1 metric_names"),
        (SimpleNamespace(metric_names=["q"], means=[1.0], cov=None), "the objective 'y' is missing"),
        (Result(), "the objective 'y' is missing"),
        (Result(arms={"a": {}, "b": {}}), "the evaluation of one point returned 2 arms"),
        (Result(arms={"a": {"y": (1.0, None)}}, seconds=math.nan), "seconds of the returned result is nan"),
        (Result(arms={"a": {"y": (1.0, None)}}, additional_info={"k": object()}), "additional_info"),
        (Result(arms={"a": {"y": (1.0, None)}}, additional_info=[1]), "additional_info"),
    ],
    ids=named,
)
def test_refused_by_a_sentence(value, sentence):
    result = returning(value)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.INVALID_RESULT
    assert sentence in result.failure.message
    assert result.arms == {}


def test_a_lone_value_needs_a_sole_objective():
    two = returning(1.0, objectives={"y": "minimize", "t": "maximize"}).failure
    assert "one value where there are 2 objectives ('y', 't')" in two.message
    none = rw.Experiment("e", {"x": rw.Float(0, 1)}).new_trial(0, [{"x": 0.5}])
    assert "names no objective" in evaluate(lambda _: 1.0, none).failure.message
    assert evaluate(lambda _: {"any": 1.0}, none).metrics == {"any": (1.0, None)}
    assert "'any'" in evaluate(lambda _: {"any": "text"}, none).failure.message


@pytest.mark.parametrize("value", [[1.0, 2.0], (1, 2), np.array([1.0, 2.0]), ([1.0, (2.0, None)], {"note": "n"})])
def test_a_list_has_the_objectives_in_their_order(value):
    result = returning(value, objectives={"y": "minimize", "t": "maximize"})
    assert result.metrics == {"y": (1.0, None), "t": (2.0, None)}
    assert result.additional_info == ({"note": "n"} if isinstance(value, tuple) and value != (1, 2) else None)


def test_a_list_of_another_length_is_refused():
    failure = returning([1.0], objectives={"y": "minimize", "t": "maximize"}).failure
    assert failure.message == "the evaluation returned 1 values where there are 2 objectives ('y', 't')"


def test_remarks_stand_beside_what_was_measured():
    result = returning((1.0, {"epochs": 3, 4: np.float64(1.0), "odd": {1}}))
    assert result.metrics == {"y": (1.0, None)}
    assert result.additional_info == {"epochs": 3, "4": 1.0, "odd": "{1}"}


def test_what_nobody_asked_for_is_kept():
    result = returning(
        {"y": 1.0, "extra": 2, "odd": math.inf, "pair": (1.0, math.nan), "note": "a", "o": {1}, "\ud800": 3}
    )
    assert result.metrics == {"y": (1.0, None), "extra": (2.0, None), "?": (3.0, None)}
    assert result.additional_info == {"odd": "inf", "pair": "1.0 (sem nan)", "note": "a", "o": "{1}"}
    assert returning({"y": 1.0, "info": {"epochs": 3, 1: [2]}}).additional_info == {"epochs": 3, "1": [2]}


def test_a_repr_that_raises_costs_nothing():
    class Bad:
        def __repr__(self):
            raise ValueError("no")

    assert "whose repr raises ValueError" in returning({"y": 1.0, "k": Bad()}).additional_info["k"]


def test_reading_the_value_may_raise_anything():
    class Odd(dict):
        def items(self):
            raise RuntimeError("gone")

    failure = returning(Odd()).failure
    assert failure.kind is FailureKind.INVALID_RESULT
    assert "cannot be read: RuntimeError: gone" in failure.message


def test_a_result_of_its_own_is_taken_with_its_measures():
    own = Result(arms={"a": {"y": (1, None)}}, seconds=5, peak_memory=10, additional_info={"k": [1]})
    result = returning(own)
    assert (result.seconds, result.peak_memory, result.additional_info) == (5.0, 10, {"k": [1]})
    assert result.cpu_seconds is not None
    failed = returning(Result(failure=Failure(FailureKind.MEMORYOUT, "too big"), additional_info={"k": 1}))
    assert failed.failure == Failure(FailureKind.MEMORYOUT, "too big")
    assert failed.additional_info == {"k": 1}


# Exceptions.


def test_an_exception_is_a_failure_with_its_traceback():
    def broken(_):
        raise ValueError("no such thing")

    result = evaluate(broken, trial())
    assert result.failure == Failure(FailureKind.CRASHED, "ValueError: no such thing")
    text = result.additional_info["traceback"]
    assert text.startswith("Traceback (most recent call last):")
    assert "in broken" in text
    assert "evaluation.py" not in text.replace("test_evaluation.py", "")


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (SystemExit(3), "the function called sys.exit(3)"),
        (SystemExit(), "the function called sys.exit()"),
        (MemoryError(), "MemoryError"),
        (GeneratorExit("x"), "GeneratorExit: x"),
        (ValueError("x" * 1000), f"ValueError: {'x' * 500} ..."),
        (OSError("\udcff"), "OSError: ?"),
    ],
    ids=["exit", "exit-none", "memory", "base", "long", "surrogate"],
)
def test_messages(raised, message):
    def broken(_):
        raise raised

    failure = evaluate(broken, trial()).failure
    assert failure == Failure(FailureKind.CRASHED, message)


def test_an_exception_that_cannot_be_shown():
    class UnspeakableError(Exception):
        def __str__(self):
            raise RuntimeError

        __repr__ = __str__

    def broken(_):
        raise UnspeakableError

    assert evaluate(broken, trial()).failure.message == "UnspeakableError: (its text cannot be shown)"


def test_endless_recursion_and_a_long_traceback():
    def down(depth):
        down(depth + 1)

    assert evaluate(lambda _: down(0), trial()).failure.message.startswith("RecursionError")

    def long(_):
        raise ValueError("x" * 50_000 + "END")

    text = evaluate(long, trial()).additional_info["traceback"]
    assert len(text) < 21_000
    assert text.rstrip().endswith("END")


def test_an_interrupt_passes_through():
    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(interrupted, trial())


# How functions are called.


def one_mapping(parameters):
    return parameters["x"]


def keywords(x, z):
    return x + z


def positional_only(x, /, z):
    return x + 10 * z


def some(x, **rest):
    return x + len(rest)


def all_extras(parameters, seed, instance=None, budget=5.0):
    return {"y": 1.0, "seed": seed, "budget": budget, "instance": 0.0 if instance is None else 1.0}


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (one_mapping, 0.5),
        (keywords, 2.5),
        (positional_only, 20.5),
        (some, 1.5),
        (lambda *, x, z: x * z, 1.0),
        (lambda *points: points[0]["z"], 2.0),
        (lambda *x: x[0]["z"], 2.0),
        (lambda **point: point["z"], 2.0),
        (lambda **x: x["z"], 2.0),
        (lambda *x, **z: z["x"], 0.5),
        (lambda point, scale=3.0: point["x"] * scale, 1.5),
        (functools.partial(keywords, z=1.0), 2.5),
        (len, 2.0),
        (dict, {"x": 0.5, "z": 2.0}),
    ],
    ids=[
        "mapping",
        "keywords",
        "positional",
        "some",
        "only",
        "star",
        "star x",
        "double",
        "double x",
        "both",
        "scale",
        "partial",
        "builtin",
        "type",
    ],
)
def test_arguments_follow_the_signature(function, expected):
    objectives = {"y": "minimize"} if not isinstance(expected, dict) else {"x": "minimize"}
    result = evaluate(function, trial(objectives=objectives))
    assert result.failure is None, result.failure
    if not isinstance(expected, dict):
        assert result.metrics["y"][0] == expected


def test_a_sole_parameter_is_a_keyword():
    sole = rw.Experiment("e", {"x": rw.Float(0, 1)}, {"y": "minimize"}).new_trial(0, [{"x": 0.25}])
    assert evaluate(lambda x: x, sole).metrics["y"][0] == 0.25
    assert evaluate(lambda p: p["x"], sole).metrics["y"][0] == 0.25


def test_the_function_cannot_change_the_trial():
    given = trial()
    evaluate(lambda point: point.clear() or 1.0, given)
    assert given.parameters == POINT


def test_seed_instance_and_budget_where_the_signature_has_them():
    result = evaluate(all_extras, trial())
    assert result.metrics["seed"][0] == stable_seed(3, "evaluation", 7) % 2**31
    assert result.metrics["budget"][0] == 5.0
    assert result.metrics["instance"][0] == 0.0
    result = evaluate(all_extras, trial(seed=4, instance="i", budget=2.0))
    assert [result.metrics[name][0] for name in ("seed", "instance", "budget")] == [4.0, 1.0, 2.0]
    assert evaluate(lambda x, z, budget: x + z + (budget is None), trial()).metrics["y"][0] == 3.5


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda point, z: point["x"] + z, 2.5),
        (lambda point, seed, *, z: point["x"] + z, 2.5),
        (lambda point, z=0.0: point["x"] + z, 2.5),
        (lambda point, w=1.0: point["x"] + w, 1.5),
    ],
    ids=["required", "by name", "default", "other"],
)
def test_in_an_open_experiment_a_parameter_may_stand_beside_the_mapping(function, expected):
    open_one = rw.OpenExperiment("o", {"y": "minimize"}).new_trial(0, [POINT])
    assert evaluate(function, open_one).metrics == {"y": (expected, None)}


def test_a_parameter_called_seed_is_a_parameter():
    named = rw.Experiment("e", {"seed": rw.Float(0, 1)}, {"y": "minimize"}).new_trial(0, [{"seed": 0.25}])
    assert evaluate(lambda seed: seed, named).metrics["y"][0] == 0.25


async def _coroutine(x, z):
    return x + z


def _generator(x, z):
    yield x + z


async def _asynchronous(x, z):
    yield x + z


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda x, z, w: 0, "its required argument 'w' is no parameter of the experiment"),
        (lambda x: 0, "it takes no argument 'z'"),
        (lambda: 0, "it takes no argument 'x'"),
        (lambda a, b: 0, "its required argument 'a' is no parameter of the experiment"),
        (lambda a, z: 0, "its required argument 'a' is no parameter of the experiment"),
        (_coroutine, "is a coroutine .async def.: a call must return the result"),
        (_generator, "is a generator .it has a yield.: a call must return the result"),
        (_asynchronous, "is an asynchronous generator: a call must return the result"),
    ],
    ids=["more", "fewer", "none", "others", "another", "async", "generator", "asynchronous generator"],
)
def test_a_function_of_other_arguments_is_refused(function, sentence):
    with pytest.raises(UsageError, match=sentence):
        Evaluation(function).prepare(experiment())
    failure = evaluate(function, trial()).failure
    assert failure.kind is FailureKind.CRASHED
    assert re.search(sentence, failure.message)


def test_a_batch_is_evaluated_arm_by_arm():
    counter = iter(range(10))
    result = evaluate(lambda _: {"y": next(counter), "note": "n"}, trial(points=2))
    assert result.arms == {"7_0": {"y": (0.0, None)}, "7_1": {"y": (1.0, None)}}
    assert result.additional_info == {"7_0": {"note": "n"}, "7_1": {"note": "n"}}
    values = iter([1.0, "text"])
    failure = evaluate(lambda _: next(values), trial(points=2)).failure
    assert failure == Failure(
        FailureKind.INVALID_RESULT, "arm '7_1': the metric 'y' is the text 'text'; a number is needed"
    )
    failure = evaluate(lambda _: 1 / 0, trial(points=2))
    assert failure.failure.message == "arm '7_0': ZeroDivisionError: division by zero"
    assert "Traceback" in failure.additional_info["traceback"]


def test_time_is_measured_children_included():
    code = "import time; t = time.process_time()\nwhile time.process_time() < t + 0.05: pass"
    result = evaluate(lambda _: subprocess.run([sys.executable, "-c", code], check=True).returncode, trial())
    assert result.cpu_seconds > 0.05
    assert result.ended == result.started + result.seconds


# References.


class Holder:
    @classmethod
    def made(cls, parameters):
        return 1.0

    @staticmethod
    def plain(parameters):
        return 1.0

    def bound(self, parameters):
        return 1.0

    def __call__(self, parameters):
        return 1.0


def outer():
    def inner(parameters):
        return parameters

    return inner


def hidden(parameters):
    return 0.0


hidden_original, hidden = hidden, functools.wraps(hidden)(lambda parameters: 1.0)


@pytest.mark.parametrize("function", [one_mapping, Holder.plain, Holder.made, math.sin], ids=named)
def test_a_reference_leads_back(function):
    reference = FunctionReference.of(function)
    assert FunctionReference.of(reference.text) == reference
    if function.__module__ == "math":
        assert reference.load() is function


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda _: 0, "a lambda has no name"),
        (outer(), "the function 'inner' is nested in another one"),
        (functools.partial(one_mapping), "functools.partial has no name by which"),
        (Holder(), "Holder has no name by which"),
        (Holder().bound, "is not the function that was given"),
        (hidden_original, "is not the function that was given"),
        (3, "must be a function, not an object of type builtins.int"),
        ("nothing", "'nothing' is no reference to a function"),
        ("a b:f", "'a b' is no module"),
        ("module:3", "is no reference"),
        (":f", "is no module"),
    ],
    ids=range(11),
)
def test_what_has_no_reference_is_refused(function, sentence):
    with pytest.raises(UsageError, match=sentence):
        FunctionReference.of(function)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "no_such_module_at_all:f",
            "importing 'no_such_module_at_all' failed with ModuleNotFoundError: No module named",
        ),
        ("math:no_such", "'math' has no 'no_such'"),
        ("math:pi", "'math:pi' is not callable, but an object of type builtins.float"),
        ("/no/such/file.py:f", "FileNotFoundError"),
    ],
)
def test_what_cannot_be_loaded_is_a_sentence(text, sentence):
    with pytest.raises(UsageError, match=sentence):
        FunctionReference.of(text).load()


def test_a_script_is_loaded_under_another_name(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    script = tmp_path / "a script.py"
    script.write_text(
        "import beside\nloaded = __name__\ndef f(p): return beside.value\nif __name__ == '__main__': 1 / 0\n"
    )
    (tmp_path / "beside.py").write_text("value = 4.0\n")
    function = FunctionReference.of(f"{script}:f").load()
    assert function({}) == 4.0
    assert function.__globals__["loaded"] != "__main__"
    assert FunctionReference.of(f"{script}:f").load() is function


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("class E(BaseException): pass\nraise E('boo')", "failed with E: boo"),
        ("class E(Exception):\n    def __str__(self): 1 / 0\nraise E", r"failed with E: \(its text cannot be shown\)"),
        ("def __getattr__(name): raise RuntimeError('no')", "failed with RuntimeError: no"),
    ],
)
def test_whatever_a_script_raises_is_a_sentence(tmp_path, monkeypatch, text, sentence):
    monkeypatch.setattr(sys, "path", list(sys.path))
    script = tmp_path / "odd.py"
    script.write_text(text)
    with pytest.raises(UsageError, match=sentence):
        FunctionReference.of(f"{script}:g").load()


def test_an_interrupt_while_a_script_is_loaded_passes_through(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    script = tmp_path / "interrupted.py"
    script.write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        FunctionReference.of(f"{script}:f").load()


def test_a_script_that_breaks_or_ends_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    script = tmp_path / "broken.py"
    script.write_text("import sys\nsys.exit(4)\n")
    for _ in range(2):  # it is not remembered as loaded
        with pytest.raises(UsageError, match="failed with SystemExit: 4"):
            FunctionReference.of(f"{script}:f").load()
    script.write_text("from runwright.function_reference import refuse_while_loading\nrefuse_while_loading()\n")
    with pytest.raises(UsageError, match="put what starts it under: if __name__ == '__main__':"):
        FunctionReference.of(f"{script}:f").load()
    refuse_while_loading()


@pytest.mark.slow
def test_references_of_main(tmp_path):
    code = """
from runwright.evaluation import FunctionReference
def f(parameters): return 1.0
if __name__ == "__main__":
    reference = FunctionReference.of(f)
    print(reference.text)
    assert reference.load()({}) == 1.0
"""
    (tmp_path / "script.py").write_text(code)
    for arguments, text in ((["script.py"], f"{tmp_path}/script.py:f\n"), (["-m", "script"], "script:f\n")):
        command = [sys.executable, *arguments]
        assert subprocess.run(command, cwd=tmp_path, text=True, check=True, stdout=subprocess.PIPE).stdout == text
    ended = subprocess.run(
        [sys.executable, "-"], input=code, cwd=tmp_path, text=True, check=False, stderr=subprocess.PIPE
    )
    assert "is defined in an interactive session" in ended.stderr
