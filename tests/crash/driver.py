"""A driver to be killed: python driver.py DIRECTORY KIND EVALUATIONS

KIND is ``command`` (three at a time, random search), ``tpe`` (one at a time, so that every suggestion hangs on all
results before it), ``function`` (a Python function in a process) or ``pool``. Each evaluation adds a line to the file
EVALUATIONS.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import runwright as rw
from runwright.clock import SystemClock, Waker
from runwright.optimizers import OptunaOptimizer, RandomOptimizer
from runwright.runners import PoolRunner, ProcessRunner

TRIALS = 12
EXPERIMENT = rw.Experiment("killed", {"x": rw.Float(0, 1)}, {"y": "minimize"}, seed=5)
PROGRAM = """
printf '%s %s\\n' "$RUNWRIGHT_TRIAL" "$1" >> "$2"
sleep 0.05
printf '{{"y": %s}}' "$1" > "$RUNWRIGHT_RESULT"
"""


def evaluate(x: float) -> float:
    """Say that an evaluation began, take a moment, and give the point back."""
    fd = os.open(os.environ["EVALUATIONS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"? {x}\n".encode())
    os.close(fd)
    clock = SystemClock()
    clock.wait(clock.now() + 0.05, Waker())
    return x


def main() -> None:
    directory, kind, evaluations = sys.argv[1:]
    os.environ["EVALUATIONS"] = evaluations
    reference = f"{Path(__file__).resolve()}:evaluate"
    command = ["/bin/sh", "-c", PROGRAM, "sh", "{x}", evaluations]
    runner: rw.Runner
    if kind == "pool":
        runner = PoolRunner(reference, workers=2)
    elif kind == "function":
        runner = ProcessRunner(function=reference, workers=3)
    else:
        runner = ProcessRunner(command, workers=1 if kind == "tpe" else 3)
    optimizer = OptunaOptimizer("tpe", options={"n_startup_trials": 4}) if kind == "tpe" else RandomOptimizer()
    with rw.Scheduler(EXPERIMENT, optimizer, runner, directory=directory) as scheduler:
        scheduler.run(trials=TRIALS)
        scheduler.state.check()


if __name__ == "__main__":
    main()
