"""One evaluation in the simulated world: when it runs and waits, when and how it ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runwright.experiment import stable_seed
from runwright.result import Result
from runwright.status import FailureKind, TrialStatus
from tests.torture.campaign_plan import FATES, MEMORY
from tests.torture.history import Evaluation

if TYPE_CHECKING:
    import random

    from runwright.result import Metrics
    from runwright.trial import BaseTrial
    from tests.torture.campaign_plan import Plan

SLOWEST_STOP = 2.0
"""Seconds that whatever is told to end takes at the most: the grace."""
_FAILURES = {
    "crash": FailureKind.CRASHED,
    "timeout": FailureKind.TIMEOUT,
    "memoryout": FailureKind.MEMORYOUT,
    "output": FailureKind.OUTPUT_LIMIT,
    "lost": FailureKind.LOST,
}


@dataclass
class Job:
    """One evaluation.

    Attributes:
        evaluation: Its evidence.
        fate: What it was drawn to come to.
        visible: From when on it can be asked after.
        phases: ``(from when, RUNNING or STAGED)``, in order.
        ends: When it is over.
        how: ``ok``, ``invalid``, ``stopped``, or a key of the kinds of failure.
        means: Arm to metric to what it measures.
        peak: Largest memory.
        told_to_stop: Whether somebody did.
    """

    evaluation: Evaluation
    fate: str
    visible: float
    phases: list[tuple[float, TrialStatus]]
    ends: float
    how: str
    means: dict[str, dict[str, float]]
    peak: int = 1
    told_to_stop: bool = False

    @classmethod
    def draw(cls, plan: Plan, trial: BaseTrial, now: float, late: float, dice: random.Random) -> Job:
        """Draw what becomes of an attempt; a retry has its own luck, and nothing else changes it."""
        luck = stable_seed("luck", plan.seed, trial.index, trial.attempt)
        fate, runtime = "ok", 0.25 + (luck % 997) / 125
        for place, name in enumerate(FATES):
            rate = plan.rates.get(name, 0.0)
            if stable_seed("fate", luck, place) / 2**63 < rate and not (name == "hang" and plan.limits.timeout is None):
                fate = name
                break
        points = [dict(arm.parameters) for arm in trial.arms]
        evaluation = Evaluation(trial.index, trial.attempt, points, now, budget=trial.budget)
        means = {
            arm.name: {"y": stable_seed("value", repr(sorted(arm.parameters.items()))) / 2**63} for arm in trial.arms
        }
        job = cls(evaluation, fate, now + late, [(now + late, TrialStatus.RUNNING)], math.inf, "ok", means)
        job._queue(plan, luck)
        job._end(plan, fate, runtime, dice)
        return job

    def _queue(self, plan: Plan, luck: int) -> None:
        """A job of a cluster may wait before it runs, and may be sent back to wait once more."""
        begin = self.visible
        if not plan.staging:
            return
        if stable_seed("queue", luck) / 2**63 < plan.rates.get("queue", 0.0):
            self.phases = [(begin, TrialStatus.STAGED), (begin + 2.5, TrialStatus.RUNNING)]
        if stable_seed("preempted", luck) / 2**63 < plan.rates.get("preemption", 0.0):
            last = self.phases[-1][0]
            self.phases += [(last + 0.125, TrialStatus.STAGED), (last + 1.25, TrialStatus.RUNNING)]

    def _end(self, plan: Plan, fate: str, runtime: float, dice: random.Random) -> None:
        """Say when and how it ends if nobody interferes."""
        begin = self.phases[-1][0]
        self.evaluation.unwatched = begin - self.evaluation.began
        ways = {"crash": "crash", "lost worker": "lost", "invalid result": "invalid", "output": "output"}
        self.how = ways.get(fate, "ok")
        runtime = {"hang": math.inf, "straggler": 4 * runtime}.get(fate, runtime)
        limits, enforces = plan.limits, plan.traits.enforces
        if fate == "memory":
            self.peak = 2 * MEMORY
            if limits.memory is not None:
                self.how, runtime = "memoryout", runtime / 2
        if "timeout" in enforces and limits.timeout is not None and runtime > limits.timeout:
            self.how, runtime = "timeout", limits.timeout + self._patience(plan, dice)
        self.ends = begin + runtime

    def _patience(self, plan: Plan, dice: random.Random) -> float:
        """How long it takes to end once it is told to."""
        rate = plan.rates.get("slow stop")
        return SLOWEST_STOP if rate is not None and dice.random() < 2 * rate else 0.0

    def stop(self, plan: Plan, now: float, dice: random.Random, known: int) -> bool:
        """Tell it to end; say whether that takes a while."""
        if self.told_to_stop or self.ends <= now:
            return False
        self.told_to_stop = True
        self.evaluation.stop_known = known
        patience = self._patience(plan, dice)
        if now + patience < self.ends:
            self.ends, self.how = now + patience, "stopped"
        return patience > 0

    def die(self, now: float) -> None:
        """End without a trace."""
        self.ends, self.how = now, "lost"

    def status(self, now: float) -> TrialStatus:
        """What a poll says at a time."""
        if now >= self.ends:
            if self.how == "stopped":
                return TrialStatus.ABANDONED
            return TrialStatus.COMPLETED if self.how in ("ok", "invalid") else TrialStatus.FAILED
        return [status for begin, status in self.phases if begin <= now or begin == self.phases[0][0]][-1]

    def next_change(self, now: float) -> float:
        """When its status changes next."""
        return min((begin for begin, _ in self.phases if now < begin < self.ends), default=self.ends)

    @property
    def result(self) -> dict[str, dict[str, float]] | None:
        """What it came to."""
        return self.means if self.how == "ok" else None

    def fetch(self) -> Result:
        """What its end is to a runner."""
        seconds = self.ends - self.evaluation.began
        if self.how == "ok":
            arms: dict[str, Metrics] = {}
            for arm, means in self.means.items():
                arms[arm] = {name: (mean, None) for name, mean in means.items()}
            return Result(arms, seconds=seconds)
        if self.how == "invalid":
            return Result({arm: {"y": (math.nan, None)} for arm in self.means}, seconds=seconds)
        if self.how == "stopped":
            return Result(seconds=seconds)
        return Result.failed(_FAILURES[self.how], f"it was drawn to end so: {self.how}", seconds=seconds)
