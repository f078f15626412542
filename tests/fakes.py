"""A runner, a world and an optimizer that do what a test says, in virtual time: real classes, no mocks."""

from __future__ import annotations

import select
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runwright.clock import VirtualClock
from runwright.errors import ContractError
from runwright.optimizer import Exhausted, Restored, Suggestion
from runwright.result import Result
from runwright.runner import Ended, Following, NeverStarted, Runner, Traits
from runwright.status import FailureKind, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runwright.clock import Waker
    from runwright.experiment import Experiment
    from runwright.optimizer import HistoryItem, Observation
    from runwright.runner import Reattachment
    from runwright.trial import BaseTrial

FOREVER = float("inf")
LATEST = 10_000.0


def value(metric: float) -> Result:
    """A result of the objective ``y``, whatever the arm is called."""
    return Result({"": {"y": (metric, None)}})


def crash(message: str = "exit status 1") -> Result:
    """The result of a crashed attempt."""
    return Result.failed(FailureKind.CRASHED, message)


@dataclass
class Job:
    """One attempt in the world."""

    trial: int
    attempt: int
    digest: str
    started: float
    ends: float
    result: Result
    stopped: bool = False


@dataclass
class World:
    """Where the jobs of fake runners are; it outlives them.

    Attributes:
        seconds: How long an attempt takes; a call with the trial, or a number.
        outcome: What it gives; a call with the trial, or a result. The arm "" stands for the trial's own.
        stubborn: Attempts that do not end when they are stopped.
        queue: Attempts ``(trial, attempt)`` that wait in the runner's queue until taken out of here.
    """

    seconds: Callable[[BaseTrial], float] | float = 1.0
    outcome: Callable[[BaseTrial], Result] | Result = field(default_factory=lambda: value(0.5))
    stubborn: set[int] = field(default_factory=set)
    queue: set[tuple[int, int]] = field(default_factory=set)
    jobs: dict[tuple[int, int], Job] = field(default_factory=dict)
    starts: Counter[tuple[int, int]] = field(default_factory=Counter)
    together: int = 0
    """How many ran at once at the most."""

    def start(self, trial: BaseTrial, now: float) -> Job:
        """Adopt or start."""
        key = (trial.index, trial.attempt)
        job = self.jobs.get(key)
        if job is not None:
            if job.digest != trial.digest:
                raise ContractError(f"trial {trial.index} was started with other parameters")
            return job
        self.starts[key] += 1
        seconds = self.seconds(trial) if callable(self.seconds) else self.seconds
        result = self.outcome(trial) if callable(self.outcome) else self.outcome
        arms = {trial.arms[0].name if arm == "" else arm: metrics for arm, metrics in result.arms.items()}
        job = self.jobs[key] = Job(*key, trial.digest, now, now + seconds, replace(result, arms=arms))
        live = [other for other in self.jobs.values() if other.ends > now]
        assert len({other.trial for other in live}) == len(live), "two live evaluations of one trial"
        self.together = max(self.together, len(live))
        return job

    def next_end(self, now: float) -> float | None:
        """When the next job ends."""
        return min((job.ends for job in self.jobs.values() if job.ends > now and job.ends != FOREVER), default=None)


GO_ON: Any = object()
"""What a scripted step returns to let the fake do what it does by itself."""


