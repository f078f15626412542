"""The short form of the deaths at passages; and the harness itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture import points
from tests.torture.figures import Scale
from tests.torture.points_case import name_of, parse
from tests.torture.points_filter import CALLS, why_not
from tests.torture.points_tree import ASK_TELL, SEAM, Death

WATCHED = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@WATCHED
@pytest.mark.slow
def test_a_death_at_any_passage_costs_nothing() -> None:
    scale = Scale(full=False)
    record = points.examine(scale)
    assert not record.faults
    assert all(figure.holds for figure in points.figures_of(record, scale))
    assert record.singles >= points.SAMPLED * 3 // 4
    assert record.pairs >= points.PAIRS[False] // 2
    # A seam that nobody passes any more is one that nobody dies at.
    every = {*SEAM.values(), ASK_TELL}
    passed = {role: set(counts) for role, counts in points.seams_of(record).items()}
    assert every == set().union(*passed.values())
    assert passed["driver"] >= every - {"identity"}
    assert passed["launcher"] >= {"fork", "write", "reap", "identity", "open to write", "exit"}
    assert passed["supervisor"] >= {"fork", "lock", "write", "sync", "rename", "signal", "reap", "identity", "exit"}


def test_a_case_is_named_by_its_deaths() -> None:
    deaths = (Death("driver", 0, 57), Death("supervisor", 1, 3))
    assert name_of("pool", deaths) == "pool driver0@57 supervisor1@3"
    assert parse("pool driver0@57 supervisor1@3") == ("pool", deaths)
    with pytest.raises(SystemExit, match="no case 'pond driver0@1'"):
        parse("pond driver0@1")
    with pytest.raises(SystemExit, match="no case 'pool driver'"):
        parse("pool driver")


def test_every_watched_call_belongs_to_a_seam() -> None:
    assert CALLS.keys() == SEAM.keys()


FORGETS = """
import dataclasses, sqlite3
from contextlib import closing
from tests.torture import points_case, points_drivers
from tests.torture.points_filter import become_subreaper

become_subreaper()
points_case.run_case("local")
kind = points_drivers.KINDS["local"]

def forgets(directory, evidence):
    kind.drive(directory, evidence)
    with closing(sqlite3.connect(directory / "journal.sqlite", isolation_level=None)) as journal:
        journal.execute("DELETE FROM events WHERE kind = 'Told' AND trial = 1")
    (directory / ".lock.1.tmp").touch()

points_drivers.KINDS["local"] = dataclasses.replace(kind, drive=forgets)
print(*points_case.run_case("local").faults, sep="\\n")
"""


@WATCHED
@pytest.mark.slow
def test_what_is_wrong_is_seen() -> None:
    """The judge is judged: a driver forgets a row, and leaves a file."""
    done = subprocess.run(
        [sys.executable, "-c", FORGETS], cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True
    )
    for fault in ("row", "told in another order", "stale files: ['.lock.1.tmp']"):
        assert fault in done.stdout
