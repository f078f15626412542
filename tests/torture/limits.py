"""Limits of time, memory and output: what is run into them ends in time, whole, and with a sentence.

Commands, functions in processes and in the pool; under a driver that lives, and without one. The delays are measured by
what the victims note about themselves and by pidfds of the torture, not by what the supervisors record.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.process.record import EXIT, STARTED, read_record
from tests.torture import limits_experiment, limits_many
from tests.torture.figures import Figure, Scale, zero
from tests.torture.limits_cases import GROUPS, IGNORE, INNOCENT, Setting, Tally, bad_log, setting, wrong
from tests.torture.limits_watch import DEADLINE, Driver, Watched, Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORT = (
    ("command", "dead", "time"),
    ("command", "dead", "memory"),
    ("command", "alive", "shared"),
    ("function", "dead", "output"),
    ("pool", "alive", "time"),
    ("pool", "alive", "memory"),
    ("pool", "alive", "output"),
)
_ROUNDS = 4
ASKED = {
    "from the time limit to SIGTERM": 0.2,
    "from the time limit to the death of the tree": 1.0,
    "from the end of the grace to the death of the tree": 1.0,
    "from the memory limit to the death of the tree": 1.0,
    "from the output limit to the death of the tree": 1.0,
    "from the death of a pool's driver to SIGTERM": 0.2,
    "from the death of a pool's driver to that of the trees": 1.0,
    "from the limit of one of many to its death": 0.2,
}
"""The most, in seconds, of each delay that is measured."""


def settings(scale: Scale) -> Iterator[Setting]:
    """Yield what is run."""
    dice = random.Random(scale.seed)
    every = tuple(itertools.product(("command", "function", "pool"), ("alive", "dead"), GROUPS))
    for number in range(_ROUNDS if scale.full else 1):
        for kind, driver, group in every if scale.full or scale.only else _SHORT:
            if kind == "pool" and driver == "dead":
                continue  # the trials of a pool end with its driver; see `drivers_of_pools`
            given = setting(kind, driver, group, dice, scale.only, number)
            if given.cases:
                yield given
        if scale.only:
            return


def measure(scale: Scale) -> Tally:
    """Run everything into its limit."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="torture-limits-") as name:
        for number, given in enumerate(settings(scale)):
            folder = Path(name, str(number))
            (folder / "seen").mkdir(parents=True)
            _run(given, folder, tally)
        if _wanted(scale, "pool/driver"):
            (Path(name) / "pool" / "seen").mkdir(parents=True)
            _pool_without_driver(Path(name) / "pool", tally)
        if _wanted(scale, "many"):
            limits_many.measure(Path(name) / "many", 200 if scale.full else 50, tally, scale.seed)
        if _wanted(scale, "experiment"):
            limits_experiment.measure(Path(name) / "experiment", tally, scale.only)
    return tally


def _wanted(scale: Scale, name: str) -> bool:
    return scale.only is None or scale.only.startswith(name)


def run(scale: Scale) -> list[Figure]:
    """Run the section."""
    if scale.only is not None:
        scale = replace(scale, only=scale.only.partition(": ")[0])  # what was wrong with it may stand behind
    tally = measure(scale)
    figures = [
        zero("ends with another kind or sentence", tally.faults, tally.over),
        zero("processes that live after the end", tally.survivors, tally.over),
        zero("logs that are missing, too large, or incomplete", tally.evidence, tally.over),
    ]
    for of, most in ASKED.items():
        delays = tally.delays.get(of)
        if delays:
            value = f"{statistics.median(delays):.3f}/{max(delays):.3f} s"
            figures.append(
                Figure(f"{of}, median/max", value, len(delays), f"at most {most:g} s", holds=max(delays) <= most)
            )
    return figures


# One driver and its victims.


