"""What an idle does to a core of this machine: the same work of Python's own, without a pause and after one.

A figure of CPU a trial is to be read beside it: after 20 ms of idle the caches are cold, and a virtual machine may get
back another core's. None of ours is in it.
"""

import json
from statistics import median
from time import sleep, thread_time

_DOCUMENT = {"numbers": list(range(150)), "text": {"a": "b" * 100}}


def idle_costs(seconds: float = 0.02, rounds: int = 50) -> str:
    """Say in a sentence what writing and reading one JSON document costs back to back, and after an idle each."""
    found = []
    for pause in (0.0, seconds):
        times = []
        for _ in range(rounds):
            sleep(pause)
            began = thread_time()
            json.loads(json.dumps(_DOCUMENT))
            times.append(thread_time() - began)
        found.append(median(times) * 1e3)
    without, after = found
    return (
        f"this machine: one JSON document, {without:.3f} ms CPU back to back, {after:.3f} ms each after "
        f"{seconds * 1e3:g} ms of idle ({after / without:.1f} times as much)"
    )
