"""What the README shows a stranger works as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from runwright.cli import cli

from .driving import DEADLINE, environment

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
FILE = re.compile(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = dict(FILE.findall(README))


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(folder, *words):
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=4 * DEADLINE, check=False,
        env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_readme_has_its_files():
    assert sorted(FILES) == ["branin.yaml", "model.py", "study.py"]


@pytest.mark.slow
def test_the_experiment_file_of_the_readme_runs(folder):
    pytest.importorskip("optuna")
    assert "branin: all 30 trials have ended" in run(folder, "-m", "runwright", "run", "branin.yaml")
    assert "nothing was left to do" in run(folder, "-m", "runwright", "run", "branin.yaml")
    assert "trial 7 of branin: COMPLETED" in run(folder, "-m", "runwright", "story", "branin.yaml", "7")
    run(folder, "-m", "runwright", "export", "branin.yaml", "-o", "results.json")
    rows = json.loads((folder / "results.json").read_text())
    assert len(rows) == 30
    assert min(row["metrics"]["y"]["mean"] for row in rows) >= 0.3978


@pytest.mark.slow
def test_the_python_example_of_the_readme_runs(folder):
    pytest.importorskip("optuna")
    first, second = run(folder, "study.py").splitlines()
    assert re.fullmatch(r"<Results of 'branin': 30 trials, 30 COMPLETED, best y = [\d.]+ \(trial \d+\)>", first)
    assert re.fullmatch(r"{'x1': [\d.e-]+, 'x2': [\d.e-]+}", second)


def test_the_commands_of_the_readme_exist():
    named = set(re.findall(r"runwright ([a-z]+) (?:branin|slow)\.yaml", README))
    assert {"run", "status", "story"} <= named <= set(cli.list_commands(None))  # type: ignore[arg-type]


def test_the_targets_of_the_readme_exist():
    targets = re.findall(r"^make (\w+)", README, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_runners_and_optimizers_of_the_readme_are_those_of_today():
    from runwright import optimizers, runners

    assert set(re.findall(r"^\| `(\w+Runner)`", README, re.MULTILINE)) == {
        n for n in runners.__all__ if n.endswith("Runner")
    }
    assert set(re.findall(r"^\| `(\w+Optimizer)`", README, re.MULTILINE)) == {
        name for name in optimizers.__all__ if name.endswith("Optimizer")
    }
