"""What the trials of the tests evaluate; imported by workers, which have no Ax."""

from __future__ import annotations

import os
import time
from pathlib import Path

HERE = Path(__file__)


def paraboloid(x1, x2):
    return {"y": ((x1 - 0.3) ** 2 + x2, 0.1)}


def two(x1, x2):
    """Two objectives against each other."""
    return {"y": x1 + x2, "z": 1.0 - x1}


def three(x1, x2):
    """An objective, and two metrics for constraints."""
    return {"y": x1 + x2, "z": 1.0 - x1, "w": x2}


def fails_in_a_corner(x1, x2):
    if x1 > 0.5:
        raise ValueError(f"x1 is {x1:.3f}, beyond 0.5")
    return {"y": x1 + x2}


def waits_for_a_file(x1, x2):
    """End when the file GATE is there."""
    gate = Path(os.environ["GATE"])
    while not gate.exists():
        time.sleep(0.005)
    return {"y": x1}


def counted(x1, x2):
    """Add a line to the file EVALUATIONS, take a moment."""
    line = f"{os.environ.get('RUNWRIGHT_TRIAL', '?')} {x1!r} {x2!r}\n"
    fd = os.open(os.environ["EVALUATIONS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line.encode())
    os.close(fd)
    time.sleep(0.2)
    return {"y": x1 + x2}


def reference(name):
    return f"{HERE}:{name}"


def twenty_milliseconds(x1, x2):
    time.sleep(0.02)
    return {"y": x1 + x2}
