"""Ends trees of processes of which some hop from pid to pid, bring each other back, or multiply.

Who kills such processes one by one makes room for new ones, and a program that forks as fast as it is killed is never
caught. So a whole tree is suspended first, until nobody new is found; what is suspended neither forks nor sees the
others die. Then all of it is killed.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING

from runwright.process.linux import children, parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LOOKS = 50
"""How often we look for newcomers before we kill what we have; whoever calls comes again until nobody is left."""


def fell(roots: Callable[[], Iterable[int]], reap: Callable[[], object]) -> set[int]:
    """Kill processes and all that is below them. One pass: who calls comes again until no child is left.

    Args:
        roots: Returns the direct children of this process, a subreaper, that are to die.
        reap: Reaps what has ended: what hops leaves a zombie at each hop.

    Returns:
        Whom it has killed.
    """
    suspended: dict[int, None] = {}
    for _ in range(_LOOKS):
        newcomers = _suspend(roots(), suspended)
        if not newcomers:
            break
        reap()
    ours = dict.fromkeys(roots())
    family = {os.getpid(), *ours, *suspended}
    # Leaves first: at the death of its parent the kernel wakes a suspended process group that is left an orphan.
    return {pid for pid in reversed(ours | suspended) if _signal(pid, signal.SIGKILL, family, direct=pid in ours)}


def _suspend(roots: Iterable[int], suspended: dict[int, None]) -> bool:
    """Suspend who is not yet; say whether there was anybody. Parents come before their children."""
    direct = set(roots)
    seen = {os.getpid(), *direct}
    level, found = list(direct), False
    while level:
        below: list[int] = []
        for pid in level:
            if pid not in suspended and _signal(pid, signal.SIGSTOP, seen, direct=pid in direct):
                suspended[pid] = None
                found = True
            below += [child for child in children(pid) if child not in seen]
            seen.update(below)
        level = below
    return found


def _signal(pid: int, number: signal.Signals, family: set[int], *, direct: bool) -> bool:
    """Signal a process of a family; say whether it was there.

    A direct child keeps its pid until we reap it. Another one may be reaped by its parent, and its pid given to a
    stranger: the handle is opened first, and then looked at whose child it is.
    """
    try:
        if direct:
            os.kill(pid, number)
            return True
        pidfd = _opened(pid)
        if pidfd < 0:
            return False
        try:
            if parent(pid) not in family:
                return False
            signal.pidfd_send_signal(pidfd, number)
        finally:
            os.close(pidfd)
    except ProcessLookupError:
        return False
    except PermissionError:
        return number == signal.SIGSTOP  # a setuid program: only its owner can end it; its children may be ours
    return True


def _opened(pid: int) -> int:
    """Return a handle of a process, or -1 where it is gone; which error says so depends on the kernel."""
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        # A pid that still names a session or a group, but no process: EINVAL, and ENOENT in newer kernels.
        if error.errno not in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
            raise
        return -1
