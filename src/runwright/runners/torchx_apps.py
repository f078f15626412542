"""The TorchX apps of an experiment: follows them, stops them, and finds them again after another driver."""

from __future__ import annotations

import signal
from dataclasses import asdict
from typing import TYPE_CHECKING

from runwright.clock import epoch, monotonic
from runwright.errors import SubmitError
from runwright.runner import Lost, NeverStarted
from runwright.runners.torchx_app import APP_HANDLE, LIVE, STATUSES, App
from runwright.runners.torchx_notes import Note
from runwright.runners.torchx_outcome import Outcomes
from runwright.runners.torchx_processes import processes_of, signal_all
from runwright.runners.torchx_session import Seen
from runwright.runners.torchx_submission import Submissions
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from runwright.result import Result
    from runwright.runner import RunContext
    from runwright.runners.torchx_component import Component
    from runwright.runners.torchx_results import TrackedResults
    from runwright.runners.torchx_session import Session
    from runwright.trial import BaseTrial

FORGOTTEN_AFTER = 10.0
"""Seconds for which a cluster must say that it does not know an app before that is believed."""
UNLISTED_AFTER = 60.0
"""Seconds for which a scheduler must answer by errors alone before a submission that nobody has confirmed is LOST."""
RESULT_DELAY = 5.0
"""Seconds for which the result of an app that succeeded on a cluster may be on its way."""
_LOOKED_AT = 2  # how many kept apps each submission looks at: more than one, so that the kept ones become fewer


