"""What is known of an experiment: the fold of its events.

`State.apply` is the only place where a trial changes. It works in place and keeps index sets, so that neither it nor
`loop.decide` ever looks through all trials.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any

from runwright import events as ev
from runwright.errors import ContractError
from runwright.experiment import Experiment
from runwright.garbage import WHILE_FOLDING, rarer_collections
from runwright.status import (
    ABANDONED,
    CANDIDATE,
    COMPLETED,
    EARLY_STOPPED,
    FAILED,
    RUNNING,
    STAGED,
    STALE,
    TERMINAL,
    AttemptOutcome,
    StopCause,
    TrialStatus,
    advance,
)
from runwright.trial import Attempt, BaseTrial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runwright.result import Json
    from runwright.status import StopReason


_STOPPED = (ABANDONED, EARLY_STOPPED, STALE)


class State:
    """The experiment as its events tell it.

    Attributes:
        experiment: Its definition; None before `ExperimentStarted`.
        definition: The whole recorded definition (optimizer and runner too).
        trials: Every trial, by index.
        ready: Candidates that may start now, in the order in which they became ready.
        delayed: ``(not before, index)`` of candidates that wait for a retry, sorted.
        staged: Indices of STAGED trials whose attempt has not ended.
        running: Index to the time since when it runs, of RUNNING trials whose attempt has not ended; in order of time.
        stopping: Live trials that were asked to stop, with the cause.
        undecided: Trials whose last attempt failed and about which policy has not decided.
        untold: Terminal trials of which the optimizer has not been told, in order of their end.
        counts: How many trials have each status.
        ended: How many trials are terminal.
        asked_of_optimizer: How many trials the optimizer proposed.
        stop_reason: Why the experiment ended, or None while it goes on.
        stop_message: The same in a sentence.
        last_time: Time of the latest event.
        requests: Ids of the requests that were taken in.
        detached: Trials that a driver left running.
        reruns: Trials that a user had tried again, with the number of the last attempt before that: what failed until
            then counts no more.
        aborting: FAILED trials for which policy ended the experiment.
        fold: Type of event to the method that takes it in; for `apply`, and for the recorder, which does the same.
    """

    def __init__(self) -> None:
        self.experiment: Experiment | None = None
        self.definition: Json = {}
        self.policy: Json = {}
        self.drivers: list[tuple[float, float]] = []
        self.trials: list[BaseTrial] = []
        self.ready: dict[int, None] = {}
        self.delayed: list[tuple[float, int]] = []
        self.staged: set[int] = set()
        self.running: dict[int, float] = {}
        self.stopping: dict[int, StopCause] = {}
        self.undecided: dict[int, None] = {}
        self.untold: dict[int, None] = {}
        self.counts: dict[TrialStatus, int] = dict.fromkeys(TrialStatus, 0)
        self.ended = 0
        self.asked_of_optimizer = 0
        self.stop_reason: StopReason | None = None
        self.stop_message = ""
        self.last_time = 0.0
        self.requests: set[str] = set()
        self.detached: set[int] = set()
        self.reruns: dict[int, int] = {}
        self.aborting: dict[int, None] = {}
        self.notes: list[str] = []
        self.fold: dict[type[ev.Event], Callable[[Any], None]] = {
            ev.ExperimentStarted: self._experiment_started,
            ev.DriverStarted: self._driver_started,
            ev.TrialAsked: self._trial_asked,
            ev.DeployStarted: self._deploy_started,
            ev.Deployed: self._deployed,
            ev.Polled: self._polled,
            ev.Finished: self._finished,
            ev.StopRequested: self._stop_requested,
            ev.Stopped: self._stopped,
            ev.Interrupted: self._interrupted,
            ev.RetryPlanned: self._retry_planned,
            ev.GaveUp: self._gave_up,
            ev.Told: self._told,
            ev.Rerun: self._rerun,
            ev.Detached: self._detached,
            ev.RequestTaken: self._request_taken,
            ev.OptimizerRebuilt: self._optimizer_rebuilt,
            ev.Noted: self._noted,
            ev.ExperimentEnded: self._experiment_ended,
        }

    @classmethod
    def of(cls, events: Iterable[ev.Event]) -> State:
        """Fold a sequence of events."""
        state = cls()
        with rarer_collections(WHILE_FOLDING):
            for event in events:
                state.apply(event)
        return state

    def apply(self, event: ev.Event) -> None:
        """Take in one event.

        An event that is refused changes nothing.

        Raises:
            IllegalTransitionError: The event moves a trial where it cannot go.
            ContractError: The event is about a trial or an attempt that does not exist, or that it cannot be about now.
        """
        self.fold[type(event)](event)
        self.last_time = event.time

    @property
    def live(self) -> int:
        """How many attempts are handed to the runner and have not ended."""
        return len(self.staged) + len(self.running)

    def live_trials(self) -> list[BaseTrial]:
        """The trials whose attempt has not ended, by index."""
        return [self.trials[index] for index in sorted((*self.staged, *self.running))]

    def epoch_of(self, time: float) -> float | None:
        """Seconds of the epoch at a time of the experiment; None before the first driver."""
        known = None
        for began, epoch in self.drivers:
            if known is None or began <= time:
                known = epoch + (time - began)
        return known

    # The fold, a method an event.

    def _experiment_started(self, event: ev.ExperimentStarted) -> None:
        self.definition = event.definition
        self.experiment = Experiment.from_dict(event.definition["experiment"])

    def _driver_started(self, event: ev.DriverStarted) -> None:
        self.policy = event.policy
        self.drivers.append((event.time, event.epoch))
        self.stop_reason, self.stop_message = None, ""

    def _trial_asked(self, event: ev.TrialAsked) -> None:
        if event.trial != len(self.trials):
            raise ContractError(f"trial {event.trial} was asked for where trial {len(self.trials)} was due")
        assert self.experiment is not None, "ExperimentStarted is always the first event"
        self.trials.append(
            self.experiment.new_trial(
                event.trial,
                event.points,
                source=event.source,
                instance=event.instance,
                budget=event.budget,
                seed=event.seed,
                names=event.names,
            )
        )
        self.ready[event.trial] = None
        self.counts[CANDIDATE] += 1
        self.asked_of_optimizer += event.source == "optimizer"

    def _deploy_started(self, event: ev.DeployStarted) -> None:
        index, attempt = event.trial, event.attempt
        trial = self.trials[index] if index in self.ready else self._trial(index)
        if attempt != trial.attempt + 1:
            raise ContractError(f"trial {index}: attempt {attempt} follows attempt {trial.attempt}")
        if index not in self.ready:
            self._not_deployed(trial)
        self._move(trial, STAGED)
        trial.attempt = attempt
        trial.run_metadata = {}
        trial.stop_requested = None
        self._leave_queue(index)
        self.staged.add(index)

    def _deployed(self, event: ev.Deployed) -> None:
        trial = self._live(event.trial, event.attempt)
        trial.run_metadata = event.metadata
        self.detached.discard(event.trial)
        if not event.staged and trial.status is STAGED:
            self._run(trial, event.time)

    def _polled(self, event: ev.Polled) -> None:
        trial = self._live(event.trial)
        if event.status is RUNNING:
            self._run(trial, event.time)
        elif event.status is not STAGED:
            raise ContractError(f"trial {event.trial} was polled as {event.status.name}, which is no way to be live")
        else:
            self._move(trial, STAGED)
            del self.running[event.trial]
            self.staged.add(event.trial)

    def _finished(self, event: ev.Finished) -> None:
        trial = self._live(event.trial, event.attempt)
        self._leave(trial)
        trial.result = event.result
        failure = event.result.failure
        if failure is None:
            self._end(trial, COMPLETED)
        else:
            trial.attempts += (Attempt(event.attempt, AttemptOutcome.FAILED, failure),)
            self.undecided[event.trial] = None

    def _stop_requested(self, event: ev.StopRequested) -> None:
        trial = self._live(event.trial, event.attempt)
        trial.stop_requested = event.reason
        self.stopping[event.trial] = event.cause

    def _stopped(self, event: ev.Stopped) -> None:
        trial = self._trial(event.trial)
        if event.status not in _STOPPED:
            raise ContractError(f"trial {event.trial} cannot be stopped to become {event.status.name}")
        waits = trial.status is CANDIDATE
        if not waits:
            self._live(event.trial, event.attempt)
        self._end(trial, event.status)
        if waits:
            self._leave_queue(event.trial)
        else:
            self._leave(trial)
            trial.attempts += (Attempt(event.attempt, AttemptOutcome.STOPPED, None, event.reason),)
        trial.result = event.result
        trial.stop_requested = event.reason

    def _interrupted(self, event: ev.Interrupted) -> None:
        trial = self._live(event.trial, event.attempt)
        self._leave(trial)
        trial.attempts += (Attempt(event.attempt, AttemptOutcome.INTERRUPTED, None, event.reason),)
        trial.stop_requested = None
        self._move(trial, CANDIDATE)
        self.ready[event.trial] = None

    def _retry_planned(self, event: ev.RetryPlanned) -> None:
        trial = self._undecided(event.trial)
        del self.undecided[event.trial]
        self._move(trial, CANDIDATE)
        trial.result = None
        if event.not_before <= event.time:
            self.ready[event.trial] = None
        else:
            insort(self.delayed, (event.not_before, event.trial))

    def _gave_up(self, event: ev.GaveUp) -> None:
        trial = self._undecided(event.trial)
        del self.undecided[event.trial]
        self._end(trial, FAILED)
        trial.penalty = event.penalty
        if event.abort:
            self.aborting[event.trial] = None

    def _told(self, event: ev.Told) -> None:
        if event.trial not in self.untold:
            raise ContractError(f"there is nothing to tell of trial {event.trial} ({self._trial(event.trial)!r})")
        del self.untold[event.trial]

    def _rerun(self, event: ev.Rerun) -> None:
        trial = self._trial(event.trial)
        self._not_deployed(trial)
        ended = trial.status.is_terminal
        self._move(trial, CANDIDATE)
        self.ended -= ended
        trial.result = trial.penalty = trial.stop_requested = None
        self.reruns[event.trial] = trial.attempt
        self.aborting.pop(event.trial, None)
        self.untold.pop(event.trial, None)
        self.ready[event.trial] = None

    def _detached(self, event: ev.Detached) -> None:
        self._live(event.trial, event.attempt)
        self.detached.add(event.trial)

    def _request_taken(self, event: ev.RequestTaken) -> None:
        self.requests.add(event.request)

    def _optimizer_rebuilt(self, event: ev.OptimizerRebuilt) -> None:
        if not event.exact:
            self.notes.append(f"the optimizer was rebuilt, not exactly: {event.reason}")

    def _noted(self, event: ev.Noted) -> None:
        self.notes.append(event.message)

    def _experiment_ended(self, event: ev.ExperimentEnded) -> None:
        self.stop_reason, self.stop_message = event.reason, event.message

    # Small moves that several events share.

    def _trial(self, index: int) -> BaseTrial:
        if not 0 <= index < len(self.trials):
            raise ContractError(f"there is no trial {index}; there are {len(self.trials)}")
        return self.trials[index]

    def _live(self, index: int, attempt: int | None = None) -> BaseTrial:
        if index in self.running or index in self.staged:
            trial = self.trials[index]
            if attempt is None or attempt == trial.attempt:
                return trial
        raise ContractError(f"trial {index} has no live attempt {attempt or ''} ({self._trial(index)!r})")

    def _undecided(self, index: int) -> BaseTrial:
        trial = self._trial(index)
        if index not in self.undecided:
            raise ContractError(f"trial {index} has no failed attempt to decide about ({trial!r})")
        return trial

    @staticmethod
    def _not_deployed(trial: BaseTrial) -> None:
        if trial.status.is_deployed:
            raise ContractError(f"trial {trial.index} has an attempt that nobody has decided about ({trial!r})")

    def _move(self, trial: BaseTrial, to: TrialStatus) -> None:
        counts = self.counts
        counts[advance(trial, to, trial)] -= 1
        counts[to] += 1

    def _run(self, trial: BaseTrial, time: float) -> None:
        self._move(trial, RUNNING)
        self.staged.remove(trial.index)
        self.running[trial.index] = time

    def _leave(self, trial: BaseTrial) -> None:
        """Take the trial out of the live sets."""
        index = trial.index
        if self.running.pop(index, None) is None:
            self.staged.discard(index)
        self.stopping.pop(index, None)
        self.detached.discard(index)

    def _leave_queue(self, index: int) -> None:
        if index in self.ready:
            del self.ready[index]
        else:
            self.delayed = [entry for entry in self.delayed if entry[1] != index]

    def _end(self, trial: BaseTrial, status: TrialStatus) -> None:
        self._move(trial, status)
        self.ended += 1
        self.untold[trial.index] = None

    def check(self) -> None:
        """Look through all trials and compare with the index sets; for tests.

        Raises:
            AssertionError: An index set is wrong.
        """
        live = set(self.staged) | set(self.running)
        waiting = set(self.ready) | {index for _, index in self.delayed}
        assert not set(self.staged) & set(self.running), "a trial is staged and running"
        assert len(waiting) == len(self.ready) + len(self.delayed), "a trial waits twice"
        assert self.delayed == sorted(self.delayed), "the delayed trials are not sorted"
        assert set(self.stopping) <= live, "a trial that is not live is stopping"
        assert self.detached <= live, "a trial that is not live is detached"
        counts = dict.fromkeys(TrialStatus, 0)
        for index, trial in enumerate(self.trials):
            assert trial.index == index, "an index is not its position"
            counts[trial.status] += 1
            deployed = index in live or index in self.undecided
            assert trial.status.is_deployed == deployed, f"{trial!r} is in the wrong set"
            assert (trial.status is CANDIDATE) == (index in waiting), f"{trial!r} waits wrongly"
            assert not (index in self.staged and trial.status is not STAGED), f"{trial!r}"
            assert not (index in self.running and trial.status is not RUNNING), f"{trial!r}"
            assert not (index in self.untold and not trial.status.is_terminal), f"{trial!r} is to be told"
            assert trial.attempt >= len(trial.attempts), f"{trial!r} has attempts that never began"
            failed = trial.status is FAILED
            assert failed or (trial.penalty is None and index not in self.aborting), f"{trial!r} did not fail"
        assert counts == self.counts, "the counts are wrong"
        assert self.ended == sum(counts[status] for status in TERMINAL), "the number of ended trials is wrong"
