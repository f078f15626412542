"""The optimizer of docs/add-an-optimizer.md passes the suite, written and tested as the page says."""

from __future__ import annotations

import importlib
import re
import sys
import tempfile
from pathlib import Path

import runwright as rw
from runwright.optimizer import Optimizer
from runwright.runners import LocalMetadataRunner

PAGE = (Path(__file__).parents[2] / "docs" / "add-an-optimizer.md").read_text("utf-8")
FILES = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", PAGE, re.DOTALL))

_folder = tempfile.TemporaryDirectory(prefix="add-an-optimizer-")  # removed when this process ends
for name, text in FILES.items():
    Path(_folder.name, f"{name}.py").write_text(text, "utf-8")
sys.path.insert(0, _folder.name)

TestNearbyOptimizer = importlib.import_module("test_nearby").TestNearbyOptimizer
NearbyOptimizer = importlib.import_module("nearby").NearbyOptimizer


def test_the_page_has_the_files():
    assert list(FILES) == ["nearby", "test_nearby"]


def test_every_method_of_the_contract_is_described():
    methods = [name for name, value in vars(Optimizer).items() if callable(value) and not name.startswith("_")]
    assert [name for name in methods if f"`{name}" not in PAGE] == []


def test_it_searches():
    experiment = rw.Experiment("bowl", {"x": rw.Float(-5, 5), "n": rw.Int(1, 1000, log=True)}, {"y": "minimize"})
    with rw.Scheduler(experiment, NearbyOptimizer(), LocalMetadataRunner(lambda x, n: x**2 + n)) as scheduler:
        results = scheduler.run(trials=100)
    assert results.best["metrics"]["y"]["mean"] < 3
