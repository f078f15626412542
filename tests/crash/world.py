"""A world that outlives its drivers, in virtual time, and a driver that can be killed at every passage of every seam.

The world starts, ends and stops evaluations; the journal keeps what was committed. A driver dies by `Killed` at the
n-th passage, and from then on nothing that it does reaches the world or the journal: that is kill -9.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import runwright as rw
from runwright.clock import VirtualClock
from runwright.errors import SubmitError
from runwright.experiment import stable_seed
from runwright.journal import MemoryJournal
from runwright.optimizer import Observation, Restored, Suggestion, feed
from runwright.result import Result
from runwright.runner import Ended, Following, NeverStarted
from runwright.status import FailureKind, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

EXPERIMENT = rw.Experiment("crash", {"x": rw.Float(0, 1)}, {"y": "minimize"}, seed=3)


class Killed(BaseException):
    """kill -9."""


class Passages:
    """Counts passages of seams and kills at one of them.

    Args:
        kill_at: Number of the passage at which the driver dies; None: never.
    """

    def __init__(self, kill_at: int | None = None) -> None:
        self.kill_at = kill_at
        self.count = 0
        self.labels: list[str] = []
        self.dead = False

    def __call__(self, label: str) -> None:
        if self.dead:
            raise Killed(label)
        self.labels.append(label)
        if self.count == self.kill_at:
            self.dead = True
            raise Killed(label)
        self.count += 1


@dataclass
class Evaluation:
    """One evaluation in the world."""

    trial: int
    attempt: int
    digest: str
    started: float
    runtime: float
    fails: bool
    stopped: float | None = None

    def end(self) -> float:
        natural = self.started + self.runtime
        return natural if self.stopped is None else min(natural, self.stopped)


@dataclass
class World:
    """What exists outside the driver: evaluations, and the journal's file."""

    journal: MemoryJournal = field(default_factory=lambda: MemoryJournal(encoded=True))
    evaluations: dict[tuple[int, int], Evaluation] = field(default_factory=dict)
    starts: list[tuple[int, int]] = field(default_factory=list)
    adopts: bool = True
    on_failure: Any = "retry 1"
    kinds: tuple[FailureKind, ...] = (FailureKind.CRASHED,)
    """How evaluations fail, by chance."""
    violations: list[str] = field(default_factory=list)

    def start(self, trial: Any, now: float) -> None:
        key = (trial.index, trial.attempt)
        known = self.evaluations.get(key)
        if known is not None and self.adopts:
            if known.digest != trial.digest:
                raise SubmitError(f"another point runs under the key {key}")
            return
        if known is not None:
            self.violations.append(f"{key} was started twice")
        for (index, attempt), other in self.evaluations.items():
            if index == trial.index and attempt != trial.attempt and other.end() > now:
                self.violations.append(f"{key} was started while attempt {attempt} lived")
        draw = stable_seed("world", *key)
        self.starts.append(key)
        self.evaluations[key] = Evaluation(
            *key, trial.digest, now, runtime=1 + (draw % 1000) / 100, fails=draw % 3 == 0
        )


class WorldRunner(rw.Runner):
    """Runs trials in a world that survives it."""

    traits = rw.Traits(survives_driver=True, stops=True, simulated=True)

    def __init__(self, world: World, passages: Passages, workers: int = 4) -> None:
        self.world = world
        self.passages = passages
        self.workers = workers
        self.live: set[tuple[int, int]] = set()
        self.news: set[int] = set()

    @property
    def now(self) -> float:
        return self.context.clock.now()

    def run(self, trial: Any) -> dict[str, Any]:
        self.passages(f"run {trial.index}.{trial.attempt}: before")
        self.world.start(trial, self.now)
        self.live.add((trial.index, trial.attempt))
        self.passages(f"run {trial.index}.{trial.attempt}: after")
        return {"key": f"{trial.index}.{trial.attempt}"}

    def run_multiple(self, trials: Any) -> dict[int, dict[str, Any]]:
        return {trial.index: self.run(trial) for trial in trials}

    def poll_trial_status(self, trials: Any) -> dict[TrialStatus, set[int]]:
        found: dict[TrialStatus, set[int]] = {}
        for trial in trials:
            key = (trial.index, trial.attempt)
            evaluation = self.world.evaluations.get(key)
            if evaluation is None:
                continue
            if evaluation.end() > self.now:
                status = TrialStatus.RUNNING
            elif evaluation.stopped is not None and evaluation.stopped < evaluation.started + evaluation.runtime:
                status = TrialStatus.ABANDONED
            else:
                status = TrialStatus.FAILED if evaluation.fails else TrialStatus.COMPLETED
            if status is not TrialStatus.RUNNING:
                self.live.discard(key)
            found.setdefault(status, set()).add(trial.index)
        return found

    def fetch_result(self, trial: Any) -> Result:
        evaluation = self.world.evaluations[trial.index, trial.attempt]
        if evaluation.fails:
            kinds = self.world.kinds
            kind = kinds[stable_seed("kind", trial.index, trial.attempt) % len(kinds)]
            return Result.failed(kind, "it was drawn to fail", seconds=evaluation.runtime)
        x = trial.parameters["x"]
        return Result({trial.arm.name: {"y": (x * x, None)}}, seconds=evaluation.runtime)

    def stop(self, trial: Any, reason: str | None = None) -> dict[str, Any]:
        self.passages(f"stop {trial.index}.{trial.attempt}: before")
        evaluation = self.world.evaluations.get((trial.index, trial.attempt))
        if evaluation is not None and evaluation.stopped is None:
            evaluation.stopped = self.now
        self.news.add(trial.index)
        self.passages(f"stop {trial.index}.{trial.attempt}: after")
        return {} if reason is None else {"reason": reason}

    def poll_available_capacity(self) -> int:
        return self.workers - len(self.live)

    def wait(self, until: float | None, waker: Any) -> set[int] | None:
        self.passages("wait")
        if self.news:
            news, self.news = self.news, set()
            return news
        clock = self.context.clock
        assert isinstance(clock, VirtualClock)
        ends = [self.world.evaluations[key].end() for key in self.live]
        times = [time for time in (min(ends, default=None), until) if time is not None]
        clock.wait(min(times, default=None), waker)
        return None

    def reattach(self, trials: Sequence[Any]) -> dict[int, Any]:
        answers: dict[int, Any] = {}
        for trial in trials:
            key = (trial.index, trial.attempt)
            evaluation = self.world.evaluations.get(key)
            metadata = {"key": f"{trial.index}.{trial.attempt}"}
            if evaluation is None:
                answers[trial.index] = NeverStarted()
            elif evaluation.end() > self.now:
                self.live.add(key)
                answers[trial.index] = Following(metadata)
            else:
                answers[trial.index] = Ended(metadata)
        return answers


