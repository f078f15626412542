"""What has become of a trial, in the words of submit and collect."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from runwright.status import FailureKind, TrialStatus
from runwright.submission import StatusType, TrialValue

if TYPE_CHECKING:
    from runwright.result import Json, Metrics
    from runwright.submission import Cost
    from runwright.trial import BaseTrial

_FAILED = {FailureKind.TIMEOUT: StatusType.TIMEOUT, FailureKind.MEMORYOUT: StatusType.MEMORYOUT}


def status_of(trial: BaseTrial) -> StatusType:
    """Return the status of a trial; what was stopped or failed in any other way counts as CRASHED."""
    if not trial.status.is_terminal:
        return StatusType.RUNNING
    if trial.status is TrialStatus.COMPLETED:
        return StatusType.SUCCESS
    if trial.status is not TrialStatus.FAILED or trial.failure is None:
        return StatusType.CRASHED
    return _FAILED.get(trial.failure.kind, StatusType.CRASHED)


def trial_value(trial: BaseTrial, crash_cost: Cost) -> TrialValue:
    """Return what came of a trial that has ended.

    Args:
        trial: The trial.
        crash_cost: What it costs if it did not complete and policy has no penalty for that: a translation, which is
            nowhere recorded.
    """
    status, result = status_of(trial), trial.result
    if status is StatusType.SUCCESS and result is not None:
        cost = _cost(result.metrics, list(trial.experiment.objectives))
    elif trial.penalty is not None:
        penalties = list(trial.penalty.values())
        cost = penalties if len(penalties) > 1 else penalties[0]
    else:
        cost = list(crash_cost) if isinstance(crash_cost, list) else crash_cost
    info = _info(trial, status)
    if result is None:
        return TrialValue(cost, status=status, additional_info=info)
    times = result.seconds or 0.0, result.cpu_seconds or 0.0
    return TrialValue(cost, *times, status, result.started or 0.0, result.ended or 0.0, info)


def _cost(metrics: Metrics, objectives: list[str]) -> Cost:
    """Return the means of the objectives; without objectives those of all metrics, in the order of the evaluation.

    Not a number stands for what was not measured: the runner measures nothing, and the foreign loop does.
    """
    costs = [metrics[name][0] if name in metrics else math.nan for name in objectives or metrics]
    if len(costs) > 1:
        return costs
    return costs[0] if costs else math.nan


def _info(trial: BaseTrial, status: StatusType) -> Json:
    """Return what the evaluation said, why it failed, and under ``runwright`` what is known here."""
    result = trial.result
    own: Json = {"trial": trial.index, "attempts": trial.attempt}
    info: Json = {} if result is None else dict(result.additional_info or {})
    if status is StatusType.SUCCESS:
        metrics = None if result is None else result.metrics
        if metrics:
            own["metrics"] = {name: list(measured) for name, measured in metrics.items()}
    elif trial.status is TrialStatus.FAILED and trial.failure is not None:
        own["failure"] = trial.failure.to_json()
        info.setdefault("error", trial.failure.message)
    else:
        own["status"] = trial.status.name
        info["error"] = trial.stop_requested or "it was stopped"
    return {**info, "runwright": own}
