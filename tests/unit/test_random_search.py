from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwright import Choice, Experiment, Float, Int, UsageError
from runwright.optimizer import Asked, Attached, Suggestion
from runwright.optimizers import RandomOptimizer

LARGEST = 2**63 - 1


def ready(parameters, seed=None, experiment_seed=0):
    optimizer = RandomOptimizer(seed=seed)
    optimizer.setup(Experiment("e", parameters, {"y": "minimize"}, seed=experiment_seed))
    return optimizer


def values(parameter, count):
    optimizer = ready({"x": parameter})
    return [optimizer.ask(index).parameters["x"] for index in range(count)]


finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=5e-324, allow_nan=False, allow_infinity=False)


@st.composite
def parameters(draw):
    kind = draw(st.sampled_from(["float", "log float", "int", "log int", "choice"]))
    if kind == "choice":
        return Choice(draw(st.lists(st.integers(), min_size=1, max_size=9, unique=True)))
    numbers = {
        "float": finite,
        "log float": positive,
        "int": st.integers(-LARGEST, LARGEST),
        "log int": st.integers(1, LARGEST),
    }[kind]
    low, high = sorted(draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    if kind in ("float", "log float"):
        if not math.isfinite(high - low):
            low /= 2
            high /= 2
        return Float(low, high, log=kind == "log float")
    return Int(low, high, log=kind == "log int")


@pytest.mark.slow
@given(st.lists(parameters(), min_size=1, max_size=9), st.integers(0, LARGEST), st.integers(0, 2**40))
@settings(deadline=None, derandomize=True)
def test_points_are_within_bounds_and_of_the_right_type(space, seed, index):
    space = {f"p{number}": parameter for number, parameter in enumerate(space)}
    point = ready(space, seed).ask(index).parameters
    assert list(point) == list(space)
    for name, parameter in space.items():
        assert parameter.validate(point[name]) == point[name]
        wanted = type(parameter.values[0]) if isinstance(parameter, Choice) else type(parameter.low)
        assert type(point[name]) is wanted


@pytest.mark.parametrize(
    "parameter",
    [
        Float(-1e308, 7e307),
        Float(0.1, 0.3),
        Float(1e16, 1e16 + 2),
        Float(5e-324, 1e308, log=True),
        Float(3, 3.1, log=True),
    ],
)
def test_the_largest_draw_stays_within_bounds(parameter):
    from runwright.optimizers.random_search import _draw

    draw = _draw(parameter)
    top, bottom = draw(2**64 - 1, 2**64 - 1), draw(0, 0)
    assert parameter.low <= bottom < top <= parameter.high


def test_the_widest_integers_reach_both_ends():
    from runwright.optimizers.random_search import _draw

    draw = _draw(Int(-LARGEST, LARGEST))
    assert draw(0, 0) == -LARGEST
    assert draw(2**64 - 1, 2**64 - 1) == LARGEST


def test_floats_are_uniform():
    found = sorted(values(Float(-2, 6), 4000))
    expected = [-2 + 8 * (place + 0.5) / 4000 for place in range(4000)]
    # Kolmogorov-Smirnov at a level of about 1e-6; the points are fixed by their seed.
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) / 8 < 0.042


def test_a_logarithmic_scale_is_uniform_in_the_logarithm():
    found = values(Float(1e-6, 1, log=True), 4000)
    decades = Counter(math.floor(math.log10(value)) for value in found)
    assert set(decades) <= {-6, -5, -4, -3, -2, -1}
    assert all(560 < count < 780 for count in decades.values())


def test_integers_are_uniform():
    counts = Counter(values(Int(3, 8), 6000))
    assert set(counts) == {3, 4, 5, 6, 7, 8}
    assert all(870 < count < 1130 for count in counts.values())


def test_integers_on_a_logarithmic_scale_fill_their_intervals():
    counts = Counter(values(Int(1, 8, log=True), 8000))
    whole = math.log(8.5 / 0.5)
    for value in range(1, 9):
        share = math.log((value + 0.5) / (value - 0.5)) / whole
        assert abs(counts[value] / 8000 - share) < 0.025


def test_choices_are_uniform_and_come_back_as_themselves():
    options = ("a", "b", "c")
    found = values(Choice(options), 3000)
    assert all(any(value is option for option in options) for value in found)
    assert all(880 < count < 1120 for count in Counter(found).values())


def test_a_parameter_does_not_depend_on_those_after_it_nor_parameters_on_each_other():
    alone = ready({"a": Float(0, 1)}, 5)
    many = ready({name: Float(0, 1) for name in "abcdefghij"}, 5)
    points = [many.ask(index).parameters for index in range(500)]
    assert [alone.ask(index).parameters["a"] for index in range(500)] == [point["a"] for point in points]
    for left, right in pairwise("abcdefghij"):
        mean = sum((point[left] - 0.5) * (point[right] - 0.5) for point in points) / 500
        assert abs(mean) < 0.02


def test_neighbouring_seeds_and_indices_have_nothing_in_common():
    one, two = ready({"x": Float(0, 1)}, 1), ready({"x": Float(0, 1)}, 2)
    xs = [optimizer.ask(index).parameters["x"] for optimizer in (one, two) for index in range(1000)]
    assert len(set(xs)) == 2000


def test_the_seed_is_that_of_the_experiment_unless_given():
    space = {"x": Float(0, 1)}
    assert ready(space, None, 9).ask(4) == ready(space, 9, 0).ask(4)
    assert ready(space, None, 9).ask(4) != ready(space, None, 8).ask(4)


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "7", True])
def test_a_wrong_seed_is_refused(seed):
    with pytest.raises(UsageError, match=r"the seed of the random optimizer must be an integer from 0 to 2\*\*63 - 1"):
        RandomOptimizer(seed=seed)


def test_points_stay_what_they_are():
    """Recorded experiments are compared with these points: they must not change between versions."""
    optimizer = ready({"x": Float(-5, 10), "n": Int(1, 100), "c": Choice(["a", "b"])}, 7)
    assert optimizer.ask(0).parameters == {"x": -1.637414299330203, "n": 40, "c": "b"}
    assert optimizer.ask(2**40) == optimizer.ask(2**40)


def test_a_history_of_another_rule_is_noticed():
    optimizer = ready({"x": Float(0, 1)})
    history = [Asked(0, optimizer.ask(0)), Asked(1, Suggestion({"x": 0.5})), Attached(2, Suggestion({"x": 0.25}))]
    outcome = optimizer.restore(history)
    assert not outcome.exact
    assert "trial 1 comes out differently" in outcome.reason
    assert optimizer.restore(history[:1]).exact
