"""What a finished run gives back to a Python program."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from runwright.errors import MissingExtraError, UsageError
from runwright.report.best import incumbents
from runwright.report.rows import flat, rows
from runwright.report.summary import counts_of

if TYPE_CHECKING:
    from runwright.report.best import Incumbents
    from runwright.result import Json
    from runwright.state import State


class Results(Sequence["Json"]):
    """The trials of an experiment in the export format, by index: a list of dictionaries, as they stood when asked for.

    Args:
        state: The experiment.
        later: Whether they are made when first read; who changes the state before that calls `settle`.
    """

    def __init__(self, state: State, *, later: bool = False) -> None:
        self._state = state
        self._name = "?" if state.experiment is None else state.experiment.name
        self._objectives = {} if state.experiment is None else state.experiment.objectives
        if not later:
            self.settle()

    def settle(self) -> None:
        """Make everything now; from here on the state may change."""
        self._rows, self._incumbents, self._counts  # noqa: B018  (each is made when first read)

    @cached_property
    def _rows(self) -> list[Json]:
        return rows(self._state)

    @cached_property
    def _incumbents(self) -> Incumbents:
        return incumbents(self._state)

    @cached_property
    def _counts(self) -> dict[str, int]:
        return counts_of(self._state)

    @property
    def best(self) -> Json | None:
        """The best completed trial; None where none has completed.

        Of a point that was evaluated on several instances or with several seeds, the first trial: see `Incumbents`.

        Raises:
            UsageError: The experiment has no objective, or several.
        """
        if len(self._objectives) != 1:
            raise UsageError(
                f"experiment {self._name!r} has {len(self._objectives)} objectives, so no trial is best; use .pareto"
            )
        best = self._incumbents.best
        return None if best is None else self._rows[best.trial.index]

    @property
    def pareto(self) -> list[Json]:
        """The completed trials that no other dominates."""
        return [self._rows[trial.index] for trial in self._incumbents.front]

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame``: a line a trial, the columns of the CSV export, ``index`` as its index.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise MissingExtraError("Results.to_pandas", "pandas") from None
        columns, lines = flat(self._rows, self._state.experiment)
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
        found = self._incumbents
        parts = [f"{len(self)} trials", *(f"{count} {status}" for status, count in self._counts.items())]
        if len(self._objectives) > 1:
            parts.append(f"{len(found.front)} on the front")
        elif found.best is not None:
            (name,) = self._objectives
            parts.append(f"best {name} = {found.best.metrics[name][0]:.6g} ({found.best.whose})")
        return f"<Results of {self._name!r}: {', '.join(parts)}>"
