"""TorchX trials of an experiment file: the function names the component."""

from __future__ import annotations

import pytest

import runwright as rw
from runwright.config import load
from runwright.errors import ExperimentFileError
from runwright.runners import SyntheticRunner, TorchXRunner

FILE = """
name: tx
parameters:
  x: {{type: {type}, bounds: [0, 9]}}
objectives: {{y: minimize}}
evaluate: {{{evaluate}}}
runner: {{type: torchx, {runner}}}
stop: {{trials: 2}}
"""


def write(tmp_path, runner="tracker_base: results, constants: {kind: good}", **changes):
    parts = {"type": "float", "evaluate": 'function: "tests.torchx.components:trainer"', "runner": runner, **changes}
    path = tmp_path / "tx.yaml"
    path.write_text(FILE.format(**parts))
    return path


@pytest.mark.slow
def test_it_runs(tmp_path):
    setup = load(write(tmp_path))
    runner = setup.runner()
    assert runner == TorchXRunner(
        str(tmp_path / "results"), "tests.torchx.components:trainer", {"kind": "good"}, poll_interval=0.1
    )
    with rw.Scheduler(
        setup.experiment(), setup.optimizer(), runner, directory=tmp_path / "run", policy=setup.policy()
    ) as scheduler:
        assert [row["status"] for row in scheduler.run()] == ["COMPLETED"] * 2


def test_settings(tmp_path):
    more = "tracker_base: 's3://b/c', scheduler: slurm, cfg: {partition: long}, poll_interval: 30 s"
    runner = load(write(tmp_path, more), check=False).runner()
    assert (runner.tracker_base, runner.scheduler, runner.cfg) == ("s3://b/c", "slurm", {"partition": "long"})
    assert runner.poll_interval == 30.0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"runner": "scheduler: local"}, "tracker_base: it must be the folder or the URL below which the apps write"),
        ({"runner": "tracker_base: r, constants: 3"}, "constants: it must be a mapping, not 3"),
        ({"runner": "tracker_base: r, cfg: [a]"}, "cfg: it must be a mapping"),
        ({"runner": "tracker_base: r, scheduler: 3"}, "scheduler: it must be the name of a TorchX scheduler, not 3"),
        ({"runner": "tracker_base: r, poll_interval: soon"}, "poll_interval: "),
        ({"runner": "tracker_base: r, constants: {z: 1}"}, "runner: the component 'trainer' declares no argument 'z'"),
        ({"type": "int"}, "runner: the component 'trainer' declares 'x' as float, but the parameter is int"),
        ({"evaluate": 'command: ["/bin/true"]'}, "runner.type: the torchx runner needs a component"),
        (
            {"evaluate": 'function: "tests.torchx.components:trainer", env: {A: b}'},
            "evaluate.env: the torchx runner gives no environment to a trial; its component does",
        ),
        ({"evaluate": 'function: "tests.torchx.components:nothing"'}, "has no 'nothing'"),
    ],
)
def test_what_is_refused_with_its_line(tmp_path, changes, sentence):
    with pytest.raises(ExperimentFileError, match=f"tx.yaml:[0-9]+: .*{sentence}"):
        load(write(tmp_path, **changes))


def test_synthetic(tmp_path):
    text = write(tmp_path).read_text().replace("type: torchx, tracker_base: results, constants: {kind: good}", "{}")
    path = tmp_path / "tx.yaml"
    path.write_text(text.replace("{}", "type: synthetic, dummy_metadata: m"))
    assert load(path, check=False).runner() == SyntheticRunner("m")
    path.write_text(text.replace("{}", "type: synthetic, dummy_metadata: 3"))
    with pytest.raises(ExperimentFileError, match="dummy_metadata: it must be a text, not 3"):
        load(path, check=False).runner()
