"""Functions that are evaluated in processes of their own."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import runwright as rw


def good(x: float, n: int) -> dict:
    return {"y": (x + n, 0.5), "extra": 2, "remark": "fine"}


def sees(x: float, n: int, seed: int, budget: float, instance: str) -> dict:
    print("printed")
    return {
        "y": 0.0,
        "seed": seed,
        "budget": budget,
        "instance": instance,
        "cwd": str(Path.cwd()),
        "argv": sys.argv,
        "trial": os.environ["RUNWRIGHT_TRIAL"],
        "outer": os.environ.get("OUTER"),
        "stdin": sys.stdin.read(),
    }


def where(x: float, n: int) -> dict:
    return {"y": random.random(), "pid": os.getpid(), "parent": os.getppid(), "imported": IMPORTED_BY}


def raises(x: float, n: int) -> float:
    raise ValueError(f"x is {x}\nand é")


def gives_nothing(x: float, n: int) -> None:
    return None


def exits(x: float, n: int) -> float:
    sys.exit(3)


def dies(x: float, n: int) -> float:
    os._exit(1)


def leaves(x: float, n: int) -> float:
    os._exit(0)


def kills_itself(x: float, n: int) -> float:
    os.kill(os.getpid(), 11)
    return 0.0


def own_result(x: float, n: int) -> rw.Result:
    return rw.Result.failed(rw.FailureKind.MEMORYOUT, "too much of it", seconds=3.5, additional_info={"at": 7})


def slow(x: float, n: int) -> float:
    subprocess.Popen(["sleep", "600"])
    time.sleep(600)
    return 0.0


IMPORTED_BY = os.getpid()


def hides_a_child(x: float, n: int) -> float:
    """Let a child hide in a session of its own; only forks, as with preload."""
    child = os.fork()
    if child == 0:
        os.setsid()
        time.sleep(600)
        os._exit(0)
    Path("pids.new").write_text(f"{os.getpid()} {child}")
    Path("pids.new").rename("pids")
    time.sleep(600)
    return 0.0


AT_IMPORT = os.environ.get("RUNWRIGHT_RESULT")


def environment(x: float, n: int) -> dict:
    shown = Path("/proc/self/environ").read_bytes().split(b"\0")
    (place,) = [entry.decode().partition("=")[2] for entry in shown if entry.startswith(b"RUNWRIGHT_RESULT=")]
    return {"y": 0.0, "at_import": f"{AT_IMPORT}", "now": os.environ["RUNWRIGHT_RESULT"], "shown": place}
