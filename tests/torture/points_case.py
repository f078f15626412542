"""One case: drivers live one after the other, processes die where they are told to, and what is left is judged."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.torture.points_drivers import KINDS, Kind, watched
from tests.torture.points_evidence import Evidence, Judge
from tests.torture.points_tree import FAILED, Death, Tree

_MOST_LIVES = 8
_DEATH = re.compile(r"([a-z]+)(\d+)@(\d+)")


@dataclass
class Outcome:
    """What came of a case.

    Attributes:
        died: The deaths that happened, with what the process was about to do.
        faults: What is wrong.
        passages: Of each process, by its name, through which seam each passage went.
        starved: Whether the machine had no process left for somebody: what came of that is no death of ours.
    """

    died: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    passages: dict[str, list[str]] = field(default_factory=dict)
    starved: bool = False


def is_starved(text: str) -> bool:
    """Whether a fork failed because the machine has too many processes."""
    return os.strerror(errno.EAGAIN) in text


def name_of(kind: str, deaths: tuple[Death, ...]) -> str:
    """Return the words that repeat a case."""
    return " ".join([kind, *map(str, deaths)])


def parse(name: str) -> tuple[str, tuple[Death, ...]]:
    """Return the case that a name names."""
    kind, *words = name.split()
    found = [_DEATH.fullmatch(word) for word in words]
    if kind not in KINDS or None in found:
        raise SystemExit(f"no case {name!r}: first one of {', '.join(KINDS)}, then deaths such as driver0@17")
    return kind, tuple(Death(match[1], int(match[2]), int(match[3])) for match in found if match is not None)


def run_case(name: str) -> Outcome:
    """Run a case by its name."""
    kind, deaths = parse(name)
    outcome, left = _run(kind, deaths)
    if left is not None:
        outcome.starved = any(is_starved(body) for *_, body in left.rows)
        if not deaths and not outcome.starved:
            _references.setdefault(kind, left)
        undisturbed = _undisturbed(kind)
        died = [death for death in deaths if str(death) in outcome.died]
        outcome.faults += Judge(KINDS[kind], left, undisturbed, died).faults()
    outcome.starved |= any(map(is_starved, outcome.faults))
    return outcome


_references: dict[str, Evidence] = {}


def _undisturbed(kind: str) -> Evidence:
    """Return what is left where nobody dies."""
    if kind not in _references:
        outcome, left = _run(kind, ())
        if left is None or outcome.faults:
            raise AssertionError(f"{kind}: the undisturbed run fails: {outcome.faults}")
        _references[kind] = left
    return _references[kind]


def _run(name: str, deaths: tuple[Death, ...]) -> tuple[Outcome, Evidence | None]:
    kind, tree, outcome = KINDS[name], Tree(deaths), Outcome()
    base = Path(tempfile.mkdtemp(prefix="points-"))
    directory, evidence, log = base / "run", base / "evidence", base / "driver.log"
    evidence.mkdir()
    os.environ["EVIDENCE"] = str(evidence)
    left = None
    try:
        kind.prepare(directory)
        main = partial(_drive, kind, directory, evidence)
        gave_up = False
        for _ in range(_MOST_LIVES):
            status = tree.live(main, log)
            if status == FAILED and not gave_up and sum(death.role == "launcher" for death in tree.died) > 1:
                gave_up = True  # over two launchers in a row, with a sentence; the same command goes on
            elif status != -signal.SIGKILL:
                break
        if status == 0:
            tree.settle()
            left = Evidence.of(directory, evidence)
        elif status is not None:
            tree.faults.append(f"a driver ended with {status}: {log.read_text()[-1500:].strip()}")
    finally:
        tree.clear()
        shutil.rmtree(base, ignore_errors=True)
    _report(tree, outcome)
    return outcome, left


def _drive(kind: Kind, directory: Path, evidence: Path) -> None:
    watched()
    kind.drive(directory, evidence)


def _report(tree: Tree, outcome: Outcome) -> None:
    outcome.died = {str(death): what for death, what in tree.died.items()}
    outcome.faults = list(tree.faults)
    outcome.passages = {f"{member.role}{member.ordinal}": member.passages for member in tree.members}
