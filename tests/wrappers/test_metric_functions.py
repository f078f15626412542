"""The metric functions of BOA's configuration files, against their definitions."""

from __future__ import annotations

import math
import random

import pytest

from runwright.errors import InvalidResultError, UsageError
from runwright.wrappers.metric_functions import compute, function_named

TRUE, PREDICTED = [1.0, 2.0, 4.0], [1.5, 2.0, 3.0]
MSE = (0.25 + 0 + 1) / 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MSE", MSE),
        ("mean_squared_error", MSE),
        ("RMSE", math.sqrt(MSE)),
        ("RootMeanSquaredError", math.sqrt(MSE)),
        ("MAE", 0.5),
        ("R2", 1 - 1.25 / (14 / 3)),
        ("NRMSE", math.sqrt(MSE) / 0.75),
    ],
)
def test_functions_of_two_lists(name, expected):
    function = function_named(name)
    assert compute("m", function, {"y_true": TRUE, "y_pred": PREDICTED})[0] == pytest.approx(expected)


@pytest.mark.slow
def test_against_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    stats = pytest.importorskip("scipy.stats")
    draw = random.Random(1)
    for _ in range(20):
        true, predicted = ([draw.gauss(0, 1) for _ in range(11)] for _ in range(2))
        given = {"y_true": true, "y_pred": predicted}
        rmse = math.sqrt(metrics.mean_squared_error(true, predicted))
        assert compute("m", "rmse", given)[0] == pytest.approx(rmse)
        assert compute("m", "r2", given)[0] == pytest.approx(metrics.r2_score(true, predicted))
        assert compute("m", "nrmse", given)[0] == pytest.approx(rmse / stats.iqr(predicted))
        spread = {"normalizer": "std"}
        assert compute("m", "nrmse", given | spread)[0] == pytest.approx(rmse / stats.tstd(predicted))


@pytest.mark.parametrize(
    ("normalizer", "expected"), [("mean", math.sqrt(MSE) / (6.5 / 3)), ("range", math.sqrt(MSE) / 1.5)]
)
def test_normalizers(normalizer, expected):
    given = {"y_true": TRUE, "y_pred": PREDICTED, "normalizer": normalizer, "sem": 0.1}
    assert compute("m", "nrmse", given) == (pytest.approx(expected), 0.1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": [1, 2, 3]}, (2.0, None)),
        ({"a": [[1, 2], [3, 4]], "sem": 0.5}, (2.5, 0.5)),
        ({"a": 7}, (7.0, None)),
        ([1, 2], (1.5, None)),
        ({"a": {"x": 1, "y": 3}}, (2.0, None)),
    ],
)
def test_the_mean(given, expected):
    assert compute("m", "mean", given) == expected


def test_arrays_are_lists():
    numpy = pytest.importorskip("numpy")
    assert compute("m", "mean", {"a": numpy.array([[1.0, 3.0]])}) == (2.0, None)


def test_a_squared_error_may_be_one_that_is_not_squared():
    given = {"y_true": TRUE, "y_pred": PREDICTED, "squared": False}
    assert compute("m", "mse", given)[0] == pytest.approx(math.sqrt(MSE))


def test_constant_values():
    assert compute("m", "r2", {"y_true": [1, 1], "y_pred": [1, 1]}) == (1.0, None)
    assert compute("m", "r2", {"y_true": [1, 1], "y_pred": [1, 2]}) == (0.0, None)


@pytest.mark.parametrize(
    ("function", "given", "sentence"),
    [
        ("rmse", {"y_true": [1]}, "the metric 'm' needs 'y_pred'; there is 'y_true'"),
        ("rmse", {"y_true": [1], "y_pred": [1, 2]}, "the metric 'm' has 1 values in y_true and 2 in y_pred"),
        ("mean", {"a": []}, "the metric 'm' has no values in 'a'"),
        ("mean", {}, "the metric 'm' needs 'a'; there is nothing"),
        ("mean", {"a": [1, "NA"]}, "the metric 'm' is NA"),
        ("mean", {"a": [1, float("inf")]}, "the metric 'm' is computed from inf"),
        ("mean", {"a": ["low"]}, "the metric 'm' is the text 'low'"),
        (
            "nrmse",
            {"y_true": [1], "y_pred": [1], "normalizer": "max"},
            "normalizer must be one of iqr, std, mean, range",
        ),
        ("nrmse", {"y_true": [1, 2], "y_pred": [1, 1]}, "the iqr of y_pred is 0"),
        ("nrmse", {"y_true": [1], "y_pred": [1], "normalizer": "std"}, "the std of y_pred is 0"),
        ("pass_through", {"b": 1, "c": 2}, "the metric 'm' is missing; there is 'b', 'c'"),
        ("pass_through", {}, "the metric 'm' is missing; there is nothing"),
        ("pass_through", [1, 2, 3], "the metric 'm' is a list of 3"),
    ],
)
def test_what_cannot_be_computed(function, given, sentence):
    with pytest.raises(InvalidResultError) as caught:
        compute("m", function, given)
    assert sentence in str(caught.value)


def test_a_function_that_is_not_known():
    assert function_named(None) == function_named("PassThrough") == "pass_through"
    with pytest.raises(UsageError, match="the metric function 'hartmann6' is not known here; known are mae, mean"):
        function_named("hartmann6")
