"""What happened to a trial, in lines for people, drawn from the events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runwright import events as ev
    from runwright.result import Json, Metrics, Result

_LONGEST_METADATA = 120


def story(events: Iterable[ev.Event], trial: int) -> list[str]:
    """Tell what happened to a trial: a line an event, with its time of day and the seconds of the experiment.

    The texts are as the trial's program wrote them: escape control characters before showing them on a terminal.

    Args:
        events: All events of the experiment, in order.
        trial: Index of the trial.

    Returns:
        The lines; empty where there is no such trial.
    """
    lines: list[str] = []
    clock = _Times()
    open_ = False
    keys: list[str] | None = None
    handle: tuple[int, Json] | None = None
    left = False
    for event in events:
        if event.kind == "ExperimentStarted":
            keys = (event.definition.get("runner") or {}).get("report_keys")  # type: ignore[union-attr]  # its kind is known
        if event.kind == "DriverStarted":
            clock.driver_started(event.time, event.epoch)  # type: ignore[union-attr]  # its kind is known
            if open_:
                lines.append(clock.line(event, "another driver took over"))
            continue
        if not _concerns(event, trial):
            continue
        if event.kind == "Deployed":
            before, handle = handle, (event.attempt, event.metadata)  # type: ignore[union-attr]  # its kind is known
            sentence = f"attempt {handle[0]} is followed on" if left and handle == before else _deployed(event, keys)
        elif event.kind == "RetryPlanned":
            sentence = _retry(event, clock)
        else:
            sentence = _SENTENCES[event.kind](event)
        lines.append(clock.line(event, sentence))
        left = event.kind == "Detached" or (left and event.kind != "Deployed")
        open_ = _open_after(event, open_)
    return lines


class _Times:
    """Turns times of the experiment into text."""

    def __init__(self) -> None:
        self._driver: tuple[float, float] | None = None

    def driver_started(self, time: float, epoch: float) -> None:
        self._driver = (time, epoch)

    def line(self, event: ev.Event, sentence: str) -> str:
        return f"{self.of_day(event.time)}{event.time:>12.3f} s  {sentence}"

    def of_day(self, time: float) -> str:
        """Return date and time of day; blank before the first driver, empty in simulated time."""
        if self._driver is None:
            return " " * 19
        began, epoch = self._driver
        if began == epoch:  # simulated time has no time of day
            return ""
        moment = datetime.fromtimestamp(epoch + (time - began), tz=UTC).astimezone()
        return moment.strftime("%Y-%m-%d %H:%M:%S")


def _concerns(event: ev.Event, trial: int) -> bool:
    if event.kind == "RequestTaken":
        return event.body.get("trial") == trial  # type: ignore[union-attr]  # its kind is known
    return event.trial == trial


def _open_after(event: ev.Event, before: bool) -> bool:
    if event.kind in ("TrialAsked", "Rerun"):
        return True
    if event.kind in ("Stopped", "GaveUp"):
        return False
    if event.kind == "Finished":
        return event.result.failure is not None  # type: ignore[union-attr]
    return before


# A sentence an event.


def _asked(event: ev.TrialAsked) -> str:
    who = {"optimizer": "proposed by the optimizer", "enqueued": "enqueued by a user"}.get(event.source, event.source)
    points = "; ".join(", ".join(f"{name} = {value}" for name, value in point.items()) for point in event.points)
    extras = [(name, getattr(event, name)) for name in ("instance", "budget", "seed")]
    known = "".join(f", {name} {value}" for name, value in extras if value is not None)
    return f"{who}: {points}{known}"


def _deployed(event: Any, keys: list[str] | None) -> str:
    """Say that an attempt was deployed, and of its metadata what the runner wants reported."""
    reported = [(key, event.metadata[key]) for key in event.metadata if keys is None or key in keys]
    said = ", ".join(f"{key} {value}" for key, value in reported if isinstance(value, (str, int, float)))
    if len(said) > _LONGEST_METADATA:
        said = said[: _LONGEST_METADATA - 1] + "…"
    what = "waits in the runner's queue" if event.staged else "was started"
    return f"attempt {event.attempt} {what}" + (f" ({said})" if said else "")


def _polled(event: ev.Polled) -> str:
    return "it runs" if event.status is TrialStatus.RUNNING else "it waits again in the runner's queue"


def _finished(event: ev.Finished) -> str:
    result = event.result
    took = "" if result.seconds is None else f" after {result.seconds:.3g} s"
    if result.failure is None:
        return f"attempt {event.attempt} completed{took}: {_measured(result)}"
    failure = result.failure
    log = "" if failure.log is None else f" (see {failure.log})"
    return f"attempt {event.attempt} failed{took}: {failure.kind.value}: {failure.message}{log}"


def _measured(result: Result) -> str:
    several = len(result.arms) > 1
    arms = [f"{arm}: {_metrics(metrics)}" if several else _metrics(metrics) for arm, metrics in result.arms.items()]
    return "; ".join(arms) or "nothing was measured"


def _metrics(metrics: Metrics) -> str:
    return ", ".join(
        f"{name} = {mean:.6g}" + ("" if sem is None else f" ± {sem:.2g}") for name, (mean, sem) in metrics.items()
    )


def _stop_requested(event: ev.StopRequested) -> str:
    return f"attempt {event.attempt} was asked to stop ({event.cause.value}): {event.reason}"


def _stopped(event: ev.Stopped) -> str:
    what = "stopped early" if event.status is TrialStatus.EARLY_STOPPED else "abandoned"
    return f"{what}: {event.reason}"


def _retry(event: Any, clock: _Times) -> str:
    wait = event.not_before - event.time
    which = "" if event.retry is None else f" (retry {event.retry} of {event.retries})"
    if wait <= 0:
        return f"it is tried again{which}"
    at = clock.of_day(event.not_before).strip() or f"{event.not_before:.3f} s"
    return f"it is tried again in {wait:.3g} s, at {at}{which}"


def _gave_up(event: ev.GaveUp) -> str:
    told = "; ".join(f"{name} = {value:g}" for name, value in (event.penalty or {}).items())
    penalty = f"; {told} is told in place of a measurement (penalty)" if told else ""
    return f"no further attempt: the trial failed{penalty}" + (
        "; this ends the experiment (abort)" if event.abort else ""
    )


def _request(event: ev.RequestTaken) -> str:
    reason = event.body.get("reason")
    said = f"a user asked for: {event.body.get('kind')}" + (f" ({reason})" if reason else "")
    return said if event.refused is None else f"{said}; refused: {event.refused}"


_SENTENCES: dict[str, Callable[[Any], str]] = {
    "TrialAsked": _asked,
    "DeployStarted": lambda event: f"attempt {event.attempt} is handed to the runner",
    "Polled": _polled,
    "Finished": _finished,
    "StopRequested": _stop_requested,
    "Stopped": _stopped,
    "Interrupted": lambda event: f"attempt {event.attempt} was interrupted: {event.reason}; it will be repeated",
    "GaveUp": _gave_up,
    "Told": lambda _: "the optimizer was told",
    "Rerun": lambda _: "a user asked for another attempt",
    "Detached": lambda event: f"the driver left; attempt {event.attempt} goes on",
    "RequestTaken": _request,
    "Noted": lambda event: event.message,
}