class HistoryOptimizer:
    """Proposes a hash of everything that happened so far: any difference in the history changes what follows."""

    rebuild = "history"

    def __init__(self, passages: Passages) -> None:
        self.passages = passages
        self.hash = hashlib.sha256()

    def setup(self, experiment: rw.Experiment) -> None:
        self.hash = hashlib.sha256(str(experiment.seed).encode())

    def ask(self, trial: int) -> Suggestion:
        self.passages(f"ask {trial}: before")
        x = int.from_bytes(self.hash.digest()[:8], "big") / 2**64
        suggestion = Suggestion({"x": x})
        self._learn("asked", trial, suggestion.parameters)
        self.passages(f"ask {trial}: after")
        return suggestion

    def attach(self, trial: int, suggestion: Suggestion) -> None:
        self._learn("asked", trial, suggestion.parameters)

    def tell(self, observation: Observation) -> None:
        self.passages(f"tell {observation.trial}: before")
        kind = None if observation.failure is None else observation.failure.kind.value
        self._learn("told", observation.trial, observation.status.name, observation.metrics, kind, observation.penalty)
        self.passages(f"tell {observation.trial}: after")

    def restore(self, history: Any) -> Restored:
        passages, self.passages = self.passages, Passages()
        feed(self, history)
        self.passages = passages
        return Restored(exact=True, reason="the hash was fed again")

    def describe(self) -> dict[str, Any]:
        return {"type": "history-hash"}

    def _learn(self, *what: Any) -> None:
        self.hash.update(repr(what).encode())


class PassingJournal:
    """The world's journal as one driver reaches it."""

    def __init__(self, world: World, passages: Passages) -> None:
        self.world = world
        self.passages = passages

    def append(self, events: Any) -> None:
        self.passages(f"commit {[event.kind for event in events]}: before")
        self.world.journal.append(events)
        self.passages("commit: after")

    def read(self) -> Any:
        return self.world.journal.read()

    def close(self) -> None:
        pass


def drive(world: World, kill_at: int | None, *, trials: int) -> Passages:
    """Let one driver work in the world until it is done or killed."""
    passages = Passages(kill_at)
    scheduler: rw.Scheduler | None = None
    try:
        scheduler = rw.Scheduler(
            EXPERIMENT,
            HistoryOptimizer(passages),
            WorldRunner(world, passages),
            journal=PassingJournal(world, passages),
            limits=rw.Limits(timeout=9.0),
            on_failure=world.on_failure,
            enqueue=[{"x": 0.5}, {"x": 0.25}],
        )
        scheduler.run(trials=trials)
    except Killed:
        assert passages.dead
    else:
        scheduler.state.check()
    finally:
        if scheduler is not None:
            scheduler.close()
    return passages


def story(world: World) -> dict[str, Any]:
    """Everything that must not depend on crashes."""
    from runwright.state import State

    events = list(world.journal.read())
    state = State.of(events)
    state.check()
    return {
        "trials": [
            (
                trial.index,
                trial.arms[0].parameters,
                trial.status.name,
                trial.attempt,
                [(a.number, a.outcome.name, a.failure and a.failure.kind.name) for a in trial.attempts],
                trial.result and trial.result.metrics,
                trial.penalty,
            )
            for trial in state.trials
        ],
        "told": [event.trial for event in events if event.kind == "Told"],
        "waits": sorted((e.trial, e.not_before - e.time) for e in events if e.kind == "RetryPlanned"),
        "ended": state.stop_reason,
        "starts": sorted(world.starts),
    }
