"""A runner that runs nothing: for foreign loops that measure by themselves, and for trying a loop out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runwright.result import Result
from runwright.runner import Ended, Runner, Traits
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runwright.runner import Reattachment
    from runwright.trial import BaseTrial


class SyntheticRunner(Runner):
    """Only makes a name: a trial is completed as soon as it is polled, and nothing is measured.

    `Scheduler` refuses it, because an experiment has objectives; `TrialQueue` and the bridges take it. Whatever it says
    follows from the trial alone, so that any later driver goes on where the last one ended.

    Args:
        dummy_metadata: Becomes part of each trial's run metadata, unless it is None or empty.
    """

    traits = Traits(survives_driver=True, stops=True, batches=True, measures=False)

    def __init__(self, dummy_metadata: str | None = None) -> None:
        self.dummy_metadata = dummy_metadata
        self._stopped: dict[int, tuple[str, int]] = {}

    def run(self, trial: BaseTrial) -> dict[str, Any]:
        """Make a name.

        Args:
            trial: The trial to deploy.

        Returns:
            ``{"name": "<experiment>_<index>"}``, with ``"dummy_metadata"`` where there are any.
        """
        metadata = {"name": f"{trial.experiment.name}_{trial.index}"}
        if self.dummy_metadata:
            metadata["dummy_metadata"] = self.dummy_metadata
        return metadata

    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        """Say COMPLETED of every trial, and ABANDONED of one that was stopped.

        Args:
            trials: Trials to poll.
        """
        found: dict[TrialStatus, set[int]] = {}
        for trial in trials:
            stopped = self._stopped.get(trial.index) == (trial.experiment.name, trial.attempt)
            status = TrialStatus.ABANDONED if stopped else TrialStatus.COMPLETED
            found.setdefault(status, set()).add(trial.index)
        return found

    def fetch_result(self, trial: BaseTrial) -> Result:  # noqa: ARG002  (it is the same of every trial)
        """Return a result without measurements."""
        return Result()

    def stop(self, trial: BaseTrial, reason: str | None = None) -> dict[str, Any]:
        """Remember that the trial's current attempt was stopped.

        Args:
            trial: The trial to stop.
            reason: Why.

        Returns:
            ``{"reason": reason}``, or ``{}`` without a reason.
        """
        self._stopped[trial.index] = (trial.experiment.name, trial.attempt)
        return {} if reason is None else {"reason": reason}

    def reattach(self, trials: Sequence[BaseTrial]) -> dict[int, Reattachment]:
        """Say of every attempt that it has ended: there is nothing that could have been lost."""
        return {trial.index: Ended(trial.run_metadata or self.run(trial)) for trial in trials}

    def close(self) -> None:
        """Forget what was stopped."""
        self._stopped.clear()

    @property
    def run_metadata_report_keys(self) -> list[str]:
        """Keys of the run metadata that are worth a report."""
        return ["name"]
