"""What an optimizer must know to go on: its history, drawn from the same events as everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright.garbage import WHILE_FOLDING, rarer_collections
from runwright.optimizer import Asked, Attached, HistoryItem, Observation, Suggestion
from runwright.status import COMPLETED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runwright import events as ev
    from runwright.state import State
    from runwright.trial import BaseTrial


def observation(trial: BaseTrial) -> Observation:
    """Say to an optimizer how a trial ended."""
    result, status, arms = trial.result, trial.status, trial.arms
    sole, metrics = len(arms) == 1, None
    if result is not None and sole and status is COMPLETED:
        metrics = result.arms.get(arms[0].name)
    return Observation(
        trial.index,
        arms[0].parameters,
        status,
        metrics or {},
        None if result is None else result.failure,
        trial.instance,
        trial.budget,
        trial.seed,
        trial.penalty if sole else None,
    )


def fold(state: State, events: Iterable[ev.Event], *, history: bool) -> list[HistoryItem]:
    """Fold recorded events into a state and collect the optimizer's history on the way.

    Args:
        state: A new state.
        events: The recorded events.
        history: Whether the history is wanted; without it the result is empty.
    """
    found: list[HistoryItem] = []
    with rarer_collections(WHILE_FOLDING):
        for event in events:
            state.apply(event)
            if not history:
                continue
            if event.kind == "Told":
                assert event.trial is not None, "Told is about a trial"
                found.append(observation(state.trials[event.trial]))
            elif event.kind == "TrialAsked":
                suggestion = Suggestion(event.points[0], event.instance, event.budget, event.seed)  # type: ignore[union-attr]
                item = Asked if event.source == "optimizer" else Attached  # type: ignore[union-attr]
                found.append(item(event.trial, suggestion))  # type: ignore[arg-type]
    return found
