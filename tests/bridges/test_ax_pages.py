"""The scripts of docs/from-ax.md run as they stand, each in a process of its own state."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("ax")

from ax.core.experiment import Experiment
from ax.core.trial_status import TrialStatus

from runwright.bridges.ax import AxRunner
from runwright.bridges.versions import AX
from tests.bridges.ax_driving import orchestrator

ROOT = Path(__file__).parents[2]
BEFORE, AFTER, ORCHESTRATOR = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "from-ax.md").read_text(), re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("script", [BEFORE, AFTER], ids=["before", "after"])
def test_the_scripts(tmp_path, monkeypatch, capsys, script) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "script"}
    exec(script, names)
    client = names["client"]
    assert list(client.summarize()["trial_status"]) == ["COMPLETED"] * 3
    assert (tmp_path / "runs" / "from_ax" / "journal.sqlite").exists() == (script is AFTER)
    assert "COMPLETED" in capsys.readouterr().out


def test_few_lines_are_changed() -> None:
    before, after = (set(script.splitlines()) for script in (BEFORE, AFTER))
    new = [line for line in after - before if not line.startswith(("from ", "import ")) and line]
    assert len(new) == 3, "the runner and its two uses"


def test_the_orchestrator() -> None:
    names: dict[str, object] = {"__name__": "script"}
    exec(ORCHESTRATOR, names)
    experiment = names["experiment"]
    assert isinstance(experiment, Experiment)
    assert isinstance(experiment.runner, AxRunner)
    orchestrator(experiment).run_n_trials(2)
    assert {trial.status for trial in experiment.trials.values()} == {TrialStatus.COMPLETED}


def test_the_range_is_the_same_everywhere() -> None:
    low, below = (".".join(map(str, version)) for version in (AX.lowest, AX.below))
    assert f'"ax-platform>={low},<{below}"' in (ROOT / "pyproject.toml").read_text()
    assert f"from {low}.0 up to, not\nincluding, {below}" in (ROOT / "docs" / "ax.md").read_text()


def test_every_argument_is_on_the_page() -> None:
    import inspect

    page = (ROOT / "docs" / "ax.md").read_text()
    for name in list(inspect.signature(AxRunner).parameters):
        assert re.search(rf"^\| `{name}\b", page, re.MULTILINE), name
