"""The optimizers, one file each. Names are imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runwright.optimizers.optuna import OptunaOptimizer
    from runwright.optimizers.random_search import RandomOptimizer

_HOME = {"OptunaOptimizer": "optuna", "RandomOptimizer": "random_search"}

__all__ = ["OptunaOptimizer", "RandomOptimizer"]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
