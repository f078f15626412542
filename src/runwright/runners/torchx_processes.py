"""Finds the processes of a local TorchX app again, by what TorchX writes into their environment.

TorchX forgets the apps of its local scheduler with the process that started them, while they run on. Each of their
processes has the handle of its app in its environment, and its children inherit it.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from runwright.process.linux import read_small

if TYPE_CHECKING:
    from collections.abc import Iterable

_VARIABLE = b"TORCHX_JOB_ID="


def processes_of(handle: str, among: Iterable[int] = ()) -> list[int]:
    """Return the processes of an app; those of ``among`` where any of them still lives, which is cheaper.

    Args:
        handle: Handle of the app.
        among: Pids that were found before.
    """
    found = [pid for pid in among if _belongs(pid, handle)]
    if found:
        return found
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _belongs(int(name), handle)]  # noqa: PTH208


def _belongs(pid: int, handle: str) -> bool:
    # A process that has ended and is not yet collected has no environment any more.
    return b"\0" + _VARIABLE + handle.encode() + b"\0" in b"\0" + read_small(f"/proc/{pid}/environ") + b"\0"


def signal_all(handle: str, number: signal.Signals) -> list[int]:
    """Send a signal to each process of an app; return which there were.

    Args:
        handle: Handle of the app.
        number: The signal.
    """
    found = processes_of(handle)
    for pid in found:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if _belongs(pid, handle):  # the pid has not become another's
                signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            pass  # it has just ended
        finally:
            os.close(fd)
    return found
