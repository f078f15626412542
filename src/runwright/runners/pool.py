"""Evaluates a Python function in a pool of worker processes."""

from __future__ import annotations

import os
from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Any

from runwright.errors import ContractError, SubmitError, UsageError
from runwright.evaluation import FunctionReference
from runwright.function_reference import refuse_while_loading
from runwright.process.executor import ExecutorPool, places, processors
from runwright.process.pool import WorkerPool
from runwright.runner import Following, Lost, Runner, Traits
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from runwright.clock import Waker
    from runwright.process.pool_end import Outcome
    from runwright.result import Json, Result
    from runwright.runner import Reattachment, RunContext
    from runwright.trial import BaseTrial

_LOOKED_AT = 2  # how many kept results each run looks at: more than one, so that the kept ones become fewer


class _Attempt:
    """An attempt that was submitted here."""

    __slots__ = ("metadata", "number", "outcome", "point", "reason", "trial")

    def __init__(self, trial: BaseTrial, metadata: Json) -> None:
        self.trial = trial
        self.number = trial.attempt
        self.point = _point(trial)
        self.metadata = metadata
        self.outcome: Outcome | None = None

    @property
    def over(self) -> bool:
        """Whether its end is recorded: nobody will poll it any more."""
        ended = self.trial.attempts
        return self.trial.status.is_terminal or bool(ended and ended[-1].number >= self.number)

    @property
    def status(self) -> TrialStatus:
        if self.outcome is None:
            return TrialStatus.RUNNING
        if self.outcome.stopped:
            return TrialStatus.ABANDONED
        return TrialStatus.COMPLETED if self.outcome.result.failure is None else TrialStatus.FAILED


