"""Evaluates trials in the driver's own process, one after the other, inside `run`."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from runwright.errors import ContractError, SubmitError
from runwright.evaluation import Evaluation, FunctionReference
from runwright.result import Result
from runwright.runner import Ended, Lost, Runner, Traits
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runwright.clock import Waker
    from runwright.result import Json, Measurement
    from runwright.runner import Reattachment, RunContext
    from runwright.trial import Arm, BaseTrial

_LOOKED_AT = 2  # how many kept results each run looks at: more than one, so that the kept ones become fewer


class _Kept(NamedTuple):
    """An evaluation whose result may still be asked for."""

    trial: BaseTrial
    attempt: int
    point: tuple[Any, ...]
    result: Result
    metadata: Json


class LocalMetadataRunner(Runner):
    """Evaluates in this process; the run metadata holds the measurements.

    An exception of the function is that trial's failure, with its traceback. A function that never returns blocks the
    driver, and one that ends the process ends the driver: `PoolRunner` and `ProcessRunner` are for those.

    Args:
        evaluation_function: Called once for each arm; see `runwright.EvaluationFunction`.
    """

    traits = Traits(batches=True, holds_results=True, inline=True)

    def __init__(self, evaluation_function: Callable[..., Any]) -> None:
        self._evaluation = Evaluation(evaluation_function)
        self._kept: OrderedDict[tuple[str, int], _Kept] = OrderedDict()
        self._news: dict[int, BaseTrial] = {}

    @property
    def evaluation_function(self) -> Callable[..., Any]:
        """The function that evaluates a point."""
        return self._evaluation.function

    def open(self, context: RunContext) -> None:
        """Get ready.

        Args:
            context: Experiment, run directory, clock and limits.

        Raises:
            UsageError: The function cannot be called with the parameters of the experiment.
        """
        super().open(context)
        self._evaluation.prepare(context.experiment)

    def run(self, trial: BaseTrial) -> dict[str, Any]:
        """Evaluate the trial.

        Args:
            trial: The trial to evaluate.

        Returns:
            ``{"name": "<experiment>_<index>", "simulation_result": {"y": [mean, sem]}}``; of a batch trial the same by
            arm, and None where the evaluation failed.

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
        result = self._evaluation(trial)
        metadata = {"name": f"{trial.experiment.name}_{trial.index}", "simulation_result": _as_json(trial.arms, result)}
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
        """Check the status of trials: COMPLETED or FAILED where the result is there, else RUNNING.

        Args:
            trials: Trials to poll.
        """
        statuses: dict[TrialStatus, set[int]] = {}
        for trial in trials:
            self._news.pop(trial.index, None)
            result = self._find(trial)
            if result is None:
                status = TrialStatus.RUNNING
            else:
                status = TrialStatus.COMPLETED if result.failure is None else TrialStatus.FAILED
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
        """Find attempts of an earlier driver: those whose run metadata holds the measurements have ended.

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

    @property
    def run_metadata_report_keys(self) -> list[str]:
        """Keys of the run metadata that are worth a report."""
        return ["name", "simulation_result"]

    @classmethod
    def serialize_init_args(cls, obj: Runner) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON.

        Args:
            obj: The runner.

        Raises:
            UsageError: Its function has no name by which another process could import it, such as a lambda.
        """
        assert isinstance(obj, LocalMetadataRunner)
        return {"evaluation_function": FunctionReference.of(obj.evaluation_function).text}

    @classmethod
    def deserialize_init_args(
        cls,
        args: dict[str, Any],
        decoder_registry: dict[str, Any] | None = None,  # noqa: ARG003  (the page has it)
        class_decoder_registry: dict[str, Any] | None = None,  # noqa: ARG003
    ) -> dict[str, Any]:
        """Turn what `serialize_init_args` gave back into constructor's arguments: import the function.

        Args:
            args: The JSON form.
            decoder_registry: Not needed here; the reference page has it.
            class_decoder_registry: Not needed here; the reference page has it.

        Raises:
            UsageError: The function does not import.
        """
        return args | {"evaluation_function": FunctionReference.of(args["evaluation_function"]).load()}

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, LocalMetadataRunner):
            return NotImplemented
        return self.evaluation_function == other.evaluation_function

    __hash__ = Runner.__hash__

    def _find(self, trial: BaseTrial) -> Result | None:
        """Return the result of the current attempt: the kept one, or what the run metadata tell of it."""
        known = self._kept.get((trial.experiment.name, trial.index))
        if known is not None and known.attempt == trial.attempt:
            return known.result
        told = trial.run_metadata.get("simulation_result")
        if not isinstance(told, dict):
            return None
        arms = {trial.arms[0].name: told} if len(trial.arms) == 1 else told
        return Result.from_json({"arms": arms})

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


def _as_json(arms: tuple[Arm, ...], result: Result) -> Json | None:
    if result.failure is not None:
        return None
    if len(arms) == 1:
        return _metrics_json(result.metrics)
    return {arm.name: _metrics_json(result.arms[arm.name]) for arm in arms}


def _metrics_json(metrics: dict[str, Measurement]) -> Json:
    return {name: list(measurement) for name, measurement in metrics.items()}
