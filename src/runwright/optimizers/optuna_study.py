"""How Optuna samples an experiment: distributions, samplers, the study, and the drawing of a trial.

Optuna is given, not imported.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from runwright.errors import UsageError
from runwright.experiment import Choice, Float

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runwright.experiment import Experiment, Int
    from runwright.optimizers.optuna_samplers import NamedSampler

_LARGEST_EXACT_INT = 2**53


class Sampling:
    """Makes samplers and studies for an experiment.

    Args:
        optuna: The library.
        experiment: What is searched.
        kind: Kind of the samplers; None: `sampler` is one.
        sampler: A sampler of the user's.
        options: Arguments of the samplers' constructor.
        warns: Whether Optuna warns of one of them.

    Attributes:
        space: Distributions, by name of the parameter.
        told: Metrics of the trial that is being told.
        learned: Whether there is anything to learn from.
        exhausted: Whether a sampler has said that it has nothing more.
    """

    def __init__(
        self,
        optuna: Any,
        experiment: Experiment,
        kind: NamedSampler | None,
        sampler: Any,
        options: Mapping[str, Any],
        *,
        warns: bool,
    ) -> None:
        self.told: Mapping[str, float] = {}
        self.learned = False
        self.exhausted = False
        self._optuna = optuna
        self._experiment = experiment
        self._kind = kind
        self._sampler = sampler
        self._options = dict(options)
        self._warns = warns
        self.space = {name: self._distribution(name, value) for name, value in experiment.parameters.items()}

    def _distribution(self, name: str, parameter: Float | Int | Choice) -> Any:
        distributions = self._optuna.distributions
        if isinstance(parameter, Choice):
            return distributions.CategoricalDistribution(parameter.values)
        if isinstance(parameter, Float):
            return distributions.FloatDistribution(parameter.low, parameter.high, log=parameter.log)
        if max(abs(parameter.low), abs(parameter.high)) > _LARGEST_EXACT_INT:
            raise UsageError(
                f"parameter {name!r}: Optuna computes with floating-point numbers, so integer bounds must be within "
                f"2**53, not [{parameter.low}, {parameter.high}]"
            )
        return distributions.IntDistribution(parameter.low, parameter.high, log=parameter.log)

    def make(self, seed: int) -> Any:
        """Make a sampler of a seed."""
        if self._kind is None:
            return self._sampler
        options: dict[str, Any] = self._kind.defaults(self._experiment, self._options) | self._options
        make = getattr(self._optuna.samplers, self._kind.class_name)
        constrained = self._kind.constrained and bool(self._experiment.outcome_constraints)
        if constrained:
            options["constraints_func"] = self._excess
        if not self._warns and not constrained and not options.get("group"):
            sampler = make(seed=seed, **options)
        else:
            with warnings.catch_warnings():  # what it warns of was said when the options were checked
                warnings.simplefilter("ignore")
                sampler = make(seed=seed, **options)
        if self._kind.name == "tpe" and options["multivariate"] and not options.get("group"):
            # A sampler made anew would go through all trials to find that they have one search space.
            sampler.infer_relative_search_space = self._search_space
        return sampler

    def _excess(self, _trial: Any) -> list[float]:
        """Return by how much the trial that is being told exceeds the constraints on metrics.

        Of a failed trial there are no metrics; its penalty says enough.
        """
        return [
            constraint.excess(self.told) if constraint.weights.keys() <= self.told.keys() else 0.0
            for constraint in self._experiment.outcome_constraints
        ]

    def _search_space(self, _study: Any, _trial: Any) -> dict[str, Any]:
        """What Optuna would find: nothing before the first result, then all that has more than one value."""
        if not self.learned:
            return {}
        return {name: self.space[name] for name in sorted(self.space) if not self.space[name].single()}

    def study(self, sampler: Any) -> Any:
        """Make a study in memory."""
        logging = self._optuna.logging
        level = logging.get_verbosity()
        logging.set_verbosity(max(level, logging.WARNING))  # it says by default that a study was made
        try:
            study = self._optuna.create_study(
                sampler=sampler,
                pruner=self._optuna.pruners.NopPruner(),
                directions=list(self._experiment.objectives.values()),
            )
        finally:
            logging.set_verbosity(level)
        # How a sampler says that it has nothing more; Optuna itself takes that inside Study.optimize only.
        study.stop = self._stop
        return study

    def _stop(self) -> None:
        self.exhausted = True

    def draw(self, study: Any) -> Any:
        """Ask the study for a trial, parameter by parameter where some are not in every point."""
        if not self._experiment.conditional:
            return study.ask(self.space)
        asked = study.ask()
        for name in self._experiment.order:
            if self._experiment.is_there(name, asked.params):
                self._suggest(asked, name)
        return asked

    def _suggest(self, asked: Any, name: str) -> None:
        parameter = self._experiment.parameters[name]
        if isinstance(parameter, Choice):
            asked.suggest_categorical(name, parameter.values)
        elif isinstance(parameter, Float):
            asked.suggest_float(name, parameter.low, parameter.high, log=parameter.log)
        else:
            asked.suggest_int(name, parameter.low, parameter.high, log=parameter.log)