class Apps:
    """The apps of an experiment.

    Args:
        context: What the runner was opened with.
        session: TorchX.
        component: Makes an app for a trial.
        results: Where results are.
    """

    def __init__(self, context: RunContext, session: Session, component: Component, results: TrackedResults) -> None:
        self.session = session
        self._context = context
        self._results = results
        self._submissions = Submissions(context.directory, session, component, results)
        self._outcomes = Outcomes(context.directory, session, results)
        self._kept: dict[int, App] = {}
        self._unconfirmed: dict[int, App] = {}

    # Submit and find.

    def submit(self, trial: BaseTrial) -> App:
        """Submit the trial's current attempt, or adopt the app that it has already.

        Raises:
            SubmitError: It could not be submitted, or was submitted with other parameters.
        """
        app = self.find(trial)
        if app is None:
            self._forget_ended()
            app = self._kept[trial.index] = self._submissions.submit(trial)
        elif app.note.digest != trial.digest:
            raise SubmitError(
                f"trial {trial.index}: attempt {trial.attempt} was already submitted with other parameters"
            )
        return app

    def find(self, trial: BaseTrial) -> App | None:
        """Return the app of the trial's current attempt, submitted by this driver or another, or None."""
        app = self._kept.get(trial.index)
        if app is not None and app.attempt == trial.attempt:
            if app.note.digest == trial.digest:
                app.trial = trial
            return app
        note = self._submissions.notes.read(trial)
        handle = trial.run_metadata.get(APP_HANDLE)
        if handle is not None:  # the journal knows that it was submitted, even if the note does not
            note = note or Note(trial.digest, "", 0.0)
            note.handle, note.confirmed = str(handle), True
        return self._adopt(trial, note) if note is not None and note.confirmed else None

    def _adopt(self, trial: BaseTrial, note: Note) -> App:
        app = self._kept[trial.index] = App(trial, trial.attempt, note)
        if note.end is not None:
            app.ended, app.seen = TrialStatus[note.end["status"]], Seen(**note.end["seen"])
            app.began, app.over = note.end["began"], note.end["over"]
        return app

    def _forget_ended(self) -> None:
        """Drop apps whose end is recorded: look at a few in each submission."""
        for index in list(self._kept)[:_LOOKED_AT]:
            app = self._kept.pop(index)
            if not app.trial.status.is_terminal:
                self._kept[index] = app

    # Follow.

    def status(self, app: App) -> TrialStatus | None:
        """Return the status of an app; None while it is not known."""
        if app.ended is not None:
            return app.ended
        if app.kill_at is not None and monotonic() >= app.kill_at:
            app.kill_at = None
            signal_all(app.handle, signal.SIGKILL)
        seen = self.session.look(app.handle)
        if seen is None:
            return self._unknown_to_torchx(app)
        status = STATUSES.get(seen.state)
        if status is None or status in LIVE:
            app.odd_since = None
            if status is TrialStatus.RUNNING and app.began is None:
                app.began = epoch()
            return status
        if status is TrialStatus.COMPLETED and self._is_on_its_way(app):
            return TrialStatus.RUNNING
        app.seen = seen
        stopped = status is TrialStatus.FAILED and app.was_stopped
        return self._end(app, TrialStatus.ABANDONED if stopped else status)

    def _unknown_to_torchx(self, app: App) -> TrialStatus | None:
        """Say what has become of an app that its scheduler does not know, or knows no more."""
        if app.is_local:
            app.pids = processes_of(app.handle, app.pids)
            if app.pids:
                return TrialStatus.RUNNING
        elif not app.odd_for(FORGOTTEN_AFTER):
            return None
        if app.was_stopped:
            return self._end(app, TrialStatus.ABANDONED)
        return self._end(app, TrialStatus.FAILED if self._wrote(app) is False else TrialStatus.COMPLETED)

    def _is_on_its_way(self, app: App) -> bool:
        """Whether the result of an app that succeeded elsewhere may still arrive."""
        return not app.is_local and self._wrote(app) is False and not app.odd_for(RESULT_DELAY)

    def _wrote(self, app: App) -> bool | None:
        """Whether an app wrote a result; None where the tracker base cannot be asked now."""
        try:
            return self._results.exist(app.trial, app.note.stale)
        except Exception:  # noqa: BLE001  (reading the result meets the same trouble, and says so)
            return None

    def _end(self, app: App, status: TrialStatus) -> TrialStatus:
        app.ended = status
        if app.began is not None:
            app.over = epoch()
        if app.is_local:
            signal_all(app.handle, signal.SIGKILL)  # nothing of a trial outlives it
        if app.seen is not None:
            app.note.end = {"status": status.name, "seen": asdict(app.seen), "began": app.began, "over": app.over}
            self._submissions.notes.write(app.trial, app.note, sync=False)
        return status

    def result(self, app: App) -> Result:
        """Return the result of an app that has ended."""
        return self._outcomes.result(app)

    def stop(self, app: App) -> None:
        """Ask an app to end; a local one is killed when its time of grace is over."""
        if app.ended is not None:
            return
        app.stopped = True
        self.session.cancel(app.handle)
        if app.is_local and app.kill_at is None:
            signal_all(app.handle, signal.SIGTERM)
            app.kill_at = monotonic() + self._context.limits.grace

    # Go on after another driver.

    def reattach(self, trial: BaseTrial) -> App | NeverStarted | Lost | None:
        """Find the app that an earlier driver submitted, or may have; None while that is not known."""
        app = self.find(trial)
        if app is None:
            found = self._look_for(trial)
            if not isinstance(found, App):
                return found
            app = found
        self.status(app)
        if app.note.digest != trial.digest:
            return self._strange(app)
        if app.ended is TrialStatus.FAILED and app.seen is None:
            failure = self.result(app).failure
            assert failure is not None, "what is lost has failed"
            return Lost(failure.message, failure.log)
        return app

    def _look_for(self, trial: BaseTrial) -> App | NeverStarted | Lost:
        """Say what became of an attempt whose submission nobody has confirmed.

        Raises:
            Exception: The scheduler's apps cannot be listed; when that has lasted long enough the attempt is lost.
        """
        notes = self._submissions.notes
        note = notes.read(trial)
        if note is None:
            return NeverStarted()
        if note.handle is None:
            app = self._unconfirmed.pop(trial.index, None)
            if app is None or app.attempt != trial.attempt:
                app = App(trial, trial.attempt, note)
            try:
                note.handle = self.session.find(note.tag)
            except Exception as error:
                if not app.odd_for(UNLISTED_AFTER):
                    self._unconfirmed[trial.index] = app
                    raise
                return _lost(note, f"{type(error).__name__}: {error}")
            if note.handle is None:
                return _lost(note)
        elif not self._submissions.was_started(note):
            notes.forget(trial)
            return NeverStarted()
        return self._adopt(trial, note)

    def _strange(self, app: App) -> Lost | None:
        """Say of an app that it evaluates other parameters; it is ended first."""
        if app.ended is None:
            self.stop(app)
            return None
        return Lost(f"attempt {app.attempt} had been submitted with other parameters, and was ended")

    def close(self) -> None:
        """Let go of everything. Live apps go on, unless there is no directory by which they would be found again."""
        if self._context.directory is None:
            for app in self._kept.values():
                if app.ended is None and app.is_local:
                    signal_all(app.handle, signal.SIGKILL)
        self.session.close()
        self._submissions.close()


def _lost(note: Note, listing: str = "") -> Lost:
    """Say of a submission that nobody knows whether the scheduler took it."""
    what = "its submission failed" if note.error else "the driver died while it submitted it"
    parts = [
        f"{what}, and the scheduler cannot say whether it took it: look for an app with {note.tag!r} in its name",
        f"the submission gave {note.error}" if note.error else "",
        f"listing apps gave {listing}" if listing else "",
    ]
    return Lost("; ".join(filter(None, parts)), may_live=True)
