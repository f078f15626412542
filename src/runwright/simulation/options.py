"""What a simulated machine is like."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from runwright.errors import UsageError
from runwright.simulation import forms
from runwright.simulation.checks import Delay, delay, moment, positive, probability, several, whole
from runwright.simulation.faults import FaultModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runwright.result import Json


@dataclass(frozen=True, slots=True)
class BackendSimulatorOptions:
    """How the simulated machine behaves. Never changed: one may be given to several machines.

    Attributes:
        max_concurrency: Number of slots: how many trials execute at once.
        time_scaling: All durations are divided by it: runtimes, delays and those of the faults.
        failure_rate: Probability that a trial fails; it does so at the end of its runtime, in its slot.
        internal_clock: Time at which the machine's own clock begins; None: it takes the time of the real clock.
        use_update_as_start_time: Whether a waiting trial begins only when an update sees that a slot is free, not at
            the moment at which it became free.
        seed: Seed of everything random on the machine.
        speeds: How fast each slot is, 1 being the speed that runtimes are meant for; empty: all are.
        start_delay: Seconds between getting a slot and executing, or the bounds between which they are drawn. The
            trial is STAGED meanwhile.
        stop_delay: Seconds between the request to stop and the end of a running trial, or bounds.
        faults: What goes wrong; see `runwright.simulation.faults`.

    Raises:
        UsageError: A number is out of its range.
    """

    max_concurrency: int = 1
    time_scaling: float = 1.0
    failure_rate: float = 0.0
    internal_clock: float | None = None
    use_update_as_start_time: bool = False
    seed: int = field(default=0, kw_only=True)
    speeds: Sequence[float] = field(default=(), kw_only=True)
    start_delay: Delay = field(default=0.0, kw_only=True)
    stop_delay: Delay = field(default=0.0, kw_only=True)
    faults: Sequence[FaultModel] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        self._set("max_concurrency", whole(self.max_concurrency, "max_concurrency", 1))
        self._set("time_scaling", positive(self.time_scaling, "time_scaling"))
        self._set("failure_rate", probability(self.failure_rate, "the failure rate"))
        if self.internal_clock is not None:
            self._set("internal_clock", moment(self.internal_clock, "internal_clock"))
        self._set("seed", whole(self.seed, "the seed", 0))
        speeds = several(self.speeds, "speeds")
        self._set("speeds", tuple(positive(speed, "the speed of a slot") for speed in speeds))
        if self.speeds and len(self.speeds) != self.max_concurrency:
            raise UsageError(f"there are {len(self.speeds)} speeds for {self.max_concurrency} slots; give one a slot")
        self._set("start_delay", delay(self.start_delay, "start_delay"))
        self._set("stop_delay", delay(self.stop_delay, "stop_delay"))
        self._set("faults", several(self.faults, "faults"))
        for fault in self.faults:
            if not isinstance(fault, FaultModel):
                raise UsageError(f"a fault must be a FaultModel such as Crash(rate=0.1), not {fault!r:.60}")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def to_json(self) -> Json:
        """Return the JSON form.

        Raises:
            UsageError: A fault model is of a class that another process could not import.
        """
        return {item.name: forms.to_json(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """Build them from their JSON form."""
        return cls(**{name: forms.from_json(value) for name, value in body.items()})
