"""A run directory that is moved, removed or read-only, between two drivers and under a live one.

Where permissions are tried the driver has given up root's right to ignore them.
"""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

from runwright.clock import SystemClock, Waker, monotonic
from runwright.folder import CONTROL, JOURNAL
from tests.torture.disk_bench import benches
from tests.torture.figures import Figure, zero

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.torture.disk_bench import Bench
    from tests.torture.figures import Scale

TRIALS = 4
PATIENCE = 30.0


def until(happened: Callable[[], bool], what: str) -> None:
    """Wait for something."""
    clock, waker, end = SystemClock(), Waker(), monotonic() + PATIENCE
    while not happened():
        assert monotonic() < end, f"{what} did not happen"
        clock.wait(clock.now() + 0.01, waker)
    waker.close()


def live(bench: Bench, count: int = 2) -> None:
    """Let a driver die when so many of its trials have begun."""
    pid = bench.drivers.begin("run", bench.file, "--dir", bench.run_directory, "--quiet")
    begin(bench, count)
    os.kill(pid, signal.SIGKILL)
    bench.drivers.end()


def begin(bench: Bench, count: int) -> None:
    """Wait until so many trials have begun."""
    until(lambda: bench.evaluations.read_text().count("begin") >= count, f"the start of {count} trials")


def ended(bench: Bench, count: int) -> None:
    """Wait until so many evaluations have come to their end, and their supervisors have said so."""
    until(lambda: bench.evaluations.read_text().count("end") >= count, f"the end of {count} trials")


def finished(bench: Bench, *more: object, **job: object) -> list[str]:
    """Go on; return what is wrong in the end."""
    return bench.run("--quiet", *more, **job).trouble((0,)) + bench.double() + bench.unfinished(TRIALS)


def refused(bench: Bench, words: str, **job: object) -> list[str]:
    """Try to go on, which must be refused; return what is wrong with the refusal."""
    said = bench.run("--quiet", **job)
    return said.trouble((2,)) + ([] if words in said.text else [f"refused by other words: {said.text[-300:]!r}"])


def moved_when_nothing_lives(bench: Bench, there: Path) -> list[str]:
    bench.write(trials=2)
    found = bench.run("--quiet").trouble((0,))
    bench.run_directory.rename(there)
    bench.write(trials=TRIALS)
    there.rename(bench.run_directory.with_name("elsewhere"))
    elsewhere = bench.run_directory.with_name("elsewhere")
    found += bench.drivers.run("run", bench.file, "--dir", elsewhere, "--quiet").trouble((0,))
    elsewhere.rename(bench.run_directory)
    return found + finished(bench)


def moved_while_trials_live(bench: Bench, there: Path) -> list[str]:
    bench.write(trials=TRIALS, sleep=3)
    live(bench)
    bench.run_directory.rename(there)
    found = []
    for _ in range(2):
        said = bench.drivers.run("run", bench.file, "--dir", there, "--quiet")
        found += said.trouble((2,))
        found += [] if "was moved while trial" in said.text else [f"other words: {said.text[-300:]!r}"]
    there.rename(bench.run_directory)
    return found + finished(bench)


def moved_while_trials_live_and_stopped(bench: Bench, there: Path) -> list[str]:
    bench.write(trials=TRIALS, sleep=3)
    live(bench)
    bench.run_directory.rename(there)
    found = bench.drivers.run("stop", there).trouble((0,))
    bench.evaluations.write_text("")  # those that were stopped are repeated
    bench.write(trials=TRIALS)
    there.rename(bench.run_directory.with_name("elsewhere"))
    elsewhere = bench.run_directory.with_name("elsewhere")
    found += bench.drivers.run("run", bench.file, "--dir", elsewhere, "--quiet").trouble((0,))
    elsewhere.rename(bench.run_directory)
    return found + bench.double() + bench.unfinished(TRIALS)


def moved_under_a_driver(bench: Bench, there: Path) -> list[str]:
    bench.write(trials=TRIALS, sleep=0.6)
    bench.drivers.begin("run", bench.file, "--dir", bench.run_directory, "--quiet")
    begin(bench, 2)
    # An attempt whose records go before its driver has confirmed it counts as lost, and is ended: no harm, but no line.
    until(lambda: sum(event.kind == "Deployed" for event in bench.events()) >= 2, "the deployment of two trials")
    bench.run_directory.rename(there)
    said = bench.drivers.end()
    found = said.trouble((2,))
    found += [] if "moved or removed" in said.text else [f"other words: {said.text[-300:]!r}"]
    if bench.run_directory.exists():
        return [*found, f"the driver made a directory anew: {list(bench.run_directory.iterdir())}"]
    there.rename(bench.run_directory)
    said = bench.run("--quiet")  # what could not leave its result is tried again
    return found + said.trouble((0,)) + bench.double() + bench.unfinished(TRIALS)


