"""Our TPE is Optuna's: the seed for each ask and the shortcut to the search space change nothing else."""

from __future__ import annotations

import random

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from runwright import Choice, Experiment, Float, Int, TrialStatus
from runwright.experiment import stable_seed
from runwright.optimizer import Observation
from runwright.optimizers import OptunaOptimizer

OURS = {
    "z": Float(-5, 10),
    "rate": Float(1e-5, 1, log=True),
    "layers": Int(1, 6),
    "kernel": Choice(["a", "b", "c"]),
    "only": Choice([True]),
}
THEIRS = {
    "z": FloatDistribution(-5, 10),
    "rate": FloatDistribution(1e-5, 1, log=True),
    "layers": IntDistribution(1, 6),
    "kernel": CategoricalDistribution(["a", "b", "c"]),
    "only": CategoricalDistribution([True]),
}


@pytest.fixture(autouse=True)
def _quiet():
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(level)


@pytest.mark.slow
@pytest.mark.parametrize("startup", [10, 0])
def test_points_are_those_of_a_bare_study(startup):
    ours = OptunaOptimizer("tpe", options={"n_startup_trials": startup})
    ours.setup(Experiment("e", OURS, {"y": "minimize"}, seed=4))
    theirs = optuna.create_study()
    chance = random.Random(1)
    pending = []
    for index in range(60):
        seed = stable_seed(4, "ask", index) % 2**32
        theirs.sampler = optuna.samplers.TPESampler(
            seed=seed, multivariate=True, constant_liar=True, n_startup_trials=startup
        )
        point = theirs.ask(THEIRS).params
        assert ours.ask(index).parameters == point
        pending.append((index, point))
        while len(pending) > 3 or (pending and chance.random() < 0.4):
            trial, point = pending.pop(chance.randrange(len(pending)))
            if chance.random() < 0.2:
                theirs.tell(trial, state=optuna.trial.TrialState.FAIL)
                ours.tell(Observation(trial, point, TrialStatus.FAILED))
            else:
                value = point["z"] ** 2 + point["layers"]
                theirs.tell(trial, value)
                ours.tell(Observation(trial, point, TrialStatus.COMPLETED, {"y": (value, None)}))
