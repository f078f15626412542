"""The directory of docs/from-boa.md is imported and run by the page's own commands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from runwright.cli import cli

PAGE = (Path(__file__).parents[2] / "docs" / "from-boa.md").read_text("utf-8")
CONFIG, MODEL, COMMANDS = re.findall(r"```(?:yaml|sh)\n(.*?)```", PAGE, re.DOTALL)
SLOPE, OFFSET = 2.0, 1.0


@pytest.mark.slow
def test_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG)
    Path("run_model.sh").write_text(MODEL)
    for line in COMMANDS.splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == "runwright"
        done = CliRunner().invoke(cli, words[1:], prog_name="runwright", catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert "no counterpart" not in done.output
    done = CliRunner().invoke(cli, ["export", "config.runwright.yaml", "--format", "json"], catch_exceptions=False)
    rows = json.loads(done.stdout)
    assert [row["status"] for row in rows] == ["COMPLETED"] * 12
    for row in rows:
        slope, offset = row["parameters"]["slope"], row["parameters"]["offset"]
        assert slope + offset <= 4.5
        seen = [1.1, 2.9, 5.2, 6.8, 9.1, 10.9]
        squares = [(slope * x + offset - y) ** 2 for x, y in enumerate(seen)]
        assert row["metrics"]["rmse"]["mean"] == pytest.approx((sum(squares) / 6) ** 0.5, rel=1e-4)
