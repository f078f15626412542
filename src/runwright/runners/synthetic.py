"""A runner that runs nothing: for foreign loops that measure by themselves, and for trying a loop out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runwright.result import Result
from runwright.runner import Ended, NeverStarted, Traits
from runwright.runners.inline import InlineRunner
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runwright.result import Json
    from runwright.runner import Reattachment
    from runwright.trial import BaseTrial


class SyntheticRunner(InlineRunner):
    """Only makes a name: a trial is completed as soon as it is polled, and nothing is measured.

    `Scheduler` refuses it, because an experiment has objectives; `TrialQueue` and the bridges take it. What it says of
    a trial follows from the trial alone, so that any later driver goes on where the last one ended.

    Args:
        dummy_metadata: Becomes part of each trial's run metadata, unless it is None or empty.
    """

    traits = Traits(survives_driver=True, batches=True, measures=False)

    def __init__(self, dummy_metadata: str | None = None) -> None:
        super().__init__()
        self.dummy_metadata = dummy_metadata

    def run(self, trial: BaseTrial) -> dict[str, Any]:
        """Make a name.

        Args:
            trial: The trial to deploy.

        Returns:
            ``{"name": "<experiment>_<index>"}``, with ``"dummy_metadata"`` where there are any.

        Raises:
            SubmitError: The same attempt was run with other parameters.
        """
        return super().run(trial)

    def evaluate(self, trial: BaseTrial) -> tuple[Result, Json]:
        """Make a name."""
        metadata = {"name": f"{trial.experiment.name}_{trial.index}"}
        if self.dummy_metadata:
            metadata["dummy_metadata"] = self.dummy_metadata
        return Result(), metadata

    def recall(self, trial: BaseTrial) -> Result:  # noqa: ARG002  (it is the same of every trial)
        """Return a result without measurements."""
        return Result()

    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        """Say COMPLETED of every trial.

        Args:
            trials: Trials to poll.
        """
        polled = {trial.index for trial in trials}
        for index in polled:
            self._news.pop(index, None)
        return {TrialStatus.COMPLETED: polled} if polled else {}

    def reattach(self, trials: Sequence[BaseTrial]) -> dict[int, Reattachment]:
        """Say of an attempt that was run that it has ended: there is nothing that could have been lost."""
        return {trial.index: Ended(trial.run_metadata) if trial.run_metadata else NeverStarted() for trial in trials}

    @property
    def run_metadata_report_keys(self) -> list[str]:
        """Keys of the run metadata that are worth a report."""
        return ["name"]
