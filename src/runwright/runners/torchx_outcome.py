"""Says what became of a TorchX app that has ended: its result, or why there is none, and where its logs are."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.errors import InvalidResultError
from runwright.folder import trial_folder
from runwright.measurements import clean
from runwright.result import Result
from runwright.status import FailureKind, TrialStatus

if TYPE_CHECKING:
    from runwright.runners.torchx_app import App
    from runwright.runners.torchx_notes import Note
    from runwright.runners.torchx_results import TrackedResults
    from runwright.runners.torchx_session import Seen, Session

STDOUT, STDERR = "stdout.log", "stderr.log"
_LINES = 20
_BYTES = 16384
_LONGEST = 300


_UNSEEN = "its exit status is not known: the driver that would have seen it had ended"


class Outcomes:
    """Says what ended apps amount to.

    Args:
        directory: The run directory, or None.
        session: TorchX.
        results: Where results are.
    """

    def __init__(self, directory: Path | None, session: Session, results: TrackedResults) -> None:
        self._directory = directory
        self._session = session
        self._results = results

    def result(self, app: App) -> Result:
        """Return the result of an app that has ended."""
        if app.result is None:
            app.result = self._conclude(app)
            app.result.started, app.result.ended = app.began, app.over
            if app.began is not None and app.over is not None:
                app.result.seconds = max(0.0, app.over - app.began)
        return app.result

    def _conclude(self, app: App) -> Result:
        if app.ended is TrialStatus.ABANDONED:
            log, tail = self._evidence(app, next(iter(app.note.roles), ""), 0)
            info = {"log": log, "log_tail": tail}
            return Result(additional_info={key: value for key, value in info.items() if value} or None)
        if app.ended is TrialStatus.COMPLETED:
            try:
                result = self._results.read(app.trial, app.note.stale)
            except InvalidResultError as error:
                return Result.failed(FailureKind.INVALID_RESULT, str(error), self._log(app))
            if app.seen is None:
                result.additional_info = {**(result.additional_info or {}), "torchx": _UNSEEN}
            return result
        if app.seen is None:
            return Result.failed(FailureKind.LOST, _lost(app), self._log(app))
        return self._failed(app, app.seen)

    def _failed(self, app: App, seen: Seen) -> Result:
        role, replica, how = _exit(app.note, seen)
        where, tail = self._evidence(app, role, replica)
        parts = [how or "the app failed"]
        said = _error_reply(seen.error) or seen.message
        if said and said != seen.state:
            parts.append(f"TorchX says: {said:.{_LONGEST}}")
        if tail:
            parts.append(f"its output ends with: {tail[-1]:.{_LONGEST}}")
        message = clean("; ".join(parts).replace("\n", " "))
        info: dict[str, Any] = {"log_tail": tail} if tail else {}
        return Result.failed(FailureKind.CRASHED, message, where, additional_info=info or None)

    def _evidence(self, app: App, role: str, replica: int) -> tuple[str | None, list[str]]:
        """Return where the log of a replica is, and its last lines."""
        log, tail = last_output(self._session, app.note, role, replica)
        return self._kept(app, tail) if log is None else self._relative(log), tail

    def _log(self, app: App) -> str | None:
        if app.note.log_dir is None:
            return None
        log, _ = last_output(self._session, app.note, next(iter(app.note.roles)), 0)
        return None if log is None else self._relative(log)

    def _kept(self, app: App, tail: list[str]) -> str | None:
        """Keep what a cluster's scheduler gave of a log, which it may not give for long."""
        if self._directory is None or not tail:
            return None
        folder = trial_folder(self._directory, app.trial.index, app.attempt)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STDERR).write_text("\n".join(tail) + "\n", "utf-8")
        return self._relative(folder / STDERR)

    def _relative(self, log: Path) -> str | None:
        directory = self._directory
        return str(log.relative_to(directory)) if directory is not None and log.is_relative_to(directory) else None


def _lost(app: App) -> str:
    """Say that nobody knows how an app ended."""
    if app.is_local:
        return "the driver that started it is gone, and so are its processes; it left no result"
    return f"the scheduler does not know {app.handle} any more; it left no result"


def _exit(note: Note, seen: Seen) -> tuple[str, int, str]:
    """Return role and number of a replica that failed, and how it ended; of none, the first replica."""
    for role, replica, status in seen.exits:
        if status != 0:
            which = "the app" if note.roles == {role: 1} else f"replica {replica} of role {role!r}"
            how = f"was ended by {_signal(-status)}" if status < 0 else f"exited with status {status}"
            return role, replica, f"{which} {how}"
    return next(iter(note.roles), ""), 0, ""


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _error_reply(text: str) -> str:
    """Return what an app said of its own failure: the message of its error file, which is nested once or twice."""
    if not text:
        return ""
    try:
        found: Any = json.loads(text)
    except ValueError:
        return text
    while isinstance(found, dict) and "message" in found:
        found = found["message"]
    return found if isinstance(found, str) else json.dumps(found)


def last_output(session: Session, note: Note, role: str, replica: int) -> tuple[Path | None, list[str]]:
    """Return where the output of a replica is, if it is a file here, and its last lines.

    Args:
        session: TorchX.
        note: What is known of the app's submission.
        role: Name of the role.
        replica: Number of the replica.
    """
    if note.log_dir is not None:
        folder = Path(note.log_dir) / role / str(replica)
        log = folder / STDERR
        if not _tail(log) and _tail(folder / STDOUT):
            log = folder / STDOUT
        return (log if log.exists() else None), _tail(log)
    assert note.handle is not None, "an app that is followed has a handle"
    try:
        return None, [clean(line) for line in session.log_tail(note.handle, role, replica, _LINES)]
    except Exception as error:  # noqa: BLE001  (TorchX: "this method raises an arbitrary exception")
        return None, [f"(its log cannot be read: {type(error).__name__}: {error})"]


def _tail(path: Path) -> list[str]:
    """Return the last lines of a file that are not empty."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _BYTES))
            lines = clean(file.read().decode("utf-8", "replace")).splitlines()
    except OSError:
        return []
    return [line for line in lines if line.strip()][-_LINES:]
