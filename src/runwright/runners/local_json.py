"""Tagged JSON: what an evaluation function returned, as JSON that gives the object back.

Plain JSON stays as it is. Everything else is ``{"__class__": "module:Class", ...}``; what cannot come back as the
object that it was is ``{"__text__": ...}``. Nothing is ever unpickled, no constructor is called and no script is run:
`restored` sets the fields of dataclasses, point results, named tuples and enumerations, of classes that are found by
their reference, and of no others.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import sys
from enum import Enum
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from runwright.errors import RunwrightError
from runwright.function_reference import FunctionReference
from runwright.measurements import clean

if TYPE_CHECKING:
    from collections.abc import Callable

TAG = "__class__"
TEXT = "__text__"
_LONGEST_TEXT = 2000
_DEEPEST = 50
_ARRAYS = "biuf"  # kinds of numpy types whose lists hold numbers alone


class UnrestorableError(RunwrightError):
    """Tagged JSON holds a class that cannot be found any more, or that is none of those that may come back."""


def tagged(value: Any) -> Any:
    """Return a value as tagged JSON.

    Args:
        value: Anything.
    """
    return _tagged(value, 0)


def _tagged(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is float:  # by far the most common
        return value if math.isfinite(value) else {TAG: "builtins:float", "text": str(value)}
    if kind is int or kind is bool or value is None:
        return value
    if kind is str:
        return clean(value)
    try:
        if depth == _DEEPEST:  # most probably it contains itself
            return _text(value, f"it is nested more than {_DEEPEST} levels deep")
        return _compound(value, kind, depth + 1)
    except Exception as error:  # noqa: BLE001  (a user's object may raise anything while it is looked at)
        return _text(value, f"{type(error).__name__}: {error}")


def _compound(value: Any, kind: type, depth: int) -> Any:
    if kind is list:
        return [_tagged(item, depth) for item in value]
    if kind is dict:
        return _mapping(value, depth)
    if kind in (tuple, set, frozenset):
        return {TAG: f"builtins:{kind.__name__}", "items": [_tagged(item, depth) for item in value]}
    if kind.__module__ == "numpy":
        return _of_numpy(value, kind)
    if isinstance(value, Enum):
        return {TAG: _reference(kind), "name": value.name}
    fields = _fields(value, kind)
    if fields is None:
        return _text(value)
    return {TAG: _reference(kind), "fields": {name: _tagged(part, depth) for name, part in fields.items()}}


def _mapping(value: dict[Any, Any], depth: int) -> Any:
    if TAG in value or TEXT in value or not all(type(key) is str and key.isprintable() for key in value):
        pairs = [[_tagged(key, depth), _tagged(item, depth)] for key, item in value.items()]
        return {TAG: "builtins:dict", "items": pairs}
    return {key: _tagged(item, depth) for key, item in value.items()}


def _of_numpy(value: Any, kind: type) -> Any:
    if getattr(value.dtype, "kind", "") not in _ARRAYS:
        return _text(value)
    body = {TAG: f"numpy:{kind.__name__}", "dtype": str(value.dtype), "values": tagged(value.tolist())}
    return body | {"shape": list(value.shape)} if kind.__name__ == "ndarray" else body


def _fields(value: Any, kind: type) -> dict[str, Any] | None:
    """Return what makes up an object that may come back, or None."""
    if dataclasses.is_dataclass(kind):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(kind)}
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return dict(zip(kind._fields, value, strict=True))
    if kind is SimpleNamespace or _is_point(kind):
        return dict(vars(value))
    return None


def _is_point(kind: type) -> bool:
    """Whether a class is a point result: it gives mean and standard error of a metric."""
    return callable(getattr(kind, "metric_data", None))


def _reference(kind: type) -> str:
    return "types:SimpleNamespace" if kind is SimpleNamespace else FunctionReference.of(kind).text


def _text(value: Any, because: str | None = None) -> dict[str, str]:
    kind = type(value)
    try:
        text = clean(repr(value))[:_LONGEST_TEXT]
    except Exception as trouble:  # noqa: BLE001  (a user's __repr__ may raise anything)
        text = f"an object whose repr raises {type(trouble).__name__}"
    body = {TEXT: text, "of": clean(f"{kind.__module__}:{kind.__qualname__}")}
    return body if because is None else body | {"because": clean(because)[:_LONGEST_TEXT]}


def restored(value: Any) -> Any:
    """Return the object that `tagged` was given; where it kept the text alone, that text.

    Args:
        value: Tagged JSON.

    Raises:
        UnrestorableError: A class in it cannot be found any more, or may not come back.
    """
    if isinstance(value, list):
        return [restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if TEXT in value:
        return value[TEXT]
    tag = value.get(TAG)
    if tag is None:
        return {key: restored(item) for key, item in value.items()}
    try:
        build = _BUILT_IN.get(tag)
        return _of_class(tag, value) if build is None else build(value)
    except UnrestorableError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}"  # a module may raise anything while it is imported
        raise UnrestorableError(f"an object of {tag!r:.200} cannot be restored: {why}") from error


_BUILT_IN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "builtins:float": lambda body: float(body["text"]),
    "builtins:tuple": lambda body: tuple(restored(body["items"])),
    "builtins:set": lambda body: set(restored(body["items"])),
    "builtins:frozenset": lambda body: frozenset(restored(body["items"])),
    "builtins:dict": lambda body: {restored(key): restored(item) for key, item in body["items"]},
    "types:SimpleNamespace": lambda body: SimpleNamespace(**restored(body["fields"])),
}


def _of_class(tag: str, body: dict[str, Any]) -> Any:
    if tag.startswith("numpy:"):
        return _to_numpy(tag.partition(":")[2], body)
    kind = _class(tag)
    if issubclass(kind, Enum):
        return kind[body["name"]]
    fields = {name: restored(part) for name, part in body["fields"].items()}
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return tuple.__new__(kind, [fields[name] for name in kind._fields])
    if not (dataclasses.is_dataclass(kind) or _is_point(kind)):
        raise TypeError("only dataclasses, point results, named tuples and enumerations come back")
    made = object.__new__(kind)
    for name, part in fields.items():
        object.__setattr__(made, name, part)  # a frozen one too, and without code of its class
    return made


def _class(tag: str) -> Any:
    source, _, qualname = tag.rpartition(":")
    found: Any
    if source.endswith(".py"):
        loaded = (module for module in list(sys.modules.values()) if getattr(module, "__file__", None) == source)
        found = next(loaded, None)  # the driver's own script, or that of the function; no other is run for this
        if found is None:
            raise ImportError(f"{source} is not loaded in this process")
    else:
        found = importlib.import_module(source)
    for part in qualname.split("."):
        found = getattr(found, part)
    if not isinstance(found, type):
        raise TypeError("it is no class")
    return found


def _to_numpy(name: str, body: dict[str, Any]) -> Any:
    numpy = importlib.import_module("numpy")
    values = numpy.array(restored(body["values"]), dtype=body["dtype"])
    return values.reshape(body["shape"]) if name == "ndarray" else values[()]
