"""The contract of a runner: something that executes trials.

Four methods are abstract; everything else is written in terms of them and overridden where a runner does better. The
sentences with *must* are checked by the shipped conformance suite, `runwright.testing.RunnerSuite`.
"""

from __future__ import annotations

import importlib
import inspect
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from runwright.clock import SystemClock
from runwright.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from runwright.clock import Clock, Waker
    from runwright.experiment import Experiment
    from runwright.result import Json, Result
    from runwright.status import TrialStatus
    from runwright.trial import BaseTrial


@dataclass(frozen=True, slots=True)
class Limits:
    """What one attempt may use at the most. None: no limit.

    Attributes:
        timeout: Wall seconds, from the start of its execution.
        memory: Bytes, of the whole process tree, shared pages counted once.
        output: Bytes that it may write to stdout and stderr and give back as result, together.
        grace: Seconds between the polite signal and the final one.
        log: Bytes kept of the beginning of each of stdout and stderr; beyond it the end is kept too (64 KiB, at most
            half as much), what is between is counted, and the log says so. It ends nothing.
    """

    timeout: float | None = None
    memory: int | None = None
    output: int | None = None
    grace: float = 2.0
    log: int | None = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Traits:
    """What a runner promises; verified by the conformance suite.

    Attributes:
        survives_driver: An evaluation goes on when the driver dies, and `Runner.reattach` finds it again.
        stops: `Runner.stop` ends a running evaluation, and polls confirm it.
        enforces: Which of ``timeout``, ``memory`` and ``output`` it enforces by itself.
        batches: It takes trials of several arms.
        measures: It gives metrics. One that does not is for a foreign loop that measures by itself.
        simulated: It runs in virtual time.
        holds_results: A finished result lives in the driver's memory alone until it is recorded.
        inline: `Runner.run` returns only after the evaluation: one deployment a turn.
    """

    survives_driver: bool = False
    stops: bool = False
    enforces: frozenset[str] = frozenset()
    batches: bool = False
    measures: bool = True
    simulated: bool = False
    holds_results: bool = False
    inline: bool = False


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a runner is told before its first trial.

    Attributes:
        experiment: The experiment.
        directory: The run directory; None where everything stays in memory.
        clock: The scheduler's clock.
        limits: Limits of each attempt.
    """

    experiment: Experiment
    directory: Path | None = None
    clock: Clock = field(default_factory=SystemClock)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Following:
    """The attempt is alive, or ended with a result that can be fetched: it is polled as ever.

    Attributes:
        metadata: Its run metadata, which may have been lost.
    """

    metadata: Json


@dataclass(frozen=True, slots=True)
class Ended:
    """The attempt ended while nobody looked; `Runner.fetch_result` has its result.

    Attributes:
        metadata: Its run metadata, which may have been lost.
    """

    metadata: Json


@dataclass(frozen=True, slots=True)
class NeverStarted:
    """The attempt has not begun and never will unless it is sent again: it is sent again under the same number."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The attempt left no record of its end, and nobody will ever hear of it again.

    Attributes:
        reason: One sentence.
        log: Where evidence is, or None.
        may_live: Whether it is not confirmed dead. It is then tried again only where a rule of ``on_failure`` names the
            kind, because another evaluation could run beside it.
    """

    reason: str
    log: str | None = None
    may_live: bool = False


Reattachment: TypeAlias = Following | Ended | NeverStarted | Lost


class Runner(ABC):
    """Executes trials. See ``docs/add-a-runner.md``."""

    traits: Traits = Traits()
    poll_interval: float = 0.1
    """Seconds between two polls where `wait` has no events to wait for."""
    last_trial_stays: bool = False
    """The latest trial runs until another replaces it (`SingleRunningTrialMixin`): a scheduler leaves the last one."""

    _db_id: int | None = None
    _context: RunContext | None = None

    # The four that a runner must have.

    @abstractmethod
    def run(self, trial: BaseTrial) -> dict[str, Any]:
        """Deploy the trial's current attempt.

        Must adopt or start: asked again for the same (experiment, trial, attempt, digest of the parameters) it must not
        start a second evaluation; another digest under the same key must be an error. Must not raise because of the
        evaluation itself: a failing evaluation is a result.

        Args:
            trial: The trial to deploy.

        Returns:
            Run metadata, JSON-able, that finds the job again from another process.

        Raises:
            SubmitError: It could not be deployed. Any other exception is taken the same way; the engine then asks
                `reattach` whether it exists after all.
        """

    @abstractmethod
    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        """Check the status of trials: one poll, without waiting.

        Must not raise for a trial that it does not know. An omitted index means *unknown*: it is asked again and is
        never a verdict. COMPLETED and FAILED say that `fetch_result` has the result of the attempt; ABANDONED, that
        it was ended by `stop`.

        Args:
            trials: Trials to poll.

        Returns:
            Status to the indices of the trials that have it.
        """

    @abstractmethod
    def fetch_result(self, trial: BaseTrial) -> Result:
        """Return the result of an ended attempt. Must be cheap, repeatable, and give the same each time.

        That of a stopped attempt may name its log as ``additional_info["log"]``, relative to the run directory: where
        it was stopped for its time, that becomes the failure's.

        Args:
            trial: A trial whose current attempt has ended.
        """

    @abstractmethod
    def stop(self, trial: BaseTrial, reason: str | None = None) -> dict[str, Any]:
        """Ask the trial's current attempt to end. Must be idempotent and must not wait; polls confirm the end.

        Args:
            trial: The trial to stop.
            reason: Why.

        Returns:
            ``{"reason": reason}``, or ``{}`` without a reason.
        """

    # In terms of those four.

    def open(self, context: RunContext) -> None:
        """Get ready; called once before the first trial, and again by the next driver's runner.

        Args:
            context: Experiment, run directory, clock and limits.
        """
        self._context = context

    @property
    def context(self) -> RunContext:
        """What `open` was given.

        Raises:
            ContractError: `open` was not called.
        """
        if self._context is None:
            raise ContractError(f"{type(self).__name__}.open was not called before its first trial")
        return self._context

    def run_multiple(self, trials: Iterable[BaseTrial]) -> dict[int, dict[str, Any]]:
        """Deploy several trials. One trial's trouble must not cost another: it is left out of the answer.

        Args:
            trials: Trials to deploy.

        Returns:
            Index to run metadata of the trials that were deployed. Why another was not is in `submit_errors`.
        """
        deployed: dict[int, dict[str, Any]] = {}
        for trial in trials:
            try:
                deployed[trial.index] = self.run(trial)
            except Exception as error:  # noqa: BLE001  (whatever a plug-in raises is that trial's alone)
                self.submit_errors[trial.index] = error
        return deployed

    @property
    def submit_errors(self) -> dict[int, Exception]:
        """Index to the exception of the last `run_multiple` that did not deploy it; the reader empties it."""
        errors: dict[int, Exception] | None = self.__dict__.get("_submit_errors")
        if errors is None:
            errors = self.__dict__["_submit_errors"] = {}
        return errors

    def poll_exception(self, trial: BaseTrial) -> str:
        """Return why a trial's attempt failed, in a sentence; empty where it did not.

        Args:
            trial: A trial whose attempt ended.
        """
        failure = self.fetch_result(trial).failure
        return "" if failure is None else failure.message

    def poll_available_capacity(self) -> int:
        """Return how many more trials may be deployed now; -1 where there is no limit."""
        return -1

    def wait(self, until: float | None, waker: Waker) -> set[int] | None:
        """Wait for news.

        Must be level-triggered: with unread news it returns at once. This default knows no events and polls each
        `poll_interval` seconds.

        Args:
            until: Time of the context's clock at which to return at the latest; None: no such time.
            waker: Ends the wait from elsewhere.

        Returns:
            Indices of the trials that may have changed; None: all.
        """
        clock = self.context.clock
        due = clock.now() + self.poll_interval
        clock.wait(due if until is None else min(due, until), waker)
        return None

    def reattach(self, trials: Sequence[BaseTrial]) -> dict[int, Reattachment]:
        """Find attempts that an earlier driver deployed, or may have.

        Must say `Lost` only of an attempt that is confirmed dead, `NeverStarted` only of one that cannot begin by
        itself any more. An omitted index is unknown and asked again. This default is that of a runner whose evaluations
        die with the driver.

        Args:
            trials: Trials with an attempt whose end is not recorded.
        """
        return {trial.index: Lost("it ended with the driver that ran it") for trial in trials}

    def close(self) -> None:  # noqa: B027  (nothing to release is a fine default)
        """Release what `open` and `run` took. Trials that survive the driver go on. Must be idempotent."""

    @property
    def staging_required(self) -> bool:
        """Whether a trial is STAGED, not RUNNING, once deployed."""
        return False

    @property
    def run_metadata_report_keys(self) -> list[str]:
        """Keys of the run metadata that are worth a report to people."""
        return []

    @property
    def meta(self) -> dict[str, Any]:
        """Facts about the runner that are the same in every process."""
        return {"name": type(self).__name__}

    @property
    def db_id(self) -> int | None:
        """Row under which the journal knows the runner, or None."""
        return self._db_id

    @db_id.setter
    def db_id(self, value: int | None) -> None:
        self._db_id = value

    @classmethod
    def serialize_init_args(cls, obj: Runner) -> dict[str, Any]:
        """Return the constructor's arguments of a runner, as JSON.

        This default reads the attribute of the same name for each argument.

        Args:
            obj: The runner.
        """
        return {name: getattr(obj, name) for name in _init_arguments(cls)}

    @classmethod
    def deserialize_init_args(
        cls,
        args: dict[str, Any],
        decoder_registry: dict[str, Any] | None = None,  # noqa: ARG003  (the page has it)
        class_decoder_registry: dict[str, Any] | None = None,  # noqa: ARG003
    ) -> dict[str, Any]:
        """Turn what `serialize_init_args` gave back into constructor's arguments.

        Args:
            args: The JSON form.
            decoder_registry: Not needed here; the reference page has it.
            class_decoder_registry: Not needed here; the reference page has it.
        """
        return args

    def clone(self) -> Self:
        """Return a copy: a new runner with the same constructor's arguments."""
        return type(self)(**self.deserialize_init_args(self.serialize_init_args(self)))

    def to_dict(self) -> dict[str, Any]:
        """Return class and constructor's arguments, as JSON."""
        cls = type(self)
        return {"type": f"{cls.__module__}:{cls.__qualname__}", "args": self.serialize_init_args(self)}

    @staticmethod
    def from_dict(body: dict[str, Any]) -> Runner:
        """Build a runner from what `to_dict` gave."""
        module, _, name = body["type"].partition(":")
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        if not (isinstance(found, type) and issubclass(found, Runner)):
            raise ContractError(f"{body['type']!r} is no runner")
        return found(**found.deserialize_init_args(body["args"]))

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, Runner):
            return NotImplemented
        return self.serialize_init_args(self) == self.serialize_init_args(other)

    def __hash__(self) -> int:
        return id(self)


def _init_arguments(cls: type) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    signature = inspect.signature(cls)
    return [name for name, parameter in signature.parameters.items() if parameter.kind in kinds]
