"""Faults that were put in on purpose are seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.campaigns import campaign
from tests.torture.figures import Scale
from tests.torture.planted import PLANTED
from tests.torture.planted_source import FAULTS
from tests.torture.planted_trial import PACKAGE, ROOT, run, source_with, table


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


@pytest.mark.slow
def test_what_a_test_leaves_behind_is_ended(tmp_path):
    left = tmp_path / "test_left.py"
    left.write_text(
        "import subprocess, sys\n"
        "def test_left():\n"
        "    nobody = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        f"    open({str(tmp_path / 'pid')!r}, 'w').write(str(nobody.pid))\n"
        "    assert nobody.pid < 0\n"
    )
    command = [sys.executable, "-m", "tests.torture.planted_alone", str(PACKAGE.parent), str(left)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert not Path("/proc", (tmp_path / "pid").read_text()).exists()


@pytest.mark.parametrize("name", PLANTED)
def test_an_engine_that_was_broken_on_purpose_still_runs(name: str) -> None:
    """Else the judge would have nothing to see: what a fault replaces is found in the sources as they are."""
    with PLANTED[name]():
        for seed in range(5):
            campaign(seed)
