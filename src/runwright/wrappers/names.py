"""The files that a BOA script reads and writes. Standard library only: the sequence of commands imports this too."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

OUTPUT_FILES = ("output", "outputs", "result", "results", "metric", "metrics")
"""Names under which a script may leave its measurements, the first that is there counts."""
STATUS_FILES = ("trial_status", "TrialStatus")
"""Names under which a script may leave its status."""
SUFFIXES = (".json", ".yml", ".yaml")
STATUS_KEYS = ("trial_status", "trialstatus")
"""Keys of the status, in small letters."""

STDOUT = "stdout.log"
STDERR = "stderr.log"
WRAPPER_LOG = "wrapper.log"
"""What the hooks of a wrapper log, in the folder of the attempt."""

_TEXT_OF_STATUS = re.compile(r"""["']?trial_?status["']?\s*[:=]\s*\[?[\s-]*["']?(\w+)""", re.IGNORECASE)
_GOES_ON = {"RUNNING", "STAGED", "CANDIDATE", "4", "1", "0"}
_NO_DATA = {"FAILED", "ABANDONED", "EARLY_STOPPED", "2", "5", "7"}
_LARGEST_LOOK = 1 << 16


def present(folder: str, names: Iterable[str]) -> list[list[str]]:
    """Return the files of several names in a folder, those of one name together: JSON before YAML."""
    there = set(os.listdir(folder))  # noqa: PTH208  (pathlib would be the largest import of the sequence)
    of_names = ([f"{name}{suffix}" for suffix in SUFFIXES if f"{name}{suffix}" in there] for name in names)
    return [files for files in of_names if files]


def quick_status(folder: str) -> str | None:
    """Look whether a script has left data or a status, without parsing.

    Returns:
        None: nothing is there, or it says that the trial goes on. ``"ended"``: it ended without data. ``"done"``: else.
    """
    for files in present(folder, (*STATUS_FILES, *OUTPUT_FILES)):
        path = f"{folder}/{files[0]}"
        if not os.path.isfile(path):  # noqa: PTH113  (as above)
            return "done"  # a pipe or a folder: whoever reads it says so
        with open(path, "rb") as file:  # noqa: PTH123  (as above)
            found = _TEXT_OF_STATUS.search(file.read(_LARGEST_LOOK).decode("utf-8", "replace"))
        status = found[1].upper() if found is not None else "COMPLETED"
        if status in _GOES_ON:
            return None
        return "ended" if status in _NO_DATA else "done"
    return None
