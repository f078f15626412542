"""Waits for something that has no descriptor, with a deadline; and ends what would wait for ever."""

from __future__ import annotations

import select
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runwright.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 30.0
"""Seconds after which what should happen soon counts as not happening."""
_PAUSE = 2  # milliseconds


def wait_until(condition: Callable[[], object], what: Callable[[], str] | str, patience: float | None = None) -> None:
    """Wait until a condition holds.

    Args:
        condition: Asked again and again.
        what: What is the matter if it never holds.
        patience: Seconds; `PATIENCE` where not given.

    Raises:
        AssertionError: It did not hold in time.
    """
    seconds = PATIENCE if patience is None else patience
    until, pause = monotonic() + seconds, select.poll()
    while not condition():
        assert monotonic() < until, f"after {seconds:g} s: {what if isinstance(what, str) else what()}"
        pause.poll(_PAUSE)


@contextmanager
def must_return(what: str, wake: Callable[[], object], patience: float | None = None) -> Iterator[None]:
    """Fail where the body returns only because it was woken, after a long time.

    Args:
        what: What is the matter then.
        wake: Ends the wait of the body.
        patience: Seconds; a third of `PATIENCE` where not given.
    """
    late = threading.Event()

    def ring() -> None:
        late.set()
        wake()

    timer = threading.Timer(PATIENCE / 3 if patience is None else patience, ring)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
    assert not late.is_set(), what
