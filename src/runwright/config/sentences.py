"""Says in one sentence what pydantic found wrong."""

from __future__ import annotations

import re
from difflib import get_close_matches
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from runwright.config.models import FilePart
from runwright.config.scalars import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from runwright.config.source import Source
    from runwright.config.tree import Location
    from runwright.errors import ExperimentFileError

_WANTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a mapping",
    "string_too_short": "a text that is not empty",
    "string_type": "a text (in quotes)",
}
_COMPARED = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le")}
_EXAMPLES: dict[tuple[str | int, ...], str] = {
    ("name",): "name: branin",
    ("parameters",): "parameters: {x: {type: float, bounds: [0, 1]}}",
    ("objectives",): "objectives: {y: minimize}",
    ("evaluate",): "evaluate: {function: 'model:f'}",
    ("evaluate", "result", "from"): "from: stdout",
    ("evaluate", "result", "pattern"): "pattern: 'y = (\\S+)'",
}


def first_error(source: Source, found: ValidationError) -> ExperimentFileError:
    """Make the error that a user should hear first: an unknown key, since it may be what is missing; then by line."""
    details = found.errors(include_url=False)

    def rank(detail: ErrorDetails) -> tuple[bool, int]:
        return detail["type"] != "extra_forbidden", source.line_of(detail["loc"]) or 0

    detail = min(details, key=rank)
    return source.error(detail["loc"], _sentence(detail))


def nearest(wrong: str, known: Iterable[str]) -> str:
    """Return the list of what is known, and the nearest to what was written."""
    names = sorted(known)
    close = _closest(wrong, names)
    listed = f"known are {', '.join(names)}" if names else "there are none"
    return listed if close is None else f"did you mean {close!r}? {listed}"


def _closest(wrong: str, names: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(wrong[:100].lower(), names, n=1)), None)


def _nearest_key(location: Location) -> str:
    """Return the keys that are known at a place, and what may be meant: a key from elsewhere, or one much like it."""
    wrong, here, places = str(location[-1]), _keys_at(location[:-1]), _places(FilePart)
    there = _closest(wrong, places)
    if there is None or there in here or (there != wrong and _closest(wrong, here)):
        return nearest(wrong, here)
    return f"did you mean {places[there]!r}? {nearest('', here)}"


def _places(model: type[BaseModel], above: str = "") -> dict[str, str]:
    """Return the keys of a part of the file and of its parts, each with its path; of two alike the outer, the first."""
    places = {key: above + key for key, _ in _fields(model)}
    for key, field in _fields(model):
        part = _model(field.annotation)
        if part is not None:
            places = _places(part, f"{above}{key}.") | places
    return places


def _sentence(detail: ErrorDetails) -> str:
    kind, value, context = detail["type"], detail.get("input"), detail.get("ctx", {})
    if kind == "said":
        return str(context["sentence"])
    if kind == "missing":
        example = _EXAMPLES.get(detail["loc"], "type: float" if detail["loc"][-1] == "type" else "")
        return f"it is missing; give it, for example: {example}"
    if kind == "extra_forbidden":
        return f"there is no such key here; {_nearest_key(detail['loc'])}"
    if kind == "literal_error":
        close = _closest(str(value), re.findall("'([^']+)'", str(context["expected"])))
        meant = "" if close is None else f"; did you mean {close!r}?"
        return f"it must be {context['expected']}, not {shown(value)}{meant}"
    if kind in _COMPARED:
        word, limit = _COMPARED[kind]
        return f"it must be {word} {context[limit]}, not {shown(value)}"
    wanted = _WANTED.get(kind)
    return f"{detail['msg'] if wanted is None else f'it must be {wanted}'}, not {shown(value)}{_hint(detail)}"


def _hint(detail: ErrorDetails) -> str:
    location, value = detail["loc"], detail.get("input")
    if location[:2] == ("evaluate", "command") and isinstance(value, dict):
        return '; quote texts with braces: "{x}"'
    if location == ("evaluate", "command") and isinstance(value, str):
        return "; program and arguments stand each for itself, [./sim, --x, '{x}'], since there is no shell"
    return ""


def _keys_at(location: Location) -> list[str]:
    """Return the keys that a mapping of the file may have."""
    inside: Any = FilePart
    for step in location:
        model = _model(inside)
        if model is not None:
            inside = next(field.annotation for key, field in _fields(model) if key == step)
        else:
            *_, inside = (part for part in get_args(inside) if part is not type(None))
    model = _model(inside)
    return [] if model is None else [key for key, _ in _fields(model)]


def _model(annotation: Any) -> type[BaseModel] | None:
    """Return the model of an annotation ``Model`` or ``Model | None``; None of ``dict[str, Model]``."""
    for part in (annotation, *(get_args(annotation) if get_origin(annotation) is UnionType else ())):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _fields(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    return [(field.alias or name, field) for name, field in model.model_fields.items()]
