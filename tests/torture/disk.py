"""Faults of disk, data and clock: the section `disk`."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.torture.figures import Figure, Scale

PARTS = {
    "cuts": "the journal cut at every byte, and bytes flipped",
    "faults": "ENOSPC and EIO at the n-th write",
    "full": "a file system that is really full",
    "results": "what a program and a disk may do to results and records",
    "places": "a directory that was moved, removed, or is read-only",
    "times": "clocks that jump, and transactions that a power cut takes",
}


def run(scale: Scale) -> list[Figure]:
    """Do every part; a case is named by its part first."""
    part, _, case = (scale.only or "").partition(" ")
    figures: list[Figure] = []
    for name in [part] if scale.only else PARTS:
        module = importlib.import_module(f"tests.torture.disk_{name}")
        figures += [
            replace(figure, failures=tuple(f"{name} {failure}" for failure in figure.failures))
            for figure in module.run(replace(scale, only=case or None))
        ]
    return figures
