"""The settings of the SMAC optimizer, checked, and what SMAC cannot express. SMAC itself is not imported."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runwright.errors import UsageError
from runwright.experiment import Choice
from runwright.status import FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runwright.experiment import Experiment
    from runwright.optimizer import Observation
    from runwright.result import Json

FACADES = {
    "hpo": "HyperparameterOptimizationFacade",
    "blackbox": "BlackBoxFacade",
    "multifidelity": "MultiFidelityFacade",
    "hyperband": "HyperbandFacade",
    "ac": "AlgorithmConfigurationFacade",
    "random": "RandomFacade",
}
"""Name of a facade in an experiment file to its class."""

BY_BUDGET = ("multifidelity", "hyperband")
_LARGEST_EXACT_INT = 2**53
_STATUS = {FailureKind.TIMEOUT: "TIMEOUT", FailureKind.MEMORYOUT: "MEMORYOUT"}
_PARTS = {
    "initial_design": ("n_configs", "n_configs_per_hyperparameter", "max_ratio"),
    "intensifier": (
        "eta",
        "n_seeds",
        "instance_seed_order",
        "incumbent_selection",
        "max_config_calls",
        "max_incumbents",
    ),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a facade is made with.

    Attributes:
        facade: Its name in `FACADES`.
        n_trials: How many trials there will be: the initial design takes a share of them.
        deterministic: Whether a point is evaluated once and not with several seeds.
        min_budget: Smallest budget (with instances: how many of them).
        max_budget: Largest budget.
        instances: Names of instances.
        instance_features: Instance to its features.
        crash_cost: What a failed trial costs, a number or one an objective; None: the worst cost so far.
        initial_design: Settings of the initial design.
        intensifier: Settings of the intensifier.
    """

    facade: str = "hpo"
    n_trials: int = 100
    deterministic: bool = True
    min_budget: float | None = None
    max_budget: float | None = None
    instances: tuple[str, ...] | None = None
    instance_features: dict[str, list[float]] | None = None
    crash_cost: float | dict[str, float] | None = None
    initial_design: dict[str, Any] = field(default_factory=dict)
    intensifier: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.facade not in FACADES:
            raise UsageError(f"there is no facade {self.facade!r:.60} of smac; known are {', '.join(FACADES)}")
        if type(self.n_trials) is not int or self.n_trials < 1:
            raise UsageError(f"n_trials of the smac optimizer must be a positive integer, not {self.n_trials!r:.60}")
        if type(self.deterministic) is not bool:
            raise UsageError(f"deterministic must be true or false, not {self.deterministic!r:.60}")
        self._check_budgets()
        self._check_instances()
        for part, known in _PARTS.items():
            for name in getattr(self, part):
                if name not in known:
                    raise UsageError(f"{part} of smac has no setting {name!r:.60}; known are {', '.join(known)}")

    def _check_budgets(self) -> None:
        given: list[Any] = [budget for budget in (self.min_budget, self.max_budget) if budget is not None]
        for budget in given:
            if isinstance(budget, bool) or not isinstance(budget, (int, float)) or not 0 < budget < math.inf:
                raise UsageError(f"a budget must be a positive number, not {budget!r:.60}")
        if self.facade in BY_BUDGET:
            if len(given) != 2 or given[0] >= given[1]:  # noqa: PLR2004  (both)
                raise UsageError(f"the facade {self.facade!r} needs min_budget and a larger max_budget")
            if self.instances and given[1] > len(self.instances) and self.deterministic:
                raise UsageError(
                    f"with instances a budget is a number of them: max_budget {given[1]} is more than "
                    f"{len(self.instances)}"
                )
        elif given:
            raise UsageError(f"the facade {self.facade!r} takes no budgets; {' and '.join(BY_BUDGET)} do")

    def _check_instances(self) -> None:
        if self.instances is not None and (not self.instances or len(set(self.instances)) < len(self.instances)):
            raise UsageError("instances of the smac optimizer must be a list of different names")
        features = self.instance_features
        if features is not None and (not self.instances or set(features) != set(self.instances)):
            raise UsageError("instance_features must have a list of numbers for each of the instances")
        if features is not None and len({len(numbers) for numbers in features.values()}) > 1:
            raise UsageError("instance_features must have the same number of features for each instance")

    def costs(self, experiment: Experiment) -> list[float] | None:
        """Return what a failure costs in each objective, or None: the worst so far.

        Raises:
            UsageError: It does not fit the objectives.
        """
        if self.crash_cost is None:
            return None
        given = self.crash_cost
        named = given if isinstance(given, dict) else dict.fromkeys(experiment.objectives, given)
        for name in experiment.objectives:
            cost: Any = named.get(name)
            if isinstance(cost, bool) or not isinstance(cost, (int, float)) or not math.isfinite(cost):
                raise UsageError(
                    f"crash_cost must be a finite number, or one for each objective; {name!r} has {cost!r}"
                )
        return [float(named[name]) for name in experiment.objectives]

    def to_json(self) -> Json:
        """Return the JSON form; what was not given is left out."""
        found = {name: getattr(self, name) for name in self.__slots__}
        found = {name: value for name, value in found.items() if value not in (None, {})}
        return found | ({"instances": list(self.instances)} if self.instances else {})


def check_experiment(experiment: Experiment) -> None:
    """Refuse what SMAC cannot express.

    Raises:
        UsageError: A sentence that says what.
    """
    if not experiment.objectives:
        raise UsageError("the smac optimizer needs an objective; this experiment has none")
    for constraint in experiment.constraints:
        others = "ax or random" if constraint.on == "parameters" else "ax or optuna"
        raise UsageError(f"SMAC takes no constraints on {constraint.on}, such as {constraint.text!r}; take {others}")
    for name, parameter in experiment.parameters.items():
        if isinstance(parameter, Choice):
            continue
        if max(abs(parameter.low), abs(parameter.high)) > _LARGEST_EXACT_INT and type(parameter.low) is int:
            raise UsageError(
                f"parameter {name!r}: SMAC computes with floating-point numbers, so integer bounds must be within "
                f"2**53, not [{parameter.low}, {parameter.high}]"
            )


def status_of(observation: Observation) -> str:
    """Return what SMAC calls the end of a trial without a result."""
    failure = observation.failure
    return "CRASHED" if failure is None else _STATUS.get(failure.kind, "CRASHED")


def order_of(key: Any) -> tuple[str, int, float]:
    """Return by what SMAC's keys of instance, seed and budget are sorted: it keeps them in sets."""
    return (key.instance or "", -1 if key.seed is None else key.seed, -1.0 if key.budget is None else key.budget)


def as_mapping(value: Mapping[str, Any] | None, what: str) -> dict[str, Any]:
    """Return settings of a part.

    Raises:
        UsageError: They are no mapping.
    """
    if value is not None and not hasattr(value, "items"):
        raise UsageError(f"{what} of the smac optimizer must be a mapping, not {value!r:.60}")
    return dict(value or {})
