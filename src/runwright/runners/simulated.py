"""Trials on a simulated machine, in virtual time, through the same engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runwright.clock import VirtualClock
from runwright.errors import UsageError
from runwright.evaluation import Evaluation
from runwright.experiment import stable_seed
from runwright.function_reference import FunctionReference
from runwright.result import Result
from runwright.runner import RunContext, Runner, Traits
from runwright.simulation import BackendSimulator, BackendSimulatorOptions
from runwright.status import FailureKind, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runwright.clock import Waker
    from runwright.result import EvaluationFunction
    from runwright.trial import BaseTrial


def sample_runtime_unif(trial: BaseTrial, low: float = 1.0, high: float = 5.0) -> float:
    """Return a uniform runtime in [low, high], drawn from the experiment's seed, the trial's index and its attempt.

    The global random state is not touched.

    Args:
        trial: Trial for which to sample a runtime.
        low: Lower bound, in seconds.
        high: Upper bound, in seconds.
    """
    return low + (high - low) * (stable_seed(trial.experiment.seed, "runtime", trial.index, trial.attempt) / 2**63)


class SimulatedBackendRunner(Runner):
    """Runs trials on a `BackendSimulator`.

    Args:
        simulator: The machine.
        sample_runtime_func: Runtime of a trial, in simulated seconds; `sample_runtime_unif` where not given.
        evaluation_function: Gives a completed trial its metrics; without it nothing is measured.
    """

    def __init__(
        self,
        simulator: BackendSimulator,
        sample_runtime_func: Callable[[BaseTrial], float] | None = None,
        *,
        evaluation_function: EvaluationFunction | None = None,
    ) -> None:
        self.simulator = simulator
        self.sample_runtime_func = sample_runtime_func
        self.evaluation_function = evaluation_function
        self._sample = sample_runtime_func or sample_runtime_unif
        self._evaluation = None if evaluation_function is None else Evaluation(evaluation_function)
        self._results: dict[int, Result] = {}
        self._news: set[int] = set()
        self.traits = Traits(stops=True, batches=True, measures=evaluation_function is not None, simulated=True)

    def open(self, context: RunContext) -> None:
        """Bring the machine to the scheduler's time."""
        super().open(context)
        if not isinstance(context.clock, VirtualClock):
            raise UsageError("a simulated machine runs in virtual time; give the scheduler no clock, or a VirtualClock")
        self.simulator.update(context.clock.now())

    def run(self, trial: BaseTrial) -> dict[str, float]:
        """Start a trial on the machine.

        Args:
            trial: Trial to deploy.

        Returns:
            The sampled runtime of the trial, in simulated seconds.
        """
        runtime = self._sample(trial)
        self._results.pop(trial.index, None)
        self.simulator.run_trial(trial.index, runtime)
        return {"runtime": runtime}

    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        """Poll the machine.

        Returns:
            Statuses to sets of trial indices. A trial in the machine's queue is STAGED.
        """
        found: dict[TrialStatus, set[int]] = {}
        for trial in trials:
            status = self.simulator.lookup_trial_index_status(trial.index)
            if status is not None:
                found.setdefault(status, set()).add(trial.index)
        return found

    def fetch_result(self, trial: BaseTrial) -> Result:
        """Return what the evaluation function says of a trial that completed, with simulated seconds."""
        result = self._results.get(trial.index)
        if result is None:
            if len(self._results) >= _REMEMBERED:
                self._forget_ended()
            result = self._results[trial.index] = self._measure(trial)
        return result

    def _measure(self, trial: BaseTrial) -> Result:
        simulated = self.simulator.get_sim_trial_by_index(trial.index)
        if simulated is None or simulated.ended is None:
            return Result.failed(FailureKind.LOST, "the simulated machine does not know it")
        started = simulated.ended if simulated.started is None else simulated.started
        times: dict[str, Any] = {"seconds": simulated.ended - started, "started": started, "ended": simulated.ended}
        if simulated.status is TrialStatus.FAILED:
            return Result.failed(FailureKind.CRASHED, "it failed by the simulated failure rate", **times)
        if simulated.status is not TrialStatus.COMPLETED or self._evaluation is None:
            return Result(**times)
        result = self._evaluation(trial)
        # What the function itself costs is no part of simulated time.
        result.seconds, result.started, result.ended = times["seconds"], times["started"], times["ended"]
        result.cpu_seconds = result.peak_memory = None
        return result

    def _forget_ended(self) -> None:
        for index in self._results:
            self.simulator.forget(index)
        self._results.clear()

    def stop(self, trial: BaseTrial, reason: str | None = None) -> dict[str, Any]:
        """Stop a trial on the machine.

        Args:
            trial: Trial to stop.
            reason: Why.

        Returns:
            ``{"reason": reason}``, or ``{}`` without a reason.
        """
        self.simulator.stop_trial(trial.index)
        self._news.add(trial.index)
        return {} if reason is None else {"reason": reason}

    def poll_available_capacity(self) -> int:
        """Return how many slots of the machine are free."""
        simulator = self.simulator
        return max(0, simulator.options.max_concurrency - simulator.num_running - simulator.num_queued)

    def wait(self, until: float | None, waker: Waker) -> set[int] | None:
        """Jump to the next event, but not beyond a time."""
        if self._news:
            news, self._news = self._news, set()
            return news
        clock = self.context.clock
        assert isinstance(clock, VirtualClock), "checked by open"
        due = self.simulator.next_event()
        if due is None or (until is not None and until < due):
            clock.wait(until, waker)
        else:
            clock.advance_to(due)
        return set(self.simulator.update(clock.now()))

    @classmethod
    def serialize_init_args(cls, obj: Runner) -> dict[str, Any]:
        """Return the machine's options and the functions' import references."""
        assert isinstance(obj, SimulatedBackendRunner), "a runner serialises its own kind"
        options = obj.simulator.options
        return {
            "simulator": {
                "max_concurrency": options.max_concurrency,
                "failure_rate": options.failure_rate,
                "seed": options.seed,
            },
            "sample_runtime_func": _reference(obj.sample_runtime_func),
            "evaluation_function": _reference(obj.evaluation_function),
        }

    @classmethod
    def deserialize_init_args(
        cls,
        args: dict[str, Any],
        decoder_registry: dict[str, Any] | None = None,  # noqa: ARG003  (the page has it)
        class_decoder_registry: dict[str, Any] | None = None,  # noqa: ARG003
    ) -> dict[str, Any]:
        """Build a machine with the same options, and load the functions."""
        return {
            "simulator": BackendSimulator(BackendSimulatorOptions(**args["simulator"])),
            "sample_runtime_func": _load(args["sample_runtime_func"]),
            "evaluation_function": _load(args["evaluation_function"]),
        }


_REMEMBERED = 10_000
"""Results kept so that `fetch_result` can be repeated; the oldest trials are long told by then."""


def _reference(function: Callable[..., Any] | None) -> str | None:
    return None if function is None else FunctionReference.of(function).text


def _load(reference: str | None) -> Callable[..., Any] | None:
    return None if reference is None else FunctionReference.of(reference).load()
