"""Which trial of ours is which trial of Ax's, in this process and in any later one."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from runwright.bridges.ax_request import key_of
from runwright.errors import UsageError
from runwright.folder import JOURNAL
from runwright.journal import read_events
from runwright.loop.submissions import SUBMITTED
from runwright.state import State

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from runwright.events import Event
    from runwright.experiment import Experiment
    from runwright.trial import BaseTrial


class Known:
    """The latest deployment of each of Ax's trials, and the hash of its points.

    Nothing is stored for it: the journal has the arms, which are named ``<index>_<position>`` with Ax's index.
    """

    def __init__(self) -> None:
        self._own: dict[int, int] = {}
        self._keys: dict[int, str] = {}

    def record(self, trials: Sequence[BaseTrial]) -> None:
        """Learn of the trials of earlier processes; what users enqueued is not Ax's.

        Raises:
            UsageError: One was submitted by another loop.
        """
        for trial in trials:
            if trial.source == SUBMITTED:
                index = trial.arms[0].name.partition("_")[0]
                if not index.isdecimal():
                    raise UsageError(
                        f"trial {trial.index} on record was not submitted by Ax; give Ax's trials a directory of their "
                        "own"
                    )
                self.add(int(index), trial.index, key_of([arm.parameters for arm in trial.arms]))

    def add(self, index: int, own: int, key: str) -> None:
        """Learn that Ax's trial of an index is ours of another."""
        self._own[index] = own
        self._keys[own] = key

    def own(self, index: int) -> int | None:
        """Return our index of a trial of Ax's, or None."""
        return self._own.get(index)

    def key(self, own: int) -> str:
        """Return the hash of the points of a trial of ours."""
        return self._keys[own]


def experiment_on_record(directory: Path | None, experiment: Experiment) -> Experiment:
    """Return an experiment as it was recorded first in a directory: what Ax measures may have been completed since.

    Args:
        directory: Run directory, or None.
        experiment: The experiment as it is now; returned where there is no record of it.
    """
    path = None if directory is None else directory / JOURNAL
    if path is None or not path.exists():
        return experiment
    events: Generator[Event] = read_events(path)  # type: ignore[assignment]  # it is one, and is left half-read
    with closing(events):
        first = next(events, None)
    recorded = None if first is None else State.of([first]).experiment
    if recorded is None or not recorded.is_open or recorded.name != experiment.name:
        return experiment  # refused as a change, where it is one
    return recorded
