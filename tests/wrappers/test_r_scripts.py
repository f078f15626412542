"""A model in R runs through the wrapper."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import runwright as rw
from runwright.optimizers import RandomOptimizer
from runwright.runners import WrappedJobRunner
from runwright.wrappers import ScriptWrapper

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed: apt-get install r-base-core"),
]


def test_an_r_script_runs_through_the_wrapper(tmp_path):
    experiment = rw.Experiment("r", {"x0": rw.Float(0, 1), "x1": rw.Float(0, 1)}, {"y": "minimize"})
    config = {
        "objective": {"metrics": [{"name": "y"}]},
        "parameters": {"x0": {"type": "range", "bounds": [0.0, 1.0]}, "x1": {"type": "range", "bounds": [0.0, 1.0]}},
        "scheduler": {"total_trials": 3},
        "script_options": {"run_model": "Rscript run_model.R"},
    }
    wrapper = ScriptWrapper(config=config, working_dir=Path(__file__).parent / "r")
    runner = WrappedJobRunner(wrapper, workers=2)
    with rw.Scheduler(experiment, RandomOptimizer(), runner, directory=tmp_path) as scheduler:
        scheduler.run(trials=3)
        for trial in scheduler.state.trials:
            expected = (trial.parameters["x0"] - 0.5) ** 2 + trial.parameters["x1"]
            assert trial.failure is None
            assert trial.result.metrics["y"][0] == pytest.approx(expected, abs=1e-9)
    assert "R script started running." in (tmp_path / "trials/0/1/stdout.log").read_text()


def test_an_error_in_r_is_the_failure_of_its_trial(tmp_path):
    experiment = rw.Experiment("r", {"x0": rw.Float(0, 1)}, {"y": "minimize"})
    wrapper = ScriptWrapper(run_model=["Rscript", "-e", "stop('no such model')"])
    with rw.Scheduler(experiment, RandomOptimizer(), WrappedJobRunner(wrapper), directory=tmp_path) as scheduler:
        scheduler.run(trials=1)
        failure = scheduler.state.trials[0].failure
    assert failure.message.startswith("it ended with exit status 1; its last line on stderr: ")
    assert "no such model" in (tmp_path / failure.log).read_text()
