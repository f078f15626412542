"""Everything that a state knows, as plain values: two states that know the same have equal facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runwright.state import State
    from runwright.trial import BaseTrial

_OF_STATE = (
    "definition",
    "policy",
    "drivers",
    "ready",
    "delayed",
    "staged",
    "running",
    "stopping",
    "undecided",
    "untold",
    "counts",
    "ended",
    "asked_of_optimizer",
    "stop_reason",
    "stop_message",
    "last_time",
    "requests",
    "detached",
    "notes",
)
_OF_TRIAL = (
    "index",
    "status",
    "source",
    "instance",
    "budget",
    "seed",
    "attempt",
    "attempts",
    "run_metadata",
    "stop_requested",
    "digest",
)


def facts(state: State) -> dict[str, Any]:
    """Return what a state knows; the order of ordered sets counts."""
    told = {name: _plain(getattr(state, name)) for name in _OF_STATE}
    told["trials"] = [_of_trial(trial) for trial in state.trials]
    return told


def _of_trial(trial: BaseTrial) -> dict[str, Any]:
    told = {name: getattr(trial, name) for name in _OF_TRIAL}
    told["kind"] = type(trial).__name__
    told["arms"] = [(arm.name, dict(arm.parameters)) for arm in trial.arms]
    told["result"] = None if trial.result is None else repr(trial.result)
    return told


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return list(value.items())
    return value.copy() if isinstance(value, (list, set)) else value
