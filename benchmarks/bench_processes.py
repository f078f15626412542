"""What a process trial and a pool trial cost.

python benchmarks/bench_processes.py

ProcessRunner: /bin/true, one after another, from launch to told (wall, median) and CPU of the driver. PoolRunner: 200
sleeps of 10 ms on two workers as a share of the ideal second, and no-op trials a second.
"""

from __future__ import annotations

import statistics
import tempfile
import time

import runwright as rw
from runwright.optimizers import RandomOptimizer
from runwright.runners import PoolRunner, ProcessRunner

EXPERIMENT = rw.Experiment("cost", {"x": rw.Float(0, 1)}, {"y": "minimize"})


def no_op(x):
    return x


def sleep(x):
    time.sleep(0.01)
    return x


def process(trials: int = 200) -> None:
    folder = tempfile.mkdtemp(prefix="runwright-benchmark-")
    began_at, told_at = {}, {}

    def on_turn(_state, events) -> None:
        for event in events:
            if event.kind == "DeployStarted":
                began_at[event.trial] = time.perf_counter()
            elif event.kind == "Told":
                told_at[event.trial] = time.perf_counter()

    # /bin/true says nothing, so that each of its trials fails after the same journey; /bin/echo gives a result.
    for label, command in (("/bin/true", ["/bin/true"]), ("/bin/echo", ["/bin/echo", "y={x}"])):
        began_at.clear()
        told_at.clear()
        runner = ProcessRunner(command, workers=1, result={"from": "stdout", "pattern": r"y=(?P<y>\S+)"})
        with rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, directory=f"{folder}/{label[5:]}") as driver:
            driver.run(trials=4)  # the launcher is up
            began_cpu = time.process_time()
            driver.run(trials=4 + trials, on_turn=on_turn)
        cpu = (time.process_time() - began_cpu) / trials
        times = [told_at[index] - began_at[index] for index in told_at]
        print(
            f"ProcessRunner {label}: launch to told {statistics.median(times) * 1e3:.2f} ms median "
            f"(best {min(times) * 1e3:.2f}), driver CPU {cpu * 1e3:.2f} ms a trial"
        )


def pool(label: str, function, trials: int, ideal: float | None, repeat: int = 5) -> None:
    walls, cpus = [], []
    for _ in range(repeat):
        runner = PoolRunner(function, workers=2)
        with rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner) as driver:
            driver.run(trials=4)  # the workers are up
            began, began_cpu = time.perf_counter(), time.process_time()
            driver.run(trials=4 + trials)
            walls.append(time.perf_counter() - began)
            cpus.append((time.process_time() - began_cpu) / trials)
    wall, cpu = statistics.median(walls), statistics.median(cpus)
    share = f", {ideal / wall * 100:.1f} % of ideal (best {ideal / min(walls) * 100:.1f})" if ideal else ""
    print(f"PoolRunner {label}: {trials / wall:.0f} trials/s{share}, driver CPU {cpu * 1e3:.3f} ms a trial")


def main() -> None:
    process()
    pool("200 x 10 ms on two workers", sleep, 200, 1.0)
    pool("no-op", no_op, 5_000, None)


if __name__ == "__main__":
    main()
