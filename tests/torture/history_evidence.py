"""What was really evaluated, compared with what the journal tells of it."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.torture.history_trial import Attempt, Trial

    Complain = Callable[[str], None]


@dataclass
class Evaluation:
    """One evaluation that really began, by its own evidence.

    Attributes:
        trial: Index of the trial.
        attempt: Number of the attempt.
        points: What it evaluated, a point an arm; None: not known.
        began: When, by any one clock for all evidence.
        ended: When it was over, everything of it dead; None: it lives.
        known: How many rows of the journal were durable when it began; None: not known.
        known_at_end: How many were durable when it was over; None: not known.
        stop_known: How many were durable when somebody first told it to stop; None: nobody did, or not known.
        result: Arm to metric to mean, where it came to a result that outlived it; None: it did not.
        peak: Largest memory, where it is known.
        unwatched: Seconds of its life in which whoever enforces its limits could not.
        forgotten: A power cut took the rows that announced it.
        unreadable: Its result could not be fetched, by a lasting fault of the place where it is.
        budget: At which fidelity it was evaluated, where its trial has one.
    """

    trial: int
    attempt: int
    points: list[Any] | None
    began: float
    ended: float | None = None
    known: int | None = None
    known_at_end: int | None = None
    stop_known: int | None = None
    result: dict[str, dict[str, float]] | None = None
    peak: int | None = None
    unwatched: float = 0.0
    forgotten: bool = False
    unreadable: bool = False
    budget: float | None = None

    def __str__(self) -> str:
        return f"evaluation {self.trial}.{self.attempt} from {self.began:g}"


@dataclass(frozen=True)
class Limited:
    """What one evaluation may use.

    Attributes:
        timeout: Seconds.
        late: How many seconds later than its limit it may be over.
        memory: Bytes beyond which it has no result.
    """

    timeout: float | None = None
    late: float = 0.0
    memory: int | None = None


def compare(
    trials: list[Trial],
    evidence: list[Evaluation],
    capacity: int | Sequence[tuple[float, int]] | None,
    limits: Limited | None,
    complain: Complain,
    *,
    final: bool,
) -> None:
    """Compare the evidence with the journal, and complain."""
    by_trial: dict[int, list[Evaluation]] = defaultdict(list)
    for evaluation in evidence:
        by_trial[evaluation.trial].append(evaluation)
        if not evaluation.forgotten:
            _one(trials, evaluation, limits, complain, final=final)
        if limits is not None:
            _limits(evaluation, limits, complain)
    for of_trial in by_trial.values():
        _no_double(of_trial, complain)
    for trial in trials:
        _results(trial, by_trial.get(trial.index, []), complain, evidence=bool(evidence))
    if capacity is not None:
        _capacity(evidence, [(-math.inf, capacity)] if isinstance(capacity, int) else list(capacity), complain)


def _one(
    trials: list[Trial], evaluation: Evaluation, limits: Limited | None, complain: Complain, *, final: bool
) -> None:
    """Compare one evaluation with its attempt."""
    attempts = trials[evaluation.trial].attempts if evaluation.trial < len(trials) else []
    attempt = attempts[evaluation.attempt - 1] if 0 < evaluation.attempt <= len(attempts) else None
    if attempt is None:
        complain(f"{evaluation}: no row announces it")
        return
    points = trials[evaluation.trial].points
    if evaluation.points is not None and evaluation.points != points:
        complain(f"{evaluation} had the points {evaluation.points}; its trial has {points}")
    if evaluation.points is not None and evaluation.budget != trials[evaluation.trial].budget:
        complain(f"{evaluation} had the budget {evaluation.budget}; its trial has {trials[evaluation.trial].budget}")
    if evaluation.known is not None and evaluation.known < attempt.announced:
        complain(f"{evaluation} began before row {attempt.announced}, which announces it, was durable")
    if evaluation.stop_known is not None and not 0 < attempt.stop_row <= evaluation.stop_known:
        complain(f"{evaluation} was stopped before any row that announces the stop was durable")
    if attempt.end is not None:
        if evaluation.ended is None:
            complain(f"{evaluation} lives, though row {attempt.end_row} records its end ({attempt.end})")
        elif evaluation.known_at_end is not None and evaluation.known_at_end >= attempt.end_row:
            complain(f"{evaluation} lived on when row {attempt.end_row} recorded its end ({attempt.end})")
    elif final and evaluation.ended is not None and not trials[evaluation.trial].detached:
        complain(f"{evaluation} is over, and no row records it")
    if evaluation.result is not None and attempt.end not in (None, "COMPLETED") and not evaluation.unreadable:
        complain(f"{evaluation} came to a result, which is lost: row {attempt.end_row} records {attempt.end}")
    memory = math.inf if limits is None or limits.memory is None else limits.memory
    if (evaluation.peak or 0) > memory and attempt.end == "COMPLETED":
        complain(f"{evaluation} held {evaluation.peak} bytes, more than its limit, and has a result")


def _limits(evaluation: Evaluation, limits: Limited, complain: Complain) -> None:
    if limits.timeout is None or evaluation.ended is None:
        return
    watched = evaluation.ended - evaluation.began - evaluation.unwatched
    if watched > limits.timeout + limits.late + 1e-9:
        complain(f"{evaluation} lived for {watched:g} s; its limit is {limits.timeout:g} s and {limits.late:g}")


def _no_double(evaluations: list[Evaluation], complain: Complain) -> None:
    """Never two live evaluations of a trial, and an attempt is evaluated once."""
    seen: set[int] = set()
    until, other = -math.inf, None
    for evaluation in sorted(evaluations, key=lambda each: each.began):
        if not evaluation.forgotten:
            if evaluation.attempt in seen:
                complain(f"{evaluation}: this attempt was evaluated before")
            seen.add(evaluation.attempt)
        if evaluation.began < until:
            complain(f"{evaluation} began while {other} lived")
        end = math.inf if evaluation.ended is None else evaluation.ended
        if end > until:
            until, other = end, evaluation


def _results(trial: Trial, evaluations: list[Evaluation], complain: Complain, *, evidence: bool) -> None:
    """One result a trial: what the evaluation gave; and no evaluation after it."""
    completed: list[Attempt] = [attempt for attempt in trial.attempts if attempt.end == "COMPLETED"]
    if len(completed) > 1:
        complain(f"trial {trial.index} has {len(completed)} results")
    if not completed or not evidence:
        return
    done = completed[-1]
    means = {arm: {name: mean for name, (mean, _) in metrics.items()} for arm, metrics in done.arms.items()}
    given = [e.result for e in evaluations if e.attempt == done.number and not e.forgotten]
    if means not in given:
        complain(f"trial {trial.index} has the result {means}; its evaluation gave {given}")
    for evaluation in evaluations:
        if evaluation.attempt > done.number and not evaluation.forgotten:
            complain(f"{evaluation} began although the trial had a result")
        elif evaluation.known is not None and not evaluation.forgotten and evaluation.known >= done.end_row:
            complain(f"{evaluation} began after row {done.end_row}, the result of its trial, was durable")


def _capacity(evidence: list[Evaluation], capacity: list[tuple[float, int]], complain: Complain) -> None:
    """Whenever an evaluation begins there is a slot for it."""
    moments = sorted(
        [(evaluation.began, 1, evaluation) for evaluation in evidence]
        + [(evaluation.ended, 0, evaluation) for evaluation in evidence if evaluation.ended is not None],
        key=lambda moment: moment[:2],
    )
    alive = 0
    for time, begins, evaluation in moments:
        if evaluation.ended == evaluation.began:
            continue  # it held its slot for no time
        alive += 1 if begins else -1
        most = [count for since, count in capacity if since <= time][-1]
        if begins and alive > most:
            complain(f"{evaluation} is the {alive}th at once, and there are {most} slots")
