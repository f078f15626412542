"""What a trial reports while it runs: the steps of Ax's map data."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from runwright.errors import InvalidResultError
from runwright.folder import trial_folder
from runwright.measurements import measurement

if TYPE_CHECKING:
    from pathlib import Path

    from runwright.result import Json, Measurement
    from runwright.runner import Runner
    from runwright.trial import BaseTrial

Report: TypeAlias = tuple[float, dict[str, Any]]
"""A step, and metric name to ``(mean, sem)``."""
PROGRESS = "progress.jsonl"
"""File in the working folder of an attempt: a JSON object a line, ``{"step": 3, "y": 0.5}``."""
STEP = "step"


def reports(runner: Runner, trial: BaseTrial, directory: Path | None) -> list[Report]:
    """Return the reports of a trial's latest attempt, by step; the last one counts where a step is reported twice.

    Args:
        runner: Asked where it has a method ``progress(trial)``, which returns pairs of a step and metrics.
        trial: The trial.
        directory: Run directory, where the attempt's file is looked for otherwise.
    """
    ask = getattr(runner, "progress", None)
    if ask is not None:
        told = list(ask(trial))
    elif directory is None or trial.attempt == 0:
        return []
    else:
        told = _in_file(trial_folder(directory, trial.index, trial.attempt) / PROGRESS)
    by_step = {float(step): _metrics(metrics) for step, metrics in told}
    return sorted(by_step.items())


def _in_file(path: Path) -> list[tuple[float, Json]]:
    """Read a file that may be written at this moment: what is not a whole line of JSON is not there yet."""
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        return []  # it reports nothing, or its folder is gone
    found = []
    for line in text.splitlines():
        with suppress(ValueError):
            body = json.loads(line)
            if isinstance(body, dict) and isinstance(body.get(STEP), (int, float)):
                found.append((body.pop(STEP), body))
    return found


def _metrics(told: Json) -> dict[str, Measurement]:
    found = {}
    for name, value in told.items():
        with suppress(InvalidResultError):  # it may say other things, too
            found[name] = measurement(value, name)
    return found
