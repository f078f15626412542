"""Clocks that jump, and the last transactions lost in a power cut while the folders of the trials have gone on.

The clock of the day jumps at each look: in the driver by a seam in Python, in supervisors by the shim where there is a
compiler. The power cut is what is left of a killed driver's log, cut at the end of each transaction, without its index:
the journal as of k commits ago, for every k.
"""

from __future__ import annotations

import os
import struct
from itertools import pairwise
from typing import TYPE_CHECKING

from runwright.folder import CONTROL, JOURNAL
from runwright.process.adoption import Adopted, restart_rule
from tests.torture.disk_bench import Drivers, benches
from tests.torture.disk_cuts import FRAME, HEADER
from tests.torture.disk_places import begin, finished, live, refused, until
from tests.torture.disk_shim import Role
from tests.torture.figures import Figure, zero

if TYPE_CHECKING:
    from pathlib import Path

    from tests.torture.disk_bench import Bench
    from tests.torture.figures import Scale

TRIALS = 4  # what `finished` expects
JUMP = 400 * 86400
INTERRUPTED = 130
POOL = """
name: disk
parameters: {{x: {{type: float, bounds: [0, 1]}}}}
objectives: {{y: minimize}}
evaluate: {{function: "model.py:evaluate"}}
runner: {{type: pool, parallel: 2}}
stop: {{trials: {trials}}}
"""
MODEL = """
import fcntl, os, time

def evaluate(x):
    here = os.path.dirname(__file__)
    with open(os.path.join(here, f"lock {x}"), "w") as lock, open(os.path.join(here, "evaluations"), "a") as log:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.write("double\\n")
        log.write("begin\\n")
        log.flush()
        time.sleep(0.15)
        return x
"""


# Clocks.


def clock_case(bench: Bench, name: str) -> list[str]:
    """Do a case under a jumping clock."""
    if bench.drivers.plan is not None:
        bench.plan.jump(JUMP)
    try:
        return CLOCK[name](bench)
    finally:
        if bench.drivers.plan is not None:
            bench.plan.clear()


def _order(bench: Bench) -> list[str]:
    found = [f"{a.kind} after {b.kind}" for a, b in pairwise(bench.events()) if a.time > b.time]
    for trial in bench.trials():
        seconds = None if trial.result is None else trial.result.seconds
        if seconds is not None and not 0 <= seconds < 60:
            found.append(f"trial {trial.index} took {seconds} s")
    return found


def jumps_while_it_runs(bench: Bench) -> list[str]:
    bench.write(trials=TRIALS)
    return finished(bench, jumps=JUMP) + _order(bench)


def jumps_between_drivers(bench: Bench) -> list[str]:
    bench.write(trials=TRIALS, sleep=0.5)
    live(bench)
    return finished(bench, jumps=JUMP) + _order(bench)


def limits_hold(bench: Bench) -> list[str]:
    bench.write(trials=2, sleep=30, retries=0)
    bench.file.write_text(bench.file.read_text().replace("limits: {", "limits: {timeout: 500 ms, "))
    found = bench.run("--quiet", jumps=JUMP).trouble((1,)) + _order(bench)
    kinds = [trial.result.failure.kind.name for trial in bench.trials() if trial.result and trial.result.failure]
    return found + ([] if kinds == ["TIMEOUT"] * 2 else [f"the failures are {kinds}"])


def stops_are_heard(bench: Bench) -> list[str]:
    bench.write(trials=TRIALS, sleep=30)
    bench.drivers.begin("run", bench.file, "--dir", bench.run_directory, "--quiet", jumps=JUMP)
    begin(bench, 2)
    other = Drivers(bench.folder / "other", None)
    found = other.run("stop", bench.run_directory, jumps=JUMP).trouble((0,))
    other.close()
    return found + bench.drivers.end().trouble((INTERRUPTED,))


CLOCK = {
    function.__name__.replace("_", "-"): function
    for function in (jumps_while_it_runs, jumps_between_drivers, limits_hold, stops_are_heard)
}


# Power cuts.


def ends_of(wal: bytes) -> list[int]:
    """Return where each transaction ends in a log, from the first."""
    return [at + FRAME for at in range(HEADER, len(wal) - FRAME + 1, FRAME) if struct.unpack_from(">I", wal, at + 4)[0]]


def forget(directory: Path, commits: int) -> bool:
    """Take the last commits from the journal of a killed driver; say whether it had so many."""
    wal = directory / f"{JOURNAL}-wal"
    ends = [HEADER, *ends_of(wal.read_bytes())]
    if commits >= len(ends):
        return False
    os.truncate(wal, ends[len(ends) - 1 - commits])
    (directory / f"{JOURNAL}-shm").unlink(missing_ok=True)
    return True


def told(bench: Bench) -> list[str]:
    """Return what is wrong with how the loss was said: it must be, wherever the journal lacks an attempt."""
    unknown = bench.undeployed()
    if not bench.events():  # all of it was lost
        return refused(bench, "but journal.sqlite is missing or empty")
    found = finished(bench)
    said = any("the journal has lost its last events" in getattr(event, "message", "") for event in bench.events())
    return found + (["the loss was not said" if unknown else "a loss was said"] if said != bool(unknown) else [])


