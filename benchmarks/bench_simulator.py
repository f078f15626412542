"""The simulated machine: alone, and through the engine.

python benchmarks/bench_simulator.py [--trials N] [--repeat N]

Prints trials per CPU second, best of several runs: of the machine alone with few and many trials and slots, all
submitted at once or one for each that ends; beside a bare heap that does nothing else; with faults; and through the
scheduler, in memory, random search.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from heapq import heappop, heappush

import runwright as rw
from runwright.optimizers import RandomOptimizer
from runwright.runners import SimulatedBackendRunner
from runwright.simulation import (
    BackendSimulator,
    BackendSimulatorOptions,
    Crash,
    LostWorker,
    OutOfMemory,
    Preemption,
    Straggler,
)

FAULTS = (Straggler(0.1), Crash(0.1), OutOfMemory(0.1), LostWorker(0.1), Preemption(0.1))
EXPERIMENT = rw.Experiment("no-op", {"x1": rw.Float(-5, 10), "x2": rw.Float(0, 15)}, {"y": "minimize"})


def no_op(x1, x2):
    return x1 + x2


def runtimes(trials: int) -> list[float]:
    draw = random.Random(1).uniform
    return [draw(1.0, 5.0) for _ in range(trials)]


def heap(seconds: list[float], slots: int) -> None:
    """List scheduling, and nothing else."""
    free: list[tuple[float, int]] = []
    for index, runtime in enumerate(seconds):
        begun = heappop(free)[0] if len(free) == slots else 0.0
        heappush(free, (begun + runtime, index))


def at_once(seconds: list[float], slots: int, **options) -> None:
    machine = BackendSimulator(BackendSimulatorOptions(slots, internal_clock=0.0, **options))
    for index, runtime in enumerate(seconds):
        machine.run_trial(index, runtime)
    while machine.num_running or machine.num_queued:
        machine.update()


def one_by_one(seconds: list[float], slots: int) -> None:
    machine = BackendSimulator(BackendSimulatorOptions(slots, internal_clock=0.0))
    submitted = 0
    while True:
        while submitted < len(seconds) and machine.available:
            machine.run_trial(submitted, seconds[submitted])
            submitted += 1
        if not machine.num_running:
            break
        machine.update()


def engine(trials: int, slots: int, **options) -> float:
    machine = BackendSimulator(BackendSimulatorOptions(slots, **options))
    runner = SimulatedBackendRunner(machine, evaluation_function=no_op)
    with rw.Scheduler(EXPERIMENT, RandomOptimizer(seed=1), runner) as driver:
        gc.collect()
        began = time.process_time()
        driver.run(trials=trials)
        return time.process_time() - began


def alone(run, *arguments, **options) -> float:
    gc.collect()
    began = time.process_time()
    run(*arguments, **options)
    return time.process_time() - began


def report(name: str, trials: int, slots: int, seconds: list[float]) -> None:
    rates = sorted(trials / each for each in seconds)
    print(
        f"{name:28} {trials:9,} trials {slots:7,} slots: {rates[-1]:11,.0f} trials per CPU s (worst {rates[0]:,.0f})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1_000_000, help="trials of the long runs")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    for trials in (1000, arguments.trials):
        seconds = runtimes(trials)
        repeat = arguments.repeat if trials > 1000 else 20
        for slots in (10, 10_000):
            for name, run in (("a bare heap", heap), ("all at once", at_once), ("one for each that ends", one_by_one)):
                report(name, trials, slots, [alone(run, seconds, slots) for _ in range(repeat)])
    seconds = runtimes(20_000)
    report("five faults", 20_000, 10, [alone(at_once, seconds, 10, faults=FAULTS) for _ in range(arguments.repeat)])
    for slots in (1, 8, 1000):
        times = [engine(10_000, slots) for _ in range(arguments.repeat)]
        report("through the engine", 10_000, slots, times)


if __name__ == "__main__":
    main()
