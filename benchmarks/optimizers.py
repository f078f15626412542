"""What an ask, a tell and a restart of each optimizer cost: CPU milliseconds, medians of 20 asks.

Run: ``python benchmarks/optimizers.py [SAMPLER ...] [--trials 10,100,1000]``
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from statistics import median
from time import perf_counter, process_time

from runwright import Experiment, Float, TrialStatus
from runwright.optimizer import Asked, Observation
from runwright.optimizers import OptunaOptimizer, RandomOptimizer
from runwright.optimizers.optuna_samplers import SAMPLERS

FOLLOWED = 20


def make(name):
    """Make an optimizer of five real parameters (ours: two), ready to be asked."""
    count = 2 if name == "ours" else 5
    experiment = Experiment("cost", {f"x{number}": Float(0, 1) for number in range(count)}, {"y": "minimize"})
    optimizer = RandomOptimizer() if name == "ours" else OptunaOptimizer(name)
    optimizer.setup(experiment)
    return optimizer


def live(name, trials):
    """Ask and tell one trial after the other; return the costs and the history."""
    optimizer, asks, tells, history = make(name), [], [], []
    for index in range(trials):
        began = process_time()
        suggestion = optimizer.ask(index)
        asks.append(process_time() - began)
        value = sum((x - 0.3) ** 2 for x in suggestion.parameters.values())
        observation = Observation(index, suggestion.parameters, TrialStatus.COMPLETED, {"y": (value, None)})
        began = process_time()
        optimizer.tell(observation)
        tells.append(process_time() - began)
        history += [Asked(index, suggestion), observation]
    return asks, tells, history


def report(name, sizes):
    """Print a line for each number of trials."""
    asks, tells, history = live(name, sizes[-1] + FOLLOWED)
    for size in sizes:
        restored = make(name)
        cpu, wall = process_time(), perf_counter()
        outcome = restored.restore(history[: 2 * size])
        cpu, wall = process_time() - cpu, perf_counter() - wall
        ask, tell = (median(costs[size : size + FOLLOWED]) * 1e3 for costs in (asks, tells))
        print(
            f"{name:7} after {size:5} trials: ask {ask:8.3f} ms, tell {tell:6.3f} ms, "
            f"restart {cpu * 1e3:8.1f} ms CPU ({wall * 1e3:.1f} wall), exact: {outcome.exact}",
            flush=True,
        )


def main():
    """Measure what is installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sampler", nargs="*", default=["ours", "random", "tpe", "cmaes", "qmc", "nsgaii"])
    parser.add_argument("--trials", default="10,100,1000")
    arguments = parser.parse_args()
    for name in arguments.sampler:
        missing = [library for library in (SAMPLERS[name].needs if name in SAMPLERS else ()) if not find_spec(library)]
        if missing:
            print(f"{name:7} needs {', '.join(missing)}")
        else:
            report(name, [int(size) for size in arguments.trials.split(",")])


if __name__ == "__main__":
    main()
