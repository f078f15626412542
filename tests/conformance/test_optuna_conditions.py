"""Optuna's samplers under the optimizer suite, where not every parameter is in every point and constraints hold."""

from __future__ import annotations

import pytest

from runwright import Choice, Experiment, Float, Int
from runwright.optimizers import OptunaOptimizer
from runwright.testing import OptimizerSuite, OptimizerTraits

pytestmark = pytest.mark.slow

PARAMETERS = {
    "momentum": Float(0, 1, when={"method": "sgd"}),
    "method": Choice(["sgd", "adam", "lbfgs"]),
    "nesterov": Choice([False, True], when={"method": ["sgd", "adam"]}),
    "decay": Float(1e-6, 1, log=True, when={"nesterov": True, "method": "sgd"}),
    "x1": Float(0, 1),
    "x2": Float(0, 1),
    "n": Int(1, 9),
}
ONE, TWO = {"loss": "minimize"}, {"loss": "minimize", "speed": "maximize"}
CONSTRAINTS = ["x1 + x2 <= 1", "weight + 2 * height <= 3"]


def sampled_by(sampler, **options):
    """Make the fixture that every class below needs."""

    @pytest.fixture
    def make_optimizer(self):
        return lambda: OptunaOptimizer(sampler, seed=7, options=options)

    return make_optimizer


class _Conditions(OptimizerSuite):
    @pytest.fixture
    def experiment(self):
        return Experiment("conditions", PARAMETERS, ONE, constraints=CONSTRAINTS)

    @pytest.fixture
    def traits(self):
        return OptimizerTraits(trials=20, kills=2, after=15)


class TestTpe(_Conditions):
    make_optimizer = sampled_by("tpe", n_startup_trials=5)


class TestTpeOfTwoObjectives(_Conditions):
    make_optimizer = sampled_by("tpe", n_startup_trials=5)

    @pytest.fixture
    def experiment(self):
        return Experiment("conditions", PARAMETERS, TWO, constraints=CONSTRAINTS)


class TestNsgaii(TestTpeOfTwoObjectives):
    make_optimizer = sampled_by("nsgaii", population_size=6)


class TestQmc(_Conditions):
    make_optimizer = sampled_by("qmc", scramble=True)


class TestCmaes(_Conditions):
    make_optimizer = sampled_by("cmaes", warn_independent_sampling=False)

    @pytest.fixture
    def experiment(self):
        return Experiment("conditions", PARAMETERS, ONE, constraints=CONSTRAINTS[:1])

    @pytest.fixture
    def refused(self):
        return [Experiment("metrics", PARAMETERS, ONE, constraints=CONSTRAINTS)]
