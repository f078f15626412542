"""Opening a run directory again: read the journal, fold it, bring the optimizer back.

python benchmarks/bench_resume.py [--optuna]

Prints CPU and wall seconds of `Scheduler(...)` over a finished directory, by number of trials; with --optuna also for
each Optuna sampler over 200 trials.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time

import runwright as rw
from runwright.optimizers import OptunaOptimizer, RandomOptimizer
from runwright.runners import LocalMetadataRunner

EXPERIMENT = rw.Experiment("no-op", {"x1": rw.Float(-5, 10), "x2": rw.Float(0, 15)}, {"y": "minimize"})


def no_op(x1, x2):
    return x1 * x1 + x2


def resume(name: str, make, trials: int, repeat: int = 3) -> None:
    folder = tempfile.mkdtemp(prefix="runwright-benchmark-")
    with rw.Scheduler(EXPERIMENT, make(), LocalMetadataRunner(no_op), directory=folder) as driver:
        driver.run(trials=trials)
    cpu, wall = [], []
    for _ in range(repeat):
        began_cpu, began = time.process_time(), time.perf_counter()
        driver = rw.Scheduler(EXPERIMENT, make(), LocalMetadataRunner(no_op), directory=folder)
        cpu.append(time.process_time() - began_cpu)
        wall.append(time.perf_counter() - began)
        driver.close()
    c, w = statistics.median(cpu), statistics.median(wall)
    print(f"{name:20} {trials:7} trials: {c:7.3f} s CPU, {w:7.3f} s wall")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--optuna", action="store_true")
    options = parser.parse_args()
    resume("random", lambda: RandomOptimizer(seed=1), 5_000)
    resume("random", lambda: RandomOptimizer(seed=1), 100_000)
    if options.optuna:
        for sampler in ("random", "tpe", "cmaes", "qmc", "nsgaii"):
            resume(f"optuna {sampler}", lambda sampler=sampler: OptunaOptimizer(sampler, seed=1), 200)


if __name__ == "__main__":
    main()
