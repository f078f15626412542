"""The short form of the kills: some sixty, and a few of Optuna's drivers beside; and whether the judge sees it all."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.torture import kills
from tests.torture.__main__ import line
from tests.torture.figures import Scale
from tests.torture.kills_case import Case
from tests.torture.kills_judge import Journal, Judge, Verdict, notes_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_nothing_is_lost_nothing_runs_twice_and_nothing_survives() -> None:
    found = kills.run(Scale(full=False))
    timed = [figure for figure in found if "median" in figure.name]  # a busy machine is no fault
    for figure in found:
        assert figure.holds or figure in timed, line("kills", figure)
    assert int(found[0].value) >= 50, "so few kills show nothing"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """An experiment that nobody killed."""
    case = Case("command.0", "command", 6, 0, 0, str(tmp_path_factory.mktemp("finished")))
    done = kills.carry_out(case)
    assert done.ended
    assert not done.survivors
    return case


def judged(case: Case, folder: Path, trials: int = 6, points: list[float] | None = None) -> Verdict:
    case = Case(case.name, case.kind, trials, case.kills, case.seed, str(folder))
    undisturbed = Journal(folder / "run" / "journal.sqlite").points
    return Judge(case, folder, {}, undisturbed if points is None else points).judge()


def copied(case: Case, folder: Path) -> Path:
    # A named pipe for wake-ups is no file.
    return shutil.copytree(case.folder, folder / "case", ignore=shutil.ignore_patterns("requests"))


def test_the_judge_finds_nothing_where_nothing_was_killed(finished: Case, tmp_path: Path) -> None:
    assert judged(finished, copied(finished, tmp_path)) == Verdict(evaluations=6)


def test_the_judge_sees_other_points_and_missing_trials(finished: Case, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path)
    assert judged(finished, folder, trials=7).unended == ["6 trials of 7 were asked for"]
    points = Journal(folder / "run" / "journal.sqlite").points
    assert len(judged(finished, folder, points=[*points[:3], 0.125, *points[4:]]).changed) == 1


def test_the_judge_sees_double_evaluations(finished: Case, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path)
    first = next(note for note in notes_of(folder / "evidence") if note.what == "begin")
    notes = folder / "evidence" / "notes"
    before = notes.read_text()
    words = f"{first.x!r} {first.trial} {first.attempt} {first.pid}"
    notes.write_text(f"{before}double {words} {first.time}\n")
    assert any("another one lived" in sentence for sentence in judged(finished, folder).double)
    notes.write_text(f"{before}begin {words} {first.time + 100}\n")
    found = judged(finished, folder).double
    assert any("after its result was told" in sentence for sentence in found)
    assert any("2 evaluations in 1 attempts" in sentence for sentence in found)
    assert any("was evaluated 2 times" in sentence for sentence in found)
    notes.write_text(f"{before}begin {first.x!r} {first.trial} 2 {first.pid} {first.time}\n")
    assert any("was evaluated after 1 had a result" in sentence for sentence in judged(finished, folder).double)


def test_the_judge_sees_lost_results(finished: Case, tmp_path: Path) -> None:
    folder = copied(finished, tmp_path)
    told = folder / "evidence" / "told"
    before = told.read_text()
    told.write_text(before.replace(before.split()[3], "0.5"))
    assert any("was told outward as 0.5" in sentence for sentence in judged(finished, folder).lost)
    told.write_text(before)
    x = 0.987
    with (folder / "evidence" / "notes").open("a") as notes:
        notes.write(f"begin {x} 0 9 1 1.0\nend {x} 0 9 1 1.1\n")
    verdict = judged(finished, folder)
    assert any("came to its end by itself" in sentence for sentence in verdict.lost)
    assert verdict.orphaned == ["(0, 9)"]
