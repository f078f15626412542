"""Ctrl-C and its kin while `run` runs. The library itself installs no handler."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from runwright.loop.scheduler import Scheduler

_LEAVES = (signal.SIGTERM, signal.SIGHUP)
_EVALUATION = "runwright.evaluation"


class Signals:
    """Turns signals into requests to a scheduler.

    Ctrl-C once: nothing new starts, running trials end. Twice: running trials are stopped, to be repeated. SIGTERM and
    SIGHUP: what survives this process goes on without it, the rest is stopped, to be repeated. A signal that was
    ignored when the program began (``nohup``, a background job) stays ignored.

    Args:
        scheduler: The scheduler that runs.
        notice: Says to the user what happens.
    """

    def __init__(self, scheduler: Scheduler, notice: Callable[[str], None]) -> None:
        self._scheduler = scheduler
        self._notice = notice
        self._count = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        handlers = {signal.SIGINT: self._interrupt} | dict.fromkeys(_LEAVES, self._leave)
        for number, handler in handlers.items():
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *_: object) -> None:
        for number in list(self._before):
            self._restore(number)

    def _restore(self, number: int) -> None:
        signal.signal(number, self._before.pop(number))  # type: ignore[arg-type]  # what `signal.signal` gave back

    def absorb(self) -> None:
        """Absorb Ctrl-C until the end: the run is over, and how it ended is still to be said."""
        if signal.SIGINT in self._before:
            signal.signal(signal.SIGINT, lambda *_: None)
        for number in self._before.keys() & _LEAVES:
            self._restore(number)

    def _interrupt(self, _: int, frame: FrameType | None) -> None:
        self._count += 1
        live = self._scheduler.state.live
        if self._count == 1:
            self._scheduler.drain()
            waits = f"; waiting for {live} running (Ctrl-C again stops {'it' if live == 1 else 'them'})" if live else ""
            self._notice(f"no new trials{waits}")
            return
        self._scheduler.interrupt()
        if self._count == 2:  # noqa: PLR2004  (the second time)
            self._notice(f"stopping {live} running; the next driver repeats {'it' if live == 1 else 'them'}")
        else:
            self._notice(f"still waiting for {live} to stop; `kill -9 {os.getpid()}` loses nothing")
        self._break_off(frame)

    def _leave(self, number: int, frame: FrameType | None) -> None:
        scheduler = self._scheduler
        scheduler.detach()
        live, traits = scheduler.state.live, scheduler.runner.traits
        name = signal.Signals(number).name
        if not live:
            self._notice(f"{name}: leaving")
        elif traits.survives_driver:
            self._notice(f"{name}: leaving; {live} running go on without this driver")
        else:
            self._notice(f"{name}: stopping {live} running; the next driver repeats {'it' if live == 1 else 'them'}")
        self._break_off(frame)

    def _break_off(self, frame: FrameType | None) -> None:
        """Raise in an evaluation that runs in this very process; never in the engine, which must not be torn."""
        if not self._scheduler.runner.traits.inline:
            return
        while frame is not None:
            if frame.f_globals.get("__name__") == _EVALUATION:
                raise KeyboardInterrupt
            frame = frame.f_back
