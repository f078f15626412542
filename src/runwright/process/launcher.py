"""The launcher: forks one supervisor a request. Started by a driver, needed by none.

Requests come on a Unix stream socket (descriptor 0): four bytes of length, then JSON, and where ``channel`` is true one
descriptor beside the first byte. Answers leave on a pipe (descriptor 1), one JSON line each, in any order. When the
socket ends (the driver is gone) the launcher stays until its last child has ended: it is the subreaper that kills
what a killed supervisor leaves behind.

It imports the standard library alone and has one thread, so a supervisor is a fork of about 1.5 MiB.
"""

from __future__ import annotations

import array
import fcntl
import gc
import json
import os
import select
import signal
import socket
import struct
from typing import TYPE_CHECKING, Any

from runwright.process.answers import Answers
from runwright.process.felling import fell
from runwright.process.linux import become_subreaper, children, set_name
from runwright.process.mark import NAME, Mark
from runwright.process.program import FIRST_FREE, close_quietly, open_descriptors
from runwright.process.supervisor import supervise
from runwright.process.wire import LARGEST_REQUEST, LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1 << 18
_MOST_DESCRIPTORS = 16


class Requests:
    """The read end of the socket.

    A descriptor arrives with the first byte of its request, and requests are whole in order, so the next descriptor
    belongs to the next request that asks for one.

    Args:
        connection: The socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.ended = False
        self._buffer = bytearray()
        self._descriptors: list[int] = []

    def read(self) -> list[tuple[dict[str, Any], int | None]]:
        """Return the requests that are complete, each with its descriptor or None."""
        try:
            data, ancillary, _, _ = self.socket.recvmsg(
                _CHUNK,
                socket.CMSG_SPACE(_MOST_DESCRIPTORS * struct.calcsize("i")),
                socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC,
            )
        except BlockingIOError:
            return []
        except ConnectionError:
            data, ancillary = b"", []
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array.array("i")
                numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
                self._descriptors.extend(numbers)
        self.ended = not data
        self._buffer += data
        return self._complete()

    def _complete(self) -> list[tuple[dict[str, Any], int | None]]:
        found = []
        while len(self._buffer) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._buffer)
            if length > LARGEST_REQUEST:
                self.ended = True  # whoever speaks is not our driver
                break
            end = LENGTH.size + length
            if len(self._buffer) < end:
                break
            body = json.loads(self._buffer[LENGTH.size : end])
            del self._buffer[:end]
            found.append((body, self._descriptors.pop(0) if body.get("channel") else None))
        return found

    def close(self) -> None:
        """Close the socket, and descriptors whose request never came."""
        self.socket.close()
        for fd in self._descriptors:
            os.close(fd)
        self._descriptors.clear()


class Launcher:
    """Serves requests until there is nothing left to do.

    Args:
        requests: Where they come from.
        answers: Where to say what became of them.
        keep: Descriptors that a preloaded module holds open.
        call: The preloaded function, or None.
    """

    def __init__(
        self,
        requests: Requests,
        answers: Answers,
        keep: frozenset[int] = frozenset(),
        call: Callable[[Any], int] | None = None,
    ) -> None:
        self._requests = requests
        self._answers = answers
        self._keep = keep
        self._call = call
        self._common: dict[str, Any] = {}
        self._supervisors: dict[int, dict[str, Any]] = {}
        self._orphans: set[int] = set()
        self._childless = True
        self._wake, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Serve; return when the socket has ended and no child is left."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        poller.register(self._requests.socket, select.POLLIN)
        listening = True
        saying = False
        while listening or not self._childless:
            if saying != self._answers.waiting:
                saying = not saying
                poller.register(self._answers.fd, select.POLLOUT) if saying else poller.unregister(self._answers.fd)
            for fd, _ in poller.poll():
                if fd == self._wake:
                    os.read(self._wake, 65536)
                    self._reap()
                elif fd == self._answers.fd:
                    self._answers.flush()
                elif listening:
                    self._take_requests()
                    if self._requests.ended:
                        listening = False
                        poller.unregister(self._requests.socket)
                        self._requests.close()

    def _take_requests(self) -> None:
        for request, channel in self._requests.read():
            if "common" in request:
                self._common = request["common"]
                continue
            try:
                pid = os.fork()
            except OSError as error:
                message = f"no supervisor could be made: {error.strerror}"
                self._answers.say(request, "error", message=message)
                pid = -1
            if pid == 0:
                self._become_supervisor(request, channel)
            if pid > 0:
                self._supervisors[pid] = {"id": request["id"], "serial": request["serial"]}
                self._childless = False
            if channel is not None:
                os.close(channel)

    def _become_supervisor(self, request: dict[str, Any], channel: int | None) -> None:
        """Be the supervisor, in the forked child. Never returns."""
        status = 1
        try:
            self._requests.close()
            os.close(self._wake)
            env = {**self._common.get("env", {}), **request["env"]}
            status = supervise({**self._common, **request, "env": env}, channel, self._answers, self._keep, self._call)
        finally:
            os._exit(status)

    def _reap(self) -> None:
        """Reap what has ended, wake what is suspended, kill what a killed supervisor has left to us."""
        if (self._take_ends() or self._orphans) and not self._childless:
            fell(self._find_orphans, self._take_ends)
            self._orphans = self._find_orphans()

    def _take_ends(self) -> bool:
        """Reap what has ended; say whether it may have left something."""
        suspicious = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                self._childless = True
                return suspicious
            if pid == 0:
                return suspicious
            if os.WIFSTOPPED(status):
                if pid in self._supervisors:  # nobody is to suspend a supervisor: it has limits to enforce
                    os.kill(pid, signal.SIGCONT)
                continue
            # A supervisor that ends by itself has ended its tree before.
            suspicious = suspicious or status != 0 or pid not in self._supervisors
            request = self._supervisors.pop(pid, None)
            if request is not None and status != 0:
                self._answers.say(request, "gone")  # it may have been killed before it said anything

    def _find_orphans(self) -> set[int]:
        return set(children(os.getpid())) - self._supervisors.keys()


def main(preload: Callable[[], Callable[[Any], int]] | None = None) -> None:
    """Be the launcher. The driver has put us into a session of our own.

    Args:
        preload: Imports what every trial needs and returns the function to call; an exception of it ends the launcher
            after the driver was told.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for fd in open_descriptors() - {0, 1, 2}:
        close_quietly(fd)  # whatever the driver lets its children inherit must not outlive it in us
    set_name("rw-launcher")
    become_subreaper()
    os.chdir("/")  # a launcher that outlives its driver must not hold a mount
    connection = socket.socket(fileno=_take_away(0, os.O_RDONLY))
    answers = Answers(_take_away(1, os.O_WRONLY))
    os.set_blocking(answers.fd, False)
    own = open_descriptors()
    keep: frozenset[int] = frozenset()
    call = None
    if preload is not None:
        mark = Mark()
        try:
            call = _preloaded(preload, mark)
        except Exception as error:  # noqa: BLE001  (a user's import may raise anything)
            answers.say({}, "refused", message=f"{error}"[:1000])
            answers.flush_all()
            return
        keep = open_descriptors() - own
        answers.say({}, "ready")
    gc.collect()
    gc.freeze()  # a collection would touch, and so copy, every page that supervisors share with us
    Launcher(Requests(connection), answers, keep, call).serve()


def _preloaded(preload: Callable[[], Callable[[Any], int]], mark: Mark) -> Callable[[Any], int]:
    function = preload()

    def call(argument: Any) -> int:
        mark.show(os.environ.get(NAME, ""))
        return function(argument)

    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise RuntimeError(
            f"after the import of the function's module there are {threads} threads, and a process with threads cannot "
            "be forked safely; leave preload out, or set OMP_NUM_THREADS=1"
        )
    return call


def _take_away(fd: int, flags: int) -> int:
    """Move a standard stream out of the way and put /dev/null in its place: an import may print."""
    moved: int = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE)
    null = os.open(os.devnull, flags | os.O_CLOEXEC)
    os.dup2(null, fd)
    os.close(null)
    return moved
