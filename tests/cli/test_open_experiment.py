"""The command line on the directory of a queue: points of any names and values."""

from __future__ import annotations

import json

import pytest

import runwright as rw
from runwright.runners import LocalMetadataRunner


def evaluate(config):
    if "bad" in config:
        raise ValueError("no convergence")
    return -float(len(config))


def queue(directory):
    return rw.TrialQueue(LocalMetadataRunner(evaluate), directory=directory)


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "loop"
    with queue(path) as running:
        for config in ({"a": 1, "layers": [3, 4], "name": "x"}, {"a": 2.5, "bad": True}, {"a": "text"}):
            running.run(config, seed=1)
    return path


def test_status_and_story(call, directory):
    assert "layers = [3, 4]" in call("status", directory).stdout
    assert "submitted: a = 2.5, bad = True, seed 1" in call("story", directory, 1).stdout


def test_exports_have_a_column_for_each_name_that_occurs(call, directory, tmp_path):
    header, first, second, third = call("export", directory).stdout.splitlines()
    columns = header.split(",")
    assert columns[2:6] == ["parameters.a", "parameters.layers", "parameters.name", "parameters.bad"]
    assert first.startswith('0,COMPLETED,1,"[3, 4]",x,,')
    assert second.startswith("1,FAILED,2.5,,,true,")
    assert third.startswith("2,COMPLETED,text,,,,")
    rows = json.loads(call("export", directory, "--format", "json").stdout)
    assert rows[0]["parameters"] == {"a": 1, "layers": [3, 4], "name": "x"}


def test_a_parquet_export_takes_values_of_several_kinds(call, directory, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    call("export", directory, "--format", "parquet", "-o", tmp_path / "out.parquet")
    told = parquet.read_table(tmp_path / "out.parquet").to_pydict()
    assert told["parameters.a"] == ["1", "2.5", '"text"'], "of several kinds: as JSON"
    assert told["parameters.bad"] == [None, True, None]


def test_points_are_enqueued_as_json_or_text(call, refused, directory):
    assert call("enqueue", directory, "a=3", "name=x", "layers=[1]").exit_code == 0
    with queue(directory) as running:
        (left,) = [info for info in running.unclaimed() if "bad" not in info.parameters and info.seed is None]
        assert left.parameters == {"a": 3, "name": "x", "layers": [1]}
        assert running.run(left.config)[1] == -3.0
        assert len(running.state.trials) == 4
    assert "'a' is no NAME=VALUE" in refused("enqueue", directory, "a")
    assert "'=3' is no NAME=VALUE" in refused("enqueue", directory, "=3")
    assert "must be finite" in refused("enqueue", directory, "a=NaN")


def test_a_failed_trial_is_run_again_by_the_next_queue(call, directory):
    assert call("rerun", directory, 1).exit_code == 0
    with queue(directory) as running:
        status, _, _, told = running.run({"a": 2.5, "bad": True}, seed=1)
    assert status is rw.StatusType.CRASHED
    assert told["runwright"]["attempts"] == 2
