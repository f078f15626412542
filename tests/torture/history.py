"""An independent judge of what happened: it reads the journal and the trials' own evidence, and nothing of the product.

Its idea of a legal story is written from ``docs/journal.md``, ``docs/states.md`` and the rules of the design, not from
the code: `check` returns a sentence for each thing that must not be. `rows_of` reads a journal with SQLite alone.

Three files: the sentences that concern one trial (`history_trial`), those that concern the whole experiment (here), and
those that compare the journal with what was really evaluated (`history_evidence`).
"""

from __future__ import annotations

import json
import math
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.torture.history_evidence import Evaluation, Limited, compare
from tests.torture.history_trial import KINDS_OF_TRIALS, Moment, Told, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    Step = tuple[Any, ...]
    Suggest = Callable[[list[Step], int], Any]

__all__ = ["Evaluation", "Limited", "check", "rows_of"]

KINDS_OF_EXPERIMENTS = {
    "ExperimentStarted",
    "DriverStarted",
    "RequestTaken",
    "OptimizerRebuilt",
    "Noted",
    "ExperimentEnded",
}
REASONS = {"trials", "exhausted", "failure_rate", "time", "user", "aborted"}
SOURCES = {"optimizer", "enqueued", "submitted"}


@dataclass(frozen=True)
class Row:
    """A row of the journal, its body parsed."""

    seq: int
    time: float
    trial: int | None
    kind: str
    body: dict[str, Any]


