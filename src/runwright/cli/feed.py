"""News of a run as lines: one an ended trial while they are slow, one for many when they are fast."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from runwright.cli.terminal import brief, duration, measured, plural, printable
from runwright.report import Incumbents, target_of
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runwright.events import Event
    from runwright.state import State
    from runwright.trial import BaseTrial

FEW = 3
"""Lines a second."""
_LONGEST_PAUSE = 10.0
_LONGEST_MESSAGE = 160


class Feed:
    """Collects news and says when which lines are due.

    Args:
        state: The experiment as it stands when the feed begins.
        everything: Whether completed trials are news too, not only what went wrong.
    """

    def __init__(self, state: State, *, everything: bool) -> None:
        self._everything = everything
        self._lines: list[str] = []
        self._left_out: Counter[tuple[str, str]] = Counter()
        self._ended: list[tuple[int, int, bool]] = []
        self._count = state.ended
        self._due = 0.0
        self._pause = 0.0
        self.incumbents = Incumbents.of(state.experiment)
        for trial in state.trials:
            self.incumbents.take(trial)

    def take(self, state: State, events: Iterable[Event]) -> None:
        """Take in what was recorded.

        Args:
            state: The experiment after the events.
            events: What is new.
        """
        for event in events:
            kind = event.kind
            if kind in ("GaveUp", "Stopped") or (kind == "Finished" and event.result.failure is None):  # type: ignore[union-attr]  # its kind is known
                assert event.trial is not None, "these events are about a trial"
                trial = state.trials[event.trial]
                self._count += 1
                best = self.incumbents.take(trial)
                if self._everything or trial.status is TrialStatus.FAILED:
                    self._ended.append((self._count, trial.index, best))
            elif kind == "Rerun":
                self._count -= 1
            elif kind in _NEWS:
                line = _NEWS[kind](event, state)
                if line and len(self._lines) < FEW:
                    self._lines.append(line)
                elif line:
                    self._left_out[_MORE[kind]] += 1

    def due(self, state: State, now: float, *, last: bool = False) -> list[str]:
        """Return the lines that are due; empty while it is too early.

        Args:
            state: The experiment.
            now: Seconds of the monotonic clock.
            last: Whether all must come out now.
        """
        if not (self._ended or self._lines) or (now < self._due and not last):
            return []
        lines, self._lines = self._lines, []
        lines += [f"and {plural(count, what)}; {where}" for (what, where), count in self._left_out.items()]
        self._left_out.clear()
        ended = [entry for entry in self._ended if state.trials[entry[1]].status.is_terminal]  # not run again meanwhile
        self._ended = []
        if len(ended) <= FEW:
            lines += [self._one(state, count, index, best=best) for count, index, best in ended]
            self._pause = len(lines) / FEW
        else:
            lines += self._many(state, [state.trials[index] for _, index, _ in ended])
            self._pause = min(_LONGEST_PAUSE, max(1.0, 1.5 * self._pause))
        self._due = now + self._pause
        return lines

    def _one(self, state: State, count: int, index: int, *, best: bool) -> str:
        trial = state.trials[index]
        return f"{_position(state, count)} {_ending(state, trial)}" + (self._praise(state) if best else "")

    def _praise(self, state: State) -> str:
        several = state.experiment is not None and len(state.experiment.objectives) > 1
        return " (on the front)" if several else " (best)"

    def _many(self, state: State, trials: Sequence[BaseTrial]) -> list[str]:
        counts = Counter(trial.status.name.lower().replace("_", " ") for trial in trials)
        told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        position = _position(state, self._count)
        lines = [f"{position} {told}{self._best(state)}"]
        failed = next((trial for trial in trials if trial.status is TrialStatus.FAILED), None)
        if failed is not None:
            lines.append(f"{position} {_ending(state, failed)}")
        return lines

    def _best(self, state: State) -> str:
        best = self.incumbents.best
        if best is None or state.experiment is None:
            return ""
        (objective,) = state.experiment.objectives
        return f"; best {printable(objective)} = {measured(best.metrics[objective])} ({best.whose})"


def _position(state: State, count: int) -> str:
    target = target_of(state)
    if target is None:
        return f"[{count:,}]"
    total = f"{target:,}"
    return f"[{f'{count:,}':>{len(total)}}/{total}]"


def _ending(state: State, trial: BaseTrial) -> str:
    result = trial.result
    took = "" if result is None or result.seconds is None else f" in {duration(result.seconds)}"
    if trial.status is TrialStatus.COMPLETED and result is not None:
        objectives = {} if state.experiment is None else state.experiment.objectives
        values = ", ".join(
            f"{printable(name)} = {measured(metrics[name])}"
            for metrics in list(result.arms.values())[:FEW]
            for name in list(objectives)[:FEW]
            if name in metrics
        )
        return f"trial {trial.index} completed{took}: {values}"
    if trial.failure is not None and trial.status is TrialStatus.FAILED:
        message = brief(trial.failure.message, _LONGEST_MESSAGE)
        return f"trial {trial.index} failed{took}: {trial.failure.kind.value}: {message}"
    why = f": {brief(trial.stop_requested, _LONGEST_MESSAGE)}" if trial.stop_requested else ""
    return f"trial {trial.index} {trial.status.name.lower().replace('_', ' ')}{why}"


def _retried(event: Event, state: State) -> str:
    assert event.trial is not None, "a retry is about a trial"
    attempt = state.trials[event.trial].attempts[-1]
    failure = attempt.failure
    why = "" if failure is None else f": {failure.kind.value}: {brief(failure.message, _LONGEST_MESSAGE)}"
    wait = event.not_before - event.time  # type: ignore[union-attr]  # called for RetryPlanned alone
    when = f" in {duration(wait)}" if wait > 0 else ""
    which = f" (retry {event.retry} of {event.retries})" if event.retry else ""  # type: ignore[union-attr]
    return f"trial {event.trial}, attempt {attempt.number} failed and is tried again{when}{which}{why}"


def _refused(event: Event, _: State) -> str:
    refused = event.refused  # type: ignore[union-attr]  # called for RequestTaken alone
    return "" if refused is None else f"a request was refused: {brief(refused, _LONGEST_MESSAGE)}"


def _rebuilt(event: Event, _: State) -> str:
    if event.exact:  # type: ignore[union-attr]  # called for OptimizerRebuilt alone
        return ""
    return f"the optimizer was rebuilt, not exactly: {brief(event.reason, _LONGEST_MESSAGE)}"  # type: ignore[union-attr]


def _noted(event: Event, _: State) -> str:
    return brief(event.message, _LONGEST_MESSAGE)  # type: ignore[union-attr]  # called for Noted alone


_NEWS = {"RetryPlanned": _retried, "RequestTaken": _refused, "OptimizerRebuilt": _rebuilt, "Noted": _noted}
_NOTES = ("more note", "`runwright status --json` has all notes")
_MORE = {
    "RetryPlanned": ("more retried attempt", "`runwright status` counts them"),
    "RequestTaken": ("more refused request", "the story of a trial has those about it"),
    "OptimizerRebuilt": _NOTES,
    "Noted": _NOTES,
}
