"""What docs/wrapped.md shows works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import runwright as rw
from runwright.config import load
from runwright.optimizers import RandomOptimizer
from runwright.runners import WrappedJobRunner
from runwright.wrappers import BaseWrapper, smac_line
from runwright.wrappers.metric_functions import function_named

PAGE = (Path(__file__).parents[2] / "docs" / "wrapped.md").read_text("utf-8")
BOXES = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
REST = "name: page\nparameters: {x1: {type: float, bounds: [0, 1]}}\nobjectives: {y: minimize}\nstop: {trials: 1}\n"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Stand-ins for the programs that the page names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    scripts = {
        "Rscript": 'for last; do :; done; echo "{\\"y\\": 1}" > "$last/output.json"',
        "python": 'for last; do :; done; echo "{\\"y\\": 2}" > "$last/output.json"',
        "my-model": 'echo "{\\"y\\": $2}" > "$4/summary.json"',
    }
    for name, text in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "run_model.R").write_text("")
    return tmp_path


def box(kind, containing):
    return next(text for language, text in BOXES if language == kind and containing in text)


def y_of(runner, folder, experiment):
    with rw.Scheduler(experiment, RandomOptimizer(), runner, directory=folder) as scheduler:
        scheduler.run(trials=1)
        trial = scheduler.state.trials[0]
    assert trial.failure is None, trial.failure
    return trial, trial.result.metrics["y"][0]


def test_scripts_in_python(programs):
    names = {}
    exec(box("python", "ScriptWrapper("), names)
    experiment = rw.Experiment("page", {"x1": rw.Float(0, 1)}, {"y": "minimize"})
    assert y_of(names["runner"], programs / "run", experiment)[1] == 1.0
    assert (programs / "run/trials/0/1/run_model.R").is_symlink()


def test_scripts_in_a_file(programs):
    (programs / "page.yaml").write_text(REST + box("yaml", "fetch_trial_data"))
    setup = load(programs / "page.yaml")
    assert y_of(setup.runner(), programs / "run", setup.experiment())[1] == 2.0


def test_a_wrapper(programs):
    names = {}
    exec(box("python", "class Wrapper"), names)
    experiment = rw.Experiment("page", {"x": rw.Float(0, 1)}, {"y": "minimize"})
    trial, y = y_of(WrappedJobRunner(names["Wrapper"]()), programs / "run", experiment)
    assert y == trial.parameters["x"]


def test_the_answer_of_a_smac_script():
    answer = smac_line.parse(box("text", "cost="))
    assert (answer.costs, answer.status, answer.runtime) == ((0.5,), "SUCCESS", 0.01)
    assert answer.info["additional_info"] == "any text; even this"


def test_the_hooks_and_functions_that_are_named_exist():
    table = PAGE.split("| hook | when |")[1].split("\n\n")[0]
    hooks = re.findall(r"`(\w+)(?:\([^)]*\))?`", "\n".join(row.split("|")[1] for row in table.splitlines()[2:]))
    assert len(hooks) == 8
    assert all(hasattr(BaseWrapper, hook) for hook in hooks)
    for name in ("mean", "mse", "rmse", "mae", "r2", "nrmse"):
        assert f"`{name}`" in PAGE
        assert function_named(name) == name


def test_every_box_is_tried():
    assert [language for language, _ in BOXES] == ["python", "yaml", "text", "python"]
    assert yaml.safe_load(box("yaml", "wrapped"))["runner"]["type"] == "wrapped"
