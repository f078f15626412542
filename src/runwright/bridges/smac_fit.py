"""Whether a runner of ours can do what SMAC needs, and what it evaluates."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.bridges.smac_scenario import objectives_of, uses_cutoffs
from runwright.errors import UsageError
from runwright.evaluation import Evaluation
from runwright.experiment import Experiment, Float
from runwright.loop.fit import check_required_arguments
from runwright.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence


def check_runner(runner: object, scenario: Any, required: Sequence[str]) -> None:
    """Refuse a runner that cannot execute the scenario's trials.

    Args:
        runner: What was given as a runner.
        scenario: SMAC's scenario.
        required: Arguments that its evaluation function must take, where it has one.

    Raises:
        UsageError: One sentence.
    """
    name = type(runner).__name__
    if not isinstance(runner, Runner):
        hint = ": make one of it, as in PoolRunner(function)" if callable(runner) else ""
        raise UsageError(f"SmacRunner takes a runner of Runwright, not a {type(runner).__module__}.{name}{hint}")
    if not runner.traits.measures:
        raise UsageError(f"{name} measures nothing, and SMAC needs a cost; take a runner that evaluates something")
    if runner.last_trial_stays:
        raise UsageError(f"the latest trial of {name} never ends by itself, and SMAC would wait for it for ever")
    reported = getattr(runner, "outcome_names", None)
    for objective in objectives_of(scenario):
        if reported is not None and objective not in reported:
            names = ", ".join(map(repr, reported))
            raise UsageError(f"{name} does not report the objective {objective!r:.60}; it reports {names}")
    check_required_arguments(runner, required)
    function = _function_of(runner)
    if callable(function) and not uses_cutoffs(scenario):
        _check_arguments(function, dict(scenario.configspace.get_default_configuration()))


def _check_arguments(function: Callable[..., Any], names: Collection[str]) -> None:
    """Refuse a function that cannot be called with these parameters."""
    try:
        experiment = Experiment("check", {name: Float(0, 1) for name in names})
    except UsageError:
        return  # with such names each point is checked, as it comes
    Evaluation(function).prepare(experiment)


def _function_of(runner: Runner) -> Callable[..., Any] | str | None:
    function: Callable[..., Any] | str | None = getattr(runner, "evaluation_function", None)
    return function or getattr(runner, "function", None)


def evaluates(runner: Runner) -> str:
    """Return a text about what a runner evaluates, the same in every process and for every kind of runner.

    SMAC takes runs that differ in nothing else for one. How many workers there are, or that a pool has become
    processes, does not make another run of it.
    """
    function = _function_of(runner)
    if isinstance(function, str):
        source, _, qualname = function.rpartition(":")
        return f"{Path(source).stem if source.endswith('.py') else source}:{qualname}"
    if function is not None:
        return _name_of(function)
    command = getattr(runner, "command", None)
    if command is not None:
        return " ".join(map(str, command))
    wrapper = getattr(runner, "wrapper", None)
    told = type(runner if wrapper is None else wrapper)
    return f"{told.__module__}:{told.__qualname__}"


def _name_of(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    named = function if hasattr(function, "__qualname__") else type(function)
    module = named.__module__
    if module == "__main__":
        module = Path(getattr(sys.modules["__main__"], "__file__", None) or module).stem
    return f"{module}:{named.__qualname__}"
