"""What docs/simulation.md shows runs."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from runwright import simulation

PAGE = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text("utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=["rehearsal", "fault", "without a scheduler"])
def test_a_snippet_runs(snippet, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, "docs/simulation.md", "exec", dont_inherit=True), {"__name__": "snippet"})
    said = capsys.readouterr().out
    assert said.endswith("h on four slots\n") or not said


def test_every_option_is_described():
    signature = re.search(r"`BackendSimulatorOptions\((.*?)\)`", PAGE, re.DOTALL)[1]
    shown = re.findall(r"(\w+)=", signature)
    assert shown == list(inspect.signature(simulation.BackendSimulatorOptions).parameters)
    for option in dataclasses.fields(simulation.BackendSimulatorOptions):
        assert f"| `{option.name}` |" in PAGE


@pytest.mark.parametrize("name", [name for name in simulation.__all__ if name.endswith("Runtime")])
def test_every_model_of_runtimes_is_described(name):
    assert f"| `{name}(" in PAGE


def test_every_fault_is_described():
    faults = [name for name in simulation.__all__ if isinstance(getattr(simulation, name), type)]
    for name in faults:
        kind = getattr(simulation, name)
        if issubclass(kind, simulation.FaultModel) and not inspect.isabstract(kind):
            arguments = list(inspect.signature(kind).parameters)
            (shown,) = re.findall(rf"\| `{name}\(([^)]*)\)` \|", PAGE)
            assert [argument.split("=")[0].strip() for argument in shown.split(",")] == arguments
