"""What was tried again, and what will be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runwright.status import TrialStatus

if TYPE_CHECKING:
    from runwright.result import Json
    from runwright.state import State


@dataclass(frozen=True, slots=True)
class WaitingTrial:
    """A trial whose last attempt failed and that is tried again.

    Attributes:
        trial: Its index.
        attempt: Number of the attempt that failed.
        kind: How it failed.
        message: What it said.
        not_before: When the next attempt may begin, in seconds of the epoch; None where only a free slot is missing.
        seconds: How long that is from now, if a driver lives; None likewise.
    """

    trial: int
    attempt: int
    kind: str
    message: str
    not_before: float | None
    seconds: float | None

    def to_json(self) -> Json:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}


def retried(state: State) -> dict[str, int]:
    """Count the failed attempts that were followed by another, by kind, the most frequent first; looks through all."""
    count: Counter[str] = Counter()
    for trial in state.trials:
        failures = [attempt.failure for attempt in trial.attempts if attempt.failure is not None]
        given_up = trial.status is TrialStatus.FAILED or trial.index in state.undecided
        count.update(failure.kind.value for failure in failures[: len(failures) - given_up])
    return dict(count.most_common())


def waiting(state: State, now: float) -> list[WaitingTrial]:
    """Return the trials that wait for another attempt: those that only miss a slot, then by the time of it.

    Args:
        state: The experiment.
        now: Time of the experiment.
    """
    found: list[WaitingTrial] = []
    for not_before, index in [*((None, index) for index in state.ready), *state.delayed]:
        last = state.trials[index].attempts[-1:]
        if not last or last[0].failure is None:
            continue  # new, or interrupted
        epoch = None if not_before is None else state.epoch_of(not_before)
        seconds = None if not_before is None else max(0.0, not_before - now)
        failure = last[0].failure
        found.append(WaitingTrial(index, last[0].number, failure.kind.value, failure.message, epoch, seconds))
    return found
