"""Stops a process, and all that it starts, before every system call by which others could notice that it lived.

What a process does between two such calls nobody else can see: to die there is to die before the next of them. So a
death before each of them, one after the other, is a death everywhere. The kernel does the watching (seccomp's user
notification, Linux 5.19), so neither the product nor SQLite nor the C library knows of it, and whatever a change of any
of them adds is watched too. Not seen are writes into shared memory: SQLite's index of its log, which the next reader
builds anew, and the worker's `began` record.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import socket
import struct
from typing import NamedTuple

# name: (x86-64, arm64); None where the architecture has none.
CALLS: dict[str, tuple[int | None, int | None]] = {
    "write": (1, 64),
    "pwrite64": (18, 68),
    "writev": (20, 66),
    "pwritev": (296, 70),
    "pwritev2": (328, 287),
    "sendfile": (40, 71),
    "splice": (275, 76),
    "copy_file_range": (326, 285),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "connect": (42, 203),
    "shutdown": (48, 210),
    "open": (2, None),
    "openat": (257, 56),
    "openat2": (437, 437),
    "creat": (85, None),
    "truncate": (76, 45),
    "ftruncate": (77, 46),
    "fallocate": (285, 47),
    "fsync": (74, 82),
    "fdatasync": (75, 83),
    "sync_file_range": (277, 84),
    "syncfs": (306, 267),
    "msync": (26, 227),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "link": (86, None),
    "linkat": (265, 37),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fcntl": (72, 25),
    "flock": (73, 32),
    "fork": (57, None),
    "vfork": (58, None),
    "clone": (56, 220),
    "clone3": (435, 435),
    "execve": (59, 221),
    "execveat": (322, 281),
    "wait4": (61, 260),
    "waitid": (247, 95),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "pidfd_send_signal": (424, 424),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "prctl": (157, 167),
    "exit_group": (231, 94),
}
_MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}  # column, AUDIT_ARCH, seccomp(2)
_COLUMN, _AUDIT_ARCH, _SECCOMP = _MACHINES.get(platform.machine(), (0, 0, -1))
NAMES = {number: name for name, numbers in CALLS.items() if (number := numbers[_COLUMN]) is not None}
_FLAGS_ARGUMENT = {"open": 1, "openat": 2}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_LOCKING = (fcntl.F_SETLK, fcntl.F_SETLKW, 37, 38)  # and the open file description locks

_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_SET_MODE_FILTER, _NEW_LISTENER, _WAIT_KILLABLE = 1, 1 << 3, 1 << 5
_PR_SET_NO_NEW_PRIVS, _PR_SET_CHILD_SUBREAPER = 38, 36
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NOTICE = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")
_CONTINUE = 1
HANDOFF = 900
"""Descriptor over which a process that has just been put under watch hands the other end to its watcher."""

_libc = ctypes.CDLL(None, use_errno=True)


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


class Notice(NamedTuple):
    """A process stands before a call.

    Attributes:
        id: Of this notice.
        pid: The process.
        call: Name of the call.
        arguments: Its arguments.
    """

    id: int
    pid: int
    call: str
    arguments: tuple[int, ...]


def _argument(index: int) -> int:
    """Return where the lower half of an argument stands in what the filter sees."""
    return 16 + 8 * index


def _filter() -> list[tuple[int, int, int, int]]:
    """Return the filter: each call is looked for, and answered right behind."""
    code: list[tuple[int, int, int, int]] = []
    for number, name in NAMES.items():
        if name in _FLAGS_ARGUMENT:
            look = [(_LOAD, 0, 0, _argument(_FLAGS_ARGUMENT[name])), (_JUMP_SET, 0, 1, _WRITING)]
        elif name == "fcntl":
            look = [(_LOAD, 0, 0, _argument(1))]
            look += [(_JUMP_EQUAL, len(_LOCKING) - 1 - at, 0, kind) for at, kind in enumerate(_LOCKING)]
            look[-1] = (_JUMP_EQUAL, 0, 1, _LOCKING[-1])
        elif name == "sendmsg":  # what hands the listener over cannot wait for a listener
            look = [(_LOAD, 0, 0, _argument(0)), (_JUMP_EQUAL, 1, 0, HANDOFF)]
        else:
            look = []
        body = [*look, (_RETURN, 0, 0, _NOTIFY)]
        if look:
            body.append((_RETURN, 0, 0, _ALLOW))
        code += [(_JUMP_EQUAL, 0, len(body), number), *body]
    wrong_machine = [(_LOAD, 0, 0, 4), (_JUMP_EQUAL, 1, 0, _AUDIT_ARCH), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, 0)]
    return [*wrong_machine, *code, (_RETURN, 0, 0, _ALLOW)]


def watch_me(handoff: socket.socket) -> None:
    """Put this process and all that it starts under watch; give the listener to whoever reads the socket."""
    os.dup2(handoff.fileno(), HANDOFF)
    code = _filter()
    instructions = (_Instruction * len(code))(*(_Instruction(*one) for one in code))
    program = _Program(len(code), instructions)
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    listener = _check(_libc.syscall(_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER | _WAIT_KILLABLE, ctypes.byref(program)))
    with socket.socket(fileno=HANDOFF) as channel:
        socket.send_fds(channel, [b"."], [listener])
    os.close(listener)


def become_subreaper() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


class Listener:
    """The watcher's end.

    Args:
        fd: What `watch_me` handed over.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        """Readable while a process waits; hung up when no process under this watch is left."""
        return self._fd

    def receive(self) -> Notice | None:
        """Return the next notice; None where the process has died meanwhile."""
        buffer = bytearray(_NOTICE.size)
        try:
            fcntl.ioctl(self._fd, _RECEIVE, buffer)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        number, pid, _, call, _, _, *arguments = _NOTICE.unpack(buffer)
        return Notice(number, pid, NAMES[call], tuple(arguments))

    def go_on(self, notice: Notice) -> None:
        """Let the process do its call."""
        try:
            fcntl.ioctl(self._fd, _SEND, _ANSWER.pack(notice.id, 0, 0, _CONTINUE))
        except OSError as error:
            if error.errno != errno.ENOENT:  # it was killed meanwhile
                raise

    def close(self) -> None:
        """Let go of it; what is under this watch and lives fails from now on."""
        os.close(self._fd)


def why_not() -> str | None:
    """Say why processes cannot be watched here; None where they can."""
    if _SECCOMP < 0:
        return f"the system calls of {platform.machine()} are not known to the harness"
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            watch_me(theirs)
        finally:
            os._exit(0)  # of a process whose watcher has left, it does not matter how it ends
    theirs.close()
    with ours:
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    for fd in descriptors:
        os.close(fd)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return None if descriptors else "the kernel does not notify of system calls (seccomp user notification, Linux 5.19)"
