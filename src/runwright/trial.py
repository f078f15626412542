"""A trial: one or several points to evaluate, and what has become of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from runwright.status import CANDIDATE, AttemptOutcome, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runwright.experiment import Experiment
    from runwright.result import Failure, Json, Result


class Arm:
    """One point of the search space.

    Args:
        parameters: Parameter name to value.
        name: Name of the arm, unique in the experiment; ``<trial>_<position>`` where none is given.
    """

    __slots__ = ("name", "parameters")

    def __init__(self, parameters: Mapping[str, Any], name: str) -> None:
        self.parameters: dict[str, Any] = dict(parameters)
        self.name = name

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Arm):
            return NotImplemented
        return self.name == other.name and self.parameters == other.parameters

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Arm({self.parameters!r}, name={self.name!r})"


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that ended without completing its trial.

    Attributes:
        number: Number of the attempt, from 1.
        outcome: How it ended.
        failure: Its failure, where it failed.
        reason: Why it was interrupted or stopped.
    """

    number: int
    outcome: AttemptOutcome
    failure: Failure | None = None
    reason: str | None = None

    def __str__(self) -> str:
        why = self.reason if self.failure is None else f"{self.failure.kind.value}: {self.failure.message}"
        return f"attempt {self.number} {self.outcome.value}" + (f" ({why})" if why else "")


class BaseTrial:
    """A trial as runners, optimizers and users see it. The fold of the journal alone changes it.

    Attributes:
        index: Number of the trial in the experiment, from 0.
        experiment: The experiment that it belongs to.
        arms: The points to evaluate.
        source: Who proposed it: ``optimizer``, ``enqueued`` (a user) or ``submitted`` (a foreign loop).
        instance: Problem instance, where there is one.
        budget: Fidelity, a positive number, where there is one.
        seed: Seed of the evaluation, where one was asked for.
        attempt: Number of the latest attempt; 0 before the first.
        attempts: Attempts that ended without completing the trial.
        result: Result of the attempt that ended the trial.
        run_metadata: What the runner said when it deployed the latest attempt.
        stop_requested: Why the running attempt was asked to stop, or None.
        penalty: What is told of its objectives in place of measurements, where it FAILED and policy says so; never a
            measurement itself.
    """

    __slots__ = (
        "_status",
        "arms",
        "attempt",
        "attempts",
        "budget",
        "experiment",
        "index",
        "instance",
        "penalty",
        "result",
        "run_metadata",
        "seed",
        "source",
        "stop_requested",
    )

    def __init__(
        self,
        index: int,
        experiment: Experiment,
        arms: Sequence[Arm],
        source: str = "optimizer",
        instance: str | None = None,
        budget: float | None = None,
        seed: int | None = None,
    ) -> None:
        self.index = index
        self.experiment = experiment
        self.arms: tuple[Arm, ...] = tuple(arms)
        self.source = source
        self.instance = instance
        self.budget = budget
        self.seed = seed
        self._status = CANDIDATE
        self.attempt = 0
        self.attempts: tuple[Attempt, ...] = ()
        self.result: Result | None = None
        self.run_metadata: Json = {}
        self.stop_requested: str | None = None
        self.penalty: dict[str, float] | None = None

    if TYPE_CHECKING:

        @property
        def status(self) -> TrialStatus:
            """Status of the trial; `runwright.status.advance` alone writes it."""

    else:  # read without a step in Python: five times in each turn
        status = property(attrgetter("_status"), doc="Status of the trial; `runwright.status.advance` alone writes it.")

    @property
    def arms_by_name(self) -> dict[str, Arm]:
        """The arms by their names."""
        return {arm.name: arm for arm in self.arms}

    @property
    def failures(self) -> int:
        """How many attempts failed (interruptions do not count)."""
        return sum(attempt.outcome is AttemptOutcome.FAILED for attempt in self.attempts)

    @property
    def failure(self) -> Failure | None:
        """Why the trial failed, or None."""
        return None if self.result is None else self.result.failure

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that change with what is evaluated: parameters, instance, budget and seed."""
        points = [sorted(arm.parameters.items()) for arm in self.arms]
        # The values are texts, numbers and booleans: their repr is the same in every process and version of Python.
        content = repr((points, self.instance, self.budget, self.seed))
        return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()

    def __str__(self) -> str:
        told = [str(attempt) for attempt in self.attempts]
        if self.attempt > len(told):
            told.append(f"attempt {self.attempt} was the latest")
        return ", ".join(told) or "it was never attempted"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(index={self.index}, status={self._status.name}, attempt={self.attempt})"


class Trial(BaseTrial):
    """A trial of one arm."""

    __slots__ = ()

    @property
    def arm(self) -> Arm:
        """The arm."""
        return self.arms[0]

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the arm."""
        return self.arms[0].parameters


class BatchTrial(BaseTrial):
    """A trial of several arms, evaluated together."""

    __slots__ = ()
