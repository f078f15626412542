"""Two thousand campaigns, and proof that they repeat and that they see what is broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.campaigns import campaign, run
from tests.torture.figures import Scale
from tests.torture.planted import PLANTED

ROOT = Path(__file__).parents[2]
ENOUGH = 400
"""So many campaigns find every planted fault."""
DIGESTS = "from tests.torture.campaigns import campaign; print([campaign(seed).digest for seed in range(40)])"


@pytest.mark.slow
def test_two_thousand_campaigns_come_to_their_end_without_fault():
    figures = run(Scale(full=False))
    assert figures[0].count >= 2000
    assert [figure for figure in figures if not figure.holds] == []


@pytest.mark.slow
def test_a_seed_gives_the_same_rows_in_every_process():
    command = [sys.executable, "-c", DIGESTS]
    told = {
        subprocess.run(
            command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "4242")
    }
    assert told == {f"{[campaign(seed).digest for seed in range(40)]}\n"}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name):
    with PLANTED[name]():
        found = next((outcome for outcome in map(campaign, range(ENOUGH)) if outcome.complaints), None)
    assert found is not None, "the harness is blind to it"
    assert campaign(found.seed).complaints == [], "without the fault all is well"


def test_a_campaign_is_told_so_that_it_can_be_read(capsys):
    seed = next(seed for seed in range(50) if campaign(seed).counts["kill"])
    (figure,) = run(Scale(full=False, only=str(seed)))
    assert figure.holds
    told = capsys.readouterr().out
    assert all(word in told for word in ("ExperimentStarted", "-> evaluation", "!! kill at passage", "digest"))


def test_a_failing_campaign_says_which_it_is(capsys):
    with PLANTED["never_tell_the_last"]():
        (figure,) = run(Scale(full=False, only="0"))
    assert (figure.value, figure.failures) == ("1", ("0",))
    assert "COMPLAINT: trial 0 has ended, and the optimizer was never told" in capsys.readouterr().out
