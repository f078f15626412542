"""What the journal survives is a setting; without it, what the runner's kind of trials needs."""

from __future__ import annotations

import pytest

import runwright as rw
from runwright.config import load
from runwright.journal import MemoryJournal
from runwright.optimizers import RandomOptimizer
from runwright.runners import LocalMetadataRunner, ProcessRunner

EXPERIMENT = rw.Experiment("synced", {"x": rw.Float(0, 1)}, {"y": "minimize"})
NORMAL, FULL = 1, 2
FILE = """
name: synced
parameters: {x: {type: float, bounds: [0, 1]}}
objectives: {y: minimize}
evaluate: {command: ["true"]}
"""


def local():
    return LocalMetadataRunner(lambda x: x)


def process():
    return ProcessRunner(["true"])


def level(opened):
    (found,) = opened._session.journal._connection.execute("PRAGMA synchronous").fetchone()
    return found


@pytest.mark.parametrize(
    ("runner", "sync", "expected"),
    [
        (local, None, NORMAL),
        (local, "full", FULL),
        (process, None, FULL),
        (process, "normal", NORMAL),
    ],
)
def test_the_journal_is_synced_as_asked(tmp_path, runner, sync, expected):
    with rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner(), directory=tmp_path, sync=sync) as scheduler:
        assert level(scheduler) == expected


def test_a_queue_takes_it_too(tmp_path):
    with rw.TrialQueue(local(), EXPERIMENT, directory=tmp_path, sync="full") as queue:
        assert level(queue) == FULL


@pytest.mark.parametrize("arguments", [{}, {"journal": MemoryJournal()}])
def test_it_needs_a_journal_on_disk(arguments):
    with pytest.raises(rw.UsageError, match="sync is about the journal of a run directory"):
        rw.Scheduler(EXPERIMENT, RandomOptimizer(), local(), sync="full", **arguments)


def test_another_word_is_refused(tmp_path):
    with pytest.raises(rw.UsageError, match=r"sync is 'full' .* or 'normal', not 'FULL'"):
        rw.Scheduler(EXPERIMENT, RandomOptimizer(), local(), directory=tmp_path / "d", sync="FULL")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(("line", "expected"), [("", None), ("sync: full", "full"), ("sync: normal", "normal")])
def test_an_experiment_file_says_it(tmp_path, line, expected):
    path = tmp_path / "experiment.yaml"
    path.write_text(FILE + line)
    assert load(path, check=False).sync == expected


def test_an_experiment_file_with_another_word_is_refused(tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_text(FILE + "sync: always")
    with pytest.raises(rw.UsageError, match="sync"):
        load(path, check=False)
