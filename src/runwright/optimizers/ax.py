"""Ax behind our contract: its Client holds the experiment, its generation strategy is made anew for each ask.

Nothing of Ax's own state is kept between two asks but the trials: an asked point is attached exactly as one that comes
back from the journal, and all randomness of an ask is seeded from (seed, trial). So a history brings everything back
(``docs/decisions/0004-optimizer-rebuild.md``).
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from runwright.errors import ContractError, MissingExtraError, UsageError
from runwright.experiment import Choice, Experiment, Float, stable_seed
from runwright.optimizer import Exhausted, Observation, Rebuild, Restored, Suggestion, check_seed, feed
from runwright.optimizers.ax_space import Space, dependents, end_of_failure
from runwright.optimizers.random_search import RandomOptimizer
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runwright.experiment import Parameter
    from runwright.optimizer import HistoryItem
    from runwright.result import Json, Metrics

METHODS = ("fast", "quality", "random_search")
"""The generation strategies of `Client.configure_generation_strategy`."""
_OPTIONS: dict[str, tuple[type, Any]] = {
    "initialization_budget": (int, None),
    "initialize_with_center": (bool, True),
    "min_observed_initialization_trials": (int, None),
    "allow_exceeding_initialization_budget": (bool, True),
    "simplify_parameter_changes": (bool, False),
    "torch_device": (str, None),
}
_SEEDS = 2**32  # numpy's legacy generators take 32 bits
_TRIES = 8


class AxOptimizer:
    """Proposes what a generation strategy of Ax proposes.

    Args:
        method: Name of the strategy: ``fast`` (Gaussian processes after some quasi-random points), ``quality`` (fully
            Bayesian ones, slower) or ``random_search`` (quasi-random points).
        seed: Seed of all its randomness; the experiment's where none is given.
        options: Further arguments of `Client.configure_generation_strategy`; ``docs/optimizers.md`` lists them.

    Raises:
        UsageError: There is no such method or option, or a value is of another type.
        MissingExtraError: Ax is not installed.
    """

    rebuild: Rebuild = "history"

    def __init__(
        self, method: str = "fast", *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> None:
        if method not in METHODS:
            raise UsageError(f"there is no method {method!r:.60} of the ax optimizer; known are {', '.join(METHODS)}")
        self.method = method
        self.seed = None if seed is None else check_seed(seed, "the seed of the ax optimizer")
        self.options = _checked(options or {})
        self._ax = _import_ax()
        self._index: dict[int, int] = {}
        self._points: set[tuple[tuple[str, object], ...]] = set()

    def setup(self, experiment: Experiment) -> None:
        """Get ready for an experiment.

        Raises:
            UsageError: Ax cannot express it.
        """
        self._space = Space.of(experiment)
        self._experiment = experiment
        self._seed = experiment.seed if self.seed is None else self.seed
        self._instead = RandomOptimizer(self._seed)
        self._instead.setup(experiment)
        self.client = self._ax.client.Client()
        parameters = [self._parameter(name, parameter) for name, parameter in experiment.parameters.items()]
        try:
            with _quiet():
                self.client.configure_experiment(
                    parameters, parameter_constraints=self._space.parameter_constraints, name=experiment.name
                )
                self.client.configure_optimization(
                    self._space.objective, outcome_constraints=self._space.outcome_constraints or None
                )
        except (self._ax.errors.AxError, ValueError, TypeError) as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UsageError(f"Ax refuses this experiment: {first:.300}") from error

    def _parameter(self, name: str, parameter: Parameter) -> Any:
        own, configs = self._space.parameters[name], self._ax.configs
        if not isinstance(parameter, Choice):
            return configs.RangeParameterConfig(
                name=own,
                bounds=(parameter.low, parameter.high),
                parameter_type="float" if isinstance(parameter, Float) else "int",
                scaling="log" if parameter.log else "linear",
            )
        below = {
            value: [self._space.parameters[other] for other in others]
            for value, others in dependents(name, self._experiment).items()
        }
        return configs.ChoiceParameterConfig(
            name=own,
            values=list(parameter.values),
            parameter_type=type(parameter.values[0]).__name__,
            is_ordered=not isinstance(parameter.values[0], str) or len(parameter.values) == 2,  # noqa: PLR2004  (both ways)
            dependent_parameters=below or None,
        )

    def ask(self, trial: int) -> Suggestion | None:
        """Propose a point; None where the strategy waits for results.

        Raises:
            Exhausted: Ax finds no point that was not tried.
            ContractError: The trial exists already.
        """
        self._check_new(trial)
        for number in range(_TRIES):
            found = self._generate(trial, number)
            if found is None:
                return None
            point, quasi_random = found
            try:
                point = self._experiment.validate(point)
            except UsageError:
                continue  # integers are rounded behind the back of constraints
            if not quasi_random or tuple(point.items()) not in self._points:
                break
        else:
            point = self._instead.ask(trial).parameters
        self._enter(trial, point)
        return Suggestion(point)

    def _generate(self, trial: int, number: int) -> tuple[dict[str, Any], bool] | None:
        """Return a point and whether it is of a quasi-random sequence; None: nothing now."""
        strategy = self._strategy(len(self._index) + number)
        seed = stable_seed(self._seed, "ask", trial, number) % _SEEDS
        try:
            with _quiet(), self._ax.random.with_rng_seed(seed):
                ((run,),) = strategy.gen(experiment=self.client._experiment, n=1)  # noqa: SLF001  (no public way in)
        except (self._ax.generation.MaxParallelismReachedException, self._ax.errors.DataRequiredError):
            return None
        except (self._ax.generation.GenerationStrategyCompleted, self._ax.errors.SearchSpaceExhausted):
            raise Exhausted from None
        point = self._experiment.active(self._space.point_of_ax(run.arms[0].parameters))
        return point, run._generation_node_name == "Sobol"  # noqa: SLF001

    def _strategy(self, position: int) -> Any:
        """Make the strategy anew, with its quasi-random sequence at a position."""
        struct = self._ax.structs.GenerationStrategyDispatchStruct(
            method=self.method,
            initialization_random_seed=stable_seed(self._seed, "sequence") % _SEEDS,
            use_existing_trials_for_initialization=True,
            # After its centre a new strategy would go on with the sequence, however many results there are.
            **self.options | {"initialize_with_center": self.options["initialize_with_center"] and not self._index},
        )
        strategy = self._ax.dispatch.choose_generation_strategy(struct=struct)
        for node in strategy._nodes:  # noqa: SLF001
            for spec in node.generator_specs:
                if spec.generator_enum is self._ax.registry.Generators.SOBOL:
                    spec.generator_kwargs["init_position"] = position
        return strategy

    def attach(self, trial: int, suggestion: Suggestion) -> None:
        """Learn that a user proposed a point, which is pending from now on.

        Raises:
            UsageError: It is no point of the experiment.
            ContractError: The trial exists already.
        """
        point = self._experiment.validate(suggestion.parameters)
        self._check_new(trial)
        self._enter(trial, point)

    def _enter(self, trial: int, point: Mapping[str, Any]) -> None:
        """Make a pending trial; asked and recorded points alike, so that Ax cannot tell them apart."""
        with _quiet():
            self._index[trial] = self.client.attach_trial(self._space.point_to_ax(point))
        self._points.add(tuple(point.items()))

    def _check_new(self, trial: int) -> None:
        if trial in self._index:
            raise ContractError(f"trial {trial} exists already; it cannot be asked or attached again")

    def tell(self, observation: Observation) -> None:
        """Learn how a trial ended; what is told last holds, but for a failure after a measurement.

        Raises:
            ContractError: The trial was neither asked nor attached, or an objective was not measured.
        """
        trial, status = observation.trial, observation.status
        if trial not in self._index:
            raise ContractError(f"trial {trial} was told, but neither asked nor attached before")
        own = self.client._experiment.trials[self._index[trial]]  # noqa: SLF001
        with _quiet():
            if observation.values:
                self._measured(observation)
                own.mark_completed(unsafe=True)
            elif status is TrialStatus.COMPLETED:
                raise ContractError(f"trial {trial} was told as completed without its objectives")
            elif own.status.is_running:
                self._ended(own, observation)

    def _measured(self, observation: Observation) -> None:
        values = observation.values
        for name in self._experiment.objectives:
            if name not in values:
                raise ContractError(f"trial {observation.trial} was told without the objective {name!r}")
        completed = observation.status is TrialStatus.COMPLETED
        told: Metrics = {name: (value, None) for name, value in values.items()}
        metrics = observation.metrics if completed else told
        self.client.attach_data(self._index[observation.trial], self._space.data(metrics))

    @staticmethod
    def _ended(own: Any, observation: Observation) -> None:
        again = observation.status is TrialStatus.STALE or (
            observation.status is TrialStatus.FAILED and end_of_failure(observation.failure) == "failed"
        )
        reason = None if observation.failure is None else observation.failure.message
        if again:
            own.mark_failed(reason=reason)
        else:
            own.mark_abandoned(reason=reason)

    def restore(self, history: Sequence[HistoryItem]) -> Restored:
        """Go where an optimizer stands that lived through this history; no model is fitted."""
        feed(self, history)
        return Restored(exact=True, reason=f"{len(self._index)} trials were attached as they were recorded")

    def describe(self) -> Json:
        """Return method, seed and options."""
        return {"type": "ax", "method": self.method, "seed": self.seed, "options": dict(self.options)}


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options, ours where none is given.

    Raises:
        UsageError: One is unknown, or of another type.
    """
    value: Any
    for name, value in options.items():
        if name not in _OPTIONS:
            raise UsageError(f"the ax optimizer has no option {name!r:.60}; known are {', '.join(sorted(_OPTIONS))}")
        kind, default = _OPTIONS[name]
        if type(value) is not kind and (value is not None or default is not None):
            raise UsageError(f"the option {name!r} of the ax optimizer must be {kind.__name__}, not {value!r:.60}")
        if isinstance(value, int) and value < 0:
            raise UsageError(f"the option {name!r} of the ax optimizer must be at least 0, not {value}")
    return {name: default for name, (_, default) in _OPTIONS.items()} | dict(options)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ax's running commentary and the numerical warnings of its models to themselves, here alone."""
    levels = {handler: handler.level for handler in logging.getLogger("ax").handlers}
    for handler in levels:
        handler.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for handler, level in levels.items():
            handler.setLevel(level)


class _Ax:
    """The parts of Ax that are used."""

    def __init__(self) -> None:
        from ax.adapter import registry
        from ax.api import client, configs
        from ax.api.utils import generation_strategy_dispatch, structs
        from ax.exceptions import core, generation_strategy
        from ax.utils.common import random

        self.client, self.configs, self.structs = client, configs, structs
        self.dispatch, self.registry = generation_strategy_dispatch, registry
        self.errors, self.generation, self.random = core, generation_strategy, random


def _import_ax() -> _Ax:
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))  # Ax says at its import which SQL library it found
    try:
        return _Ax()
    except ModuleNotFoundError as error:
        raise MissingExtraError("the ax optimizer", "ax") from error
    finally:
        logging.disable(before)
