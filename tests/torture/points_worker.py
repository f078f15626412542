"""python -m tests.torture.points_worker: runs the cases that come on stdin, a name a line; answers one JSON line each.

A process of its own, because it becomes the subreaper of all that it starts, and forks drivers: it has one thread, and
has imported all that a driver needs, so that a driver's start costs a fork.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from dataclasses import asdict

from tests.torture.points_case import Outcome, is_starved, run_case
from tests.torture.points_filter import become_subreaper

_TRIES = 40
_PAUSE = 1.0  # seconds; what takes all processes of a machine does not last


def main() -> None:
    """Serve until stdin ends."""
    become_subreaper()
    for line in sys.stdin:
        for _ in range(_TRIES):
            outcome = _run(line.strip())
            if not outcome.starved:
                break
            time.sleep(_PAUSE)
        print(json.dumps(asdict(outcome)), flush=True)


def _run(name: str) -> Outcome:
    try:
        return run_case(name)
    except Exception as error:  # noqa: BLE001  (a fault of the harness is a fault of this case)
        return Outcome(faults=[traceback.format_exc()[-1500:]], starved=is_starved(str(error)))


if __name__ == "__main__":
    main()
