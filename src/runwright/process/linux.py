"""What Linux knows about processes and Python has no name for: prctl, a process's children, its memory."""

from __future__ import annotations

import ctypes
import os

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

_call_prctl = ctypes.CDLL(None, use_errno=True).prctl
_PAGE = os.sysconf("SC_PAGE_SIZE")


def _prctl(option: int, value: int) -> None:
    if _call_prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl: {os.strerror(number)}")


def become_subreaper() -> None:
    """Become the parent of every descendant whose own parent ends, whatever it did to hide."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int, number: int) -> bool:
    """Ask for a signal when the parent ends.

    Args:
        parent: Its pid, read before this process was forked.
        number: The signal.

    Returns:
        Whether the parent still lived once the kernel knew: a parent that ended before sends nothing any more.
    """
    _prctl(_PR_SET_PDEATHSIG, number)
    return os.getppid() == parent


def set_name(name: str) -> None:
    """Set the name that ``ps`` and ``top`` show; 15 characters count."""
    _call_prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()[:15]), 0, 0, 0)


def read_small(path: str) -> bytes:
    """Return the content of a file in /proc; empty where the process is gone or may not be looked at."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    parts = []
    try:
        while part := os.read(fd, 65536):
            parts.append(part)
    except OSError:
        return b""  # it ended while it was read
    finally:
        os.close(fd)
    return b"".join(parts)


def children(pid: int) -> list[int]:
    """Return the direct children of a process, those of all its threads; a snapshot."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    if not _has_children_files():
        return _children_by_scan(pid)
    found: list[int] = []
    for thread in threads:
        found.extend(map(int, read_small(f"/proc/{pid}/task/{thread}/children").split()))
    return found


def _has_children_files() -> bool:
    return os.path.exists("/proc/thread-self/children")


def _children_by_scan(pid: int) -> list[int]:
    """The same for a kernel without CONFIG_PROC_CHILDREN."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = read_small(f"/proc/{entry}/stat").rpartition(b")")[2].split()
            if len(fields) > 1 and int(fields[1]) == pid:
                found.append(int(entry))
    return found


def descendants(pid: int) -> list[int]:
    """Return all processes below a process; a snapshot."""
    found: list[int] = []
    seen = {pid}
    level = [pid]
    while level:
        below = [child for parent in level for child in children(parent) if child not in seen]
        seen.update(below)
        found.extend(below)
        level = below
    return found


def memory(pids: list[int], limit: int) -> int:
    """Return the memory that processes hold, in bytes.

    Resident pages are summed first, which is cheap and counts a shared page once a process; only where that sum is
    above the limit are shared pages divided among those that share them.

    Args:
        pids: The processes.
        limit: What they may hold.
    """
    total = sum(map(_resident, pids))
    return total if total <= limit else sum(map(_proportional, pids))


def _resident(pid: int) -> int:
    fields = read_small(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE if len(fields) > 1 else 0


def _proportional(pid: int) -> int:
    for line in read_small(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return _resident(pid)  # it may not be looked into (another user's)


def parent(pid: int) -> int:
    """Return the pid of a process's parent; 0 where it is gone."""
    fields = read_small(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def start_ticks(pid: int) -> int:
    """Return when a process began, in ticks since the boot; 0 where it is gone."""
    fields = read_small(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[19]) if len(fields) > 19 else 0  # noqa: PLR2004  (field 22 of proc(5))


def boot_id() -> str:
    """Return what is different after each boot of the machine."""
    return read_small("/proc/sys/kernel/random/boot_id").decode().strip()
