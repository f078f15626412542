"""SMAC's facades under the optimizer suite: small ones, a model in one of them."""

from __future__ import annotations

import pytest

from runwright import Choice, Experiment, Float, Int
from runwright.optimizers import SmacOptimizer
from runwright.testing import OptimizerSuite, OptimizerTraits

pytest.importorskip("smac")
pytestmark = pytest.mark.slow

LOSS = {"loss": "minimize"}
REFUSED = [
    Experiment("huge", {"n": Int(0, 2**60)}, LOSS),
    Experiment("aimless", {"x": Float(0, 1)}),
    Experiment("linear", {"x": Float(0, 1), "y": Float(0, 1)}, LOSS, constraints=["x + y <= 1"]),
    Experiment("outcome", {"x": Float(0, 1)}, LOSS, constraints=["weight <= 1"]),
]


class TestSmacRandom(OptimizerSuite):
    @pytest.fixture
    def make_optimizer(self):
        return lambda: SmacOptimizer("random", seed=7, deterministic=False)

    @pytest.fixture
    def traits(self):
        return OptimizerTraits(trials=24, kills=2, after=16)

    @pytest.fixture
    def refused(self):
        return REFUSED


class TestSmacHyperband(OptimizerSuite):
    @pytest.fixture
    def make_optimizer(self):
        return lambda: SmacOptimizer("hyperband", seed=7, min_budget=1, max_budget=9)

    @pytest.fixture
    def experiment(self):
        parameters = {
            "method": Choice(["sgd", "adam", "lbfgs"]),
            "momentum": Float(0, 1, when={"method": ["sgd", "adam"]}),
            "nesterov": Choice([False, True], when={"method": "sgd"}),
            "decay": Float(1e-6, 1, log=True, when={"nesterov": True, "method": "sgd"}),
            "n": Int(1, 9),
        }
        return Experiment("conditions", parameters, {"loss": "maximize"})

    @pytest.fixture
    def traits(self):
        return OptimizerTraits(trials=24, kills=2, after=16)


class TestSmacOnInstances(TestSmacHyperband):
    @pytest.fixture
    def make_optimizer(self):
        return lambda: SmacOptimizer(
            "hyperband", seed=7, min_budget=1, max_budget=3, instances=["a", "b", "c"], crash_cost=1000.0
        )


class TestSmacWithAModel(OptimizerSuite):
    @pytest.fixture
    def make_optimizer(self):
        return lambda: SmacOptimizer("hpo", seed=7, n_trials=80, initial_design={"n_configs": 13})

    @pytest.fixture
    def experiment(self):
        parameters = {"x": Float(0, 1), "n": Int(1, 9), "c": Choice(["a", "b"])}
        return Experiment("two", parameters, {"loss": "minimize", "speed": "maximize"})

    @pytest.fixture
    def traits(self):
        return OptimizerTraits(trials=16, kills=2, after=6)
