"""What a trial in the pool costs without an engine: the runner alone, driven by hand.

python benchmarks/pool.py
"""

from __future__ import annotations

import statistics
import time

import runwright as rw
from runwright.clock import Waker
from runwright.runner import RunContext
from runwright.runners import PoolRunner

EXPERIMENT = rw.Experiment("cost", {"x": rw.Float(0, 1)}, {"y": "minimize"})


def no_op(x):
    return x


def sleep(x):
    time.sleep(0.01)
    return x


def drive(function, trials: int, workers: int = 2) -> tuple[float, float, float]:
    """Return seconds until all workers are up, then wall and CPU seconds of the driver for all trials."""
    waker, runner = Waker(), PoolRunner(function, workers)
    began = time.perf_counter()
    runner.open(RunContext(EXPERIMENT))
    while not all(slot.worker and slot.worker.ready for slot in runner._pool._slots):  # noqa: SLF001
        runner.wait(None, waker)
    up = time.perf_counter() - began
    wall, cpu = time.perf_counter(), time.process_time()
    live, sent, ended = {}, 0, 0
    while ended < trials:
        while sent < trials and runner.poll_available_capacity():
            trial = live[sent] = EXPERIMENT.new_trial(sent, [{"x": 0.5}])
            trial.attempt = 1
            runner.run(trial)
            sent += 1
        named = [live[index] for index in runner.wait(None, waker)]
        for index in runner.poll_trial_status(named).get(rw.TrialStatus.COMPLETED, ()):
            trial = live.pop(index)
            runner.fetch_result(trial)
            trial._status = rw.TrialStatus.COMPLETED  # noqa: SLF001
            ended += 1
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    runner.close()
    waker.close()
    return up, wall, cpu


def main() -> None:
    for label, function, trials, ideal in (("sleeps of 10 ms", sleep, 200, 1.0), ("no-op", no_op, 10_000, None)):
        ups, walls, cpus = zip(*(drive(function, trials) for _ in range(5)), strict=True)
        wall = statistics.median(walls)
        share = "" if ideal is None else f", {ideal / wall:.1%} of ideal (best {ideal / min(walls):.1%})"
        print(
            f"{trials} {label} on two workers: {trials / wall:.0f} trials/s (best {trials / min(walls):.0f}){share}; "
            f"driver CPU {statistics.median(cpus) / trials * 1e6:.0f} us a trial; up in {statistics.median(ups):.2f} s"
        )


if __name__ == "__main__":
    main()
