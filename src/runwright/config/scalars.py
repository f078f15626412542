"""What a text without quotes means in an experiment file: the core schema of YAML 1.2.

YAML 1.1 reads some of them otherwise: ``no`` is false, ``010`` is eight, ``1_000`` is a number, ``1e-3`` is none. Those
that would silently mean something else to another reader are refused, where their meaning matters.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Scalar: TypeAlias = "str | int | float | bool | None"

_LONGEST_NUMBER = 300  # digits; beyond, neither Python's floats nor anybody's program can hold it

_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE = {"true", "True", "TRUE"}
_FALSE = {"false", "False", "FALSE"}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_OLD_BOOLEAN = {
    word: word.lower() in ("yes", "on")
    for base in ("yes", "no", "on", "off")
    for word in (base, base.capitalize(), base.upper())
}
_OLD_NUMBER = re.compile(r"[-+]?(0[0-9_]+|[0-9][0-9_]*_[0-9_]*)(\.[0-9_]*)?")


class AmbiguousError(ValueError):
    """A text without quotes that readers of YAML take for different things."""


def is_null(text: str) -> bool:
    """Whether a text without quotes stands for nothing."""
    return text in _NULL


def resolve(text: str) -> Scalar:
    """Return the value of a text without quotes.

    Raises:
        AmbiguousError: Readers of YAML do not agree on it; the sentence says what to write.
        ValueError: It is a number that is too long.
    """
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text in _OLD_BOOLEAN:
        plain = "true" if _OLD_BOOLEAN[text] else "false"
        raise AmbiguousError(
            f"{text} without quotes is a boolean to some readers of YAML and a text to others; "
            f"write {plain}, or quote texts: '{text}'"
        )
    if _OLD_NUMBER.fullmatch(text):
        raise AmbiguousError(
            f"{text:.60} without quotes is not the same number to all readers of YAML; "
            "write it without leading zeros and underscores, or quote texts"
        )
    if _INT.fullmatch(text):
        if len(text) > _LONGEST_NUMBER:
            raise ValueError(f"the number {text:.20}... has {len(text)} digits; no program can hold it")
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def shown(value: object) -> str:
    """Return a value as it is shown in a sentence, cut."""
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value!r:.60}"