class FakeRunner(Runner):
    """Runs jobs in a `World`. Steps given to `plan` are taken instead, one a call.

    Args:
        world: Where the jobs are; one of its own if not given.
        capacity: What it says of its capacity.
        **traits: Fields of `Traits`; by default it stops, and does not survive the driver.
    """

    poll_interval = 0.5

    def __init__(self, world: World | None = None, *, capacity: int = -1, **traits: Any) -> None:
        self.world = world or World()
        self.capacity = capacity
        self.traits = Traits(**{"stops": True, **traits})
        self.staging = False
        self.calls: list[tuple[str, Any]] = []
        self.closed = 0
        self._plans: dict[tuple[str, int | None], list[Any]] = {}
        self._seen_until = -1.0
        self._news: set[int] = set()

    def plan(self, method: str, *steps: Any, trial: int | None = None, always: bool = False) -> FakeRunner:
        """Script the next calls of a method, or the next about a trial: an exception is raised, a call is called.

        Args:
            method: Name of the method.
            *steps: What the calls do: an exception to raise, a call with the method's arguments, or `GO_ON`.
            trial: Only calls about this trial.
            always: The last step is repeated for ever.
        """
        self._plans.setdefault((method, trial), []).extend([*steps, *([(steps[-1],)] if always else [])])
        return self

    def called(self, method: str) -> list[Any]:
        """What a method was called with: an index, or a list of indices."""
        return [about for name, about in self.calls if name == method]

    def _scripted(self, method: str, about: Any, *args: Any) -> Any:
        self.calls.append((method, about))
        steps = self._plans.get((method, about)) if isinstance(about, int) else None
        steps = steps or self._plans.get((method, None))
        if not steps:
            return GO_ON
        step = steps[0] if isinstance(steps[0], tuple) else steps.pop(0)
        step = step[0] if isinstance(step, tuple) else step
        if isinstance(step, BaseException):
            raise step
        return step(*args) if callable(step) else step

    def _job(self, trial: BaseTrial) -> Job | None:
        return self.world.jobs.get((trial.index, trial.attempt))

    # The contract.

    def run(self, trial: BaseTrial) -> dict[str, Any]:
        answer = self._scripted("run", trial.index, trial)
        if answer is not GO_ON:
            return answer  # type: ignore[no-any-return]
        job = self.world.start(trial, self.context.clock.now())
        if job.ends <= self.context.clock.now():
            self._news.add(trial.index)
        return {"job": f"{trial.index}.{trial.attempt}"}

    def run_multiple(self, trials: Iterable[BaseTrial]) -> dict[int, dict[str, Any]]:
        wanted = list(trials)
        answer = self._scripted("run_multiple", [trial.index for trial in wanted], wanted)
        return super().run_multiple(wanted) if answer is GO_ON else answer

    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        asked = list(trials)
        answer = self._scripted("poll_trial_status", [trial.index for trial in asked], asked)
        if answer is not GO_ON:
            return answer  # type: ignore[no-any-return]
        found: dict[TrialStatus, set[int]] = {}
        for trial in asked:
            job = self._job(trial)
            if job is not None:
                found.setdefault(self._status(job), set()).add(trial.index)
        return found

    def _status(self, job: Job) -> TrialStatus:
        if job.ends > self.context.clock.now():
            return TrialStatus.STAGED if (job.trial, job.attempt) in self.world.queue else TrialStatus.RUNNING
        if job.stopped:
            return TrialStatus.ABANDONED
        return TrialStatus.COMPLETED if job.result.failure is None else TrialStatus.FAILED

    def fetch_result(self, trial: BaseTrial) -> Result:
        answer = self._scripted("fetch_result", trial.index, trial)
        if answer is not GO_ON:
            return answer  # type: ignore[no-any-return]
        job = self._job(trial)
        assert job is not None, "only an ended attempt is asked for its result"
        assert job.ends <= self.context.clock.now(), "only an ended attempt is asked for its result"
        if job.stopped:
            return Result(seconds=job.ends - job.started)
        return job.result

    def stop(self, trial: BaseTrial, reason: str | None = None) -> dict[str, Any]:
        answer = self._scripted("stop", trial.index, trial, reason)
        job = self._job(trial)
        now = self.context.clock.now()
        if answer is GO_ON and job is not None and job.ends > now and trial.index not in self.world.stubborn:
            job.stopped, job.ends = True, now
            self._news.add(trial.index)
        return {} if reason is None else {"reason": reason}

    def poll_available_capacity(self) -> int:
        answer = self._scripted("poll_available_capacity", None)
        return self.capacity if answer is GO_ON else answer

    def reattach(self, trials: Sequence[BaseTrial]) -> dict[int, Reattachment]:
        answer = self._scripted("reattach", [trial.index for trial in trials], trials)
        if answer is not GO_ON:
            return answer  # type: ignore[no-any-return]
        if not self.traits.survives_driver:
            return super().reattach(trials)
        found: dict[int, Reattachment] = {}
        for trial in trials:
            job = self._job(trial)
            if job is None:
                found[trial.index] = NeverStarted()
            else:
                kind = Ended if job.ends <= self.context.clock.now() else Following
                found[trial.index] = kind({"job": f"{trial.index}.{trial.attempt}"})
        return found

    def wait(self, until: float | None, waker: Waker) -> set[int] | None:
        clock = self.context.clock
        assert isinstance(clock, VirtualClock), "a fake runner lives in virtual time"
        answer = self._scripted("wait", until, until, waker)
        if answer is not GO_ON:
            return answer  # type: ignore[no-any-return]
        if not self._news and not _readable(waker):
            began = clock.now()
            times = [time for time in (until, self.world.next_end(began)) if time is not None]
            assert times, "the engine would wait for ever"
            clock.advance_to(min(times))
            self.idle = self.idle + 1 if clock.now() == began else 0
            assert self.idle < 100, "the engine turns without end at one moment"
            assert clock.now() < LATEST, "nothing ends any more"
            ended = (job for job in self.world.jobs.values() if began < job.ends <= clock.now())
            self._news.update(job.trial for job in ended)
        news, self._news = self._news, set()
        return news

    idle = 0

    def close(self) -> None:
        self.closed += 1

    @property
    def staging_required(self) -> bool:
        return self.staging

    @property
    def run_metadata_report_keys(self) -> list[str]:
        return ["job"]


def _readable(waker: Waker) -> bool:
    poller = select.poll()
    poller.register(waker, select.POLLIN)
    return bool(poller.poll(0))


class ListOptimizer:
    """Proposes what a list holds, then is exhausted; an exception in the list is raised, None is returned.

    Args:
        *steps: Points, exceptions, None.
        rebuild: How it goes on after a restart.
    """

    def __init__(self, *steps: Any, rebuild: Any = "history") -> None:
        self.steps = list(steps)
        self.rebuild = rebuild
        self.asked: list[int] = []
        self.attached: list[int] = []
        self.told: list[Observation] = []
        self.restored: list[HistoryItem] = []
        self.experiment: Experiment | None = None
        self.exact = True
        self.on_tell: Callable[[Observation], None] | None = None

    def setup(self, experiment: Experiment) -> None:
        self.experiment = experiment

    def ask(self, trial: int) -> Suggestion | None:
        self.asked.append(trial)
        if not self.steps:
            raise Exhausted
        step = self.steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        return Suggestion(step) if isinstance(step, dict) else step

    def attach(self, trial: int, suggestion: Suggestion) -> None:
        self.attached.append(trial)

    def tell(self, observation: Observation) -> None:
        if self.on_tell is not None:
            self.on_tell(observation)
        self.told.append(observation)

    def restore(self, history: Sequence[HistoryItem]) -> Restored:
        self.restored = list(history)
        return Restored(self.exact, "as the test says")

    def describe(self) -> dict[str, Any]:
        return {"type": "list"}
