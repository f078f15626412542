"""Points that a user writes: ``name=value`` words, or a JSON file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.cli.terminal import brief, printable, shown
from runwright.errors import UsageError
from runwright.experiment import Choice, Float, Int

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwright.experiment import Experiment, Parameter

_LONGEST = 60
_LONGEST_PATH = 300


def from_words(experiment: Experiment, words: Sequence[str]) -> dict[str, Any]:
    """Read one point from ``name=value`` words; in an open experiment a value is JSON, or else a text.

    Raises:
        UsageError: A word is no such pair, a name is unknown or stands twice, or a value cannot be read.
    """
    found: dict[str, Any] = {}
    names = sorted(experiment.parameters, key=len, reverse=True)
    for word in words:
        if experiment.is_open and "=" in word:
            names = [word.partition("=")[0]]
        name = next((name for name in names if word.startswith(f"{name}=")), None)
        if not name:
            known = ", ".join(printable(name) for name in list(experiment.parameters)[:10])
            raise UsageError(f"'{brief(word, _LONGEST)}' is no NAME=VALUE of a parameter; there are: {known}")
        if name in found:
            raise UsageError(f"parameter '{printable(name)}' is given twice")
        text = word[len(name) + 1 :]
        found[name] = _json_or_text(text) if experiment.is_open else _read(name, experiment.parameters[name], text)
    return found


def _json_or_text(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read(name: str, parameter: Parameter, text: str) -> object:
    if isinstance(parameter, Choice):
        return _option(name, parameter, text)
    kind = int if isinstance(parameter, Int) else float
    try:
        return kind(text)
    except ValueError:
        what = "an integer" if kind is int else "a number"
        raise UsageError(f"parameter '{printable(name)}' must be {what}, not '{brief(text, _LONGEST)}'") from None


def _option(name: str, parameter: Choice, text: str) -> object:
    for option in parameter.values:
        if text == str(option) or (isinstance(option, bool) and text == str(option).lower()):
            return option
    for option in parameter.values:
        if isinstance(option, (int, float)) and not isinstance(option, bool) and _number(text) == option:
            return option
    known = ", ".join(printable(option) for option in parameter.values[:10])
    raise UsageError(f"parameter '{printable(name)}' is one of {known}, not '{brief(text, _LONGEST)}'")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def from_file(path: str) -> list[dict[str, Any]]:
    """Read points from a JSON file: a list of objects, or one object.

    Args:
        path: The file; ``-`` is standard input.

    Raises:
        UsageError: It cannot be read, is something else, or names a parameter twice in one point.
    """
    where = brief(shown(path), _LONGEST_PATH)

    def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise UsageError(f"{where}: '{brief(name, _LONGEST)}' stands twice in one object; remove one of them")
            found[name] = value
        return found

    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
        body = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=each_once)
    except OSError as error:
        raise UsageError(f"{where}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UsageError(f"{where}: is no JSON in UTF-8 ({printable(error)})") from None
    except RecursionError:
        raise UsageError(f"{where}: is nested too deep; it must be a list of points") from None
    points = [body] if isinstance(body, dict) else body
    if not isinstance(points, list) or not points or not all(isinstance(point, dict) for point in points):
        raise UsageError(f"{where}: must be a list of points, each an object of parameter names to values")
    return points


def ranges(parameter: Parameter) -> str:
    """Say what a parameter may be."""
    if isinstance(parameter, Choice):
        return ", ".join(printable(value) for value in parameter.values)
    scale = ", log scale" if parameter.log else ""
    low, high = (
        f"{bound:g}" if isinstance(parameter, Float) else str(bound) for bound in (parameter.low, parameter.high)
    )
    return f"{low} to {high}{scale}"
