"""What the end of an attempt means that was asked to stop: the cause says it, not the way in which it ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runwright import events as ev
from runwright.result import Failure, Result
from runwright.status import FailureKind, StopCause, TrialStatus

if TYPE_CHECKING:
    from runwright.state import State
    from runwright.trial import BaseTrial


def by_request(
    state: State, trial: BaseTrial, result: Result, now: float
) -> ev.Finished | ev.Interrupted | ev.Stopped | None:
    """Say what it means that an attempt ended without a result: None where nobody asked it to stop.

    Args:
        state: The experiment.
        trial: Its trial, live so far.
        result: What is known of its end: that it failed, was lost, or never began.
        now: Time of the experiment.
    """
    cause = state.stopping.get(trial.index)
    if cause is None:
        return None
    index, attempt, reason = trial.index, trial.attempt, trial.stop_requested or "it was stopped"
    if cause is StopCause.INTERRUPT:
        if result.failure is not None and result.failure.may_live:
            return None  # repeated, it could be evaluated twice: it is lost, and the rule for that decides
        return ev.Interrupted(now, index, attempt, reason)
    if cause is StopCause.TIMEOUT:
        log = (result.additional_info or {}).get("log") if result.failure is None else result.failure.log
        failure = Failure(FailureKind.TIMEOUT, reason, log if isinstance(log, str) else None)
        return ev.Finished(now, index, attempt, replace(result, arms={}, failure=failure))
    status = TrialStatus.EARLY_STOPPED if cause is StopCause.EARLY else TrialStatus.ABANDONED
    return ev.Stopped(now, index, attempt, status, reason, result)
