"""What is known of the attempts of wrapped jobs: those that are followed, those that are over, those on disk."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.clock import epoch, monotonic
from runwright.errors import SubmitError
from runwright.process.adoption import Absent, Adopted
from runwright.result import Result
from runwright.runner import Ended, Following, Lost
from runwright.runners import wrapped_job
from runwright.runners.wrapped_hooks import LOOKING, RUNNING, Journey
from runwright.status import TrialStatus
from runwright.wrappers.layout import get_trial_dir, link_trial
from runwright.wrappers.view import TrialView

if TYPE_CHECKING:
    from runwright.process.attempt import Place
    from runwright.process.attempts import Attempts
    from runwright.result import Json
    from runwright.runner import Reattachment
    from runwright.runners.wrapped_job import WrappedDeployments
    from runwright.trial import BaseTrial

_REMEMBERED = 256
_DIED = "it ended with the driver that ran it"
_UNKNOWN_START = (
    "the driver died while run_model was at work, and whether it has started something is not known; "
    "return a job from run_model, or set survives_driver = False if nothing of it outlives the driver"
)


class Known:
    """The attempts of a runner.

    Args:
        wrapper: The wrapper.
        attempts: Supervised attempts; None without a run directory.
        deployments: How they are prepared; None without a run directory.

    Attributes:
        journeys: Attempts that have not ended, by trial.
        news: Trials whose attempt has ended, until a poll has said so.
    """

    def __init__(self, wrapper: Any, attempts: Attempts | None, deployments: WrappedDeployments | None) -> None:
        self.wrapper = wrapper
        self.attempts = attempts
        self.deployments = deployments
        self.journeys: dict[int, Journey] = {}
        self.news: set[int] = set()
        self._over: dict[int, tuple[int, TrialStatus, Result]] = {}

    # Followed.

    def get(self, trial: BaseTrial) -> Journey | None:
        """Return the current attempt of a trial where it is followed."""
        journey = self.journeys.get(trial.index)
        return journey if journey is not None and journey.attempt == trial.attempt else None

    def find(self, trial: BaseTrial) -> Journey | None:
        """Return the current attempt of a trial, followed from now on; None where it has ended, or is not known."""
        journey = self.get(trial)
        if journey is not None or self.attempts is None or self.over(trial) is not None:
            return journey
        if self._of_hooks(trial) is None and self._begun(trial):
            return self.follow(trial, RUNNING, {})
        return self.get(trial)

    def follow(self, trial: BaseTrial, stage: str, metadata: Json) -> Journey:
        """Follow an attempt.

        Raises:
            UsageError: Its place in the experiment folder is taken by something else.
            OSError: That folder cannot be written.
        """
        place = None if self.deployments is None else self.deployments.place(trial)
        folder = None if place is None else Path(place.folder)
        experiment_dir = getattr(self.wrapper, "experiment_dir", None)
        if experiment_dir is not None and folder is not None:
            link_trial(Path(experiment_dir), trial.index, folder)
        elif experiment_dir is not None:
            folder = get_trial_dir(experiment_dir, trial.index)
            folder.mkdir(parents=True, exist_ok=True)
        metadata = {**_metadata(trial, place), **metadata}
        journey = Journey(trial, trial.attempt, TrialView(trial, folder), place, metadata, stage, epoch())
        self.journeys[trial.index] = journey
        self.news.discard(trial.index)
        self._over.pop(trial.index, None)
        return journey

    # Over.

    def over(self, trial: BaseTrial) -> tuple[TrialStatus, Result] | None:
        """Return what came of the current attempt of a trial, where that is remembered."""
        known = self._over.get(trial.index)
        return None if known is None or known[0] != trial.attempt else (known[1], known[2])

    def end(self, journey: Journey, status: TrialStatus, result: Result) -> None:
        """Note the end of an attempt."""
        if journey.place is not None and wrapped_job.noted(journey.place) is not None:
            # Nobody else has it: the wrapper may have measured in memory. A full disk must not cost the result, which
            # the journal gets next.
            with suppress(OSError):
                wrapped_job.note(journey.place, wrapped_job.OVER, status=int(status), result=result.to_json())
        self.journeys.pop(journey.trial.index, None)
        self.news.add(journey.trial.index)
        self._remember(journey.trial.index, journey.attempt, status, result)

    def _remember(self, index: int, attempt: int, status: TrialStatus, result: Result) -> None:
        if len(self._over) >= _REMEMBERED and self.attempts is not None:
            read = next((other for other in self._over if other not in self.news), None)
            if read is not None:
                del self._over[read]  # it is on disk
        self._over[index] = (attempt, status, result)

    # On disk.

    def existing(self, trial: BaseTrial) -> Json | None:
        """Return the run metadata of an attempt that exists; make the folders of a new one.

        Raises:
            SubmitError: It exists with other parameters, or it cannot be followed.
        """
        if len(trial.arms) != 1:
            raise SubmitError(f"trial {trial.index} has {len(trial.arms)} arms; a wrapped job evaluates one point")
        journey = self.get(trial)
        if journey is not None:
            if journey.trial.digest != trial.digest:
                raise SubmitError(f"trial {trial.index}: attempt {trial.attempt} runs with other parameters")
            return journey.metadata
        if self.attempts is None or self.deployments is None:
            return None if self.over(trial) is None else _metadata(trial, None)
        if not self.deployments.exists(trial):
            return None
        found = self._of_hooks(trial)
        if isinstance(found, Lost):
            raise SubmitError(found.reason)
        if found is not None:
            return found.metadata
        if not self._begun(trial):
            return None
        deployed, errors = self.attempts.deploy([trial])
        if trial.index in errors:
            raise errors[trial.index]
        if self.over(trial) is not None:  # nobody would look at it again, and free the worker
            return {**_metadata(trial, self.deployments.place(trial)), **deployed[trial.index]}
        return self.follow(trial, RUNNING, deployed[trial.index]).metadata

    def reattach(self, trial: BaseTrial) -> Reattachment | None:
        """Say what became of an attempt that an earlier driver deployed, or may have; None where it is not known."""
        journey = self.get(trial)
        if journey is not None:
            return Following(journey.metadata)
        if self.attempts is None:
            return Lost(_DIED)
        own = self._of_hooks(trial)
        if own is not None:
            return own
        found = self.attempts.reattach(trial)
        if isinstance(found, Following):
            return Following(self.follow(trial, RUNNING, found.metadata).metadata)
        if isinstance(found, Ended):
            return Ended(self.follow(trial, RUNNING, found.metadata).metadata)
        return found

    def _begun(self, trial: BaseTrial) -> bool:
        """Whether the job of an attempt has begun, whatever became of it."""
        assert self.attempts is not None, "asked with a run directory only"
        found = self.attempts.find(trial)
        if isinstance(found, Adopted):
            found.process.close()
        return not isinstance(found, Absent)

    def _of_hooks(self, trial: BaseTrial) -> Following | Ended | Lost | None:
        """Say what became of an attempt that the wrapper ran by itself; None where it was a job, or nothing yet."""
        assert self.deployments is not None, "asked with a run directory only"
        place = self.deployments.place(trial)
        record = wrapped_job.noted(place)
        if record is None:
            return None
        strange = self.deployments.strange(trial)
        if strange is not None:
            return Lost(strange)
        if record["phase"] == wrapped_job.OVER:
            result = Result.from_json(record["result"])
            self._remember(trial.index, trial.attempt, TrialStatus(record["status"]), result)
            self.news.add(trial.index)
            return Ended(_metadata(trial, place))
        if not getattr(self.wrapper, "survives_driver", True):
            return Lost(_DIED)
        if record["phase"] != wrapped_job.OWN:
            return Lost(_UNKNOWN_START, may_live=True)
        journey = self.follow(trial, LOOKING, {})
        journey.started = record.get("started", journey.started)
        journey.look_at = monotonic()
        return Following(journey.metadata)


def _metadata(trial: BaseTrial, place: Place | None) -> Json:
    folder = None if place is None else place.relative
    name = f"{trial.experiment.name}_{trial.index}"
    return {"name": name, "job_id": trial.index, "folder": folder, "digest": trial.digest}
