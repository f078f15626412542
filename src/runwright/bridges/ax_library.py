"""What the bridge takes from Ax: the only file of the bridges that imports it, after a look at its version."""

from __future__ import annotations

from runwright.bridges.versions import AX

AX.check()

from ax.api.protocols.metric import IMetric  # noqa: E402  (after the version)
from ax.api.protocols.runner import IRunner  # noqa: E402
from ax.core.base_trial import BaseTrial  # noqa: E402
from ax.core.data import Data, DataRow  # noqa: E402
from ax.core.metric import Metric, MetricFetchE, MetricFetchResult  # noqa: E402
from ax.core.trial_status import TrialStatus  # noqa: E402
from ax.exceptions.core import UnsupportedError  # noqa: E402
from ax.storage.json_store.encoders import metric_to_dict, runner_to_dict  # noqa: E402
from ax.storage.json_store.registry import CORE_DECODER_REGISTRY, CORE_ENCODER_REGISTRY  # noqa: E402
from ax.storage.metric_registry import CORE_METRIC_REGISTRY  # noqa: E402
from ax.storage.runner_registry import CORE_RUNNER_REGISTRY  # noqa: E402
from ax.utils.common.result import Err, Ok  # noqa: E402

__all__ = [
    "CORE_DECODER_REGISTRY",
    "CORE_ENCODER_REGISTRY",
    "CORE_METRIC_REGISTRY",
    "CORE_RUNNER_REGISTRY",
    "BaseTrial",
    "Data",
    "DataRow",
    "Err",
    "IMetric",
    "IRunner",
    "Metric",
    "MetricFetchE",
    "MetricFetchResult",
    "Ok",
    "TrialStatus",
    "UnsupportedError",
    "metric_to_dict",
    "runner_to_dict",
]
