"""Statuses, the table of moves, and the one writer of a status."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from runwright.errors import IllegalTransitionError
from runwright.events import EVENTS
from runwright.status import (
    MOVES,
    TERMINAL,
    AttemptOutcome,
    FailureKind,
    StopCause,
    StopReason,
    TrialStatus,
    advance,
)

S = TrialStatus
DIAGRAM = Path(__file__).parents[2] / "docs" / "states.md"

# The moves, once more and apart from the table in the code.
EDGES = {
    (S.CANDIDATE, S.STAGED),
    (S.CANDIDATE, S.ABANDONED),
    (S.CANDIDATE, S.STALE),
    (S.STAGED, S.RUNNING),
    (S.STAGED, S.CANDIDATE),
    (S.STAGED, S.COMPLETED),
    (S.STAGED, S.FAILED),
    (S.STAGED, S.ABANDONED),
    (S.STAGED, S.EARLY_STOPPED),
    (S.RUNNING, S.STAGED),
    (S.RUNNING, S.CANDIDATE),
    (S.RUNNING, S.COMPLETED),
    (S.RUNNING, S.FAILED),
    (S.RUNNING, S.ABANDONED),
    (S.RUNNING, S.EARLY_STOPPED),
    (S.FAILED, S.CANDIDATE),
    (S.ABANDONED, S.CANDIDATE),
}


def trial(status):
    return SimpleNamespace(index=7, _status=status)


def test_names_and_integers_are_those_of_ax():
    assert {status.name: int(status) for status in S} == {
        "CANDIDATE": 0,
        "STAGED": 1,
        "FAILED": 2,
        "COMPLETED": 3,
        "RUNNING": 4,
        "ABANDONED": 5,
        "EARLY_STOPPED": 7,
        "STALE": 8,
    }


@pytest.mark.parametrize("to", S)
@pytest.mark.parametrize("was", S)
def test_a_move_is_made_if_the_table_has_it_and_refused_otherwise(was, to):
    moved = trial(was)
    if (was, to) in EDGES:
        advance(moved, to)
        assert moved._status is to
    else:
        with pytest.raises(IllegalTransitionError, match=f"trial 7 cannot go from {was.name} to {to.name}$"):
            advance(moved, to)
        assert moved._status is was


def test_the_error_tells_the_story():
    with pytest.raises(IllegalTransitionError, match="from STALE to RUNNING; its story: attempt 1 was the latest"):
        advance(trial(S.STALE), S.RUNNING, story="attempt 1 was the latest")


def test_the_page_shows_the_same_moves_each_by_a_letter():
    page = DIAGRAM.read_text("utf-8")
    rows = re.findall(r"^\| ([a-z]) \| ([A-Z_, ]*)→ ([A-Z_]+) \| .+ \| (.+) \|$", page, re.MULTILINE)
    letters = [letter for letter, *_ in rows]
    assert letters == sorted(set(letters))
    drawn = {(S[was.strip()], S[to]) for _, many, to, _ in rows for was in many.split(",") if was.strip()}
    assert drawn == EDGES
    events = {name for *_, named in rows for name in re.findall(r"`(\w+)`", named)}
    assert events <= EVENTS.keys()
    (diagram,) = re.findall(r"```\n(.*?)```", page, re.DOTALL)
    for letter in letters:
        assert re.search(rf"\b{letter}\b", diagram), letter
    for status in S:
        assert status.name in diagram


def test_the_table_speaks_of_every_status():
    assert set(MOVES) == set(S)


def test_terminal_statuses_lead_nowhere_but_to_another_attempt():
    assert {status for status in S if status.is_terminal} == TERMINAL
    assert {S.FAILED, S.COMPLETED, S.ABANDONED, S.EARLY_STOPPED, S.STALE} == TERMINAL
    for status in TERMINAL:
        assert MOVES[status] <= {S.CANDIDATE}
    for status in set(S) - TERMINAL:
        assert MOVES[status] & TERMINAL


@pytest.mark.parametrize(
    ("predicate", "statuses"),
    [
        ("is_candidate", {S.CANDIDATE}),
        ("is_staged", {S.STAGED}),
        ("is_running", {S.RUNNING}),
        ("is_completed", {S.COMPLETED}),
        ("is_failed", {S.FAILED}),
        ("is_abandoned", {S.ABANDONED}),
        ("is_early_stopped", {S.EARLY_STOPPED}),
        ("is_stale", {S.STALE}),
        ("is_deployed", {S.STAGED, S.RUNNING}),
        ("expecting_data", {S.RUNNING, S.COMPLETED, S.EARLY_STOPPED}),
    ],
)
def test_predicates(predicate, statuses):
    assert {status for status in S if getattr(status, predicate)} == statuses


def test_a_status_is_found_by_its_integer_in_a_dictionary():
    assert {status: status.name for status in S}[3] == "COMPLETED"
    assert {S.COMPLETED: 1} == {3: 1}


@pytest.mark.parametrize("kind", [FailureKind, AttemptOutcome, StopCause, StopReason])
def test_what_the_journal_holds_is_the_lower_case_name(kind):
    for member in kind:
        assert member.value == member.name.lower()
        assert kind(member.value) is member
