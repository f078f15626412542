"""An experiment as a configuration space of SMAC's, and its points there and back. Imports none of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runwright.experiment import Choice, Float

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runwright.experiment import Experiment, Parameter, ParameterValue


class Space:
    """The search space of an experiment.

    Names of parameters may be such as ConfigSpace does not take: there each has one made of its number.

    Args:
        experiment: What is searched.
        configspace: The module ``ConfigSpace``.
    """

    def __init__(self, experiment: Experiment, configspace: Any) -> None:
        self._experiment = experiment
        self._configspace = configspace
        self._own = {name: f"p{number}" for number, name in enumerate(experiment.parameters)}

    def make(self) -> Any:
        """Make the configuration space."""
        space = self._configspace.ConfigurationSpace(seed=0)
        parameters = self._experiment.parameters
        made = {name: self._hyperparameter(name, parameter) for name, parameter in parameters.items()}
        space.add(list(made.values()))
        for name, parameter in parameters.items():
            conditions = [
                self._configspace.InCondition(
                    made[name],
                    made[parent],
                    [parameters[parent].values.index(parameters[parent].validate(value)) for value in values],  # type: ignore[union-attr]
                )
                for parent, values in (parameter.when or {}).items()
            ]
            if conditions:
                both = conditions[0]
                space.add(self._configspace.AndConjunction(*conditions) if len(conditions) > 1 else both)
        return space

    def _hyperparameter(self, name: str, parameter: Parameter) -> Any:
        """Make a hyperparameter; a choice is that of a place among its values, whatever their kind."""
        own, made = self._own[name], self._configspace
        if isinstance(parameter, Choice):
            places = list(range(len(parameter.values)))
            if len(places) == 1:
                return made.Constant(own, 0)
            if type(parameter.values[0]) in (int, float):
                return made.OrdinalHyperparameter(own, sorted(places, key=lambda place: parameter.values[place]))
            return made.CategoricalHyperparameter(own, places)
        kind = made.UniformFloatHyperparameter if isinstance(parameter, Float) else made.UniformIntegerHyperparameter
        return kind(own, parameter.low, parameter.high, log=parameter.log)

    def to_point(self, config: Any) -> dict[str, ParameterValue]:
        """Return a configuration as a point of the experiment."""
        values = dict(config)
        point: dict[str, Any] = {}
        for name, own in self._own.items():
            if own in values:
                point[name] = _value(self._experiment.parameters[name], values[own])
        return self._experiment.validate(point)

    def to_config(self, point: Mapping[str, Any], space: Any) -> Any:
        """Return a point as a configuration of the space that `make` made."""
        values = {}
        for name, value in point.items():
            parameter = self._experiment.parameters[name]
            values[self._own[name]] = parameter.values.index(value) if isinstance(parameter, Choice) else value
        return self._configspace.Configuration(space, values=values)


def _value(parameter: Parameter, value: Any) -> ParameterValue:
    """Return a value of SMAC's as the parameter's own type; a logarithm there and back may pass a bound."""
    if isinstance(parameter, Choice):
        return parameter.values[int(value)]
    kind = float if isinstance(parameter, Float) else int
    return min(max(kind(value), parameter.low), parameter.high)
