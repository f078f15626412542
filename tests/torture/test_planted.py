"""Faults that were put in on purpose are seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.figures import Scale
from tests.torture.planted_source import FAULTS
from tests.torture.planted_trial import ROOT, run, source_with, table


@pytest.mark.slow
def test_planted_faults_are_seen() -> None:
    assert [figure for figure in run(Scale(full=False)) if not figure.holds] == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_stands_in_the_sources_as_they_are_and_who_must_see_it_exists(name: str) -> None:
    fault = FAULTS[name]
    compile(source_with(fault), fault.file, "exec")
    file, _, test = fault.seen_by.partition("::")
    assert f"def {test}(" in Path(ROOT, file).read_text("utf-8")


def test_the_page_has_the_table() -> None:
    assert table() in Path(ROOT, "docs/mutants.md").read_text("utf-8")
