"""Runwright's runners inside Ax's loops. See ``docs/ax.md``.

`AxRunner` is a runner of Ax's that executes trials on a runner of ours, and `RunnerMetric` a metric of Ax's that reads
its results. Only `ax_library` imports Ax; what is done with its trials is in `ax_deployments`.
"""

from __future__ import annotations

from typing import Any

from runwright.bridges.ax_errors import HaltedError, RefusedError
from runwright.bridges.ax_library import (
    CORE_DECODER_REGISTRY,
    CORE_ENCODER_REGISTRY,
    CORE_METRIC_REGISTRY,
    CORE_RUNNER_REGISTRY,
    metric_to_dict,
    runner_to_dict,
)
from runwright.bridges.ax_metric import RunnerMetric, RunnerProgressMetric, runner_metrics
from runwright.bridges.ax_runner import AxRunner

__all__ = [
    "AxRunner",
    "HaltedError",
    "RefusedError",
    "RunnerMetric",
    "RunnerProgressMetric",
    "register",
    "runner_metrics",
]

_METRICS: dict[type[Any], int] = {RunnerMetric: 71302, RunnerProgressMetric: 71303}
_RUNNER = 71301
"""Numbers in the tables of Ax's databases; never changed."""


def register() -> None:
    """Let Ax store `AxRunner` and the metrics: as JSON, and in SQL databases.

    It completes the registries that Ax uses where it is given no others. A ``RegistryBundle`` or ``SQAConfig`` of your
    own is made after this.
    """
    CORE_RUNNER_REGISTRY[AxRunner] = _RUNNER
    CORE_ENCODER_REGISTRY[AxRunner] = runner_to_dict
    CORE_DECODER_REGISTRY[AxRunner.__name__] = AxRunner
    for metric, number in _METRICS.items():
        CORE_METRIC_REGISTRY[metric] = number
        CORE_ENCODER_REGISTRY[metric] = metric_to_dict
        CORE_DECODER_REGISTRY[metric.__name__] = metric
