"""Judges an experiment that was killed again and again: from journal, evidence of the evaluations, and who was killed.

It reads SQLite and files; nothing of the product judges itself. That the journal tells a legal story is the business of
`history`; here the story is held against what really happened.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.torture import history
from tests.torture.kills_evaluation import value

if TYPE_CHECKING:
    from pathlib import Path

    from tests.torture.kills_case import Case

_IN_PROCESSES = ("command", "long", "tpe", "function", "preload")


class Note(NamedTuple):
    """A line of the evidence."""

    what: str
    x: float
    trial: str
    attempt: str
    pid: int
    time: float


@dataclass
class Verdict:
    """What must not be, by the promise that it breaks; and what is only counted.

    Attributes:
        lost: Results that were there, and are not on record.
        double: Evaluations of a trial while another of it lived, or after it had a result.
        changed: Points that the undisturbed run did not have in this place.
        unended: Trials without an end.
        unexplained: Attempts that failed though nothing of theirs was killed.
        orphaned: Evaluations that began, and of whose end nobody ever knew.
        illegal: Sentences of `history` about the journal.
        evaluations: How many began.
        repeated: How many began because an earlier one of their trial was cut short.
        duplicated: Trials whose point an earlier one has.
        running: Trials that a peer left as running.
    """

    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unended: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    illegal: list[str] = field(default_factory=list)
    evaluations: int = 0
    repeated: int = 0
    duplicated: int = 0
    running: int = 0


def notes_of(evidence: Path) -> list[Note]:
    """Return the evidence of all evaluations, in order."""
    path = evidence / "notes"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = []
    for line in lines:
        what, x, trial, attempt, pid, time = line.split()
        found.append(Note(what, float(x), trial, attempt, int(pid), float(time)))
    return found


class Attempt(NamedTuple):
    """The end of an attempt as the journal has it."""

    trial: int
    number: int
    value: float | None
    failure: str | None


class Journal:
    """What the journal says.

    Args:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.rows = history.rows_of(path)
        self.points: list[float] = []
        self.deployed: set[tuple[int, int]] = set()
        self.interrupted: set[tuple[int, int]] = set()
        self.ends: dict[tuple[int, int], Attempt] = {}
        for _, _, trial, kind, text in self.rows:
            body = json.loads(text)
            if kind == "TrialAsked":
                self.points.append(body["points"][0]["x"])
            elif trial is not None and kind in ("DeployStarted", "Interrupted", "Finished"):
                self._take(kind, trial, body)

    def _take(self, kind: str, trial: int, body: dict[str, Any]) -> None:
        key = (trial, body["attempt"])
        if kind == "DeployStarted":
            self.deployed.add(key)
        elif kind == "Interrupted":
            self.interrupted.add(key)
        else:
            failure = body["result"].get("failure")
            arms = list(body["result"].get("arms", {}).values())
            measured = arms[0]["y"][0] if arms else None
            self.ends[key] = Attempt(*key, measured, None if failure is None else failure["kind"])

    def completed(self) -> dict[int, Attempt]:
        """Return the attempt with a result, by trial."""
        return {end.trial: end for end in self.ends.values() if end.failure is None}


