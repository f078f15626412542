"""Scenarios and facades for the tests: real ones, as small as they can be."""

from __future__ import annotations

from pathlib import Path

import smac
from ConfigSpace import ConfigurationSpace
from smac.acquisition.maximizer import LocalAndSortedRandomSearch

import runwright as rw
from runwright.bridges.smac import SmacRunner

EVALUATIONS = Path(__file__).with_name("evaluations.py")
MODELLED = ("BlackBoxFacade", "HyperparameterOptimizationFacade", "MultiFidelityFacade", "AlgorithmConfigurationFacade")


def at(function):
    """Return a reference by which other processes find a function of `evaluations`."""
    return f"{EVALUATIONS}:{function.__name__}"


def space(**parameters):
    return ConfigurationSpace(parameters or {"x": (0.0, 1.0)}, seed=0)


def scenario(folder, configspace=None, **settings):
    """Make a scenario of few trials, whose output goes below a folder."""
    given = {"n_trials": 6, "deterministic": True, "crash_cost": 9.0, "name": "test", "seed": 3} | settings
    return smac.Scenario(configspace or space(), output_directory=folder / "smac", **given)


def facade(kind, setting, runner, **more):
    """Make a facade with a small initial design and a quick search."""
    cls = getattr(smac, kind)
    more.setdefault("initial_design", cls.get_initial_design(setting, **({"n_configs": 3} if _sized(cls) else {})))
    if kind in MODELLED:
        search = LocalAndSortedRandomSearch(
            setting.configspace,
            challengers=20,
            max_steps=2,
            n_steps_plateau_walk=1,
            local_search_iterations=1,
            seed=setting.seed,
        )
        more.setdefault("acquisition_maximizer", search)
    return cls(setting, runner, logging_level=False, **more)


def _sized(cls):
    return "n_configs" in cls.get_initial_design.__code__.co_varnames


def optimize(kind, setting, runner, **settings):
    """Let a facade run to its end on a runner of ours; return both."""
    with SmacRunner(runner, setting, **settings) as bridge:
        optimizer = facade(kind, setting, bridge, overwrite=True)
        optimizer.optimize()
        bridge.state.check()
        assert not bridge.is_running()
    return optimizer, bridge


def values(optimizer):
    """Return what SMAC knows, in the order in which it asked."""
    return list(optimizer.runhistory.values())


def infos(optimizer):
    history = optimizer.runhistory
    return [smac.runhistory.TrialInfo(history.get_config(k.config_id), k.instance, k.seed, k.budget) for k in history]


def trial_of(value):
    return value.additional_info["runwright"]["trial"]


def all_completed(bridge):
    return all(trial.status is rw.TrialStatus.COMPLETED for trial in bridge.state.trials)
