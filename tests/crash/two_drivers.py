"""A driver that competes for a directory: python two_drivers.py DIRECTORY; then a line on stdin: start.

It says ``works``, or ``refused <pid>``; one that works goes on until it is killed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import runwright as rw
from runwright.clock import SystemClock, Waker
from runwright.errors import DirectoryInUseError
from runwright.optimizers import RandomOptimizer
from runwright.runners import LocalMetadataRunner

EXPERIMENT = rw.Experiment("two", {"x": rw.Float(0, 1)}, {"y": "minimize"})


def evaluate(x: float) -> float:
    """Take a moment."""
    clock = SystemClock()
    clock.wait(clock.now() + 0.005, Waker())
    return x


def main() -> None:
    directory = Path(sys.argv[1])
    while sys.stdin.readline():
        try:
            scheduler = rw.Scheduler(EXPERIMENT, RandomOptimizer(), LocalMetadataRunner(evaluate), directory=directory)
        except DirectoryInUseError as error:
            print(f"refused {error.pid}", flush=True)
        else:
            print("works", flush=True)
            scheduler.run(trials=1_000_000)


if __name__ == "__main__":
    main()
