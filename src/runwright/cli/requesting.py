"""Leaving a request for the driver, and waiting for what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright import mailbox
from runwright.cli.directory import events_of
from runwright.cli.terminal import printable, say, shown
from runwright.clock import SystemClock, Waker
from runwright.errors import UsageError
from runwright.folder import REQUESTS, driver_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runwright.result import Json

_LOOK_EVERY = 0.1
TAKEN_WITHIN = 10.0
"""Seconds in which a driver that lives has taken in a request, unless an evaluation in its own process holds it up."""


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is so.

    Args:
        condition: Says whether it is.
        seconds: How long at the most.

    Returns:
        Whether it came to be.
    """
    clock, waker = SystemClock(), Waker()
    try:
        while not condition():
            if clock.now() >= seconds:
                return False
            clock.wait(min(seconds, clock.now() + _LOOK_EVERY), waker)
    finally:
        waker.close()
    return True


def ask(directory: Path, body: Json, *, what: str, wait: bool = True) -> bool:
    """Post a request, and say what happens with it.

    Args:
        directory: The run directory.
        body: The request.
        what: What is asked for, in words that fit after "the driver was asked to".
        wait: Whether to wait until the driver has taken it in.

    Returns:
        Whether a driver has taken it in.

    Raises:
        UsageError: It cannot be posted, or the driver refused it.
    """
    pid = driver_of(directory)
    try:
        request = mailbox.post(directory, body)
    except OSError as error:
        raise UsageError(f"{shown(directory)}: no request can be left here ({error.strerror})") from None
    if pid is None:
        say(f"no driver lives; the next `runwright run` is asked to {what}")
        return False
    if not wait:
        say(f"the driver (pid {pid}) is asked to {what}")
        return False
    path = directory / REQUESTS / f"{request}.json"
    if not wait_for(lambda: not path.exists() or driver_of(directory) is None, TAKEN_WITHIN) or path.exists():
        say(f"the driver (pid {pid}) was asked to {what}, but has not answered yet")
        return False
    refused = _refused(directory, request)
    if refused is not None:
        raise UsageError(f"the driver refused to {what}: {printable(refused)}")
    say(f"the driver (pid {pid}) was asked to {what}")
    return True


def _refused(directory: Path, request: str) -> str | None:
    for event in events_of(directory):
        if event.kind == "RequestTaken" and event.request == request:  # type: ignore[union-attr]  # its kind is known
            refused: str | None = event.refused  # type: ignore[union-attr]
            return refused
    return None
