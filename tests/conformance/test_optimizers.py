"""Every optimizer under the suite that we ship."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from runwright import Choice, Experiment, Float, Int
from runwright.optimizers import OptunaOptimizer, RandomOptimizer
from runwright.testing import OptimizerSuite, OptimizerTraits

TWO_OBJECTIVES = {"loss": "minimize", "speed": "maximize"}
HUGE = Experiment("huge", {"n": Int(0, 2**60)}, {"loss": "minimize"})
CONDITIONS = Experiment(
    "conditions",
    {
        "method": Choice(["sgd", "adam", "lbfgs"]),
        "momentum": Float(0, 1, when={"method": "sgd"}),
        "nesterov": Choice([False, True], when={"method": "sgd"}),
        "decay": Float(1e-6, 1, log=True, when={"nesterov": True}),
        "beta": Float(0.5, 1, when={"method": "adam"}),
        "x1": Float(0, 1),
        "x2": Float(0, 1),
        "n": Int(1, 9),
    },
    {"loss": "minimize"},
    constraints=["x1 + x2 <= 1", "weight <= 2"],
    seed=5,
)
AIMLESS = Experiment("aimless", {"x": Float(0, 1)})


@pytest.fixture(scope="module")
def numbers():
    parameters = {"width": Float(-5, 10), "rate": Float(1e-5, 1, log=True), "units": Int(8, 4096, log=True)}
    return Experiment("numbers", parameters, {"loss": "maximize"}, seed=2**62)


class TestRandom(OptimizerSuite):
    @pytest.fixture
    def make_optimizer(self):
        return RandomOptimizer


class TestRandomWithConditionsAndConstraints(OptimizerSuite):
    @pytest.fixture
    def make_optimizer(self):
        return RandomOptimizer

    @pytest.fixture
    def experiment(self):
        return CONDITIONS

    @pytest.fixture
    def refused(self):
        narrow = ["x1 + x2 <= 0.5", "x1 + x2 >= 0.5"]
        return [Experiment("narrow", {"x1": Float(0, 1), "x2": Float(0, 1)}, {"loss": "minimize"}, constraints=narrow)]


def optuna_optimizer(sampler, **options):
    """Make the fixture that every class below needs."""

    @pytest.fixture
    def make_optimizer(self):
        return lambda: OptunaOptimizer(sampler, seed=7, options=options)

    return make_optimizer


class _Optuna(OptimizerSuite):
    @pytest.fixture
    def refused(self):
        return [HUGE, AIMLESS]


@pytest.mark.slow
class TestOptunaRandom(_Optuna):
    make_optimizer = optuna_optimizer("random")


@pytest.mark.slow
class TestOptunaTpe(_Optuna):
    make_optimizer = optuna_optimizer("tpe")


@pytest.mark.slow
class TestOptunaTpeOfTwoObjectives(_Optuna):
    make_optimizer = optuna_optimizer("tpe")

    @pytest.fixture
    def experiment(self):
        return Experiment("two", {"x": Float(0, 1), "n": Int(1, 9), "c": Choice(["a", "b"])}, TWO_OBJECTIVES)


@pytest.mark.slow
class TestOptunaTpeByGroups(_Optuna):
    make_optimizer = optuna_optimizer("tpe", group=True, n_startup_trials=5)

    @pytest.fixture
    def traits(self):
        return OptimizerTraits(trials=30, kills=3)


@pytest.mark.slow
class TestOptunaCmaes(_Optuna):
    make_optimizer = optuna_optimizer("cmaes")

    @pytest.fixture
    def experiment(self, numbers):
        return numbers

    @pytest.fixture
    def refused(self):
        choice = Experiment("choice", {"x": Float(0, 1), "c": Choice(["a", "b"])}, {"loss": "minimize"})
        return [HUGE, AIMLESS, choice, Experiment("two", {"x": Float(0, 1)}, TWO_OBJECTIVES)]


@pytest.mark.slow
class TestOptunaCmaesWithMargin(TestOptunaCmaes):
    make_optimizer = optuna_optimizer("cmaes", with_margin=True, popsize=6)


@pytest.mark.slow
class TestOptunaCmaesWithChoicesAtRandom(_Optuna):
    make_optimizer = optuna_optimizer("cmaes", warn_independent_sampling=False)


@pytest.mark.slow
class TestOptunaQmc(_Optuna):
    make_optimizer = optuna_optimizer("qmc", scramble=True)


@pytest.mark.slow
class TestOptunaHalton(_Optuna):
    make_optimizer = optuna_optimizer("qmc", qmc_type="halton")

    @pytest.fixture
    def traits(self):
        return OptimizerTraits(trials=30, kills=3)


@pytest.mark.slow
class TestOptunaNsgaii(_Optuna):
    make_optimizer = optuna_optimizer("nsgaii", population_size=8)

    @pytest.fixture
    def experiment(self):
        return Experiment("two", {"x": Float(0, 1), "n": Int(1, 9), "c": Choice(["a", "b"])}, TWO_OBJECTIVES)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("torch") is None, reason="the gp sampler needs torch: pip install 'runwright[optuna-gp]'")
class TestOptunaGp(_Optuna):
    make_optimizer = optuna_optimizer("gp")

    @pytest.fixture
    def traits(self):
        return OptimizerTraits(trials=24, kills=2, after=20)

    @pytest.fixture
    def experiment(self):
        return Experiment("gp", {"x": Float(0, 1), "n": Int(1, 9), "c": Choice(["a", "b"])}, {"loss": "minimize"})


class TestOptunaObject(OptimizerSuite):
    """A sampler object works, but its way back is marked as not exact."""

    @pytest.fixture
    def make_optimizer(self):
        import optuna

        return lambda: OptunaOptimizer(optuna.samplers.NSGAIISampler(population_size=6, seed=1))

    @pytest.fixture
    def traits(self):
        return OptimizerTraits(exact=False, trials=30, kills=3)
