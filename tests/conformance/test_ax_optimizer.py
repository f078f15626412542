"""Ax's strategies under the optimizer suite: quasi-random points mostly, since a model step takes seconds."""

from __future__ import annotations

import pytest

from runwright import Choice, Experiment, Float, Int
from runwright.optimizers import AxOptimizer
from runwright.testing import OptimizerSuite, OptimizerTraits

pytest.importorskip("ax")
pytestmark = pytest.mark.slow

LOSS = {"loss": "minimize"}
REFUSED = [
    Experiment("huge", {"n": Int(0, 2**60)}, LOSS),
    Experiment("aimless", {"x": Float(0, 1)}),
    Experiment("log", {"x": Float(0.1, 1, log=True)}, LOSS, constraints=["x <= 0.5"]),
    Experiment("objective", {"x": Float(0, 1)}, LOSS, constraints=["loss <= 1"]),
    Experiment("several", {"a": Choice(["u", "v", "w"]), "x": Float(0, 1, when={"a": ["u", "v"]})}, LOSS),
]


class TestAxWithConditionsAndConstraints(OptimizerSuite):
    """Never beyond the initial points: what is asked, told and brought back is that of a run with a model."""

    @pytest.fixture
    def make_optimizer(self):
        return lambda: AxOptimizer(seed=7, options={"initialization_budget": 1000})

    @pytest.fixture
    def experiment(self):
        parameters = {
            "method": Choice(["sgd", "adam", "lbfgs"]),
            "momentum": Float(0, 1, when={"method": "sgd"}),
            "nesterov": Choice([False, True], when={"method": "sgd"}),
            "decay": Float(1e-6, 1, log=True, when={"nesterov": True}),
            "x1": Float(0, 1),
            "x2": Float(0, 1),
            "n": Int(1, 9),
        }
        objectives = {"loss": "minimize", "speed": "maximize"}
        constraints = ["x1 + x2 <= 1", "loss <= 9", "weight + 2 * height <= 9", "height >= -1"]
        return Experiment("conditions", parameters, objectives, constraints=constraints)

    @pytest.fixture
    def traits(self):
        return OptimizerTraits(trials=10, kills=2, after=5)

    @pytest.fixture
    def refused(self):
        return REFUSED
