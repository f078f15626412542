"""Looks for garbage less often where much is made and kept."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WHILE_RUNNING = 10_000
WHILE_SIMULATING = 100_000
WHILE_FOLDING = 1_000_000


@contextmanager
def rarer_collections(objects: int) -> Iterator[None]:
    """Look for garbage after so many new objects; whoever has chosen a rarer setting, or none, keeps it.

    What a driver makes is kept and has no cycles. By default a fifth of the time of its turns, and two fifths of the
    time in which a history is read, would go into looking for some.

    Args:
        objects: New objects that are still there before the youngest are looked through.
    """
    was = gc.get_threshold()
    if 0 < was[0] < objects:
        gc.set_threshold(objects, *was[1:])
    try:
        yield
    finally:
        gc.set_threshold(*was)
