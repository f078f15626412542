"""Each facade of SMAC once, with runners of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("smac")

import ConfigSpace
import smac
from smac.runhistory import StatusType

from runwright.bridges.smac import SmacRunner
from runwright.runners import (
    LocalMetadataRunner,
    PoolRunner,
    ProcessRunner,
    SimulatedBackendRunner,
    WrappedJobRunner,
)
from runwright.simulation import BackendSimulator, BackendSimulatorOptions
from runwright.wrappers import ScriptWrapper
from tests.smac_bridge import evaluations
from tests.smac_bridge.world import all_completed, at, facade, infos, optimize, scenario, space, values

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "ignore:Mean of empty slice"
    ),  # of SMAC's local search, where nothing is left to look at
    pytest.mark.filterwarnings("ignore:invalid value encountered in scalar divide"),
    pytest.mark.filterwarnings("ignore:Please use .dict.config.:DeprecationWarning"),  # its initial designs do not
]

INSTANCES = {"instances": ["0.1", "0.5", "0.9"], "instance_features": {"0.1": [0.1], "0.5": [0.5], "0.9": [0.9]}}


def costs(optimizer):
    found = values(optimizer)
    assert all(value.status is StatusType.SUCCESS for value in found), found
    return [value.cost for value in found]


def test_black_box_with_a_function_in_this_process(tmp_path):
    optimizer, bridge = optimize(
        "BlackBoxFacade", scenario(tmp_path, n_trials=4), LocalMetadataRunner(evaluations.bowl)
    )
    assert costs(optimizer) == [(info.config["x"] - 0.3) ** 2 for info in infos(optimizer)]
    assert len(bridge.state.trials) == 4
    assert optimizer.intensifier.get_incumbent() is not None


def test_hyperparameter_optimization_with_a_pool(tmp_path):
    """What is inactive is absent; categories, integers, conditions."""
    configspace = space(x=(1e-3, 1.0), side=["left", "right"], depth=(1, 9))
    configspace.add(ConfigSpace.EqualsCondition(configspace["depth"], configspace["side"], "right"))
    setting = scenario(tmp_path, configspace, n_trials=8)
    optimizer, bridge = optimize(
        "HyperparameterOptimizationFacade", setting, PoolRunner(at(evaluations.conditional), workers=2)
    )
    assert set(costs(optimizer)) == {0.0}
    points = [trial.parameters for trial in bridge.state.trials]
    assert {frozenset(point) for point in points} == {frozenset({"x", "side"}), frozenset({"x", "side", "depth"})}


def test_multi_fidelity_with_processes(tmp_path):
    setting = scenario(tmp_path, min_budget=1, max_budget=3, n_trials=8)
    runner = ProcessRunner(function=at(evaluations.with_budget), workers=2)
    optimizer, bridge = optimize("MultiFidelityFacade", setting, runner, directory=tmp_path / "run")
    expected = [(info.config["x"] - 0.3) ** 2 + 1 / info.budget for info in infos(optimizer)]
    assert costs(optimizer) == expected
    assert {trial.budget for trial in bridge.state.trials} == {1.0, 3.0}


def test_multi_fidelity_over_instances_with_a_pool(tmp_path):
    setting = scenario(tmp_path, min_budget=1, max_budget=3, n_trials=10, **INSTANCES)
    optimizer, bridge = optimize("MultiFidelityFacade", setting, PoolRunner(at(evaluations.on_instances), workers=2))
    assert costs(optimizer) == [(info.config["x"] - float(info.instance)) ** 2 for info in infos(optimizer)]
    assert {trial.instance for trial in bridge.state.trials} == {"0.1", "0.5", "0.9"}
    assert all(trial.seed is not None and trial.budget is None for trial in bridge.state.trials)


PROGRAM = """
test -n "$RUNWRIGHT_SEED" || exit 4
printf '{{"cost": %s, "info": {{"b": "%s"}}}}' "$1" "$2" > "$RUNWRIGHT_RESULT"
"""


def test_hyperband_with_a_program(tmp_path):
    setting = scenario(tmp_path, min_budget=1, max_budget=9)
    runner = ProcessRunner(["/bin/sh", "-c", PROGRAM, "sh", "{x}", "{budget}"], workers=2)
    optimizer, _ = optimize("HyperbandFacade", setting, runner, directory=tmp_path / "run")
    assert costs(optimizer) == [info.config["x"] for info in infos(optimizer)]
    given = [float(value.additional_info["b"]) for value in values(optimizer)]
    assert given == [info.budget for info in infos(optimizer)]


SCRIPT = """#!/bin/sh
echo starting; echo "epoch 1: cost=7 soon"
for argument; do case $argument in
  --x=*) x=${argument#--x=};; --kind=*) kind=${argument#--kind=};; --instance=*) instance=${argument#--instance=};;
esac; done
test "$kind" = "a b" || exit 3
echo "cost=$x; runtime=0.25; status=SUCCESS; additional_info=on $instance, seen"
echo done
"""


def test_algorithm_configuration_with_a_script_of_smac(tmp_path):
    """Spaces stay in arguments, lines around the answer do no harm, the exit status counts, the output is kept."""
    (tmp_path / "script.sh").write_text(SCRIPT)
    (tmp_path / "script.sh").chmod(0o755)
    configspace = space(x=(0.0, 1.0), kind=["a b", "c"])
    runner = WrappedJobRunner(ScriptWrapper(run_model="./script.sh", format="smac", here=tmp_path), workers=2)
    setting = scenario(tmp_path, configspace, **INSTANCES)
    other = ConfigSpace.Configuration(configspace, values={"x": 0.25, "kind": "c"})
    design = smac.AlgorithmConfigurationFacade.get_initial_design(setting, additional_configs=[other])
    with SmacRunner(runner, setting, directory=tmp_path / "run") as bridge:
        optimizer = facade("AlgorithmConfigurationFacade", setting, bridge, initial_design=design)
        optimizer.optimize()
    for info, value in zip(infos(optimizer), values(optimizer), strict=True):
        if info.config["kind"] == "a b":
            assert (value.status, value.cost, value.time) == (StatusType.SUCCESS, info.config["x"], 0.25)
            assert value.additional_info["additional_info"] == f"on {info.instance}, seen"
        else:
            assert value.status is StatusType.CRASHED
            assert value.additional_info["error"] == "it ended with exit status 3"
            log = tmp_path / "run" / value.additional_info["runwright"]["failure"]["log"]
            assert "starting" in log.with_name("stdout.log").read_text()
    assert {value.status for value in values(optimizer)} == {StatusType.SUCCESS, StatusType.CRASHED}


def test_algorithm_configuration_with_cutoffs(tmp_path):
    """What SMAC adds to a trial reaches the function, by its name and in the mapping."""
    setting = scenario(tmp_path, **INSTANCES, runtime_cutoff=2, adaptive_capping=True)
    optimizer, bridge = optimize("AlgorithmConfigurationFacade", setting, LocalMetadataRunner(evaluations.with_cutoff))
    assert all(cost <= 2.0 for cost in costs(optimizer))
    assert bridge.state.trials[0].parameters["cutoff"] == 2.0
    assert values(optimizer)[0].additional_info["note"] == "cutoff 2.0"


def test_random_in_simulated_time(tmp_path):
    machine = BackendSimulator(BackendSimulatorOptions(max_concurrency=3))
    runner = SimulatedBackendRunner(machine, lambda trial: 600.0 + trial.index, evaluation_function=evaluations.bowl)
    optimizer, bridge = optimize("RandomFacade", scenario(tmp_path, n_trials=9), runner)
    assert len(costs(optimizer)) == 9
    assert all_completed(bridge)
    assert [value.time for value in values(optimizer)] == [600.0 + index for index in range(9)]
    assert 1800.0 < bridge.state.last_time < 1900.0, "three at a time"


@pytest.mark.parametrize("function", [evaluations.two, evaluations.two_in_a_list])
def test_several_objectives(tmp_path, function):
    setting = scenario(tmp_path, objectives=["first", "second"], crash_cost=[1.0, 2.0], n_trials=8)
    optimizer, _ = optimize("RandomFacade", setting, PoolRunner(at(function), workers=2))
    assert costs(optimizer) == [[info.config["x"], 2 - info.config["x"]] for info in infos(optimizer)]
    assert {value.additional_info["remark"] for value in values(optimizer)} == {"any"}
    assert len(optimizer.intensifier.get_incumbents()) > 1, "a front"


def test_all_facades_are_here():
    facades = {name for name in smac.__all__ if name.endswith("Facade")}
    text = Path(__file__).read_text("utf-8")
    assert not [name for name in facades if f'"{name}"' not in text]
