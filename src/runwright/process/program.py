"""Starts a program as the child of a supervisor: its own session, and death with its supervisor."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from runwright.process.linux import die_with_parent
from runwright.process.wire import STOP

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FIRST_FREE = 10
"""Descriptors that are only passing through are kept from here on, out of the way of those that the program gets."""


# Those that a supervisor handles. To block all would be as right, and slow: Python lists what was blocked before.
_HANDLED = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, STOP})
# Those that Python, a driver that was started with nohup, or a supervisor have changed; to ask for each is slow.
_CHANGED_SIGNALS = frozenset(
    {number for number in signal.valid_signals() if signal.getsignal(number) is not signal.SIG_DFL} | _HANDLED
) - {signal.SIGKILL, signal.SIGSTOP}


class StartError(Exception):
    """The program could not be started; nothing of it runs."""


def start(
    request: dict[str, Any], descriptors: Sequence[int], keep: frozenset[int], call: Callable[[Any], int] | None
) -> int:
    """Start the program of a request.

    Args:
        request: What to run: ``argv``, ``env`` and ``cwd``, or ``call`` for a preloaded function.
        descriptors: What becomes its descriptors 0, 1, 2 ...
        keep: Descriptors that a preloaded module holds open.
        call: The preloaded function, where there is no program to execute; its return value is the exit status.

    Returns:
        Its pid.

    Raises:
        StartError: A sentence that says why.
    """
    parent = os.getpid()
    report, report_write = os.pipe2(os.O_CLOEXEC)
    # A signal between fork and exec must find neither our handlers nor our wake-up pipe.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    try:
        pid = os.fork()
        if pid == 0:
            _become(request, descriptors, keep, report_write, parent, call)
    except OSError as error:
        os.close(report)
        raise StartError(f"no process could be made: {error.strerror}") from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(report_write)
    with open(report, "rb") as file:
        trouble = file.read()
    if trouble:
        os.waitpid(pid, 0)
        raise StartError(trouble.decode("utf-8", "replace"))
    return pid


def _become(
    request: dict[str, Any],
    descriptors: Sequence[int],
    keep: frozenset[int],
    report: int,
    parent: int,
    call: Callable[[Any], int] | None,
) -> NoReturn:
    """Turn the forked child into the program. Never returns and never raises."""
    status = 127
    try:
        os.setsid()
        if not die_with_parent(parent, signal.SIGKILL):
            os._exit(status)
        for number in _CHANGED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        report = _arrange(descriptors, report, keep if call is not None else frozenset())
        os.chdir(request["cwd"])
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if call is None:
            os.execvpe(request["argv"][0], request["argv"], request["env"])  # noqa: S606  (what it is for)
        os.environ.clear()
        os.environ.update(request["env"])
        signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a Python of its own
        os.close(report)
        report = -1
        status = call(request["call"])
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:  # noqa: BLE001  (this is the last frame of the child)
        if report >= 0:
            os.write(report, _sentence(error, request).encode("utf-8", "replace")[:1000])
    finally:
        os._exit(status)


def _arrange(descriptors: Sequence[int], report: int, keep: frozenset[int]) -> int:
    """Put the descriptors where the program expects them, close all others; return the report's new number."""
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE) for fd in descriptors]
    report = fcntl.fcntl(report, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE)
    for number, fd in enumerate(high):
        os.dup2(fd, number)
    for fd in open_descriptors() - {*range(len(high)), report, *keep}:
        close_quietly(fd)
    return report


def open_descriptors() -> frozenset[int]:
    """Return the descriptors of this process, and the one that was needed to look."""
    return frozenset(map(int, os.listdir("/proc/self/fd")))


def close_quietly(fd: int) -> None:
    """Close a descriptor that may be closed already (such as the one that `open_descriptors` needed)."""
    try:
        os.close(fd)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise


def _sentence(error: BaseException, request: dict[str, Any]) -> str:
    program = (request.get("argv") or ["the function"])[0]
    if isinstance(error, OSError):
        if error.errno == errno.ENOEXEC:
            return f"{program!r} cannot be executed: it is no program of this machine, and has no #! line"
        if error.filename is not None and error.filename == request["cwd"]:
            return f"its working folder {error.filename!r} cannot be entered: {error.strerror}"
        return f"{program!r} cannot be executed: {error.strerror}"
    return f"{program!r} cannot be executed: {error}"
