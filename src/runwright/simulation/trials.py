"""A trial on the simulated machine, and what the machine says of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, Self

from runwright.simulation.faults import Fate
from runwright.simulation.options import BackendSimulatorOptions
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runwright.result import Json


class Phase(Enum):
    """Where a trial is on the machine: finer than its status."""

    QUEUED = "queued", TrialStatus.STAGED
    """It waits for a slot."""
    AWAY = "away", TrialStatus.STAGED
    """It was pre-empted and has not joined the queue yet."""
    STARTING = "starting", TrialStatus.STAGED
    """It has a slot and does not execute yet."""
    RUNNING = "running", TrialStatus.RUNNING
    """It executes."""
    STOPPING = "stopping", TrialStatus.RUNNING
    """It executes, and will soon have been stopped."""
    COMPLETED = "completed", TrialStatus.COMPLETED
    """It ended well."""
    FAILED = "failed", TrialStatus.FAILED
    """It failed."""
    STOPPED = "stopped", TrialStatus.ABANDONED
    """It was stopped."""

    def __init__(self, label: str, status: TrialStatus) -> None:
        self.label = label
        self.status = status
        self.live = status.is_deployed
        """Whether a trial in this phase has not ended."""


# Looking a member up takes Python 3.11 0.17 us, a name 0.01: the machine does it several times a trial.
QUEUED, AWAY, STARTING = Phase.QUEUED, Phase.AWAY, Phase.STARTING
RUNNING, STOPPING = Phase.RUNNING, Phase.STOPPING
COMPLETED, FAILED, STOPPED = Phase.COMPLETED, Phase.FAILED, Phase.STOPPED

_BY_LABEL = {phase.label: phase for phase in Phase}


@dataclass(slots=True)
class SimTrial:
    """A trial on the simulated machine; times on the machine's clock.

    Attributes:
        trial_index: Index of the trial.
        sim_runtime: How long it executes in a slot of speed 1, divided by ``time_scaling``.
        sim_start_time: When it began to execute; of a pre-empted trial, the last time.
        sim_queued_time: When it was submitted.
        sim_completed_time: When it ended, by itself or by a stop.
        phase: Where it is.
        order: Number of its submission; what ties are resolved by.
        attempt: Number of its attempt; a second one has a luck of its own.
        slot: Its slot, or its last one.
        due: Time of its next event, or None.
        fate: How its execution ends; None: well, at the end of its runtime.
        restarts: How often it was pre-empted.
        left: Which part of its runtime is still to be done.
    """

    trial_index: int
    sim_runtime: float
    sim_start_time: float | None = None
    sim_queued_time: float | None = None
    sim_completed_time: float | None = None
    phase: Phase = Phase.QUEUED
    order: int = -1
    attempt: int = 1
    slot: int | None = None
    due: float | None = None
    fate: Fate | None = None
    restarts: int = 0
    left: float = 1.0

    @property
    def status(self) -> TrialStatus:
        """Its status: STAGED, RUNNING, COMPLETED, FAILED, or ABANDONED where it was stopped."""
        return self.phase.status

    def to_json(self) -> Json:
        """Return the JSON form."""
        body = {name: getattr(self, name) for name in _FIELDS}
        body["phase"] = self.phase.label
        body["fate"] = None if self.fate is None else self.fate.to_json()
        return body

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Build it from its JSON form; what is left out has its default."""
        fate = body.get("fate")
        phase = _BY_LABEL[body.get("phase", Phase.QUEUED.label)]
        return cls(**{**body, "phase": phase, "fate": None if fate is None else Fate.from_json(fate)})


_FIELDS = tuple(item.name for item in fields(SimTrial))


@dataclass(slots=True)
class SimStatus:
    """Which trials are where, by index.

    Attributes:
        queued: Those that have a slot and do not execute yet, then the queue in order, then those that were pre-empted
            and have not joined it yet.
        running: Those that execute, in order of their beginning.
        failed: Those that failed, in order of their end.
        time_remaining: Seconds that the running ones still need; infinite where one hangs.
        completed: Those that ended well, in order of their end.
        stopped: Those that were stopped, in order of their end.
    """

    queued: list[int]
    running: list[int]
    failed: list[int]
    time_remaining: list[float]
    completed: list[int]
    stopped: list[int] = field(default_factory=list, kw_only=True)


@dataclass(slots=True)
class BackendSimulatorState:
    """All that a machine knows. ``BackendSimulator.from_state`` makes one that goes on identically.

    Attributes:
        options: The options; their ``internal_clock`` is the machine's time.
        verbose_logging: Whether updates are logged at INFO.
        queued: Trials that have no slot or do not execute yet, in the order of `SimStatus.queued`.
        running: Trials that execute.
        failed: Trials that failed.
        completed: Trials that ended well.
        stopped: Trials that were stopped.
        down: Slots that nobody gets for a while: ``[until, slot]``.
        submitted: How many trials were submitted.
        last_time: Time of the machine's last move.
        news: Trials that changed and were not named by an update yet.
    """

    options: BackendSimulatorOptions
    verbose_logging: bool
    queued: list[dict[str, Any]]
    running: list[dict[str, Any]]
    failed: list[dict[str, Any]]
    completed: list[dict[str, Any]]
    stopped: list[dict[str, Any]] = field(default_factory=list, kw_only=True)
    down: list[list[float]] = field(default_factory=list, kw_only=True)
    submitted: int = field(default=0, kw_only=True)
    last_time: float | None = field(default=None, kw_only=True)
    news: list[int] = field(default_factory=list, kw_only=True)

    def to_json(self) -> Json:
        """Return the JSON form.

        Raises:
            UsageError: A fault model is of a class that another process could not import.
        """
        return {**{item.name: getattr(self, item.name) for item in fields(self)}, "options": self.options.to_json()}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Build it from its JSON form."""
        return cls(**{**body, "options": BackendSimulatorOptions.from_json(body["options"])})
