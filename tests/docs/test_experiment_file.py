"""The page about the experiment file tells the truth."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runwright.config import load, models, runners, units

PAGE = (Path(__file__).parents[2] / "docs" / "experiment-file.md").read_text("utf-8")


def rows(heading):
    """Return the cells of the table under a heading."""
    table = PAGE.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def test_the_example_loads(tmp_path):
    path = tmp_path / "branin.yaml"
    path.write_text(re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1])
    setup = load(path, check=False)
    assert setup.policy().trials == 50
    assert setup.enqueue == [{"x1": 0.0, "x2": 5.0}]


def test_every_key_is_described():
    assert [row[0].strip("`") for row in rows("## Keys")] == list(models.FilePart.model_fields)


def test_what_must_be_given():
    must = [row[0].strip("`") for row in rows("## Keys") if row[2] == "must be given"]
    assert must == [name for name, field in models.FilePart.model_fields.items() if field.is_required()]


def test_every_runner_is_described():
    assert sorted(row[0].strip("`") for row in rows("### `runner`")) == runners.kinds()


def test_every_limit_is_described():
    assert [row[0].strip("`") for row in rows("### `limits`")] == list(models.LimitsPart.model_fields)


@pytest.mark.parametrize("word", re.findall(r"`(\w+)`", PAGE.split("- **Durations**:")[1].split(" plurals")[0]))
def test_units_of_durations(word):
    assert units.duration(f"1 {word}") > 0


@pytest.mark.parametrize("word", re.findall(r"`(\w+)`", PAGE.split("- **Sizes**:")[1].split("; a number")[0]))
def test_units_of_sizes(word):
    assert units.size(f"1 {word}") in [base**power for base in (1000, 1024) for power in range(5)]


def test_every_kind_of_failure_and_every_part_of_a_rule_is_described():
    told = PAGE.split("### `on_failure`")[1].split("\n### ")[0]
    for key in (*models.OnFailurePart.model_fields, *models.RulePart.model_fields):
        assert re.search(rf"`{key}[`:]|`\w+: .*{key}", told), key


@pytest.mark.parametrize("rules", re.findall(r"```yaml\n(on_failure:.*?)```", PAGE, re.DOTALL))
def test_the_examples_of_rules_load(tmp_path, rules):
    path = tmp_path / "branin.yaml"
    example = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1]
    path.write_text(re.sub(r"on_failure:.*\n", "", example) + rules)
    assert load(path, check=False).policy().on_failure.other.retry in (1, 2)
