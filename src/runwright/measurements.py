"""Turns what an evaluation function returned into measurements.

Accepted are a number (of the sole objective), ``(mean, sem)`` (the same), a list of numbers (of several objectives, in
their order), a mapping of metrics, a point result with ``metric_names``, ``means`` and ``cov``, and a `Result`; each
but the last may be the first of two, whose second is a mapping of remarks. Everything else is refused by a sentence
that names the metric. An objective must be a finite number; what else a mapping holds is kept: finite numbers as
metrics, the rest as additional information, since one odd remark must not cost the measurement of an hour.
"""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from runwright.errors import InvalidResultError

if TYPE_CHECKING:
    from collections.abc import Collection

    from runwright.result import Json, Measurement, Metrics, Result

_LONGEST_TEXT = 2000
_PAIR = 2


def clean(text: str) -> str:
    """Return a text that UTF-8 can hold: lone surrogates are replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def read_returned(value: Any, objectives: Collection[str]) -> tuple[Metrics, Json]:
    """Read the value that an evaluation of one point returned.

    Args:
        value: What it returned; anything but a `Result`.
        objectives: Names of the objectives. Without any, all that a mapping holds must be measurements.

    Returns:
        The metrics, and what else was said.

    Raises:
        InvalidResultError: A sentence that names the metric. A missing or non-finite objective is not looked for here.
    """
    if isinstance(value, Mapping):
        return _read_mapping(value, objectives)
    if hasattr(value, "metric_names") and hasattr(value, "means"):
        return _read_mapping(_of_point(value), objectives)
    if value is None:
        raise InvalidResultError(f"the evaluation returned None where {_wanted(objectives)} was expected")
    if isinstance(value, tuple) and len(value) == _PAIR and isinstance(value[1], Mapping):
        metrics, info = read_returned(value[0], objectives)
        return metrics, info | {clean(str(name)): _as_json(part) for name, part in value[1].items()}
    if len(objectives) > 1 and (isinstance(value, (list, tuple)) or getattr(value, "shape", None)):
        return _in_order(value, objectives), {}
    name = _sole(objectives)
    return {name: measurement(value, name)}, {}


def _in_order(values: Any, objectives: Collection[str]) -> Metrics:
    """Read a list of values: one for each objective, in their order."""
    if len(values) != len(objectives):
        names = ", ".join(repr(name) for name in objectives)
        raise InvalidResultError(
            f"the evaluation returned {len(values)} values where there are {len(objectives)} objectives ({names})"
        )
    return {name: measurement(value, name) for name, value in zip(objectives, values, strict=True)}


def read_result(result: Result, objectives: Collection[str]) -> tuple[Metrics, Json]:
    """Read a `Result` that a function made itself; its failure is not looked at.

    Raises:
        InvalidResultError: It has several arms, or something in it is no measurement or no JSON.
    """
    if len(result.arms) > 1:
        raise InvalidResultError(f"the evaluation of one point returned {len(result.arms)} arms")
    metrics, info = read_returned(result.metrics, objectives)
    if result.additional_info is None:
        return metrics, info
    try:
        text = json.dumps(result.additional_info, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidResultError(f"the additional_info of the returned result is no JSON: {error}") from None
    given = json.loads(text)
    if not isinstance(given, dict):
        raise InvalidResultError("the additional_info of the returned result must be a mapping")
    return metrics, info | given


def measurement(value: Any, name: str) -> Measurement:
    """Return mean and standard error of a metric.

    Args:
        value: A number, ``(mean, sem)``, or ``{"mean": ..., "sem": ...}``.
        name: Name of the metric, for the error.

    Raises:
        InvalidResultError: It is none of these, or the standard error is negative.
    """
    if type(value) is float:
        return value, None
    if isinstance(value, Mapping):
        if "mean" not in value or not value.keys() <= {"mean", "sem"}:
            raise InvalidResultError(
                f"the metric {name!r} is a mapping; only {{'mean': number, 'sem': number}} is understood"
            )
        value = (value["mean"], value.get("sem"))
    if not isinstance(value, (tuple, list)):
        return _number(value, name), None
    if len(value) != _PAIR:
        raise InvalidResultError(
            f"the metric {name!r} is a {type(value).__name__} of {len(value)}; return a number, or (mean, sem)"
        )
    mean = _number(value[0], name)
    sem = None if value[1] is None else _number(value[1], f"{name} (sem)")
    if sem is not None and sem < 0:
        raise InvalidResultError(f"the standard error (sem) of the metric {name!r} is negative: {sem}")
    return mean, sem


def _number(value: Any, name: str) -> float:
    """Return a float: numpy scalars, 0-d arrays, decimals and fractions are numbers, booleans and texts are not."""
    if not isinstance(value, (int, numbers.Real, Decimal)) and getattr(value, "shape", None) == ():
        if bool(getattr(value, "mask", False)):  # numpy's way to say that there is no value: its item() is 0.0
            raise InvalidResultError(f"the metric {name!r} is masked; a number is needed")
        value = value.item()  # a 0-d array of numpy, torch, jax ...
    if isinstance(value, bool) or not isinstance(value, (int, numbers.Real, Decimal)):
        raise InvalidResultError(f"the metric {name!r} is {_show(value)}; a number is needed")
    try:
        return float(value)
    except (OverflowError, ValueError, TypeError) as error:
        raise InvalidResultError(f"the metric {name!r} does not fit into a floating-point number: {error}") from None


def finite(value: Any, name: str) -> float:
    """Return a finite float.

    Raises:
        InvalidResultError: It is none; the sentence calls it by this name.
    """
    number = _number(value, name)
    if not math.isfinite(number):
        raise InvalidResultError(f"{name} of the returned result is {number}")
    return number


def _show(value: object) -> str:
    if value is None:
        return "None"
    if isinstance(value, (str, bool)):
        return f"the {'text' if isinstance(value, str) else 'boolean'} {value!r:.60}"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"an array of shape {shape!r:.60}"
    kind = type(value)
    return f"an object of type {kind.__qualname__ if kind.__module__ == 'builtins' else _full(kind)}"


def _full(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _sole(objectives: Collection[str]) -> str:
    if len(objectives) == 1:
        return next(iter(objectives))
    if not objectives:
        raise InvalidResultError("the experiment names no objective; the evaluation must return a mapping of metrics")
    names = ", ".join(repr(name) for name in objectives)
    raise InvalidResultError(
        f"the evaluation returned one value where there are {len(objectives)} objectives ({names}); return a mapping"
    )


def _wanted(objectives: Collection[str]) -> str:
    return " and ".join(f"the objective {name!r}" for name in objectives) or "a mapping of metrics"


def _read_mapping(value: Mapping[Any, Any], objectives: Collection[str]) -> tuple[Metrics, Json]:
    metrics: Metrics = {}
    info: Json = {}
    for name, given in value.items():
        if name in objectives:
            metrics[name] = measurement(given, name)
        elif not isinstance(name, str):
            raise InvalidResultError(f"the name of a metric must be a text, not {name!r:.60}")
        elif not objectives:
            metrics[clean(name)] = measurement(given, name)
        else:
            _keep(clean(name), given, metrics, info)
    return metrics, info


def _keep(name: str, value: Any, metrics: Metrics, info: Json) -> None:
    """Keep something that nobody asked for, as a metric if it is one."""
    try:
        mean, sem = measurement(value, name)
    except InvalidResultError:
        if name == "info" and isinstance(value, Mapping):
            for key, part in value.items():
                info[clean(str(key))] = _as_json(part)
        else:
            info[name] = _as_json(value)
        return
    if math.isfinite(mean) and (sem is None or math.isfinite(sem)):
        metrics[name] = (mean, sem)
    else:
        info[name] = str(mean) if sem is None else f"{mean} (sem {sem})"


def _as_json(value: Any) -> Any:
    """Return the value as JSON types, or the text of it where it has none."""
    try:
        return json.loads(clean(json.dumps(value, allow_nan=False, ensure_ascii=False)))
    except (TypeError, ValueError, RecursionError):
        pass  # the text of it is better than nothing
    try:
        return clean(repr(value))[:_LONGEST_TEXT]
    except Exception as error:  # noqa: BLE001  (a user's __repr__ may raise anything)
        return f"an object of type {_full(type(value))} whose repr raises {type(error).__name__}"


def _of_point(point: Any) -> Metrics:
    """Read a point result: names, means, and a covariance or None."""
    names, means, cov = list(point.metric_names), point.means, getattr(point, "cov", None)
    if len(means) != len(names) or (cov is not None and len(cov) != len(names)):
        raise InvalidResultError(f"the point result has {len(names)} metric_names, but means or cov of another length")
    metrics: Metrics = {}
    for position, name in enumerate(names):
        mean = _number(means[position], name)
        if cov is None:
            metrics[name] = (mean, None)
            continue
        variance = _number(cov[position][position], f"{name} (cov)")
        if variance < 0:
            raise InvalidResultError(f"the variance of the metric {name!r} is negative: {variance}")
        metrics[name] = (mean, math.sqrt(variance))
    return metrics
