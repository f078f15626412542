"""Models and functions as JSON, and back: by the name under which another process can import them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from runwright.errors import UsageError
from runwright.function_reference import FunctionReference

if TYPE_CHECKING:
    from runwright.result import Json

_ATOMS = (str, int, float, bool, type(None))


def to_json(value: object) -> Any:
    """Return the JSON form of a model (a dataclass), a function, a list of these, or plain data.

    Raises:
        UsageError: Another process could not import it; the sentence says why.
    """
    if type(value) in _ATOMS:
        return value
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {"dict": [[key, to_json(item)] for key, item in value.items()]}
    if is_dataclass(value) and not isinstance(value, type):
        return _call(type(value), (), {field.name: getattr(value, field.name) for field in fields(value) if field.init})
    if isinstance(value, partial):
        return {"partial": _call(value.func, value.args, value.keywords)}
    if callable(value):
        return {"function": FunctionReference.of(value).text}
    raise UsageError(f"{value!r:.80} cannot be written as JSON; make the model a dataclass of numbers and functions")


def _call(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Json:
    return {
        "call": FunctionReference.of(function).text,
        "args": [to_json(value) for value in args],
        "keywords": {name: to_json(value) for name, value in keywords.items()},
    }


def from_json(body: Any) -> Any:
    """Build what `to_json` wrote; a list becomes a tuple.

    Raises:
        UsageError: A model or a function of it does not import.
    """
    if isinstance(body, list):
        return tuple(from_json(item) for item in body)
    if not isinstance(body, dict):
        return body
    if "dict" in body:
        return {key: from_json(item) for key, item in body["dict"]}
    if "function" in body:
        return FunctionReference.of(body["function"]).load()
    called = body.get("partial", body)
    function = FunctionReference.of(called["call"]).load()
    if called is body and not (isinstance(function, type) and is_dataclass(function)):
        raise UsageError(f"{called['call']!r:.200} is no model: models are dataclasses")
    args = [from_json(value) for value in called["args"]]
    keywords = {name: from_json(value) for name, value in called["keywords"].items()}
    return partial(function, *args, **keywords) if "partial" in body else function(*args, **keywords)
