"""Evaluations for the tests with SMAC; in a module, so that other processes find them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from time import process_time

from runwright.clock import SystemClock, Waker


def bowl(config, seed=0):
    return (config["x"] - 0.3) ** 2


def on_instances(config, instance, seed=0):
    return (config["x"] - float(instance)) ** 2


def with_budget(config, budget, seed=0):
    return (config["x"] - 0.3) ** 2 + 1 / budget


def with_cutoff(config, instance, cutoff, seed=0):
    assert set(config) == {"x", "cutoff"}
    return {"cost": min(config["x"] + float(instance), cutoff), "note": f"cutoff {cutoff}"}


def two(config, seed=0):
    return {"second": 2 - config["x"], "remark": "any", "first": config["x"]}


def two_in_a_list(config, seed=0):
    return [config["x"], 2 - config["x"]], {"remark": "any"}


def conditional(config, seed=0):
    """What is inactive is absent."""
    return float({"left": {"side", "x"}, "right": {"side", "x", "depth"}}[config["side"]] != set(config))


def burn_and_raise(config, seed=0):
    until = process_time() + 0.05
    while process_time() < until:
        pass
    raise ArithmeticError("burnt")


def nap(config, seed=0):
    wait(0.15)
    return config["x"]


def hang(config, seed=0):
    """Never end, and do not listen."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        wait(3600)


def swell(config, seed=0):
    held = bytearray(400 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    wait(3600)
    return 0.0


def die(config, seed=0):
    """Say that an evaluation began; half of them take their worker with them."""
    note(f"{config['x']!r}")
    if config["x"] > 0.5:
        os.kill(os.getpid(), signal.SIGKILL)
    return config["x"]


def counted(config, seed=0):
    """Say that an evaluation began, and take a moment."""
    note(f"{config['x']!r} {seed}")
    wait(0.01)
    return (config["x"] - 0.3) ** 2


def note(line):
    fd = os.open(os.environ["EVALUATIONS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(fd, f"{line}\n".encode())
    os.close(fd)


def wait(seconds):
    clock = SystemClock()
    clock.wait(clock.now() + seconds, Waker())


def noted():
    """Return what was noted, a line an evaluation."""
    path = Path(os.environ["EVALUATIONS"])
    return path.read_text().splitlines() if path.exists() else []
