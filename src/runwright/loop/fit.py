"""Whether the parts that a user put together fit: one sentence before anything is started, or nothing."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from runwright.errors import UsageError
from runwright.function_reference import FunctionReference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runwright.experiment import Experiment
    from runwright.loop.policy import Policy
    from runwright.runner import Runner

_OF_THE_LOOP = ("trials", "failure_rate", "seconds")


def check_limits(runner: Runner, policy: Policy) -> None:
    """Refuse limits that nobody would enforce.

    Raises:
        UsageError: A sentence that names the runners that do.
    """
    traits, name, limits = runner.traits, type(runner).__name__, policy.limits
    if limits.timeout is not None and "timeout" not in traits.enforces and not traits.stops:
        raise UsageError(f"{name} cannot enforce a time limit; PoolRunner and ProcessRunner do")
    if limits.memory is not None and "memory" not in traits.enforces:
        raise UsageError(f"{name} cannot enforce a memory limit; PoolRunner and ProcessRunner do")


def check_penalties(experiment: Experiment, policy: Policy) -> None:
    """Refuse penalties that are not about the objectives.

    Raises:
        UsageError: A sentence that names the rule.
    """
    policy.on_failure.check(experiment.objectives)


def check_policy_of_queue(policy: Policy) -> None:
    """Refuse what a loop that submits decides by itself.

    Raises:
        UsageError: A sentence that names it.
    """
    for name in _OF_THE_LOOP:
        if getattr(policy, name) is not None:
            raise UsageError(f"{name} is not for a queue: the loop that submits decides when it has enough")


def check_required_arguments(runner: Runner, required: Sequence[str]) -> None:
    """Check that the evaluation function takes what it must, where the runner has a function.

    Raises:
        UsageError: It does not; the sentence names the argument.
    """
    function: Callable[..., Any] | str | None = getattr(runner, "evaluation_function", None)
    function = function or getattr(runner, "function", None)
    if not required or function is None:
        return
    if isinstance(function, str):
        function = FunctionReference.of(function).load()
    try:
        taken = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return  # written in C without a signature
    for name in required:
        if name not in taken:
            raise UsageError(
                f"the function {getattr(function, '__qualname__', repr(function))!r:.80} must take the argument "
                f"{name!r}; it takes ({', '.join(taken)}), and required are ({', '.join(required)})"
            )
