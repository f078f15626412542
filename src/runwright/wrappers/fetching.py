"""Asks a wrapper for the data of a trial, and makes metrics of what it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runwright.errors import InvalidResultError
from runwright.measurements import clean, read_returned
from runwright.result import Result, check_objectives
from runwright.wrappers.metric_functions import PASS_THROUGH, compute

if TYPE_CHECKING:
    from runwright.result import Json, Metrics
    from runwright.wrappers.view import TrialView


def fetch(wrapper: Any, trial: TrialView) -> tuple[Metrics, Json]:
    """Return metrics and additional information of a trial that is complete.

    Args:
        wrapper: A `BaseWrapper`, or something with the same hooks.
        trial: The trial.

    Raises:
        InvalidResultError: A metric is missing, or no number; the sentence names it.
    """
    functions = _functions(wrapper)
    objectives = trial.experiment.objectives
    data = _ask(wrapper, trial, list(dict.fromkeys((*objectives, *functions))))
    returned: Json = {}
    for name, given in data.items():
        function, arguments = functions.get(name, (PASS_THROUGH, {}))
        if name in functions or name in objectives:
            if arguments and not isinstance(given, dict):
                given = {"a": given}  # noqa: PLW2901  (the sole argument, by its name)
            returned[name] = compute(name, function, {**given, **arguments} if arguments else given)
        else:
            returned[name] = given  # nobody asked for it: kept, as a metric or as information
    metrics, info = read_returned(returned, objectives)
    check_objectives(Result(arms={"": metrics}), objectives, ("",))
    return metrics, info


def _ask(wrapper: Any, trial: TrialView, names: list[str]) -> Json:
    """Ask for one metric after the other, until each was given."""
    data: Json = {}
    for name in names:
        if name in data:
            continue
        given = wrapper.fetch_trial_data(
            parameters=trial.parameters,
            metric_name=name,
            metric_properties=getattr(wrapper, "metric_properties", {}),
            trial=trial,
            param_names=getattr(wrapper, "metric_params", {}).get(name, []),
        )
        if given is None:
            if not getattr(wrapper, "fetch_none_ok", False):
                raise InvalidResultError(f"fetch_trial_data returned nothing for the metric {name!r}")
            continue
        if isinstance(given, dict) and name in given:
            data = {**{clean(str(key)): value for key, value in given.items()}, **data}
        elif isinstance(given, dict) and _is_all(given, names):
            raise InvalidResultError(f"the metric {name!r} is missing; there is {', '.join(map(repr, given))}")
        else:
            data[name] = given  # a number, or the arguments of its function
    return data


def _is_all(given: Json, names: list[str]) -> bool:
    """Whether a mapping is one of metrics: it names another one that is asked for."""
    return any(name in given for name in names)


def _functions(wrapper: Any) -> dict[str, tuple[str, Json]]:
    functions = getattr(wrapper, "metric_functions", None)
    return functions() if callable(functions) else {}
