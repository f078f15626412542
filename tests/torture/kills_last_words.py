"""Evaluations that say when they die, with nothing after it: ``kills_last_words.py ends|killed|supervisor FILE``."""

from __future__ import annotations

import os
import signal
import sys
import time

WORDS = "KILLS_WORDS"


def last_words(x: float) -> float:
    """Return the moment at which it returns."""
    return time.monotonic()


def die_in_the_pool(x: float) -> float:
    """Say the moment, and be killed."""
    leave(os.environ[WORDS])
    os.kill(os.getpid(), signal.SIGKILL)
    return x


def leave(file: str) -> None:
    """Append the moment to a file."""
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(fd, f"{time.monotonic()!r}\n".encode())


def main() -> None:
    """Die in the way that the command line says."""
    way, file = sys.argv[1:]
    if way == "ends":
        fd = os.open(os.environ["RUNWRIGHT_RESULT"], os.O_WRONLY | os.O_CREAT, 0o644)
        os.write(fd, f'{{"y": {time.monotonic()!r}}}'.encode())
        os._exit(0)
    leave(file)
    os.kill(os.getppid() if way == "supervisor" else os.getpid(), signal.SIGKILL)
    signal.pause()


if __name__ == "__main__":
    main()
