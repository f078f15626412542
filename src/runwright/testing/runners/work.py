"""What a runner under test is given to evaluate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from runwright.testing.runners.patience import wait_until
from runwright.testing.runners.task import TASKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from runwright.result import Json
    from runwright.testing.runners.witness import Witness

_DYING = 0.25
"""Seconds that the end of a process may take; far less than the grace of a stubborn one."""
BLOCKING = frozenset({"long", "stubborn", "hungry"})


@dataclass(frozen=True, slots=True)
class Work:
    """Points, by what their evaluation does; see `runwright.testing.runners.task`.

    Attributes:
        make: Makes a point from a task and a number; points of different numbers differ.
        tasks: The tasks that there are points of.
        value: What is measured at a point of the task ``good``, by metric; None: nobody knows.
        witness: Watches the evaluations; None: they cannot be watched.
        inline: The runner evaluates inside `run`, so that it is given nothing that has to be ended.
    """

    make: Callable[[str, float], Json]
    tasks: frozenset[str] = frozenset(TASKS)
    value: Callable[[Json], dict[str, float]] | None = None
    witness: Witness | None = None
    inline: bool = False

    @classmethod
    def watched(cls, witness: Witness, *, inline: bool = False) -> Work:
        """Make the usual one: evaluations of `runwright.testing.runners.task`.

        Args:
            witness: Watches them.
            inline: See `Work`.
        """
        folder = str(witness.folder)
        return cls(
            lambda task, x: {"x": x, "task": task, "witness": folder},
            value=lambda point: {"y": 2 * point["x"]},
            witness=witness,
            inline=inline,
        )

    def point(self, task: str, x: float = 1.0, *, elsewhere: bool = False) -> Json:
        """Return a point; skip the test where there is none.

        Args:
            task: What its evaluation does.
            x: Distinguishes it from others.
            elsewhere: It is evaluated in another process that the test can kill.
        """
        if task not in self.tasks:
            pytest.skip(f"there is no {task} evaluation for this runner")
        if self.inline and task in BLOCKING and not elsewhere:
            pytest.skip(f"a {task} evaluation would block the test: this runner evaluates inside `run`")
        return self.make(task, x)

    def offered(self, *tasks: str) -> list[str]:
        """Return those of several tasks that there are points of."""
        return [task for task in tasks if task in self.tasks]

    def check_begun(self, count: int, x: float | None = None) -> None:
        """Check how many evaluations began, where they can be watched."""
        if self.witness is not None:
            begun = self.witness.begun(x)
            assert begun == count, f"{begun} evaluations began instead of {count}"

    def check_dead(self, what: str) -> None:
        """Check that no evaluation is alive, where that can be watched.

        Args:
            what: What was said or done, if one is.
        """
        witness = self.witness
        if witness is not None:
            # A process that ends gives back one file after another: the runner may see its end a moment earlier.
            wait_until(lambda: not witness.alive(), f"{what}, and is alive", _DYING)

    def release(self) -> None:
        """Let long evaluations end."""
        if self.witness is not None:
            self.witness.release()

    def need_witness(self) -> Witness:
        """Return the witness; skip the test where there is none."""
        if self.witness is None:
            pytest.skip("its evaluations cannot be watched")
        return self.witness

    def measured(self, point: Json, metrics: dict[str, Any]) -> bool:
        """Whether metrics are those of a point, as far as that is known."""
        if self.value is None:
            return True
        return {name: mean for name, (mean, _) in metrics.items()} == self.value(point)
