"""Bad input: one sentence each, before anything is started."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("smac")

import ConfigSpace
import smac

from runwright import Limits
from runwright.bridges.smac import SmacRunner
from runwright.bridges.smac_scenario import limits_of
from runwright.bridges.versions import SMAC
from runwright.errors import ExperimentChangedError, UsageError
from runwright.runner import Traits
from runwright.runners import LocalMetadataRunner, PoolRunner, SyntheticRunner
from tests.smac_bridge import evaluations
from tests.smac_bridge.world import facade, scenario, space


def local(function=evaluations.bowl):
    return LocalMetadataRunner(function)


class Staying(LocalMetadataRunner):
    last_trial_stays = True


class Unlimited(LocalMetadataRunner):
    traits = Traits(holds_results=True)


class Naming(LocalMetadataRunner):
    outcome_names = ("a", "b")


class Anything:
    def __repr__(self):
        return "anything"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"n_workers": 2}, "the scenario has n_workers=2, for which SMAC would wrap this runner in Dask"),
        ({"objectives": []}, "the scenario must have objectives of different names, not []"),
        ({"objectives": ["a", "a"]}, "the scenario must have objectives of different names"),
        ({"objectives": ["a", 3]}, "the name of an objective must be a text that is not empty, not 3"),
        ({"objectives": ["a", "b"], "crash_cost": [1.0]}, "crash_cost has 1 numbers where there are 2 objectives"),
        ({"crash_cost": "much"}, "crash_cost must be a number"),
        (
            {"objectives": ["a", "b"], "termination_cost_threshold": 1.0},
            "termination_cost_threshold has 1 numbers where there are 2 objectives",
        ),
        ({"trial_memory_limit": "2 GB"}, "trial_memory_limit is a number of MB, or a pair such as (2, 'GB')"),
        ({"trial_memory_limit": (2, "parsec")}, "trial_memory_limit is a number of MB, or a pair"),
        (
            {"trial_walltime_limit": 5},
            "LocalMetadataRunner cannot enforce a time limit; PoolRunner and ProcessRunner do",
        ),
        ({"trial_memory_limit": 5}, "LocalMetadataRunner cannot enforce a memory limit"),
        ({"max_budget": 9}, "must take the argument 'budget'"),
        ({"instances": ["a"]}, "must take the argument 'instance'"),
        ({"runtime_cutoff": 2}, "must take the argument 'cutoff'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_scenarios(tmp_path, settings, sentence):
    with pytest.raises(UsageError) as caught:
        SmacRunner(local(), scenario(tmp_path, **settings), directory=tmp_path / "run")
    assert sentence in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("parameter", "sentence"),
    [
        (ConfigSpace.Categorical("c", [(1, 2), (3, 4)]), "the hyperparameter 'c' has the choice (1, 2), which another"),
        (ConfigSpace.Constant("k", Anything()), "the hyperparameter 'k' is an object of type"),
        (ConfigSpace.Categorical("c", [b"a", b"b"]), "the hyperparameter 'c' is an object of type builtins.bytes"),
        (ConfigSpace.Float("seed", (0, 1)), "the hyperparameter 'seed' has the name of what SMAC gives"),
        (ConfigSpace.Integer("budget", (0, 1)), "the hyperparameter 'budget' has the name of what SMAC gives"),
    ],
    ids=["tuple", "object", "bytes", "seed", "budget"],
)
def test_types_of_parameters(tmp_path, parameter, sentence):
    configspace = space()
    configspace.add(parameter)
    with pytest.raises(UsageError) as caught:
        SmacRunner(local(), scenario(tmp_path, configspace))
    assert sentence in str(caught.value)


def test_types_that_can_be_expressed(tmp_path):
    configspace = space(x=(0.0, 1.0), n=(1, 5), c=["a", "b"], t=[True, False], mixed=[1, 2.5])
    configspace.add(ConfigSpace.OrdinalHyperparameter("o", ["low", "high"]), ConfigSpace.Constant("k", 3))
    SmacRunner(local(lambda config: 0.0), scenario(tmp_path, configspace)).close()


@pytest.mark.parametrize(
    ("runner", "sentence"),
    [
        (
            evaluations.bowl,
            "SmacRunner takes a runner of Runwright, not a builtins.function: make one of it, as in Pool",
        ),
        ("script.sh", "SmacRunner takes a runner of Runwright, not a builtins.str"),
        (SyntheticRunner(), "SyntheticRunner measures nothing, and SMAC needs a cost"),
        (Staying(evaluations.bowl), "the latest trial of Staying never ends by itself"),
        (Naming(evaluations.bowl), "Naming does not report the objective 'cost'; it reports 'a', 'b'"),
        (local(lambda *, x, y: y), "its required argument 'y' is no parameter"),
        (local(lambda config, other: 0.0), "its required argument 'config' is no parameter"),
        (
            Unlimited(evaluations.bowl),
            "nothing limits how many trials Unlimited runs at once: say it with parallel=...",
        ),
    ],
    ids=["function", "text", "synthetic", "staying", "names", "keywords", "more", "unlimited"],
)
def test_runners(tmp_path, runner, sentence):
    with pytest.raises(UsageError) as caught:
        SmacRunner(runner, scenario(tmp_path))
    assert sentence in str(caught.value)


def test_something_else_than_a_scenario():
    with pytest.raises(UsageError, match=r"the scenario must be one of SMAC, not a builtins\.dict"):
        SmacRunner(local(), {})


def test_required_arguments_may_be_said(tmp_path):
    with pytest.raises(UsageError, match="must take the argument 'seed'"):
        SmacRunner(local(lambda config: 0.0), scenario(tmp_path), ["seed"])
    SmacRunner(local(lambda config: 0.0), scenario(tmp_path)).close()  # SMAC's own runner insists on it
    SmacRunner(local(lambda config: 0.0), scenario(tmp_path, max_budget=3), []).close()


def test_a_limit_is_said_in_one_place(tmp_path):
    setting = scenario(tmp_path, trial_walltime_limit=2.5, trial_memory_limit=500)
    assert limits_of(setting, None) == Limits(timeout=2.5, memory=500 * 2**20), "MB, as SMAC documents it; not bytes"
    assert limits_of(setting, Limits(timeout=2.5, grace=1.0)).grace == 1.0
    assert limits_of(scenario(tmp_path, trial_memory_limit=(2, "gb")), None).memory == 2 * 2**30
    assert limits_of(scenario(tmp_path), Limits(memory=1)) == Limits(memory=1)
    with pytest.raises(UsageError, match=r"the limits have timeout=1, and the scenario has 2\.5; say it in one place"):
        SmacRunner(PoolRunner(evaluations.bowl), setting, limits=Limits(timeout=1))


def test_other_versions():
    for version in ("2.2.0", "2.3.1", "2.4.1", "2.4"):
        SMAC.refuse(version)
    for version in ("2.1.0", "2.5.0", "3.0", "1.4.0", "unknown"):
        with pytest.raises(UsageError, match=rf"for smac 2\.2 up to, not including, 2\.5, and {version} is installed"):
            SMAC.refuse(version)


def test_the_range_is_that_of_the_extra():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    (extra,) = project["optional-dependencies"]["smac"]
    low, below = (".".join(map(str, version)) for version in (SMAC.lowest, SMAC.below))
    assert extra == f"smac>={low},<{below}"


def test_without_smac_there_is_a_sentence():
    code = """
