"""Ends what is left of an attempt that nobody watches any more.

Where a supervisor was killed, the kernel ends the program and the launcher ends the rest of the tree. Where the
launcher was killed too, what the program had started may go on. Before such an attempt is called dead, processes that
still have its environment are ended. One that has cleared its environment is not found.
"""

from __future__ import annotations

import os
import select
import signal

from runwright.process.linux import read_small
from runwright.process.mark import NAME

_PASSES = 50
_PATIENCE = 1.0  # seconds for the kernel to end what was killed


def sweep(folder: str, name: str = NAME) -> int:
    """End the processes of an attempt that is dead, or of a worker of a pool.

    Args:
        folder: Its folder; a variable in the environment of its processes points into it.
        name: The variable.

    Returns:
        How many there were.
    """
    marker = f"{name}=".encode() + os.fsencode(folder) + b"/"
    ended = 0
    for _ in range(_PASSES):  # some may start others while we look
        found = [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _has(entry, marker)]
        if not found:
            break
        ended += sum(_end(pid, marker) for pid in found)
    return ended


def _has(pid: str, marker: bytes) -> bool:
    environment = read_small(f"/proc/{pid}/environ")
    return environment.startswith(marker) or b"\0" + marker in environment


def _end(pid: int, marker: bytes) -> bool:
    """Kill a process and wait for its end, once it is sure that the pid is still its own."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if not _has(str(pid), marker):
            return False
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.poll(_PATIENCE * 1000)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(pidfd)
    return True
