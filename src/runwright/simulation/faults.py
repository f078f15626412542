"""What goes wrong on a simulated machine.

When a trial begins to execute, its end is decided: its `Fate`. It is handed from one fault model to the next, in the
order of ``BackendSimulatorOptions.faults``; each may leave it alone or change it. A fault strikes only before the end
that was decided so far, so that the earliest end is the one that happens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from runwright.simulation.checks import positive, probability, seconds, whole
from runwright.simulation.luck import Luck
from runwright.status import FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runwright.result import Json


@dataclass(frozen=True, slots=True)
class Fate:
    """How an execution ends: well, with a failure, or in the queue again.

    Attributes:
        seconds: After so many seconds of the machine's clock; None: never, unless it is stopped.
        failure: The kind of failure, or None.
        message: The failure in a sentence.
        away: None, or pre-empted: it joins the end of the queue after so many seconds.
        down: Seconds for which nobody gets its slot afterwards.
        kept: Which part of what was to be done a pre-empted trial has done and need not do again.
    """

    seconds: float | None
    failure: FailureKind | None = None
    message: str = ""
    away: float | None = None
    down: float = 0.0
    kept: float = 0.0

    def to_json(self) -> Json:
        """Return the JSON form."""
        return {
            "seconds": self.seconds,
            "failure": None if self.failure is None else self.failure.value,
            "message": self.message,
            "away": self.away,
            "down": self.down,
            "kept": self.kept,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Fate:
        """Build it from its JSON form."""
        failure = body["failure"]
        return cls(**{**body, "failure": None if failure is None else FailureKind(failure)})


class Execution(Luck):
    """What a fault model is told of an execution that begins, and its random numbers.

    Args:
        cause: What the numbers are for.
        trial_index: Index of the trial.
        attempt: Number of its attempt.
        restarts: How often this attempt was pre-empted before.
        slot: Number of the slot.
        time_scaling: The machine's; `moment` sees to it.
    """

    __slots__ = ("attempt", "restarts", "slot", "time_scaling", "trial_index")

    def __init__(
        self, cause: object, *, trial_index: int, attempt: int, restarts: int, slot: int, time_scaling: float
    ) -> None:
        super().__init__(cause, trial_index, attempt, restarts)
        self.trial_index = trial_index
        self.attempt = attempt
        self.restarts = restarts
        self.slot = slot
        self.time_scaling = time_scaling

    def moment(self, after: float | None, fate: Fate) -> float | None:
        """Return when something happens, in seconds of the machine's clock since the execution began.

        Args:
            after: Seconds as runtimes count them; None: any moment before the end decided so far.
            fate: The end decided so far.

        Returns:
            The moment; None where the execution ends before it.
        """
        if after is None:
            return None if fate.seconds is None else self.uniform() * fate.seconds
        at = after / self.time_scaling
        return at if fate.seconds is None or at < fate.seconds else None


class FaultModel(ABC):
    """Decides what goes wrong. Subclass it as a frozen dataclass, so that it can be written as JSON."""

    __slots__ = ()

    hangs: ClassVar[bool] = False
    """Whether it makes executions that never end; in simulated time these need a time limit."""

    @abstractmethod
    def strike(self, fate: Fate, execution: Execution) -> Fate:
        """Return the end of an execution.

        Args:
            fate: The end decided so far.
            execution: What is known of the execution. All randomness must come from it.
        """


@dataclass(frozen=True, slots=True)
class RandomFault(FaultModel):
    """A fault that strikes some executions.

    Args:
        rate: Probability that it strikes an execution.
        after: Seconds of execution before it strikes; None: at any moment, all alike.

    Raises:
        UsageError: A number is out of its range.
    """

    rate: float
    after: float | None = None

    def __post_init__(self) -> None:
        probability(self.rate, f"the rate of {type(self).__name__}")
        if self.after is not None:
            seconds(self.after, f"the time after which {type(self).__name__} strikes")

    def strike(self, fate: Fate, execution: Execution) -> Fate:
        """Strike, or leave the fate alone."""
        if execution.uniform() >= self.rate:
            return fate
        at = execution.moment(self.after, fate)
        return fate if at is None else self.struck(at, fate, execution)

    @abstractmethod
    def struck(self, at: float, fate: Fate, execution: Execution) -> Fate:
        """Return the end of an execution that the fault strikes.

        Args:
            at: When, in seconds of the machine's clock since the execution began.
            fate: The end decided so far.
            execution: What is known of the execution.
        """


@dataclass(frozen=True, slots=True)
class Crash(RandomFault):
    """The evaluation crashes: FAILED, CRASHED."""

    def struck(self, at: float, fate: Fate, execution: Execution) -> Fate:  # noqa: ARG002
        """End with a crash."""
        return Fate(at, FailureKind.CRASHED, f"it crashed after {at:g} s, as simulated")


@dataclass(frozen=True, slots=True)
class OutOfMemory(RandomFault):
    """The evaluation takes too much memory and is ended: FAILED, MEMORYOUT."""

    def struck(self, at: float, fate: Fate, execution: Execution) -> Fate:  # noqa: ARG002
        """End for want of memory."""
        return Fate(at, FailureKind.MEMORYOUT, f"it ran out of memory after {at:g} s, as simulated")


@dataclass(frozen=True, slots=True)
class Hang(RandomFault):
    """The evaluation stops getting on, and holds its slot until it is stopped. With a time limit: FAILED, TIMEOUT."""

    hangs: ClassVar[bool] = True

    def struck(self, at: float, fate: Fate, execution: Execution) -> Fate:  # noqa: ARG002
        """Never end."""
        return Fate(None)


@dataclass(frozen=True, slots=True)
class LostWorker(RandomFault):
    """The worker is gone with all that it knew: FAILED, LOST.

    Args:
        down: Seconds until another worker stands in its slot.
    """

    down: float = 0.0

    def __post_init__(self) -> None:
        RandomFault.__post_init__(self)
        seconds(self.down, "the time for which a lost worker's slot is down")

    def struck(self, at: float, fate: Fate, execution: Execution) -> Fate:  # noqa: ARG002
        """End with the worker."""
        message = f"its worker was lost after {at:g} s, as simulated"
        return Fate(at, FailureKind.LOST, message, down=self.down / execution.time_scaling)


@dataclass(frozen=True, slots=True)
class Preemption(RandomFault):
    """Somebody else gets the slot; the trial is STAGED again, and executes once more later.

    Args:
        times: How often at the most in one attempt.
        requeue: Seconds before the trial joins the end of the queue.
        taken: Seconds for which the slot is taken.
        keeps_progress: Whether the trial goes on where it was, or begins anew.
    """

    times: int = 1
    requeue: float = 1.0
    taken: float = 0.0
    keeps_progress: bool = False

    def __post_init__(self) -> None:
        RandomFault.__post_init__(self)
        whole(self.times, "how often a trial is pre-empted", 0)
        seconds(self.requeue, "the time before a pre-empted trial joins the queue")
        seconds(self.taken, "the time for which a pre-empted trial's slot is taken")

    def struck(self, at: float, fate: Fate, execution: Execution) -> Fate:
        """End in the queue."""
        if execution.restarts >= self.times:
            return fate
        scaling = execution.time_scaling
        away, down = self.requeue / scaling, self.taken / scaling
        kept = at / fate.seconds if self.keeps_progress and fate.seconds else 0.0
        return Fate(at, away=away, down=down, kept=kept)


@dataclass(frozen=True, slots=True)
class Straggler(FaultModel):
    """The execution is slow. List it first, so that other faults strike within the longer time.

    Args:
        rate: Probability that it is.
        factor: How many times longer it takes.

    Raises:
        UsageError: A number is out of its range.
    """

    rate: float
    factor: float = 10.0

    def __post_init__(self) -> None:
        probability(self.rate, "the rate of Straggler")
        positive(self.factor, "the factor of Straggler")

    def strike(self, fate: Fate, execution: Execution) -> Fate:
        """Take longer, or leave the fate alone."""
        if fate.seconds is None or execution.uniform() >= self.rate:
            return fate
        return replace(fate, seconds=fate.seconds * self.factor)


@dataclass(frozen=True, slots=True)
class FailureRate(FaultModel):
    """What ``BackendSimulatorOptions.failure_rate`` means: the trial fails at the end of its runtime, in its slot.

    Args:
        rate: Probability that it does.
    """

    rate: float

    def strike(self, fate: Fate, execution: Execution) -> Fate:
        """Fail at the end, or leave the fate alone."""
        if execution.uniform() >= self.rate:
            return fate
        return replace(fate, failure=FailureKind.CRASHED, message="it failed by the simulated failure rate")
