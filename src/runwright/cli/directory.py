"""The run directory that a command is about, and what its journal says."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runwright.cli.terminal import brief, command, shown
from runwright.errors import UsageError
from runwright.folder import JOURNAL, LOCK, control_folder, lock_holder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runwright.events import Event
    from runwright.state import State
    from runwright.trial import BaseTrial


_LONGEST = 300


def _given(_ctx: click.Context, _parameter: click.Parameter, argument: str | None) -> Path | None:
    if argument == "":  # a variable of a shell that is not set, as a rule; a path of nothing is the current folder
        raise UsageError("--dir is empty; name a directory, or leave --dir out")
    return None if argument is None else Path(argument)


directory_option = click.option("--dir", "directory", metavar="DIR", callback=_given, help="Run directory.")
"""The option ``--dir`` of the commands that take an experiment file."""


def run_directory(argument: str) -> Path:
    """Return the run directory that is meant.

    Args:
        argument: The directory, or an experiment file, whose own directory is meant.

    Raises:
        UsageError: There is no such directory, it cannot be entered, or no experiment was started in it.
    """
    if not argument:
        raise UsageError("the run directory is empty; name the directory, or the experiment file, of a run")
    path = Path(argument)
    if _is_file(path, path):
        from runwright.config import load

        file, path = path, load(path, check=False).directory
        start = f"; start it with: {command('run', file)}"
    else:
        start = "; give the directory, or the experiment file, of a run that was started"
        if not path.exists():
            raise UsageError(f"{brief(shown(path), _LONGEST)}: there is no such directory or experiment file")
    if not was_started(path):
        raise UsageError(
            f"{brief(shown(path), _LONGEST)}: no experiment was started here ({JOURNAL} is missing){start}"
        )
    return path


def was_started(directory: Path) -> bool:
    """Whether a run directory has a journal.

    Raises:
        UsageError: Nobody can tell: its name is too long, or it may not be entered.
    """
    return _is_file(directory / JOURNAL, directory)


def _is_file(path: Path, named: Path) -> bool:
    """Whether there is such a file; not knowing is an error, which `Path.is_file` hides in some versions of Python."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise UsageError(
            f"{brief(shown(named), _LONGEST)}: cannot be looked into ({error.strerror}); "
            "give another directory, or make this one accessible"
        ) from None


def events_of(directory: Path) -> Iterator[Event]:
    """Return what happened in a run directory; works while a driver writes."""
    from runwright.journal import read_events

    return read_events(directory / JOURNAL)


def state_of(directory: Path) -> State:
    """Return how the experiment in a run directory stands.

    Raises:
        UsageError: The experiment in it has not begun.
    """
    from runwright.state import State

    state = State.of(events_of(directory))
    check_begun(state, directory)
    return state


def check_begun(state: State, directory: Path) -> None:
    """Refuse the journal of a driver that was killed before its first event.

    Raises:
        UsageError: It has no events.
    """
    if state.experiment is None:
        raise UsageError(f"{shown(directory)}: the experiment in it has not begun yet; its journal is empty")


def trial_of(state: State, index: int) -> BaseTrial:
    """Return a trial.

    Raises:
        UsageError: There is no such trial.
    """
    if not 0 <= index < len(state.trials):
        count = len(state.trials)
        known = "there are no trials yet" if not count else f"the trials are 0 to {count - 1}" if count > 1 else "0 is"
        raise UsageError(f"there is no trial {index}; {known}" + (" the only one" if count == 1 else ""))
    return state.trials[index]


def supervisors_of(directory: Path, state: State) -> dict[int, int]:
    """Return the live trials whose supervisor lives, with its pid. They go on with or without a driver.

    Raises:
        UsageError: Nobody can tell: a lock may not be read.
    """
    found: dict[int, int] = {}
    for trial in state.live_trials():
        path = control_folder(directory, trial.index, trial.attempt) / LOCK
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # whoever may read the directory may know
        except (FileNotFoundError, NotADirectoryError):
            continue  # no process of its own, or it is gone with its records
        except OSError as error:
            raise UsageError(
                f"{shown(path)}: cannot be read ({error.strerror}); make it readable, it tells whether trial "
                f"{trial.index} still runs"
            ) from None
        try:
            pid = lock_holder(fd)
        finally:
            os.close(fd)
        if pid is not None:
            found[trial.index] = pid
    return found
