"""Results and failures, and which results are results."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwright.errors import InvalidResultError
from runwright.result import Failure, Result, check_objectives
from runwright.status import FailureKind

INF, NAN = float("inf"), float("nan")
FULL = Result(
    {"0_0": {"y": (1.0, 0.1), "z": (2.0, None)}},
    None,
    seconds=1.5,
    cpu_seconds=0.5,
    peak_memory=2**33,
    started=1.7e9,
    ended=1.7e9 + 1.5,
    additional_info={"note": "ä", "list": [1, None]},
)


def test_the_metrics_are_those_of_the_sole_arm():
    assert FULL.metrics == {"y": (1.0, 0.1), "z": (2.0, None)}
    assert Result().metrics == {}
    with pytest.raises(ValueError, match=r"this result has 2 arms; use Result\.arms"):
        _ = Result({"a": {}, "b": {}}).metrics


def test_what_is_not_known_is_left_out_of_the_json():
    assert Result().to_json() == {}
    assert Result(seconds=0.0, peak_memory=0).to_json() == {"seconds": 0.0, "peak_memory": 0}


def test_a_failed_result():
    result = Result.failed(FailureKind.TIMEOUT, "too long", "trials/0/1", seconds=3.0)
    assert result == Result(failure=Failure(FailureKind.TIMEOUT, "too long", "trials/0/1"), seconds=3.0)
    assert result.to_json() == {
        "failure": {"kind": "timeout", "message": "too long", "log": "trials/0/1"},
        "seconds": 3.0,
    }


finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(max_size=6)
results = st.builds(
    Result,
    arms=st.dictionaries(names, st.dictionaries(names, st.tuples(finite, st.none() | finite), max_size=3), max_size=2),
    failure=st.none() | st.builds(Failure, st.sampled_from(FailureKind), names, st.none() | names),
    seconds=st.none() | finite,
    cpu_seconds=st.none() | finite,
    peak_memory=st.none() | st.integers(0, 2**62),
    started=st.none() | finite,
    ended=st.none() | finite,
    additional_info=st.none() | st.dictionaries(names, st.none() | finite | names | st.booleans(), max_size=3),
)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(result=results)
def test_a_result_survives_json(result):
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_a_failure_without_a_log_reads_back():
    assert Failure.from_json({"kind": "lost", "message": "gone"}) == Failure(FailureKind.LOST, "gone", None)
    unconfirmed = Failure(FailureKind.LOST, "gone", None, may_live=True)
    assert Failure.from_json(unconfirmed.to_json()) == unconfirmed


@pytest.mark.parametrize(
    ("arms", "objectives", "wanted", "sentence"),
    [
        ({}, ["y"], ["0_0"], "nothing was measured for arm '0_0'"),
        ({"1_0": {"y": (1.0, None)}}, ["y"], ["0_0"], "nothing was measured for arm '0_0'"),
        ({"0_0": {}}, ["y"], ["0_0"], "the objective 'y' is missing; the evaluation returned nothing"),
        ({"0_0": {"z": (1, None)}}, ["y"], ["0_0"], "the objective 'y' is missing; the evaluation returned 'z'"),
        (
            {"0_0": {f"m{i}": (1, None) for i in range(9)}},
            ["y"],
            ["0_0"],
            "the objective 'y' is missing; the evaluation returned 'm0', 'm1', 'm2', 'm3', 'm4'",
        ),
        ({"0_0": {"y": (NAN, None)}}, ["y"], ["0_0"], "the metric 'y' is nan"),
        ({"0_0": {"y": (-INF, None)}}, ["y"], ["0_0"], "the metric 'y' is -inf"),
        ({"0_0": {"y": (1.0, INF)}}, ["y"], ["0_0"], "the sem of the metric 'y' is inf"),
        ({"0_0": {"y": (1.0, NAN)}}, ["y"], ["0_0"], "the sem of the metric 'y' is nan"),
        ({"0_0": {"y": (1.0, 0.0), "z": (NAN, None)}}, ["y"], ["0_0"], "the metric 'z' is nan"),
        ({"0_0": {"y": (1.0, None)}}, ["y", "z"], ["0_0"], "the objective 'z' is missing; the evaluation returned 'y'"),
        ({"a": {"y": (1.0, None)}}, ["y"], ["a", "b"], "nothing was measured for arm 'b'"),
        ({"0_0": {"z": (INF, None)}}, [], ["0_0"], "the metric 'z' is inf"),
    ],
)
def test_what_is_no_result_is_said_by_the_name_of_the_metric(arms, objectives, wanted, sentence):
    with pytest.raises(InvalidResultError) as raised:
        check_objectives(Result(arms), objectives, wanted)
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ("arms", "objectives", "wanted"),
    [
        ({"0_0": {"y": (1.0, None)}}, ["y"], ["0_0"]),
        ({"0_0": {"y": (1, 0.0), "z": (2.0, 1.0)}}, ["y"], ["0_0"]),
        ({"a": {"y": (1.0, None)}, "b": {"y": (2.0, None)}}, ["y"], ["a", "b"]),
        ({}, [], ["0_0"]),
        ({"0_0": {"z": (1.0, None)}}, [], ["0_0"]),
    ],
)
def test_what_is_a_result(arms, objectives, wanted):
    check_objectives(Result(arms), objectives, wanted)
