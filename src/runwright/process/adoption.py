"""What became of an attempt, read from its control folder; and the supervisor that is still there.

The order of looking decides (a supervisor may end between two looks):

1. ``exit``: it has ended.
2. ``lock`` is held: its holder is the supervisor, which is adopted.
3. ``exit`` once more.
4. ``started``: it has begun and nobody knows how it ended: lost.
5. nothing: it has not begun. `fence` makes sure that it never will.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from runwright.clock import SystemClock, Waker, epoch
from runwright.folder import CONTROL, lock_holder
from runwright.process.linux import boot_id
from runwright.process.record import EXIT, LOCK, STARTED, ControlFolder, read_record
from runwright.process.wire import STOP

if TYPE_CHECKING:
    from runwright.result import Json

_LOOKS = 100
_BETWEEN_LOOKS = 0.02


class Supervised:
    """A handle of a live supervisor, which may be no child of ours.

    Args:
        pid: Its pid, confirmed to be the supervisor's after `pidfd` was opened.
        pidfd: Names the process whatever becomes of the pid; becomes readable when it ends.
    """

    __slots__ = ("_pidfd", "pid")

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self._pidfd = pidfd

    def fileno(self) -> int:
        """Return the pidfd."""
        return self._pidfd

    def terminate(self) -> None:
        """Ask the supervisor to end its tree; one that was suspended is woken. Idempotent, does not wait."""
        self._send(STOP)
        self.resume()

    def resume(self) -> None:
        """Wake a suspended supervisor."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """End a supervisor that does not do its duty; the kernel ends the program, the launcher the rest."""
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        if self._pidfd >= 0:
            try:
                signal.pidfd_send_signal(self._pidfd, number)
            except ProcessLookupError:
                return  # it has ended

    def close(self) -> None:
        """Let go of it. Idempotent."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


@dataclass(frozen=True, slots=True)
class Exited:
    """It has ended; this is the record."""

    record: Json


@dataclass(frozen=True, slots=True)
class Adopted:
    """It is alive under this supervisor."""

    process: Supervised
    started: Json
    """The record of its start; empty in the moment before there is one."""


@dataclass(frozen=True, slots=True)
class Vanished:
    """It has begun, nothing of it is alive, and nobody recorded its end."""

    reason: str
    started: Json


@dataclass(frozen=True, slots=True)
class Absent:
    """It has not begun. A request that is under way may still begin it, unless it is fenced."""

    fenced: bool = False


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Its lock is held by a process that cannot be named here: on another machine, or in another pid namespace."""


Finding: TypeAlias = Exited | Adopted | Vanished | Absent | Unreachable


def restart_rule(control: Path | str) -> Finding:
    """Say what became of an attempt.

    Args:
        control: Its control folder, which need not exist.
    """
    folder = str(control)
    for _ in range(_LOOKS):
        record = read_record(folder, EXIT)
        if record is not None:
            return Exited(record)
        adopted = adopt(folder)
        if adopted is not None:
            return adopted
        if _holder(folder) is not None:
            continue  # it was taken between the looks
        record = read_record(folder, EXIT)
        if record is not None:
            return Exited(record)
        started = read_record(folder, STARTED)
        if started is None:
            return Absent()
        if started.get("fenced"):
            return Absent(fenced=True)
        return Vanished(_why_vanished(started), started)
    return Unreachable()


def _why_vanished(started: Json) -> str:
    if started.get("boot", boot_id()) != boot_id():
        return "the machine went down while it ran"
    return "its supervisor was killed, and with it whatever could have recorded the end"


def adopt(control: Path | str) -> Adopted | Unreachable | None:
    """Adopt the supervisor of an attempt; None where there is none.

    The pid that the lock names is sure only if the lock names it again after the pidfd was opened.
    """
    folder = str(control)
    holder = _holder(folder)
    if holder is None:
        return None
    if holder <= 0:
        return Unreachable()
    try:
        pidfd = os.pidfd_open(holder)
    except ProcessLookupError:
        return None
    if _holder(folder) != holder:
        os.close(pidfd)
        return None
    return Adopted(Supervised(holder, pidfd), read_record(folder, STARTED) or {})


def confirm(control: Path | str, pid: int) -> Supervised | None:
    """Return a handle of a supervisor that has just said that it started; None where it has ended since."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if _holder(str(control)) != pid:
        os.close(pidfd)
        return None
    return Supervised(pid, pidfd)


def _holder(folder: str) -> int | None:
    try:
        fd = os.open(f"{folder}/{LOCK}", os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return lock_holder(fd)
    finally:
        os.close(fd)


def fence(control: Path | str) -> bool:
    """Make sure that an attempt never begins, even if a request for it is still under way.

    Args:
        control: Its control folder; made where it is missing, but not the run directory.

    Returns:
        Whether it has not begun and never will; False: it has begun after all, ask `restart_rule` again.
    """
    for path in (Path(control).parent, Path(control)):
        path.mkdir(exist_ok=True)
    folder = ControlFolder(str(control))
    try:
        if folder.claim():
            folder.fence({"fenced": True, "epoch": epoch()})
            return True
    finally:
        folder.close()
    return bool((read_record(str(control), STARTED) or {}).get("fenced"))


def unfence(control: Path | str) -> None:
    """Allow a fenced attempt to begin after all; of any other nothing is changed."""
    if restart_rule(control) == Absent(fenced=True):
        Path(control, STARTED).unlink()


def stop_live(directory: Path) -> list[str]:
    """Stop everything that is alive in a run directory in which no driver works. Does not wait for the ends.

    Args:
        directory: The run directory.

    Returns:
        Names of the attempts that were asked to end: ``<trial>.<attempt>``.
    """
    stopped = []
    clock, waker = SystemClock(), Waker()
    try:
        for folder in sorted((directory / CONTROL).glob("*.*")):
            for _ in range(_LOOKS):
                found = restart_rule(folder)
                if not isinstance(found, Adopted):
                    break
                try:
                    # A holder that is not the one on record has just begun (or is a fence): it settles at once.
                    if found.started.get("pid") == found.process.pid:
                        found.process.terminate()
                        stopped.append(folder.name)
                        break
                finally:
                    found.process.close()
                clock.wait(clock.now() + _BETWEEN_LOOKS, waker)
    finally:
        waker.close()
    return stopped
