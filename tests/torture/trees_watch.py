"""Sees who is alive, without asking the product: by ancestry, by a roll that all sign, by marks that most carry."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Seen:
    """A process in /proc.

    Attributes:
        pid: Its pid.
        parent: That of its parent.
        name: What ``ps`` calls it.
        ticks: When it began.
        alive: Whether any thread of it goes on; one whose first thread has ended reads as a zombie.
    """

    pid: int
    parent: int
    name: str
    ticks: int
    alive: bool


def look(pid: int) -> Seen | None:
    """Look at one process; None where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        head, _, tail = text.rpartition(")")
        fields = tail.split()
        alive = fields[0] not in "ZX" or len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except (OSError, IndexError):
        return None
    return Seen(pid, int(fields[1]), head.partition("(")[2], int(fields[19]), alive)


def descendants(root: int) -> dict[int, Seen]:
    """Return all processes below one, zombies included.

    Where the root is a subreaper, no process below it can leave: what loses its parents becomes its child.
    """
    below: dict[int, list[Seen]] = {}
    for pid in _pids():
        seen = look(pid)
        if seen is not None:
            below.setdefault(seen.parent, []).append(seen)
    found: dict[int, Seen] = {}
    level = [root]
    while level:
        children = [seen for pid in level for seen in below.get(pid, ()) if seen.pid not in found]
        found.update((seen.pid, seen) for seen in children)
        level = [seen.pid for seen in children]
    return found


def signed(roll: Path) -> dict[int, Seen]:
    """Return who signed the roll and is alive."""
    if not roll.exists():
        return {}
    found = {}
    for line in set(roll.read_text().splitlines()):
        pid, _, ticks = line.partition(" ")
        seen = look(int(pid))
        if seen is not None and seen.alive and f"{seen.ticks}" == ticks:
            found[seen.pid] = seen
    return found


def marked(mark: str) -> dict[int, Seen]:
    """Return who carries a mark in its arguments, its executable or its environment, and is alive."""
    found = {}
    for pid in _pids():
        if pid != os.getpid() and _carries(Path(f"/proc/{pid}"), mark):
            seen = look(pid)
            if seen is not None and seen.alive:
                found[pid] = seen
    return found


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _carries(place: Path, mark: str) -> bool:
    for name in ("cmdline", "environ"):
        try:
            if mark.encode() in (place / name).read_bytes():
                return True
        except OSError:
            continue  # it is gone, or another user's
    try:
        return mark in str((place / "exe").readlink())
    except OSError:
        return False
