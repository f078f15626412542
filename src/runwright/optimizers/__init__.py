"""The optimizers, one file each. Names are imported when first used; plug-ins come by an entry point."""

from __future__ import annotations

import importlib
import inspect
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

from runwright.errors import UsageError

if TYPE_CHECKING:
    from runwright.optimizer import Optimizer
    from runwright.optimizers.ax import AxOptimizer
    from runwright.optimizers.optuna import OptunaOptimizer
    from runwright.optimizers.random_search import RandomOptimizer
    from runwright.optimizers.smac import SmacOptimizer

ENTRY_POINTS = "runwright.optimizers"
"""Group of entry points ``kind = "module:Class"`` by which other packages bring optimizers."""

_BUILT_IN = {
    "random": "runwright.optimizers.random_search:RandomOptimizer",
    "optuna": "runwright.optimizers.optuna:OptunaOptimizer",
    "ax": "runwright.optimizers.ax:AxOptimizer",
    "smac": "runwright.optimizers.smac:SmacOptimizer",
}
_HOME = {
    "AxOptimizer": "ax",
    "OptunaOptimizer": "optuna",
    "RandomOptimizer": "random_search",
    "SmacOptimizer": "smac",
}

__all__ = ["ENTRY_POINTS", "AxOptimizer", "OptunaOptimizer", "RandomOptimizer", "SmacOptimizer", "create", "kinds"]


def kinds() -> dict[str, str]:
    """Return kind to ``module:Class`` of every optimizer that an experiment file may name."""
    plugged_in = {entry.name: f"{entry.module}:{entry.attr}" for entry in entry_points(group=ENTRY_POINTS)}
    return plugged_in | _BUILT_IN  # a built-in kind cannot be replaced: a file means the same everywhere


def create(kind: str, *, seed: int | None = None, **settings: Any) -> Optimizer:
    """Make the optimizer that an experiment file names.

    Args:
        kind: Its kind, such as ``random`` or ``optuna``.
        seed: Its seed; the experiment's where none is given.
        **settings: Its other settings.

    Raises:
        UsageError: There is no such kind, it has no such setting, or it refuses one.
        MissingExtraError: It needs a library that is not installed.
    """
    known = kinds()
    if kind not in known:
        raise UsageError(f"there is no optimizer {kind!r:.60}; {_advice(kind, list(known))}")
    module, _, name = known[kind].partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"the optimizer {kind!r} cannot be loaded from {known[kind]}: {error}") from error
    arguments = inspect.signature(found).parameters
    taken = [key for key in arguments if key != "seed"]
    takes_all = any(argument.kind is argument.VAR_KEYWORD for argument in arguments.values())
    for key in settings:
        if key not in taken and not takes_all:
            raise UsageError(f"the optimizer {kind!r} has no setting {key!r:.60}; {_advice(key, [*taken, 'seed'])}")
    return cast("Optimizer", found(seed=seed, **settings))


def _advice(wrong: str, right: list[str]) -> str:
    nearest = get_close_matches(wrong, right, n=1)
    return f"known are {', '.join(sorted(right))}" + (f"; did you mean {nearest[0]!r}?" if nearest else "")


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
