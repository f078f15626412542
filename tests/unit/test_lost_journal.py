"""Trials whose journal is gone are not taken for a new run."""

from __future__ import annotations

import pytest

import runwright as rw
from runwright.journal import MemoryJournal, SqliteJournal
from runwright.optimizers import RandomOptimizer
from runwright.runners import LocalMetadataRunner

EXPERIMENT = rw.Experiment("lost", {"x": rw.Float(0, 1)}, {"y": "minimize"})


def scheduler(directory, journal=None):
    return rw.Scheduler(
        EXPERIMENT, RandomOptimizer(), LocalMetadataRunner(lambda x: x), directory=directory, journal=journal
    )


@pytest.mark.parametrize("left", [None, b""])
def test_a_directory_of_trials_without_a_journal_is_refused(tmp_path, left):
    with scheduler(tmp_path) as first:
        first.run(trials=1)
    (tmp_path / "trials" / "0" / "1").mkdir(parents=True)
    for file in tmp_path.glob("journal.sqlite*"):
        file.unlink()
    if left is not None:
        (tmp_path / "journal.sqlite").write_bytes(left)
    with pytest.raises(rw.UsageError, match=r"trials of an earlier run lie in trials/, but journal\.sqlite is missing"):
        scheduler(tmp_path)
    assert (tmp_path / "trials" / "0" / "1").is_dir()
    journal = tmp_path / "journal.sqlite"
    assert (journal.read_bytes() if journal.exists() else None) == left, "a journal was made"


def test_one_that_was_made_and_has_nothing_in_it_is_no_better(tmp_path):
    SqliteJournal(tmp_path / "journal.sqlite").close()
    (tmp_path / "trials" / "0" / "1").mkdir(parents=True)
    with pytest.raises(rw.UsageError, match="trials of an earlier run lie in trials/"):
        scheduler(tmp_path)


def test_a_directory_without_trials_may_begin(tmp_path):
    (tmp_path / "trials").mkdir()
    with scheduler(tmp_path, MemoryJournal()) as begun:
        assert len(begun.run(trials=2)) == 2


def lost(directory, noted):
    with scheduler(directory) as opened:
        opened.run(trials=3)
        return [event.message for event in opened._session.journal.read() if event.kind == "Noted"][noted:]


def test_it_is_said_when_there_are_attempts_of_which_the_journal_does_not_know(tmp_path):
    """A folder is made only after its attempt was committed: the commit has gone."""
    assert lost(tmp_path, 0) == []
    for name in ("0.1", "1.2", "3.1", "10.1", "strange", "4.1.x"):
        (tmp_path / "control" / name).mkdir(parents=True)
    [said] = lost(tmp_path, 0)
    assert "the journal has lost its last events, as in a power cut" in said
    assert "it does not know of attempt 2 of trial 1, attempt 1 of trial 3, attempt 1 of trial 10; each" in said
