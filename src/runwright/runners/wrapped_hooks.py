"""What is called of a wrapper, in a thread: before an attempt, and to learn how it stands."""

from __future__ import annotations

import os
import threading
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runwright.clock import monotonic
from runwright.errors import InvalidResultError, RunwrightError
from runwright.measurements import clean
from runwright.result import Failure, Result
from runwright.runners import wrapped_job
from runwright.runners.wrapped_log import append
from runwright.status import FailureKind, TrialStatus
from runwright.wrappers.fetching import fetch
from runwright.wrappers.job import Job
from runwright.wrappers.names import WRAPPER_LOG

if TYPE_CHECKING:
    from collections.abc import Callable

    from runwright.process.attempt import Place
    from runwright.result import Json, Metrics
    from runwright.runners.wrapped_errand import Errand
    from runwright.trial import BaseTrial
    from runwright.wrappers.view import TrialView

_LONGEST_MESSAGE = 500

STARTING, RUNNING, LOOKING, STOPPING = "starting", "running", "looking", "stopping"
"""Stages of a journey: hooks are called, the job is executed, the wrapper is asked how it stands, or to stop it."""


@dataclass(slots=True)
class Journey:
    """An attempt that has not ended, as the driver follows it.

    Attributes:
        trial: The trial.
        attempt: Number of the attempt.
        view: The trial as the wrapper sees it.
        place: Its folders, or None without a run directory.
        metadata: Its run metadata.
        stage: How far it has come.
        errand: The hooks that are being called, or None.
        exit: What the supervisor recorded of the job that has ended; None before, or where there was none.
        look_at: When the wrapper is asked next, in seconds of the monotonic clock.
        began: When the attempt began.
        started: The same in seconds of the epoch.
        stop_asked: Whether it was asked to stop.
    """

    trial: BaseTrial
    attempt: int
    view: TrialView
    place: Place | None
    metadata: Json
    stage: str
    started: float
    errand: Errand[Any] | None = None
    exit: Result | None = None
    look_at: float = 0.0
    began: float = field(default_factory=monotonic)
    stop_asked: bool = False

    @property
    def log(self) -> str | None:
        """The log of its hooks, relative to the run directory."""
        return None if self.place is None else f"{self.place.relative}/{WRAPPER_LOG}"

    @property
    def log_file(self) -> str | None:
        """The log of its hooks."""
        return None if self.place is None else f"{self.place.folder}/{WRAPPER_LOG}"

    @property
    def measured(self) -> Json:
        """What was measured of an attempt that ends now."""
        if self.exit is None:
            seconds = monotonic() - self.began
            facts: Json = {"seconds": seconds, "started": self.started, "ended": self.started + seconds}
        else:
            names = ("seconds", "cpu_seconds", "peak_memory", "started", "ended")
            facts = {name: getattr(self.exit, name) for name in names}
        return facts if self.view.seconds is None else {**facts, "seconds": self.view.seconds}

    @property
    def status(self) -> TrialStatus:
        """How it stands, as long as it has not ended: RUNNING, or STAGED where the wrapper says so."""
        return TrialStatus.STAGED if self.view.proposal is TrialStatus.STAGED else TrialStatus.RUNNING

    def is_late(self, hook_seconds: float) -> bool:
        """Whether a hook takes too long."""
        return self.errand is not None and monotonic() - self.errand.began > hook_seconds

    def has_news(self, hook_seconds: float) -> bool:
        """Whether there is something to be done for it."""
        if self.errand is not None:
            return self.errand.done or self.is_late(hook_seconds)
        return self.stage == LOOKING and monotonic() >= self.look_at

    def due(self, hook_seconds: float) -> float | None:
        """Return when there will be, if nothing happens before; None: never."""
        if self.errand is not None:
            return self.errand.began + hook_seconds
        return self.look_at if self.stage == LOOKING else None


class HookError(Exception):
    """A hook raised something.

    Args:
        hook: Its name.
        error: What it raised.
    """

    def __init__(self, hook: str, error: BaseException) -> None:
        self.hook = hook
        self.error = error
        super().__init__(hook)


