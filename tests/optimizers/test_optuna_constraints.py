"""Optuna's GP sampler where constraints hold: on metrics, which it learns, and on parameters."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from runwright import Experiment, Float
from runwright.optimizer import Asked, Observation
from runwright.optimizers import OptunaOptimizer
from runwright.status import TrialStatus

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("torch") is None, reason="the gp sampler needs torch: pip install 'runwright[optuna-gp]'"
    ),
]

SPACE = {"x": Float(0, 1), "z": Float(0, 1)}
STARTUP = 5
ON_A_METRIC, ON_PARAMETERS = "weight <= 0.4", "x + z >= 0.9"


def gp(*constraints):
    optimizer = OptunaOptimizer("gp", seed=3, options={"n_startup_trials": STARTUP})
    optimizer.setup(Experiment("constrained", SPACE, {"loss": "minimize"}, constraints=constraints))
    return optimizer


def live(optimizer, trials, history=()):
    """Ask and tell so many trials of which the largest x is the best, and weighs the most; return the history."""
    history = list(history)
    begun = len(history) // 2
    for trial in range(begun, begun + trials):
        asked = optimizer.ask(trial)
        x, z = asked.parameters["x"], asked.parameters["z"]
        metrics = {"loss": ((z - 0.5) ** 2 - x, None), "weight": (x, None)}
        told = Observation(trial, asked.parameters, TrialStatus.COMPLETED, metrics)
        history += [Asked(trial, asked), told]
        optimizer.tell(told)
    return history


def points(history):
    return [item.suggestion.parameters for item in history if isinstance(item, Asked)]


def test_the_gp_sampler_learns_a_constraint_on_a_metric():
    free = points(live(gp(), 12))[STARTUP + 2 :]
    bound = points(live(gp(ON_A_METRIC), 12))[STARTUP + 2 :]
    assert all(point["x"] > 0.9 for point in free), "without it the largest is the best"
    assert all(point["x"] < 0.5 for point in bound)
    assert max(point["x"] for point in bound if point["x"] <= 0.4) > 0.3, "it goes up to the bound"


def test_the_gp_sampler_keeps_to_a_constraint_on_parameters():
    """Points that break it are drawn again; what the model finds best does not."""
    free, bound = points(live(gp(), STARTUP + 3)), points(live(gp(ON_PARAMETERS), STARTUP + 3))
    assert any(point["x"] + point["z"] < 0.9 for point in free)
    assert all(point["x"] + point["z"] >= 0.9 for point in bound)
    assert max(point["x"] for point in bound[STARTUP:]) > 0.9


@pytest.mark.parametrize("constraint", [ON_A_METRIC, ON_PARAMETERS])
def test_restored_with_a_constraint_it_proposes_what_it_would_have_proposed(constraint):
    lived = gp(constraint)
    past = live(lived, STARTUP + 2)
    restored = gp(constraint)
    assert restored.restore(past).exact
    assert points(live(restored, 3, past)) == points(live(lived, 3, past))
