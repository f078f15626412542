"""A function trial, seen from inside its own process: a fresh interpreter, or a fork of a preloaded launcher."""

from __future__ import annotations

import io
import json
import os
import random
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.errors import UsageError
from runwright.evaluation import FunctionReference, evaluate
from runwright.experiment import Experiment
from runwright.folder import write_json
from runwright.process.attempt import RESULT, TRIAL
from runwright.process.client import absolute_path
from runwright.result import Result
from runwright.status import FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from runwright.result import Json
    from runwright.trial import BaseTrial

FAILED = 1
"""Exit status of an evaluation that failed and says so itself."""
OWN = "runwright"
"""Key of the result file under which is what only a function trial of ours says."""

_BOOT = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from runwright.process.function import main; main()"


def function_command(function: str) -> list[str]:
    """Return the command that evaluates a function, but for its last argument: the folder of the attempt."""
    return [sys.executable, "-c", _BOOT, json.dumps(absolute_path()), function]


def main() -> None:
    """Evaluate in a fresh interpreter: ``-c <boot> <sys.path> <function> <folder>``."""
    text, folder = sys.argv[2:4]
    reference = FunctionReference.of(text)
    sys.argv = [reference.source]
    try:
        function = reference.load()
    except UsageError as error:
        traceback.print_exc()
        _write(Path(folder), Result.failed(FailureKind.CRASHED, str(error)))
        sys.exit(FAILED)
    sys.exit(run(function, Path(folder)))


def preloaded(text: str) -> Callable[[], Callable[[Any], int]]:
    """Return what a preloading launcher does first: import the function; and then for each trial: call it."""

    def preload() -> Callable[[Any], int]:
        function = FunctionReference.of(text).load()

        def call(folder: Any) -> int:
            _reseed()
            return run(function, Path(folder))

        return call

    return preload


def _reseed() -> None:
    """Give this process random numbers of its own: forks begin with the same."""
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(int.from_bytes(os.urandom(4), "little"))


def run(function: Callable[..., Any], folder: Path) -> int:
    """Evaluate the trial of a folder and write its result; return the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what was printed must be there when it is killed
    result = evaluate(function, read_trial(folder))
    trace = (result.additional_info or {}).get("traceback") if result.failure is not None else None
    if trace is not None:
        sys.stderr.write(f"{trace}\n")
    _write(folder, result)
    return 0 if result.failure is None else FAILED


def read_trial(folder: Path) -> BaseTrial:
    """Build the trial from what the driver wrote."""
    body: Json = json.loads((folder / TRIAL).read_text("utf-8"))
    trial = Experiment.from_dict(body["definition"]).new_trial(
        body["trial"],
        [arm["parameters"] for arm in body["arms"]],
        instance=body["instance"],
        budget=body["budget"],
        seed=body["seed"],
        names=[arm["name"] for arm in body["arms"]],
    )
    trial.attempt = body["attempt"]
    return trial


def _write(folder: Path, result: Result) -> None:
    metrics: Json = {name: {"mean": mean, "sem": sem} for name, (mean, sem) in result.metrics.items()}
    own: Json = {"seconds": result.seconds, "cpu_seconds": result.cpu_seconds}
    own |= {"started": result.started, "ended": result.ended, "peak_memory": result.peak_memory}
    if result.failure is not None:
        own["failure"] = result.failure.to_json()
        own["info"] = {
            key: value for key, value in (result.additional_info or {}).items() if key != "traceback"
        } or None
    elif "info" in metrics:
        own["info"] = result.additional_info
    elif result.additional_info:
        metrics["info"] = result.additional_info
    write_json(folder / RESULT, {**metrics, OWN: {name: value for name, value in own.items() if value is not None}})
