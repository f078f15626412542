"""How a TorchX component is called for a trial, and whether it fits an experiment."""

from __future__ import annotations

import inspect
import types
import typing
from typing import TYPE_CHECKING, Any

from runwright.errors import UsageError
from runwright.experiment import Choice, Float

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runwright.experiment import Experiment, Parameter
    from runwright.trial import BaseTrial

AUTOMATIC = {"trial_idx": int, "tracker_base": str, "experiment_name": str}
"""Arguments that are filled in where a component declares them, and their types."""
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Component:
    """A component function and the constants that it is called with.

    Args:
        function: The component: takes arguments, returns an AppDef.
        constants: Arguments that are the same for every trial; parameters win over them.
        tracker_base: What it gets as ``tracker_base``.
    """

    def __init__(self, function: Callable[..., Any], constants: Mapping[str, Any], tracker_base: str) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        self._constants = dict(constants)
        self._tracker_base = tracker_base
        self._declared = dict(inspect.signature(function).parameters)
        kinds = {argument.kind for argument in self._declared.values()}
        self._takes_any = inspect.Parameter.VAR_KEYWORD in kinds
        self._by_name = {name for name, argument in self._declared.items() if argument.kind in _BY_NAME}
        self._types = _annotations(function, self._declared)

    def check(self, experiment: Experiment) -> None:
        """Check names and types of everything that the component will be called with.

        Raises:
            UsageError: A sentence that names the argument.
        """
        for name, kind in AUTOMATIC.items():
            wanted = self._types.get(name, Any)
            if name in self._by_name and not _accepts(wanted, kind, ()):
                raise UsageError(
                    f"the component {self.name!r} declares {name!r} as {_shown(wanted)}; it is {kind.__name__}"
                )
        for name, value in self._constants.items():
            self._check_constant(name, value)
        if not experiment.is_open:
            self._check_names(experiment.parameters)
            for name, parameter in experiment.parameters.items():
                self._check_parameter(name, parameter)

    def _check_names(self, given: Mapping[str, object]) -> None:
        for name in given:
            if name in AUTOMATIC and name in self._by_name:
                raise UsageError(f"{name!r} is filled in by the runner; give the parameter another name")
            if name not in self._by_name and not self._takes_any:
                raise UsageError(
                    f"the component {self.name!r} declares no argument {name!r}, which is a parameter of the "
                    f"experiment; it declares {', '.join(self._declared) or 'none'}"
                )
        known = {*given, *self._constants, *AUTOMATIC}
        for name, argument in self._declared.items():
            if argument.default is not argument.empty:
                continue
            if argument.kind is argument.POSITIONAL_ONLY:
                raise UsageError(f"the component {self.name!r} takes {name!r} by position alone; take it by name")
            if argument.kind in _BY_NAME and name not in known:
                raise UsageError(
                    f"the component {self.name!r} needs {name!r}, which is neither a parameter of the experiment nor "
                    "in component_const_params"
                )

    def _check_parameter(self, name: str, parameter: Parameter) -> None:
        values: tuple[Any, ...] = parameter.values if isinstance(parameter, Choice) else ()
        kind = type(values[0]) if values else float if isinstance(parameter, Float) else int
        wanted = self._types.get(name, Any)
        if not _accepts(wanted, kind, values):
            raise UsageError(
                f"the component {self.name!r} declares {name!r} as {_shown(wanted)}, but the parameter is "
                f"{kind.__name__}; their types must be the same"
            )

    def _check_constant(self, name: str, value: object) -> None:
        if name not in self._by_name and not self._takes_any:
            raise UsageError(
                f"the component {self.name!r} declares no argument {name!r}, which is in component_const_params; "
                f"it declares {', '.join(self._declared) or 'none'}"
            )
        if name in AUTOMATIC and name in self._by_name:
            raise UsageError(f"{name!r} is filled in by the runner; take it out of component_const_params")
        wanted = self._types.get(name, Any)
        kinds = (int, float) if type(value) is int else (type(value),)
        if _is_plain(wanted) and not any(_accepts(wanted, kind, (value,)) for kind in kinds):
            raise UsageError(
                f"the component {self.name!r} declares {name!r} as {_shown(wanted)}, but component_const_params has "
                f"{value!r:.60}"
            )

    def arguments(self, trial: BaseTrial) -> dict[str, Any]:
        """Return what the component is called with for a trial.

        Raises:
            UsageError: The points of an open experiment have names that the component does not declare, or lack some.
        """
        parameters = trial.arms[0].parameters
        if trial.experiment.is_open:
            self._check_names(parameters)
        automatic = {
            "trial_idx": trial.index,
            "tracker_base": self._tracker_base,
            "experiment_name": trial.experiment.name,
        }
        return {
            **self._constants,
            **parameters,
            **{name: value for name, value in automatic.items() if name in self._by_name},
        }


def _annotations(function: Callable[..., Any], declared: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """Return the types of arguments; of those that cannot be told, nothing."""
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # noqa: BLE001  (a text that names what is imported for type checkers alone, say)
        hints = {name: a.annotation for name, a in declared.items() if not isinstance(a.annotation, str)}
    return {name: hint for name, hint in hints.items() if hint is not inspect.Parameter.empty}


def _accepts(wanted: Any, kind: type, values: tuple[Any, ...]) -> bool:
    """Whether an annotation means exactly this type, or one of several of which it is one."""
    if wanted is Any or wanted is object:
        return True
    origin = typing.get_origin(wanted)
    if origin in (typing.Union, types.UnionType):
        return any(_accepts(part, kind, values) for part in typing.get_args(wanted))
    if origin is typing.Literal:
        allowed = typing.get_args(wanted)
        return bool(values) and all(value in allowed for value in values)
    return wanted is kind


def _is_plain(wanted: Any) -> bool:
    """Whether a constant's type can be told from the annotation: lists and mappings are taken as they are."""
    origin = typing.get_origin(wanted)
    if origin in (typing.Union, types.UnionType):
        return all(_is_plain(part) for part in typing.get_args(wanted))
    return wanted in (int, float, str, bool, type(None)) or origin is typing.Literal


def _shown(wanted: Any) -> str:
    return wanted.__name__ if isinstance(wanted, type) else str(wanted)
