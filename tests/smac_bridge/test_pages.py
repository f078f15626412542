"""The scripts of docs/from-smac.md run as they stand there, and find the same."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("smac")

from runwright.bridges.smac import SmacRunner
from runwright.journal import read_events
from runwright.state import State

DOCS = Path(__file__).parents[2] / "docs"
BEFORE, AFTER = re.findall(
    r"^```python\n(.*?)^```", (DOCS / "from-smac.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
)


def run(folder, name, text):
    (folder / name).write_text(text, "utf-8")
    ended = subprocess.run([sys.executable, name], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    return ast.literal_eval(ended.stdout.splitlines()[-1])


@pytest.mark.slow
def test_before_and_after(tmp_path):
    first = run(tmp_path, "before.py", BEFORE)
    assert set(first) == {"x", "y"}
    assert set(run(tmp_path, "after.py", AFTER)) == {"x", "y"}
    state = State.of(read_events(tmp_path / "runs" / "after" / "journal.sqlite"))
    assert len(state.trials) == 12
    assert all(trial.status.is_completed for trial in state.trials)


def test_what_is_public_is_on_the_page():
    page = (DOCS / "smac.md").read_text("utf-8")
    public = [name for name in vars(SmacRunner) if not name.startswith("_")]
    arguments = [name for name in SmacRunner.__init__.__annotations__ if name != "return"]
    assert not [name for name in (*public, *arguments) if f"`{name}" not in page and f".{name}" not in page]
