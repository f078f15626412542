"""Overhead of the engine: a no-op function in this process, random search.

python benchmarks/bench_engine.py [--trials N]

Prints CPU and wall microseconds a trial and trials a second (median of several runs) in memory, with the SQLite
journal and in simulated time; the last tenth of a long run beside its first tenth; memory a finished trial.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
import tracemalloc

import runwright as rw
from runwright.optimizers import RandomOptimizer
from runwright.runners import LocalMetadataRunner, SimulatedBackendRunner
from runwright.simulation import BackendSimulator, BackendSimulatorOptions

EXPERIMENT = rw.Experiment("no-op", {"x1": rw.Float(-5, 10), "x2": rw.Float(0, 15)}, {"y": "minimize"})


def no_op(x1, x2):
    return x1 + x2


def local():
    return LocalMetadataRunner(no_op)


def simulated():
    machine = BackendSimulator(BackendSimulatorOptions(max_concurrency=8))
    return SimulatedBackendRunner(machine, evaluation_function=no_op)


def scheduler(runner, *, durable: bool, sync=None):
    folder = tempfile.mkdtemp(prefix="runwright-benchmark-") if durable else None
    return rw.Scheduler(EXPERIMENT, RandomOptimizer(seed=1), runner, directory=folder, sync=sync)


def throughput(name: str, make, *, durable: bool, trials: int, repeat: int, sync=None) -> None:
    cpu, wall = [], []
    for _ in range(repeat):
        with scheduler(make(), durable=durable, sync=sync) as driver:
            gc.collect()
            began_cpu, began = time.process_time(), time.perf_counter()
            driver.run(trials=trials)
            cpu.append((time.process_time() - began_cpu) / trials)
            wall.append((time.perf_counter() - began) / trials)
    c, w = statistics.median(cpu), statistics.median(wall)
    print(
        f"{name:34} {c * 1e6:7.1f} us CPU a trial (best {min(cpu) * 1e6:.1f}), {1 / c:8.0f} trials per CPU s, "
        f"{1 / w:8.0f} trials per wall s (best {1 / min(wall):.0f})"
    )


def flatness(name: str, make, *, durable: bool, trials: int) -> None:
    """Compare the last tenth with the first, by CPU time, in one run."""
    marks = {0: time.process_time()}

    def on_turn(state, _events) -> None:
        done = state.ended
        if done in wanted and done not in marks:
            marks[done] = time.process_time()

    wanted = {trials // 10, trials - trials // 10, trials}
    with scheduler(make(), durable=durable) as driver:
        marks[0] = time.process_time()
        driver.run(trials=trials, on_turn=on_turn)
    first = marks[trials // 10] - marks[0]
    last = marks[trials] - marks[trials - trials // 10]
    print(f"{name:34} last tenth / first tenth of {trials} trials: {last / first:.3f} (CPU)")


def memory(trials: int) -> None:
    with scheduler(local(), durable=True) as driver:
        driver.run(trials=100)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        driver.run(trials=100 + trials)
        gc.collect()
        used = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    print(f"{'memory':34} {used / trials:.0f} B a finished trial")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--long", type=int, default=50_000)
    options = parser.parse_args()
    common = {"trials": options.trials, "repeat": options.repeat}
    throughput("in process, in memory", local, durable=False, **common)
    throughput("in process, SQLite NORMAL", local, durable=True, **common)
    throughput("in process, SQLite FULL", local, durable=True, sync="full", trials=options.trials // 10, repeat=3)
    throughput("simulated time, in memory", simulated, durable=False, **common)
    flatness("in process, SQLite NORMAL", local, durable=True, trials=options.long)
    flatness("simulated time, in memory", simulated, durable=False, trials=options.long)
    memory(min(options.trials, 5000))


if __name__ == "__main__":
    main()
