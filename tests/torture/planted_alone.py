"""python -m tests.torture.planted_alone SOURCES TEST ...: run tests over other sources, and end what they leave behind.

Where a fault lets processes live, the tests that notice it leave them behind: some fork as fast as they are killed, and
would keep a processor busy for ever. This process inherits them, and has no fault itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

from runwright.process.felling import fell
from runwright.process.linux import become_subreaper, children

TOO_LONG = 124
"""What is returned where the tests do not end."""
_PATIENCE = 300.0
_RUN = (
    "import sys, runwright; assert runwright.__file__.startswith(sys.argv[1]), runwright.__file__; "
    "import pytest; sys.exit(pytest.main(['-q', '-x', '-p', 'no:cacheprovider', '-p', 'no:xdist', *sys.argv[2:]]))"
)


def end_descendants() -> None:
    """Kill whatever this process has inherited, until nobody is left."""

    def ours() -> list[int]:
        return children(os.getpid())

    def reap() -> None:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    while ours():
        fell(ours, reap)
        reap()


def main() -> int:
    """Return what pytest says."""
    become_subreaper()
    sources, *tests = sys.argv[1:]
    environment = os.environ | {"PYTHONPATH": sources, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", _RUN, sources, *tests]
    try:
        return subprocess.run(command, env=environment, timeout=_PATIENCE, check=False).returncode
    except subprocess.TimeoutExpired:
        return TOO_LONG
    finally:
        end_descendants()


if __name__ == "__main__":
    sys.exit(main())
