"""How a SMAC script is called and answers: arguments ``--x=1.5``, a last line ``cost=0.5; status=SUCCESS``.

The exit status counts, whatever is logged before and after the line is allowed, and no space is taken away.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runwright.errors import InvalidResultError
from runwright.json_values import read_number
from runwright.status import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from runwright.result import Json
    from runwright.trial import BaseTrial

FAILURES = {
    "CRASHED": FailureKind.CRASHED,
    "TIMEOUT": FailureKind.TIMEOUT,
    "MEMORYOUT": FailureKind.MEMORYOUT,
}
ARGUMENTS = ("seed", "instance", "budget")
"""Arguments that say something of the trial; the last two are there where the trial has such."""
_KEYS = ("cost", "runtime", "cpu_time", "status")
_LINE = re.compile(r"(?:^|;)\s*(?:cost|status)\s*=")
_REST = "additional_info"
_BEFORE_REST = re.compile(rf"{_REST}\s*=")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a script answered.

    Attributes:
        costs: One or several.
        status: ``SUCCESS``, ``CRASHED``, ``TIMEOUT`` or ``MEMORYOUT``.
        runtime: Seconds, where it said so.
        info: What else it said.
    """

    costs: tuple[float, ...]
    status: str
    runtime: float | None
    info: Json

    def metrics(self, objectives: Sequence[str]) -> dict[str, Any]:
        """Return the costs as metrics, in order of the objectives, and the rest as ``info``.

        Raises:
            InvalidResultError: There are more or fewer costs than objectives.
        """
        if len(self.costs) != len(objectives):
            names = ", ".join(objectives)
            raise InvalidResultError(
                f"its last line has {len(self.costs)} costs; there are {len(objectives)} objectives ({names})"
            )
        found: dict[str, Any] = dict(zip(objectives, self.costs, strict=True))
        return {**found, "info": self.info} if self.info and "info" not in found else found


def arguments(trial: BaseTrial, parameters: Iterable[str]) -> list[str]:
    """Return the arguments of a script, with placeholders for the values."""
    names = [name for name in ARGUMENTS if getattr(trial, name) is not None]
    return [f"--{name.replace('{', '{{').replace('}', '}}')}={{{name}}}" for name in (*names, *parameters)]


def parse(text: str) -> Answer:
    """Return what the last line that is an answer says.

    Raises:
        InvalidResultError: There is none, or a value is no number.
    """
    found = [_pairs(line) for line in text.split("\n") if _LINE.search(line)]
    if not found:
        raise InvalidResultError("stdout.log has no line such as 'cost=0.5; status=SUCCESS'")
    # A program may log `status=closing` after its answer; what has a cost is an answer, also a wrong one.
    answers = [pairs for pairs in found if "cost" in pairs or _status(pairs) in FAILURES]
    pairs = (answers or found)[-1]
    status = _status(pairs)
    if status != "SUCCESS" and status not in FAILURES:
        known = ", ".join(("SUCCESS", *FAILURES))
        raise InvalidResultError(f"its last line says status={status:.40}; known are {known}")
    texts = pairs.get("cost", "")
    if not texts and status == "SUCCESS":
        raise InvalidResultError("its last line has no cost")
    costs = tuple([_number("cost", part) for part in texts.split(",")]) if texts else ()
    runtime = _number("runtime", pairs["runtime"]) if "runtime" in pairs else None
    info: Json = {key: _number(key, pairs[key]) for key in ("runtime", "cpu_time") if key in pairs}
    if _REST in pairs:
        info[_REST] = pairs[_REST]
    return Answer(costs, status, runtime, info)


def _status(pairs: Mapping[str, str]) -> str:
    return pairs.get("status", "SUCCESS").upper()


def _pairs(line: str) -> dict[str, str]:
    """Split a line at semicolons; additional information goes on to the end of the line, semicolons included."""
    before, *rest = _BEFORE_REST.split(line, maxsplit=1)
    pairs = {}
    for part in before.split(";"):
        key, equals, value = part.partition("=")
        if equals and key.strip() in _KEYS:
            pairs[key.strip()] = value.strip()
    if rest:
        pairs[_REST] = rest[0].strip()
    return pairs


def _number(name: str, text: str) -> float:
    try:
        return read_number(text)
    except ValueError:
        raise InvalidResultError(f"its last line says {name}={text.strip():.40}; a number is needed") from None
