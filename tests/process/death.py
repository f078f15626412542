"""A driver that is killed: python death.py DIRECTORY LABEL DELAY

It deploys one trial and dies by SIGKILL at a labelled point, or after a delay. Each evaluation adds a line to ``count``
in the run directory.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import runwright as rw
from runwright.clock import Waker
from runwright.process import client, deployment
from runwright.process.record import ControlFolder
from runwright.runner import RunContext
from runwright.runners.process import ProcessRunner

EXPERIMENT = rw.Experiment("death", {"x": rw.Float(0, 1)}, {"y": "minimize"})
SCRIPT = "echo run >> ../../../count; sleep {x}; echo '{{\"y\": 1}}' > result.json"
LABELS = (
    "before",
    "folders",
    "files",
    "launcher",
    "sent",
    "answered",
    "deployed",
    "polled",
    "ended",
    "fenced",
    "unfenced",
)


def runner_and_trial(directory: Path, sleep: float = 0.05) -> tuple[ProcessRunner, rw.BaseTrial]:
    runner = ProcessRunner(["sh", "-c", SCRIPT])
    runner.open(RunContext(EXPERIMENT, directory))
    trial = EXPERIMENT.new_trial(0, [{"x": sleep}])
    trial.attempt = 1
    return runner, trial


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(owner: type, name: str) -> None:
    """Die when a method has done its work."""
    method = getattr(owner, name)

    def dying(*args, **kwargs):
        method(*args, **kwargs)
        die()

    setattr(owner, name, dying)


def plan(label: str) -> None:
    """Arrange the death at a label inside `run`."""
    if label == "folders":
        deployment.Deployments.prepare = die
    elif label == "files":
        client.Launcher.launch = die
    elif label == "launcher":
        die_after(client.Launcher, "_start")
    elif label == "sent":
        client.Launcher._read = die
    elif label == "answered":
        deployment.Deployments.launched = die
    elif label == "fenced":
        die_after(ControlFolder, "fence")
    elif label == "unfenced":
        die_after(deployment.Deployments, "find")


def main() -> None:
    directory, label, delay = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    plan(label)
    if delay:
        signal.signal(signal.SIGALRM, die)
        signal.setitimer(signal.ITIMER_REAL, delay)
    if label == "before":
        die()
    runner, trial = runner_and_trial(directory)
    if label in ("fenced", "unfenced") or (label == "random" and (directory / "control").exists()):
        runner.reattach([trial])
    runner.run(trial)
    if label == "deployed":
        die()
    waker = Waker()
    while not any(status.is_terminal for status in runner.poll_trial_status([trial])):
        if label == "polled":
            die()
        runner.wait(None, waker)
    die()


if __name__ == "__main__":
    main()
