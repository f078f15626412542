"""Requests of other processes to the driver. Nobody but the driver writes the journal.

A request is a file in ``DIR/requests/``, written whole or not at all; the named pipe ``DIR/requests/wake`` wakes a
driver that lives. Without a driver the request waits for the next one. A request is taken in once: its id is recorded
in the journal before its file is removed.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runwright.clock import Waker, epoch
from runwright.errors import UsageError
from runwright.folder import REQUESTS, WAKE, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from runwright.result import Json

LARGEST_REQUEST = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Request:
    """A request that waits.

    Attributes:
        id: Its name; later requests sort after earlier ones.
        body: What is wanted: ``{"kind": "stop" | "rerun" | "enqueue", ...}``.
        refused: Why it cannot be read, or None.
    """

    id: str
    body: Json
    refused: str | None = None


def request_id() -> str:
    """Make a name for a request; later names sort after earlier ones."""
    return f"{int(epoch() * 1e6):020d}-{secrets.token_hex(4)}"


def post(directory: Path, body: Json) -> str:
    """Leave a request for the driver and wake it.

    Args:
        directory: The run directory.
        body: What is wanted.

    Returns:
        Id of the request.
    """
    folder = directory / REQUESTS
    folder.mkdir(exist_ok=True)
    request = request_id()
    write_json(folder / f"{request}.json", body, sync=True)
    try:
        fd = os.open(folder / WAKE, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.ENXIO, errno.ENOENT):
            raise
        return request  # no driver lives
    try:
        os.write(fd, b"\0")
    except BlockingIOError:
        pass  # full of wake-ups already
    finally:
        os.close(fd)
    return request


def waiting(directory: Path) -> list[Request]:
    """Return the requests that wait, the oldest first."""
    found = []
    for path in sorted((directory / REQUESTS).glob("*.json")):
        if path.name.startswith(".") or not path.name.isascii():
            continue  # half written, or not ours: the id of a request must fit into the journal
        found.append(_read(path))
    return found


def _read(path: Path) -> Request:
    try:
        if path.stat().st_size > LARGEST_REQUEST:
            return Request(path.stem, {}, "the request is too large")
        body = json.loads(path.read_text("utf-8"))
        # The journal takes neither infinite numbers nor halves of characters, though JSON can spell both.
        json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
    except (OSError, ValueError, RecursionError) as error:
        return Request(path.stem, {}, f"the request cannot be read: {error}")
    if not isinstance(body, dict):
        return Request(path.stem, {}, "the request is no JSON object")
    return Request(path.stem, body)


def remove(directory: Path, request: Request) -> None:
    """Remove a request that the journal has taken in."""
    (directory / REQUESTS / f"{request.id}.json").unlink(missing_ok=True)


def open_waker(directory: Path) -> Waker:
    """Open the driver's end of the named pipe; a signal handler of the driver may write to it too.

    Raises:
        UsageError: It cannot be made there.
    """
    folder = directory / REQUESTS
    path = folder / WAKE
    try:
        folder.mkdir(exist_ok=True)
        _make_pipe(path)
        # Opened for both directions, so that it never reads as ended when a writer leaves.
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"{path}: the mailbox cannot be made ({error.strerror}); it must be writable") from None
    return Waker(fd, os.dup(fd))


def _make_pipe(path: Path) -> None:
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        if not stat.S_ISFIFO(path.stat().st_mode):
            path.unlink()
            os.mkfifo(path, 0o600)
