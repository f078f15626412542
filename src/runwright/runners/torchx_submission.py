"""Hands attempts to TorchX as apps, such that any later driver finds them again."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from runwright.clock import epoch
from runwright.errors import SubmitError
from runwright.folder import trial_folder
from runwright.runners.torchx_app import App
from runwright.runners.torchx_notes import Note, Notes
from runwright.runners.torchx_outcome import STDERR, STDOUT
from runwright.runners.torchx_processes import processes_of

if TYPE_CHECKING:
    from runwright.runners.torchx_component import Component
    from runwright.runners.torchx_results import TrackedResults
    from runwright.runners.torchx_session import Prepared, Session
    from runwright.trial import BaseTrial


class Submissions:
    """Submits apps, and knows what was submitted before.

    Args:
        directory: The run directory, or None.
        session: TorchX.
        component: Makes an app for a trial.
        results: Where results are.

    Attributes:
        notes: What is noted of each submission.
    """

    def __init__(self, directory: Path | None, session: Session, component: Component, results: TrackedResults) -> None:
        self.notes = Notes(directory)
        self._directory = directory
        self._session = session
        self._component = component
        self._results = results
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def submit(self, trial: BaseTrial) -> App:
        """Submit the trial's current attempt.

        Raises:
            SubmitError: It could not be submitted, and does not run.
        """
        session, tag, folder = self._session, self._tag(trial), self.folder(trial)
        prepared = session.prepare(self._component.function, self._component.arguments(trial), tag, str(folder))
        note = Note(trial.digest, tag, epoch(), prepared.handle, prepared.roles, prepared.log_dir)
        note.stale = self._results.marks(trial)
        self.notes.write(trial, note)
        note.handle = self._take(trial, prepared, note)
        note.confirmed = True
        self.notes.write(trial, note)
        _link_logs(folder, note)
        return App(trial, trial.attempt, note, began=note.submitted if session.is_local else None)

    def _take(self, trial: BaseTrial, prepared: Prepared, note: Note) -> str:
        """Hand an app to the scheduler; where that fails, it may have taken it all the same."""
        try:
            return self._session.submit(prepared)
        except Exception as error:
            note.error = f"{type(error).__name__}: {error}"
            try:
                found = None if note.handle is not None else self._session.find(note.tag)
            except Exception:  # noqa: BLE001  (whoever asks after the attempt meets the same trouble, and says so)
                self.notes.write(trial, note)
                raise SubmitError(note.error) from error
            if found is not None:
                note.error = ""
                return found
            self.notes.forget(trial)
            raise SubmitError(note.error) from error

    def _tag(self, trial: BaseTrial) -> str:
        where = str(self._directory or id(self))
        key = repr((where, trial.experiment.name, trial.index, trial.attempt, trial.digest))
        return f"{trial.index}-{trial.attempt}-{hashlib.blake2b(key.encode(), digest_size=4).hexdigest()}"

    def folder(self, trial: BaseTrial) -> Path:
        """Return the folder of an attempt, made where it is not there."""
        directory = self._directory
        if directory is None:
            if self._temporary is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="runwright-torchx-")
            directory = Path(self._temporary.name)
        folder = trial_folder(directory, trial.index, trial.attempt)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def was_started(self, note: Note) -> bool:
        """Whether a local app whose submission is not confirmed was started, or may have been."""
        assert note.handle is not None, "local apps have handles before they are submitted"
        assert note.log_dir is not None, "local apps have logs"
        return bool(processes_of(note.handle)) or Path(note.log_dir).exists()

    def close(self) -> None:
        """Remove what was written for want of a run directory."""
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None


def _link_logs(folder: Path, note: Note) -> None:
    """Give the logs of a local app of one replica the names that every runner's have."""
    if note.log_dir is None or list(note.roles.values()) != [1]:
        return
    for name in (STDOUT, STDERR):
        target = os.path.relpath(f"{note.log_dir}/{next(iter(note.roles))}/0/{name}", folder)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(target)
