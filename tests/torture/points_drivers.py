"""The drivers that die, one for each way of running trials: started again as they were until they come to their end."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import runwright as rw
from runwright import mailbox
from runwright.loop.on_failure import Rule
from runwright.process import client
from runwright.runners import LocalMetadataRunner, PoolRunner, ProcessRunner, SimulatedBackendRunner
from runwright.simulation import BackendSimulator
from tests.torture.points_evaluation import HANGS, function
from tests.torture.points_optimizers import ChainOptimizer, MarkedRandom

if TYPE_CHECKING:
    from collections.abc import Callable

EXPERIMENT = rw.Experiment("points", {"x": rw.Float(0, 1)}, {"y": "minimize"}, seed=11)
SUBMITTED = (0.125, 0.5, 0.25)
_PROGRAM = Path(__file__).with_name("points_evaluation.py")
_FUNCTION = f"{_PROGRAM}:function"
_LIMITS = rw.Limits(timeout=40.0, grace=0.05)
_ON_FAILURE = Rule(retry=3, backoff=0.02)


@dataclass(frozen=True)
class Kind:
    """A way of running trials.

    Attributes:
        drive: Is the driver, in a run directory, with a folder for evidence.
        statuses: How its trials end.
        survives: Whether trials outlive the driver.
        workers: How many trials run at once; with one, the order of all that happens is fixed.
        requests: What is asked for before the first driver starts.
        metric: What is measured.
        has_optimizer: Whether somebody proposes points and is told; a queue has nobody, and no end either.
    """

    drive: Callable[[Path, Path], None]
    statuses: tuple[str, ...]
    survives: bool = True
    workers: int = 1
    requests: tuple[dict[str, object], ...] = ()
    metric: str = "y"
    has_optimizer: bool = True

    def prepare(self, directory: Path) -> None:
        """Leave the requests in a new run directory."""
        directory.mkdir()
        for request in self.requests:
            mailbox.post(directory, request)


# A call that waits for its watcher is cut short by a signal, even one that the kernel never cuts short else; where the
# handler asks for it, the call is made again. So handlers of watched processes ask for it; polls are cut short as ever.
_RESTARTING = """
import signal
def restarting(number, handler, install=signal.signal):
    before = install(number, handler)
    signal.siginterrupt(number, False)
    return before
signal.signal = restarting
"""


def watched() -> None:
    """Let the launchers of this process, and what they fork, have handlers that do not cut watched calls short."""
    for name in ("_BOOT", "_BOOT_PRELOAD"):
        setattr(client, name, f"{_RESTARTING}{getattr(client, name)}")


def _run(directory: Path, runner: rw.Runner, kind: Kind) -> None:
    optimizer: Any = ChainOptimizer() if kind.workers == 1 else MarkedRandom()
    limits = _LIMITS if runner.traits.survives_driver else rw.Limits(grace=0.05)
    with rw.Scheduler(
        EXPERIMENT, optimizer, runner, directory=directory, limits=limits, on_failure=_ON_FAILURE
    ) as scheduler:
        scheduler.run(trials=len(kind.statuses))
        scheduler.state.check()


def _command(metric: str, evidence: Path) -> list[str]:
    return [sys.executable, "-I", "-S", str(_PROGRAM), "{x}", metric, str(evidence)]


def command(directory: Path, evidence: Path) -> None:
    _run(directory, ProcessRunner(_command("y", evidence)), KINDS["command"])


def parallel(directory: Path, evidence: Path) -> None:
    _run(directory, ProcessRunner(_command("y", evidence), workers=2), KINDS["parallel"])


def function_process(directory: Path, evidence: Path) -> None:
    _run(directory, ProcessRunner(function=_FUNCTION), KINDS["function"])


def preload(directory: Path, evidence: Path) -> None:
    _run(directory, ProcessRunner(function=_FUNCTION, preload=True), KINDS["preload"])


def pool(directory: Path, evidence: Path) -> None:
    _run(directory, PoolRunner(_FUNCTION, workers=2), KINDS["pool"])


def local(directory: Path, evidence: Path) -> None:
    _run(directory, LocalMetadataRunner(function), KINDS["local"])


def simulated(directory: Path, evidence: Path) -> None:
    runner = SimulatedBackendRunner(BackendSimulator(), evaluation_function=function)
    _run(directory, runner, KINDS["simulated"])


def queue(directory: Path, evidence: Path) -> None:
    """Submit everything anew in each life; write down what was collected in this one."""
    infos = [rw.TrialInfo({"x": x}) for x in SUBMITTED]
    found = []
    runner = ProcessRunner(_command("cost", evidence), workers=2)
    with rw.TrialQueue(runner, directory=directory, limits=_LIMITS, on_failure=_ON_FAILURE) as trials:
        for info in infos:
            trials.submit_trial(info)
        while trials.is_running():
            trials.wait()
            found += [(told.config["x"], value.status.name, value.cost) for told, value in trials.iter_results()]
        found += [(told.config["x"], value.status.name, value.cost) for told, value in trials.iter_results()]
        trials.state.check()
    expected = sorted((x, "SUCCESS", 2 * x) for x in SUBMITTED)
    if sorted(found) != expected:
        raise AssertionError(f"the queue gave back {json.dumps(found)}")


_DONE = "COMPLETED"
_ENQUEUE: dict[str, object] = {"kind": "enqueue", "points": [{"x": HANGS}]}
KINDS = {
    "command": Kind(command, ("ABANDONED", _DONE, _DONE), requests=(_ENQUEUE,)),
    "parallel": Kind(parallel, (_DONE, _DONE, _DONE), workers=2),
    "function": Kind(function_process, (_DONE, _DONE)),
    "preload": Kind(preload, (_DONE, _DONE)),
    "queue": Kind(queue, (_DONE, _DONE, _DONE), workers=2, metric="cost", has_optimizer=False),
    "pool": Kind(pool, (_DONE, _DONE, _DONE), survives=False, workers=2),
    "local": Kind(local, (_DONE, _DONE), survives=False),
    "simulated": Kind(simulated, (_DONE, _DONE), survives=False),
}
