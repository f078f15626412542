"""A program whose processes do not want to die: python nasty.py SEED END ROLL

It starts a handful of processes, chosen by the seed, that hide, refuse, multiply and hop; says in the file
``ROLL.ready`` that they are there; and then does what END says. As a function trial the same is `evaluate`.

Each process signs the file ROLL with pid and start time right after its birth. Only hoppers do not sign every hop. It
imports the standard library alone.
"""

from __future__ import annotations

import ctypes
import os
import platform
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

SLEEP = "sleep-of-"
"""Beside ROLL lies a copy of /bin/sleep under this name, so that who has cleared everything else is known by it."""
STRANGER = 65533
SWIFT = "swift-of-"
"""The same for the program made of ``swift.c``, where there is a compiler."""
_FOREVER = "600"
_POLITE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_CLONE_PARENT = 0x8000
_NEW_PIDS = 0x10000000 | 0x20000000  # CLONE_NEWUSER | CLONE_NEWPID
_SUBREAPER = 36
_TRACE_ME = 0
_CLONE = {"x86_64": 56, "aarch64": 220}.get(platform.machine())
_EXIT_THREAD = {"x86_64": 60, "aarch64": 93}.get(platform.machine())
_c = ctypes.PyDLL(None)

roll = ""
generator = random.Random(0)


