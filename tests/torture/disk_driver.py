"""Drivers by the dozen: imports the command line once and forks for each; python -m tests.torture.disk_driver

Reads a job a line, ``{"arguments": [...], "output": path, "user": uid or absent}``, runs ``runwright`` with the
arguments in a fork, and answers ``{"pid": ...}`` when it has begun and ``{"status": ...}`` when it has ended.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import traceback
from importlib import import_module
from typing import Any, NoReturn

from tests.torture.disk_shim import announce_driver

DEADLINE = 90.0


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


def be_driver(job: dict[str, Any]) -> NoReturn:
    """Be the driver of a job."""
    status: object = 70
    try:
        out = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        for fd in (1, 2):
            os.dup2(out, fd)
        if job.get("user") is not None:
            os.setgroups([])
            os.setgid(job["user"])
            os.setuid(job["user"])
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
