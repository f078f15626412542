"""Many supervised programs at once, each with a limit of its own: none is late because of the others."""

from __future__ import annotations

import os
import random
import select
import time
from typing import TYPE_CHECKING, Any

from runwright.process.client import Launcher
from runwright.process.linux import children
from runwright.process.record import EXIT, read_record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.torture.limits_cases import Tally

_DEADLINE = 60.0


def measure(folder: Path, count: int, tally: Tally, seed: int) -> None:
    """Start them, and see when each ends."""
    dice = random.Random(seed)
    requests = {}
    for number in range(count):
        control = folder / f"{number}.1"
        control.mkdir(parents=True)
        request = _request(str(number), control, round(count / 100 + dice.uniform(0.3, 1.3), 3))
        requests[request["id"]] = request
    launcher = Launcher()
    try:
        answers = launcher.launch(requests.values())
        died, living = _deaths({key: answers[key]["pid"] for key in requests})
        records = {key: _record(request["control"]) for key, request in requests.items()}
    finally:
        launcher.close()
    tally.over += count
    for key, request in requests.items():
        record = records[key]
        if key in living:
            tally.survivors.append(f"many/{key}")
        elif record is None or (record["reason"], record["limit"]) != ("timeout", request["timeout"]):
            tally.faults.append(f"many/{key}: {record}")
        elif key in died:  # else it was dead before it was looked for
            began = record["started"] - time.time() + time.monotonic()
            tally.delay("from the limit of one of many to its death", died[key] - began - request["timeout"])


def _request(name: str, control: Path, timeout: float) -> dict[str, Any]:
    return {
        "id": name,
        "argv": ["sleep", "600"],
        "env": dict(os.environ),
        "cwd": str(control),
        "control": str(control),
        "stdout": None,
        "stderr": None,
        "timeout": timeout,
        "grace": 2.0,
    }


def _record(control: str) -> dict[str, Any] | None:
    """Return the record of an end, which comes a moment after it."""
    until = time.monotonic() + _DEADLINE
    while (record := read_record(control, EXIT)) is None and time.monotonic() < until:
        time.sleep(0.005)
    return record


def _deaths(supervisors: dict[str, int]) -> tuple[dict[str, float], set[str]]:
    """Return when the program of each supervisor died, by a pidfd of our own, and which did not."""
    poll = select.poll()
    waiting: dict[int, str] = {}
    for key, supervisor in supervisors.items():
        for pid in children(supervisor):
            try:
                pidfd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue  # it is dead already, and its record says so
            waiting[pidfd] = key
            poll.register(pidfd, select.POLLIN)
    died: dict[str, float] = {}
    until = time.monotonic() + _DEADLINE
    while waiting and time.monotonic() < until:
        for pidfd, _ in poll.poll(1000):
            died[waiting.pop(pidfd)] = time.monotonic()
            poll.unregister(pidfd)
            os.close(pidfd)
    for pidfd in waiting:
        os.close(pidfd)
    return died, set(waiting.values())
