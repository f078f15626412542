"""What a finished run gives back to a Python program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from runwright.errors import MissingExtraError, UsageError
from runwright.report.best import incumbents
from runwright.report.rows import flat, rows
from runwright.report.summary import counts_of

if TYPE_CHECKING:
    from runwright.result import Json
    from runwright.state import State


class Results(Sequence["Json"]):
    """The trials of an experiment in the export format, by index: a list of dictionaries, as they stood when asked for.

    Args:
        state: The experiment.
    """

    def __init__(self, state: State) -> None:
        found = incumbents(state)
        self._rows = rows(state)
        self._experiment = state.experiment
        self._name = "?" if state.experiment is None else state.experiment.name
        self._objectives = {} if state.experiment is None else state.experiment.objectives
        self._best = found.best
        self._front = [trial.index for trial in found.front]
        self._counts = counts_of(state)

    @property
    def best(self) -> Json | None:
        """The best completed trial; None where none has completed.

        Raises:
            UsageError: The experiment has no objective, or several.
        """
        if len(self._objectives) != 1:
            raise UsageError(
                f"experiment {self._name!r} has {len(self._objectives)} objectives, so no trial is best; use .pareto"
            )
        return None if self._best is None else self._rows[self._best[0].index]

    @property
    def pareto(self) -> list[Json]:
        """The completed trials that no other dominates."""
        return [self._rows[index] for index in self._front]

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame``: a line a trial, the columns of the CSV export, ``index`` as its index.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise MissingExtraError("Results.to_pandas", "pandas") from None
        columns, lines = flat(self._rows, self._experiment)
        return pd.DataFrame(lines, columns=columns).set_index("index")

    @overload
    def __getitem__(self, index: int) -> Json: ...
    @overload
    def __getitem__(self, index: slice) -> list[Json]: ...
    def __getitem__(self, index: int | slice) -> Json | list[Json]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        parts = [f"{len(self)} trials", *(f"{count} {status}" for status, count in self._counts.items())]
        if len(self._objectives) > 1:
            parts.append(f"{len(self._front)} on the front")
        elif self._best is not None:
            (name,) = self._objectives
            trial, arm = self._best
            assert trial.result is not None, "a best trial has a result"
            parts.append(f"best {name} = {trial.result.arms[arm][name][0]:.6g} (trial {trial.index})")
        return f"<Results of {self._name!r}: {', '.join(parts)}>"
