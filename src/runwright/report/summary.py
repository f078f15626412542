"""How an experiment stands: counts, the best so far, failures, what runs, how long it may still take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runwright.report.best import incumbents
from runwright.report.retries import WaitingTrial, retried, waiting
from runwright.report.rows import trial_row
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from runwright.report.best import Best
    from runwright.result import Json
    from runwright.state import State
    from runwright.trial import BaseTrial


_ORDER = (
    TrialStatus.COMPLETED,
    TrialStatus.FAILED,
    TrialStatus.ABANDONED,
    TrialStatus.EARLY_STOPPED,
    TrialStatus.STALE,
    TrialStatus.RUNNING,
    TrialStatus.STAGED,
    TrialStatus.CANDIDATE,
)


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """FAILED trials of one kind of failure.

    Attributes:
        kind: The kind, such as ``crashed``.
        count: How many trials failed so.
        trial: The first of them.
        message: What it said.
        log: Where its evidence is, relative to the run directory, or None.
    """

    kind: str
    count: int
    trial: int
    message: str
    log: str | None

    def to_json(self) -> Json:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in ("kind", "count", "trial", "message", "log")}


@dataclass(frozen=True, slots=True)
class LiveTrial:
    """A trial whose attempt has not ended.

    Attributes:
        trial: Its index.
        attempt: Number of the attempt.
        status: RUNNING or STAGED.
        started: When it began to run, in seconds of the epoch; None while it is staged.
        seconds: How long it has been running, or None.
        stopping: Why it was asked to stop, or None.
        detached: Whether a driver left it running.
    """

    trial: int
    attempt: int
    status: str
    started: float | None
    seconds: float | None
    stopping: str | None
    detached: bool

    def to_json(self) -> Json:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Summary:
    """How an experiment stands.

    Attributes:
        name: Its name.
        counts: Status to the number of trials that have it; zeros are left out.
        ended: How many trials have ended.
        target: How many trials there will be in all; None where nothing says so.
        elapsed: Seconds of the lives of its drivers.
        left: Estimate of the seconds that are left; None where there is none.
        stop_reason: Why it ended, or None.
        stop_message: The same in a sentence.
        best: The best point (one objective); None before the first.
        front: Points that no other dominates (several objectives).
        infeasible: How many completed trials break a constraint on metrics; None where there is none.
        failures: FAILED trials by kind, the most frequent first.
        failed_attempts: How many attempts failed in all, those that were tried again included.
        retried: How many of them were tried again, by kind of failure, the most frequent first.
        waiting: Trials that wait for another attempt, by the time of it.
        live: Trials whose attempt has not ended.
        notes: What was worth saying.
    """

    name: str
    objectives: dict[str, str]
    counts: dict[str, int]
    ended: int
    target: int | None
    elapsed: float
    left: float | None
    stop_reason: str | None
    stop_message: str
    best: Best | None
    front: list[Best]
    infeasible: int | None
    failures: list[FailureGroup]
    failed_attempts: int
    retried: dict[str, int]
    waiting: list[WaitingTrial]
    live: list[LiveTrial]
    notes: list[str]

    @property
    def failed(self) -> bool:
        """Whether the experiment failed: it ended for a failure or for too many, or some failed and none completed."""
        none = not self.counts.get("COMPLETED") and bool(self.counts.get("FAILED"))
        return self.stop_reason in ("failure_rate", "aborted") or (none and not self.live)

    def to_json(self, state: State) -> Json:
        """Return the JSON form; trials are in the export format.

        Args:
            state: The state that was summarized.
        """
        arms = {(point.trial.index, point.arm) for point in self.front}
        body: Json = {
            "name": self.name,
            "objectives": self.objectives,
            "counts": self.counts,
            "ended": self.ended,
            "target": self.target,
            "elapsed": self.elapsed,
            "left": self.left,
            "stop": None if self.stop_reason is None else {"reason": self.stop_reason, "message": self.stop_message},
            "failed": self.failed,
            "best": None if self.best is None else trial_row(state, self.best.trial),
        }
        if len(self.objectives) > 1:
            trials = {point.trial.index: point.trial for point in self.front}
            body["front"] = [trial_row(state, trial, arms) for trial in trials.values()]
        means = [_mean(point) for point in (*self.front, self.best) if point is not None and point.evaluations > 1]
        if means:
            body["means"] = means
        if self.infeasible is not None:
            body["infeasible"] = self.infeasible
        body["failures"] = [group.to_json() for group in self.failures]
        body["failed_attempts"] = self.failed_attempts
        body["retried"] = self.retried
        body["waiting"] = [entry.to_json() for entry in self.waiting]
        body["live"] = [live.to_json() for live in self.live]
        body["notes"] = self.notes
        return body


def _mean(point: Best) -> Json:
    metrics = {name: mean for name, (mean, _) in point.metrics.items()}
    return {"trial": point.trial.index, "arm": point.arm, "evaluations": point.evaluations, "metrics": metrics}


def summarize(state: State, now: float | None = None) -> Summary:
    """Compute how an experiment stands; looks through all trials.

    Args:
        state: The experiment.
        now: Time of the experiment; that of the last event where not given. See `now_of`.
    """
    now = state.last_time if now is None else max(now, state.last_time)
    found = incumbents(state)
    return Summary(
        name="" if state.experiment is None else state.experiment.name,
        objectives={} if state.experiment is None else dict(state.experiment.objectives),
        counts=counts_of(state),
        ended=state.ended,
        target=target_of(state),
        elapsed=now,
        left=time_left(state, now),
        stop_reason=None if state.stop_reason is None else state.stop_reason.value,
        stop_message=state.stop_message,
        best=found.best,
        front=found.points if state.experiment is not None and len(state.experiment.objectives) > 1 else [],
        infeasible=_infeasible(state),
        failures=_failures(state),
        failed_attempts=sum(trial.failures for trial in state.trials),
        retried=retried(state),
        waiting=waiting(state, now),
        live=[_live(state, trial, now) for trial in state.live_trials()],
        notes=list(state.notes),
    )


def counts_of(state: State) -> dict[str, int]:
    """Return how many trials have each status; what has ended comes first, zeros are left out."""
    return {status.name: state.counts[status] for status in _ORDER if state.counts[status]}


def now_of(state: State, epoch: float) -> float:
    """Return the time of the experiment at some seconds of the epoch, if its last driver still lived then.

    In simulated time, where the two clocks are one, this is the time of the last event.

    Args:
        state: The experiment.
        epoch: Seconds of the epoch.
    """
    if not state.drivers:
        return state.last_time
    began, since = state.drivers[-1]
    return state.last_time if since == began else max(state.last_time, began + (epoch - since))


def target_of(state: State) -> int | None:
    """Return how many trials there will be in all; None where nothing says so."""
    trials = state.policy.get("trials")
    return None if trials is None else max(int(trials), len(state.trials))


def time_left(state: State, now: float) -> float | None:
    """Estimate the seconds that are left, from the pace so far; None before there is one.

    Args:
        state: The experiment.
        now: Time of the experiment.
    """
    if state.stop_reason is not None:
        return None
    estimates: list[float] = []
    target, ended = target_of(state), state.ended
    if target is not None and ended and ended >= state.live:
        estimates.append(now / ended * (target - ended))
    seconds = state.policy.get("seconds")
    if seconds is not None:
        estimates.append(max(0.0, seconds - now))
    return min(estimates, default=None)


def _infeasible(state: State) -> int | None:
    if state.experiment is None or not state.experiment.outcome_constraints:
        return None
    found = 0
    for trial in state.trials:
        if trial.status is TrialStatus.COMPLETED and trial.result is not None:
            found += not any(state.experiment.feasible(metrics) for metrics in trial.result.arms.values())
    return found


def _failures(state: State) -> list[FailureGroup]:
    count: dict[str, int] = {}
    first: dict[str, BaseTrial] = {}
    for trial in state.trials:
        if trial.status is TrialStatus.FAILED and trial.failure is not None:
            kind = trial.failure.kind.value
            count[kind] = count.get(kind, 0) + 1
            first.setdefault(kind, trial)
    groups = []
    for kind, number in sorted(count.items(), key=lambda item: -item[1]):
        trial = first[kind]
        assert trial.failure is not None, "only trials with a failure were collected"
        groups.append(FailureGroup(kind, number, trial.index, trial.failure.message, trial.failure.log))
    return groups


def _live(state: State, trial: BaseTrial, now: float) -> LiveTrial:
    since = state.running.get(trial.index)
    return LiveTrial(
        trial=trial.index,
        attempt=trial.attempt,
        status=trial.status.name,
        started=None if since is None else state.epoch_of(since),
        seconds=None if since is None else now - since,
        stopping=trial.stop_requested,
        detached=trial.index in state.detached,
    )
