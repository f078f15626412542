"""What should happen next: pure functions of the state, the time and the policy.

They read index sets only, never all trials, so that a turn costs what has changed, not what exists.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING

from runwright.events import DeployStarted, ExperimentEnded, GaveUp, RetryPlanned, StopRequested
from runwright.experiment import stable_seed
from runwright.loop.on_failure import NOT_THE_POINTS_FAULT
from runwright.status import FAILED, AttemptOutcome, StopCause, StopReason

if TYPE_CHECKING:
    from runwright.loop.policy import Policy
    from runwright.state import State
    from runwright.status import FailureKind
    from runwright.trial import BaseTrial

UNLIMITED = -1
_LOOKED_AT = 100
"""So many waiting retries are looked at beyond the free slots; many more may wait for a fault of their points."""
_LARGEST_SEED = 2**63


def verdicts(state: State, policy: Policy, now: float) -> list[RetryPlanned | GaveUp]:
    """Decide about each failed attempt: another one, or a FAILED trial.

    The rule of its kind of failure says how often and after which wait. Each rule counts the failed attempts that it is
    about, since a user last had the trial tried again; interrupted attempts count for nothing.
    """
    found: list[RetryPlanned | GaveUp] = []
    for index in state.undecided:
        trial = state.trials[index]
        failure, experiment = trial.failure, trial.experiment
        assert failure is not None, "the attempts to decide about have failed"
        rule = policy.on_failure.rule(failure.kind, may_live=failure.may_live)
        count = _failures(trial, policy.on_failure.together(failure.kind), state.reruns.get(index, 0))
        if count > rule.retry:
            penalty, abort = rule.penalties(experiment.objectives), rule.then == "abort"
            found.append(GaveUp(now, index, penalty, abort or None))
        else:
            luck = stable_seed(experiment.seed, "retry", index, trial.attempt) / _LARGEST_SEED
            found.append(RetryPlanned(now, index, now + rule.wait(count, luck), count, rule.retry))
    return found


def _failures(trial: BaseTrial, kinds: frozenset[FailureKind], since: int) -> int:
    """How many attempts failed in one of these ways after the attempt of a number."""
    return sum(
        attempt.outcome is AttemptOutcome.FAILED
        and attempt.number > since
        and attempt.failure is not None
        and attempt.failure.kind in kinds
        for attempt in trial.attempts
    )


def ending(state: State, policy: Policy, now: float, *, exhausted: bool, staying: int = 0) -> ExperimentEnded | None:
    """Decide whether the experiment ends now.

    Args:
        state: The experiment.
        policy: What the user decided.
        now: Time of the experiment.
        exhausted: Whether the optimizer has nothing more to propose.
        staying: How many live attempts never end by themselves.
    """
    if state.stop_reason is not None:
        return None
    aborting = _aborting(state, policy) if state.aborting else None
    if aborting is not None:
        return ExperimentEnded(now, StopReason.ABORTED, aborting)
    rate, failed = policy.failure_rate, state.counts[FAILED]
    if rate is not None and state.ended >= _enough(policy) and failed > rate * state.ended:
        message = f"{failed} of {state.ended} ended trials failed, more than the failure rate of {rate:g}"
        return ExperimentEnded(now, StopReason.FAILURE_RATE, message)
    if policy.seconds is not None and now >= policy.seconds:
        return ExperimentEnded(now, StopReason.TIME, f"its time of {policy.seconds:g} s is used up")
    if state.ready or state.undecided or state.delayed or len(state.running) + len(state.staged) > staying:
        return None
    if policy.trials is not None and len(state.trials) >= policy.trials:
        return ExperimentEnded(now, StopReason.TRIALS, _all_ended(len(state.trials), state.live))
    if exhausted:
        return ExperimentEnded(now, StopReason.EXHAUSTED, "the optimizer has nothing more to propose")
    return None


def _all_ended(trials: int, live: int) -> str:
    if trials == 1:
        return "the only trial goes on" if live else "the only trial has ended"
    return f"all {trials} trials have ended" + (", but the latest, which goes on" if live else "")


def _aborting(state: State, policy: Policy) -> str | None:
    """Say which FAILED trial ends the experiment: as long as it is not tried again and its rule still says so."""
    for index in state.aborting:
        failure = state.trials[index].failure
        assert failure is not None, "a FAILED trial has a failure"
        if policy.on_failure.rule(failure.kind, may_live=failure.may_live).then == "abort":
            return (
                f"trial {index} failed ({failure.kind.value}: {failure.message}), for which on_failure says abort; "
                "have it tried again (rerun), or change on_failure, to go on"
            )
    return None


def _enough(policy: Policy) -> int:
    """How many trials must have ended before their failure rate means anything."""
    after = max(1, policy.failure_rate_after)
    return after if policy.trials is None else max(1, min(after, policy.trials))


def free_slots(state: State, policy: Policy, capacity: int, staying: int = 0) -> int:
    """How many more attempts may be deployed; `UNLIMITED` where nothing limits them.

    Args:
        state: The experiment.
        policy: What the user decided.
        capacity: How many more the runner takes.
        staying: How many live attempts end only when another one replaces them.
    """
    if policy.parallel is None:
        return capacity
    room = max(0, policy.parallel - max(0, state.live - staying))
    return room if capacity == UNLIMITED else min(room, capacity)


def room(state: State, now: float, free: int) -> int:
    """How many free slots are left by the candidates that may start; `UNLIMITED` where nothing limits them.

    Args:
        state: The experiment.
        now: Time of the experiment.
        free: What `free_slots` gave.
    """
    if state.stop_reason is not None:
        return 0
    if free == UNLIMITED:
        return free
    kept = _kept_for_retries(state, now, free) if state.delayed else 0
    return max(0, free - len(state.ready) - kept)


def asks(state: State, policy: Policy, now: float, free: int) -> int:
    """How many points to ask for: what fills the free slots after all candidates that may start.

    Args:
        state: The experiment.
        policy: What the user decided.
        now: Time of the experiment.
        free: What `free_slots` gave.
    """
    if state.stop_reason is not None:
        return 0
    more, most = free - len(state.ready), policy.trials
    if state.delayed and free != UNLIMITED:
        more -= _kept_for_retries(state, now, free)
    if most is not None:
        left = most - len(state.trials)
        more = left if free == UNLIMITED or left < more else more
    else:
        assert free != UNLIMITED, "the scheduler refuses experiments that nothing limits"
    return more if more > 0 else 0


def deployments(state: State, now: float, free: int) -> list[DeployStarted]:
    """Which candidates start now: those that are ready, in order, then retries that are due."""
    if state.stop_reason is not None:
        return []
    found: list[DeployStarted] = []
    for index in (*state.ready, *_due(state, now, free)) if state.delayed else state.ready:
        if len(found) == free:
            break
        trial = state.trials[index]
        found.append(DeployStarted(now, index, trial.attempt + 1))
    return found


def _due(state: State, now: float, most: int) -> list[int]:
    found: list[int] = []
    for not_before, index in state.delayed:
        if not_before > now or len(found) == most:
            break
        found.append(index)
    return found


def _kept_for_retries(state: State, now: float, free: int) -> int:
    """Count the free slots of retries: of those that are due, and of those that wait for no fault of their points.

    Where nothing can be started, or whatever starts is lost, new points would fail as well: an outage of seconds would
    use up all trials of the experiment.
    """
    kept = 0
    for not_before, index in islice(state.delayed, free + _LOOKED_AT):
        if kept == free:
            break
        failure = state.trials[index].attempts[-1].failure
        assert failure is not None, "a retry follows a failure"
        kept += not_before <= now or failure.kind in NOT_THE_POINTS_FAULT
    return kept


def timeouts(state: State, timeout: float | None, now: float) -> list[StopRequested]:
    """Which running attempts have used up their time. Only for runners that cannot see to it themselves."""
    found: list[StopRequested] = []
    if timeout is None:
        return found
    for index, since in state.running.items():
        if since + timeout > now:
            break
        if index not in state.stopping:
            reason = f"it ran longer than its limit of {timeout:g} s"
            found.append(StopRequested(now, index, state.trials[index].attempt, StopCause.TIMEOUT, reason))
    return found


def next_deadline(state: State, policy: Policy, timeout: float | None, now: float) -> float | None:
    """When something must be decided even if nothing happens; None: never.

    Args:
        state: The experiment.
        policy: What the user decided.
        timeout: The limit that the engine sees to.
        now: Time of the latest turn. A retry that was due then found no free slot: no time to come will give it one.
    """
    if timeout is None and policy.seconds is None and not state.delayed:
        return None
    times: list[float] = []
    if state.delayed:
        after = bisect_right(state.delayed, now, key=itemgetter(0))
        times += [not_before for not_before, _ in state.delayed[after : after + 1]]
    if timeout is not None:
        for index, since in state.running.items():
            if index not in state.stopping:
                times.append(since + timeout)
                break
    if policy.seconds is not None and state.stop_reason is None:
        times.append(policy.seconds)
    return min(times) if times else None
