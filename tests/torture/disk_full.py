"""A file system that is really full: a tmpfs in a mount namespace of our own, which ends with its process.

Needs the right to mount (root, or user namespaces); else it says why it was skipped, and the shim's ENOSPC is the
witness. The file system has room for exactly k more pages, for every k until a whole run fits; and a program fills it
to the last byte before it ends, with and without a driver, so that its end is recorded on a full disk.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from runwright.folder import CONTROL
from runwright.process.record import EXIT, read_record
from tests.torture.disk_bench import benches
from tests.torture.disk_places import begin, until
from tests.torture.figures import Figure, Scale, zero

if TYPE_CHECKING:
    from tests.torture.disk_bench import Bench

PAGE = 4096
SIZE = 2**21
TRIALS = 3
MOST = 110  # pages: more than a run needs
STEP = 22  # of the short form
_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_PRIVATE = (1 << 14) | (1 << 18)  # MS_REC | MS_PRIVATE
_REMOUNT_READ_ONLY = (1 << 5) | 1
_DETACH = 2


def run(scale: Scale) -> list[Figure]:
    """Do it in a process of its own, which takes its mounts with it."""
    words = json.dumps(asdict(scale))
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.disk_full", words],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return [Figure(**{**body, "failures": tuple(body["failures"])}) for body in json.loads(done.stdout)]


def inside(scale: Scale) -> list[Figure]:
    """Do it, in a process that may mount."""
    name = "a file system that is really full"
    try:
        own_mounts()
    except OSError as error:
        return [Figure(name, "skipped", 0, f"no mount can be made here: {error.strerror}")]
    with benches(1, with_shim=False) as made:
        bench = made[0]
        bench.run_directory.mkdir()
        mount("tmpfs", bench.run_directory, f"size={SIZE}")
        try:
            found = {
                name: case(bench, name) for name in ([scale.only.partition(":")[0]] if scale.only else _names(scale))
            }
            mount(None, bench.run_directory, None, _REMOUNT_READ_ONLY)
            bench.write(trials=TRIALS)
            found["mounted read-only"] = bench.run("--quiet").trouble((2,))
        finally:
            _checked(_libc.umount2(str(bench.run_directory).encode(), _DETACH))
    failures = [f"{name}: {trouble}" for name, troubles in found.items() for trouble in troubles]
    ends = [name for name in found if name.startswith("end")]
    lost = [failure for failure in failures if failure.startswith("end")]
    others = [failure for failure in failures if not failure.startswith("end")]
    return [
        zero("troubles on a real file system with room for k more pages, for every k", others, len(found) - len(ends)),
        zero("ends, results or trials lost when the disk was full as the program ended", lost, len(ends)),
    ]


def _names(scale: Scale) -> list[str]:
    """Name the cases; a whole run needs less than the most room."""
    rooms = range(0, MOST, 1 if scale.full else STEP)
    ends = 20 if scale.full else 1
    return [f"room {pages}" for pages in rooms] + [
        f"end {number} {driver}" for number in range(ends) for driver in ("driven", "alone")
    ]


def case(bench: Bench, name: str) -> list[str]:
    """Do the case of a name."""
    for path in bench.run_directory.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    bench.evaluations.write_text("")
    what, number, *how = name.split()
    if what == "room":
        return room(bench, int(number))
    return full_at_the_end(bench, alone=how == ["alone"])


def room(bench: Bench, pages: int) -> list[str]:
    """Run with so much room, then with all of it."""
    bench.write(trials=TRIALS)
    filler = bench.run_directory / "filler"
    fill(filler)
    os.truncate(filler, filler.stat().st_size - pages * PAGE)
    first = bench.run("--quiet")
    found = first.trouble((0, 1, 2))
    filler.unlink()
    before = bench.events()
    found += bench.undeployed()
    for trial in bench.trials():
        if trial.status.name == "FAILED":
            found += bench.drivers.run("rerun", bench.run_directory, trial.index).trouble((0,))
    found += bench.run("--quiet").trouble((0,))
    found += [] if bench.events()[: len(before)] == before else ["something committed is gone"]
    return found + bench.double() + bench.unfinished(TRIALS)


def full_at_the_end(bench: Bench, *, alone: bool) -> list[str]:
    """Let a program fill the disk to the last byte and then end, with its driver or without."""
    filler = bench.run_directory / "filler"
    bench.write(trials=1, retries=0, sleep=0.3, at_end=f"cat /dev/zero > {filler} 2> /dev/null")
    if alone:
        pid = bench.drivers.begin("run", bench.file, "--dir", bench.run_directory, "--quiet")
        begin(bench, 1)
        os.kill(pid, signal.SIGKILL)
        bench.drivers.end()
        record = bench.run_directory / CONTROL / "0.1" / EXIT
        until(record.exists, "the record of the end on a full disk")
    first = bench.run("--quiet")
    found = first.trouble((2,))
    found += [] if "make room on the disk" in first.text else [f"other words: {first.text[-300:]!r}"]
    found += [] if read_record(str(bench.run_directory / CONTROL / "0.1"), EXIT) else ["the end was not recorded"]
    filler.unlink()
    return found + bench.run("--quiet").trouble((0,)) + bench.double() + bench.unfinished(1)


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(PAGE)) == PAGE:
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


_libc = ctypes.CDLL(None, use_errno=True)


def _checked(status: int) -> None:
    if status:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def own_mounts() -> None:
    """Leave the mounts of everybody; for who is not root, by way of a user namespace.

    Raises:
        OSError: This is not allowed here.
    """
    user, group = os.geteuid(), os.getegid()
    _checked(_libc.unshare(_NEWNS | (_NEWUSER if user else 0)))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _checked(_libc.mount(None, b"/", None, ctypes.c_ulong(_PRIVATE), None))


def mount(kind: str | None, at: Path, options: str | None, flags: int = 0) -> None:
    """Mount a file system of a kind, or change the one that is there.

    Raises:
        OSError: This is not allowed here.
    """
    source = None if kind is None else kind.encode()
    data = None if options is None else options.encode()
    _checked(_libc.mount(source, str(at).encode(), source, ctypes.c_ulong(flags), data))


if __name__ == "__main__":
    print(json.dumps([asdict(figure) for figure in inside(Scale(**json.loads(sys.argv[1])))]))