class Judge:
    """Judges one of our experiments.

    Args:
        case: Which.
        folder: Where it is.
        struck: Pids that were killed, by role.
        expected: Points of the undisturbed run, in order.
    """

    def __init__(self, case: Case, folder: Path, struck: dict[str, list[int]], expected: list[float]) -> None:
        self._case = case
        self._run = folder / "run"
        self._evidence = folder / "evidence"
        self._struck = {role: set(pids) for role, pids in struck.items()}
        self._expected = expected
        self._journal = Journal(self._run / "journal.sqlite")
        self._notes = notes_of(self._evidence)
        self._begun = [note for note in self._notes if note.what == "begin"]
        self._in_processes = case.kind in _IN_PROCESSES
        self._index = {x: index for index, x in enumerate(self._journal.points)}
        self.verdict = Verdict()

    def judge(self) -> Verdict:
        """Return the verdict."""
        verdict, journal = self.verdict, self._journal
        verdict.evaluations = len(self._begun)
        verdict.repeated = sum(count - 1 for count in Counter(note.x for note in self._begun).values())
        verdict.illegal += history.check(journal.rows, suggestions=self._suggested())
        verdict.duplicated = len(journal.points) - len(set(journal.points))
        self._look_for_changes()
        self._look_at_ends()
        self._look_at_what_was_told()
        self._look_for_doubles()
        if self._in_processes:
            self._look_at_evidence()
        self._look_at_failures()
        return verdict

    def _suggested(self) -> list[dict[str, float]]:
        return [{"x": x} for x in self._expected[: len(self._journal.points)]]

    def _look_for_changes(self) -> None:
        for index, (x, expected) in enumerate(zip(self._journal.points, self._expected, strict=False)):
            if x != expected:
                self.verdict.changed.append(f"trial {index} has {x!r}, undisturbed {expected!r}")

    def _look_at_ends(self) -> None:
        completed = self._journal.completed()
        if len(self._journal.points) != self._case.trials:
            self.verdict.unended.append(f"{len(self._journal.points)} trials of {self._case.trials} were asked for")
        for index, x in enumerate(self._journal.points):
            if index not in completed:
                self.verdict.unended.append(f"trial {index} has no result")
            elif completed[index].value != value(x):
                self.verdict.lost.append(f"trial {index} has {completed[index].value}, its evaluation gave {value(x)}")

    def _look_at_what_was_told(self) -> None:
        """Look whether a result of which the world was told is on record, and nothing was evaluated after it."""
        path = self._evidence / "told"
        told: dict[int, float] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            trial, attempt, _, measured, time = line.split()
            end = self._journal.ends.get((int(trial), int(attempt)))
            if end is None or end.value != float(measured):
                self.verdict.lost.append(f"{trial}.{attempt} was told outward as {measured}, the journal has {end}")
            told[int(trial)] = float(time)
        for note in self._begun:
            since = told.get(self._index.get(note.x, -1))
            if since is not None and note.time > since:
                self.verdict.double.append(f"{note} began {note.time - since:.3f} s after its result was told")

    def _look_for_doubles(self) -> None:
        journal = self._journal
        self.verdict.double += [f"{note}: another one lived" for note in self._notes if note.what == "double"]
        attempts = Counter(trial for trial, _ in journal.deployed)
        begun = Counter(self._index.get(note.x) for note in self._begun)
        for index, count in begun.items():
            if index is None:
                self.verdict.double.append("a point was evaluated that no trial has")
            elif count > attempts[index]:
                self.verdict.double.append(f"trial {index}: {count} evaluations in {attempts[index]} attempts")

    def _look_at_evidence(self) -> None:
        """Look at evaluations that say themselves which attempt they are, and whose ends are recorded without us."""
        journal, completed = self._journal, self._journal.completed()
        begun = Counter((int(note.trial), int(note.attempt)) for note in self._begun)
        self.verdict.double += [f"{key} was evaluated {count} times" for key, count in begun.items() if count > 1]
        for trial, attempt in begun:
            if trial in completed and attempt > completed[trial].number:
                self.verdict.double.append(
                    f"{trial}.{attempt} was evaluated after {completed[trial].number} had a result"
                )
        self.verdict.orphaned += [f"{key}" for key in begun if key not in journal.ends]
        for note in self._notes:
            key = (int(note.trial), int(note.attempt))
            end = journal.ends.get(key)
            if note.what == "end" and (end is None or end.failure is not None) and not self._was_struck(key, note.pid):
                self.verdict.lost.append(f"{note} came to its end by itself, the journal has {end}")
            record = self._record(key, "exit")
            if record.get("code") == 0 and record.get("reason") is None and (end is None or end.failure is not None):
                self.verdict.lost.append(f"{key} ended with status 0 on record, the journal has {end}")

    def _look_at_failures(self) -> None:
        pids = {(int(note.trial), int(note.attempt)): note.pid for note in self._begun if note.trial != "-"}
        for key, end in self._journal.ends.items():
            if end.failure is None:
                continue
            if self._in_processes and end.failure in ("lost", "crashed"):
                if not self._was_struck(key, pids.get(key, -1)):
                    self.verdict.unexplained.append(f"{key}: {end.failure}, and nothing of it was killed")
            elif not any(self._struck.get(role) for role in ("launcher", "supervisor", "program")):
                self.verdict.unexplained.append(f"{key}: {end.failure}, and nobody but drivers was killed")

    def _was_struck(self, key: tuple[int, int], pid: int) -> bool:
        """Whether the program or the supervisor of an attempt was killed."""
        supervisor = self._record(key, "started").get("pid")
        if pid == -1:
            # It did not live long enough to say who it is.
            return bool(self._struck.get("program")) or supervisor in self._struck.get("supervisor", ())
        return pid in self._struck.get("program", ()) or supervisor in self._struck.get("supervisor", ())

    def _record(self, key: tuple[int, int], name: str) -> dict[str, Any]:
        path = self._run / "control" / f"{key[0]}.{key[1]}" / name
        if not path.exists():
            return {}
        body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return body
