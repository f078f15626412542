"""What a scenario of SMAC asks for, in words of ours; refused by a sentence before anything is started."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runwright.errors import UsageError
from runwright.experiment import OpenExperiment
from runwright.json_values import json_value
from runwright.runner import Limits
from runwright.submission import spread_crash_cost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwright.submission import Cost

_NEEDED = ("configspace", "objectives", "n_workers", "instances", "crash_cost")
_GIVEN_BY_SMAC = ("seed", "instance", "budget")
_CUTOFF = "cutoff"
_UNITS = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}
_OF_SMAC = re.compile(r"[0-9a-f]{32}")
NAMELESS = "smac"
"""Name of the experiment where the scenario has none of its own."""


def check_scenario(scenario: Any) -> None:
    """Refuse a scenario that cannot be worked with.

    Raises:
        UsageError: It is none, it asks for Dask, or its parts do not fit together.
    """
    if not all(hasattr(scenario, name) for name in _NEEDED):
        kind = type(scenario)
        raise UsageError(f"the scenario must be one of SMAC, not a {kind.__module__}.{kind.__qualname__}")
    if scenario.n_workers > 1:
        raise UsageError(
            f"the scenario has n_workers={scenario.n_workers}, for which SMAC would wrap this runner in Dask; leave it "
            "at 1: the runner says how many trials run at once"
        )
    names = objectives_of(scenario)
    for name in names:
        text: object = name
        if not isinstance(text, str) or not text:
            raise UsageError(f"the name of an objective must be a text that is not empty, not {name!r:.60}")
    if not names or len(set(names)) < len(names):
        raise UsageError(f"the scenario must have objectives of different names, not {names!r:.100}")
    threshold = getattr(scenario, "termination_cost_threshold", math.inf)
    count = len(threshold) if isinstance(threshold, list) else 1
    if threshold != math.inf and count != len(names):
        raise UsageError(
            f"termination_cost_threshold has {count} numbers where there are {len(names)} objectives, on which SMAC "
            "would end with an error after the first trial"
        )
    check_space(scenario.configspace, uses_cutoffs=uses_cutoffs(scenario))


def check_space(space: Any, *, uses_cutoffs: bool = False) -> None:
    """Refuse hyperparameters that cannot be handed to an evaluation in another process.

    Raises:
        UsageError: A sentence that names the first of them.
    """
    reserved = (*_GIVEN_BY_SMAC, _CUTOFF) if uses_cutoffs else _GIVEN_BY_SMAC
    for name, hyperparameter in space.items():
        if name in reserved:
            raise UsageError(
                f"the hyperparameter {name!r} has the name of what SMAC gives to every evaluation; call it otherwise"
            )
        for value in _values_of(hyperparameter):
            try:
                same = json_value(value, f"the hyperparameter {name!r:.60}") == value
            except UsageError as error:
                raise UsageError(f"{error}: give texts or numbers that stand for them") from None
            if not same:
                raise UsageError(
                    f"the hyperparameter {name!r:.60} has the choice {value!r:.60}, which another process would get as "
                    f"{json_value(value, name)!r:.60}; give texts or numbers that stand for such"
                )


def _values_of(hyperparameter: Any) -> Sequence[Any]:
    """Return the values that a hyperparameter lists; none where it is a range of numbers."""
    for name in ("choices", "sequence"):
        listed = getattr(hyperparameter, name, None)
        if listed is not None:
            return tuple(listed)
    return (hyperparameter.value,) if hasattr(hyperparameter, "value") else ()


def objectives_of(scenario: Any) -> list[str]:
    """Return the names of the objectives."""
    objectives = scenario.objectives
    return [objectives] if isinstance(objectives, str) else list(objectives)


def uses_cutoffs(scenario: Any) -> bool:
    """Whether SMAC gives a time to each evaluation after which it need not go on."""
    return getattr(scenario, "runtime_cutoff", None) is not None or bool(getattr(scenario, "adaptive_capping", False))


def crash_cost_of(scenario: Any, given: float | Sequence[float] | None) -> Cost:
    """Return what a failure costs: what was given, or what the scenario says.

    Raises:
        UsageError: It is no number, or not one for each objective.
    """
    return spread_crash_cost(scenario.crash_cost if given is None else given, len(objectives_of(scenario)))


def required_of(scenario: Any) -> list[str]:
    """Return the arguments without which an evaluation would not tell the scenario's trials apart."""
    required = []
    if scenario.instances is not None:
        required.append("instance")
    elif getattr(scenario, "max_budget", None) is not None:
        required.append("budget")  # with instances SMAC's budgets are numbers of instances
    return [*required, _CUTOFF] if uses_cutoffs(scenario) else required


def limits_of(scenario: Any, given: Limits | None) -> Limits:
    """Return the limits of a trial: those of the scenario, and those given.

    Raises:
        UsageError: One of them is said twice, differently, or is no number.
    """
    limits = given or Limits()
    timeout = getattr(scenario, "trial_walltime_limit", None)
    memory = _bytes(getattr(scenario, "trial_memory_limit", None))
    for name, ours, theirs in (("timeout", limits.timeout, timeout), ("memory", limits.memory, memory)):
        if theirs is None:
            continue
        if ours is not None and ours != theirs:
            raise UsageError(f"the limits have {name}={ours}, and the scenario has {theirs}; say it in one place")
        limits = replace(limits, **{name: theirs})
    return limits


def _bytes(limit: Any) -> int | None:
    """Return a memory limit in bytes: SMAC documents MB, and takes a pair with a unit as well."""
    amount, unit = limit if isinstance(limit, (tuple, list)) and len(limit) == 2 else (limit, "MB")  # noqa: PLR2004
    if amount is None:
        return None
    factor = _UNITS.get(unit.upper()) if isinstance(unit, str) else None
    if factor is None or isinstance(amount, bool) or not isinstance(amount, (int, float)):
        raise UsageError(f"trial_memory_limit is a number of MB, or a pair such as (2, 'GB'), not {limit!r:.60}")
    return math.ceil(amount * factor)


def experiment_of(scenario: Any) -> OpenExperiment:
    """Return the scenario as an experiment of ours; SMAC minimises always."""
    own = scenario.name if isinstance(getattr(scenario, "name", None), str) else ""
    name = NAMELESS if not own or _OF_SMAC.fullmatch(own) else own.replace("/", "-").replace("\\", "-")
    return OpenExperiment(name, dict.fromkeys(objectives_of(scenario), "minimize"), seed=int(scenario.seed))
