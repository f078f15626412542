"""Leads the attempts of wrapped jobs through their stages.

```
start ──> hooks: write_configs, run_model ──> job under a supervisor ──> exit ──> hooks: set_trial_status,
                          └──> started by the wrapper itself ────────────────>    fetch_trial_data ──> result
```
Hooks are called in threads; this thread waits a moment for them and then goes on without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runwright.clock import monotonic
from runwright.errors import SubmitError
from runwright.process.attempt import seed_of
from runwright.result import Failure, Result
from runwright.runners.wrapped_errand import Bell, Errand
from runwright.runners.wrapped_hooks import LOOKING, RUNNING, STARTING, STOPPING, Hooks, Journey, failure_of, verdict
from runwright.status import FailureKind, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runwright.result import Json
    from runwright.runners.wrapped_known import Known
    from runwright.runners.wrapped_log import HookLog
    from runwright.trial import BaseTrial

_PATIENCE = 1.0
"""Seconds for which the driver waits for hooks before it goes on without them."""


class WrappedTrials:
    """All attempts of a runner.

    Args:
        known: What is known of them.
        log: The handler of what hooks log.
        hook_seconds: How long a hook may take.
        pause: Seconds between two questions to the wrapper how a trial stands.
    """

    def __init__(self, known: Known, log: HookLog, hook_seconds: float, pause: float) -> None:
        self.known = known
        self.bell = Bell()
        self._log = log
        self._hook_seconds = hook_seconds
        self._pause = pause
        self._hooks = Hooks(known.wrapper)

    @property
    def live(self) -> int:
        """How many attempts have not ended."""
        return len(self.known.journeys)

    # Deploy.

    def begin(self, trials: Iterable[BaseTrial]) -> tuple[dict[int, Json], dict[int, Exception]]:
        """Adopt or start attempts, all at once.

        Returns:
            Run metadata by trial, and for each other trial why it was not deployed.
        """
        deployed: dict[int, Json] = {}
        errors: dict[int, Exception] = {}
        fresh: list[Journey] = []
        for trial in trials:
            try:
                metadata = self.known.existing(trial)
                if metadata is not None:
                    deployed[trial.index] = metadata
                else:
                    fresh.append(self._start(trial))
            except Exception as error:  # noqa: BLE001  (one trial's trouble must not cost another)
                self.known.journeys.pop(trial.index, None)
                errors[trial.index] = error
        self._wait_for(fresh)
        errors |= self._take_in(fresh)
        for journey in fresh:
            index = journey.trial.index
            if index in errors:
                self.known.journeys.pop(index, None)
            else:
                deployed[index] = journey.metadata
        return deployed, errors

    def _start(self, trial: BaseTrial) -> Journey:
        """Begin to call the hooks of a new attempt."""
        journey = self.known.follow(trial, STARTING, {})
        if journey.place is not None and not self._hooks.declares_jobs:
            journey.place.write(trial, trial.digest, 0, seed_of(trial))
        self._send(journey, STARTING, self._hooks.start)
        return journey

    def _send(self, journey: Journey, stage: str, hooks: Callable[[Journey], Any]) -> None:
        """Have hooks called for an attempt."""
        journey.stage = stage
        where = (self._log, journey.log_file)
        if self._hooks.quick:
            journey.errand = Errand(lambda: hooks(journey), None, where, None)
        else:
            journey.errand = Errand(lambda: hooks(journey), self._hooks.folder, where, self.bell)

    @staticmethod
    def _wait_for(journeys: Iterable[Journey]) -> None:
        until = monotonic() + _PATIENCE
        for journey in journeys:
            if journey.errand is not None:
                journey.errand.wait(until - monotonic())

    # Take in what hooks have said.

    def _take_in(self, journeys: Sequence[Journey]) -> dict[int, Exception]:
        """Take in errands that are done, and send the next; return the errors of jobs that could not be started."""
        jobs: dict[int, tuple[Journey, Any]] = {}
        own = []
        for journey in journeys:
            errand = journey.errand
            if errand is None:
                continue
            if not errand.done:
                self._check_patience(journey)
                continue
            value, journey.errand = errand.value, None
            if errand.error is not None:
                failure = failure_of(errand.error, journey)
                self.known.end(journey, TrialStatus.FAILED, Result(failure=failure, **journey.measured))
            elif journey.stop_asked:
                self._stopped(journey, started=value is None)
            elif journey.stage == LOOKING:
                self._looked(journey, value)
            elif value is None or journey.view.ended:
                own.append(journey)
            else:
                jobs[journey.trial.index] = (journey, value)
        self._look_at(own)
        return self._launch(jobs) if jobs else {}

    def _launch(self, jobs: dict[int, tuple[Journey, Any]]) -> dict[int, Exception]:
        attempts, deployments = self.known.attempts, self.known.deployments
        if attempts is None or deployments is None:
            need = SubmitError("a job needs a run directory, because it outlives the driver; give directory=...")
            return dict.fromkeys(jobs, need)
        deployments.jobs.update({index: job for index, (_, job) in jobs.items()})
        deployed, errors = attempts.deploy([journey.trial for journey, _ in jobs.values()])
        for index, (journey, _) in jobs.items():
            del deployments.jobs[index]
            if index in deployed:
                journey.metadata.update(deployed[index])
                journey.stage = RUNNING
        return errors

    def _look_at(self, journeys: Sequence[Journey]) -> None:
        """Ask the wrapper how trials stand, all at once, and take in what is known in a moment."""
        for journey in journeys:
            self._send(journey, LOOKING, self._hooks.look)
        self._wait_for(journeys)
        if journeys:
            self._take_in(journeys)

    def _looked(self, journey: Journey, data: Any) -> None:
        found = verdict(journey, data)
        if found is not None:
            self.known.end(journey, *found)
            return
        journey.look_at = monotonic() + self._pause
        deployments = self.known.deployments
        limit = None if deployments is None else deployments.limits.timeout
        if journey.exit is not None and limit is not None and monotonic() - journey.began > limit:
            message = f"its program has ended, but it says that it runs on; the time limit of {limit:g} s is over"
            self._fail(journey, FailureKind.TIMEOUT, message)

    def _stopped(self, journey: Journey, *, started: bool) -> None:
        """Go on with an attempt that was asked to stop: what the wrapper has started is its to end."""
        if started and journey.stage != STOPPING and journey.exit is None:
            self._send(journey, STOPPING, self._hooks.stop)
        else:
            self.known.end(journey, TrialStatus.ABANDONED, Result(**journey.measured))

    def _check_patience(self, journey: Journey) -> None:
        if journey.is_late(self._hook_seconds):
            message = f"a hook of the wrapper has not returned for {self._hook_seconds:g} s; it was left behind"
            self._fail(journey, FailureKind.TIMEOUT, message)

    def _fail(self, journey: Journey, kind: FailureKind, message: str) -> None:
        result = Result(failure=Failure(kind, message, journey.log), **journey.measured)
        self.known.end(journey, TrialStatus.FAILED, result)

    # Follow.

    def look(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        """Return how trials stand."""
        asked = list(trials)
        if self.known.attempts is not None:
            self.known.attempts.live.collect()
        journeys = [journey for trial in asked if (journey := self.known.find(trial)) is not None]
        for index, error in self._take_in(journeys).items():
            self._fail(self.known.journeys[index], FailureKind.SUBMIT_ERROR, f"it could not be started: {error}")
        self._look_at([journey for journey in journeys if self._is_due(journey)])
        found: dict[TrialStatus, set[int]] = {}
        for trial in asked:
            status = self._status(trial)
            self.known.news.discard(trial.index)
            if status is not None:
                found.setdefault(status, set()).add(trial.index)
        return found

    def _is_due(self, journey: Journey) -> bool:
        """Whether the wrapper must be asked now; a job that has failed ends here."""
        if journey.errand is not None or self.known.get(journey.trial) is not journey:
            return False
        if journey.stage != RUNNING:
            return journey.has_news(self._hook_seconds)
        attempts = self.known.attempts
        assert attempts is not None, "a job was deployed by it"
        outcome = attempts.outcome(journey.trial)
        if outcome is None:
            return False
        attempts.live.read(journey.trial.index)
        status, result = outcome
        if status is not TrialStatus.COMPLETED:
            self.known.end(journey, status, result)
            return False
        journey.exit = result
        journey.began = monotonic() - (result.seconds or 0.0)
        return True

    def _status(self, trial: BaseTrial) -> TrialStatus | None:
        over = self.known.over(trial)
        if over is not None:
            return over[0]
        journey = self.known.get(trial)
        attempts = self.known.attempts
        if journey is None:
            return None
        if journey.stage == RUNNING and attempts is not None and attempts.followed(trial) is None:
            return None  # nobody can say now
        return journey.status

    def result(self, trial: BaseTrial) -> Result | None:
        """Return the result of an attempt that has ended; None of one that has not."""
        if self.known.over(trial) is None:
            self.look([trial])
        over = self.known.over(trial)
        return None if over is None else over[1]

    def ready(self) -> set[int]:
        """Return the trials that may have changed."""
        journeys = self.known.journeys.items()
        return self.known.news | {index for index, journey in journeys if journey.has_news(self._hook_seconds)}

    def due(self) -> float | None:
        """Return when a hook must be called or given up next, in seconds of the monotonic clock; None: never."""
        times = [journey.due(self._hook_seconds) for journey in self.known.journeys.values()]
        return min((time for time in times if time is not None), default=None)

    # Leave.

    def stop(self, trial: BaseTrial) -> None:
        """Ask an attempt to end."""
        journey = self.known.find(trial)
        if journey is None:
            return
        if journey.stage == RUNNING:
            assert self.known.attempts is not None, "a job was deployed by it"
            self.known.attempts.stop(trial)
        elif not journey.stop_asked:
            journey.stop_asked = True
            if journey.errand is None:
                self._send(journey, STOPPING, self._hooks.stop)

    def close(self) -> None:
        """Let go of everything; hooks that are being called are waited for, for a moment."""
        self._wait_for(self.known.journeys.values())
        self.known.journeys.clear()
        self.bell.close()
        if self.known.attempts is not None:
            self.known.attempts.live.close()
