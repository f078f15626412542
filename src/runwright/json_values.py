"""Values as the journal holds them: what a foreign loop calls a configuration becomes JSON, or a sentence."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

from runwright.errors import UsageError


def json_point(point: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a point as JSON types: parameter name to text, number, boolean, None, or lists and mappings of these.

    Numbers of numpy become Python's, tuples become lists.

    Args:
        point: Parameter name to value.

    Raises:
        UsageError: A name is no text, or a value is nothing that JSON can hold; the sentence names it.
    """
    found: dict[str, Any] = {}
    for name in point:  # the items of a mapping that is no dict would be a second generator
        value = point[name]
        if type(name) is str and name and type(value) is float and math.isfinite(value) and name.isascii():
            found[name] = value  # nearly all of them are such
            continue
        if not isinstance(name, str) or not name:
            raise UsageError(f"the name of a parameter must be a text that is not empty, not {name!r:.60}")
        try:
            found[_text(name, "the name of a parameter")] = json_value(value, f"parameter {name!r:.60}")
        except RecursionError:
            raise UsageError(f"parameter {name!r:.60} is nested too deeply") from None
    return found


def json_value(value: Any, what: str) -> Any:
    """Return a value as JSON types.

    Args:
        value: The value.
        what: What it is, for the error.

    Raises:
        UsageError: It is nothing that JSON can hold.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, what)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        if not math.isfinite(number):
            raise UsageError(f"{what} must be finite, not {number}")
        return number
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise UsageError(f"{what} has a name in it that is no text")
        return {_text(name, what): json_value(part, what) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(part, what) for part in value]
    if hasattr(value, "tolist"):  # an array or a scalar of numpy, and what behaves like one
        return json_value(value.tolist(), what)
    kind = type(value)
    raise UsageError(
        f"{what} is an object of type {kind.__module__}.{kind.__qualname__}; a configuration holds texts, numbers, "
        "booleans, None, and lists and mappings of these"
    )


def _text(value: str, what: str) -> str:
    plain = str.__str__(value)  # of an enumeration its text, not its name
    try:
        plain.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} holds half of a character (a lone surrogate), which cannot be recorded") from None
    return plain


def read_number(text: str) -> float:
    """Return the number that a text is, in ASCII digits: Python alone reads ``1_000`` and the digits of other scripts.

    Raises:
        ValueError: It is none.
    """
    if "_" in text or not text.strip().isascii():
        raise ValueError
    return float(text)


def json_kind(value: object) -> str:
    """Say what a value is, as JSON calls it."""
    known = {dict: "object", list: "list", str: "text", bool: "boolean", type(None): "null"}
    return known.get(type(value), "number")


def why_unreadable(error: Exception) -> str:
    """Say why a text is no JSON or YAML; of a long number not how to have Python read it."""
    said = " ".join(str(error).split())
    return "a number in it has too many digits" if "int_max_str_digits" in said else f"{said:.200}"
