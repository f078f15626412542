"""A driver in a process of its own, to be killed.

```
python -m runwright.testing.runners.driver_process FILE
```
It deploys the trials that the file names, says so on stdout, and waits to be killed; or it is a scheduler.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from runwright.clock import SystemClock, Waker
from runwright.experiment import Experiment
from runwright.runner import Limits, Runner
from runwright.testing.runners.driver import Driver
from runwright.testing.runners.patience import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runwright.events import Event
    from runwright.result import Json
    from runwright.state import State

_RECORDED = "a deployment is recorded"


class DriverProcess:
    """Starts a driver that can be killed.

    Args:
        runner: A runner like the one that it uses; it must be one that can be saved.
        experiment: Its experiment.
        directory: Its run directory.
        points: What it runs, one trial a point.
        limits: Limits of each attempt.
        trials: How many trials a scheduler runs in it; None: it deploys them by hand.
    """

    def __init__(
        self,
        runner: Runner,
        experiment: Experiment,
        directory: Path,
        points: Sequence[Json],
        *,
        limits: Limits | None = None,
        trials: int | None = None,
    ) -> None:
        order = {
            "path": [os.path.abspath(entry) for entry in sys.path],  # noqa: PTH100  (an entry may be "")
            "runner": runner.to_dict(),
            "experiment": experiment.to_dict(),
            "directory": str(directory),
            "points": list(points),
            "limits": asdict(limits or Limits(grace=0.5)),
            "trials": trials,
        }
        file = directory.with_name("order.json")
        file.write_text(json.dumps(order))
        self._output = directory.with_name("driver.log")
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "runwright.testing.runners.driver_process", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until it is as far as it should get.

        Args:
            condition: Whether it is.
            what: What it has not done otherwise.
        """
        wait_until(
            lambda: condition() or self._process.poll() is not None, lambda: f"the driver process has not {what}"
        )
        assert condition(), f"the driver process has not {what}: {self._said()}"

    def deployed(self) -> dict[int, Json]:
        """Wait until it has deployed its trials; return their run metadata."""
        self.wait_until(lambda: "\nwaiting\n" in self._said(), "deployed its trials")
        lines = self._said().splitlines()
        return {index: json.loads(line) for index, line in enumerate(lines[: lines.index("waiting")])}

    def recorded(self) -> int:
        """How many deployments its scheduler has recorded."""
        return self._said().splitlines().count(_RECORDED)

    def kill(self) -> None:
        """Kill it, if it lives; it is gone when this returns. Idempotent."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def killed_itself(self) -> None:
        """Wait until it has done its work and killed itself."""
        assert self._process.wait(PATIENCE) == -signal.SIGKILL, self._said()

    def _said(self) -> str:
        return self._output.read_text("utf-8", "replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def main() -> None:
    """Do what the file says."""
    order: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    sys.path[:] = order["path"]
    runner = Runner.from_dict(order["runner"])
    experiment = Experiment.from_dict(order["experiment"])
    directory, limits = Path(order["directory"]), Limits(**order["limits"])
    if order["trials"] is None:
        driver = Driver(runner, experiment, directory, limits)
        for index, point in enumerate(order["points"]):
            print(json.dumps(driver.run(driver.trial(index, point))), flush=True)  # noqa: T201
        print("waiting", flush=True)  # noqa: T201
        SystemClock().wait(None, Waker())
    from runwright.loop.scheduler import Scheduler
    from runwright.optimizers.random_search import RandomOptimizer

    Scheduler(
        experiment,
        RandomOptimizer(),
        runner,
        directory=directory,
        enqueue=order["points"],
        trials=order["trials"],
        parallel=2,
        limits=limits,
    ).run(on_turn=_report)
    os.kill(os.getpid(), signal.SIGKILL)


def _report(_: State, events: Sequence[Event]) -> None:
    """Say which deployments are recorded."""
    for event in events:
        if event.kind == "Deployed":
            print(_RECORDED, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
