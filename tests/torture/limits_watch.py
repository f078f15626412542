"""Runs a driver and its victims, and sees for itself who dies when."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.torture.limits_victim import FOLDER

_DRIVER = Path(__file__).with_name("limits_driver.py")
_LOOK = 0.005
DEADLINE = 90.0


@dataclass
class Watched:
    """What was seen of one case.

    Attributes:
        case: Its name.
        events: Times of what the victim noted, by event; of several the first.
        pids: Its processes.
        dead: When the last of them was seen to be dead; None: one lives.
    """

    case: str
    events: dict[str, float] = field(default_factory=dict)
    pids: set[int] = field(default_factory=set)
    dead: float | None = None


class Watcher:
    """Follows the processes of victims by pidfds of its own.

    Args:
        folder: Where the victims write.
        cases: Their names.
    """

    def __init__(self, folder: Path, cases: list[str]) -> None:
        self.seen = {case: Watched(case) for case in cases}
        self._folder = folder
        self._poll = select.poll()
        self._alive: dict[int, tuple[Watched, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nobody behind, whatever went wrong."""
        for pidfd in list(self._alive):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        self._alive.clear()

    @property
    def living(self) -> set[int]:
        """The pids of victims that live."""
        return {pid for _, pid in self._alive.values()}

    def look(self) -> None:
        """Take in what has happened; wait a moment for it."""
        for watched in self.seen.values():
            self._read(watched)
        for pidfd, _ in self._poll.poll(_LOOK * 1000):
            self._ended(pidfd)

    def until(self, condition: Any, seconds: float = DEADLINE) -> bool:
        """Look until a condition holds; say whether it did in time."""
        limit = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > limit:
                return False
            self.look()
        return True

    def began(self) -> bool:
        """Whether all have begun."""
        return all("began" in watched.events for watched in self.seen.values())

    def _read(self, watched: Watched) -> None:
        try:
            text = (self._folder / watched.case).read_text()
        except FileNotFoundError:
            return
        for line in text.splitlines():
            event, pid, moment = line.split()
            watched.events.setdefault(event, float(moment))
            if int(pid) not in watched.pids:
                watched.pids.add(int(pid))
                self._follow(watched, int(pid))

    def _follow(self, watched: Watched, pid: int) -> None:
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            watched.dead = time.monotonic()
            return
        self._alive[pidfd] = (watched, pid)
        self._poll.register(pidfd, select.POLLIN)

    def _ended(self, pidfd: int) -> None:
        watched, _ = self._alive.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        now = time.monotonic()
        alive = any(other is watched for other, _ in self._alive.values())
        watched.dead = None if alive else now


class Driver:
    """A driver process.

    Args:
        folder: Where the victims write.
        given: What it is told; see `limits_driver`.
    """

    def __init__(self, folder: Path, given: dict[str, Any]) -> None:
        environment = os.environ | {FOLDER: str(folder), "PYTHONPATH": str(_DRIVER.parents[2])}
        self.given = given
        self._said = (folder.parent / f"{folder.name}.said").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, str(_DRIVER), json.dumps(given)],
            env=environment,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._said.close()

    @property
    def ended(self) -> bool:
        """Whether it has."""
        return self.process.poll() is not None

    def kill(self) -> None:
        """End it as the kernel does."""
        self.process.kill()
        self.process.wait()

    def outcomes(self) -> dict[str, dict[str, Any]]:
        """Return what it printed; it has ended."""
        self._said.seek(0)
        said = self._said.read().decode("utf-8", "replace")
        assert self.process.returncode == 0, f"the driver ended with {self.process.returncode}: {said[-2000:]}"
        outcomes: dict[str, dict[str, Any]] = json.loads(said.splitlines()[-1])
        return outcomes
