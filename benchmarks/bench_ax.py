"""Ax's Orchestrator with AxRunner beside Ax's own simplest runner: the same seeded Sobol points, in one run.

    python benchmarks/bench_ax.py [--trials 50] [--rounds 5]

Ax's runner is an inline subclass, as in its tutorials. It evaluates within `run`, one trial after another; AxRunner has
a pool of four workers. Both loops have the same options, none of which sleeps. Printed are the medians of the rounds:
seconds of the whole run, the start of the workers included; CPU in our calls a trial, with the reading of the metric,
and how much of it is for the system calls that wait, to fall asleep and wake up; what opening in the first call and
closing cost once; and the time from the end of an evaluation, or the beginning of the poll if later, to its return.
"""

from __future__ import annotations

# ruff: noqa: D102
import argparse
import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

warnings.simplefilter("ignore")
sys.path.insert(0, str(Path(__file__).parents[1]))

from _idle import idle_costs  # noqa: E402
from ax.core.data import Data, DataRow  # noqa: E402
from ax.core.metric import Metric  # noqa: E402
from ax.core.runner import Runner  # noqa: E402
from ax.core.trial_status import TrialStatus  # noqa: E402
from ax.utils.common.result import Ok  # noqa: E402
from tests.bridges.ax_driving import experiment, orchestrator  # noqa: E402
from tests.bridges.ax_functions import reference, twenty_milliseconds  # noqa: E402

from runwright.bridges.ax import AxRunner, RunnerMetric  # noqa: E402
from runwright.runners import PoolRunner  # noqa: E402

logging.disable(logging.ERROR)


class Inline(Runner):
    """What Ax's tutorials show: evaluate within `run`, say COMPLETED."""

    def run(self, trial):
        return {"y": twenty_milliseconds(**trial.arm.parameters)["y"]}

    def poll_trial_status(self, trials):
        return {TrialStatus.COMPLETED: {trial.index for trial in trials}}


class FromMetadata(Metric):
    """Reads what `Inline` returned."""

    seconds = 0.0

    def fetch_trial_data(self, trial, **_):
        began = time.thread_time()
        result = self._read(trial)
        FromMetadata.seconds += time.thread_time() - began
        return result

    def _read(self, trial):
        row = DataRow(trial.index, trial.arm.name, self.name, self.name, trial.run_metadata["y"], 0.0)
        return Ok(Data([row]))


class MeasuredPool(PoolRunner):
    """Measures what it costs to fall asleep and wake up."""

    asleep = 0.0

    def _wait_for_workers(self, *args):
        began = time.thread_time()
        super()._wait_for_workers(*args)
        self.asleep += time.thread_time() - began


class Measured(AxRunner):
    """Measures its own calls."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.cpu = Counter()
        self.seen = {}

    def _timed(self, call, *args):
        began = time.thread_time()
        try:
            return call(*args)
        finally:
            self.cpu[call.__name__] += time.thread_time() - began

    def _open(self, trials):
        """The first call opens: that is no part of what its trials cost."""
        opened, began = self._deployments.name is not None, time.thread_time()
        super()._open(trials)
        if not opened:
            self.once = time.thread_time() - began
            self.cpu["run_multiple"] -= self.once

    def close(self):
        began = time.thread_time()
        super().close()
        self.once += time.thread_time() - began

    def run_multiple(self, trials):
        return self._timed(super().run_multiple, trials)

    def poll_available_capacity(self):
        return self._timed(super().poll_available_capacity)

    def poll_trial_status(self, trials):
        given, began = list(trials), time.time()
        found = self._timed(super().poll_trial_status, given)
        now = time.time()
        for trial in given:
            if trial.index in found.get(TrialStatus.COMPLETED, ()):
                self.seen[trial.index] = began, now
        return found

    def latencies(self):
        ends = {index: self._deployments.outcomes.trial(index).result.ended for index in self.seen}
        return [now - max(began, ends[index]) for index, (began, now) in self.seen.items()]


class MeasuredMetric(RunnerMetric):
    """Adds its time to that of the runner."""

    def fetch_trial_data(self, trial, **_):
        return trial.experiment.runner._timed(super().fetch_trial_data, trial)  # noqa: SLF001


def with_ours(trials, directory=None):
    pool = MeasuredPool(reference("twenty_milliseconds"), workers=4)
    with Measured(pool, directory=directory) as runner:
        exp = experiment(runner, metrics=[MeasuredMetric("y")])
        began = time.perf_counter()
        orchestrator(exp).run_n_trials(trials)
        seconds, late = time.perf_counter() - began, runner.latencies()
    return seconds, runner.cpu, late, runner.once, pool.asleep


def with_axs(trials):
    exp = experiment(Inline(), metrics=[FromMetadata("y")])
    began = time.perf_counter()
    orchestrator(exp).run_n_trials(trials)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    theirs, rows = [], {"in memory": [], "with a journal": []}
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(args.rounds):
            theirs.append(with_axs(args.trials))
            rows["in memory"].append(with_ours(args.trials))
            rows["with a journal"].append(with_ours(args.trials, Path(folder) / str(round_)))
    metric = FromMetadata.seconds * 1e3 / args.trials / args.rounds
    print(f"{args.trials} trials of 20 ms, four at a time, median of {args.rounds} rounds")
    print(
        f"Ax's inline runner: whole run {statistics.median(theirs):.2f} s, {metric:.3f} ms CPU a trial for the metric"
    )
    for title, found in rows.items():
        show(title, found, args.trials)
    print(idle_costs())


def show(title, found, trials):
    whole, once = statistics.median(one[0] for one in found), statistics.median(one[3] for one in found) * 1e3
    cpu = statistics.median(one[1].total() for one in found) * 1e3 / trials
    metric = statistics.median(one[1]["fetch_trial_data"] for one in found) * 1e3 / trials
    asleep = statistics.median(one[4] for one in found) * 1e3 / trials
    late = sorted(late * 1e3 for one in found for late in one[2])
    print(f"AxRunner {title}: whole run {whole:.2f} s")
    print(
        f"  our calls: {cpu:.3f} ms CPU a trial (at most 0.3), {metric:.3f} of it for the metric, "
        f"{asleep:.3f} to sleep and wake up; {once:.1f} ms once"
    )
    print(
        f"  end to poll: median {statistics.median(late):.2f} ms, 90 % {late[int(0.9 * len(late))]:.2f} ms (at most 5)"
    )


if __name__ == "__main__":
    main()
