"""One evaluation that leaves evidence: python points_evaluation.py X METRIC EVIDENCE, or `function` below.

The file ``evaluations`` gets a line when it begins and when it ends; a lock that the kernel drops with the last process
of the evaluation says whether another one of the same point is alive. X = `HANGS` never ends by itself: it ignores
SIGTERM, leaves a child behind in another session, and asks the driver to stop it.

Standard library alone: a program has nothing to do with the library that runs it.
"""

import fcntl
import json
import os
import signal
import sys
import time

HANGS = 0.75
SECONDS = 0.02
STOP = "00000000000000000001-5709"


def evaluate(x: float, evidence: str) -> float:
    """Give twice the point; leave evidence."""
    attempt = os.environ.get("RUNWRIGHT_ATTEMPT", "?")
    alive = os.open(f"{evidence}/alive.{x!r}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _note(evidence, f"overlap {x!r} {attempt}")
    _note(evidence, f"begin {x!r} {attempt}")
    if x == HANGS:
        _hang(evidence)
    time.sleep(SECONDS)
    _note(evidence, f"end {x!r} {attempt}")
    os.close(alive)
    return 2 * x


def function(x: float) -> float:
    """Evaluate as a function trial."""
    return evaluate(x, os.environ["EVIDENCE"])


def _note(evidence: str, line: str) -> None:
    fd = os.open(f"{evidence}/evaluations", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, f"{line}\n".encode())
    os.close(fd)


def _hang(evidence: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        while True:
            time.sleep(600)
    requests = "../../../requests"
    body = {"kind": "stop", "trial": int(os.environ["RUNWRIGHT_TRIAL"]), "reason": "it hangs"}
    aside = f"{evidence}/{STOP}.{os.getpid()}"
    with open(aside, "w", encoding="ascii") as file:  # noqa: PTH123  (pathlib costs half of an evaluation)
        json.dump(body, file)
    os.rename(aside, f"{requests}/{STOP}.json")  # noqa: PTH104
    try:
        fd = os.open(f"{requests}/wake", os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, b"\0")
    except OSError:
        pass  # no driver lives: the next one looks by itself
    while True:
        time.sleep(600)


if __name__ == "__main__":
    value = evaluate(float(sys.argv[1]), sys.argv[3])
    with open(os.environ["RUNWRIGHT_RESULT"], "w", encoding="ascii") as file:  # noqa: PTH123
        json.dump({sys.argv[2]: value}, file)
