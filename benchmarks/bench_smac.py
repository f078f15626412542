"""SMAC with `SmacRunner` beside its own runner and its Dask runner: 50 trials of 20 ms, the same suggestions.

Run: ``python benchmarks/bench_smac.py [--trials 50] [--milliseconds 20] [--workers 4] [--without-dask]``

For each: seconds of the whole run with what it takes to start and end, seconds of ``optimize`` alone. For ours in
addition the CPU milliseconds a trial in the calls that SMAC makes (those of the driver; there is no thread), and how
many of these are for the system call that waits, to fall asleep and wake up; what opening and closing cost once; and
how long after the end of an evaluation the next ``iter_results`` that is called without a pause has it. ConfigSpace
computes the values of a configuration when they are first read, whoever reads them: here that is before the call.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, sleep, thread_time, time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import smac
from _idle import idle_costs
from _smac_evaluation import SECONDS, evaluate, instant
from ConfigSpace import ConfigurationSpace
from smac.initial_design import SobolInitialDesign

from runwright.bridges.smac import SmacRunner
from runwright.runners import PoolRunner


class MeasuredPool(PoolRunner):
    """Measures what it costs to fall asleep and wake up."""

    asleep = 0.0

    def _wait_for_workers(self, *args):
        began = thread_time()
        super()._wait_for_workers(*args)
        self.asleep += thread_time() - began


class MeasuredRunner(SmacRunner):
    """Measures what SMAC's calls cost, and when they have what."""

    cpu = once = 0.0

    def __init__(self, *args, **kwargs):
        began = thread_time()
        super().__init__(*args, **kwargs)
        self.once = thread_time() - began

    def close(self):  # noqa: D102
        began = thread_time()
        super().close()
        self.once += thread_time() - began

    def submit_trial(self, trial_info, **rest):  # noqa: D102
        dict(trial_info.config)
        self._count(super().submit_trial, trial_info, **rest)

    def iter_results(self):  # noqa: D102
        return iter(self._count(lambda: list(super(MeasuredRunner, self).iter_results())))

    def wait(self):  # noqa: D102
        self._count(super().wait)

    def is_running(self):  # noqa: D102
        return self._count(super().is_running)

    def _count(self, call, *args, **kwargs):
        began = thread_time()
        result = call(*args, **kwargs)
        self.cpu += thread_time() - began
        return result


def scenario(folder, trials, **settings):
    space = ConfigurationSpace({"x": (0.0, 1.0), "y": (0.0, 1.0)}, seed=0)
    return smac.Scenario(space, name="bench", output_directory=folder, n_trials=trials, deterministic=True, **settings)


def optimize(setting, target, trials):
    """Let SMAC evaluate an initial design, the same for every runner; return the seconds and the costs."""
    design = SobolInitialDesign(setting, n_configs=trials, max_ratio=1.0)
    facade = smac.HyperparameterOptimizationFacade(
        setting, target, initial_design=design, logging_level=False, overwrite=True
    )
    began = perf_counter()
    facade.optimize()
    seconds = perf_counter() - began
    return seconds, sorted(value.cost for value in facade.runhistory.values()), facade


def own(folder, trials):
    return optimize(scenario(folder, trials), evaluate, trials)[:2]


def dask(folder, trials, workers):
    seconds, costs, facade = optimize(scenario(folder, trials, n_workers=workers), evaluate, trials)
    facade._runner.close(force=True)  # noqa: SLF001
    return seconds, costs


def ours(folder, trials, workers, directory):
    setting = scenario(folder, trials)
    pool = MeasuredPool(evaluate, workers=workers)
    with MeasuredRunner(pool, setting, directory=directory) as runner:
        seconds, costs, _ = optimize(setting, runner, trials)
    return seconds, costs, runner.cpu * 1e3 / trials, runner.once * 1e3, pool.asleep * 1e3 / trials


def back_to_back(folder, workers, trials):
    """Return the CPU milliseconds a trial of the same calls where trials take no time, so that no core falls idle."""
    setting = scenario(folder, trials)
    with MeasuredRunner(PoolRunner(instant, workers=workers), setting) as runner:
        for config in setting.configspace.sample_configuration(trials):
            runner.submit_trial(smac.runhistory.TrialInfo(config, seed=0))
            list(runner.iter_results())
        return runner.cpu * 1e3 / trials


def visible(folder, workers):
    """Return how long after the end of an evaluation `iter_results` has it, of 30, in milliseconds."""
    setting, late = scenario(folder, 30), []
    with SmacRunner(PoolRunner(evaluate, workers=workers), setting) as runner:
        for config in setting.configspace.sample_configuration(30):
            runner.submit_trial(smac.runhistory.TrialInfo(config, seed=0))
            while not (found := list(runner.iter_results())):
                sleep(0.0002)
            late += [(time() - value.endtime) * 1e3 for _, value in found]
    return late


def timed(act, *arguments):
    began = perf_counter()
    result = act(*arguments)
    return perf_counter() - began, result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--milliseconds", type=float, default=SECONDS * 1e3)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-dask", action="store_true")
    given = parser.parse_args()
    if given.milliseconds != SECONDS * 1e3:  # it is for the workers as well
        os.environ["BENCH_SMAC_MILLISECONDS"] = str(given.milliseconds)
        os.execv(sys.executable, [sys.executable, *sys.argv])
    rows = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for round_ in range(given.rounds):
            place = folder / str(round_)
            rows.setdefault("SMAC's own runner", []).append(timed(own, place / "own", given.trials))
            for title, directory in (("SmacRunner", None), ("SmacRunner with a journal", place / "run")):
                arguments = (place / title, given.trials, given.workers, directory)
                rows.setdefault(title, []).append(timed(ours, *arguments))
            if not given.without_dask:
                rows.setdefault("SMAC with Dask", []).append(timed(dask, place / "dask", given.trials, given.workers))
        late = visible(folder / "late", given.workers)
        warm = median(back_to_back(folder / f"warm{round_}", given.workers, 300) for round_ in range(given.rounds))
    costs = {json.dumps(result[1]) for found in rows.values() for _, result in found}
    assert len(costs) == 1, "each evaluated the same"
    print(f"{given.trials} trials of {given.milliseconds:g} ms, {given.workers} at a time; medians of {given.rounds}")
    for title, found in rows.items():
        whole, alone = median(whole for whole, _ in found), median(result[0] for _, result in found)
        line = f"{title:26} whole run {whole:6.2f} s, optimize {alone:6.2f} s"
        if len(found[0][1]) > 2:
            cpu, once, asleep = (median(result[at] for _, result in found) for at in (2, 3, 4))
            line += f", {cpu:.3f} ms CPU a trial in its calls (at most 0.3), {asleep:.3f} of it to sleep and wake up"
            line += f"; {once:.1f} ms once"
        print(line)
    print(f"the same calls back to back, trials of 0 ms: {warm:.3f} ms CPU a trial; a core that idled begins cold")
    print(idle_costs())
    print(
        f"visible after the end of an evaluation: median {median(late):.2f} ms, best {min(late):.2f} ms, of {len(late)}"
    )


if __name__ == "__main__":
    main()
