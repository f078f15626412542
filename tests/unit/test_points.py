"""Points that name some of the parameters: the rest comes from the defaults."""

from __future__ import annotations

import pytest

import runwright as rw
from runwright.optimizers import RandomOptimizer
from runwright.runners import LocalMetadataRunner

EXPERIMENT = rw.Experiment(
    "points",
    {"x": rw.Float(0, 1), "n": rw.Int(1, 9, default=4), "on": rw.Choice([True, False], default=False)},
    {"y": "minimize"},
)


def test_a_default_stands_in_for_what_a_point_does_not_name():
    assert EXPERIMENT.validate({"x": 0.5}) == {"x": 0.5, "n": 4, "on": False}
    assert EXPERIMENT.validate({"x": 0.5, "n": 2, "on": True}) == {"x": 0.5, "n": 2, "on": True}


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        ({"n": 3}, "parameter 'x' is missing in this point, and it has no default"),
        ({"x": 0.5, "m": 3}, "'m' is no parameter"),
        ({"x": 0.5, "n": None}, "parameter 'n': the value must be a number, not None"),
    ],
)
def test_what_is_no_point(point, sentence):
    with pytest.raises(rw.UsageError, match=sentence):
        EXPERIMENT.validate(point)


def test_an_enqueued_point_may_leave_out_what_has_a_default():
    with rw.Scheduler(
        EXPERIMENT, RandomOptimizer(), LocalMetadataRunner(lambda x, n, on: x * n + on), enqueue=[{"x": 0.25}]
    ) as scheduler:
        (first,) = scheduler.run(trials=1)
    assert first["parameters"] == {"x": 0.25, "n": 4, "on": False}
    assert first["metrics"]["y"]["mean"] == 1
