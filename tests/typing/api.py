"""The public names as a typed program uses them. Checked by mypy, never run: what is inferred here is a promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

import runwright as rw
from runwright.loop.policy import Policy
from runwright.optimizers import OptunaOptimizer, RandomOptimizer
from runwright.runners import LocalMetadataRunner, PoolRunner, ProcessRunner

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runwright.result import Metrics


def branin(x1: float, x2: float) -> float:
    return x1 + x2


class Own(rw.Runner):
    """A runner needs these four methods and no others."""

    def run(self, trial: rw.BaseTrial) -> dict[str, Any]:
        return {"name": str(trial.index)}

    def poll_trial_status(self, trials: Iterable[rw.BaseTrial]) -> dict[rw.TrialStatus, set[int]]:
        return {rw.TrialStatus.COMPLETED: {trial.index for trial in trials}}

    def fetch_result(self, trial: rw.BaseTrial) -> rw.Result:
        return rw.Result(arms={arm.name: {"y": (1.0, None)} for arm in trial.arms})

    def stop(self, trial: rw.BaseTrial, reason: str | None = None) -> dict[str, Any]:
        return {} if reason is None else {"reason": reason, "trial": trial.index}


def optimise() -> None:
    experiment = rw.Experiment(
        "branin",
        {"x1": rw.Float(-5, 10), "n": rw.Int(1, 9, log=True), "kind": rw.Choice(["a", "b"])},
        {"y": "minimize"},
    )
    runners: list[rw.Runner] = [
        Own(),
        LocalMetadataRunner(branin),
        PoolRunner(branin, workers=4),
        ProcessRunner(["./sim", "--x1", "{x1}"]),
    ]
    optimizers: list[rw.Optimizer] = [RandomOptimizer(), OptunaOptimizer("tpe", seed=7)]
    policy = Policy(trials=50, limits=rw.Limits(timeout=60))
    with rw.Scheduler(experiment, optimizers[0], runners[0], directory="runs/branin", policy=policy) as scheduler:
        scheduler.run(trials=50)
    for trial in scheduler.state.trials:
        assert_type(trial, rw.BaseTrial)
        assert_type(trial.status, rw.TrialStatus)
        assert_type(trial.result, rw.Result | None)
        if isinstance(trial, rw.Trial) and trial.result is not None:
            metrics: Metrics = trial.result.metrics
            assert_type(metrics["y"], tuple[float, float | None])


class Serial(rw.AbstractRunner):
    """A runner of submit and collect needs this method and no other."""

    def run(
        self, config: Any, instance: str | None = None, budget: float | None = None, seed: int | None = None
    ) -> tuple[rw.StatusType, float, float, dict[str, Any]]:
        return rw.StatusType.SUCCESS, float(config["x"]), 0.0, {}


def submit() -> None:
    runners: list[rw.AbstractRunner] = [Serial(None), rw.TrialQueue(LocalMetadataRunner(branin), crash_cost=[1.0])]
    for runner in runners:
        runner.submit_trial(rw.TrialInfo({"x": 1}, seed=3, budget=2))
        for info, value in runner.iter_results():
            assert_type(info, rw.TrialInfo)
            assert_type(value, rw.TrialValue)
            assert_type(value.cost, float | list[float])
    experiment = rw.OpenExperiment("loop", {"y": "minimize"})
    with rw.TrialQueue(Own(), experiment, directory="runs/loop", limits=rw.Limits(timeout=60), parallel=2) as queue:
        status, cost, seconds, info_of = queue.run({"x": 1}, budget=2)
        assert_type(status, rw.StatusType)
        assert_type(cost, float | list[float])
        assert_type(seconds, float)
        assert_type(info_of, dict[str, Any])
