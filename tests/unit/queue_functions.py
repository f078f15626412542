"""Evaluation functions for queues: what another process can import."""

from __future__ import annotations

import os
import select
from pathlib import Path


def square(config, seed):
    return {"cost": config["x"] ** 2, "seed": seed}


def at_fidelity(x, instance, budget, seed):
    return {"cost": x, "info": {"instance": instance, "budget": budget, "seed": seed}}


def misbehave(config):
    if config["how"] == "crash":
        raise ValueError("no convergence")
    if config["how"] == "die":
        os._exit(3)
    if config["how"] == "hang":
        select.select([], [], [])
    return 1.0


def hold(config):
    """Say that it began, and go on when it is let go."""
    Path(config["began"]).touch()
    with Path(config["go"]).open() as gate:  # a named pipe: opens when somebody writes
        gate.read()
    return 1.0
