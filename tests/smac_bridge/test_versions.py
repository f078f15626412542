"""The four-tuples of SMAC 2.2, the five-tuples of 2.3 and the additional information of 2.4: chosen at construction."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

pytest.importorskip("smac")

import smac
from smac.runhistory import StatusType

from runwright.bridges import smac as bridges
from runwright.bridges.smac_stored import read_stored
from runwright.runners import LocalMetadataRunner
from tests.smac_bridge import evaluations
from tests.smac_bridge.world import scenario


@dataclass(frozen=True)
class OldInfo:
    """As in SMAC 2.2 and 2.3."""

    config: Any
    instance: str | None = None
    seed: int | None = None
    budget: float | None = None


@dataclass(frozen=True)
class OldValue:
    """As in SMAC 2.2."""

    cost: float | list[float]
    time: float = 0.0
    status: StatusType = StatusType.SUCCESS
    starttime: float = 0.0
    endtime: float = 0.0
    additional_info: dict[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("version", "length"),
    [("2.2", 4), ("2.3", 5), ("2.4", 5)],
)
def test_the_shape_of_an_answer(tmp_path, monkeypatch, version, length):
    """A runner of the other shape fails softly: every trial is CRASHED."""
    if version < "2.4":
        monkeypatch.setattr(bridges, "TrialInfo", OldInfo)
    if version < "2.3":
        monkeypatch.setattr(bridges, "TrialValue", OldValue)
    with bridges.SmacRunner(LocalMetadataRunner(evaluations.bowl), scenario(tmp_path)) as bridge:
        config = bridge._scenario.configspace.sample_configuration()
        answer = bridge.run(config, seed=0)  # as 2.2 does in `validate`
        bridge.submit_trial(trial_info=bridges.TrialInfo(config, seed=1))
        ((info, value),) = bridge.iter_results()
    assert len(answer) == length
    assert answer[:2] == (StatusType.SUCCESS, (config["x"] - 0.3) ** 2)
    assert answer[2] > 0.0
    assert answer[-1]["runwright"]["trial"] == 0
    assert (type(info), type(value)) == (bridges.TrialInfo, bridges.TrialValue)
    assert (value.status, value.cost) == answer[:2]


def test_the_base_class_of_smac_calls_it_as_it_calls_its_own(tmp_path):
    """As Dask's runner would, and with additional information; infinity is nothing that can be recorded."""
    runner = LocalMetadataRunner(lambda config, seed, **rest: float("cutoff" in config) + float(rest == {}))
    with bridges.SmacRunner(runner, scenario(tmp_path)) as bridge:
        config = bridge._scenario.configspace.sample_configuration()
        info = smac.runhistory.TrialInfo(config, "0.5", 0, 2.0, {"cutoff": float("inf")})
        told, value = smac.runner.abstract_runner.AbstractRunner.run_wrapper(bridge, info)
        (trial,) = bridge.state.trials
    assert told is info
    assert (value.status, value.cost) == (StatusType.SUCCESS, 2.0)
    assert (trial.parameters, trial.instance, trial.budget) == ({"cutoff": None, "x": config["x"]}, "0.5", 2.0)


LISTS = [[1, "i", 3, None, 0.5, 0.1, 1, 0.0, 0.0, {}], [2, None, 4, 2.0, 2147483647.0, 0.0, 0, 0.0, 0.0, {}]]


def test_a_history_of_2_2_is_read(tmp_path):
    setting = scenario(tmp_path)
    setting.output_directory.mkdir(parents=True)
    body = {"stats": {}, "data": LISTS, "configs": {"1": {"x": 0.25}, "2": {"x": 0.5}}}
    (setting.output_directory / "runhistory.json").write_text(json.dumps(body))
    first, second = read_stored(setting)
    assert (first.parameters, first.instance, first.seed, first.budget, first.running) == (
        {"x": 0.25},
        "i",
        3,
        None,
        False,
    )
    assert (second.parameters, second.instance, second.seed, second.budget, second.running) == (
        {"x": 0.5},
        None,
        4,
        2.0,
        True,
    )


def test_without_an_output_directory_there_is_no_history(tmp_path):
    assert read_stored(scenario(tmp_path)) == []
    assert read_stored(object()) == []
