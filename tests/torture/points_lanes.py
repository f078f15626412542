"""Runs many cases, two at a time: two workers, each busy with one."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tests.torture.points_case import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

LANES = 2
_ROOT = Path(__file__).parents[2]


class Series(Protocol):
    """Cases that come one after the other, as long as they lead to anything."""

    def next(self) -> str | None:
        """Return the name of the next case, or None."""
        ...

    def take(self, name: str, outcome: Outcome) -> None:
        """Learn what came of a case."""
        ...


class Lanes:
    """Workers, of which each runs one case at a time."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.torture.points_worker"]
        self._workers = [
            subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(LANES)
        ]

    def run(self, all_series: Iterable[Series]) -> None:
        """Run all cases of all series."""
        waiting = list(all_series)
        busy: dict[int, tuple[Series, str]] = {}
        poller = select.poll()
        streams = {}
        for worker in self._workers:
            assert worker.stdout is not None
            streams[worker.stdout.fileno()] = worker
            poller.register(worker.stdout, select.POLLIN)
            self._give(worker, waiting, busy)
        while busy:
            for fd, _ in poller.poll():
                worker = streams[fd]
                assert worker.stdout is not None
                line = worker.stdout.readline()
                series, name = busy.pop(fd)
                if not line:
                    raise RuntimeError(f"the worker of the torture died over {name!r}")
                series.take(name, Outcome(**json.loads(line)))
                self._give(worker, waiting, busy)

    @staticmethod
    def _give(worker: subprocess.Popen[str], waiting: list[Series], busy: dict[int, tuple[Series, str]]) -> None:
        assert worker.stdin is not None
        assert worker.stdout is not None
        while waiting:
            name = waiting[0].next()
            if name is not None:
                busy[worker.stdout.fileno()] = (waiting[0], name)
                worker.stdin.write(f"{name}\n")
                worker.stdin.flush()
                return
            waiting.pop(0)

    def close(self) -> None:
        """Let the workers go."""
        for worker in self._workers:
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.close()
            worker.wait()
            worker.stdout.close()
