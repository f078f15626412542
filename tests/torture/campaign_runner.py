"""The runner through which a driver reaches the simulated world."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import runwright as rw
from runwright.clock import VirtualClock
from runwright.errors import SubmitError
from runwright.runner import Ended, Following, Lost, NeverStarted
from runwright.status import TrialStatus
from tests.torture.campaign_world import Stuck

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runwright.clock import Waker
    from runwright.result import Result
    from runwright.runner import Reattachment
    from runwright.trial import BaseTrial
    from tests.torture.campaign_world import Passages, World

Key = tuple[int, int]
FETCH_TRIES = 5
"""After so many vain tries of one driver a result may be called lost."""


class CampaignRunner(rw.Runner):
    """One driver's hands.

    Args:
        world: What they reach.
        passages: Where the driver may die.
        workers: How many slots there are; None: no limit.
    """

    def __init__(self, world: World, passages: Passages, workers: int | None) -> None:
        self.traits = world.plan.traits
        self._world = world
        self._passages = passages
        self._workers = workers
        self._vain: Counter[Key] = Counter()
        self._seen: dict[Key, TrialStatus | None] = {}
        """What was last said of each attempt that this driver knows and that has not ended; None: nothing."""
        self._named: set[Key] = set()
        """What the last wait named and no poll has asked after."""

    @property
    def staging_required(self) -> bool:
        return self._world.plan.staging

    def _pass(self, what: str, label: str) -> None:
        """Pass a seam, and meet an outage where there is one."""
        self._passages(label)
        if self._world.out(what):
            raise ConnectionError(f"{what} has no answer")

    # Deploying.

    def run(self, trial: BaseTrial) -> dict[str, Any]:
        key = (trial.index, trial.attempt)
        world, label = self._world, f"run {trial.index}.{trial.attempt}"
        self._pass("submit", f"{label}: before")
        job = world.jobs.get(key)
        survives = self.traits.survives_driver
        if job is None:
            if world.chance("submit"):
                world.happens("submission refused", key)
                raise SubmitError("no answer")
            late = survives and not self.traits.simulated and world.chance("late launch")
            job = world.launch(trial, 1.5 if late else 0.0)
            if late:
                world.happens("submission that failed late", key)
                raise SubmitError("the connection broke, who knows when")
        elif job.evaluation.points != [arm.parameters for arm in trial.arms]:
            raise SubmitError(f"another point runs under the key {key}")
        else:
            world.happens("launch adopted", key)
            job.visible = min(job.visible, world.now)
        self._seen[key] = TrialStatus.STAGED if self.staging_required else TrialStatus.RUNNING
        if self.traits.inline:
            self._evaluate(key)
        self._passages(f"{label}: after")
        return {"key": f"{trial.index}.{trial.attempt}"}

    def _evaluate(self, key: Key) -> None:
        """Evaluate here and now; the driver may die in the midst of it, or be interrupted."""
        world, job = self._world, self._world.jobs[key]
        dies = self._passages.dies
        try:
            for time in ((world.now + job.ends) / 2, job.ends):
                self._reach(time if dies is None else min(time, dies))
                self._passages("in an evaluation")
        except BaseException:
            if job.evaluation.ended is None:  # it is gone, and nobody can be asked after it
                job.die(world.now)
                world.settle()
                del world.jobs[key], self._seen[key]
            raise

    def stop(self, trial: BaseTrial, reason: str | None = None) -> dict[str, Any]:
        key = (trial.index, trial.attempt)
        world = self._world
        self._pass("stop", f"stop {trial.index}.{trial.attempt}: before")
        job = world.jobs.get(key)
        if job is not None and self.traits.stops and job.stop(world.plan, world.now, world.dice, len(world.rows)):
            world.happens("slow stop", key)
        world.settle()
        self._passages(f"stop {trial.index}.{trial.attempt}: after")
        return {} if reason is None else {"reason": reason}

    # Asking.

    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        asked = list(trials)
        self._named -= {(trial.index, trial.attempt) for trial in asked}
        self._pass("poll", "poll")
        world, found = self._world, dict[TrialStatus, set[int]]()
        for trial in asked:
            key = (trial.index, trial.attempt)
            job = world.jobs.get(key)
            if job is None or job.visible > world.now:
                continue
            # In simulated time nobody looks once more after a while: there a poll leaves out nothing.
            if not self.traits.simulated and world.chance("omitted"):
                world.happens("left out of a poll", key)
                continue
            status = job.status(world.now)
            found.setdefault(status, set()).add(trial.index)
            if status.is_terminal:
                self._seen.pop(key, None)
            elif key in self._seen:
                if self._seen[key] is TrialStatus.RUNNING and status is TrialStatus.STAGED:
                    world.happens("preemption", key)
                self._seen[key] = status
        return found

    def fetch_result(self, trial: BaseTrial) -> Result:
        key = (trial.index, trial.attempt)
        job = self._world.jobs[key]
        try:
            self._pass("fetch", f"fetch {trial.index}.{trial.attempt}")
        except ConnectionError:
            self._vain[key] += 1
            job.evaluation.unreadable = self._vain[key] >= FETCH_TRIES
            raise
        return job.fetch()

    def poll_available_capacity(self) -> int:
        self._pass("capacity", "capacity")
        if self._workers is None:
            return -1
        return max(0, self._workers - len(self._seen))

    def reattach(self, trials: Sequence[BaseTrial]) -> dict[int, Reattachment]:
        self._pass("reattach", "reattach")
        if not self.traits.survives_driver:
            return super().reattach(trials)
        world, answers = self._world, dict[int, Any]()
        for trial in trials:
            key = (trial.index, trial.attempt)
            job, metadata = world.jobs.get(key), {"key": f"{trial.index}.{trial.attempt}"}
            if job is None:
                answers[trial.index] = NeverStarted()
                continue
            if job.visible > world.now or (not self.traits.simulated and world.chance("unknown")):
                world.happens("attempt not known yet", key)
                world.outages_met.append(world.now)
                continue
            if world.chance("new handle"):
                metadata["handle"] = str(len(world.rows))
            if job.ends > world.now or job.how != "lost":
                self._seen[key] = None
            if job.ends > world.now:
                answers[trial.index] = Following(metadata)
            elif job.how == "lost":
                answers[trial.index] = Lost("its supervisor is gone without a record")
            else:
                answers[trial.index] = Ended(metadata)
        return answers

    # Waiting.

    def _news(self) -> set[int]:
        world = self._world
        for key in self._named:  # nobody asked after it: it has been given up, as after Ctrl-C
            self._seen.pop(key, None)
        self._named = {
            key
            for key, seen in self._seen.items()
            if world.jobs[key].visible <= world.now and world.jobs[key].status(world.now) is not seen
        }
        return {index for index, _ in self._named}

    def wait(self, until: float | None, waker: Waker) -> set[int] | None:
        world, clock = self._world, self.context.clock
        assert isinstance(clock, VirtualClock), "campaigns are in virtual time"
        self._passages("wait")
        news = self._news()
        if news or (until is not None and until <= clock.now()):
            return news
        times = [world.jobs[key].next_change(world.now) for key in self._seen]
        times += [time for time in (self._passages.dies, world.next_request()) if time is not None]
        event = min(times, default=float("inf"))
        if until is not None and clock.now() + (event - world.now) >= until:
            posted = world.reach(world.now + (until - clock.now()))
            clock.advance_to(until)
        elif event < float("inf"):
            posted = self._reach(event)
        else:
            raise Stuck(f"it waits for nothing, with {sorted(self._seen)} live")
        world.settle()
        if posted:
            waker.wake()
        self._passages("wait: over")
        return self._news()

    def _reach(self, time: float) -> bool:
        """Let time pass until something happens in the world."""
        world, clock = self._world, self.context.clock
        assert isinstance(clock, VirtualClock), "campaigns are in virtual time"
        clock.advance_to(clock.now() + max(0.0, time - world.now))
        posted = world.reach(time)
        world.settle()
        return posted
