"""SMAC's facades behind our contract, by ask and tell; brought back by asking and telling everything again.

Two things of SMAC are put right so that a replay comes out alike in every process: it keeps instances and seeds in
sets, whose order differs from process to process, and an ask in vain draws random numbers. The first are sorted; after
the second the facade is made anew and brought to where it was.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from runwright.clock import monotonic
from runwright.errors import ContractError, MissingExtraError, UsageError
from runwright.experiment import Choice, Experiment, Float
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
from runwright.optimizers.smac_settings import BY_BUDGET, FACADES, Settings, as_mapping, check_experiment, order_of
from runwright.status import FailureKind, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from runwright.experiment import Parameter, ParameterValue
    from runwright.optimizer import HistoryItem
    from runwright.result import Json

_RATION = 200
"""Points that an ask may draw beyond those of a bracket; those that are pending already are among them."""
_LARGEST_BRACKET = 100_000
_SEEDS = 2**31  # SMAC draws below it
_STATUS = {FailureKind.TIMEOUT: "TIMEOUT", FailureKind.MEMORYOUT: "MEMORYOUT"}


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
        self._smac = _import_smac()

    def setup(self, experiment: Experiment) -> None:
        """Get ready for an experiment.

        Raises:
            UsageError: SMAC cannot express it.
        """
        check_experiment(experiment)
        self._experiment = experiment
        self._crash_costs = self.settings.costs(experiment)
        self._own = {name: f"p{number}" for number, name in enumerate(experiment.parameters)}
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
        with _quiet():
            self.facade = self._make()
        intensifier = self.facade.intensifier
        for name in (
            "get_incumbent_instance_seed_budget_keys",
            "get_incumbent_instance_seed_budget_key_differences",
            "get_instance_seed_budget_keys",
        ):
            setattr(intensifier, name, _sorted(getattr(intensifier, name)))
        self._drawn = _Rationed(intensifier.config_generator)
        intensifier._config_generator = self._drawn  # noqa: SLF001  (no public way in)

    def _make(self) -> Any:
        given, names = self.settings, list(self._experiment.objectives)
        seed = (self._experiment.seed if self.seed is None else self.seed) % _SEEDS
        scenario = self._smac.Scenario(
            self._space(),
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

    def _space(self) -> Any:
        space = self._smac.configspace.ConfigurationSpace(seed=0)
        parameters = self._experiment.parameters
        made = {name: self._hyperparameter(name, parameter) for name, parameter in parameters.items()}
        space.add(list(made.values()))
        for name, parameter in parameters.items():
            conditions = [
                self._smac.configspace.InCondition(
                    made[name],
                    made[parent],
                    [parameters[parent].values.index(parameters[parent].validate(value)) for value in values],  # type: ignore[union-attr]
                )
                for parent, values in (parameter.when or {}).items()
            ]
            if conditions:
                both = conditions[0]
                space.add(self._smac.configspace.AndConjunction(*conditions) if len(conditions) > 1 else both)
        return space

    def _hyperparameter(self, name: str, parameter: Parameter) -> Any:
        """Make a hyperparameter; a choice is that of a place among its values, whatever their kind."""
        own, made = self._own[name], self._smac.configspace
        if isinstance(parameter, Choice):
            places = list(range(len(parameter.values)))
            if len(places) == 1:
                return made.Constant(own, 0)
            if type(parameter.values[0]) in (int, float):
                return made.OrdinalHyperparameter(own, sorted(places, key=lambda place: parameter.values[place]))
            return made.CategoricalHyperparameter(own, places)
        kind = made.UniformFloatHyperparameter if isinstance(parameter, Float) else made.UniformIntegerHyperparameter
        return kind(own, parameter.low, parameter.high, log=parameter.log)

    def _to_point(self, config: Any) -> dict[str, ParameterValue]:
        values = dict(config)
        point: dict[str, Any] = {}
        for name, own in self._own.items():
            if own in values:
                point[name] = _value(self._experiment.parameters[name], values[own])
        return self._experiment.validate(point)

    def _to_config(self, point: Mapping[str, Any]) -> Any:
        values = {}
        for name, value in point.items():
            parameter = self._experiment.parameters[name]
            values[self._own[name]] = parameter.values.index(value) if isinstance(parameter, Choice) else value
        return self._smac.configspace.Configuration(self.facade.scenario.configspace, values=values)

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
            with _quiet():
                info = self.facade.ask()
        except (StopIteration, self._smac.exhausted):
            self._again()
            self._waits = True
            self._check_more()
            return None
        budget = None if info.budget is None else float(info.budget)
        seed = None if info.seed is None else int(info.seed)
        suggestion = Suggestion(self._to_point(info.config), info.instance, budget, seed)
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
        config = self._to_config(point)
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
        self._tell(info, price or [0.0] * len(self._signs), _status(observation))

    def _learned(self, costs: list[float]) -> None:
        """Note the worst costs; what failed before there were any is told anew."""
        self._worst = costs if self._worst is None else list(map(max, self._worst, costs))
        for trial, observation in self._unpriced.items():
            self._tell(self._infos[trial], self._worst, _status(observation))
        self._unpriced.clear()

    def _tell(self, info: Any, costs: list[float], status: str) -> None:
        cost = costs[0] if len(costs) == 1 else costs
        value = self._smac.history.TrialValue(cost=cost, status=self._smac.history.StatusType[status])
        with _quiet():
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


class _Rationed:
    """Gives so many points an ask: where all points of a small space are pending, SMAC draws for ever."""

    def __init__(self, source: Iterator[Any]) -> None:
        self.left = _RATION
        self._source = source

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self.left:
            raise StopIteration
        self.left -= 1
        return next(self._source)


def _value(parameter: Parameter, value: Any) -> ParameterValue:
    """Return a value of SMAC's as the parameter's own type; a logarithm there and back may pass a bound."""
    if isinstance(parameter, Choice):
        return parameter.values[int(value)]
    kind = float if isinstance(parameter, Float) else int
    return min(max(kind(value), parameter.low), parameter.high)


def _status(observation: Observation) -> str:
    failure = observation.failure
    return "CRASHED" if failure is None else _STATUS.get(failure.kind, "CRASHED")


def _sorted(method: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    def in_order(*arguments: Any, **named: Any) -> list[Any]:
        return sorted(method(*arguments, **named), key=order_of)

    return in_order


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep SMAC's running commentary and the warnings of its models to themselves, here alone."""
    logger = logging.getLogger("smac")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


class _Smac:
    """The parts of SMAC that are used."""

    def __init__(self) -> None:
        import ConfigSpace
        import smac
        from smac import runhistory
        from smac.main import exceptions

        class SilentScenario(smac.Scenario):
            """Writes nothing: the journal has it all."""

            def save(self) -> None:
                """Write nothing."""

            def _change_output_directory(self) -> None:
                """There is none."""

        self.configspace, self.smac, self.history = ConfigSpace, smac, runhistory
        self.Scenario = SilentScenario
        self.exhausted = exceptions.ConfigurationSpaceExhaustedException


def _import_smac() -> _Smac:
    try:
        with _quiet():
            return _Smac()
    except ModuleNotFoundError as error:
        raise MissingExtraError("the smac optimizer", "smac") from error
