"""Evaluations that are suspended (SIGSTOP) while drivers die: only their time limit ends them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.torture.kills_evaluation import SUSPENDED_SECONDS, value, wakes
from tests.torture.kills_judge import Journal, notes_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.torture.kills_case import Case

LIMIT = 3.0
LATE = 3.0
"""Seconds after the limit within which it has ended: the grace, and a machine that is busy."""


def judge(case: Case, folder: Path) -> tuple[int, list[str]]:
    """Return how many evaluations were suspended, and what must not be, a sentence each."""
    journal = Journal(folder / "run" / "journal.sqlite")
    complaints = []
    if len(journal.ends) != case.trials:
        complaints.append(f"{len(journal.ends)} attempts ended; one of each of the {case.trials} trials was due")
    seconds = {}
    for _, _, trial, kind, body in journal.rows:
        if kind == "Finished":
            seconds[trial] = json.loads(body)["result"]["seconds"]
    for end in journal.ends.values():
        x = journal.points[end.trial]
        took = seconds[end.trial]
        if wakes(x):
            if end.value != value(x) or took < SUSPENDED_SECONDS:
                complaints.append(f"trial {end.trial} was woken in time, and is {end} after {took:.3f} s")
        elif end.failure != "timeout" or not LIMIT - 0.01 <= took <= LIMIT + LATE:
            complaints.append(f"trial {end.trial} was never woken, and is {end} after {took:.3f} s")
    begun = [note.trial for note in notes_of(folder / "evidence") if note.what == "begin"]
    if len(begun) != len(set(begun)):
        complaints.append(f"{len(begun)} evaluations of {len(set(begun))} trials")
    return case.trials, complaints
