"""What the suite of runners has evaluated: a function, and a program, that do what they are told and can be watched.

```
python task.py '{"x": 1.0, "task": "good", "witness": "/folder"}'     prints {"y": 2.0}
```
Without an argument the program reads the file that ``RUNWRIGHT_PARAMETERS`` names; where ``RUNWRIGHT_RESULT`` names a
file, the result goes there too. It imports the standard library alone, so that it starts fast.

The witness is a folder, which `Witness` makes and reads:

- ``begun``: a line ``+<x>`` for each evaluation that began, ``-<x>`` for each that ended, if not by a signal;
- ``alive``: locked (shared) by each evaluation while it lives, so that no pid has to be known;
- ``gate``: a named pipe; a long evaluation ends when something is written into it.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import threading

BEGUN, ALIVE, GATE = "begun", "alive", "gate"
TASKS = ("good", "bad", "flaky", "long", "stubborn", "hungry", "loud")
LONGEST = 60.0
"""Seconds after which a long evaluation ends by itself, with an error."""
HUNGER = 256 * 2**20
LINES = 4000


def evaluate(x: float, task: str, witness: str) -> dict[str, float]:
    """Evaluate a point: ``y`` is twice ``x``.

    Args:
        x: A number.
        task: What it does before: ``good``: nothing; ``bad``: fails; ``flaky``: fails the first time that it is
            evaluated at this ``x``; ``long``: waits for the gate; ``stubborn``: the same, deaf to SIGTERM; ``hungry``:
            takes 256 MiB of memory, then waits for the gate; ``loud``: prints 400 kB.
        witness: The folder of the witness.
    """
    lock = os.open(f"{witness}/{ALIVE}", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        first = _note(witness, f"+{x}\n")
        try:
            _do(task, witness, first=first)
        finally:
            _note(witness, f"-{x}\n")
    finally:
        os.close(lock)
    return {"y": 2 * x}


def _note(witness: str, line: str) -> bool:
    """Add a line; say whether it was not there before."""
    fd = os.open(f"{witness}/{BEGUN}", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        known = os.read(fd, 1 << 20).decode().splitlines(keepends=True)
        os.write(fd, line.encode())
    finally:
        os.close(fd)
    return line not in known


def _do(task: str, witness: str, *, first: bool) -> None:
    if task == "bad" or (task == "flaky" and first):
        raise ValueError(f"this evaluation fails: it is {task}")
    if task == "stubborn" and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    held = [b"x" * 2**25 for _ in range(HUNGER // 2**25)] if task == "hungry" else []
    if task == "loud":
        sys.stdout.write(f"{'loud' * 25}\n" * LINES)
        sys.stdout.flush()
    if task in ("long", "stubborn", "hungry"):
        _wait_for_gate(witness)
    held.clear()


def _wait_for_gate(witness: str) -> None:
    gate = os.open(f"{witness}/{GATE}", os.O_RDONLY | os.O_NONBLOCK)
    try:
        poller = select.poll()
        poller.register(gate, select.POLLIN)
        if not poller.poll(LONGEST * 1000):
            raise TimeoutError(f"nobody ended this long evaluation for {LONGEST:g} s")
    finally:
        os.close(gate)


def main() -> None:
    """Evaluate the point that the argument, or the file of parameters, has."""
    if len(sys.argv) > 1:
        parameters = json.loads(sys.argv[1])
    else:
        with open(os.environ["RUNWRIGHT_PARAMETERS"], encoding="utf-8") as file:  # noqa: PTH123  (pathlib costs 5 ms)
            parameters = json.load(file)
    result = json.dumps(evaluate(**parameters))
    print(result)  # noqa: T201
    if "RUNWRIGHT_RESULT" in os.environ:
        with open(os.environ["RUNWRIGHT_RESULT"], "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(result)


if __name__ == "__main__":
    main()
