"""Where BOA users expect things: ``<experiment>/000000`` for the first trial. Here these are links to the attempts."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runwright.experiment import Experiment
    from runwright.result import Json

EXPERIMENT = "experiment"
"""Folder of the run directory in which the links are, unless a wrapper has an experiment folder of its own."""

_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode


def zfilled_trial_index(trial_index: int, fill_size: int = 6) -> str:
    """Return the number of a trial with zeros before it."""
    return str(trial_index).zfill(fill_size)


def get_trial_dir(experiment_dir: str | os.PathLike[str], trial_index: int, **kwargs: Any) -> Path:
    """Return the folder of a trial: of its latest attempt.

    Args:
        experiment_dir: The experiment folder of the wrapper.
        trial_index: Number of the trial.
        **kwargs: ``fill_size``: how many digits.
    """
    return Path(experiment_dir) / zfilled_trial_index(trial_index, **kwargs)


def make_trial_dir(
    experiment_dir: str | os.PathLike[str], trial_index: int, exist_ok: bool = True, **kwargs: Any
) -> Path:
    """Return the folder of a trial; make it where the runner has not made it before."""
    trial_dir = get_trial_dir(experiment_dir, trial_index, **kwargs)
    trial_dir.mkdir(exist_ok=exist_ok)
    return trial_dir


def link_trial(experiment_dir: Path, index: int, folder: Path) -> None:
    """Let ``<experiment>/<000000>`` lead to the folder of an attempt; an earlier attempt's link is replaced."""
    experiment_dir.mkdir(parents=True, exist_ok=True)
    link = get_trial_dir(experiment_dir, index)
    target = os.path.relpath(folder, experiment_dir)
    try:
        link.symlink_to(target)
    except FileExistsError:
        if not link.is_symlink():
            raise UsageError(f"{link} is there and no link; give the wrapper another experiment_dir") from None
        if os.readlink(link) != target:  # noqa: PTH115  (a text is compared)
            aside = link.with_name(f".{link.name}.tmp")
            aside.unlink(missing_ok=True)
            aside.symlink_to(target)
            aside.replace(link)


@contextmanager
def cd_and_cd_back(path: str | os.PathLike[str] | None = None) -> Iterator[None]:
    """Go back to the current folder at the end, whatever the body does. Each hook has a current folder of its own."""
    before = Path.cwd()
    try:
        if path:
            os.chdir(path)
        yield
    finally:
        os.chdir(before)


def cd_and_cd_back_dec(
    path: str | os.PathLike[str] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that does what `cd_and_cd_back` does."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with cd_and_cd_back(path):
                return function(*args, **kwargs)

        return wrapper

    return decorate


def write_before(path: Path, body: Json) -> None:
    """Write a JSON file of an attempt that has not begun: nobody reads it yet, and a new beginning writes it again."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    with open(fd, "wb") as file:  # noqa: PTH123  (a descriptor)
        file.write(_encode(body).encode())


def known_names(experiment: Experiment) -> list[str]:
    """Return what the placeholders of a template may name."""
    return [*experiment.parameters, "trial", "attempt", "trial_dir", "here"]
