"""ENOSPC and EIO at the n-th passage, for every n until none is left, in driver, launcher and supervisors.

Done by the preloaded shim (`disk_shim.c`), which also reaches SQLite's own writes. Each case runs ``runwright run``
with one fault, then once more without: what was committed stays, what was not has no effects, nothing runs twice, and
in the end every trial has the result that it must have. Without a compiler the section says so; the unit tests of the
journal fill a disk without one, and `disk_full` does with a mount.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tests.torture.disk_bench import NO_COMPILER, benches
from tests.torture.disk_shim import Fault, Role
from tests.torture.figures import Figure, zero

if TYPE_CHECKING:
    from tests.torture.disk_bench import Bench
    from tests.torture.figures import Scale

TRIALS = 3
KINDS = [(error, stays) for error in ("ENOSPC", "EIO") for stays in (False, True)]
LAST = 400  # there are some 90
STRIDES = {Role.DRIVER: 17, Role.SUPERVISOR: 11}  # of the short form
AT_ONCE = 2
USAGE = 2


def run(scale: Scale) -> list[Figure]:
    """Let every passage fail, in every way."""
    with benches(AT_ONCE, with_shim=True) as made:
        if not made:
            return [Figure("faults at the n-th write", "skipped", 0, NO_COMPILER)]
        for bench in made:
            bench.write(trials=TRIALS)
        found = _all(made, scale) if scale.only is None else {scale.only: case(made[0], Fault.of(scale.only)) or []}
        launcher = _passages_of_launchers(made[0])
    failures = [f"{name}: {trouble}" for name, troubles in found.items() for trouble in troubles]
    figures = [zero("troubles after ENOSPC or EIO at the n-th write, for every n", failures, len(found))]
    for role in STRIDES:
        word = (role.name or "").lower()
        count = sum(name.startswith(word) for name in found)
        figures.append(Figure(f"... of them in a {word}: once and for good, ENOSPC and EIO", str(count), count))
    return [*figures, zero("writes of a launcher to the disk, which could fail", launcher, TRIALS)]


def case(bench: Bench, fault: Fault) -> list[str] | None:
    """Do one case; return what is wrong, or None where there was no such passage."""
    bench.anew()
    bench.plan.fail(fault, bench.run_directory)
    first = bench.run("--quiet")
    happened, label = bench.plan.failed(), bench.plan.label()
    bench.plan.clear()
    if not happened:
        return None
    may_fail = fault.role is Role.SUPERVISOR and fault.stays  # no attempt of any trial can begin
    found = first.trouble((0, 1, 2) if may_fail else (0, 2))
    before = bench.events()
    found += bench.undeployed() + _lost(bench, fault, live=first.status == USAGE)
    if may_fail:
        for trial in bench.trials():
            if trial.status.name == "FAILED":
                found += bench.drivers.run("rerun", bench.run_directory, trial.index).trouble((0,))
    found += bench.run("--quiet").trouble((0,))
    found += [] if bench.events()[: len(before)] == before else ["something committed is gone"]
    found += bench.double() + bench.unfinished(TRIALS) + _lost(bench, fault)
    return [f"{label}: {trouble}" for trouble in found]


def _lost(bench: Bench, fault: Fault, *, live: bool = False) -> list[str]:
    """Return evaluations that came to their end, but not into the journal. A dead disk cannot take their record."""
    if live or (fault.role is Role.SUPERVISOR and fault.error == "EIO" and fault.stays):
        return []
    kept = {(trial.index, trial.attempt) for trial in bench.trials() if trial.status.name == "COMPLETED"}
    return [f"the result of {trial}.{attempt} is lost" for trial, attempt in sorted(bench.ended() - kept)]


def _all(made: list[Bench], scale: Scale) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    free: SimpleQueue[Bench] = SimpleQueue()
    for bench in made:
        free.put(bench)

    def every(first: Fault, stride: int) -> None:
        bench = free.get()
        for at in range(first.at, LAST, stride):
            fault = replace(first, at=at)
            troubles = case(bench, fault)
            if troubles is None:
                break
            found[str(fault)] = troubles
        else:
            raise AssertionError(f"{first}: after {LAST} passages there are still more")
        free.put(bench)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        done = [
            threads.submit(every, Fault(*kind, role, 0 if scale.full else offset), 1 if scale.full else stride)
            for role, stride in STRIDES.items()
            for offset, kind in enumerate(KINDS)
        ]
        for one in done:
            one.result()
    return found


def _passages_of_launchers(bench: Bench) -> list[str]:
    """Return what launchers write on the disk in a whole run."""
    trace = bench.folder / "trace"
    bench.anew()
    bench.plan.watch(Role.LAUNCHER, bench.run_directory, trace)
    bench.run("--quiet")
    bench.plan.clear()
    return trace.read_text().splitlines() if trace.exists() else []
