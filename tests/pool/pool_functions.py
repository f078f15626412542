"""Evaluation functions of the tests: what users' functions do, and what they should not do."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PATIENCE = 30


def noop(x):
    return x


def numpy_scalar(x):
    import numpy as np

    return {"y": (np.float64(x), np.float32(0.5))}


def no_json(x):
    return {"y": x, "model": object()} if x < 0.5 else object()


def seeded(x, seed, instance, budget):
    return {"y": x, "seed": seed, "budget": budget, "instance": float(instance == "i")}


def where(x):
    print("slot")
    return {
        "y": x,
        "info": {
            "pid": os.getpid(),
            "session": os.getsid(0),
            "path": sys.path[0],
            "slot": os.environ["RUNWRIGHT_SLOT"],
        },
    }


def ways_to_die(x):
    print("last words")
    if x == 1:
        sys.exit(3)
    if x == 2:
        os._exit(4)
    if x == 3:
        ctypes.string_at(0)
    if x == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    if x == 5:
        raise ValueError("a plain exception")
    if x == 6:
        raise KeyboardInterrupt
    if x == 7:
        os.closerange(3, 256)
    return x


def talk(x):
    print(f"said {x}")
    if x > 0.5:
        raise ValueError("after talking")
    return x


def prints(x):
    lines = {1: 40_000, 2: 10**9}.get(x, 3)
    for number in range(lines):
        print(f"line {number}")
        if number > 50_000:
            time.sleep(0.001)
    return {"y": x, "info": "long " * 30_000} if x == 3 else x


def silent_failure(x):
    raise SystemExit


def gate(x, instance):
    """Say that it runs, wait until it may end."""
    folder = Path(instance)
    (folder / f"runs-{x:g}").write_text(str(os.getpid()))
    if x < 0.5:
        return x
    _wait_for(folder / "open")
    return x


def stubborn(x, instance):
    """Ignore SIGTERM, with a child and a grandchild in sessions of their own that ignore it too."""
    folder = Path(instance)
    if x < 0.5:
        return x
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.setsid()\n"
    code += "if len(sys.argv) > 2: import subprocess; subprocess.Popen([sys.executable, '-c', *sys.argv[2:]])\n"
    code += "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    child, grandchild = str(folder / "child.tmp"), str(folder / "grandchild.tmp")
    subprocess.Popen([sys.executable, "-c", code, child, code, grandchild])
    _wait_for(folder / "child.tmp")
    _wait_for(folder / "grandchild.tmp")
    pids = [str(os.getpid()), *(_number(folder / f"{name}.tmp") for name in ("child", "grandchild"))]
    (folder / "pids.tmp").write_text(" ".join(pids))
    (folder / "pids.tmp").rename(folder / "pids")
    while True:
        time.sleep(60)


def _number(path):
    """Read a number that may be written just now."""
    until = time.monotonic() + PATIENCE
    while not (text := path.read_text()):
        assert time.monotonic() < until
        time.sleep(0.005)
    return text


def hog(x):
    held = []
    while x > 0.5:
        held.append(bytearray(2**24))
    return x


def forks(x):
    """Fork, and let the child return too."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return x if child else -1.0


def forked(x, instance):
    """Have a child that is a copy of the worker, and wait beside it."""
    if x < 0.5:
        return x
    child = os.fork()
    if child:
        path = Path(instance) / "pids"
        path.with_suffix(".tmp").write_text(f"{os.getpid()} {child}")
        path.with_suffix(".tmp").rename(path)
    while True:
        time.sleep(60)


def once(x, instance):
    """Die at the first call."""
    mark = Path(instance) / f"called-{x:g}"
    if not mark.exists():
        mark.touch()
        os._exit(1)
    return x


def many(**point):
    return float(len(point["x"]))


def _wait_for(path):
    until = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.005)
