"""What is run into its limit: a program (``python limits_victim.py CASE``) and a function, `evaluate`, of one text.

It writes what happens to it into a file of its case in ``TORTURE_FOLDER``, a line ``<event> <pid> <seconds>`` each,
by the monotonic clock, which all processes of a machine share. It imports the standard library alone.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = "TORTURE_FOLDER"
MIB = 2**20
MEMORY = 200 * MIB
SHARED_MEMORY = 450 * MIB
OUTPUT = 4_000_000
_LONG = 120.0
_CHUNK = 2 * MIB


class Evidence:
    """The file of a case."""

    def __init__(self, case: str) -> None:
        path = Path(os.environ[FOLDER], case)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def note(self, event: str) -> None:
        os.write(self._fd, f"{event} {os.getpid()} {time.monotonic()}\n".encode())


def rest(seconds: float = _LONG) -> None:
    """Sleep, whatever signals come."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(left)


# What it does when it is asked to end.


def _obey(evidence: Evidence) -> None:
    def on_term(number: int, _: object) -> None:
        evidence.note("term")
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, on_term)


def _ignore(evidence: Evidence) -> None:
    signal.signal(signal.SIGTERM, lambda *_: evidence.note("term"))


# Time.


def _busy(evidence: Evidence) -> None:
    until = time.monotonic() + _LONG
    while time.monotonic() < until:
        sum(range(1000))


def _tree(evidence: Evidence) -> None:
    """Children in sessions of their own that ignore everything."""
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            evidence.note("child")
            rest()
            os._exit(0)
    rest()


def _floods(evidence: Evidence) -> None:
    """Keep the supervisor as busy as it goes."""
    line = b"x" * 65535 + b"\n"
    until = time.monotonic() + _LONG
    while time.monotonic() < until:
        os.write(1, line)


def _suspended(evidence: Evidence) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    rest()


# Memory. "crossed" is noted as soon as what is held is more than the limit.


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def _fill(held: list[bytearray], size: int) -> None:
    block = bytearray(size)
    block[:: mmap.PAGESIZE] = b"x" * len(block[:: mmap.PAGESIZE])
    held.append(block)