class Hooks:
    """Calls the hooks of a wrapper in their order.

    Args:
        wrapper: A `BaseWrapper`, or something with the same hooks.
    """

    def __init__(self, wrapper: Any) -> None:
        self.wrapper = wrapper

    @property
    def declares_jobs(self) -> bool:
        """Whether ``run_model`` starts nothing itself and only returns a job."""
        return bool(getattr(self.wrapper, "declares_jobs", False))

    @property
    def quick(self) -> bool:
        """Whether the hooks do next to nothing, so that they are called without a thread."""
        return bool(getattr(self.wrapper, "quick", False))

    @property
    def folder(self) -> str | None:
        """The current folder of the hooks; None: that of the driver."""
        options = getattr(self.wrapper, "script_options", None)
        found = getattr(self.wrapper, "working_dir", None) or getattr(options, "working_dir", None)
        return None if found is None else str(found)

    def start(self, journey: Journey) -> Job | None:
        """Write configurations and run the model; return the job that is to be executed, or None.

        Raises:
            HookError: A hook raised.
            OSError: The disk is full.
        """
        view, place = journey.view, journey.place
        self._call("write_configs", self.wrapper.write_configs, view)
        if view.ended:
            return None
        if place is not None and not self.declares_jobs:
            wrapped_job.note(place, wrapped_job.AT_WORK)
        job = Job.of(self._call("run_model", self.wrapper.run_model, view))
        if place is not None and not self.declares_jobs:
            wrapped_job.note(place, wrapped_job.OWN if job is None else wrapped_job.JOB, started=journey.started)
        return job

    def look(self, journey: Journey) -> tuple[Metrics, Json] | None:
        """Ask how a trial stands; return its data where it is complete.

        Raises:
            HookError: A hook raised.
        """
        view = journey.view
        if not view.ended:
            self._call("set_trial_status", self.wrapper.set_trial_status, view)
        if view.proposal is not TrialStatus.COMPLETED:
            return None
        data: tuple[Metrics, Json] = self._call("fetch_trial_data", fetch, self.wrapper, view)
        return data

    def stop(self, journey: Journey) -> None:
        """Ask the wrapper to end what it has started by itself.

        Raises:
            HookError: The hook raised.
        """
        stop = getattr(self.wrapper, "stop_model", None)
        if stop is not None:
            self._call("stop_model", stop, journey.view)

    @staticmethod
    def _call(hook: str, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise  # the user's Ctrl-C, not the hook's
            raise HookError(hook, error) from error


def failure_of(error: BaseException, journey: Journey) -> Failure:
    """Return what the error of an errand amounts to; its traceback goes into the log of the attempt."""
    hook, cause = (error.hook, error.error) if isinstance(error, HookError) else ("the attempt", error)
    if isinstance(cause, InvalidResultError):
        return Failure(FailureKind.INVALID_RESULT, clean(str(cause)), _evidence(journey))
    log = journey.log
    if journey.log_file is not None:
        text = "".join(traceback.format_exception(cause)).rstrip()
        try:
            append(journey.log_file, clean(text))
        except OSError:
            log = None  # the disk is full, or the folder is gone
    try:
        said = " ".join(str(cause).split())
    except Exception:  # noqa: BLE001  (a user's __str__ may raise anything)
        said = "(its text cannot be shown)"
    said = clean(said if len(said) <= _LONGEST_MESSAGE else f"{said[:_LONGEST_MESSAGE]} ...")
    if isinstance(cause, RunwrightError):
        return Failure(FailureKind.CRASHED, f"{hook}: {said}", log)
    kind = type(cause).__name__
    return Failure(FailureKind.CRASHED, f"{hook} raised {kind}: {said}" if said else f"{hook} raised {kind}", log)


def verdict(journey: Journey, data: tuple[Metrics, Json] | None) -> tuple[TrialStatus, Result] | None:
    """Return what a trial amounts to whose wrapper was asked; None where it goes on."""
    view, measured = journey.view, journey.measured
    if not view.ended:
        return None
    status = view.proposal
    assert status is not None, "it has ended"
    if status is TrialStatus.COMPLETED:
        metrics, info = data or ({}, {})
        return status, Result(arms={view.arm.name: metrics}, additional_info=info or None, **measured)
    if status is TrialStatus.FAILED:
        reason = clean(view.reason or "the wrapper marked it as failed")
        return status, Result(failure=Failure(view.kind, reason, _evidence(journey)), **measured)
    return status, Result(**measured)


def _evidence(journey: Journey) -> str | None:
    """Return where to look: what the program printed, or what the hooks logged."""
    if journey.place is None:
        return None
    for name in ("stderr.log", "stdout.log", WRAPPER_LOG):
        try:
            if os.stat(f"{journey.place.folder}/{name}").st_size > 0:  # noqa: PTH116
                return f"{journey.place.relative}/{name}"
        except OSError:
            continue
    return f"{journey.place.relative}/stdout.log" if journey.exit is not None else None
