"""What docs/trial-queue.md shows runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "trial-queue.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_snippet_runs(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(BLOCKS[number], f"{PAGE.name}, block {number + 1}", "exec"), {"__name__": "snippet"})


def test_the_loop_of_the_page_prints_each_result_once_and_again_when_begun_anew(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    printed = []
    for _ in range(2):
        exec(BLOCKS[0], {"__name__": "snippet"})
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert printed[0].splitlines()[1] == "{'lr': 0.1} SUCCESS 0.0"
    assert len(printed[0].splitlines()) == 3


def test_every_method_of_the_queue_is_on_the_page():
    import runwright as rw

    page = PAGE.read_text("utf-8")
    public = [name for name in dir(rw.TrialQueue) if not name.startswith("_")]
    assert not [name for name in public if f"`{name}" not in page]
