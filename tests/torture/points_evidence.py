"""What is left of a case, and what is wrong with it.

The story that the journal tells is judged by `history`; here it is compared with what the evaluations noted of
themselves, with the points of an undisturbed run, and with who was killed.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.torture import history
from tests.torture.points_optimizers import chained

if TYPE_CHECKING:
    from pathlib import Path

    from tests.torture.points_drivers import Kind
    from tests.torture.points_tree import Death

_ENDS = ("Finished", "Stopped", "Interrupted")


@dataclass(frozen=True)
class Evidence:
    """What is left.

    Attributes:
        rows: Rows of the journal.
        lines: What the evaluations noted: word, point, attempt.
        files: Paths in the run directory, relative.
        journal: What SQLite says of the journal.
    """

    rows: list[tuple[int, float, int | None, str, str]]
    lines: list[tuple[str, float, str]]
    files: list[str]
    journal: str

    @classmethod
    def of(cls, directory: Path, evidence: Path) -> Evidence:
        """Read everything."""
        files = sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir())
        path = directory / "journal.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            journal = connection.execute("PRAGMA integrity_check").fetchone()[0]
        noted = evidence / "evaluations"
        text = noted.read_text() if noted.exists() else ""
        lines = [(word, float(x), attempt) for word, x, attempt in map(str.split, text.splitlines())]
        return cls(history.rows_of(path), lines, files, journal)

    def named(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the events of some kinds, each with its kind, trial and body in one mapping."""
        return [
            {"kind": kind, "trial": trial, **json.loads(body)} for _, _, trial, kind, body in self.rows if kind in kinds
        ]

    def points(self) -> list[tuple[int, float]]:
        """Return the suggestions, in order."""
        return [(event["trial"], event["points"][0]["x"]) for event in self.named("TrialAsked")]

    def told(self) -> list[int]:
        """Return the trials in the order in which the optimizer was told of them."""
        return [event["trial"] for event in self.named("Told")]


class Judge:
    """Says what is wrong with what is left.

    Args:
        kind: The way of running trials.
        left: What is left of the case.
        undisturbed: What is left where nobody died.
        died: The deaths that happened.
    """

    def __init__(self, kind: Kind, left: Evidence, undisturbed: Evidence, died: list[Death]) -> None:
        self._kind = kind
        self._left = left
        self._undisturbed = undisturbed
        self._kills = Counter(death.role for death in died)
        self._faults: list[str] = []
        # A failed attempt is repeated after a while, and others go ahead: what is told and asked changes its order.
        self._fails = self._kills["supervisor"] + self._kills["evaluation"]
        # Two launchers in a row that die over their requests fail all of them.
        self._fails += self._kills["launcher"] // 2 * kind.workers

    def faults(self) -> list[str]:
        """Return a sentence for each."""
        self._story()
        self._results()
        self._evaluations()
        self._attempts()
        self._files()
        return self._faults

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self._faults.append(what)

    def _story(self) -> None:
        left, kind = self._left, self._kind
        self._expect(left.journal == "ok", f"the journal is damaged: {left.journal}")
        suggestions: Any = None
        if kind.workers == 1:
            suggestions = chained
        elif kind.has_optimizer:
            suggestions = [{"x": x} for _, x in self._undisturbed.points()]
        self._faults += history.check(left.rows, suggestions=suggestions)
        if not self._fails:
            self._expect(left.points() == self._undisturbed.points(), f"other suggestions: {left.points()}")
            if kind.workers == 1:
                self._expect(left.told() == self._undisturbed.told(), f"told in another order: {left.told()}")
        taken = left.named("RequestTaken")
        wanted = len(kind.requests) + kind.statuses.count("ABANDONED")
        self._expect(len(taken) == wanted, f"{len(taken)} requests were taken, not {wanted}")
        self._expect(not any(event.get("refused") for event in taken), f"a request was refused: {taken}")

    def _results(self) -> None:
        points = dict(self._left.points())
        self._expect(sorted(points) == list(range(len(self._kind.statuses))), f"there are trials {sorted(points)}")
        last = {event["trial"]: event for event in self._left.named(*_ENDS)}
        for index, status in enumerate(self._kind.statuses):
            end = last.get(index, {})
            if status == "ABANDONED":
                self._expect(end.get("status") == status, f"trial {index} was not stopped: {end}")
            else:
                measured = _measured(end, self._kind.metric)
                self._expect(measured == 2 * points[index], f"the result of trial {index} is lost: {end}")

    def _evaluations(self) -> None:
        """Check that evaluations never overlap, and that none is repeated without need."""
        left, kind = self._left, self._kind
        self._expect(not [line for line in left.lines if line[0] == "overlap"], "two evaluations at one time")
        begun = Counter((x, attempt) for word, x, attempt in left.lines if word == "begin")
        if kind.survives:
            again = [what for what, count in begun.items() if count > 1]
            self._expect(not again, f"attempts were evaluated more than once: {again}")
        extra = sum(begun.values()) - len({x for x, _ in begun})
        allowed = self._kills["supervisor"] + self._kills["evaluation"]
        if not kind.survives:
            allowed += self._kills["driver"] * kind.workers
        self._expect(extra <= allowed, f"{extra} evaluations too many after {dict(self._kills)}")
        done = {(event["trial"], event["attempt"]) for event in left.named("Finished") if not _failure(event)}
        indices = {x: index for index, x in left.points()}
        over: set[float] = set()
        for word, x, attempt in left.lines if kind.survives else ():
            self._expect(word != "begin" or x not in over, f"trial {indices[x]} was evaluated after its result")
            if word == "end" and (indices[x], int(attempt)) in done:
                over.add(x)

    def _attempts(self) -> None:
        fails = self._fails
        if not self._kind.survives:  # what a driver evaluates dies with it
            fails += self._kills["driver"] * self._kind.workers
        extra = len(self._left.named("DeployStarted")) - len(self._kind.statuses)
        self._expect(extra <= fails, f"{extra} attempts too many after {dict(self._kills)}")

    def _files(self) -> None:
        stale = [path for path in self._left.files if path.endswith((".tmp", "-wal", "-shm"))]
        # What was killed in the midst of an attempt leaves that attempt's folders as they were: `exit.tmp` says that
        # nobody could record the end.
        rooms = [path for path in stale if path.startswith("control/") and path.endswith("/exit.tmp")]
        self._expect(len(rooms) <= self._kills["supervisor"], f"supervisors left {rooms}")
        results = [path for path in stale if path.startswith("trials/") and "/.result.json." in path]
        self._expect(len(results) <= self._kills["evaluation"], f"evaluations left {results}")
        stale = [path for path in stale if path not in rooms + results]
        self._expect(not stale, f"stale files: {stale}")
        waiting = [path for path in self._left.files if path.startswith("requests/") and path.endswith(".json")]
        self._expect(not waiting, f"requests that were not removed: {waiting}")


def _failure(event: dict[str, Any]) -> object:
    return event["result"].get("failure")


def _measured(end: dict[str, Any], metric: str) -> object:
    arms = (end.get("result") or {}).get("arms") or {}
    return next((metrics[metric][0] for metrics in arms.values()), None) if len(arms) == 1 else None
