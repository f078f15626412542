"""The journal cut at every byte of its log and of its last transaction, and with bytes flipped.

The files are those of a driver that was killed. Each case is opened as a driver opens it. It must open with exactly the
transactions that are whole, or be refused by one sentence and stay as it is; where the shared index of this boot counts
more than there is, it must be refused. The unit tests of damage take samples and look at each sentence.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from runwright.errors import JournalError
from runwright.journal import SqliteJournal
from tests.torture.figures import Figure, zero

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.torture.figures import Scale

MAIN, WAL, SHM = "journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"
HEADER, FRAME = 32, 24 + 4096
WRITE = """
import os, shutil, sys
from runwright import events as ev
from runwright.journal import SqliteJournal

journal = SqliteJournal(sys.argv[1] + "/journal.sqlite")
for number in range(int(sys.argv[2])):
    journal.append([ev.Noted(float(number), f"text {number} " * 20, number) for _ in range(9)])
    shutil.copytree(sys.argv[1], sys.argv[3] + f"/{number}")
os._exit(0)
"""
EVENTS = 9  # in a transaction
AT_ONCE = 2


@dataclass(frozen=True)
class Files:
    """The files of a killed driver, as of some commits.

    Attributes:
        main: The main file: it never changes here.
        closed: The main file after the journal was closed; there is no log then.
        wal: The log of the end.
        shm: The shared index after each commit.
        ends: Where each transaction ends in the log.
    """

    main: bytes
    closed: bytes
    wal: bytes
    shm: list[bytes]
    ends: list[int]

    def whole(self, size: int) -> int:
        """Return how many transactions are whole in so much of the log."""
        return sum(end <= size for end in self.ends)

    def put(self, folder: Path, wal: bytes, shm: bytes | None, main: bytes | None = None) -> None:
        """Lay out files."""
        for name, data in ((MAIN, main or self.main), (WAL, wal), (SHM, shm)):
            path = folder / name
            path.unlink(missing_ok=True)
            if data is not None:
                path.write_bytes(data)


def killed(folder: Path, commits: int) -> Files:
    """Let a driver write some transactions and die."""
    live, copies = folder / "live", folder / "copies"
    live.mkdir()
    copies.mkdir()
    subprocess.run([sys.executable, "-c", WRITE, live, str(commits), copies], check=True)
    moments = [copies / str(number) for number in range(commits)]
    main, wal = (live / MAIN).read_bytes(), (live / WAL).read_bytes()
    SqliteJournal(live / MAIN).close()
    return Files(
        main,
        (live / MAIN).read_bytes(),
        wal,
        [(moment / SHM).read_bytes() for moment in moments],
        [(moment / WAL).stat().st_size for moment in moments],
    )


def opened(folder: Path) -> int | str:
    """Open a journal as a driver does; return how many transactions it has, or what was wrong with its refusal."""
    before = _content(folder)
    try:
        journal = SqliteJournal(folder / MAIN)
        events = list(journal.read())
        journal.close()
    except JournalError as error:
        if _content(folder) != before:
            return "refused, but changed"
        return "refused" if "\n" not in str(error) else "more than a sentence"
    count, rest = divmod(len(events), EVENTS)
    right = all(event.trial == number // EVENTS for number, event in enumerate(events))
    return count if right and not rest else "it reads as something else"


def _content(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in (MAIN, WAL) if (folder / name).exists()]


def cut(files: Files, folder: Path, name: str) -> str | None:
    """Do the case of a name such as ``alone 4000``; return what is wrong."""
    how, _, number = name.partition(" ")
    at = int(number)
    wal = files.wal[:at]
    if how == "main":
        (folder / WAL).unlink(missing_ok=True)
        (folder / SHM).unlink(missing_ok=True)
        (folder / MAIN).write_bytes(files.closed[:at])
        expected: set[int | str] = {"refused"} if at else {0}
    elif how == "alone":
        files.put(folder, wal, None)
        expected = {files.whole(at)}
    elif how == "counted":
        files.put(folder, wal, files.shm[-1])
        expected = {len(files.ends) if at == len(files.wal) else "refused"}
    elif how == "hole":  # a power cut that took one frame, but not those after it
        begin = HEADER + at * FRAME
        files.put(folder, files.wal[:begin] + bytes(FRAME) + files.wal[begin + FRAME :], None)
        expected = {"refused", files.whole(begin)}
    elif how == "torn":
        files.put(folder, wal, files.shm[-2])
        expected = {files.whole(at)}
    else:
        data = bytearray(files.wal)
        data[at] ^= 1 << random.Random(at).randrange(8)
        files.put(folder, bytes(data), files.shm[-1] if how == "flipped" else None)
        last = {len(files.ends) - 1} if how == "flipped-alone" and at >= files.ends[-2] else set()
        expected = {"refused", len(files.ends), *last}
    found = opened(folder)
    return None if found in expected else f"{name}: {found}, not {' or '.join(map(str, expected))}"


def _cuts(files: Files, root: str, names: list[str]) -> list[str]:
    with tempfile.TemporaryDirectory(dir=root) as folder:
        return [trouble for name in names if (trouble := cut(files, Path(folder), name)) is not None]


def run(scale: Scale) -> list[Figure]:
    """Cut and flip."""
    shared = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="runwright-cuts-", dir=shared) as root:
        files = killed(Path(root), 4)
        names = [scale.only.partition(":")[0]] if scale.only else list(_names(files, scale))
        parts = [names[at::8] for at in range(8)]
        with ProcessPoolExecutor(AT_ONCE, get_context("spawn")) as pool:
            failures = [trouble for part in pool.map(partial(_cuts, files, root), parts) for trouble in part]
    flips = sum(name.startswith("flipped") for name in names)
    return [
        zero("journals cut at a byte that open as something else", _of(failures, flipped=False), len(names) - flips),
        zero("journals with a flipped byte that open as something else", _of(failures, flipped=True), flips),
    ]


def _of(failures: list[str], *, flipped: bool) -> list[str]:
    return [failure for failure in failures if failure.startswith("flipped") == flipped]


def _names(files: Files, scale: Scale) -> Iterable[str]:
    """Name the cases: every byte of the log, with and without the shared index, every byte of the last transaction."""
    size, last = len(files.wal), files.ends[-2]
    step = 1 if scale.full else 131
    edges = {end + near for end in (0, HEADER, *files.ends) for near in (-1, 0, 1, 23, 24, 25)}
    ats = sorted(at for at in {*range(0, size + 1, step), *edges} if 0 <= at <= size)
    for at in ats:
        yield f"alone {at}"
        yield f"counted {at}"
        if at >= last:
            yield f"torn {at}"
    for at in range((size - HEADER) // FRAME):
        yield f"hole {at}"
    for at in range(0, len(files.closed), step):
        yield f"main {at}"
    for at in random.Random(scale.seed).sample(range(size), 2000 if scale.full else 60):
        yield f"flipped {at}"
        yield f"flipped-alone {at}"
