"""python -m tests.torture.points_worker: runs the cases that come on stdin, a name a line; answers one JSON line each.

A process of its own, because it becomes the subreaper of all that it starts, and forks drivers: it has one thread, and
has imported all that a driver needs, so that a driver's start costs a fork.
"""

from __future__ import annotations

import json
import sys
import traceback
from dataclasses import asdict

from tests.torture.points_case import Outcome, run_case
from tests.torture.points_filter import become_subreaper


def main() -> None:
    """Serve until stdin ends."""
    become_subreaper()
    for line in sys.stdin:
        try:
            outcome = run_case(line.strip())
        except Exception:  # noqa: BLE001  (a fault of the harness is a fault of this case)
            outcome = Outcome(faults=[traceback.format_exc()[-1500:]])
        print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    main()
