"""The contract of an optimizer: something that proposes points and learns from their results (ask/tell)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from runwright.clock import monotonic
from runwright.errors import UsageError
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwright.experiment import Experiment
    from runwright.result import Failure, Json, Metrics

Rebuild: TypeAlias = Literal["stateless", "history", "replay"]

_LARGEST_SEED = 2**63 - 1


def check_seed(seed: object, what: str) -> int:
    """Return a seed that an optimizer was given.

    Args:
        seed: The seed.
        what: Whose seed it is, for the error.

    Raises:
        UsageError: It is no integer from 0 to 2**63 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= _LARGEST_SEED:
        raise UsageError(f"{what} must be an integer from 0 to 2**63 - 1, not {seed!r:.60}")
    return seed


@dataclass(slots=True)
class Suggestion:
    """A point to evaluate. Never changed; not frozen because that costs three times as much to make, every trial.

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


@dataclass(slots=True)
class Observation:
    """How a trial ended. Never changed; not frozen because that costs three times as much to make, every trial.

    Attributes:
        trial: Index of the trial.
        parameters: Its point.
        status: COMPLETED, FAILED, ABANDONED, EARLY_STOPPED or STALE.
        metrics: Metric name to ``(mean, sem)``; empty unless something was measured.
        failure: Why it failed, or None.
        penalty: Objective to the number that a FAILED trial is to be learned with, where the user has set one; None:
            what it is worth is the optimizer's decision.
    """

    trial: int
    parameters: dict[str, Any]
    status: TrialStatus
    metrics: Metrics = field(default_factory=dict)
    failure: Failure | None = None
    instance: str | None = None
    budget: float | None = None
    seed: int | None = None
    penalty: dict[str, float] | None = None

    @property
    def values(self) -> dict[str, float]:
        """What there is to learn: the means of a COMPLETED trial, or the penalty of a FAILED one; else nothing."""
        if self.status is TrialStatus.COMPLETED:
            return {name: mean for name, (mean, _) in self.metrics.items()}
        return dict(self.penalty or {})


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

        Must depend on nothing but what setup, ask, attach and tell were given, in their order.

        Args:
            trial: Index of the trial that it will become; each index is asked or attached once.

        Returns:
            The point; None: nothing now, ask again after the next result.

        Raises:
            Exhausted: There will be nothing more.
        """
        ...

    def attach(self, trial: int, suggestion: Suggestion) -> None:
        """Learn that a user proposed a point, which is pending from now on; it is a valid one."""
        ...

    def tell(self, observation: Observation) -> None:
        """Learn how a trial ended, one that was asked or attached before.

        A trial that a user had tried again is told again: what is told last holds. No measurement is told but that of
        a COMPLETED trial. A FAILED one may have a penalty: it is learned as if that had been measured
        (`Observation.values` has both). What any other end is worth is the optimizer's decision.
        """
        ...

    def restore(self, history: Sequence[HistoryItem]) -> Restored:
        """Go where an optimizer stands that lived through this history; called after `setup`, before `ask`.

        Must not raise because of the history: where the way back is not exact, that is what it returns.
        """
        ...

    def describe(self) -> Json:
        """Return what must not change between two drivers, as JSON: its kind, settings and seed.

        Must be the same before and after `setup`, in every process, and whatever was asked and told.
        """
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
    """Give a history to an optimizer as it is: nothing is asked again, asked points are attached."""
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
        elif isinstance(item, Attached):
            optimizer.attach(item.trial, item.suggestion)
        else:
            trouble = _ask_again(optimizer, item, late=monotonic() - began > seconds, seconds=seconds)
            if trouble is not None:
                feed(optimizer, history[position:])
                return Restored(exact=False, reason=trouble)
    return Restored(exact=True, reason=f"{len(history)} steps were asked and told again")


def _ask_again(optimizer: Optimizer, item: Asked, *, late: bool, seconds: float) -> str | None:
    """Ask for a recorded point; say why that was in vain, or None."""
    if late:
        return f"asking again took longer than {seconds:g} s; from trial {item.trial} on the history was fed"
    try:
        again = optimizer.ask(item.trial)
    except Exhausted:
        again = None
    if again == item.suggestion:
        return None
    if again is not None:
        # The optimizer now holds a pending point that never was: it is taken back before the recorded one is fed.
        optimizer.tell(Observation(item.trial, again.parameters, TrialStatus.STALE))
    return (
        f"trial {item.trial} came out differently when asked again "
        "(another version of a library?); from there on the history was fed"
    )
