"""Trials on a simulated machine, through the same engine: in virtual time, or in the time of the real clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runwright.clock import VirtualClock
from runwright.errors import ContractError, SubmitError, UsageError
from runwright.runner import RunContext, Runner, Traits
from runwright.simulation import BackendSimulator, BackendSimulatorState, SimTrial, forms
from runwright.simulation.results import SimulatedResults
from runwright.simulation.runtimes import uniform_runtime
from runwright.status import COMPLETED, FAILED, STAGED, AttemptOutcome, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runwright.clock import Waker
    from runwright.result import EvaluationFunction, Result
    from runwright.trial import BaseTrial


def sample_runtime_unif(trial: BaseTrial, low: float = 1.0, high: float = 5.0) -> float:
    """Return a uniform runtime in [low, high], drawn from the experiment's seed and the trial's index.

    The global random state is not touched.

    Args:
        trial: Trial for which to sample a runtime.
        low: Lower bound of the uniform runtime distribution, in seconds.
        high: Upper bound of the uniform runtime distribution, in seconds.

    Returns:
        The simulated runtime of the trial.
    """
    return uniform_runtime(trial, low, high)


@dataclass(slots=True)
class _Deployed:
    """An attempt on the machine, and what came of it once somebody has asked."""

    trial: BaseTrial
    attempt: int
    simulated: SimTrial
    runtime: float
    result: Result | None = None


class SimulatedBackendRunner(Runner):
    """Runs trials on a `BackendSimulator`.

    Under a scheduler simulated time jumps from event to event. With a `SystemClock` given to the scheduler, and a
    machine without ``internal_clock``, trials take their time (divided by ``time_scaling``). Without a scheduler each
    poll updates the machine.

    Args:
        simulator: The machine.
        sample_runtime_func: Runtime of a trial, in simulated seconds; `sample_runtime_unif` where not given. See
            `runwright.simulation.runtimes` for others.
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
        self.sample_runtime_func = sample_runtime_func or sample_runtime_unif
        self.evaluation_function = evaluation_function
        self.traits = Traits(stops=True, batches=True, measures=evaluation_function is not None, simulated=True)
        self._staging = bool(simulator.options.start_delay)
        self._deployed: dict[int, _Deployed] = {}
        self._measure = SimulatedResults(evaluation_function)
        self._news: dict[int, None] = {}

    def open(self, context: RunContext) -> None:
        """Bring machine and clock to one time, the later of theirs.

        Args:
            context: Experiment, run directory, clock and limits.

        Raises:
            UsageError: Machine and clock do not fit together, a trial could hang for ever, or the function cannot be
                called with the parameters of the experiment.
        """
        super().open(context)
        self._measure.prepare(context.experiment)
        self._let_go()
        clock = context.clock
        self.traits = replace(self.traits, simulated=isinstance(clock, VirtualClock))
        if not isinstance(clock, VirtualClock):
            if self.simulator.use_internal_clock:
                raise UsageError(
                    "a simulated machine with internal_clock runs in virtual time; give the scheduler no clock"
                )
            return
        hanging = [type(fault).__name__ for fault in self.simulator.options.faults if fault.hangs]
        if hanging and context.limits.timeout is None:
            raise UsageError(f"{hanging[0]} makes trials that never end: set a time limit, Limits(timeout=...)")
        clock.advance_to(self.simulator.keep_time(clock.now()))

    def run(self, trial: BaseTrial) -> dict[str, float]:
        """Start a trial on the machine.

        Args:
            trial: Trial to deploy.

        Returns:
            ``{"runtime": ...}``: the sampled runtime of the trial, in seconds before ``time_scaling``.

        Raises:
            SubmitError: The same attempt was deployed with other parameters.
        """
        index = trial.index
        known = self._known(trial)
        if known is not None:
            if not _same_point(known.trial, trial):
                raise SubmitError(f"trial {index}: attempt {trial.attempt} was already deployed with other parameters")
            return {"runtime": known.runtime}
        runtime = self.sample_runtime_func(trial)
        simulated = self.simulator.run_trial(index, runtime, attempt=_luck(trial))
        if (simulated.phase.status is STAGED) is not self._staging:
            self._news[index] = None  # the scheduler takes it to be elsewhere
        runtime = float(runtime)
        self._deployed[index] = _Deployed(trial, trial.attempt, simulated, runtime)
        return {"runtime": runtime}

    @property
    def staging_required(self) -> bool:
        """Whether a trial is STAGED once deployed: where starting takes time."""
        return self._staging

    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        """Poll the machine.

        Args:
            trials: Trials to poll.

        Returns:
            Statuses to sets of trial indices. A trial in the machine's queue is STAGED; one that was stopped is
            ABANDONED.
        """
        if self._context is None or not self.traits.simulated:
            self._unread(self.simulator.update())
        found: dict[TrialStatus, set[int]] = {}
        news = self._news
        for trial in trials:
            news.pop(trial.index, None)
            known = self._known(trial)
            if known is not None:
                status = known.simulated.phase.status
                if status is COMPLETED and (known.result or self._result(known)).failure is not None:
                    status = FAILED  # the machine has done its part, the evaluation has not
                found.setdefault(status, set()).add(trial.index)
        return found

    def fetch_result(self, trial: BaseTrial) -> Result:
        """Return what the evaluation function says of a trial that completed, with simulated seconds.

        Args:
            trial: A trial whose attempt has ended.

        Raises:
            ContractError: It has not, or was not deployed here.
        """
        known = self._known(trial)
        if known is None or known.simulated.phase.live:
            raise ContractError(f"trial {trial.index}: attempt {trial.attempt} has not ended on the simulated machine")
        return known.result or self._result(known)

    def stop(self, trial: BaseTrial, reason: str | None = None) -> dict[str, Any]:
        """Stop a trial on the machine; what it has run, it has run.

        Args:
            trial: Trial to stop on the simulator.
            reason: Why.

        Returns:
            ``{"reason": reason}``, or ``{}`` without a reason.
        """
        if self._known(trial) is not None:
            self.simulator.stop_trial(trial.index)
        return {} if reason is None else {"reason": reason}

    def poll_available_capacity(self) -> int:
        """Return how many more trials would execute at once."""
        return self.simulator.available

    def wait(self, until: float | None, waker: Waker) -> set[int] | None:
        """Wait for the next event; in virtual time, jump to it.

        Args:
            until: Time of the context's clock at which to return at the latest; None: no such time.
            waker: Ends the wait from elsewhere.

        Raises:
            UsageError: Virtual time has nothing to wait for.
        """
        simulator, context = self.simulator, self._context
        clock = self.context.clock if context is None else context.clock
        changed = simulator.take_news()
        if (changed or self._news) and (news := self._unread(changed)):
            return news
        due = simulator.next_event()
        if not isinstance(clock, VirtualClock):
            if due is not None:
                due += clock.now() - simulator.time
            clock.wait(due if until is None else until if due is None else min(due, until), waker)
            return self._unread(simulator.update())
        if due is None and until is None:
            raise UsageError(
                "simulated time has nothing to wait for: no trial will end by itself; set a time limit for trials that "
                "hang, Limits(timeout=...)"
            )
        if due is None or (until is not None and until < due):
            clock.wait(until, waker)
        else:
            clock.advance_to(due)
        return self._unread(simulator.update(clock.now()))

    def close(self) -> None:
        """Stop what still runs: it does not survive the driver."""
        self._let_go()

    @classmethod
    def serialize_init_args(cls, obj: Runner) -> dict[str, Any]:
        """Return the machine as it was made, and the functions and models by import reference.

        Args:
            obj: The runner.

        Raises:
            UsageError: A function has no name by which another process could import it, such as a lambda.
        """
        assert isinstance(obj, SimulatedBackendRunner), "a runner serialises its own kind"
        return {
            "simulator": obj.simulator.initial_state.to_json(),
            "sample_runtime_func": forms.to_json(obj.sample_runtime_func),
            "evaluation_function": forms.to_json(obj.evaluation_function),
        }

    @classmethod
    def deserialize_init_args(
        cls,
        args: dict[str, Any],
        decoder_registry: dict[str, Any] | None = None,  # noqa: ARG003  (the page has it)
        class_decoder_registry: dict[str, Any] | None = None,  # noqa: ARG003
    ) -> dict[str, Any]:
        """Build the machine anew, as it was made, and load the functions.

        Args:
            args: What `serialize_init_args` gave.
            decoder_registry: Not needed here; the reference page has it.
            class_decoder_registry: Not needed here; the reference page has it.

        Raises:
            UsageError: A function does not import.
        """
        return {
            "simulator": BackendSimulator.from_state(BackendSimulatorState.from_json(args["simulator"])),
            "sample_runtime_func": forms.from_json(args["sample_runtime_func"]),
            "evaluation_function": forms.from_json(args["evaluation_function"]),
        }

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, SimulatedBackendRunner):
            return NotImplemented
        return (
            self.simulator.initial_state == other.simulator.initial_state
            and self.sample_runtime_func == other.sample_runtime_func
            and self.evaluation_function == other.evaluation_function
        )

    __hash__ = Runner.__hash__

    def _known(self, trial: BaseTrial) -> _Deployed | None:
        """Return what was deployed as the trial's current attempt."""
        known = self._deployed.get(trial.index)
        if known is None or known.attempt != trial.attempt:
            return None
        if known.trial is trial or known.trial.experiment.name == trial.experiment.name:
            return known
        return None

    def _result(self, known: _Deployed) -> Result:
        """Find out the result of an ended attempt, when it is first asked for."""
        result = known.result = self._measure(known.trial, known.simulated)
        return result

    def _unread(self, changed: Sequence[int]) -> set[int]:
        """Take in what changed, and return what nobody has polled since it did."""
        news, deployed = self._news, self._deployed
        if not (news or changed):
            return set()
        if news:  # once its end is recorded nobody will poll an attempt any more
            for index in [index for index in news if _is_over(deployed[index].trial)]:
                del news[index]
        for index in changed:
            if index in deployed:
                news[index] = None
        return set(news)

    def _let_go(self) -> None:
        """End what an earlier driver deployed with this runner."""
        for index in self._deployed:
            self.simulator.stop_trial(index, at_once=True)
        self._deployed.clear()
        self._news.clear()
        self.simulator.take_news()


def _same_point(one: BaseTrial, other: BaseTrial) -> bool:
    return one is other or (one.arms, one.instance, one.budget, one.seed) == (
        other.arms,
        other.instance,
        other.budget,
        other.seed,
    )


def _is_over(trial: BaseTrial) -> bool:
    """Whether the end of the trial's latest attempt is recorded."""
    return trial.status.is_terminal or any(attempt.number == trial.attempt for attempt in trial.attempts[-1:])


def _luck(trial: BaseTrial) -> int:
    """Return by which number an attempt's luck is drawn: one that was interrupted is repeated with the same."""
    if not trial.attempts:
        return 1
    return 1 + sum(attempt.outcome is not AttemptOutcome.INTERRUPTED for attempt in trial.attempts)
