"""The run directory that a command is about, and what its journal says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from runwright.cli.terminal import command, shown
from runwright.errors import UsageError
from runwright.folder import JOURNAL, LOCK, control_folder, lock_holder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runwright.events import Event
    from runwright.state import State
    from runwright.trial import BaseTrial


def run_directory(argument: str) -> Path:
    """Return the run directory that is meant.

    Args:
        argument: The directory, or an experiment file, whose own directory is meant.

    Raises:
        UsageError: There is no such directory, or no experiment was started in it.
    """
    path = Path(argument)
    if path.is_file():
        from runwright.config import load

        file, path = path, load(path, check=False).directory
        start = f"; start it with: {command('run', file)}"
    else:
        start = "; give the directory, or the experiment file, of a run that was started"
        if not path.exists():
            raise UsageError(f"{shown(path)}: there is no such directory or experiment file")
    if not (path / JOURNAL).is_file():
        raise UsageError(f"{shown(path)}: no experiment was started here ({JOURNAL} is missing){start}")
    return path


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
    """Return the live trials whose supervisor lives, with its pid. They go on with or without a driver."""
    found: dict[int, int] = {}
    for trial in state.live_trials():
        try:
            fd = os.open(control_folder(directory, trial.index, trial.attempt) / LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # no process of its own, or it is gone with its records
        try:
            pid = lock_holder(fd)
        finally:
            os.close(fd)
        if pid is not None:
            found[trial.index] = pid
    return found