def _grow(evidence: Evidence, rate: float | None, most: int = 2 * MEMORY) -> None:
    held: list[bytearray] = []
    crossed = False
    for _ in range(most // _CHUNK):
        _fill(held, _CHUNK)
        if rate is not None:
            time.sleep(_CHUNK / rate)
        if not crossed and resident() > MEMORY:
            evidence.note("crossed")
            crossed = True
    rest()


def _slow(evidence: Evidence) -> None:
    _grow(evidence, 250.0 * MIB)


def _fast(evidence: Evidence) -> None:
    _grow(evidence, None)


def _child(evidence: Evidence) -> None:
    if os.fork() == 0:
        evidence.note("child")
        _grow(evidence, None)
    rest()


def _family(evidence: Evidence) -> None:
    """Seven children with a fifth of the limit each, one after the other."""
    for number in range(7):
        ready, said = os.pipe()
        if os.fork() == 0:
            evidence.note("child")
            held: list[bytearray] = []
            _fill(held, MEMORY // 5)
            os.write(said, b".")
            rest()
        os.read(ready, 1)
        if number == 4:
            evidence.note("crossed")
    rest()


def _mapped(evidence: Evidence) -> None:
    """Memory that two processes share, a page counted once: at first a sum over processes is more than the limit."""
    area = mmap.mmap(-1, 2 * MEMORY)
    for start in range(0, len(area), mmap.PAGESIZE):
        area[start] = 1
        if start == 150 * MIB and os.fork() == 0:
            evidence.note("child")
            sum(area[: 150 * MIB : mmap.PAGESIZE])
            rest()
        if start > 150 * MIB and start % _CHUNK == 0:
            time.sleep(0.02)  # half a second between what a sum would say and the limit
        if start == MEMORY:
            evidence.note("crossed")
    rest()


def _in_shm(evidence: Evidence) -> None:
    """A file in memory that is mapped: it is held by whoever maps it."""
    path = Path("/dev/shm") / f"runwright-torture-{os.getpid()}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    path.unlink()  # it goes with its last descriptor
    os.ftruncate(fd, MEMORY + 50 * MIB)
    with mmap.mmap(fd, MEMORY + 50 * MIB) as area:
        for start in range(0, len(area), mmap.PAGESIZE):
            area[start] = 1
            if start == MEMORY:
                evidence.note("crossed")
        rest()


def _copies(evidence: Evidence) -> None:
    """A parent of 300 MiB whose children write into their copies: no longer shared."""
    _fork_a_large_parent(evidence, write=True)
    rest()


def _shares(evidence: Evidence) -> None:
    """The same, and nobody writes: 300 MiB, of which a sum over processes makes 1.5 GiB."""
    _fork_a_large_parent(evidence, write=False)
    rest(1.5)


def _fork_a_large_parent(evidence: Evidence, *, write: bool) -> None:
    held: list[bytearray] = []
    _fill(held, 300 * MIB)
    for number in range(4):
        ready, said = os.pipe()
        if os.fork() == 0:
            evidence.note("child")
            if write:
                held[0][: 100 * MIB : mmap.PAGESIZE] = b"y" * len(range(0, 100 * MIB, mmap.PAGESIZE))
            os.write(said, b".")
            rest(1.0 if not write else _LONG)
            os._exit(0)
        os.read(ready, 1)
        if write and number == 1:
            evidence.note("crossed")


# Output. "crossed" is noted when more than the limit was written.


def _write(evidence: Evidence, streams: tuple[int, ...], most: float = float("inf"), pause: float = 0.0) -> None:
    written, number, crossed = 0, 0, False
    until = time.monotonic() + _LONG
    while written < most and time.monotonic() < until:
        text = b"".join(b"line %09d of the torture of limits\n" % (number + more) for more in range(200))
        number += 200
        written += os.write(streams[number // 200 % len(streams)], text)
        if not crossed and written > OUTPUT:
            evidence.note("crossed")
            crossed = True
        if pause:
            time.sleep(pause)


def _stdout(evidence: Evidence) -> None:
    _write(evidence, (1,))


def _both(evidence: Evidence) -> None:
    _write(evidence, (1, 2), pause=0.0005)


def _in_result(evidence: Evidence) -> None:
    """A result file that grows and grows."""
    fd = os.open("result.json", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    _write(evidence, (fd,), pause=0.0005)


def _burst(evidence: Evidence) -> None:
    """Too much, and over before anybody can look."""
    _write(evidence, (1,), OUTPUT + 100_000)


def _modest(evidence: Evidence) -> None:
    _write(evidence, (1, 2), OUTPUT - 100_000)


CASES: dict[str, tuple[Callable[[Evidence], None], Callable[[Evidence], None]]] = {
    "obeys": (_obey, lambda _: rest()),
    "busy": (_obey, _busy),
    "ignores": (_ignore, lambda _: rest()),
    "tree": (_ignore, _tree),
    "floods": (_ignore, _floods),
    "suspended": (_obey, _suspended),
    "watched": (_obey, lambda _: rest()),
    "slow": (_obey, _slow),
    "fast": (_obey, _fast),
    "child": (_obey, _child),
    "family": (_obey, _family),
    "mapped": (_obey, _mapped),
    "shm": (_obey, _in_shm),
    "copies": (_obey, _copies),
    "shares": (_obey, _shares),
    "stdout": (_obey, _stdout),
    "stubborn": (_ignore, _stdout),
    "both": (_obey, _both),
    "result": (_obey, _in_result),
    "burst": (_obey, _burst),
    "modest": (_obey, _modest),
}


def evaluate(case: str) -> float:
    """Run into the limit of a case; the value of those that do not."""
    evidence = Evidence(case)
    manner, deed = CASES[case]
    manner(evidence)
    evidence.note("began")
    deed(evidence)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    evidence.note("ended")
    return 1.0


def main() -> None:
    """Be the program."""
    value = evaluate(sys.argv[1])
    Path("result.json").write_text(f'{{"y": {value}}}')


if __name__ == "__main__":
    main()
