"""What `run` shows while it runs: nothing, plain lines, or a display on a terminal (in `live`)."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol, TextIO

from runwright.cli.feed import Feed
from runwright.cli.terminal import silence
from runwright.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runwright.events import Event
    from runwright.state import State


class Progress(Protocol):
    """Shows a run."""

    def turn(self, state: State, events: Sequence[Event]) -> None:
        """Take in what was recorded; called often, so cheap."""
        ...

    def notice(self, text: str) -> None:
        """Say something now; called by signal handlers."""
        ...

    def close(self) -> None:
        """Show what is left, and leave the terminal as it was."""
        ...


class Quiet:
    """Shows nothing but notices."""

    def turn(self, state: State, events: Sequence[Event]) -> None:
        """Ignore it."""

    def notice(self, text: str) -> None:
        """Say something now."""
        write_now(sys.stderr, text)

    def close(self) -> None:
        """Nothing to do."""


class Plain:
    """Shows lines; for pipes and files.

    Args:
        state: The experiment as it stands.
        out: Where the lines go. When it is gone the run goes on in silence.
    """

    def __init__(self, state: State, out: TextIO) -> None:
        self._state = state
        self._feed = Feed(state, everything=True)
        self._out: TextIO | None = out

    def turn(self, state: State, events: Sequence[Event]) -> None:
        """Collect news, and write what is due."""
        if events:
            self._feed.take(state, events)
        self._write(self._feed.due(state, monotonic()))

    def notice(self, text: str) -> None:
        """Say something now."""
        write_now(sys.stderr, text)

    def close(self) -> None:
        """Write what is left."""
        self._write(self._feed.due(self._state, monotonic(), last=True))

    def _write(self, lines: list[str]) -> None:
        if not lines or self._out is None:
            return
        try:
            self._out.write("".join(f"{line}\n" for line in lines))
            self._out.flush()
        except OSError:
            silence(self._out)  # nobody reads any more: no reason to end a run of hours
            self._out = None


def write_now(stream: TextIO, text: str) -> None:
    """Write a line past all buffers: a signal may have come in the middle of another write."""
    with suppress(OSError, ValueError):  # nobody reads any more
        os.write(stream.fileno(), f"{text}\n".encode(errors="backslashreplace"))


@contextmanager
def getting_ready(out: TextIO, *, show: bool) -> Iterator[None]:
    """Tell a terminal that the start takes a moment: an evaluation may import large libraries. Gone afterwards."""
    show = show and on_terminal(out)
    if show:
        out.write("getting ready …")
        out.flush()
    try:
        yield
    finally:
        if show:
            out.write("\r\x1b[K")
            out.flush()


def on_terminal(stream: TextIO) -> bool:
    """Say whether a display can be drawn there."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