def _run(given: Setting, folder: Path, tally: Tally) -> None:
    order: dict[str, Any] = {
        "kind": given.kind,
        "directory": str(folder / "run"),
        "cases": list(given.cases),
        "limits": given.limits,
        "resume": False,
    }
    with Watcher(folder / "seen", list(given.cases)) as watcher, Driver(folder / "seen", order) as driver:
        assert watcher.until(lambda: watcher.began() or driver.ended), f"{given.words('...')}: not all have begun"
        suspended = _suspend_a_supervisor(given, folder)
        if given.dead:
            driver.kill()
        over = (lambda: not watcher.living) if given.dead else (lambda: driver.ended)
        watcher.until(over)
        if given.dead:
            watcher.until(lambda: _recorded(given, folder))
            tally.survivors += [given.words(case) for case in _living(watcher)]
            with Driver(folder / "seen", order | {"resume": True}) as second:
                watcher.until(lambda: second.ended)
                outcomes = second.outcomes()
        else:
            outcomes = driver.outcomes()
            watcher.look()
            tally.survivors += [given.words(case) for case in _living(watcher)]
        assert suspended or "watched" not in given.cases
        for case in given.cases:
            _note(given, case, outcomes[case], watcher.seen[case], folder / "run", tally)


def _living(watcher: Watcher) -> list[str]:
    return [case for case, watched in watcher.seen.items() if watched.pids & watcher.living]


def _recorded(given: Setting, folder: Path) -> bool:
    controls = [folder / "run" / "control" / f"{index}.1" for index in range(len(given.cases))]
    return all(read_record(str(control), EXIT) is not None for control in controls)


def _suspend_a_supervisor(given: Setting, folder: Path) -> bool:
    """Suspend the supervisor of the case that is named for it: somebody has to see to that it goes on."""
    if "watched" not in given.cases:
        return False
    control = folder / "run" / "control" / f"{given.cases.index('watched')}.1"
    started = read_record(str(control), STARTED)
    assert started is not None, "what has begun has a record of its start"
    os.kill(started["pid"], signal.SIGSTOP)
    return True


def _note(given: Setting, case: str, outcome: dict[str, Any], seen: Watched, run: Path, tally: Tally) -> None:
    """Judge one case, and note its delays."""
    words = given.words(case)
    tally.over += 1
    fault = wrong(given, case, outcome)
    if fault is not None:
        tally.faults.append(f"{words}: {fault}")
        return
    trouble = bad_log(given, case, outcome, run)
    if trouble is not None:
        tally.evidence.append(f"{words}: {trouble}")
    if case in INNOCENT or case == "burst":
        return
    if seen.dead is None:
        tally.faults.append(f"{words}: it was not seen to die")
        return
    grace = given.limits["grace"] if case in IGNORE else 0.0
    group = given.group.name
    if group == "time":
        due = _began(given, case, seen, run) + given.limits["timeout"]
        tally.delay("from the time limit to SIGTERM", seen.events["term"] - due)
        end = "the end of the grace" if grace else "the time limit"
        tally.delay(f"from {end} to the death of the tree", seen.dead - due - grace)
    elif "crossed" in seen.events:
        limit = "memory" if group == "shared" else group
        grace = 0.0 if given.kind == "pool" else grace
        tally.delay(f"from the {limit} limit to the death of the tree", seen.dead - seen.events["crossed"] - grace)


def _began(given: Setting, case: str, seen: Watched, run: Path) -> float:
    """Return when the time of a case began to count: with the process, in a pool with the function."""
    if given.kind == "pool":
        return seen.events["began"]
    record = read_record(str(run / "control" / f"{given.cases.index(case)}.1"), EXIT)
    assert record is not None, "it has ended"
    return float(record["started"]) - time.time() + time.monotonic()


# A pool whose driver dies.


def _pool_without_driver(folder: Path, tally: Tally) -> None:
    cases, grace = ["obeys", "busy", "ignores", "tree"], 0.5
    order = {
        "kind": "pool",
        "directory": str(folder / "run"),
        "cases": cases,
        "limits": {"grace": grace},
        "resume": False,
    }
    with Watcher(folder / "seen", cases) as watcher, Driver(folder / "seen", order) as driver:
        assert watcher.until(watcher.began), "not all have begun"
        died = time.monotonic()
        driver.kill()
        watcher.until(lambda: not watcher.living, DEADLINE)
        tally.survivors += [f"pool/driver/{case}" for case in _living(watcher)]
        tally.over += len(cases)
        for case, seen in watcher.seen.items():
            if seen.dead is None or "term" not in seen.events:
                tally.faults.append(f"pool/driver/{case}: it was not asked to end, or was not seen to die")
                continue
            waits = grace if case in IGNORE else 0.0
            tally.delay("from the death of a pool's driver to SIGTERM", seen.events["term"] - died)
            tally.delay("from the death of a pool's driver to that of the trees", seen.dead - died - waits)