def sign() -> None:
    """Write pid and start time into the roll; the pid as /proc knows it, even from inside another pid namespace."""
    pid = Path("/proc/self").readlink()
    ticks = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19].decode()
    fd = os.open(roll, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(fd, f"{pid} {ticks}\n".encode())
    os.close(fd)


def fork(then: Callable[[], object]) -> int:
    """Start a process that does something and ends."""
    pid = os.fork()
    if pid == 0:
        try:
            sign()
            then()
        finally:
            os._exit(0)
    return pid


def deaf() -> NoReturn:
    """Hear nothing, for ever."""
    for number in _POLITE:
        signal.signal(number, signal.SIG_IGN)
    while True:
        signal.pause()


def plain() -> None:
    """Wait; a polite signal ends it."""
    signal.pause()


def orphan() -> None:
    """Be nobody's child."""
    fork(deaf)


def daemon() -> None:
    """Leave session, folder and descriptors behind, as daemons do."""
    os.setsid()
    os.chdir("/")
    os.closerange(0, 4096)
    fork(deaf)


def session() -> None:
    """Have a session of its own."""
    os.setsid()
    deaf()


def group() -> None:
    """Have a process group of its own, and a child in another."""
    os.setpgid(0, 0)

    def child() -> None:
        os.setpgid(0, 0)
        deaf()

    fork(child)
    deaf()


def bare() -> None:
    """Become a program without environment and descriptors, under a kernel thread's name."""
    os.setsid()
    os.closerange(0, 4096)
    os.execve(_sleep(), ["[kworker/0:1]", _FOREVER], {})


def swiftly() -> None:
    """Have a program started by vfork, in a new session, and leave."""
    os.posix_spawn(_sleep(), ["sleep", _FOREVER], {}, setsid=True, setsigmask=_POLITE)


def stopped() -> None:
    """Suspend itself."""
    while True:
        os.kill(os.getpid(), signal.SIGSTOP)


def stopper() -> None:
    """Suspend its children."""
    for child in [fork(deaf) for _ in range(3)]:
        os.kill(child, signal.SIGSTOP)
    deaf()


def hopper() -> None:
    """Live in a new process every moment."""
    _hop(os.fork, lambda: None)


def hopper_in_sessions() -> None:
    """The same, each time in a session of its own, so that no group holds it."""
    _hop(os.fork, os.setsid)


def swift_hopper() -> None:
    """The same, as fast as the C library forks."""
    _hop(_c.fork, lambda: None)


def swift_hoppers_in_sessions() -> None:
    """Three of those at once, each time in sessions of their own."""
    for _ in range(2):
        fork(lambda: _hop(_c.fork, _c.setsid))
    _hop(_c.fork, _c.setsid)


def _hop(forked: Callable[[], int], land: Callable[[], object]) -> None:
    for number in _POLITE:
        signal.signal(number, signal.SIG_IGN)
    until = time.monotonic() + 20  # of what survives a bench that was killed itself
    while time.monotonic() < until:
        if forked() > 0:
            os._exit(0)
        land()


def chain() -> None:
    """Become another program twice, in a new process each time, under other names."""
    _chain(2)


def _chain(left: int) -> None:
    if left == 0:
        Path("/proc/self/comm").write_text("innocent")
        deaf()
    if os.fork() > 0:
        os._exit(0)
    name = f"ordinary-{left}"
    os.execve(sys.executable, [name, "-I", "-S", str(Path(__file__).resolve()), "chain", str(left - 1), roll], {})


def without_descriptors() -> None:
    """Close everything."""
    os.closerange(0, 4096)
    deaf()


def holder() -> None:
    """Hold the trial's output open, and write to it now and then."""
    for number in _POLITE:
        signal.signal(number, signal.SIG_IGN)
    while True:
        os.write(1, b"still here\n" * 100)
        time.sleep(0.01)


def sibling() -> None:
    """Become the child of its parent's parent, where that is known how to do here."""
    if _CLONE is not None and _c.syscall(_CLONE, _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        sign()
        deaf()
    orphan()


def threads() -> None:
    """Have children of threads that have ended."""
    for _ in range(2):
        thread = threading.Thread(target=fork, args=(deaf,))
        thread.start()
        thread.join()
    deaf()


def headless() -> None:
    """End the first thread: the process reads as a zombie, and another thread goes on."""
    if _EXIT_THREAD is None:
        deaf()
    for number in _POLITE:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    ctypes.CDLL(None).syscall(_EXIT_THREAD, 0)


def pair() -> None:
    """Two that bring each other back to life: each sees the end of the other at a pipe."""
    for number in _POLITE:
        signal.signal(number, signal.SIG_IGN)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        mine, its = os.pipe()
        other, ours = os.pipe()
        if os.fork() == 0:
            sign()
            os.close(mine)
            os.close(ours)
            os.read(other, 1)  # until the first has ended: this one is the first now
            os.close(other)
            os.close(its)
        else:
            os.close(its)
            os.close(other)
            os.read(mine, 1)
            os.close(mine)
            os.close(ours)


def trapper() -> None:
    """Answer a polite signal with more processes."""
    signal.signal(signal.SIGTERM, lambda *_: [fork(then) for then in (daemon, session, orphan)])
    while True:
        signal.pause()


def breeder() -> None:
    """Start an orphan every few milliseconds, so that some are born at any moment of the end."""
    for number in _POLITE:
        signal.signal(number, signal.SIG_IGN)
    for _ in range(150):
        fork(session)
        time.sleep(0.005)
    deaf()


def bush() -> None:
    """Be many: three levels of three."""
    _bush(3)


def _bush(depth: int) -> None:
    for _ in range(3 if depth else 0):
        fork(lambda: _bush(depth - 1))
    deaf()


def reaper() -> None:
    """Take in orphans itself."""
    _c.prctl(_SUBREAPER, 1, 0, 0, 0)
    fork(daemon)
    deaf()


def own_pids() -> None:
    """Be the first process of a pid namespace, deaf to all but SIGKILL, where that is allowed."""
    if _c.unshare(_NEW_PIDS) == 0:
        fork(lambda: (fork(deaf), deaf()))
    deaf()


def stranger() -> None:
    """Be another user's, where that is allowed."""
    if os.geteuid() == 0:
        os.setresuid(STRANGER, STRANGER, STRANGER)
        if os.fork() > 0:
            os._exit(0)
    deaf()


def traced() -> None:
    """Be traced by somebody who does not look."""

    def child() -> None:
        _c.ptrace(_TRACE_ME, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        deaf()

    fork(child)
    deaf()


def swarm() -> None:
    """Hop as fast as a program in C does, in eight places at once."""
    _swift("hop", 8)


def flood() -> None:
    """Multiply as fast as a program in C does, up to a number: whoever is killed makes room for another."""
    if os.geteuid() == 0:
        _swift("flood", 100, 1000)
    bush()


def _swift(*words: object) -> None:
    """Become the program in C, where there is one."""
    place = Path(roll)
    program = place.with_name(SWIFT + place.name)
    if program.exists():
        os.execve(program, [SWIFT, *map(str, words)], {})


KINDS: tuple[Callable[[], object], ...] = (
    plain,
    deaf,
    orphan,
    daemon,
    session,
    group,
    bare,
    swiftly,
    stopped,
    stopper,
    hopper,
    hopper_in_sessions,
    swift_hopper,
    swift_hoppers_in_sessions,
    chain,
    without_descriptors,
    holder,
    sibling,
    threads,
    headless,
    pair,
    trapper,
    breeder,
    bush,
    reaper,
    own_pids,
    stranger,
    traced,
    swarm,
    flood,
)
ENDS = ("deaf", "obey", "trap", "leave", "crash", "suicide")
"""What the program itself does when its tree is there; the last three end it."""


def _sleep() -> str:
    where = Path(roll)
    return str(where.with_name(SLEEP + where.name))


def chosen(seed: int) -> list[Callable[[], object]]:
    """Return the members of a tree."""
    generator.seed(f"tree {seed}")
    first = KINDS[seed % len(KINDS)]  # each kind comes in turn, the others as luck has it
    return [first, *generator.choices(KINDS, k=generator.randint(2, 6))]


def grow(seed: int, end: str, where: str) -> None:
    """Build the tree of a seed; then do what END says."""
    global roll  # noqa: PLW0603  (a program of one purpose, and its forks must have it)
    roll = where
    sign()
    for then in chosen(seed):
        pid = fork(then)
        if generator.random() < 0.3:
            fork(lambda: fork(then))  # noqa: B023  (called at once)
        if then is sibling:
            os.waitpid(pid, 0)
    if end in ("deaf", "suicide"):
        for number in _POLITE:
            signal.signal(number, signal.SIG_IGN)
    elif end == "trap":
        signal.signal(signal.SIGTERM, lambda *_: [fork(then) for then in (daemon, swift_hoppers_in_sessions, breeder)])
    else:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.close(os.open(f"{roll}.ready", os.O_WRONLY | os.O_CREAT, 0o666))
    if end in ("leave", "crash"):
        os._exit(3 if end == "crash" else 0)
    if end == "suicide":
        os.killpg(0, signal.SIGKILL)
    while True:
        signal.pause()


def evaluate(tree: int) -> float:
    """Be the tree, as a function trial; END and ROLL stand in the environment. Returns where END is ``leave``."""
    end = os.environ["NASTY_END"]
    if end == "leave":
        global roll  # noqa: PLW0603
        roll = os.environ["NASTY_ROLL"]
        for then in chosen(tree):
            fork(then)
        os.close(os.open(f"{roll}.ready", os.O_WRONLY | os.O_CREAT, 0o666))
        return 1.0
    grow(tree, end, os.environ["NASTY_ROLL"])
    return 0.0


if __name__ == "__main__":
    if sys.argv[1] == "chain":
        roll = sys.argv[3]
        sign()
        _chain(int(sys.argv[2]))
    grow(int(sys.argv[1]), sys.argv[2], sys.argv[3])
