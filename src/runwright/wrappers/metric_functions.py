"""What a BOA configuration file may have computed from what a script gives back, in plain Python."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from runwright.errors import InvalidResultError, UsageError
from runwright.measurements import measurement

if TYPE_CHECKING:
    from collections.abc import Callable

    from runwright.result import Json, Measurement

PASS_THROUGH = "pass_through"  # noqa: S105  (no password)
_NOT_A_NUMBER = ("nan", "na")
_SOLE_KEYS = ("wrapper_args", "mean", "value", "a")

_NAMES = {
    PASS_THROUGH: ("PassThrough", "PassThroughMetric", "passthrough", "pass_through_metric"),
    "mean": ("Mean",),
    "mse": ("MeanSquaredError", "MSE", "mean_squared_error"),
    "rmse": ("RootMeanSquaredError", "RMSE", "root_mean_squared_error"),
    "mae": ("MeanAbsoluteError", "MAE", "mean_absolute_error"),
    "r2": ("RSquared", "R2", "r2_score"),
    "nrmse": ("NormalizedRootMeanSquaredError", "NRMSE", "normalized_root_mean_squared_error"),
}
_BY_NAME = {name: function for function, names in _NAMES.items() for name in (function, *names)}


def function_named(name: str | None) -> str:
    """Return our name of a metric function.

    Args:
        name: What a configuration file calls it; None: the script computes the metric itself.

    Raises:
        UsageError: There is no such function.
    """
    if name is None:
        return PASS_THROUGH
    found = _BY_NAME.get(name)
    if found is None:
        raise UsageError(
            f"the metric function {name!r:.80} is not known here; known are {', '.join(sorted(_NAMES))}. "
            "Have your script compute the metric, and leave the function out"
        )
    return found


def metric_settings(name: str, what: Any) -> Json:
    """Return how a metric is computed, whichever way it was said.

    Args:
        name: The metric.
        what: The name of a function, or a mapping; None: the script computes the metric itself.

    Raises:
        UsageError: It is none of these.
    """
    given = {"function": what} if what is None or isinstance(what, str) else what
    known = ("function", "arguments", "param_names", "properties")
    if not isinstance(given, dict) or not given.keys() <= set(known):
        raise UsageError(f"the metric {name!r} must be the name of a function, or a mapping of {', '.join(known)}")
    for key, kind, wanted in (
        ("function", str, "the name of a function"),
        ("arguments", Mapping, "a mapping"),
        ("param_names", (list, tuple), "a list of parameters"),
    ):
        if given.get(key) is not None and not isinstance(given[key], kind):
            raise UsageError(f"{key} of the metric {name!r} must be {wanted}, not {given[key]!r:.60}")
    return {
        "function": function_named(given.get("function")),
        "arguments": dict(given.get("arguments") or {}),
        "param_names": list(given.get("param_names") or ()),
        "properties": given.get("properties"),
    }


def compute(name: str, function: str, given: Any) -> Measurement:
    """Return mean and standard error of a metric.

    Args:
        name: The metric.
        function: How it is computed, one of our names.
        given: What was given: the value itself, or the arguments of the function, ``sem`` among them.

    Raises:
        InvalidResultError: It is no number, or an argument is missing; the sentence names the metric.
    """
    if function == PASS_THROUGH:
        return _passed_through(name, given)
    arguments = dict(given) if isinstance(given, Mapping) else {"a": given}
    sem = arguments.pop("sem", None)
    if function == "mean":
        value = statistics.fmean(_numbers(name, arguments, "a"))
    else:
        true, predicted = _numbers(name, arguments, "y_true"), _numbers(name, arguments, "y_pred")
        if len(true) != len(predicted):
            raise InvalidResultError(
                f"the metric {name!r} has {len(true)} values in y_true and {len(predicted)} in y_pred"
            )
        value = _COMPARE[function](true, predicted, arguments)
    return measurement((value, sem), name)


def _passed_through(name: str, given: Any) -> Measurement:
    if isinstance(given, Mapping):
        keys = [key for key in _SOLE_KEYS if key in given]
        if len(keys) != 1 or not given.keys() <= {keys[0], "sem"}:
            found = ", ".join(repr(key) for key in list(given)[:5]) or "nothing"
            raise InvalidResultError(f"the metric {name!r} is missing; there is {found}")
        return measurement((_sole(name, given[keys[0]]), given.get("sem")), name)
    return measurement(_sole(name, given), name)


def _sole(name: str, value: Any) -> Any:
    """Return the value that stands alone in a list: R writes every number as one."""
    while isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    _refuse_nan(name, value)
    return value


def _refuse_nan(name: str, value: Any) -> None:
    if isinstance(value, str) and value.strip().lower() in _NOT_A_NUMBER:
        raise InvalidResultError(f"the metric {name!r} is {value.strip()}")


def _numbers(name: str, arguments: Mapping[str, Any], key: str) -> list[float]:
    if key not in arguments:
        found = ", ".join(repr(other) for other in list(arguments)[:5]) or "nothing"
        raise InvalidResultError(f"the metric {name!r} needs {key!r}; there is {found}")
    numbers = list(_flat(name, arguments[key]))
    if not numbers:
        raise InvalidResultError(f"the metric {name!r} has no values in {key!r}")
    return numbers


def _flat(name: str, value: Any) -> Iterable[float]:
    if hasattr(value, "tolist"):
        value = value.tolist()  # an array
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        for part in value:
            yield from _flat(name, part)
        return
    _refuse_nan(name, value)
    number = measurement(value, name)[0]
    if not math.isfinite(number):
        raise InvalidResultError(f"the metric {name!r} is computed from {number}")
    yield number


def _mse(true: list[float], predicted: list[float], _: Mapping[str, Any]) -> float:
    return statistics.fmean((one - other) ** 2 for one, other in zip(true, predicted, strict=True))


def _rmse(true: list[float], predicted: list[float], arguments: Mapping[str, Any]) -> float:
    return math.sqrt(_mse(true, predicted, arguments))


def _squared_or_not(true: list[float], predicted: list[float], arguments: Mapping[str, Any]) -> float:
    return (_mse if arguments.get("squared", True) else _rmse)(true, predicted, arguments)


def _mae(true: list[float], predicted: list[float], _: Mapping[str, Any]) -> float:
    return statistics.fmean(abs(one - other) for one, other in zip(true, predicted, strict=True))


def _r2(true: list[float], predicted: list[float], _: Mapping[str, Any]) -> float:
    mean = statistics.fmean(true)
    residual = sum((one - other) ** 2 for one, other in zip(true, predicted, strict=True))
    total = sum((one - mean) ** 2 for one in true)
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return 1.0 - residual / total


def _nrmse(true: list[float], predicted: list[float], arguments: Mapping[str, Any]) -> float:
    how = arguments.get("normalizer", "iqr")
    if how not in _SPREADS:
        raise InvalidResultError(f"normalizer must be one of {', '.join(_SPREADS)}, not {how!r:.40}")
    spread = _SPREADS[how](predicted)
    if spread == 0:
        raise InvalidResultError(f"the {how} of y_pred is 0, so nothing can be normalized by it")
    return _rmse(true, predicted, arguments) / spread


def _quantile(ordered: list[float], share: float) -> float:
    position = share * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def _iqr(values: list[float]) -> float:
    ordered = sorted(values)
    return _quantile(ordered, 0.75) - _quantile(ordered, 0.25)


_SPREADS: dict[str, Callable[[list[float]], float]] = {
    "iqr": _iqr,
    "std": lambda values: statistics.stdev(values) if len(values) > 1 else 0.0,
    "mean": statistics.fmean,
    "range": lambda values: max(values) - min(values),
}
_COMPARE: dict[str, Callable[[list[float], list[float], Mapping[str, Any]], float]] = {
    "mse": _squared_or_not,
    "rmse": _rmse,
    "mae": _mae,
    "r2": _r2,
    "nrmse": _nrmse,
}
