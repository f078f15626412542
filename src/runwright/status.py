"""What a trial's status can be, and which moves between statuses exist.

The diagram with a sentence for each edge is in ``docs/states.md``. `advance` is the only writer of a status.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Protocol

from runwright.errors import IllegalTransitionError

if TYPE_CHECKING:
    from collections.abc import Mapping


class TrialStatus(IntEnum):
    """Status of a trial; names and integers as in Ax (``ax.core.trial_status``)."""

    CANDIDATE = 0
    """Proposed, waiting for a free slot (also between two attempts)."""
    STAGED = 1
    """Handed to the runner, not known to execute: being submitted, or queued there."""
    FAILED = 2
    """The policy gave up after a failed attempt. Terminal."""
    COMPLETED = 3
    """Its result is recorded. Terminal."""
    RUNNING = 4
    """Executing."""
    ABANDONED = 5
    """Stopped by a user. Terminal."""
    EARLY_STOPPED = 7
    """Stopped because it was not promising. Terminal."""
    STALE = 8
    """Proposed but never started, and no longer wanted. Terminal."""

    # An enum hashes its name, in Python; statuses are looked up several times in each turn.
    __hash__ = int.__hash__

    @property
    def is_terminal(self) -> bool:
        """Whether a trial in this status has ended, by whatever cause."""
        return self in TERMINAL

    @property
    def is_deployed(self) -> bool:
        """Whether a trial in this status was handed to its runner and has not ended."""
        return self in (TrialStatus.STAGED, TrialStatus.RUNNING)

    @property
    def is_candidate(self) -> bool:
        """Whether this is CANDIDATE."""
        return self is TrialStatus.CANDIDATE

    @property
    def is_staged(self) -> bool:
        """Whether this is STAGED."""
        return self is TrialStatus.STAGED

    @property
    def is_running(self) -> bool:
        """Whether this is RUNNING."""
        return self is TrialStatus.RUNNING

    @property
    def is_completed(self) -> bool:
        """Whether this is COMPLETED."""
        return self is TrialStatus.COMPLETED

    @property
    def is_failed(self) -> bool:
        """Whether this is FAILED."""
        return self is TrialStatus.FAILED

    @property
    def is_abandoned(self) -> bool:
        """Whether this is ABANDONED."""
        return self is TrialStatus.ABANDONED

    @property
    def is_early_stopped(self) -> bool:
        """Whether this is EARLY_STOPPED."""
        return self is TrialStatus.EARLY_STOPPED

    @property
    def is_stale(self) -> bool:
        """Whether this is STALE."""
        return self is TrialStatus.STALE

    @property
    def expecting_data(self) -> bool:
        """Whether measurements of a trial in this status may exist."""
        return self in (TrialStatus.RUNNING, TrialStatus.COMPLETED, TrialStatus.EARLY_STOPPED)


TERMINAL = frozenset(
    {
        TrialStatus.FAILED,
        TrialStatus.COMPLETED,
        TrialStatus.ABANDONED,
        TrialStatus.EARLY_STOPPED,
        TrialStatus.STALE,
    }
)

# A name is found in 0.01 us, a member of an enumeration in 0.1: a turn needs some twenty.
CANDIDATE, STAGED, RUNNING = TrialStatus.CANDIDATE, TrialStatus.STAGED, TrialStatus.RUNNING
COMPLETED, FAILED, STALE = TrialStatus.COMPLETED, TrialStatus.FAILED, TrialStatus.STALE
ABANDONED, EARLY_STOPPED = TrialStatus.ABANDONED, TrialStatus.EARLY_STOPPED

_S = TrialStatus

MOVES: Mapping[TrialStatus, frozenset[TrialStatus]] = {
    # An attempt begins as STAGED. A candidate ends without one when a user stops it or nobody wants it any more.
    _S.CANDIDATE: frozenset({_S.STAGED, _S.ABANDONED, _S.STALE}),
    # STAGED <-> RUNNING when a poll says so (a queued or requeued job). Back to CANDIDATE when the attempt failed
    # or was interrupted and the trial is tried again.
    _S.STAGED: frozenset({_S.RUNNING, _S.CANDIDATE, _S.COMPLETED, _S.FAILED, _S.ABANDONED, _S.EARLY_STOPPED}),
    _S.RUNNING: frozenset({_S.STAGED, _S.CANDIDATE, _S.COMPLETED, _S.FAILED, _S.ABANDONED, _S.EARLY_STOPPED}),
    # `rerun` takes these two back.
    _S.FAILED: frozenset({_S.CANDIDATE}),
    _S.ABANDONED: frozenset({_S.CANDIDATE}),
    _S.COMPLETED: frozenset(),
    _S.EARLY_STOPPED: frozenset(),
    _S.STALE: frozenset(),
}


class HasStatus(Protocol):
    """Anything whose status `advance` may write."""

    index: int
    _status: TrialStatus


def advance(trial: HasStatus, to: TrialStatus, story: object = "") -> TrialStatus:
    """Move a trial to another status, and return the one that it had.

    Args:
        trial: The trial to move.
        to: Its new status.
        story: What is known about the trial, for the error; its text is made only then.

    Raises:
        IllegalTransitionError: The table of moves has no such move.
    """
    was = trial._status  # noqa: SLF001  (the one writer)
    if to not in MOVES[was]:
        raise IllegalTransitionError(
            f"trial {trial.index} cannot go from {was.name} to {to.name}" + (f"; its story: {story}" if story else "")
        )
    trial._status = to  # noqa: SLF001
    return was


class FailureKind(Enum):
    """Why an attempt failed."""

    CRASHED = "crashed"
    """The program ended with a failure status or a signal, or the function raised."""
    TIMEOUT = "timeout"
    """It ran longer than the time limit and was ended."""
    MEMORYOUT = "memoryout"
    """Its process tree held more memory than the limit and was ended."""
    OUTPUT_LIMIT = "output_limit"
    """It gave back more output than the limit allows."""
    LOST = "lost"
    """Whatever watched it was ended: it left no record, or says that the machine was shut down."""
    SUBMIT_ERROR = "submit_error"
    """It could not be started."""
    INVALID_RESULT = "invalid_result"
    """It ended well, but what it gave back is no result."""


class AttemptOutcome(Enum):
    """How an attempt ended."""

    COMPLETED = "completed"
    """With a result."""
    FAILED = "failed"
    """With a `FailureKind`."""
    INTERRUPTED = "interrupted"
    """Cut short by the end of the driver, or by a signal to it: repeated, and counts for nothing."""
    STOPPED = "stopped"
    """Ended on request: the trial was stopped by a user or early."""


class StopCause(Enum):
    """Why a running attempt is asked to stop."""

    USER = "user"
    """A user stops the trial: it becomes ABANDONED."""
    TIMEOUT = "timeout"
    """Its time limit passed: the attempt fails with `FailureKind.TIMEOUT`."""
    EARLY = "early"
    """It is not promising: EARLY_STOPPED."""
    INTERRUPT = "interrupt"
    """The driver leaves: the attempt is INTERRUPTED and repeated by the next one."""


class StopReason(Enum):
    """Why an experiment ended."""

    TRIALS = "trials"
    """As many trials as asked for have ended."""
    EXHAUSTED = "exhausted"
    """The optimizer has nothing more to propose."""
    FAILURE_RATE = "failure_rate"
    """Too many trials failed."""
    ABORTED = "aborted"
    """A trial failed for which policy ends the experiment."""
    TIME = "time"
    """The time of the experiment is used up."""
    USER = "user"
    """A user stopped it."""
