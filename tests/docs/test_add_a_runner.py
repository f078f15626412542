"""The runners of docs/add-a-runner.md pass the suite, written and tested as the page says."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import tempfile
from dataclasses import fields
from pathlib import Path

import pytest

from runwright.runner import Runner, Traits
from runwright.testing import RunnerSuite

PAGE = (Path(__file__).parents[2] / "docs" / "add-a-runner.md").read_text("utf-8")
FILES = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", PAGE, re.DOTALL))
LONGEST = 40

_folder = tempfile.TemporaryDirectory(prefix="add-a-runner-")  # removed when this process ends
for name, text in FILES.items():
    Path(_folder.name, f"{name}.py").write_text(text, "utf-8")
sys.path.insert(0, _folder.name)

_tests = importlib.import_module("test_my_runners")
TestThreadRunner = pytest.mark.slow(_tests.TestThreadRunner)
TestFolderRunner = pytest.mark.slow(_tests.TestFolderRunner)


def table(heading):
    """Return the names in the first column of the table under a heading, or behind a sentence."""
    rows = [line for line in PAGE.split(heading, 1)[1].split("\n\n", 2)[1].splitlines() if line.startswith("|")]
    return [row.split("|")[1].strip("` ") for row in rows[2:]]


def test_the_page_has_the_files():
    assert list(FILES) == ["thread_runner", "folder_runner", "test_my_runners"]


def test_a_runner_takes_forty_lines():
    lines = inspect.getsource(importlib.import_module("thread_runner").ThreadRunner).splitlines()
    code = [line for line in lines if line.strip() and not line.strip().startswith(('"""', "#"))]
    assert len(code) <= LONGEST


def test_every_trait_is_described():
    assert table("on it: a time limit is refused where nobody can enforce it.") == [
        field.name for field in fields(Traits)
    ]


def test_every_setting_of_the_suite_is_described():
    annotated = next(base for base in RunnerSuite.__mro__ if "saves" in vars(base)).__annotations__
    assert table("say what traits do not:") == list(annotated)


def test_every_method_of_the_contract_is_mentioned():
    needed = [
        *Runner.__abstractmethods__,
        "open",
        "poll_available_capacity",
        "wait",
        "run_multiple",
        "close",
        "reattach",
    ]
    assert [name for name in needed if f"`{name}" not in PAGE] == []
