"""What other processes ask of the driver, turned into events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runwright import mailbox
from runwright.errors import UsageError
from runwright.events import RequestTaken, Rerun
from runwright.status import StopCause, TrialStatus

if TYPE_CHECKING:
    from pathlib import Path

    from runwright.loop.engine import Engine
    from runwright.result import Json

_RERUN = (TrialStatus.FAILED, TrialStatus.ABANDONED)


class Requests:
    """Takes in what stands in ``DIR/requests/``.

    Args:
        directory: The run directory.
        engine: Records what is asked for.
    """

    def __init__(self, directory: Path, engine: Engine) -> None:
        self._directory = directory
        self._engine = engine
        self._taken: list[mailbox.Request] = []
        self._old = {request.id for request in mailbox.waiting(directory)}  # by what stands there: clocks are put back
        self.stop_asked: str | None = None
        """Why a user wants the whole experiment stopped, or None."""

    def take(self) -> None:
        """Record every request that waits. A request is taken once: its id stands in the journal."""
        engine = self._engine
        for request in mailbox.waiting(self._directory):
            if request.id not in engine.state.requests:
                refused = request.refused
                if refused is None:
                    try:
                        self._do(request)
                    except UsageError as error:
                        refused = str(error)
                engine.recorder.record(RequestTaken(engine.clock.now(), request.id, request.body, refused))
            self._taken.append(request)

    def forget(self) -> None:
        """Remove the files of the requests that are committed."""
        for request in self._taken:
            mailbox.remove(self._directory, request)
        self._taken.clear()

    def _do(self, request: mailbox.Request) -> None:
        body = request.body
        kind = body.get("kind")
        if kind == "stop" and body.get("trial") is None:
            message = _text(body.get("reason"), "a user stopped the experiment")
            if request.id not in self._old:
                self.stop_asked = message
            else:  # meant for a driver that had gone: its trials are to end, but this one was started after it
                self._engine.interrupt(message)
        elif kind == "stop":
            index = self._index(body)
            if self._engine.state.trials[index].status.is_terminal:
                raise UsageError(f"trial {index} has ended already")
            self._engine.stop(index, StopCause.USER, _text(body.get("reason"), "a user stopped it"))
        elif kind == "rerun":
            index = self._index(body)
            status = self._engine.state.trials[index].status
            if status not in _RERUN:
                raise UsageError(f"trial {index} is {status.name}; only FAILED and ABANDONED trials are run again")
            self._engine.recorder.record(Rerun(self._engine.clock.now(), index))
        elif kind == "enqueue":
            self._enqueue(body.get("points"))
        else:
            raise UsageError(f"there is no request {kind!r:.40}; there are stop, rerun and enqueue")

    def _enqueue(self, points: object) -> None:
        experiment = self._engine.state.experiment
        assert experiment is not None, "an engine has an experiment"
        if not isinstance(points, list) or not points or not all(isinstance(point, dict) for point in points):
            raise UsageError("enqueue needs a list of points, each a mapping of parameter names to values")
        self._engine.add([experiment.validate(point) for point in points], "enqueued")

    def _index(self, body: Json) -> int:
        index: Any = body.get("trial")
        count = len(self._engine.state.trials)
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < count:
            raise UsageError(f"there is no trial {index!r:.40}; there are {count}")
        return index


def _text(value: object, default: str) -> str:
    return value if isinstance(value, str) and value else default
