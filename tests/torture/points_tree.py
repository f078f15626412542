"""Watches a tree of processes, counts the passages of each, and lets one die at a passage.

The process that uses this is the subreaper of all that it starts: nothing of a tree can leave it unseen.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runwright.process.linux import children, descendants, read_small, start_ticks
from tests.torture.points_filter import Listener, Notice, watch_me

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 60.0
"""Seconds that one life may take."""
FAILED = 70
"""Exit status of a driver that ends by an error."""
_AFTERWARDS = 20.0  # seconds in which everything must be gone once the experiment has ended
_ZOMBIES_GO = 5.0
_LOOK = 0.01

_SEAMS = {
    "fork": "fork clone clone3 vfork execve execveat",
    "write": "write pwrite64 writev pwritev pwritev2 sendfile splice copy_file_range truncate ftruncate fallocate",
    "sync": "fsync fdatasync sync_file_range syncfs msync",
    "send": "sendto sendmsg sendmmsg connect shutdown",
    "open to write": "open openat openat2 creat mknod mknodat chmod fchmod fchmodat",
    "rename": "rename renameat renameat2 link linkat symlink symlinkat",
    "remove": "unlink unlinkat rmdir",
    "mkdir": "mkdir mkdirat",
    "lock": "fcntl flock",
    "signal": "kill tkill tgkill rt_sigqueueinfo pidfd_send_signal",
    "reap": "wait4 waitid",
    "identity": "setsid setpgid prctl",
    "exit": "exit_group",
}
SEAM = {call: seam for seam, calls in _SEAMS.items() for call in calls.split()}
ASK_TELL = "ask, tell"


class Death(NamedTuple):
    """Where a process is to die.

    Attributes:
        role: Which kind of process: driver, launcher, supervisor or evaluation.
        ordinal: Which one of its kind, in the order of their first passages.
        passage: Before which of its passages.
    """

    role: str
    ordinal: int
    passage: int

    def __str__(self) -> str:
        return f"{self.role}{self.ordinal}@{self.passage}"


@dataclass
class Member:
    """A process of the tree."""

    role: str
    ordinal: int
    passages: list[str] = field(default_factory=list)
    """Through which seam each went."""


class Tree:
    """The processes of one case: drivers, one after the other, and all that they start.

    Args:
        deaths: Who dies where.

    Attributes:
        members: All processes that had a passage, in the order of their first.
        died: The deaths that happened, with what the process was about to do.
        faults: What is wrong with the tree itself.
    """

    def __init__(self, deaths: tuple[Death, ...]) -> None:
        self.members: list[Member] = []
        self.died: dict[Death, str] = {}
        self.faults: list[str] = []
        self._deaths = {(death.role, death.ordinal): death for death in deaths}
        # By pid and start: a busy machine gives the pid of a dead process to somebody else within a second.
        self._known: dict[tuple[int, int], Member] = {}
        self._ordinals: Counter[str] = Counter()
        self._listeners: dict[int, Listener] = {}
        self._poll = select.poll()
        self._driver = 0
        self._leaving: tuple[Listener, Notice, float] | None = None

    def live(self, main: Callable[[], None], log: Path) -> int | None:
        """Let a driver live; return its exit status (negative: the signal), or None if it never came to its end."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            self._become_driver(main, log, theirs)
        theirs.close()
        with ours:
            _, (fd,), _, _ = socket.recv_fds(ours, 1, 1)
        self._listeners[fd] = Listener(fd)
        self._poll.register(fd, select.POLLIN)
        self._driver = pid
        self._known[pid, start_ticks(pid)] = self._new("driver")
        pidfd = os.pidfd_open(pid)
        self._poll.register(pidfd, select.POLLIN)
        until = time.monotonic() + PATIENCE
        try:
            while pidfd not in self._serve():
                if time.monotonic() > until:
                    self.faults.append(f"the driver did not come to its end within {PATIENCE:g} s")
                    return None
        finally:
            self._poll.unregister(pidfd)
            os.close(pidfd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _become_driver(self, main: Callable[[], None], log: Path, handoff: socket.socket) -> None:
        """Be the driver, in the forked child. Never returns."""
        status = FAILED
        try:
            for fd in self._listeners:
                os.close(fd)
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for number in (1, 2):
                os.dup2(output, number)
            os.close(output)
            with handoff:
                watch_me(handoff)
            main()
            status = 0
        except BaseException:  # noqa: BLE001  (whatever it is, it is the driver's last word)
            import traceback

            traceback.print_exc()
        finally:
            os._exit(status)

    def settle(self) -> None:
        """Wait until nothing of the tree is left."""
        until = time.monotonic() + _AFTERWARDS
        while self._listeners or self._children_left():
            self._serve()
            if time.monotonic() > until:
                left = [f"{read_small(f'/proc/{pid}/comm').decode().strip()}" for pid in descendants(os.getpid())]
                self.faults.append(f"{len(left)} processes were left over: {left}")
                return

    def clear(self) -> None:
        """Kill whatever a case that went wrong has left."""
        while left := descendants(os.getpid()):
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._children_left()
        for fd, listener in list(self._listeners.items()):
            self._poll.unregister(fd)
            listener.close()
        self._listeners.clear()

    @staticmethod
    def _children_left() -> bool:
        """Reap what was left to us; say whether there is more."""
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return False
        return True

    def _serve(self) -> list[int]:
        """Let whoever stands before a call go on, or die; return the other descriptors that are ready."""
        others = []
        for fd, events in self._poll.poll(_LOOK * 1000):
            listener = self._listeners.get(fd)
            if listener is None:
                others.append(fd)
            elif events & select.POLLIN:
                notice = listener.receive()
                if notice is not None:
                    self._pass(listener, notice)
            elif events & select.POLLHUP:  # nobody is left under this watch
                self._poll.unregister(fd)
                del self._listeners[fd]
                listener.close()
        self._let_leave()
        return others

    def _pass(self, listener: Listener, notice: Notice) -> None:
        member = self._member(notice.pid)
        death = self._deaths.get((member.role, member.ordinal))
        if death is not None and death.passage == len(member.passages) and death not in self.died:
            self.died[death] = _describe(notice)
            with suppress(ProcessLookupError):
                os.kill(notice.pid, signal.SIGKILL)
            return
        member.passages.append(_seam(notice))
        if notice.pid == self._driver and notice.call == "exit_group":
            self._leaving = (listener, notice, time.monotonic() + _ZOMBIES_GO)
        else:
            listener.go_on(notice)

    def _let_leave(self) -> None:
        """Let a driver leave as soon as there is no zombie in its tree, but for the launcher that it has just left."""
        if self._leaving is None:
            return
        listener, notice, until = self._leaving
        below = descendants(notice.pid)
        zombies = [pid for pid in below if _state(pid) == "Z"]
        own = set(children(notice.pid))
        if len(zombies) > 1 or (zombies and zombies[0] not in own):
            if time.monotonic() < until:
                return
            self.faults.append(f"{len(zombies)} zombies at the end of the driver")
        self._leaving = None
        listener.go_on(notice)

    def _new(self, role: str) -> Member:
        member = Member(role, self._ordinals[role])
        self._ordinals[role] += 1
        self.members.append(member)
        return member

    def _member(self, pid: int) -> Member:
        """Return the process; find out what it is at its first passage."""
        key = (pid, start_ticks(pid))
        if key not in self._known:
            self._known[key] = self._new(self._role(pid))
        return self._known[key]

    def _role(self, pid: int) -> str:
        parent = int((read_small(f"/proc/{pid}/stat").rpartition(b")")[2].split() or [b"0", b"0"])[1])
        name = read_small(f"/proc/{pid}/comm").strip()  # that of its parent, until it takes its own
        member = self._known.get((parent, start_ticks(parent)))
        above = "" if member is None else member.role
        if above == "driver":
            return "launcher"
        if name == b"rw-launcher":
            return "supervisor"
        if name == b"rw-supervisor" or above == "supervisor":
            return "evaluation"
        return "launcher" if parent == os.getpid() else "other"


def _seam(notice: Notice) -> str:
    if notice.call == "kill" and notice.arguments[1] == 0:
        return ASK_TELL
    return SEAM[notice.call]


def _state(pid: int) -> str:
    fields = read_small(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return fields[0].decode() if fields else ""


_PATH_AT = {
    "open": 0, "creat": 0, "openat": 1, "openat2": 1, "rename": 0, "renameat": 1, "renameat2": 1, "unlink": 0,
    "unlinkat": 1, "mkdir": 0, "mkdirat": 1, "mknod": 0, "mknodat": 1, "truncate": 0, "rmdir": 0, "execve": 0,
}  # fmt: skip
_FD_FIRST = ("write", "pwrite64", "writev", "ftruncate", "fsync", "fdatasync", "fcntl", "flock", "sendto", "sendmsg")


def _describe(notice: Notice) -> str:
    """Say what a process is about to do."""
    if _seam(notice) == ASK_TELL:
        return ASK_TELL
    about = ""
    with suppress(OSError):
        if notice.call in _PATH_AT:
            with Path(f"/proc/{notice.pid}/mem").open("rb", buffering=0) as memory:
                memory.seek(notice.arguments[_PATH_AT[notice.call]])
                about = (memory.read(256) or b"").partition(b"\0")[0].decode("utf-8", "replace")
        elif notice.call in _FD_FIRST:
            about = str(Path(f"/proc/{notice.pid}/fd/{notice.arguments[0]}").readlink())
    return f"{notice.call} {about.rpartition('/')[2]}".strip()
