"""What is evaluated while everything around it is killed; it leaves evidence of its own. Standard library alone.

As a program: ``python -I -S kills_evaluation.py EVIDENCE X LENGTH [NUMBER]``. As a function: `evaluate`.

For as long as anything of an evaluation lives, it holds a lock (flock) on a file of its point, which its child
inherits: the next evaluation of the same point finds out by the kernel whether two live at once. (The child of a peer's
evaluation, NUMBER given, drops it: nobody promises there that children end.) Each appends lines to the file ``notes``
of the folder EVIDENCE: ``begin | double | end``, point, trial, attempt, pid, monotonic seconds.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time

EVIDENCE = "KILLS_EVIDENCE"
LENGTHS = {"short": (0.01, 0.08), "long": (3.0, 3.5), "stopped": (0.0, 0.01)}
SUSPENDED_SECONDS = 1.5
"""For how long an evaluation that suspends itself is suspended, if somebody wakes it before its limit."""
CHILD_SECONDS = 60.0
"""How long a child would live on if nobody ended it."""


def value(x: float) -> float:
    """Return what every evaluation of a point measures."""
    return (x - 0.3) ** 2


def evaluate(x: float) -> float:
    """Evaluate in a Python of the runner; a child that it starts is gone when it returns."""
    evidence = Evidence(os.environ[EVIDENCE], x)
    child = evidence.begin()
    evidence.take_time("short")
    if child:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    evidence.note("end")
    evidence.close()
    return value(x)


def evaluate_suspended(x: float) -> float:
    """Evaluate in a pool, and be suspended meanwhile."""
    suspend(x)
    return value(x)


def suspend(x: float) -> None:
    """Suspend this process; for every second point a child wakes it after a while, for the others nobody does."""
    process = os.getpid()
    if wakes(x) and os.fork() == 0:
        os.setsid()
        time.sleep(SUSPENDED_SECONDS)
        os.kill(process, signal.SIGCONT)
        os._exit(0)
    os.kill(process, signal.SIGSTOP)


def wakes(x: float) -> bool:
    """Whether a suspended evaluation is woken before its limit."""
    return int(x * 1e6) % 2 == 0


class Evidence:
    """What one evaluation leaves behind.

    Args:
        folder: Where.
        x: Its point.
        number: Number of the trial, where the environment does not say it.
    """

    def __init__(self, folder: str, x: float, number: str = "-") -> None:
        self._folder = folder
        self._x = x
        self._trial = os.environ.get("RUNWRIGHT_TRIAL", number)
        self._attempt = os.environ.get("RUNWRIGHT_ATTEMPT", "-")
        self._lock = -1
        self._peers = number != "-"

    def begin(self) -> int:
        """Take the lock, and start a child where the point says so; return its pid or 0."""
        path = f"{self._folder}/point-{self._x!r}"
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.note("double")
        self.note("begin")
        return self._hidden_child() if int(self._x * 1e6) % 3 == 0 else 0

    def _hidden_child(self) -> int:
        """Start a child in a session of its own that obeys no polite signal and has the lock of its parent."""
        pid = os.fork()
        if pid == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)  # whoever waits for the end of the parent's output must not wait for ours
            if self._peers:
                os.close(self._lock)
            time.sleep(CHILD_SECONDS)
            os._exit(0)
        return pid

    def take_time(self, length: str) -> None:
        """Take a time that hangs on the point."""
        shortest, longest = LENGTHS[length]
        time.sleep(shortest + (longest - shortest) * (self._x * 977 % 1))

    def note(self, what: str) -> None:
        """Append a line."""
        line = f"{what} {self._x!r} {self._trial} {self._attempt} {os.getpid()} {time.monotonic():.6f}\n"
        fd = os.open(f"{self._folder}/notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        os.write(fd, line.encode())
        os.close(fd)

    def close(self) -> None:
        """Drop the lock; a child that still lives keeps it."""
        os.close(self._lock)


def main() -> None:
    """Evaluate as a program; a child that it starts is left behind."""
    folder, x, length, *number = sys.argv[1:]
    evidence = Evidence(folder, float(x), *number)
    if length == "stopped":
        evidence.note("begin")
        suspend(float(x))
    else:
        evidence.begin()
    evidence.take_time(length)
    measured = value(float(x))
    evidence.note("end")
    result = os.environ.get("RUNWRIGHT_RESULT")
    if result is None:
        print(measured)
        return
    fd = os.open(result, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(fd, json.dumps({"y": measured}).encode())


if __name__ == "__main__":
    main()