class PoolRunner(Runner):
    """Evaluates in worker processes: several trials at a time, each in a fresh interpreter of its slot.

    A worker that dies, or is ended with its trial, is replaced; no other trial notices. The output of a failed trial is
    kept as its log. The workers end with the driver, whatever ends it.

    Args:
        function: A function that another process can import, or its reference (``module:function``).
        workers: How many; None: as many as there are processors.
        executor: Evaluate there instead, in any `concurrent.futures.Executor`: a weaker tier, in which a running trial
            cannot be stopped and no limit is enforced. It is not shut down by `close`.
        folder: What workers find first on ``sys.path``.

    Raises:
        UsageError: The function has no name by which another process could import it, or ``workers`` is no positive
            number.
    """

    traits = Traits(stops=True, enforces=frozenset({"timeout", "memory", "output"}), batches=True, holds_results=True)

    def __init__(
        self,
        function: Callable[..., Any] | str,
        workers: int | None = None,
        *,
        executor: Executor | None = None,
        folder: str | Path | None = None,
    ) -> None:
        if workers is not None and (type(workers) is not int or workers < 1):
            raise UsageError(f"the number of workers must be a positive integer, not {workers!r:.60}")
        self._reference = FunctionReference.of(function) if executor is None or isinstance(function, str) else None
        self.function = function
        self.workers = workers
        self.executor = executor
        self.folder = None if folder is None else os.path.abspath(folder)  # noqa: PTH100  (the working folder may change)
        if executor is not None:
            self.traits = Traits(batches=True, holds_results=True)
        self._pool: WorkerPool | ExecutorPool | None = None
        self._attempts: OrderedDict[int, _Attempt] = OrderedDict()
        self._news: set[int] = set()
        self.gather = 0.0
        """Seconds that `wait` gives, once it has news, to the other trials: for a loop to which each poll is dear."""

    def open(self, context: RunContext) -> None:
        """Start the workers, and wait until the first has loaded the function.

        Args:
            context: Experiment, run directory, clock and limits.

        Raises:
            UsageError: The function does not import, or takes other arguments than the experiment has.
            SubmitError: No process can be started.
        """
        refuse_while_loading()
        super().open(context)
        if self._pool is not None:
            self.close()
        if self.executor is not None:
            size = self.workers or places(self.executor)
            self._pool = ExecutorPool(self.function, size, context, self.executor)
        else:
            assert self._reference is not None, "workers find the function by its reference"
            path = () if self.folder is None else (self.folder,)
            self._pool = WorkerPool(self._reference, self.workers or processors(), context, path)
        try:
            self._pool.start()
        except BaseException:
            self._pool = None
            raise

    def run(self, trial: BaseTrial) -> dict[str, Any]:
        """Give the trial to a free worker.

        Args:
            trial: The trial.

        Returns:
            ``{"name": "<experiment>_<index>", "slot": n}``.

        Raises:
            SubmitError: All workers are busy, none can be started, or the same attempt was submitted with other
                parameters.
        """
        known = self._attempts.get(trial.index)
        if known is not None and known.number == trial.attempt:
            if known.point != _point(trial):
                raise SubmitError(
                    f"trial {trial.index}: attempt {trial.attempt} was already submitted with other parameters"
                )
            return known.metadata
        if known is not None and known.outcome is None:
            raise SubmitError(f"trial {trial.index}: attempt {known.number} is still running")
        self._forget()
        slot = self._opened.submit(trial)
        metadata: Json = {"name": f"{trial.experiment.name}_{trial.index}", "slot": slot}
        self._attempts[trial.index] = _Attempt(trial, metadata)
        self._news.discard(trial.index)
        return metadata

    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        """Check the status of trials; those that were not submitted here are left out.

        Args:
            trials: Trials to poll.
        """
        collected = False
        statuses: dict[TrialStatus, set[int]] = {}
        for trial in trials:
            known = self._attempts.get(trial.index)
            if known is not None and known.number == trial.attempt:
                if known.outcome is None and not collected:
                    self._collect()
                    collected = True
                statuses.setdefault(known.status, set()).add(trial.index)
                self._news.discard(trial.index)
        return statuses

    def fetch_result(self, trial: BaseTrial) -> Result:
        """Return the result of an ended attempt.

        Args:
            trial: A trial whose current attempt has ended.

        Raises:
            ContractError: It has not ended, or was not submitted here.
        """
        known = self._attempts.get(trial.index)
        if known is None or known.number != trial.attempt or known.outcome is None:
            raise ContractError(f"trial {trial.index}: attempt {trial.attempt} has no result in this pool")
        return known.outcome.result

    def stop(self, trial: BaseTrial, reason: str | None = None) -> dict[str, Any]:
        """End the trial's current attempt, its whole process tree; in an executor only one that has not begun.

        Args:
            trial: The trial to stop.
            reason: Why.
        """
        known = self._attempts.get(trial.index)
        if known is not None and known.number == trial.attempt and known.outcome is None:
            self._opened.stop(trial.index)
        return {} if reason is None else {"reason": reason}

    def poll_available_capacity(self) -> int:
        """Return how many more trials may be deployed now."""
        if self._pool is None:
            return self.workers or (processors() if self.executor is None else places(self.executor))
        return self._pool.free

    def wait(self, until: float | None, waker: Waker) -> set[int] | None:
        """Wait until a worker says something, a time, or the waker.

        Args:
            until: Time of the context's clock at which to return at the latest; None: no such time.
            waker: Ends the wait from elsewhere.
        """
        if not self._news:
            self._wait_for_workers(until, waker)
        self._collect()
        self._news = {index for index in self._news if not self._attempts[index].over}
        return set(self._news)

    def _wait_for_workers(self, until: float | None, waker: Waker) -> None:
        clock = self.context.clock
        left = None if until is None else until - clock.now()
        if left is not None and left <= 0:
            return  # to collect is to look
        self._opened.wait(left, waker)
        if self.gather and sum(known.outcome is None for known in self._attempts.values()) > 1:
            self._collect()
            soon = clock.now() + self.gather
            clock.wait(soon if until is None else min(soon, until), waker)

    def reattach(self, trials: Sequence[BaseTrial]) -> dict[int, Reattachment]:
        """Say what became of attempts: those of an earlier driver ended with it, once its workers are gone.

        Args:
            trials: Trials with an attempt whose end is not recorded.
        """
        ending = self._opened.earlier_still_ending()
        found: dict[int, Reattachment] = {}
        for trial in trials:
            known = self._attempts.get(trial.index)
            if known is not None and known.number == trial.attempt:
                found[trial.index] = Following(known.metadata)
            elif not ending:
                found[trial.index] = Lost("it ended with the driver that ran it")
        return found

    def close(self) -> None:
        """End the workers and what they evaluate. An executor is left alone. Idempotent."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        self._attempts.clear()
        self._news.clear()
        self.gather = 0.0

    @property
    def run_metadata_report_keys(self) -> list[str]:
        """Keys of the run metadata that are worth a report."""
        return ["name", "slot"]

    @classmethod
    def serialize_init_args(cls, obj: Runner) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON.

        Args:
            obj: The runner.

        Raises:
            UsageError: It has an executor.
        """
        assert isinstance(obj, PoolRunner)
        if obj.executor is not None:
            raise UsageError("a PoolRunner with an executor cannot be saved: an executor has no description")
        assert obj._reference is not None  # noqa: SLF001
        return {"function": obj._reference.text, "workers": obj.workers, "folder": obj.folder}  # noqa: SLF001

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, PoolRunner):
            return NotImplemented
        return self._identity == other._identity

    __hash__ = Runner.__hash__

    @property
    def _identity(self) -> tuple[object, ...]:
        return (self._reference or self.function, self.workers, self.folder, self.executor)

    @property
    def _opened(self) -> WorkerPool | ExecutorPool:
        if self._pool is None:
            raise ContractError("PoolRunner.open was not called before its first trial")
        return self._pool

    def _collect(self) -> None:
        """Take in what has ended: news until somebody polls it."""
        for outcome in self._opened.collect():
            self._attempts[outcome.index].outcome = outcome
            self._news.add(outcome.index)

    def _forget(self) -> None:
        """Drop results that nobody will ask for any more, those of terminal trials: look at a few in each run."""
        for index, known in list(islice(self._attempts.items(), _LOOKED_AT)):
            if known.outcome is not None and known.trial.status.is_terminal:
                del self._attempts[index]
                self._news.discard(index)
            else:
                self._attempts.move_to_end(index)


def _point(trial: BaseTrial) -> tuple[object, ...]:
    return (trial.arms, trial.instance, trial.budget, trial.seed)
