"""The limits of a whole experiment, seen in its journal; and that the library leaves signals alone."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runwright.folder import JOURNAL

if TYPE_CHECKING:
    from tests.torture.limits_cases import Tally

_ROOT = Path(__file__).parents[2]
_SCRIPT = """
import json, os, signal, sys, time
import runwright as rw
from runwright.loop.policy import Policy
from runwright.loop.scheduler import Scheduler
from runwright.optimizers.random_search import RandomOptimizer
from runwright.runners import PoolRunner, ProcessRunner

def evaluate(x):
    if {fails}:
        raise ValueError("never well")
    time.sleep(0.05)
    return x

def handlers():
    return [signal.getsignal(number) for number in sorted(signal.valid_signals())]

if __name__ == "__main__":
    before, during = handlers(), []
    runner = {runner}
    experiment = rw.Experiment("e", {{"x": rw.Float(0, 1)}}, {{"y": "minimize"}})
    with Scheduler(experiment, RandomOptimizer(), runner, directory="run", policy=Policy({policy})) as scheduler:
        scheduler.run(on_turn=lambda state, events: during.append(handlers()))
    assert all(found == before for found in during) and during, "a handler was installed while it ran"
    assert handlers() == before, "a handler was left behind"
"""
_RUNNERS = {
    "pool": "PoolRunner(evaluate, 2)",
    "function": "ProcessRunner(function=evaluate, workers=2)",
    "command": "ProcessRunner(['sh', '{here}/program.sh'], workers=2)",
}
_ENDS = {
    "time": ("parallel=2, seconds=0.8", False, "its time of 0.8 s is used up"),
    "failure_rate": ("parallel=2, failure_rate=0.5", True, " ended trials failed, more than the failure rate of 0.5"),
}


def measure(folder: Path, tally: Tally, only: str | None) -> None:
    """Run an experiment into each limit of its own, under each runner."""
    for reason, (policy, fails, said) in _ENDS.items():
        for kind, runner in _RUNNERS.items():
            words = f"experiment/{reason}/{kind}"
            if only is not None and only != words:
                continue
            place = folder / reason / kind
            place.mkdir(parents=True)
            program = "exit 3" if fails else "sleep 0.05; echo '{\"y\": 1}' > result.json"
            (place / "program.sh").write_text(program)
            (place / "experiment.py").write_text(_SCRIPT.format(runner=runner, policy=policy, fails=fails))
            tally.over += 1
            fault = _fault(place, reason, said)
            if fault is not None:
                tally.faults.append(f"{words}: {fault}")


def _fault(place: Path, reason: str, said: str) -> str | None:
    done = subprocess.run(
        [sys.executable, "experiment.py"],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(_ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    if done.returncode != 0:
        return f"exit status {done.returncode}: {done.stderr[-500:]}"
    with sqlite3.connect(place / "run" / JOURNAL) as journal:
        rows = journal.execute("select time, kind, body from events order by seq").fetchall()
    ends = [(time, json.loads(body)) for time, kind, body in rows if kind == "ExperimentEnded"]
    if len(ends) != 1:
        return f"{len(ends)} ends are recorded"
    time, body = ends[0]
    if body["reason"] != reason or said not in body["message"]:
        return f"the end is recorded as {body}"
    late = [at for at, kind, _ in rows if kind == "DeployStarted" and at > time]
    return f"{len(late)} trials were started after the end" if late else None
