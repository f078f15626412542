"""Drivers by the dozen: imports the command line once and forks for each; python -m tests.torture.disk_driver

Reads a job a line, ``{"arguments": [...], "output": path, "obeys": true, "jumps": seconds}``, runs ``runwright`` in a
fork, and answers ``{"pid": ...}`` when it has begun and ``{"status": ...}`` when it has ended.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import select
import signal
import sys
import time
import traceback
from importlib import import_module
from typing import Any, NoReturn

from tests.torture.disk_shim import announce_driver

DEADLINE = 90.0
_CAPABILITY_VERSION_3 = 0x20080522
_PR_CAPBSET_DROP = 24
_DAC = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


def main() -> None:
    """Serve jobs until there are no more."""
    for name in ("cli.run", "cli.rerun", "config", "loop.scheduler", "runners.process", "runners.pool", "report"):
        import_module(f"runwright.{name}")
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            be_driver(job)
        print(json.dumps({"pid": pid}), flush=True)
        print(json.dumps({"status": ended(pid)}), flush=True)


def ended(pid: int) -> int | str:
    """Wait for the end of a driver; return its exit status, negative for a signal, or ``hang``."""
    process = os.pidfd_open(pid)
    try:
        if not select.select([process], [], [], DEADLINE)[0]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return "hang"
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(process)


def obey_permissions() -> None:
    """Give up root's right to read and write everything, for good. Others obey anyway.

    Another user would do as well, but often cannot read the Python of root.
    """
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
    lowest = sum(1 << number for number in _DAC)
    failed = libc.capget(header, data)
    for at in range(3):
        data[at] &= ~lowest
    for number in _DAC:
        failed |= libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    if failed or libc.capset(header, data):
        raise OSError(ctypes.get_errno(), "root's rights cannot be given up")


def jump(seconds: float) -> None:
    """Have the clock of the day be off by up to so many seconds, by another number at each look."""
    real, dice = time.time, random.Random(os.getpid())
    time.time = lambda: real() + dice.uniform(-seconds, seconds)  # what `runwright.clock` looks at


def be_driver(job: dict[str, Any]) -> NoReturn:
    """Be the driver of a job."""
    status: object = 70
    try:
        out = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        for fd in (1, 2):
            os.dup2(out, fd)
        if job.get("obeys"):
            obey_permissions()
        if job.get("jumps"):
            jump(job["jumps"])
        announce_driver()
        from runwright.cli import main as runwright

        runwright(job["arguments"])
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001  (it is what the torture looks for)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
