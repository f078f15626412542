"""Before and after of docs/from-optuna.md, run as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "from-optuna.md").read_text("utf-8")
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def place(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def best_of(place, name):
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", name],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(r"best (\S+) (\{.*\})", done.stdout.splitlines()[-1])
    return float(found[1])


@pytest.mark.slow
def test_before_and_after_search_alike(place):
    assert list(FILES) == ["sim.py", "before.py", "after.py"]
    before, after = best_of(place, "before.py"), best_of(place, "after.py")
    assert after < 8
    assert before < 8
    assert best_of(place, "after.py") == after  # the run is complete: the same command only reads it
    assert len(list((place / "run" / "trials").iterdir())) == 12
