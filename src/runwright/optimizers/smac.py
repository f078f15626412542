"""SMAC's facades behind our contract, by ask and tell; brought back by asking and telling everything again.

An ask in vain draws random numbers, so that a replay would come out otherwise: after it the facade is made anew and
brought to where it was. What else is put right for that is in `smac_library`, which alone imports SMAC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runwright.clock import monotonic
from runwright.errors import ContractError, UsageError
from runwright.optimizer import (
    Asked,
    Attached,
    Exhausted,
    Observation,
    Rebuild,
    Restored,
    Suggestion,
    check_seed,
    replay,
)
from runwright.optimizers.optuna_samplers import check_seconds
from runwright.optimizers.smac_library import Rationed, import_smac, quiet, sort_keys, sort_starts
from runwright.optimizers.smac_settings import BY_BUDGET, FACADES, Settings, as_mapping, check_experiment, status_of
from runwright.optimizers.smac_space import Space
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runwright.experiment import Experiment
    from runwright.optimizer import HistoryItem
    from runwright.result import Json

_RATION = 200
"""Points that an ask may draw beyond those of a bracket; those that are pending already are among them."""
_LARGEST_BRACKET = 100_000
_SEEDS = 2**31  # SMAC draws below it


class SmacOptimizer:
    """Proposes what a facade of SMAC proposes, with its instances, budgets and seeds.

    Args:
        facade: ``hpo``, ``blackbox``, ``multifidelity``, ``hyperband``, ``ac`` or ``random``.
        seed: Seed of the facade; the experiment's where none is given.
        n_trials: How many trials there will be; the initial design takes a quarter of them at the most.
        deterministic: Whether a point is evaluated once; false: the best ones again with other seeds.
        min_budget: Smallest budget (multifidelity, hyperband); with instances, how many of them.
        max_budget: Largest budget.
        instances: Names of instances; a point is evaluated on one a trial.
        instance_features: Instance to a list of numbers that describe it.
        crash_cost: What a failed trial costs, as SMAC counts (it minimizes): a number, or one an objective; the worst
            cost so far where not given.
        initial_design: Settings of the facade's initial design.
        intensifier: Settings of the facade's intensifier, such as ``eta``.
        rebuild_seconds: Wall seconds that asking again may take after a restart.

    Raises:
        UsageError: A setting is unknown or out of its range.
        MissingExtraError: SMAC is not installed.
    """

    rebuild: Rebuild = "replay"

    def __init__(
        self,
        facade: str = "hpo",
        *,
        seed: int | None = None,
        n_trials: int = 100,
        deterministic: bool = True,
        min_budget: float | None = None,
        max_budget: float | None = None,
        instances: Sequence[str] | None = None,
        instance_features: Mapping[str, Sequence[float]] | None = None,
        crash_cost: float | Mapping[str, float] | None = None,
        initial_design: Mapping[str, Any] | None = None,
        intensifier: Mapping[str, Any] | None = None,
        rebuild_seconds: float = 60.0,
    ) -> None:
        self.settings = Settings(
            facade,
            n_trials,
            deterministic,
            min_budget,
            max_budget,
            None if instances is None else tuple(map(str, instances)),
            None if instance_features is None else {str(key): list(row) for key, row in instance_features.items()},
            dict(crash_cost) if hasattr(crash_cost, "items") else crash_cost,  # type: ignore[arg-type]
            as_mapping(initial_design, "initial_design"),
            as_mapping(intensifier, "intensifier"),
        )
        self.seed = None if seed is None else check_seed(seed, "the seed of the smac optimizer")
        self.rebuild_seconds = check_seconds(rebuild_seconds)
        self._smac = import_smac()

    def setup(self, experiment: Experiment) -> None:
        """Get ready for an experiment.

        Raises:
            UsageError: SMAC cannot express it.
        """
        check_experiment(experiment)
        self._experiment = experiment
        self._crash_costs = self.settings.costs(experiment)
        self._space = Space(experiment, self._smac.configspace)
        self._signs = [1.0 if direction == "minimize" else -1.0 for direction in experiment.objectives.values()]
        self._log: list[HistoryItem] = []
        try:
            self._begin()
        except (ValueError, TypeError, RuntimeError, AssertionError) as error:
            raise UsageError(f"SMAC refuses this experiment: {str(error) or type(error).__name__:.300}") from error

    def _begin(self) -> None:
        """Make the facade, as before the first trial."""
        self._infos: dict[int, Any] = {}
        self._open: set[int] = set()
        self._unpriced: dict[int, Any] = {}
        self._worst: list[float] | None = None
        self._waits = False
        with quiet():
            self.facade = self._make()
        intensifier = self.facade.intensifier
        sort_keys(intensifier)
        sort_starts(self.facade._acquisition_maximizer)  # noqa: SLF001  (no public way in)
        self._drawn = Rationed(intensifier.config_generator)
        intensifier._config_generator = self._drawn  # noqa: SLF001  (no public way in)

    def _make(self) -> Any:
        given, names = self.settings, list(self._experiment.objectives)
        seed = (self._experiment.seed if self.seed is None else self.seed) % _SEEDS
        scenario = self._smac.Scenario(
            self._space.make(),
            name=self._experiment.name,
            output_directory=None,
            deterministic=given.deterministic,
            objectives=names if len(names) > 1 else names[0],
            n_trials=given.n_trials,
            instances=None if given.instances is None else list(given.instances),
            instance_features=given.instance_features,
            min_budget=given.min_budget,
            max_budget=given.max_budget,
            seed=seed,
        )
        make = getattr(self._smac.smac, FACADES[given.facade])
        parts = {}
        for part in ("initial_design", "intensifier"):
            settings = getattr(given, part)
            if settings:
                parts[part] = getattr(make, f"get_{part}")(scenario, **settings)
        return make(scenario, None, logging_level=False, overwrite=True, **parts)

    def ask(self, trial: int) -> Suggestion | None:
        """Propose a point with its instance, budget and seed; None while the intensifier waits for results.

        Raises:
            Exhausted: The facade has nothing more.
            ContractError: The trial exists already.
        """
        self._check_new(trial)
        if self._waits:
            self._check_more()
            return None
        self._drawn.left = _RATION + self._largest_bracket()
        try:
            with quiet():
                info = self.facade.ask()
        except (StopIteration, self._smac.exhausted):
            self._again()
            self._waits = True
            self._check_more()
            return None
        budget = None if info.budget is None else float(info.budget)
        seed = None if info.seed is None else int(info.seed)
        suggestion = Suggestion(self._space.to_point(info.config), info.instance, budget, seed)
        self._note(trial, info, Asked(trial, suggestion))
        return suggestion

    def _largest_bracket(self) -> int:
        """Return how many points one ask may begin with; before the first one SMAC has not counted them."""
        stages = getattr(self.facade.intensifier, "_n_configs_in_stage", None)
        if stages is None:
            return _LARGEST_BRACKET if self.settings.facade in BY_BUDGET else 0
        return int(max(count for counts in stages.values() for count in counts))

    def _check_more(self) -> None:
        """Tell nothing for now, which is no error, from nothing for ever."""
        if not self._open:
            raise Exhausted

    def _again(self) -> None:
        """Undo an ask in vain: the next driver will not make it, and it has drawn random numbers."""
        log, self._log = self._log, []
        self._begin()
        replay(self, log, seconds=self.rebuild_seconds)

    def _note(self, trial: int, info: Any, item: HistoryItem) -> None:
        self._infos[trial] = info
        self._open.add(trial)
        self._log.append(item)

    def attach(self, trial: int, suggestion: Suggestion) -> None:
        """Learn that a user proposed a point, which is pending from now on.

        Without a budget it is that of the largest one. Without an instance, where SMAC has some, its result is not
        learned: SMAC would not know what to compare it with.

        Raises:
            UsageError: It is no point of the experiment.
            ContractError: The trial exists already.
        """
        point = self._experiment.validate(suggestion.parameters)
        self._check_new(trial)
        self._waits = False
        self._note(trial, self._enter(point, suggestion), Attached(trial, suggestion))

    def _enter(self, point: Mapping[str, Any], suggestion: Suggestion) -> Any:
        """Make a running trial of a given point; None where SMAC cannot place it."""
        intensifier = self.facade.intensifier
        instance = suggestion.instance if intensifier.uses_instances else None
        if intensifier.uses_instances and instance not in (self.settings.instances or ()):
            return None
        budget = (suggestion.budget or self.settings.max_budget) if intensifier.uses_budgets else None
        seed = suggestion.seed
        if seed is None:
            seed = (intensifier._tf_seeds or [0])[0]  # noqa: SLF001  (what SMAC compares by)
        config = self._space.to_config(point, self.facade.scenario.configspace)
        info = self._smac.history.TrialInfo(config, instance, seed, None if budget is None else float(budget))
        self.facade.runhistory.add_running_trial(info)
        return info

    def _check_new(self, trial: int) -> None:
        if trial in self._open:
            raise ContractError(f"trial {trial} is pending already; it cannot be asked or attached again")

    def tell(self, observation: Observation) -> None:
        """Learn how a trial ended; what is told last holds.

        Raises:
            ContractError: The trial was neither asked nor attached, or an objective was not measured.
        """
        trial = observation.trial
        if trial not in self._infos:
            raise ContractError(f"trial {trial} was told, but neither asked nor attached before")
        costs = self._costs(observation)
        self._waits = False
        self._open.discard(trial)
        self._log.append(observation)
        info = self._infos[trial]
        if info is None:
            return
        self._unpriced.pop(trial, None)
        if costs is not None:
            self._learned(costs)
            self._tell(info, costs, "SUCCESS")
            return
        price = self._crash_costs or self._worst
        if price is None:
            self._unpriced[trial] = observation
        self._tell(info, price or [0.0] * len(self._signs), status_of(observation))

    def _learned(self, costs: list[float]) -> None:
        """Note the worst costs; what failed before there were any is told anew."""
        self._worst = costs if self._worst is None else list(map(max, self._worst, costs))
        for trial, observation in self._unpriced.items():
            self._tell(self._infos[trial], self._worst, status_of(observation))
        self._unpriced.clear()

    def _tell(self, info: Any, costs: list[float], status: str) -> None:
        cost = costs[0] if len(costs) == 1 else costs
        value = self._smac.history.TrialValue(cost=cost, status=self._smac.history.StatusType[status])
        with quiet():
            self.facade.tell(info, value, save=False)

    def _costs(self, observation: Observation) -> list[float] | None:
        values = observation.values
        if not values and observation.status is not TrialStatus.COMPLETED:
            return None
        missing = [name for name in self._experiment.objectives if name not in values]
        if missing:
            raise ContractError(f"trial {observation.trial} was told without the objective {missing[0]!r}")
        return [sign * values[name] for sign, name in zip(self._signs, self._experiment.objectives, strict=True)]

    def restore(self, history: Sequence[HistoryItem]) -> Restored:
        """Go where an optimizer stands that lived through this history."""
        began = monotonic()
        restored = replay(self, history, seconds=self.rebuild_seconds)
        if not restored.exact:
            return restored
        return Restored(exact=True, reason=f"{restored.reason}, in {monotonic() - began:.1f} s")

    def describe(self) -> Json:
        """Return facade, settings and seed."""
        return {"type": "smac", "seed": self.seed, **self.settings.to_json()}
