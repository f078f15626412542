"""A trial as the hooks of a wrapper see it: what they mark are proposals, and the poll returns them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runwright.errors import InvalidResultError, UsageError
from runwright.status import FailureKind, TrialStatus

if TYPE_CHECKING:
    from pathlib import Path

    from runwright.experiment import Experiment
    from runwright.result import Json
    from runwright.trial import Arm, BaseTrial

_GOES_ON = (TrialStatus.RUNNING, TrialStatus.STAGED)


def status_of(value: object) -> TrialStatus:
    """Return a status that somebody wrote: a status, its Ax integer, or its name in any case.

    Raises:
        InvalidResultError: There is no such status.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # some languages write every text as a list
    name = getattr(value, "name", value)  # an enum of another library has the same names
    try:
        if isinstance(name, str):
            text = name.strip().upper()
            return TrialStatus(int(text)) if text.isdigit() else TrialStatus[text]
        if isinstance(name, int) and not isinstance(name, bool):
            return TrialStatus(name)
        if isinstance(name, float) and name.is_integer():
            return TrialStatus(int(name))
    except (KeyError, ValueError):
        pass  # said below
    known = ", ".join(f"{status.name} ({status.value})" for status in TrialStatus)
    raise InvalidResultError(f"{name!r:.60} is no status of a trial; known are {known}")


class TrialView:
    """A trial, seen by a wrapper. It has the attributes of the trial; marking it proposes a status.

    Args:
        trial: The trial.
        folder: Folder of its attempt, or None where there is none.

    Attributes:
        trial_dir: Folder of its attempt.
        proposal: The status that was proposed last, or None.
        reason: Why, where somebody said so.
        kind: What kind of failure was proposed.
        seconds: How long the evaluation took, where it says so itself.
    """

    def __init__(self, trial: BaseTrial, folder: Path | None = None) -> None:
        self._trial = trial
        self._metadata: Json = {}
        self.trial_dir = folder
        self.proposal: TrialStatus | None = None
        self.reason: str | None = None
        self.kind = FailureKind.CRASHED
        self.seconds: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trial, name)

    def __repr__(self) -> str:
        return f"TrialView({self._trial!r}, proposal={self.proposal!r})"

    @property
    def index(self) -> int:
        """Number of the trial."""
        return self._trial.index

    @property
    def experiment(self) -> Experiment:
        """The experiment."""
        return self._trial.experiment

    @property
    def arm(self) -> Arm:
        """The sole arm."""
        return self._trial.arms[0]

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the sole arm; a copy."""
        return dict(self._trial.arms[0].parameters)

    @property
    def run_metadata(self) -> Json:
        """What the runner said of the attempt, and what the wrapper added to this view."""
        return {**self._trial.run_metadata, **self._metadata}

    def update_run_metadata(self, metadata: Json) -> None:
        """Remember something between the hooks of an attempt."""
        self._metadata.update(metadata)

    @property
    def status(self) -> TrialStatus:
        """What was proposed; RUNNING before."""
        return TrialStatus.RUNNING if self.proposal is None else self.proposal

    def to_json(self) -> Json:
        """Return the trial as JSON, under the names that BOA's scripts know and under ours."""
        arm = {"name": self.arm.name, "parameters": self.parameters}
        trial = self._trial
        return {
            "__type": "Trial",
            "index": trial.index,
            "status": TrialStatus.RUNNING.name,
            "arm": arm,
            "arms": [arm],
            "generator_run": {"arms": [arm]},
            "experiment": trial.experiment.name,
            "trial": trial.index,
            "attempt": trial.attempt,
            "instance": trial.instance,
            "budget": trial.budget,
            "seed": trial.seed,
        }

    @property
    def ended(self) -> bool:
        """Whether an end was proposed."""
        return self.proposal is not None and self.proposal not in _GOES_ON

    def mark_as(self, status: object, unsafe: bool = False, **kwargs: Any) -> TrialView:  # noqa: ARG002  (Ax has it)
        """Propose a status.

        Args:
            status: The status, its Ax integer, or its name in any case.
            unsafe: Not needed here; Ax has it.
            **kwargs: ``reason``: why.

        Raises:
            InvalidResultError: There is no such status.
            UsageError: It is CANDIDATE, which a trial that was deployed cannot be.
        """
        found = status_of(status)
        if found is TrialStatus.CANDIDATE:
            raise UsageError(f"trial {self.index} was deployed and cannot be marked as a candidate")
        self.proposal = found
        self.reason = kwargs.get("reason")
        return self

    def mark_completed(self, unsafe: bool = False) -> TrialView:
        """Propose COMPLETED: `BaseWrapper.fetch_trial_data` is asked next."""
        return self.mark_as(TrialStatus.COMPLETED, unsafe)

    def mark_failed(
        self, reason: str | None = None, unsafe: bool = False, *, kind: FailureKind = FailureKind.CRASHED
    ) -> TrialView:
        """Propose FAILED.

        Args:
            reason: Why, in a sentence.
            unsafe: Not needed here; Ax has it.
            kind: What kind of failure it is.
        """
        self.kind = kind
        return self.mark_as(TrialStatus.FAILED, unsafe, reason=reason)

    def mark_abandoned(self, reason: str | None = None, unsafe: bool = False) -> TrialView:
        """Propose ABANDONED."""
        return self.mark_as(TrialStatus.ABANDONED, unsafe, reason=reason)

    def mark_early_stopped(self, unsafe: bool = False) -> TrialView:
        """Propose EARLY_STOPPED."""
        return self.mark_as(TrialStatus.EARLY_STOPPED, unsafe)

    def mark_running(self, no_runner_required: bool = False, unsafe: bool = False) -> TrialView:  # noqa: ARG002
        """Propose RUNNING, which it is without saying."""
        return self.mark_as(TrialStatus.RUNNING, unsafe)

    def mark_staged(self, unsafe: bool = False) -> TrialView:
        """Propose STAGED: it waits in a queue."""
        return self.mark_as(TrialStatus.STAGED, unsafe)