def rows_of(path: Path | str) -> list[tuple[int, float, int | None, str, str]]:
    """Read the rows of a journal on disk; it is not written to."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT seq, time, trial, kind, body FROM events ORDER BY seq").fetchall()
    finally:
        connection.close()


def check(
    rows: Iterable[Sequence[Any]],
    evidence: Iterable[Evaluation] = (),
    *,
    capacity: int | Sequence[tuple[float, int]] | None = None,
    limits: Limited | None = None,
    suggestions: Suggest | Sequence[Any] | None = None,
    final: bool = True,
) -> list[str]:
    """Judge a history.

    Args:
        rows: ``(seq, time, trial, kind, body)`` of the journal, the body as a JSON text or as an object.
        evidence: Every evaluation that really began, in order.
        capacity: How many evaluations may live at once; or ``(from which time of the evidence, how many)``, in order.
        limits: What an evaluation may use.
        suggestions: What the optimizer should have proposed: its points in order, or a function of the recorded steps
            (``("asked" | "attached", trial, point)``, ``("told", trial, status, metrics, kind of failure, penalty)``)
            and the index of the next trial.
        final: Whether the last driver came to its end, so that nothing may be left half done.

    Returns:
        What must not be, a sentence each; empty where all is well.
    """
    story = Story(suggestions)
    for seq, time, trial, kind, body in rows:
        story.take(Row(seq, time, trial, kind, json.loads(body) if isinstance(body, str) else body))
    if final:
        story.at_end()
    compare(story.trials, list(evidence), capacity, limits, story.complain, final=final)
    return story.complaints


class Story:
    """The history as the judge follows it, row by row.

    Args:
        suggestions: As `check` takes them.
    """

    def __init__(self, suggestions: Suggest | Sequence[Any] | None) -> None:
        self.complaints: list[str] = []
        self.trials: list[Trial] = []
        self.steps: list[Step] = []
        self.policy: dict[str, Any] = {}
        self.ended: str | None = None
        self._suggestions = suggestions
        self._asked = 0
        self._seq = 0
        self._live: set[int] = set()
        self._time = 0.0
        self._life = 0
        self._left = False
        self._requests: set[str] = set()

    def complain(self, what: str) -> None:
        """Note something that must not be."""
        self.complaints.append(what)

    # A row.

    def take(self, row: Row) -> None:
        """Follow one row."""
        before = len(self.complaints)
        self._seq += 1
        if row.seq != self._seq:
            self.complain(f"the rows are not numbered 1, 2, 3 ...: {self._seq} was due")
        if not math.isfinite(row.time) or row.time < self._time:
            self.complain(f"its time {row.time} is before the {self._time} of an earlier row")
        self._time = row.time
        if (self._seq == 1) != (row.kind == "ExperimentStarted"):
            self.complain("ExperimentStarted is the first row, and no other")
        if row.kind in KINDS_OF_EXPERIMENTS:
            self._of_experiment(row)
        elif row.kind == "TrialAsked":
            self._asked_for(row)
        elif row.kind not in KINDS_OF_TRIALS:
            self.complain("there is no such kind of event")
        elif row.trial is None or not 0 <= row.trial < len(self.trials):
            self.complain(f"there is no trial {row.trial}")
        else:
            self._of_trial(row, self.trials[row.trial])
        self.complaints[before:] = [
            f"row {row.seq} ({row.kind} of {row.trial}): {complaint}" for complaint in self.complaints[before:]
        ]

    def _of_trial(self, row: Row, trial: Trial) -> None:
        if not self._life:
            self.complain("something happened to a trial before any driver began")
        if row.kind == "DeployStarted":
            self._may_start(trial.index)
        told = trial.take(Moment(row.seq, row.time, self._life, self.policy), row.kind, row.body)
        if not trial.live:
            self._live.discard(trial.index)
        if row.kind == "Interrupted" and trial.unprovoked:
            self._left = True  # only a driver that leaves cuts short what it has begun itself
        for complaint in trial.complaints:
            self.complain(complaint)
        trial.complaints.clear()
        if isinstance(told, Told):
            self.steps.append(("told", row.trial, told.status, told.metrics, told.failure, told.penalty))

    def _may_start(self, index: int) -> None:
        if self.ended is not None:
            self.complain(f"an attempt begins after the experiment has ended ({self.ended})")
        if self._left:
            self.complain("an attempt begins although the driver has interrupted others in order to leave")
        parallel, live = self.policy.get("parallel"), len(self._live)
        if parallel is not None and live >= parallel:
            self.complain(f"{live} attempts are live already, and parallel is {parallel}")
        self._live.add(index)

    # Trials are proposed.

    def _asked_for(self, row: Row) -> None:
        if not self._life:
            self.complain("a trial is proposed before any driver began")
        if row.trial != len(self.trials):
            self.complain(f"trial {len(self.trials)} was due")
        points, source = row.body.get("points"), row.body.get("source")
        if not isinstance(points, list) or not points or source not in SOURCES:
            self.complain(f"a trial has points and a source, not {points!r:.60} and {source!r}")
            points = points or [{}]
        index = len(self.trials)
        if source == "optimizer":
            self._suggested(index, points[0])
        self.steps.append(("asked" if source == "optimizer" else "attached", index, points[0]))
        self.trials.append(Trial(index, points, row.body.get("budget")))

    def _suggested(self, index: int, point: Any) -> None:
        most = self.policy.get("trials")
        if self.ended is not None:
            self.complain(f"the optimizer is asked after the experiment has ended ({self.ended})")
        if most is not None and index >= most:
            self.complain(f"the optimizer is asked for trial {index}, but only {most} are wanted")
        suggestions = self._suggestions
        if suggestions is None:
            return
        if callable(suggestions):
            expected = suggestions(self.steps, index)
        else:
            expected = suggestions[self._asked] if self._asked < len(suggestions) else None
        self._asked += 1
        if expected != point:
            self.complain(f"an undisturbed optimizer proposes {expected}, not {point}")

    # The experiment.

    def _of_experiment(self, row: Row) -> None:
        body = row.body
        if row.kind == "DriverStarted":
            self.policy, self.ended, self._left = body.get("policy", {}), None, False
            self._life += 1
        elif row.kind == "RequestTaken":
            if body.get("request") in self._requests:
                self.complain(f"the request {body.get('request')} is taken a second time")
            self._requests.add(body.get("request", ""))
        elif row.kind == "OptimizerRebuilt":
            if self._suggestions is not None and not body.get("exact"):
                self.complain(f"the optimizer was not rebuilt exactly: {body.get('reason')}")
        elif row.kind == "ExperimentEnded":
            self._ended(body, row.time)

    def _ended(self, body: dict[str, Any], time: float) -> None:
        reason = str(body.get("reason"))
        if self.ended is not None and reason != "user":
            self.complain(f"the experiment has ended already ({self.ended})")
        self.ended = reason
        policy, trials = self.policy, self.trials
        if reason not in REASONS:
            self.complain(f"there is no such reason: {reason}")
        if reason in ("trials", "exhausted"):
            undone = [trial.index for trial in trials if not trial.terminal]
            if undone:
                self.complain(f"the experiment ends, but trials {undone} have not ended")
        if reason == "trials" and (policy.get("trials") is None or len(trials) < policy["trials"]):
            self.complain(f"{policy.get('trials')} trials are wanted, and there are {len(trials)}")
        if reason == "time" and (policy.get("seconds") is None or time < policy["seconds"]):
            self.complain(f"its time of {policy.get('seconds')} s is not used up at {time}")
        if reason == "aborted" and not any(trial.aborts for trial in trials):
            self.complain("no trial has failed for which policy says abort")
        if reason == "failure_rate":
            done = [trial for trial in trials if trial.terminal]
            failed = sum(trial.status == "FAILED" for trial in done)
            if policy.get("failure_rate") is None or failed <= policy["failure_rate"] * len(done):
                self.complain(f"{failed} of {len(done)} failed, not more than {policy.get('failure_rate')}")

    def at_end(self) -> None:
        """Judge what the last driver left behind."""
        for trial in self.trials:
            if trial.live and not trial.detached:
                self.complain(f"trial {trial.index} is left live, and nobody said that it is detached")
            elif trial.undecided:
                self.complain(f"trial {trial.index} is left without a decision about its failed attempt")
            elif trial.terminal and trial.untold:
                self.complain(f"trial {trial.index} has ended, and the optimizer was never told")
            elif self.ended in ("trials", "exhausted") and not trial.terminal:
                self.complain(f"trial {trial.index} has not ended, but the experiment has ({self.ended})")
