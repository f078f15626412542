"""The driver's end of one worker of the pool: its channel, its supervisor, its log, and what its end means.

Only the supervisor and the worker hold the other end of the channel, and the supervisor ends after the worker's whole
tree and after the record of its end. So one event, the end of the channel, says that all of it is over. A process that
the function forked has a copy of it too: where the supervisor was killed, what is left of the tree is ended, and the
channel ends with it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from runwright.folder import lock_holder
from runwright.process.output import LARGEST_TAIL, shortened
from runwright.process.record import EXIT, LOCK, read_record
from runwright.process.sweep import sweep
from runwright.process.wire import STOP
from runwright.process.worker import BEGAN, BEGAN_PATH, BEGAN_RECORD, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runwright.result import Json
    from runwright.runner import Limits

WORKER_FOLDER = "worker-"
_WORKER_FILE = os.path.join(os.path.dirname(__file__), "worker.py")
_READ = 1 << 16  # of more, malloc would map and unmap pages for each message


class PoolWorker:
    """One worker process.

    Args:
        slot: The slot that it fills.
        control: Folder in which its supervisor's folder and its log are made.
        limits: Limits of each trial; here for the grace.
    """

    def __init__(self, slot: int, control: Path, limits: Limits) -> None:
        self.slot = slot
        self.log = control / f"{WORKER_FOLDER}{slot}.log"
        self.log.unlink(missing_ok=True)  # an earlier worker of the slot that is still ending keeps its own
        self._folder = _new_folder(control, slot)
        self._began = _shared(self._folder / BEGAN)
        self._grace = limits.grace
        self._socket, self._theirs = socket.socketpair()
        self._socket.setblocking(False)
        self._pidfd = -1
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self.ready = False
        self._jobs = 0
        self.refused: str | None = None
        self.gone = False
        self.cpu = 0.0  # CPU seconds that it had used when it last answered

    # The start: the pool sends the requests of all its workers at once.

    @property
    def id(self) -> str:
        """Name of the request, unique among the workers of a directory."""
        return self._folder.name

    def request(self) -> Json:
        """Return what the launcher is asked for."""
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001  (as multiprocessing)
        return {
            "id": self.id,
            "argv": [sys.executable, *flags, "-P", _WORKER_FILE],
            "env": os.environ | {BEGAN_PATH: str(self._folder / BEGAN), "RUNWRIGHT_SLOT": str(self.slot)},
            "cwd": os.getcwd(),
            "control": str(self._folder),
            "stdout": str(self.log),
            "stderr": str(self.log),
            "counted": [str(self.log)],
            "grace": self._grace,
            "channel": True,
        }

    def their_end(self) -> int:
        """Return the descriptor that the launcher hands over."""
        return self._theirs.fileno()

    def started(self, answer: Json | None) -> str | None:
        """Take the launcher's answer; return why the worker did not start, or None."""
        self._theirs.close()
        if answer is not None and answer["event"] == "started":
            with contextlib.suppress(ProcessLookupError):  # it has ended already: the channel says so
                self._pidfd = os.pidfd_open(answer["pid"])
            return None
        self.gone = True
        self.close()
        return "the launcher did not answer" if answer is None else str(answer.get("message", answer["event"]))

    @property
    def supervisor(self) -> int:
        """Return a descriptor that can be read when the supervisor has ended; -1: there is none."""
        return self._pidfd

    def supervisor_ended(self) -> None:
        """Take note that the supervisor has ended; what it left where it was killed is ended."""
        self._forget_supervisor()
        if self.record() is None:
            self.end_remains()

    def _forget_supervisor(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    # The channel.

    def fileno(self) -> int:
        """Return the descriptor of the channel."""
        return self._socket.fileno()

    def send(self, data: bytes) -> bool:
        """Send a message, now or with the next `flush`; say whether all of it is sent."""
        self._outgoing += data
        return self.flush()

    def flush(self) -> bool:
        """Send what is left; say whether that was all."""
        while self._outgoing:
            try:
                sent = self._socket.send(self._outgoing)
            except BlockingIOError:
                return False
            except ConnectionError:
                self._outgoing.clear()  # it has ended, and the channel says so next
                break
            del self._outgoing[:sent]
        return True

    def receive(self) -> Iterator[Json]:
        """Yield the messages that have arrived; sets `gone` when there will be no more."""
        try:
            while data := self._socket.recv(_READ):
                self._incoming += data
                if len(data) < _READ:
                    break
            else:
                self.gone = True
        except BlockingIOError:
            pass  # all that is there was read
        except ConnectionError:
            self.gone = True
        while (message := unpack(self._incoming)) is not None:
            yield message

    def send_job(self, data: bytes) -> bool:
        """Send a trial; say whether all of it is sent."""
        self._jobs += 1
        return self.send(data)

    # The end.

    @property
    def began_at(self) -> float | None:
        """When it began the trial that it was sent last, in seconds of the epoch; None: it has not begun."""
        number, moment = BEGAN_RECORD.unpack(self._began)
        return moment if number == self._jobs else None

    def ask_to_end(self) -> None:
        """Have the supervisor end the whole tree, politely first; idempotent."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, STOP)

    def hang_up(self) -> None:
        """Tell an idle worker to leave: it sees the end of its channel, its supervisor does not yet."""
        with contextlib.suppress(OSError):  # it has ended already
            self._socket.shutdown(socket.SHUT_WR)

    def record(self) -> Json | None:
        """Return the supervisor's record of the end, or None: it was killed."""
        return read_record(str(self._folder), EXIT)

    def end_remains(self) -> None:
        """End what a supervisor that was killed has left of the tree."""
        _end_remains(self._folder)

    def output(self, most: int) -> bytes:
        """Return what the current trial has written; where it is too much, its beginning and its end.

        Args:
            most: How many bytes of the beginning.
        """
        try:
            with self.log.open("rb") as file:
                return shortened(file.fileno(), most)
        except FileNotFoundError:
            return b""  # somebody cleaned up

    def last_words(self, most: int) -> str:
        """Return the end of what it has written."""
        return self.output(LARGEST_TAIL)[-most:].decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Let it go; its supervisor ends what may still run. Idempotent."""
        self._socket.close()
        self._theirs.close()
        self._began.close()
        self._forget_supervisor()
        if self.gone:
            shutil.rmtree(self._folder, ignore_errors=True)
        self.gone = True


def _new_folder(control: Path, slot: int) -> Path:
    number = 1
    while True:
        folder = control / f"{WORKER_FOLDER}{slot}.{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _shared(path: Path) -> mmap.mmap:
    """Make a file that driver and worker have in memory."""
    path.write_bytes(bytes(BEGAN_RECORD.size))
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), BEGAN_RECORD.size)


def still_ending(folder: Path) -> bool:
    """Whether the supervisor of a worker of an earlier driver still lives, and with it perhaps an evaluation.

    What one that was killed has left is ended first.
    """
    try:
        fd = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if lock_holder(fd) is not None:
            return True
    finally:
        os.close(fd)
    if read_record(str(folder), EXIT) is None:
        _end_remains(folder)
    return False


def _end_remains(folder: Path) -> None:
    """End what is left of the tree of a worker whose supervisor was killed."""
    sweep(str(folder), BEGAN_PATH)


def clear_earlier(control: Path) -> list[Path]:
    """Remove what workers of earlier drivers left behind; return the folders of those that are still ending."""
    ending = []
    for folder in sorted(control.glob(f"{WORKER_FOLDER}*.[0-9]*")):
        if still_ending(folder):
            ending.append(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return ending
