"""A foreign loop to be killed: python queue_loop.py DIRECTORY KIND EVALUATIONS RESULTS

It knows nothing of its earlier lives: each submits everything from the beginning, two equal trials among it. KIND is
``command``, ``function``, ``pool`` or ``local``. Each evaluation adds a line to the file EVALUATIONS; what the loop has
collected is written to the file RESULTS at its end.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import runwright as rw
from runwright.clock import SystemClock, Waker
from runwright.runners import LocalMetadataRunner, PoolRunner, ProcessRunner

TRIALS = [rw.TrialInfo({"x": number % 10}, instance="i", seed=7, budget=1 + number % 2) for number in range(12)]
PROGRAM = """
printf '%s %s %s\\n' "$1" "$RUNWRIGHT_BUDGET" "$RUNWRIGHT_TRIAL" >> "$2"
sleep 0.05
printf '{{"cost": %s}}' "$1" > "$RUNWRIGHT_RESULT"
"""


def evaluate(x: int, budget: float) -> float:
    """Say that an evaluation began, take a moment, and give the point back."""
    fd = os.open(os.environ["EVALUATIONS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{x} {budget} ?\n".encode())
    os.close(fd)
    clock = SystemClock()
    clock.wait(clock.now() + 0.05, Waker())
    return float(x)


def make_runner(kind: str, evaluations: str) -> rw.Runner:
    reference = f"{Path(__file__).resolve()}:evaluate"
    if kind == "local":
        return LocalMetadataRunner(evaluate)
    if kind == "pool":
        return PoolRunner(reference, workers=2)
    if kind == "function":
        return ProcessRunner(function=reference, workers=3)
    return ProcessRunner(["/bin/sh", "-c", PROGRAM, "sh", "{x}", evaluations], workers=3)


def main() -> None:
    directory, kind, evaluations, results = sys.argv[1:]
    os.environ["EVALUATIONS"] = evaluations
    found: list[list[object]] = []
    with rw.TrialQueue(make_runner(kind, evaluations), directory=directory) as queue:
        for trial in TRIALS:
            queue.submit_trial(trial)
            found += [[TRIALS.index(told), value.status.name, value.cost] for told, value in queue.iter_results()]
        while queue.is_running():
            queue.wait()
            found += [[TRIALS.index(told), value.status.name, value.cost] for told, value in queue.iter_results()]
        queue.state.check()
    Path(results).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
