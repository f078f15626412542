"""What launcher and supervisors tell the driver: one JSON line each, on a pipe that they share."""

from __future__ import annotations

import json
import os
import select
from typing import Any

_LONGEST_LINE = select.PIPE_BUF
_LONGEST_MESSAGE = 1500  # escaped as JSON, twice as long at the most for anything that is a sentence


class Answers:
    """The write end of the pipe. Lines are shorter than PIPE_BUF, so that they never mix.

    The driver may be dead, stopped or busy: nothing here waits, unless it is asked to.

    Args:
        fd: A non-blocking descriptor.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._unsaid: list[bytes] = []

    @property
    def waiting(self) -> bool:
        """Whether something is left to say once the pipe has room."""
        return bool(self._unsaid)

    def say(self, request: dict[str, Any], event: str, **facts: Any) -> None:
        """Say something about a request; where the pipe is full, later."""
        about = {"id": request.get("id"), "serial": request.get("serial"), "event": event}
        self._unsaid.append(_line({**about, **facts}))
        self.flush()

    def flush(self) -> None:
        """Say what was left."""
        while self._unsaid:
            try:
                os.write(self.fd, self._unsaid[0])
            except BlockingIOError:
                return
            except OSError:  # nobody listens any more
                self._unsaid.clear()
                return
            self._unsaid.pop(0)

    def flush_all(self) -> None:
        """Say what was left, and wait for room as long as somebody may listen."""
        poller = select.poll()
        poller.register(self.fd, select.POLLOUT)
        self.flush()
        while self._unsaid:
            poller.poll()
            self.flush()


def _line(body: dict[str, Any]) -> bytes:
    line = json.dumps(body).encode() + b"\n"
    if len(line) >= _LONGEST_LINE:
        body["message"] = str(body.get("message", ""))[: _LONGEST_MESSAGE // 6]
        line = json.dumps(body).encode() + b"\n"
    return line