def removed_under_a_driver(bench: Bench, there: Path) -> list[str]:
    bench.write(trials=TRIALS, sleep=0.3)
    bench.drivers.begin("run", bench.file, "--dir", bench.run_directory, "--quiet")
    begin(bench, 1)
    bench.run_directory.rename(there)
    shutil.rmtree(there, ignore_errors=True)
    return bench.drivers.end().trouble((2,))


def reached_by_a_link(bench: Bench, there: Path) -> list[str]:
    bench.write(trials=TRIALS, sleep=0.6)
    live(bench)
    there.symlink_to(bench.run_directory)
    found = bench.drivers.run("run", bench.file, "--dir", there, "--quiet").trouble((0,))
    return found + bench.double() + bench.unfinished(TRIALS)


def read_only(bench: Bench, _: Path) -> list[str]:
    bench.write(trials=2)
    found = bench.run("--quiet", obeys=True).trouble((0,))
    bench.write(trials=TRIALS)
    bench.run_directory.chmod(0o555)
    found += refused(bench, "the journal cannot be written", obeys=True)
    for command in (["status"], ["story"], ["export", "--format", "csv"]):
        arguments = [command[0], bench.run_directory, *command[1:], *([0] if command == ["story"] else [])]
        found += bench.drivers.run(*arguments, obeys=True).trouble((0,))
    bench.run_directory.chmod(0o755)
    return found + finished(bench, obeys=True)


def read_only_after_a_kill(bench: Bench, _: Path) -> list[str]:
    bench.write(trials=TRIALS, sleep=0.3)
    pid = bench.drivers.begin("run", bench.file, "--dir", bench.run_directory, "--quiet", obeys=True)
    begin(bench, 2)
    os.kill(pid, signal.SIGKILL)
    bench.drivers.end()
    bench.run_directory.chmod(0o555)
    found = bench.drivers.run("status", bench.run_directory, obeys=True).trouble((0,))
    said = bench.run("--quiet", obeys=True)  # the log is there and may be written: so it can go on, or say why not
    found += said.trouble((0, 2))
    bench.run_directory.chmod(0o755)
    return found + finished(bench, obeys=True)


def parts_read_only(bench: Bench, _: Path) -> list[str]:
    bench.write(trials=2)
    found = bench.run("--quiet", obeys=True).trouble((0,))
    bench.write(trials=TRIALS, retries=0)
    for part in (JOURNAL, "lock", CONTROL, "trials", "requests"):
        path = bench.run_directory / part
        mode = path.stat().st_mode
        path.chmod(0o555 if path.is_dir() else 0o444)
        said = bench.run("--quiet", obeys=True)
        found += [f"{part}: {trouble}" for trouble in said.trouble((2,) if part != "requests" else (0, 2))]
        path.chmod(mode)
    return found + finished(bench, obeys=True)


def nowhere_to_write(bench: Bench, _: Path) -> list[str]:
    bench.write(trials=TRIALS)
    mode = bench.folder.stat().st_mode
    bench.folder.chmod(0o555)
    found = refused(bench, "cannot be made", obeys=True)
    bench.folder.chmod(mode)
    return found + finished(bench)


CASES: dict[str, Callable[[Bench, Path], list[str]]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        moved_when_nothing_lives,
        moved_while_trials_live,
        moved_while_trials_live_and_stopped,
        moved_under_a_driver,
        removed_under_a_driver,
        reached_by_a_link,
        read_only,
        read_only_after_a_kill,
        parts_read_only,
        nowhere_to_write,
    )
}


def run(scale: Scale) -> list[Figure]:
    """Do all cases."""
    names = [scale.only.partition(":")[0]] if scale.only else list(CASES)
    failures = []
    with benches(1, with_shim=False) as made:
        bench = made[0]
        bench.folder.chmod(0o777)
        for name in names:
            bench.anew()
            there = bench.folder / "there"
            failures += [f"{name}: {trouble}" for trouble in CASES[name](bench, there)]
            for left in (there, bench.folder / "elsewhere"):
                left.unlink() if left.is_symlink() else shutil.rmtree(left, ignore_errors=True)
    return [zero("troubles with directories that were moved, removed or are read-only", failures, len(names))]
