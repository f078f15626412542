"""Tagged JSON: what goes in comes out, or its text does."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import runwright as rw
from runwright.runners.local_json import UnrestorableError, restored, tagged


class Pair(NamedTuple):
    low: float
    high: float


class Colour(Enum):
    RED = "r"


@dataclass
class Node:
    value: float
    parts: list = field(default_factory=list)
    secret: int = field(default=3, init=False)

    def __post_init__(self):
        calls.append(self.value)


class Point:
    def __init__(self, metric_names, means):
        calls.append(means)
        self.metric_names, self.means = metric_names, means

    def metric_data(self, name):
        return {"mean": self.means[self.metric_names.index(name)], "sem": None}


class Plain:
    pass


calls = []


def back(value):
    return restored(json.loads(json.dumps(tagged(value), allow_nan=False)))


_VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(),
    lambda inner: (
        some.lists(inner)
        | some.dictionaries(some.text() | some.integers() | some.just("__class__"), inner)
        | some.tuples(inner, inner)
        | some.frozensets(some.integers())
    ),
    max_leaves=20,
)


@given(_VALUES)
def test_any_nesting_of_plain_values_comes_back(value):
    found = back(value)
    assert found == value
    assert repr(found) == repr(value) or isinstance(value, (dict, list, tuple, frozenset))


def test_nan_comes_back():
    assert math.isnan(back(math.nan))
    assert back(-math.inf) == -math.inf


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.array([], dtype=np.int8),
        np.zeros((0, 3), dtype=np.float32),
        np.array([True, False]),
        np.array([[math.nan, math.inf]]),
        np.array(3, dtype=np.uint16),
    ],
)
def test_arrays_come_back(array):
    found = back(array)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert np.array_equal(found, array, equal_nan=array.dtype.kind == "f")


def test_scalars_of_numpy_come_back():
    found = back(np.float32(0.1))
    assert type(found) is np.float32
    assert found == np.float32(0.1)


def test_objects_come_back_without_a_call_of_their_constructor():
    node, point = Node(1.5, [Node(2.0), (1, 2)]), Point(["y"], [3.0])
    node.secret = 9
    calls.clear()
    found, again = back(node), back(point)
    assert found == node
    assert found.secret == 9
    assert again.metric_data("y") == {"mean": 3.0, "sem": None}
    assert calls == []


def test_other_kinds_that_come_back():
    assert back(Colour.RED) is Colour.RED
    assert back(Pair(1, 2.0)) == Pair(1, 2.0)
    assert type(back(Pair(1, 2))) is Pair
    assert back(SimpleNamespace(metric_names=["y"], means=[1.0])) == SimpleNamespace(metric_names=["y"], means=[1.0])
    result = rw.Result.failed(rw.FailureKind.CRASHED, "so it is")
    assert back(result) == result
    assert tagged(Colour.RED) == {"__class__": f"{__name__}:Colour", "name": "RED"}


def test_of_anything_else_the_text_is_kept():
    assert "Plain object" in back(Plain())
    assert tagged(len) == {"__text__": "<built-in function len>", "of": "builtins:builtin_function_or_method"}
    assert back(np.array(["a"])).startswith("array(['a']")
    assert back({"y": 1.0, "model": 2j}) == {"y": 1.0, "model": "2j"}


def test_a_class_without_a_name_keeps_its_text():
    @dataclass
    class Local:
        x: int

    body = tagged(Local(3))
    assert body["__text__"].endswith("Local(x=3)")
    assert "is nested in another one" in body["because"]


def test_objects_that_break_whatever_looks_at_them():
    class Broken:
        def __repr__(self):
            raise RuntimeError

    assert tagged(Broken())["__text__"] == "an object whose repr raises RuntimeError"


def test_what_contains_itself_ends():
    loop = []
    loop.append(loop)
    text = json.dumps(tagged(loop))
    assert "it is nested more than 50 levels deep" in text


def test_half_a_character_does_not_break_the_journal():
    assert json.dumps(tagged({"a\ud800": "\ud800"}), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"__class__": "os:system", "fields": {}}, "it is no class"),
        ({"__class__": "subprocess:Popen", "fields": {}}, "only dataclasses, point results, named tuples"),
        ({"__class__": f"{__name__}:Plain", "fields": {}}, "only dataclasses, point results, named tuples"),
        ({"__class__": f"{__name__}:Gone", "fields": {}}, "AttributeError"),
        ({"__class__": f"{__name__}:Colour", "name": "BLUE"}, "KeyError: 'BLUE'"),
        ({"__class__": f"{__name__}:Node"}, "KeyError: 'fields'"),
        ({"__class__": 3}, "AttributeError"),
        ({"__class__": "builtins:tuple"}, "KeyError"),
        ([{"__class__": "nowhere:X", "fields": {}}], "No module named 'nowhere'"),
    ],
)
def test_what_may_not_come_back(body, sentence):
    with pytest.raises(UnrestorableError, match=sentence):
        restored(body)


def test_no_script_is_run_to_restore_an_object(tmp_path):
    script = tmp_path / "evil.py"
    script.write_text("raise SystemExit('it was run')")
    with pytest.raises(UnrestorableError, match="is not loaded in this process"):
        restored({"__class__": f"{script}:Point", "fields": {}})


def test_a_class_of_the_script_that_runs_is_found(monkeypatch):
    here = str(Path(__file__))
    module = sys.modules[__name__]
    monkeypatch.setattr(module, "__file__", here)
    assert restored({"__class__": f"{here}:Pair", "fields": {"low": 1, "high": 2}}) == (1, 2)
