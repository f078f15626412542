"""The pages about TorchX and BoTorch tell the truth: their code runs."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
MY_TRAINER = """
import json, pathlib, sys
x1, x2, x3, place = sys.argv[1:]
place = pathlib.Path(place)
place.parent.mkdir(parents=True, exist_ok=True)
place.with_suffix(".aside").write_text(json.dumps({"loss": int(x1) * float(x2) + float(x3)}))
place.with_suffix(".aside").replace(place)
"""


def code(page):
    (found,) = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    return found


@pytest.mark.slow
@pytest.mark.skipif(find_spec("torchx") is None, reason="TorchX is not installed: pip install 'runwright[torchx]'")
def test_torchx(tmp_path, monkeypatch):
    (tmp_path / "my_trainer.py").write_text(MY_TRAINER)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.chdir(tmp_path)
    base = str(tmp_path / "results")
    names = {}
    exec(code("torchx.md").replace("s3://foo/bar", base), names)
    rows = names["scheduler"].results()
    assert len(rows) == 20
    for row in rows:
        point = row["parameters"]
        assert row["metrics"]["loss"]["mean"] == pytest.approx(point["x1"] * point["x2"] + 1.2)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("botorch") is None, reason="BoTorch is not installed: pip install 'runwright[botorch]'")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # BoTorch's dependencies, about one another
def test_botorch(capsys):
    exec(code("botorch.md"), {})
    assert "'status': 'COMPLETED'" in capsys.readouterr().out


def test_torchx_statuses():
    from runwright.runners.torchx_app import STATUSES

    page, told = (DOCS / "torchx.md").read_text("utf-8"), {}
    for states, status in re.findall(r"^\| (`[A-Z`, ]+`) \| ([A-Z]+)", page, re.MULTILINE):
        told |= dict.fromkeys(re.findall(r"[A-Z]+", states), status)
    assert told == {state: status.name for state, status in STATUSES.items()}