from importlib import metadata
real = metadata.version
def version(name):
    if name == "smac":
        raise metadata.PackageNotFoundError(name)
    return real(name)
metadata.version = version
import runwright.bridges.smac
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "the bridge to SMAC needs a library that is not installed: pip install 'runwright[smac]'" in ended.stderr


def test_data_to_scatter(tmp_path):
    with SmacRunner(local(), scenario(tmp_path)) as bridge:
        optimizer = facade("RandomFacade", bridge._scenario, bridge, overwrite=True)
        with pytest.raises(ValueError, match="data_to_scatter is valid only for DaskParallelRunner"):
            optimizer.optimize(data_to_scatter={"data": 1})
        for call in (bridge.submit_trial, bridge.run_wrapper):
            with pytest.raises(UsageError, match="data_to_scatter is for Dask; let the evaluation load its data"):
                call(optimizer.ask(), data_to_scatter=1)


def test_it_is_not_sent_to_dask(tmp_path):
    with (
        SmacRunner(local(), scenario(tmp_path)) as bridge,
        pytest.raises(UsageError, match="a SmacRunner cannot be sent to another process: leave n_workers at 1"),
    ):
        pickle.dumps(bridge.run_wrapper)


def test_the_same_directory_for_another_experiment(tmp_path):
    SmacRunner(local(), scenario(tmp_path), directory=tmp_path / "run").close()
    for settings in ({"objectives": "other"}, {"seed": 4}):
        with pytest.raises(ExperimentChangedError, match="was started with another definition"):
            SmacRunner(local(), scenario(tmp_path, **settings), directory=tmp_path / "run")


