"""Experiments, strategies and loops of Ax for the tests: seeded Sobol points, no model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ax.adapter.registry import Generators
from ax.core.experiment import Experiment
from ax.core.objective import Objective
from ax.core.optimization_config import MultiObjectiveOptimizationConfig, OptimizationConfig
from ax.core.parameter import ParameterType, RangeParameter
from ax.core.search_space import SearchSpace
from ax.generation_strategy.generation_node import GenerationNode
from ax.generation_strategy.generation_strategy import GenerationStrategy
from ax.generation_strategy.generator_spec import GeneratorSpec
from ax.orchestration.orchestrator import Orchestrator
from ax.orchestration.orchestrator_options import OrchestratorOptions

from runwright.bridges.ax import RunnerMetric

if TYPE_CHECKING:
    from ax.core.metric import Metric
    from ax.core.runner import Runner


def experiment(
    runner: Runner | None = None,
    *,
    name: str | None = "exp",
    metrics: list[Metric] | None = None,
    objective: str = "-y",
) -> Experiment:
    """An experiment of two parameters that minimizes y."""
    parameters = [RangeParameter(name, ParameterType.FLOAT, 0.0, 1.0) for name in ("x1", "x2")]
    metrics = [RunnerMetric("y", lower_is_better=True)] if metrics is None else metrics
    names = {metric.name: metric.signature for metric in metrics}
    kind = MultiObjectiveOptimizationConfig if "," in objective else OptimizationConfig
    config = kind(Objective(expression=objective, metric_name_to_signature=names))
    return Experiment(SearchSpace(parameters), name, config, metrics, runner)


def sobol(seed: int = 0) -> GenerationStrategy:
    """The same points for the same seed."""
    spec = GeneratorSpec(Generators.SOBOL, generator_kwargs={"seed": seed})
    return GenerationStrategy(name="sobol", nodes=[GenerationNode("sobol", [spec])])


def options(**changes: object) -> OrchestratorOptions:
    """No sleep of Ax's: all waiting is ours."""
    settings = {
        "max_pending_trials": 4,
        "init_seconds_between_polls": 0,
        "min_seconds_before_poll": 0.0,
        "run_trials_in_batches": True,
        "tolerated_trial_failure_rate": 0.99,
        "logging_level": logging.ERROR,
    }
    return OrchestratorOptions(**{**settings, **changes})


def orchestrator(exp: Experiment, *, seed: int = 0, **changes: object) -> Orchestrator:
    """A loop over an experiment."""
    return Orchestrator(exp, sobol(seed), options(**changes))


def statuses(exp: Experiment) -> dict[int, str]:
    """Name of the status of each trial."""
    return {index: trial.status.name for index, trial in exp.trials.items()}


def trial_of(exp: Experiment, x1: float, x2: float = 0.5) -> object:
    """A new trial of one point."""
    from ax.core.arm import Arm

    return exp.new_trial().add_arm(Arm({"x1": x1, "x2": x2}))


def batch_of(exp: Experiment, *points: tuple[float, float]) -> object:
    """A new batch trial."""
    from ax.core.arm import Arm

    trial = exp.new_batch_trial()
    for x1, x2 in points:
        trial.add_arm(Arm({"x1": x1, "x2": x2}))
    return trial
