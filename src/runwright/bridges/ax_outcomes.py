"""What came of Ax's trials: results, reasons and reports, read of the trials of ours that executed them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runwright.bridges.ax_progress import reports
from runwright.bridges.ax_request import Request
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runwright.bridges.ax_following import Following
    from runwright.bridges.ax_known import Known
    from runwright.bridges.ax_progress import Report
    from runwright.bridges.ax_request import ForeignTrial
    from runwright.result import Result
    from runwright.runner import Runner
    from runwright.state import State
    from runwright.trial import BaseTrial


class Outcomes:
    """Answers for the trials that were deployed.

    Args:
        runner: Executes them.
        directory: Run directory, or None.
        known: Which trial of ours is which of Ax's.
        following: Which of them were handed in.

    Attributes:
        state: Our trials; None before the first.
    """

    def __init__(self, runner: Runner, directory: Path | None, known: Known, following: Following) -> None:
        self.state: State | None = None
        self._runner = runner
        self._directory = directory
        self._known = known
        self._following = following

    def trial(self, index: int) -> BaseTrial | None:
        """Return our trial of a trial of Ax's; None where it was not deployed here."""
        own = self._known.own(index)
        return None if own is None or self.state is None else self.state.trials[own]

    def handed_in(self, trial: ForeignTrial) -> BaseTrial | None:
        """Return our trial of a trial of Ax's, where this very object was handed in or asked after here; else None."""
        own = self._known.own(trial.index)
        if own is None or self.state is None or not self._following.is_same(own, trial):
            return None
        return self.state.trials[own]

    def recorded(self, trial: ForeignTrial) -> BaseTrial | None:
        """Return our trial of a trial of Ax's, where what is known under its index has its points; else None."""
        own = self.trial(trial.index)
        return None if own is None or self._known.key(own.index) != Request.of(trial).key else own

    def result(self, own: BaseTrial, trial: ForeignTrial, arms: Sequence[str] | None = None) -> Result | None:
        """Return the result of a trial of ours, its arms by Ax's names; None where there is none.

        Args:
            own: Our trial.
            trial: Ax's.
            arms: Names of its arms, where the caller has them.
        """
        if own.result is None:
            return None
        result, theirs = own.result, [arm.name for arm in trial.arms] if arms is None else arms
        ours = [arm.name for arm in own.arms]
        if ours == theirs:
            return result
        names = dict(zip(ours, theirs, strict=True))
        return replace(result, arms={names[name]: metrics for name, metrics in result.arms.items() if name in names})

    def reason(self, index: int) -> str:
        """Return why a trial failed or was stopped, in a sentence that names its log; empty where it did not."""
        trial = self.trial(index)
        if trial is None:
            return f"runwright knows nothing of trial {index}: it was not deployed by this runner"
        failure = trial.failure
        if trial.status is TrialStatus.FAILED and failure is not None:
            where = "" if failure.log is None else f" (log: {self._path(failure.log)})"
            return failure.message + where
        return trial.stop_requested or ""

    def _path(self, log: str) -> str:
        return log if self._directory is None else str(self._directory / log)

    def progress(self, index: int) -> list[Report]:
        """Return what a trial has reported so far, by step."""
        trial = self.trial(index)
        return [] if trial is None else reports(self._runner, trial, self._directory)
