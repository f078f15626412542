"""Killed by kill -9 and started again as another process, a sampler proposes what one that lived on proposes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from runwright import Choice, Experiment, Float, Int
from runwright.testing.optimizer_play import plan

LIFE = Path(__file__).with_name("optuna_life.py")
NUMBERS = {"width": Float(-5, 10), "rate": Float(1e-5, 1, log=True), "units": Int(8, 4096, log=True)}
MIXED = NUMBERS | {"kernel": Choice(["linear", "rbf", "poly"]), "shift": Choice([False, True])}
ONE, TWO = {"loss": "minimize"}, {"loss": "minimize", "speed": "maximize"}


def live(settings, journal, die_at, hash_seed):
    """Let a process live until its death; return how it ended."""
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-W", "error", str(LIFE), str(settings), str(journal), str(die_at)]
    return subprocess.run(command, env=environment, check=False).returncode


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "options", "parameters", "objectives", "trials"),
    [
        pytest.param("random", {}, MIXED, ONE, 60, id="random"),
        pytest.param("tpe", {}, MIXED, ONE, 60, id="tpe"),
        pytest.param("tpe", {}, MIXED, TWO, 60, id="tpe of two objectives"),
        pytest.param("cmaes", {}, NUMBERS, ONE, 60, id="cmaes"),
        pytest.param("qmc", {"scramble": True}, MIXED, ONE, 60, id="qmc"),
        pytest.param("nsgaii", {"population_size": 8}, MIXED, TWO, 60, id="nsgaii"),
        pytest.param(
            "gp",
            {"n_startup_trials": 4},
            NUMBERS,
            ONE,
            14,
            id="gp",
            marks=pytest.mark.skipif(find_spec("torch") is None, reason="the gp sampler needs torch"),
        ),
    ],
)
def test_three_lives_are_as_one(tmp_path, sampler, options, parameters, objectives, trials):
    experiment = Experiment("restart", parameters, objectives, seed=11)
    settings = tmp_path / "settings.json"
    settings.write_text(
        json.dumps(
            {
                "experiment": experiment.to_dict(),
                "optimizer": {"sampler": sampler, "options": options},
                "trials": trials,
                "plan": 5,
            }
        )
    )
    steps = plan(experiment, trials=trials, pending=4, seed=5)
    deaths = sorted(random.Random(sampler).sample(range(len(steps) // 4, len(steps)), 2))
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    assert live(settings, undisturbed, -1, "0") == 0
    for death, hash_seed in zip(deaths, ("1", "2"), strict=True):
        assert live(settings, disturbed, death, hash_seed) == -signal.SIGKILL
    assert live(settings, disturbed, -1, "3") == 0
    assert disturbed.read_text() == undisturbed.read_text()
    assert len(disturbed.read_text().splitlines()) == len(steps)
