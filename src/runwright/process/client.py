"""The driver's end of the launcher.

A request is a JSON object:

- ``id``: text, unique among the requests that are under way.
- ``argv``, ``env`` (whole), ``cwd``: the program; or ``call`` for the function of a preloaded launcher.
- ``control``: the folder for its records, which exists. All paths are absolute.
- ``work``: what the working folder must be before the program begins, see `process/work.py`; where it is left out,
  whoever sends the request has seen to it.
- ``stdout``, ``stderr``: paths of its logs (the same one, if you like), or None. ``log``: bytes kept of the beginning
  of each, by way of the supervisor, and some of the end; None, and no ``output`` either: the program writes straight
  into the file.
- ``timeout`` (seconds), ``memory`` (bytes of the whole tree), ``output`` (bytes), ``grace`` (seconds): limits, or None.
  Output is what goes through the logs, and the size of the files that are ``counted`` (paths). They hold the result, or
  else stdout does: without a channel, what holds it is durable before the end is recorded.
- ``channel``: True where a descriptor is handed over, which the program gets as descriptor 3 (``RUNWRIGHT_CHANNEL=3``).
  It must be one end of a socket pair: when the other end closes, the supervisor ends the tree (reason ``driver``).
  Descriptor 4 (``RUNWRIGHT_LIMITS=4``) is then a pipe on which the program sets limits for a while: a line
  ``begin <seconds> <bytes of memory> <bytes of output>`` (0: none), and ``end``.

What is not in a request is taken from what was said to be common to all (`Launcher.share`), which each launcher is told
before its first request as ``{"common": {...}}``; of ``env`` the two are joined.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from runwright.clock import monotonic
from runwright.errors import SubmitError, UsageError
from runwright.process.mark import with_room
from runwright.process.wire import LARGEST_REQUEST, LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runwright.result import Json

_PATIENCE = 60.0
"""Seconds without any answer after which a launcher counts as stuck. Ending it harms no trial."""
_LAUNCHES = 4
"""How many launchers in a row may die over requests: some may be killed, and not by what they do."""
_PRELOADS = 2
_CHUNK = 1 << 14

_encode = json.JSONEncoder().encode
_decode = json.JSONDecoder().raw_decode  # a line is one value, without blanks around it
_serials = itertools.count()
_left: set[int] = set()  # launchers of closed clients that outlive them; reaped when another one is started


class Launcher:
    """Starts programs under supervisors, through a launcher process that is started when first needed.

    Args:
        preload: Text of the function whose module the launcher imports, so that a trial is a fork of it; None: trials
            are programs.
    """

    def __init__(self, preload: str | None = None) -> None:
        self._preload = preload
        self._pid = 0
        self._pidfd = -1
        self._socket: socket.socket | None = None
        self._answers = -1
        self._half_line = b""
        self._poller = select.poll()
        self._common: Json = {}
        self._told_common = True

    @property
    def pid(self) -> int | None:
        """Pid of the launcher process, or None before the first launch."""
        return self._pid or None

    def share(self, common: Json) -> None:
        """Say what later requests have in common, so that not each has to say it."""
        self._common, self._told_common = common, False

    def launch(self, requests: Iterable[Json], channels: Mapping[str, int] | None = None) -> dict[str, Json]:
        """Have programs started, and wait until each has begun or is known not to.

        Where the launcher dies meanwhile, what it has not answered is sent to a new one: a request that was in fact
        served is then ``claimed``.

        Args:
            requests: What to start.
            channels: Descriptor to hand over, by id of the request; it stays open here.

        Returns:
            Answers by id: ``{"event": "started", "pid": ...}``; ``claimed``: somebody has begun it before;
            ``error`` with a ``message``: it did not begin; ``gone``: its supervisor was killed before it said anything,
            so the control folder decides.

        Raises:
            SubmitError: No launcher can be started, or several in a row died.
            UsageError: The launcher refuses to preload; `preload` says so earlier.
        """
        # A serial number tells an answer from a late word about an earlier request of the same id.
        unanswered = {next(_serials): request for request in requests}
        answers: dict[str, Json] = {}
        for _ in range(_LAUNCHES):
            if not unanswered:
                break
            if self._pid == 0:
                self._start()
            if not self._exchange(unanswered, answers, channels or {}):
                self.close()
        if unanswered:
            raise SubmitError(
                f"the launcher of processes died {_LAUNCHES} times in a row; is there enough memory, and is "
                f"{sys.executable} whole?"
            )
        return answers

    def preload(self) -> None:
        """Start the launcher and wait until it has imported what trials need; without a preload, do nothing.

        Raises:
            UsageError: It refuses: the import fails, or leaves threads behind.
            SubmitError: Two in a row died over it.
        """
        if self._preload is None or self._pid != 0:
            return
        for _ in range(_PRELOADS):  # one may have been killed, and not by its import
            self._start()
            if self._imported():
                return
        raise SubmitError(f"preload: the import of {self._preload} ended the process")

    def _imported(self) -> bool:
        """Wait until the launcher has imported what trials need; say whether it has, or died over it."""
        poller = select.poll()
        poller.register(self._answers, select.POLLIN)
        while not (news := self._read()):
            ready = poller.poll()  # as long as an import takes; the end of the launcher is seen here too
            if ready[0][1] == select.POLLHUP:
                self.close()
                return False
        for answer in news:
            self._take(answer, {}, {})
        return True

    def close(self) -> None:
        """Let the launcher go; it stays until its last trial has ended. Idempotent."""
        if self._socket is not None:
            self._socket.close()
            os.close(self._answers)
            os.close(self._pidfd)
            _left.add(self._pid)
        self._socket, self._answers, self._pidfd, self._pid, self._half_line = None, -1, -1, 0, b""
        _reap_left()

    # The start.

    def _start(self) -> None:
        if not hasattr(os, "pidfd_open"):
            raise UsageError("processes that outlive the driver need Linux 5.3 or later; use the pool or local runner")
        if not sys.executable:
            raise UsageError("this Python does not know its own executable, which must run the launcher")
        _reap_left()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        answers, answers_write = os.pipe2(os.O_CLOEXEC)
        # Out of the way of the standard streams: a driver may have closed its own.
        passed = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in (theirs.fileno(), answers_write)]
        try:
            self._pid = self._spawn(*passed)
            self._pidfd = os.pidfd_open(self._pid)
        except OSError as error:
            ours.close()
            os.close(answers)
            raise SubmitError(f"the launcher of processes cannot be started: {error}") from None
        finally:
            theirs.close()
            for fd in (answers_write, *passed):
                os.close(fd)
        ours.setblocking(False)
        os.set_blocking(answers, False)
        self._socket, self._answers, self._told_common = ours, answers, not self._common
        self._poller = select.poll()
        self._poller.register(answers, select.POLLIN)
        self._poller.register(self._pidfd, select.POLLIN)

    def _spawn(self, requests: int, answers: int) -> int:
        if self._preload is None:
            flags, code, arguments, environment = ["-I", "-S"], _BOOT, [_home()], dict(os.environ)
        else:
            flags, code, arguments = [], _BOOT_PRELOAD, [json.dumps(absolute_path()), self._preload]
            environment = with_room(dict(os.environ))
        actions: list[tuple[Any, ...]] = [
            (os.POSIX_SPAWN_DUP2, requests, 0),
            (os.POSIX_SPAWN_DUP2, answers, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        argv = [sys.executable, *flags, "-c", code, *arguments]
        return os.posix_spawn(
            sys.executable, argv, environment, file_actions=actions, setsid=True, setsigmask=(), setsigdef=_DEFAULTS
        )

    # The exchange.

    def _exchange(self, unanswered: dict[int, Json], answers: dict[str, Json], channels: Mapping[str, int]) -> bool:
        """Send what is unanswered and collect answers; say whether the launcher lived to the end of it."""
        assert self._socket is not None, "it was started"
        sending = [
            _Frame({**request, "serial": serial}, channels.get(request["id"])) for serial, request in unanswered.items()
        ]
        if not self._told_common:
            sending.insert(0, _Frame({"common": self._common}, None))
        sending.reverse()
        poller = self._poller
        if self._send(sending):
            poller.register(self._socket, select.POLLOUT)
        patience = monotonic() + _PATIENCE
        while unanswered:
            ready = dict(poller.poll(max(0.0, patience - monotonic()) * 1000))
            if not ready and monotonic() >= patience:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
                return False
            if self._socket.fileno() in ready and not self._send(sending):
                poller.unregister(self._socket)
            news = self._read() if self._answers in ready else []
            if news:
                patience = monotonic() + _PATIENCE
            for answer in news:
                self._take(answer, unanswered, answers)
            if self._pidfd in ready and not news:
                return not unanswered
        self._told_common = True
        return True

    def _send(self, sending: list[_Frame]) -> bool:
        """Send as much as goes, the last one first; say whether there is more."""
        assert self._socket is not None, "it was started"
        try:
            while sending:
                if sending[-1].send(self._socket):
                    sending.pop()
        except BlockingIOError:
            return True
        except ConnectionError:
            return False  # its death is seen on the pidfd
        return False

    def _take(self, answer: Json, unanswered: dict[int, Json], answers: dict[str, Json]) -> None:
        if answer["event"] == "refused":
            self.close()
            raise UsageError(f"preload: {answer['message']}")
        if unanswered.pop(answer["serial"], None) is not None:
            answers[answer["id"]] = answer

    def _read(self) -> list[Json]:
        try:
            data = os.read(self._answers, _CHUNK)
        except BlockingIOError:
            return []
        *lines, self._half_line = (self._half_line + data).split(b"\n")
        return [_decode(line.decode())[0] for line in lines]


class _Frame:
    """A request on its way through the socket."""

    def __init__(self, request: Json, channel: int | None) -> None:
        data = _encode(request).encode()
        if len(data) > LARGEST_REQUEST:
            raise SubmitError(
                f"the request of {request['id']} is {len(data)} bytes long; {LARGEST_REQUEST} are allowed"
            )
        self._rest = memoryview(LENGTH.pack(len(data)) + data)
        self._channel = channel

    def send(self, connection: socket.socket) -> bool:
        """Send as much as goes; say whether that was all."""
        if self._channel is not None:
            sent = socket.send_fds(connection, [self._rest], [self._channel])
            self._channel = None
        else:
            sent = connection.send(self._rest)
        self._rest = self._rest[sent:]
        return not self._rest


_DEFAULTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE)
# The library's folder comes last: nothing that lies beside it may hide a module of the standard library.
_BOOT = "import sys; sys.path.append(sys.argv[1]); from runwright.process.launcher import main; main()"
_BOOT_PRELOAD = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from runwright.process.function import preloaded; from runwright.process.launcher import main; "
    "main(preloaded(sys.argv[2]))"
)


def _home() -> str:
    """Return the folder that contains this package."""
    return os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def absolute_path() -> Sequence[str]:
    """Return this process's ``sys.path`` for a process with another working folder."""
    return [os.path.abspath(entry) for entry in sys.path]


def _reap_left() -> None:
    """Reap launchers that have left meanwhile, so that they are no zombies."""
    for pid in list(_left):
        try:
            gone = os.waitpid(pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            gone = True
        if gone:
            _left.discard(pid)
