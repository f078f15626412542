"""What an attempt gives back: measurements, or the reason why there are none, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from runwright.errors import InvalidResultError
from runwright.status import FailureKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

Json: TypeAlias = dict[str, Any]
"""A JSON object."""

Measurement: TypeAlias = tuple[float, float | None]
"""Mean and standard error of the mean (None where it is not known) of a metric."""

Metrics: TypeAlias = dict[str, Measurement]
"""Metric name to its measurement."""


class EvaluationFunction(Protocol):
    """A function that evaluates one point.

    It takes the parameters as one mapping or as keywords, by its signature, and optionally ``seed``, ``instance``
    and ``budget``. It returns a number, a mapping of metrics (each a number or ``(mean, sem)``), a point result
    with ``metric_names``, ``means`` and ``cov``, or a `Result`.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate one point."""
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt gave no result.

    Attributes:
        kind: The kind of failure.
        message: One sentence for a person.
        log: Where the evidence is: a path relative to the run directory, or None where there is none.
        may_live: Whether nobody can say that its evaluation has ended, so that another one could run beside it.
    """

    kind: FailureKind
    message: str
    log: str | None = None
    may_live: bool = False

    def to_json(self) -> Json:
        """Return the JSON form."""
        body: Json = {"kind": self.kind.value, "message": self.message, "log": self.log}
        return {**body, "may_live": True} if self.may_live else body

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Failure:
        """Build it from its JSON form."""
        return cls(FailureKind(value["kind"]), value["message"], value.get("log"), value.get("may_live", False))


@dataclass(slots=True)
class Result:
    """What an ended attempt gave back; unchanged once made.

    Attributes:
        arms: Measurements by arm name. A `Trial` has one arm; `metrics` is its.
        failure: Why there are no measurements, or None.
        seconds: Wall seconds of the evaluation.
        cpu_seconds: CPU seconds of the evaluation itself, its children included.
        peak_memory: Largest memory of the evaluation, in bytes.
        started: When it began, in seconds of the epoch.
        ended: When it ended, in seconds of the epoch.
        additional_info: Whatever else it said, as JSON.
    """

    arms: dict[str, Metrics] = field(default_factory=dict)
    failure: Failure | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_memory: int | None = None
    started: float | None = None
    ended: float | None = None
    additional_info: Json | None = None

    @property
    def metrics(self) -> Metrics:
        """Measurements of the sole arm; empty where nothing was measured.

        Raises:
            ValueError: There are several arms.
        """
        if len(self.arms) > 1:
            raise ValueError(f"this result has {len(self.arms)} arms; use Result.arms")
        for metrics in self.arms.values():
            return metrics
        return {}

    @classmethod
    def failed(cls, kind: FailureKind, message: str, log: str | None = None, **measured: Any) -> Result:
        """Make the result of a failed attempt.

        Args:
            kind: The kind of failure.
            message: One sentence for a person.
            log: Where the evidence is.
            **measured: Any of the measured fields (``seconds``, ``cpu_seconds`` ...).
        """
        return cls(failure=Failure(kind, message, log), **measured)

    def to_json(self) -> Json:
        """Return the JSON form; what is not known is left out."""
        body: Json = {}
        if self.arms:
            body["arms"] = self.arms
        if self.failure is not None:
            body["failure"] = self.failure.to_json()
        for name in _MEASURED:
            value = getattr(self, name)
            if value is not None:
                body[name] = value
        return body

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Result:
        """Build it from its JSON form."""
        arms, failure = {}, body.get("failure")
        for arm, metrics in body.get("arms", {}).items():
            arms[arm] = {name: (mean, sem) for name, (mean, sem) in metrics.items()}
        return cls(arms, None if failure is None else Failure.from_json(failure), *map(body.get, _MEASURED))


# In the order of the fields: `from_json` relies on it.
_MEASURED = ("seconds", "cpu_seconds", "peak_memory", "started", "ended", "additional_info")


def check_objectives(result: Result, objectives: Collection[str], arms: Iterable[str]) -> bool:
    """Check that each arm measured each objective with a finite number.

    Args:
        result: A result without failure.
        objectives: Names of the objectives.
        arms: Names of the trial's arms.

    Returns:
        Whether an arm measured something else as well.

    Raises:
        InvalidResultError: A sentence that names the metric.
    """
    more = False
    for arm in arms:
        metrics = result.arms.get(arm)
        if metrics is None:
            if not objectives:
                continue
            raise InvalidResultError(f"nothing was measured for arm {arm!r}")
        for name in objectives:
            if name not in metrics:
                found = ", ".join(repr(key) for key in list(metrics)[:5]) or "nothing"
                raise InvalidResultError(f"the objective {name!r} is missing; the evaluation returned {found}")
        for name, (mean, sem) in metrics.items():
            if not isfinite(mean) or (sem is not None and not isfinite(sem)):
                what = f"metric {name!r} is {mean}" if not isfinite(mean) else f"sem of the metric {name!r} is {sem}"
                raise InvalidResultError(f"the {what}")
        if len(metrics) > len(objectives):
            more = True
    return more
