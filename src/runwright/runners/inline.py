"""What runners have in common that evaluate in the driver's own process, inside `run`."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from runwright.errors import ContractError, SubmitError
from runwright.runner import Ended, Lost, Runner, Traits
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runwright.clock import Waker
    from runwright.result import Json, Result
    from runwright.runner import Reattachment
    from runwright.trial import BaseTrial

_LOOKED_AT = 2  # how many kept results each run looks at: more than one, so that the kept ones become fewer


class _Kept(NamedTuple):
    """An evaluation whose result may still be asked for."""

    trial: BaseTrial
    attempt: int
    point: tuple[Any, ...]
    result: Result
    metadata: Json


class InlineRunner(Runner):
    """Evaluates a trial inside `run`; its run metadata tell the measurements."""

    traits = Traits(batches=True, holds_results=True, inline=True)
    unknown: TrialStatus | None = None
    """What a poll says of a trial whose result is not here; None: nothing."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], _Kept] = OrderedDict()
        self._news: dict[int, BaseTrial] = {}

    @abstractmethod
    def evaluate(self, trial: BaseTrial) -> tuple[Result, Json]:
        """Evaluate a trial; return its result, and run metadata that tell the measurements."""

    @abstractmethod
    def recall(self, trial: BaseTrial) -> Result | None:
        """Return the result that the run metadata of an earlier driver's evaluation tell, or None."""

    def run(self, trial: BaseTrial) -> dict[str, Any]:
        """Evaluate the trial, unless this attempt was evaluated before.

        Args:
            trial: The trial to evaluate.

        Raises:
            SubmitError: The same attempt was evaluated with other parameters.
        """
        key = (trial.experiment.name, trial.index)
        point = (trial.arms, trial.instance, trial.budget, trial.seed)
        known = self._kept.get(key)
        if known is not None and known.attempt == trial.attempt:
            if known.point != point:
                raise SubmitError(
                    f"trial {trial.index}: attempt {trial.attempt} was already evaluated with other parameters"
                )
            return known.metadata
        self._forget()
        result, metadata = self.evaluate(trial)
        self._kept[key] = _Kept(trial, trial.attempt, point, result, metadata)
        self._news[trial.index] = trial
        return metadata

    def wait(self, until: float | None, waker: Waker) -> set[int] | None:
        """Return at once what was evaluated and not polled since; where there is nothing, wait.

        Args:
            until: Time of the context's clock at which to return at the latest; None: no such time.
            waker: Ends the wait from elsewhere.
        """
        news = self._news
        if not news:
            self.context.clock.wait(until, waker)
            return set()
        for index in [index for index, trial in news.items() if _is_over(trial)]:
            del news[index]  # nobody will poll it any more
        return set(news)

    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        """Check the status of trials: COMPLETED or FAILED where the result is there.

        Args:
            trials: Trials to poll.
        """
        statuses: dict[TrialStatus, set[int]] = {}
        for trial in trials:
            self._news.pop(trial.index, None)
            result = self._find(trial)
            if result is None:
                status = self.unknown
            else:
                status = TrialStatus.COMPLETED if result.failure is None else TrialStatus.FAILED
            if status is not None:
                statuses.setdefault(status, set()).add(trial.index)
        return statuses

    def fetch_result(self, trial: BaseTrial) -> Result:
        """Return the result of the trial's current attempt.

        Args:
            trial: A trial that was evaluated.

        Raises:
            ContractError: It was not.
        """
        result = self._find(trial)
        if result is None:
            raise ContractError(f"trial {trial.index}: attempt {trial.attempt} was not evaluated here")
        return result

    def stop(self, trial: BaseTrial, reason: str | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Do nothing: an evaluation that has returned from `run` has ended.

        Args:
            trial: The trial to stop.
            reason: Why.
        """
        return {} if reason is None else {"reason": reason}

    def reattach(self, trials: Sequence[BaseTrial]) -> dict[int, Reattachment]:
        """Find attempts of an earlier driver: those whose run metadata tell the measurements have ended.

        Args:
            trials: Trials with an attempt whose end is not recorded.
        """
        found: dict[int, Reattachment] = {}
        for trial in trials:
            known = self._find(trial) is not None
            found[trial.index] = Ended(trial.run_metadata) if known else Lost("it ended with the driver that ran it")
        return found

    def close(self) -> None:
        """Forget all results."""
        self._kept.clear()
        self._news.clear()

    def _find(self, trial: BaseTrial) -> Result | None:
        """Return the result of the current attempt: the kept one, or what the run metadata tell of it."""
        known = self._kept.get((trial.experiment.name, trial.index))
        if known is not None and known.attempt == trial.attempt:
            return known.result
        return self.recall(trial) if trial.run_metadata else None

    def _forget(self) -> None:
        """Drop results that nobody will ask for any more, those of terminal trials: look at a few in each run."""
        for _ in range(min(_LOOKED_AT, len(self._kept))):
            key = next(iter(self._kept))
            if self._kept[key].trial.status.is_terminal:
                del self._kept[key]
            else:
                self._kept.move_to_end(key)


def _is_over(trial: BaseTrial) -> bool:
    """Whether the end of the trial's latest attempt is recorded."""
    return trial.status.is_terminal or any(attempt.number == trial.attempt for attempt in trial.attempts[-1:])
