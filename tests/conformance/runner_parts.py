"""What some runners under the suite are made of; a module of its own, because other processes import it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from runwright.testing.runners import task
from runwright.wrappers import BaseWrapper

# Simulated trials: what `task` says, in virtual time.


def runtime(trial):
    return 1000.0 if trial.arms[0].parameters["task"] == "long" else 1.0


def simulated(x, task):
    if task == "bad":
        raise ValueError("this evaluation fails")
    return 2 * x


# TorchX.

APP = f"""
import json, os, pathlib, sys
sys.path.insert(0, {str(Path(task.__file__).parent)!r})
import task
base, trial, parameters = sys.argv[1:]
result = task.evaluate(**json.loads(parameters))
folder = pathlib.Path(base, trial)
folder.mkdir(parents=True, exist_ok=True)
(folder / "aside").write_text(json.dumps(result))
(folder / "aside").replace(folder / "result.json")
"""


def component(x: float, task: str, witness: str, trial_idx: int, tracker_base: str):
    from torchx import specs

    parameters = json.dumps({"x": x, "task": task, "witness": witness})
    args = ["-I", "-S", "-c", APP, tracker_base, str(trial_idx), parameters]
    return specs.AppDef("suite", [specs.Role("program", image="", entrypoint=sys.executable, args=args)])


# Wrapped jobs: a script of BOA's kind, and a wrapper that starts its model by itself.

MODEL = f"""
import json, os, pathlib, sys
sys.path.insert(0, {str(Path(task.__file__).parent)!r})
import task
folder = pathlib.Path(sys.argv[-1])
(folder / "pid").write_text(str(os.getpid()))
try:
    result = task.evaluate(**json.loads((folder / "parameters.json").read_text()))
    (folder / "aside").write_text(json.dumps(result))
    (folder / "aside").replace(folder / "output.json")
except ValueError as error:
    (folder / "trouble").write_text(str(error))
    raise
"""
PROGRAM = [sys.executable, "-I", "-S", "-c", MODEL]


class HookWrapper(BaseWrapper):
    """Starts its model by itself. How it stands is on disk: files, and a lock that lives as long as the model."""

    def write_configs(self, trial):
        (trial.trial_dir / "parameters.json").write_text(json.dumps(trial.arm.parameters))

    def run_model(self, trial):
        with (trial.trial_dir / "model.log").open("wb") as log, (trial.trial_dir / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            argv = ["setsid", "--fork", *PROGRAM, str(trial.trial_dir)]
            subprocess.run(argv, stdout=log, stderr=log, pass_fds=[lock.fileno()], check=True)

    def set_trial_status(self, trial):
        if self._lives(trial):
            return
        if (trial.trial_dir / "output.json").exists():
            trial.mark_completed()
        elif (trial.trial_dir / "trouble").exists():
            trial.mark_failed((trial.trial_dir / "trouble").read_text())
        else:
            trial.mark_abandoned()

    def fetch_trial_data(self, *, trial, **_):
        return json.loads((trial.trial_dir / "output.json").read_text())

    def stop_model(self, trial):
        if self._lives(trial):
            with suppress(FileNotFoundError, ProcessLookupError):
                os.kill(int((trial.trial_dir / "pid").read_text()), signal.SIGKILL)
            with (trial.trial_dir / "lock").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # waits until it is gone

    def _lives(self, trial):
        with (trial.trial_dir / "lock").open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False
