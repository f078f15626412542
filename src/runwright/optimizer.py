"""The contract of an optimizer: something that proposes points and learns from their results (ask/tell)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from runwright.clock import monotonic
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwright.experiment import Experiment
    from runwright.result import Failure, Json, Metrics

Rebuild: TypeAlias = Literal["stateless", "history", "replay"]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A point to evaluate.

    Attributes:
        parameters: Parameter name to value.
        instance: Problem instance, or None.
        budget: Fidelity, or None.
        seed: Seed of the evaluation, or None.
    """

    parameters: dict[str, Any]
    instance: str | None = None
    budget: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """How a trial ended.

    Attributes:
        trial: Index of the trial.
        parameters: Its point.
        status: COMPLETED, FAILED, ABANDONED, EARLY_STOPPED or STALE.
        metrics: Metric name to ``(mean, sem)``; empty unless something was measured.
        failure: Why it failed, or None.
    """

    trial: int
    parameters: dict[str, Any]
    status: TrialStatus
    metrics: Metrics = field(default_factory=dict)
    failure: Failure | None = None
    instance: str | None = None
    budget: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """History: the optimizer proposed this point as this trial."""

    trial: int
    suggestion: Suggestion


@dataclass(frozen=True, slots=True)
class Attached:
    """History: a user proposed this point as this trial."""

    trial: int
    suggestion: Suggestion


HistoryItem: TypeAlias = Asked | Attached | Observation
"""What happened between engine and optimizer, in recorded order."""


class Exhausted(Exception):  # noqa: N818  (a signal like StopIteration, not an error)
    """`Optimizer.ask`: there is nothing more to propose, whatever the pending trials give."""


@runtime_checkable
class Optimizer(Protocol):
    """Proposes points and learns from results.

    The promise: given the same recorded history, library versions, machine type and thread count, the next suggestion
    is the one that an uninterrupted process would have made.

    Attributes:
        rebuild: How that promise is kept after a restart. ``stateless``: suggestions depend on seed and index alone.
            ``history``: `restore` takes asked points and observations as they are. ``replay``: `restore` must ask and
            tell everything again, in order, and compare.
    """

    rebuild: Rebuild

    def setup(self, experiment: Experiment) -> None:
        """Get ready for an experiment; called once, before everything else.

        Raises:
            UsageError: It cannot express this experiment.
        """
        ...

    def ask(self, trial: int) -> Suggestion | None:
        """Propose a point.

        Args:
            trial: Index of the trial that it will become.

        Returns:
            The point; None: nothing now, ask again after the next result.

        Raises:
            Exhausted: There will be nothing more.
        """
        ...

    def attach(self, trial: int, suggestion: Suggestion) -> None:
        """Learn that a user proposed a point, which is pending from now on."""
        ...

    def tell(self, observation: Observation) -> None:
        """Learn how a trial ended. A trial that was tried again by a user is told a second time."""
        ...

    def restore(self, history: Sequence[HistoryItem]) -> Restored:
        """Go where an optimizer stands that lived through this history; called after `setup`, before `ask`."""
        ...

    def describe(self) -> Json:
        """Return what must not change between two drivers, as JSON: its kind, settings and seed."""
        ...


@dataclass(frozen=True, slots=True)
class Restored:
    """How a restore went.

    Attributes:
        exact: Whether the next suggestion is the one that an uninterrupted process would have made.
        reason: What was done, or why it is not exact, in a sentence.
    """

    exact: bool
    reason: str


def feed(optimizer: Optimizer, history: Sequence[HistoryItem]) -> None:
    """Give a history to an optimizer whose `attach` takes any point: nothing is asked again."""
    for item in history:
        if isinstance(item, Observation):
            optimizer.tell(item)
        else:
            optimizer.attach(item.trial, item.suggestion)


def replay(optimizer: Optimizer, history: Sequence[HistoryItem], *, seconds: float) -> Restored:
    """Ask and tell everything again in recorded order, and compare each point with the recorded one.

    After the first difference, or when the time is used up, what is left is fed without asking.

    Args:
        optimizer: A new optimizer after `Optimizer.setup`.
        history: What happened.
        seconds: Wall seconds that asking again may take.

    Returns:
        Whether every point came out again.
    """
    began = monotonic()
    for position, item in enumerate(history):
        if isinstance(item, Observation):
            optimizer.tell(item)
            continue
        if isinstance(item, Attached):
            optimizer.attach(item.trial, item.suggestion)
            continue
        if monotonic() - began > seconds:
            feed(optimizer, history[position:])
            return Restored(
                exact=False,
                reason=f"asking again took longer than {seconds:g} s; from trial {item.trial} on the history was fed",
            )
        again = optimizer.ask(item.trial)
        if again != item.suggestion:
            # The optimizer now holds a pending point that never was; it is told so, then given the recorded one.
            if again is not None:
                optimizer.tell(Observation(item.trial, again.parameters, TrialStatus.STALE))
            feed(optimizer, history[position:])
            return Restored(
                exact=False,
                reason=f"trial {item.trial} came out differently when asked again "
                f"(another version of a library?); from there on the history was fed",
            )
    return Restored(exact=True, reason=f"{len(history)} steps were asked and told again")