def adopted(bench: Bench, commits: int) -> list[str] | None:
    """Lose commits while trials live: what they deployed is adopted, and nothing is evaluated again."""
    bench.write(trials=TRIALS, sleep=0.3)
    live(bench, 3)
    return told(bench) if forget(bench.run_directory, commits) else None


def taken_in(bench: Bench, commits: int) -> list[str] | None:
    """Lose commits, and look only when all trials have ended: their results are taken in."""
    bench.write(trials=TRIALS, sleep=0.1)
    live(bench, 3)
    until(lambda: not _supervisors(bench), "the end of all trials")
    return told(bench) if forget(bench.run_directory, commits) else None


def dead(bench: Bench, commits: int) -> list[str] | None:
    """Lose commits and everything that lived: it is lost and tried again."""
    bench.write(trials=TRIALS, sleep=0.5)
    live(bench, 3)
    for found in _supervisors(bench):
        found.process.kill()
        found.process.close()
    until(lambda: not _supervisors(bench), "the death of all supervisors")
    began = {line.split()[1] for line in bench.evaluations.read_text().splitlines()}
    bench.evaluations.write_text(bench.evaluations.read_text() + "".join(f"cut {trial} 0\n" for trial in sorted(began)))
    return told(bench) if forget(bench.run_directory, commits) else None


def repeated(bench: Bench, commits: int) -> list[str] | None:
    """Lose commits of a pool, whose trials died with their driver: they are repeated, and never live twice."""
    bench.file.write_text(POOL.format(trials=6))
    (bench.folder / "model.py").write_text(MODEL)
    live(bench, 4)
    if not forget(bench.run_directory, commits):
        return None
    found = bench.run("--quiet").trouble((0,)) + bench.unfinished(6)
    return found + (["two evaluations of a trial lived"] if "double" in bench.evaluations.read_text() else [])


POWER = {function.__name__.replace("_", "-"): function for function in (adopted, taken_in, dead, repeated)}


def _supervisors(bench: Bench) -> list[Adopted]:
    found = [restart_rule(path) for path in (bench.run_directory / CONTROL).iterdir()]
    return [one for one in found if isinstance(one, Adopted)]


def unsynced(bench: Bench, more: str) -> tuple[list[str], int]:
    """Return effects of a driver that came before their commit was synced, and how many there were in all."""
    trace = bench.folder / "trace"
    trace.unlink(missing_ok=True)
    bench.anew()
    bench.write(trials=TRIALS, more=more)
    bench.plan.watch(Role.DRIVER, bench.run_directory, trace)
    bench.run("--quiet")
    bench.plan.clear()
    dirty, early, count = False, [], 0
    for line in trace.read_text().splitlines():
        _, what, path = line.split(" ", 2)
        if path.endswith("-wal"):
            dirty = what == "pwrite" or (dirty and what != "fsync")
        elif "/trials/" in path or "/control/" in path:
            count += 1
            early += [line] if dirty else []
    return early, count


def run(scale: Scale) -> list[Figure]:
    """Let clocks jump, and power be cut."""
    with benches(1, with_shim=True) as shimmed, benches(1, with_shim=False) as plain:
        bench = (shimmed or plain)[0]
        (bench.folder / "other").mkdir()
        found: dict[str, list[str]] = {}
        exhausted = set()  # no more commits to lose
        for name in _names(scale):
            kind = name.partition(" ")[0]
            troubles = None if kind in exhausted else _case(bench, name)
            if troubles is None:
                exhausted.add(kind)
            else:
                found[name] = troubles
        figures = _synced(bench) if shimmed and scale.only is None else []
    jumps = [name for name in found if name in CLOCK]
    failures = [f"{name}: {trouble}" for name, troubles in found.items() for trouble in troubles]
    clock = [failure for failure in failures if failure.partition(":")[0] in CLOCK]
    return [
        zero("troubles under a clock that jumps by up to 400 days at each look", clock, len(jumps)),
        zero(
            "trials lost, or evaluated twice at once, after a power cut took k commits, for every k",
            [failure for failure in failures if failure not in clock],
            len(found) - len(jumps),
        ),
        *figures,
    ]


def _synced(bench: Bench) -> list[Figure]:
    early, count = unsynced(bench, "")
    other, _ = unsynced(bench, "sync: normal")
    return [
        zero("effects before the commit that announces them was synced (sync: full)", early, count),
        Figure(
            "... with sync: normal, as the witness that the check sees them", str(len(other)), count, holds=bool(other)
        ),
    ]


def _names(scale: Scale) -> list[str]:
    if scale.only:
        return [scale.only.partition(":")[0]]
    commits = range(30) if scale.full else (1,)
    return [*(CLOCK if scale.full else list(CLOCK)[2:]), *(f"{kind} {number}" for kind in POWER for number in commits)]


def _case(bench: Bench, name: str) -> list[str] | None:
    bench.anew()
    if name in CLOCK:
        return clock_case(bench, name)
    kind, _, commits = name.partition(" ")
    return POWER[kind](bench, int(commits))
