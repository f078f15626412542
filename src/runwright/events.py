"""What can happen in an experiment. The journal is a list of these, and nothing else is kept.

Every event has the time of the experiment and, where it is about a trial, its index. Values are JSON types from the
moment of construction, so that an event that was read back equals the one that was written. Events are never changed;
they are not frozen dataclasses because a frozen one costs three times as much to make, five times a trial.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

from runwright.result import Json, Result
from runwright.status import StopCause, StopReason, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode
_decode = json.JSONDecoder().decode


class Row(NamedTuple):
    """An event as the journal keeps it."""

    time: float
    trial: int | None
    kind: str
    body: str


@dataclass(slots=True)
class ExperimentStarted:
    """The experiment was defined; always the first event."""

    kind: ClassVar[str] = "ExperimentStarted"
    time: float
    definition: Json
    """Experiment, optimizer and runner as JSON: what must not change between two drivers."""
    trial: int | None = None


@dataclass(slots=True)
class DriverStarted:
    """A driver took over."""

    kind: ClassVar[str] = "DriverStarted"
    time: float
    epoch: float
    """Seconds of the epoch that stand beside `time`."""
    policy: Json
    trial: int | None = None


@dataclass(slots=True)
class TrialAsked:
    """A trial was proposed: by the optimizer, by a user, or by a foreign loop."""

    kind: ClassVar[str] = "TrialAsked"
    time: float
    trial: int
    points: list[Json]
    source: str = "optimizer"
    instance: str | None = None
    budget: float | None = None
    seed: int | None = None
    names: list[str] | None = None


@dataclass(slots=True)
class DeployStarted:
    """The intent to hand an attempt to the runner. Committed before the runner hears of it."""

    kind: ClassVar[str] = "DeployStarted"
    time: float
    trial: int
    attempt: int


@dataclass(slots=True)
class Deployed:
    """The runner took an attempt."""

    kind: ClassVar[str] = "Deployed"
    time: float
    trial: int
    attempt: int
    metadata: Json
    staged: bool = False
    """Whether it waits in a queue of the runner."""


@dataclass(slots=True)
class Polled:
    """The runner says that a live trial runs, or waits again."""

    kind: ClassVar[str] = "Polled"
    time: float
    trial: int
    status: TrialStatus


@dataclass(slots=True)
class Finished:
    """An attempt ended by itself or by a limit: with measurements, or with a failure."""

    kind: ClassVar[str] = "Finished"
    time: float
    trial: int
    attempt: int
    result: Result


@dataclass(slots=True)
class StopRequested:
    """The intent to stop a live attempt. Committed before the runner hears of it."""

    kind: ClassVar[str] = "StopRequested"
    time: float
    trial: int
    attempt: int
    cause: StopCause
    reason: str


@dataclass(slots=True)
class Stopped:
    """A trial ended on request: ABANDONED or EARLY_STOPPED."""

    kind: ClassVar[str] = "Stopped"
    time: float
    trial: int
    attempt: int
    status: TrialStatus
    reason: str
    result: Result | None = None
    """What the stopped attempt cost, where it is known."""


@dataclass(slots=True)
class Interrupted:
    """An attempt was cut short by the end of a driver; it is confirmed dead and will be repeated."""

    kind: ClassVar[str] = "Interrupted"
    time: float
    trial: int
    attempt: int
    reason: str


@dataclass(slots=True)
class RetryPlanned:
    """Policy: a failed attempt is followed by another, not before a time."""

    kind: ClassVar[str] = "RetryPlanned"
    time: float
    trial: int
    not_before: float
    retry: int | None = None
    """Which retry under its rule it is, from 1."""
    retries: int | None = None
    """How many that rule allows."""


@dataclass(slots=True)
class GaveUp:
    """Policy: a failed attempt makes its trial FAILED."""

    kind: ClassVar[str] = "GaveUp"
    time: float
    trial: int
    penalty: Json | None = None
    """What is told of its objectives in place of measurements, or None. Recorded, so that it is told again alike."""
    abort: bool | None = None
    """Whether policy ends the experiment for it."""


@dataclass(slots=True)
class Told:
    """The optimizer was told how a trial ended."""

    kind: ClassVar[str] = "Told"
    time: float
    trial: int


@dataclass(slots=True)
class Rerun:
    """A user wants a FAILED or ABANDONED trial tried again."""

    kind: ClassVar[str] = "Rerun"
    time: float
    trial: int


@dataclass(slots=True)
class Detached:
    """The driver leaves while this attempt goes on; the next driver follows it."""

    kind: ClassVar[str] = "Detached"
    time: float
    trial: int
    attempt: int


@dataclass(slots=True)
class RequestTaken:
    """A request of another process was taken in; its file may be removed."""

    kind: ClassVar[str] = "RequestTaken"
    time: float
    request: str
    body: Json
    refused: str | None = None
    """Why nothing was done, or None."""
    trial: int | None = None


@dataclass(slots=True)
class OptimizerRebuilt:
    """The optimizer was brought to where the last driver left it."""

    kind: ClassVar[str] = "OptimizerRebuilt"
    time: float
    exact: bool
    reason: str
    trial: int | None = None


@dataclass(slots=True)
class Noted:
    """Something worth saying once."""

    kind: ClassVar[str] = "Noted"
    time: float
    message: str
    trial: int | None = None


@dataclass(slots=True)
class ExperimentEnded:
    """Nothing more is started; the trials that still run may finish. The next driver may go on."""

    kind: ClassVar[str] = "ExperimentEnded"
    time: float
    reason: StopReason
    message: str
    trial: int | None = None


Event = (
    ExperimentStarted
    | DriverStarted
    | TrialAsked
    | DeployStarted
    | Deployed
    | Polled
    | Finished
    | StopRequested
    | Stopped
    | Interrupted
    | RetryPlanned
    | GaveUp
    | Told
    | Rerun
    | Detached
    | RequestTaken
    | OptimizerRebuilt
    | Noted
    | ExperimentEnded
)

EVENTS: dict[str, type[Event]] = {
    event.kind: event
    for event in (
        ExperimentStarted,
        DriverStarted,
        TrialAsked,
        DeployStarted,
        Deployed,
        Polled,
        Finished,
        StopRequested,
        Stopped,
        Interrupted,
        RetryPlanned,
        GaveUp,
        Told,
        Rerun,
        Detached,
        RequestTaken,
        OptimizerRebuilt,
        Noted,
        ExperimentEnded,
    )
}

_Convert: TypeAlias = "Callable[[Any], Any]"

_NOT_JSON: dict[str, tuple[_Convert, _Convert]] = {
    "result": (lambda result: result.to_json(), lambda body: None if body is None else Result.from_json(body)),
    "cause": (lambda cause: cause.value, StopCause),
    "status": (lambda status: status.name, lambda name: TrialStatus[name]),
    "ExperimentEnded.reason": (lambda reason: reason.value, StopReason),  # elsewhere a reason is a text
}
"""The fields that are no JSON types, of any event or of one: into JSON, and back."""

_BODY: dict[str, list[tuple[str, _Convert | None]]] = {}
"""Kind to the fields of the body, in order, with what turns each into JSON (None: it is JSON)."""
_BACK: dict[str, list[tuple[str, _Convert]]] = {}
"""Kind to the fields of the body that are no JSON types, with what makes them."""
for _kind, _event in EVENTS.items():
    _names = [field.name for field in fields(_event) if field.name not in ("time", "trial")]
    _found = {name: _NOT_JSON.get(f"{_kind}.{name}", _NOT_JSON.get(name)) for name in _names}
    _BODY[_kind] = [(name, ways and ways[0]) for name, ways in _found.items()]
    _BACK[_kind] = [(name, ways[1]) for name, ways in _found.items() if ways]


def encode(event: Event) -> Row:
    """Turn an event into a row of the journal.

    Raises:
        ValueError: It holds a number that is not finite.
        TypeError: It holds something that JSON cannot hold.
    """
    body: dict[str, Any] = {}
    for name, convert in _BODY[event.kind]:
        value = getattr(event, name)
        if value is not None:
            body[name] = value if convert is None else convert(value)
    return Row(event.time, event.trial, event.kind, _encode(body))


def decode(row: Row) -> Event:
    """Turn a row of the journal back into an event.

    Raises:
        KeyError: Its kind is unknown.
        ValueError: Its body is not what `encode` wrote.
        TypeError: A field of its body is missing.
    """
    return build(row.kind, row.time, row.trial, _decode(row.body))


def build(kind: str, time: float, trial: int | None, body: Json) -> Event:
    """Make an event from the parts of a row, its body parsed. The body is used up.

    Raises:
        KeyError: Its kind is unknown.
        ValueError: Its body is not what `encode` wrote.
        TypeError: A field of its body is missing.
    """
    for name, convert in _BACK[kind]:
        if name in body:
            body[name] = convert(body[name])
    if trial is not None:
        body["trial"] = trial
    return EVENTS[kind](time=time, **body)
