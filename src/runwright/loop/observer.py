"""Sees what has become of the live attempts, and says what that means."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runwright import events as ev
from runwright.errors import ContractError, InvalidResultError
from runwright.loop.ends import by_request
from runwright.result import Failure, Result, check_objectives
from runwright.status import (
    ABANDONED,
    CANDIDATE,
    COMPLETED,
    EARLY_STOPPED,
    RUNNING,
    STAGED,
    STALE,
    FailureKind,
    TrialStatus,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runwright.experiment import Experiment
    from runwright.loop.recorder import Recorder
    from runwright.runner import Runner
    from runwright.trial import BaseTrial

_STOPPED = (ABANDONED, EARLY_STOPPED, STALE)
FETCH_TRIES = 5
"""After so many vain tries to fetch the result of an ended attempt, it is LOST."""


class Observer:
    """Polls a runner and records facts. An outage of the runner is no verdict about any trial.

    Args:
        recorder: Records what is seen.
        runner: Is asked.

    Attributes:
        outages: How many times in a row the runner could not be asked; 0 while all is well.
    """

    def __init__(self, recorder: Recorder, runner: Runner) -> None:
        self.outages = 0
        self._recorder = recorder
        self._runner = runner
        self._fetch_errors: dict[int, int] = {}
        self._metrics_seen: set[str] = set()

    def poll(self, live: Mapping[int, BaseTrial], now: float) -> bool:
        """Poll live trials, by index, and record what is found; say whether an attempt ended."""
        if not live:
            self.outages = 0
            return False
        try:
            polled = self._runner.poll_trial_status(list(live.values()))
        except Exception as error:  # noqa: BLE001  (whatever a plug-in raises)
            self._outage(f"polling failed and is tried again: {type(error).__name__}: {error}")
            return False
        outages, self.outages, ended = self.outages, 0, False
        for status, indices in polled.items():
            for index in sorted(indices) if len(indices) > 1 else indices:
                if index in live and self._take(live[index], status, now):
                    ended = True
        if self.outages:
            self.outages += outages
        return ended

    def capacity(self) -> int:
        """Return how many more attempts the runner takes; none while it cannot say."""
        try:
            return self._runner.poll_available_capacity()
        except Exception as error:  # noqa: BLE001  (whatever a plug-in raises)
            self._outage(f"asking for capacity failed and is tried again: {type(error).__name__}: {error}")
            return 0

    def _outage(self, message: str, trial: int | None = None) -> None:
        self.outages += 1
        self._recorder.note(message, trial)

    def _take(self, trial: BaseTrial, status: TrialStatus, now: float) -> bool:
        """Take in one polled status; say whether the attempt ended."""
        if status is RUNNING or status is STAGED:
            if status is not trial.status:
                self._recorder.record(ev.Polled(now, trial.index, status))
            return False
        if status is CANDIDATE:
            raise ContractError(f"{self._runner!r} polled trial {trial.index} as CANDIDATE, though it was deployed")
        try:
            result = self._runner.fetch_result(trial)
        except Exception as error:  # noqa: BLE001  (an outage of the place where results are)
            tries = self._fetch_errors[trial.index] = self._fetch_errors.get(trial.index, 0) + 1
            why = f"its result could not be fetched: {type(error).__name__}: {error}"
            if tries < FETCH_TRIES:
                self._outage(why, trial.index)
                return False
            result = Result.failed(FailureKind.LOST, why)
        if self._fetch_errors:
            self._fetch_errors.pop(trial.index, None)
        if status is COMPLETED and result.failure is None:
            result = self._checked(trial, result)
            if result.failure is None:
                self._recorder.record(ev.Finished(now, trial.index, trial.attempt, result))
                return True
        self._recorder.record(self._meaning(trial, status, result, now))
        return True

    def _meaning(self, trial: BaseTrial, status: TrialStatus, result: Result, now: float) -> ev.Event:
        """Say what the end of an attempt means that gave no result."""
        index, attempt = trial.index, trial.attempt
        asked_for = by_request(self._recorder.state, trial, result, now)
        if asked_for is not None:
            return asked_for
        failure = result.failure
        if status in _STOPPED:
            status = EARLY_STOPPED if status is EARLY_STOPPED else ABANDONED
            return ev.Stopped(now, index, attempt, status, "it was stopped from outside", result)
        if failure is None:
            failure = Failure(FailureKind.CRASHED, self._why(trial))
        return ev.Finished(now, index, attempt, replace(result, arms={}, failure=failure))

    def _why(self, trial: BaseTrial) -> str:
        """Say why an attempt failed whose result does not."""
        try:
            return self._runner.poll_exception(trial) or "it gave no reason"
        except Exception as error:  # noqa: BLE001  (whatever a plug-in raises)
            return f"it gave no reason, and asking for it failed: {type(error).__name__}: {error}"

    def _checked(self, trial: BaseTrial, result: Result) -> Result:
        """Return the result, or the failure that it is no result."""
        if not self._runner.traits.measures:
            return result
        experiment, arms = trial.experiment, trial.arms
        names = (arms[0].name,) if len(arms) == 1 else [arm.name for arm in arms]
        try:
            more = check_objectives(result, experiment.objectives, names)
            if experiment.outcome_constraints:
                _check_constrained(result, experiment)
        except InvalidResultError as error:
            return replace(result, arms={}, failure=Failure(FailureKind.INVALID_RESULT, str(error)))
        if more:
            found = {name for metrics in result.arms.values() for name in metrics}
            for name in sorted(found.difference(experiment.measured) - self._metrics_seen):
                self._metrics_seen.add(name)
                message = f"the metric {name!r} is no objective; it is kept"
                if message not in self._recorder.state.notes:  # an earlier driver has said it
                    self._recorder.note(message)
        return result


def _check_constrained(result: Result, experiment: Experiment) -> None:
    """Check that what constraints are about was measured: else nobody could say whether they are met.

    Raises:
        InvalidResultError: A sentence that names metric and constraint.
    """
    for metrics in result.arms.values():
        for constraint in experiment.outcome_constraints:
            for name in constraint.weights:
                if name not in metrics:
                    raise InvalidResultError(
                        f"the metric {name!r} is missing, which the constraint {constraint.text!r} is about"
                    )
