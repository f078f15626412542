"""The runners, one file each. Names are imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runwright.runners.botorch import BotorchTestProblemRunner
    from runwright.runners.local import LocalMetadataRunner
    from runwright.runners.pool import PoolRunner
    from runwright.runners.process import ProcessRunner
    from runwright.runners.simulated import SimulatedBackendRunner
    from runwright.runners.single_running import SingleRunningTrialMixin
    from runwright.runners.synthetic import SyntheticRunner
    from runwright.runners.torchx import TorchXRunner
    from runwright.runners.wrapped import WrappedJobRunner

_HOME = {
    "BotorchTestProblemRunner": "botorch",
    "LocalMetadataRunner": "local",
    "PoolRunner": "pool",
    "ProcessRunner": "process",
    "SimulatedBackendRunner": "simulated",
    "SingleRunningTrialMixin": "single_running",
    "SyntheticRunner": "synthetic",
    "TorchXRunner": "torchx",
    "WrappedJobRunner": "wrapped",
}

__all__ = [
    "BotorchTestProblemRunner",
    "LocalMetadataRunner",
    "PoolRunner",
    "ProcessRunner",
    "SimulatedBackendRunner",
    "SingleRunningTrialMixin",
    "SyntheticRunner",
    "TorchXRunner",
    "WrappedJobRunner",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