class TestOutputOfAnEarlierRun:
    """SMAC asks on standard input what to do with a run of another scenario; a batch job hangs."""

    @pytest.fixture
    def bridge(self, tmp_path):
        with SmacRunner(local(), scenario(tmp_path), directory=tmp_path / "run") as bridge:
            facade("RandomFacade", bridge._scenario, bridge).optimize()
        return bridge

    def test_another_scenario(self, tmp_path, bridge):
        with pytest.raises(
            UsageError, match=r"another scenario \(n_trials: 6 became 9\), and SMAC would ask on standard"
        ):
            SmacRunner(local(), scenario(tmp_path, n_trials=9))
        evaluated = len(bridge.state.trials)
        setting = scenario(tmp_path, n_trials=9)
        with SmacRunner(local(), setting, directory=tmp_path / "run", overwrite=True) as again:
            optimizer = facade("RandomFacade", setting, again, overwrite=True)
            optimizer.optimize()
            assert optimizer.runhistory.finished == 9
            assert len(again.state.trials) == 9 > evaluated, "what was evaluated was not evaluated again"

    @pytest.mark.parametrize("name", ["runhistory.json", "intensifier.json", "scenario.json"])
    def test_a_file_that_was_cut(self, tmp_path, bridge, name):
        """It is fatal to SMAC."""
        path = tmp_path / "smac" / "test" / "3" / name
        path.write_text(path.read_text()[:-20])
        with pytest.raises(UsageError, match=rf"{name} is damaged .*and SMAC cannot go on from it; say overwrite=True"):
            SmacRunner(local(), scenario(tmp_path))
        with SmacRunner(local(), scenario(tmp_path), directory=tmp_path / "run", overwrite=True) as again:
            facade("RandomFacade", again._scenario, again, overwrite=True).optimize()
            assert len(again.state.trials) == len(bridge.state.trials), "everything was answered from the journal"

    def test_the_same_scenario_goes_on(self, tmp_path, bridge):
        with SmacRunner(local(), scenario(tmp_path), directory=tmp_path / "run") as again:
            optimizer = facade("RandomFacade", again._scenario, again)
            assert optimizer.runhistory.finished == 6
            assert len(json.loads((tmp_path / "smac/test/3/runhistory.json").read_text())["data"]) == 6


def test_crash_costs_that_are_whole_numbers(tmp_path):
    """SMAC's own base class has an assertion that they are not, of several objectives."""
    setting = scenario(tmp_path, objectives=["a", "b"], crash_cost=7)
    with SmacRunner(local(lambda config: {}), setting) as bridge:
        optimizer = facade("RandomFacade", setting, bridge, overwrite=True)
        _, value = bridge.run_wrapper(optimizer.ask())
        assert (value.status, value.cost) == (smac.runhistory.StatusType.CRASHED, [7.0, 7.0])
    with SmacRunner(local(), scenario(tmp_path, name="other", crash_cost=math.inf)) as bridge:
        assert math.isinf(bridge._crash_cost)
