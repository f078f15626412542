"""The cases of the torture of limits: what is run into which limit, and what is to come of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runwright.process.output import NOTE
from tests.torture.limits_victim import MEMORY, MIB, OUTPUT, SHARED_MEMORY

if TYPE_CHECKING:
    import random
    from pathlib import Path

IGNORE = frozenset({"ignores", "tree", "floods", "stubborn"})
"""Cases that do not obey SIGTERM."""
INNOCENT = frozenset({"shares", "modest"})
"""Cases that come near a limit and do not exceed it."""
_NOT_IN_A_POOL = frozenset({"floods", "watched", "result"})  # no limit of theirs, a supervisor's name, no such file


@dataclass(frozen=True)
class Group:
    """Cases that have their limits in common.

    Attributes:
        name: Its name.
        cases: Names of the cases.
        failure: Kind of failure to come.
    """

    name: str
    cases: tuple[str, ...]
    failure: str


GROUPS = {
    group.name: group
    for group in (
        Group("time", ("obeys", "busy", "ignores", "tree", "floods", "suspended", "watched"), "TIMEOUT"),
        Group("memory", ("slow", "fast", "child", "family", "mapped", "shm"), "MEMORYOUT"),
        Group("shared", ("copies", "shares"), "MEMORYOUT"),
        Group("output", ("stdout", "stubborn", "both", "result", "burst", "modest"), "OUTPUT_LIMIT"),
    )
}


@dataclass(frozen=True)
class Setting:
    """One driver, and what it deploys.

    Attributes:
        kind: ``command``, ``function`` or ``pool``.
        dead: Whether the driver is killed as soon as all have begun.
        group: What they run into.
        limits: As `runwright.Limits` takes them.
        cases: Names of the cases.
        round: Which repetition it is.
    """

    kind: str
    dead: bool
    group: Group
    limits: dict[str, Any]
    cases: tuple[str, ...]
    round: int = 0

    def words(self, case: str) -> str:
        """Return the words that repeat a case."""
        return f"{self.kind}/{'dead' if self.dead else 'alive'}/{self.group.name}/{case}"


def setting(kind: str, driver: str, group: str, dice: random.Random, only: str | None, number: int = 0) -> Setting:
    """Return a setting; with the cases that are asked for."""
    grace = dice.choice((0.3, 0.5, 2.0)) if number else 0.5
    limits: dict[str, dict[str, float]] = {
        "time": {"timeout": round(dice.uniform(0.8, 1.5), 3)},
        "memory": {"memory": MEMORY},
        "shared": {"memory": SHARED_MEMORY},
        "output": {"output": OUTPUT},
    }
    found = GROUPS[group]
    made = Setting(kind, driver == "dead", found, limits[group] | {"grace": grace}, found.cases, number)
    left = (case for case in found.cases if kind != "pool" or case not in _NOT_IN_A_POOL)
    return replace(made, cases=tuple(case for case in left if only is None or only == made.words(case)))


@dataclass
class Tally:
    """What came of all of them.

    Attributes:
        faults: Cases with another kind or sentence than they should have.
        survivors: Cases of which a process lives when the end is said.
        evidence: Cases whose log is missing, too large, or has not beginning and end.
        delays: Seconds by what they are of, one a case.
        over: How many cases there were.
    """

    faults: list[str] = field(default_factory=list)
    survivors: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    delays: dict[str, list[float]] = field(default_factory=dict)
    over: int = 0

    def delay(self, of: str, seconds: float) -> None:
        """Note a delay."""
        self.delays.setdefault(of, []).append(seconds)


def sentence(given: Setting, case: str) -> str:
    """Return the pattern that the sentence of a case must match, whole."""
    limits = given.limits
    if given.group.failure == "TIMEOUT":
        said = rf"it was ended after [\d.]+ s; the time limit is {limits['timeout']:.3g} s"
    elif given.group.failure == "MEMORYOUT":
        said = rf"it was ended when it held [\d.]+ [GM]iB; the memory limit is {limits['memory'] // MIB} MiB"
    else:
        said = r"it (was ended when it had written|wrote) [\d.e+]+ MiB; the output limit is 3.815 MiB"
    # What a pool worker writes, and a result file, fill the disk while it is asked politely: killed at once.
    if case in IGNORE and not (case == "stubborn" and given.kind == "pool"):
        said += f"; it did not obey SIGTERM and was killed after its grace of {limits['grace']:g} s"
    return said


def wrong(given: Setting, case: str, outcome: dict[str, Any]) -> str | None:
    """Say what is wrong with an outcome; None where it is as it should be."""
    kind = None if case in INNOCENT else given.group.failure
    if outcome["kind"] != kind:
        return f"{outcome['kind']} instead of {kind}: {outcome['message']}"
    if kind is not None and not re.fullmatch(sentence(given, case), outcome["message"]):
        return f"{outcome['message']!r} is not {sentence(given, case)!r}"
    return None


def bad_log(given: Setting, case: str, outcome: dict[str, Any], directory: Path) -> str | None:
    """Say what is wrong with the log of a case; None where nothing is, or there should be none."""
    written = given.group.name == "output" and case not in ("result", *INNOCENT)
    if outcome["log"] is None:
        return "no log is named" if written or (given.kind != "pool" and outcome["kind"]) else None
    log = directory / outcome["log"]
    if not log.is_file():
        return f"{outcome['log']} is not there"
    if not written:
        return None
    content = log.read_bytes()
    if len(content) > 1.1 * OUTPUT + 200_000:
        return f"{outcome['log']} has {len(content)} bytes"
    lines = content.splitlines()
    if lines[0] != b"line 000000000 of the torture of limits" and case != "both":
        return f"{outcome['log']} begins with {lines[0]!r:.60}"
    if case == "stubborn" and not any(line.startswith(NOTE.encode()) for line in lines):
        return f"{outcome['log']} does not say what was cut"
    if not lines[-2].startswith(b"line ") and given.kind != "pool":
        return f"{outcome['log']} ends with {lines[-2]!r:.60}"
    return None
