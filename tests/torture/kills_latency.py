"""How soon the driver knows of a death, and how long a restart takes."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import runwright as rw
from runwright.clock import monotonic
from runwright.events import Finished
from runwright.optimizers import RandomOptimizer
from runwright.runners import LocalMetadataRunner, PoolRunner, ProcessRunner
from tests.torture.figures import Figure
from tests.torture.kills_last_words import WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwright.events import Event
    from runwright.state import State
    from tests.torture.figures import Scale

EXPERIMENT = rw.Experiment("deaths", {"x": rw.Float(0, 1)}, {"y": "maximize"}, seed=5)
ASKED_MS = 50.0
PROGRAM = Path(__file__).with_name("kills_last_words.py")
FUNCTION = "tests.torture.kills_last_words:last_words"
DYING_FUNCTION = "tests.torture.kills_last_words:die_in_the_pool"


class Knowing:
    """Notes how long after its last word a death is known and committed.

    Args:
        words: File to which those write their last moment who leave no result.
    """

    def __init__(self, words: Path) -> None:
        self.seconds: list[float] = []
        self._words = words

    def __call__(self, state: State, events: Sequence[Event]) -> None:
        now = monotonic()
        for event in events:
            if not isinstance(event, Finished):
                continue
            if event.result.failure is None:
                said = event.result.metrics["y"][0]
            else:
                said = float(self._words.read_text(encoding="utf-8").split()[-1])
            self.seconds.append(now - said)


def deaths(name: str, way: str, count: int) -> Figure:
    """Let evaluations die one after another in one way.

    Args:
        name: What it is called.
        way: ``ends``, ``killed`` or ``supervisor`` for a command; ``pool ends`` or ``pool killed``.
        count: How many.
    """
    with tempfile.TemporaryDirectory(prefix="runwright-deaths-") as folder:
        words = Path(folder, "words")
        runner: rw.Runner
        if way.startswith("pool"):
            runner = PoolRunner(FUNCTION if way == "pool ends" else DYING_FUNCTION, workers=1)
        else:
            runner = ProcessRunner([sys.executable, "-I", "-S", str(PROGRAM), way, str(words)])
        knowing = Knowing(words)
        os.environ[WORDS] = str(words)  # for the workers of a pool
        try:
            with rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, directory=f"{folder}/run") as scheduler:
                scheduler.run(trials=count + 1, on_turn=knowing)
        finally:
            del os.environ[WORDS]
        milliseconds = sorted(1000 * seconds for seconds in knowing.seconds[1:])  # the launcher starts with the first
    median = statistics.median(milliseconds)
    late = milliseconds[int(len(milliseconds) * 0.99)]
    value = f"{median:.1f} ms, p99 {late:.1f}"
    return Figure(
        f"from {name} to the driver's commit, median", value, count, f"<= {ASKED_MS:g} ms", median <= ASKED_MS
    )


def no_op(x: float) -> float:
    """Measure nothing worth a name."""
    return x


def restart(trials: int) -> Figure:
    """Open a directory of finished trials again; see also ``benchmarks/bench_resume.py``."""
    with tempfile.TemporaryDirectory(prefix="runwright-restart-") as folder:
        with rw.Scheduler(EXPERIMENT, RandomOptimizer(), LocalMetadataRunner(no_op), directory=folder) as scheduler:
            scheduler.run(trials=trials)
        cpu, wall = [], []
        for _ in range(3):
            began_cpu, began = time.process_time(), monotonic()
            scheduler = rw.Scheduler(EXPERIMENT, RandomOptimizer(), LocalMetadataRunner(no_op), directory=folder)
            cpu.append(time.process_time() - began_cpu)
            wall.append(monotonic() - began)
            scheduler.close()
    value = f"{statistics.median(cpu):.2f} s CPU"
    return Figure(f"restart with {trials:,} trials ({statistics.median(wall):.2f} s wall)", value, trials)


def figures(scale: Scale) -> list[Figure]:
    """Measure everything; the restart of large directories in the full form alone."""
    count = 200 if scale.full else 10
    found = [
        deaths("the end of a program", "ends", count),
        deaths("kill -9 of a program", "killed", count),
        deaths("kill -9 of a supervisor", "supervisor", count // 2),
        deaths("the end of a function in the pool", "pool ends", count),
        deaths("kill -9 of a worker of the pool", "pool killed", count // 4),
    ]
    return found + ([restart(5_000), restart(100_000)] if scale.full else [])
