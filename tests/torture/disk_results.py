"""What a program, and a disk, may do to a result file and to the records of an attempt.

Each trial of one run does one mischief, told to it by its point; what comes of it must be the failure (or the result)
that the table says, with one sentence. Then the records of ended attempts are damaged while no driver looks. Nothing
is injected: everything is done by the programs and by this module itself.
"""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

from runwright.folder import CONTROL
from runwright.process.record import EXIT, LOCK, STARTED
from tests.torture.disk_bench import FILE, benches
from tests.torture.disk_places import live, until
from tests.torture.figures import Figure, zero

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.torture.disk_bench import Bench
    from tests.torture.figures import Scale

WELL = "y is x"
MISCHIEF: dict[str, tuple[str, str]] = {
    # name: (shell, what must be said; WELL: it is a result)
    "whole": ('echo "$good" > "$R"', WELL),
    "half-written": ('printf \'{"y": 0.\' > "$R"', "result.json is no valid JSON"),
    "empty": (': > "$R"', "result.json is empty"),
    "blank": ("printf '  \\n' > \"$R\"", "result.json is empty"),
    "zeros": ('head -c 4096 /dev/zero > "$R"', "result.json is no valid JSON"),
    "missing": (":", "did not write result.json"),
    "folder": ('mkdir "$R"', "result.json is a folder"),
    "pipe": ('mkfifo "$R"', "result.json is no regular file"),
    "device": ('ln -s /dev/zero "$R"', "result.json is no regular file"),
    "dangling link": ('ln -s /nowhere/at/all "$R"', "did not write result.json"),
    "link in a circle": ('ln -s result.json "$R"', "result.json cannot be read"),
    "link out of the folder": ('echo "$good" > "$OUT"; ln -s "$OUT" "$R"', WELL),
    "unreadable": ('echo "$good" > "$R"; chmod 0 "$R"', "result.json cannot be read"),
    "huge": ('truncate -s 80M "$R"', "output limit"),
    "no object": ("echo '[1]' > \"$R\"", "must hold an object"),
    "not finite": ('echo \'{"y": NaN}\' > "$R"', "result.json:"),
    "no text": ("printf '\\377\\376' > \"$R\"", "result.json is no valid JSON"),
    "folder gone": ('cd /; rm -rf "$D"', "did not write result.json"),
    "folder unreadable": ('echo "$good" > "$R"; chmod 0 "$D"', "result.json cannot be read"),
}


def program() -> str:
    """Return a shell program that does the mischief of its point."""
    cases = "\n".join(f"{number}) {shell} ;;" for number, (shell, _) in enumerate(MISCHIEF.values()))
    text = f"""
good="{{\\"y\\": $1}}" R="$RUNWRIGHT_RESULT" D=$(dirname "$RUNWRIGHT_RESULT") OUT="$2.$1"
case $1 in
{cases}
esac
"""
    return text.replace("{", "{{").replace("}", "}}")


def write(bench: Bench) -> None:
    """Write an experiment whose enqueued points are the mischiefs."""
    command = json.dumps(["/bin/sh", "-c", program(), "sh", "{x}", str(bench.evaluations)])
    count = len(MISCHIEF)
    text = FILE.format(command=command, parallel=4, on_failure="fail", trials=count, more="")
    text = text.replace("{type: float, bounds: [0, 1]}", f"{{type: int, bounds: [0, {count}]}}")
    bench.file.write_text(text + f"enqueue: {json.dumps([{'x': number} for number in range(count)])}\n")


def mischief(bench: Bench, *, driven: bool) -> list[str]:
    """Let programs do mischief, with a driver, or for the most part without."""
    write(bench)
    if not driven:
        pid = bench.drivers.begin("run", bench.file, "--dir", bench.run_directory, "--quiet", obeys=True)
        until((bench.run_directory / CONTROL / "3.1" / STARTED).exists, "the start of four trials")
        os.kill(pid, signal.SIGKILL)
        bench.drivers.end()
    found = bench.run("--quiet", obeys=True).trouble((0,))
    for trial, (name, (_, words)) in zip(bench.trials(), MISCHIEF.items(), strict=False):
        result = trial.result
        if words == WELL:
            well = result is not None and result.metrics.get("y", (None,))[0] == trial.index
            found += [] if well else [f"{name}: {result}"]
        elif result is None or result.failure is None or words not in result.failure.message:
            found.append(f"{name}: {result}, not {words!r}")
    if len(bench.trials()) != len(MISCHIEF):
        found.append(f"there are {len(bench.trials())} trials")
    for folder in (bench.run_directory / "trials").glob("*/*"):
        folder.chmod(0o755)
    return found


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _gone(path: Path) -> None:
    path.unlink()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "emptied": _emptied,
    "half": _half,
    "garbage": _garbage,
    "a folder": _folder,
    "gone": _gone,
}
RECORDS = {EXIT: 2, STARTED: 1, "attempt.json": 1, LOCK: 1}
"""Records, and the least number of the attempt that completes the trial after one was damaged."""


def record(bench: Bench, name: str, damage: str) -> list[str]:
    """Damage a record of two attempts that ended while no driver looked; the next driver must come to an end."""
    bench.write(trials=3, sleep=0.1)
    live(bench, 2)
    controls = [bench.run_directory / CONTROL / f"{index}.1" for index in range(2)]
    for control in controls:
        until((control / EXIT).exists, "the record of an end")
    for control in controls:
        DAMAGE[damage](control / name)
    found = bench.run("--quiet").trouble((0,)) + bench.double() + bench.unfinished(3)
    attempts = [trial.attempt for trial in bench.trials()[:2]]
    least = RECORDS[name]
    return found + [f"attempt {number} completed a trial" for number in attempts if number < least]


def run(scale: Scale) -> list[Figure]:
    """Do all mischief, and all damage."""
    names = ["driven", "alone", *(f"{damage} {name}" for name in RECORDS for damage in DAMAGE)]
    if not scale.full:
        names = names[:1] + names[2::4]
    names = [scale.only.partition(":")[0]] if scale.only else names
    failures = []
    with benches(1, with_shim=False) as made:
        for name in names:
            made[0].anew()
            if name in ("driven", "alone"):
                troubles = mischief(made[0], driven=name == "driven")
            else:
                damage, _, what = name.rpartition(" ")
                troubles = record(made[0], what, damage)
            failures += [f"{name}: {trouble}" for trouble in troubles]
    count = sum(len(MISCHIEF) if name in ("driven", "alone") else 2 for name in names)
    return [zero("damaged results and records that are taken for something else", failures, count)]
