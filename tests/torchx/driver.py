"""A driver of TorchX trials, started as a process of its own to be killed: ``driver.py RUN RESULTS TRIALS``."""

from __future__ import annotations

import sys

import runwright as rw
from runwright.optimizers import RandomOptimizer
from runwright.runners import TorchXRunner
from tests.torchx import components

EXPERIMENT = rw.Experiment("killed", {"x": rw.Float(0, 9)}, {"y": "minimize"})


def scheduler(run, results, trials):
    """The scheduler, the same in every process."""
    runner = TorchXRunner(results, components.trainer, {"kind": "waits_for_go"}, poll_interval=0.02)
    return rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, directory=run, trials=trials, parallel=trials)


if __name__ == "__main__":
    with scheduler(sys.argv[1], sys.argv[2], int(sys.argv[3])) as it:
        it.run()
