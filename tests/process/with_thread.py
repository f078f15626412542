"""A module whose import leaves a thread behind."""

from __future__ import annotations

import threading

threading.Thread(target=threading.Event().wait, daemon=True).start()


def function(x: float, n: int) -> float:
    return x
