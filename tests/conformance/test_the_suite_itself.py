"""The suite of runners catches what it is there to catch: each broken runner fails the test that is about it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "add-a-runner.md"
FILE = HERE / "broken_runners.py"


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Names of the broken runners, the test that must catch each, and those that did."""
    folder = tmp_path_factory.mktemp("page")
    for name, text in re.findall(r"```python\n# (\w+)\.py\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        (folder / f"{name}.py").write_text(text, "utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(HERE)])}
    ask = "import broken_runners as b; [print(name, suite.caught_by) for name, suite in b.SUITES.items()]"
    listed = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    expected = dict(line.split() for line in listed.stdout.splitlines())
    nodes = [f"{FILE}::{name}::{test}" for name, test in expected.items()]
    options = ["-q", "-rA", "-p", "no:cacheprovider", "-o", "python_classes=Broken", "--tb=line"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *nodes],
        env=environment,
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^(?:FAILED|ERROR) \S+?::(\w+)::(test_\w+(?:\[\w+\])?)", run.stdout, re.MULTILINE)
    caught = dict(found)
    return expected, caught, run.stdout + run.stderr


@pytest.mark.slow
def test_each_broken_runner_is_caught(broken):
    expected, caught, output = broken
    assert len(expected) > 50
    assert {name: test for name, test in expected.items() if caught.get(name) != test} == {}, output[-5000:]
