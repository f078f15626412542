"""A world that outlives its drivers, in virtual time: evaluations, a disk, users, outages; and deaths of drivers."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runwright.clock import VirtualClock
from runwright.errors import JournalError
from runwright.events import Row, decode
from runwright.journal.rows import row_of
from tests.torture.campaign_jobs import Job

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runwright.clock import Waker
    from runwright.events import Event
    from runwright.journal import SqliteJournal
    from runwright.trial import BaseTrial
    from tests.torture.campaign_plan import Life, Plan
    from tests.torture.history import Evaluation

EPOCH = 1_700_000_000.0
SHORTEST_DOWNTIME = 2.0**-10
"""Seconds between two drivers at the least, so that evidence tells which of them began an evaluation."""
MOST_PASSAGES = 20_000
"""A driver that passes more seams than this in one life turns for ever."""


class Killed(BaseException):
    """kill -9: nothing that a driver does after it reaches the world."""


class Stuck(BaseException):
    """A driver that waits for nothing, or turns for ever."""


class WorldClock(VirtualClock):
    """Time of one driver's experiment, and a clock on the wall that is put on and back."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def epoch(self) -> float:
        """Whatever the wall says."""
        return EPOCH + self._world.now + self._world.stepped

    def wait(self, until: float | None, waker: Waker) -> None:
        """Let time pass, with whatever happens in the world meanwhile."""
        if until is None:
            raise Stuck("it waits for ever")
        if until > self.now():
            world = self._world
            if world.reach(world.now + (until - self.now())):
                waker.wake()
            self.advance_to(until)
            world.settle()


@dataclass
class World:
    """What exists outside of the drivers.

    Attributes:
        plan: What befalls it.
        dice: For what is drawn on the way; drivers of one seed meet the same.
        directory: The run directory, or None.
        now: Seconds since it began; drivers count only those of their own lives.
        stepped: By how much the clock on the wall is wrong.
        rows: What the journal holds.
        appends: How many rows it held after each append.
        jobs: What was submitted, by trial and attempt.
        evidence: Every evaluation that began.
        slots: ``(from when, how many)`` slots there are.
        downtimes: ``(from, to)`` of the times without a driver.
        outages_met: When somebody met an outage.
        counts: What happened, by kind.
        trace: Lines of what happened, where somebody wants to read them.
    """

    plan: Plan
    dice: random.Random
    directory: Path | None = None
    now: float = 0.0
    stepped: float = 0.0
    rows: list[Row] = field(default_factory=list)
    appends: list[int] = field(default_factory=list)
    jobs: dict[tuple[int, int], Job] = field(default_factory=dict)
    evidence: list[Evaluation] = field(default_factory=list)
    slots: list[tuple[float, int]] = field(default_factory=list)
    downtimes: list[tuple[float, float]] = field(default_factory=list)
    outages_met: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    trace: list[str] | None = None
    _posted: int = 0

    def say(self, what: str) -> None:
        """Leave a line for a reader."""
        if self.trace is not None:
            self.trace.append(f"{self.now:9.3f}  {what}")

    def happens(self, what: str, about: object = "") -> None:
        """Count something, and leave a line."""
        self.counts[what] += 1
        if self.trace is not None:
            self.say(f"!! {what} {about}")

    def chance(self, what: str) -> bool:
        """Whether something that the plan has a rate for happens now."""
        rate = self.plan.rates.get(what)
        return rate is not None and self.dice.random() < rate

    def out(self, what: str) -> bool:
        """Whether there is an outage now."""
        for name, begin, end in self.plan.outages:
            if name == what and begin <= self.now < end:
                self.happens(f"outage: {what}")
                self.outages_met.append(self.now)
                return True
        return False

    # Time.

    def next_request(self) -> float | None:
        """When somebody will ask for something."""
        if self._posted < len(self.plan.requests):
            return self.plan.requests[self._posted][0]
        return None

    def reach(self, time: float) -> bool:
        """Let time pass; say whether a request was left meanwhile."""
        self.now = max(self.now, time)
        posted = False
        while (due := self.next_request()) is not None and due <= self.now:
            self._post(*self.plan.requests[self._posted])
            self._posted += 1
            posted = True
        return posted

    def _post(self, when: float, what: str, trial: int) -> None:
        """Leave a request as the command line does: a whole file, by a rename."""
        assert self.directory is not None, "requests need a directory"
        body: Any = {
            "stop trial": {"kind": "stop", "trial": trial, "reason": "a user is tired of it"},
            "rerun": {"kind": "rerun", "trial": trial},
            "enqueue": {"kind": "enqueue", "points": [{"x": trial / 16}]},
            "stop all": {"kind": "stop"},
            "nonsense": {"kind": "stop", "trial": "all"},
        }[what]
        folder = self.directory / "requests"
        folder.mkdir(exist_ok=True)
        path = folder / f"{int(when * 1e6):020d}-{self._posted:08x}"
        path.with_suffix(".part").write_text(json.dumps(body), "utf-8")
        path.with_suffix(".part").rename(path.with_suffix(".json"))
        self.happens(f"request: {what}", trial)

    # Evaluations.

    def launch(self, trial: BaseTrial, delay: float = 0.0) -> Job:
        """Begin an evaluation."""
        job = Job.draw(self.plan, trial, self.now, delay, self.dice)
        job.evaluation.known = len(self.rows)
        self.counts[job.fate] += job.fate != "ok"
        self.jobs[trial.index, trial.attempt] = job
        self.evidence.append(job.evaluation)
        self.say(f"-> evaluation {trial.index}.{trial.attempt} begins ({job.fate}, ends {job.ends:g})")
        return job

    def settle(self) -> None:
        """Write down the end of every evaluation that is over."""
        for job in self.jobs.values():
            if job.evaluation.ended is None and job.ends <= self.now:
                self._over(job, job.ends)

    def _over(self, job: Job, when: float) -> None:
        job.evaluation.ended = when
        job.evaluation.known_at_end = len(self.rows)
        job.evaluation.result = job.result
        job.evaluation.peak = job.peak
        if job.how != "ok":
            self.counts[f"end: {job.how}"] += 1
        self.say(f"<- evaluation {job.evaluation.trial}.{job.evaluation.attempt} is over ({job.how})")

    def driver_gone(self, life: Life, lived: float, *, killed: bool) -> None:
        """What lives in the driver dies with it; a power cut takes everything that lives on the machine."""
        self.settle()
        if self.rows:  # the next driver goes on from the last row: what was lived since then is lived again
            self.downtimes.append((self.now - (lived - self.rows[-1].time), self.now))
        cut = killed and life.power_cut
        if cut:
            self.happens("power cut")
        if not self.plan.traits.survives_driver or cut:
            self._all_die(orderly=not killed)
        if cut and not self.plan.traits.survives_driver:
            self._lose(life.lost_appends)
        if not self.plan.traits.survives_driver:
            self._forget_results()
        back = self.now + SHORTEST_DOWNTIME + life.downtime
        self.downtimes.append((self.now, back))
        before = self._living()
        self.reach(back)
        self.settle()
        self.counts["ended without a driver"] += before - self._living()

    def _living(self) -> int:
        return sum(job.evaluation.ended is None for job in self.jobs.values())

    def _all_die(self, *, orderly: bool) -> None:
        for job in self.jobs.values():
            if job.evaluation.ended is None:
                job.die(self.now)
                self._over(job, self.now)
                if orderly:
                    # It dies with a process that has written its last row: only the next driver can know that.
                    job.evaluation.known_at_end = None

    def _forget_results(self) -> None:
        """A result that only the driver had is gone, unless it was recorded."""
        recorded = {
            (row.trial, json.loads(row.body)["attempt"]) for row in self.rows if row.kind in ("Finished", "Stopped")
        }
        for key, job in self.jobs.items():
            if key not in recorded:
                job.evaluation.result = None
        self.jobs.clear()

    def _lose(self, appends: int) -> None:
        """A power cut takes the last transactions of a journal that is not synced at each."""
        kept = self.appends[-1 - appends] if appends < len(self.appends) else 0
        if kept == len(self.rows):
            return
        self.happens("lost rows", len(self.rows) - kept)
        gone = self.rows[kept:]
        del self.rows[kept:]
        self.appends = [count for count in self.appends if count <= kept]
        finished = {(row.trial, json.loads(row.body)["attempt"]) for row in gone if row.kind == "Finished"}
        for evaluation in self.evidence:
            if (evaluation.trial, evaluation.attempt) in finished:
                evaluation.result = None  # nobody else had it
        announced = {(row.trial, json.loads(row.body)["attempt"]) for row in gone if row.kind == "DeployStarted"}
        for evaluation in self.evidence:
            if (evaluation.trial, evaluation.attempt) in announced:
                evaluation.forgotten = True
            for name in ("known", "known_at_end", "stop_known"):
                count = getattr(evaluation, name)
                if count is not None and count > kept:
                    setattr(evaluation, name, None if name == "stop_known" else kept)

    def unwatched(self) -> None:
        """Work out for how long nobody could hold each evaluation to its limits."""
        for job_end in self.evidence:
            if job_end.ended is None:
                continue
            began, ended = job_end.began, job_end.ended
            gone = sum(max(0.0, min(end, ended) - max(begin, began)) for begin, end in self.downtimes)
            met = sum(began <= time <= ended for time in self.outages_met)
            job_end.unwatched += gone + 5.0 * met


class Passages:
    """Counts one driver's passages of seams; it dies at one of them.

    Args:
        world: Hears of it.
        life: How it is to die.
    """

    def __init__(self, world: World, life: Life) -> None:
        self._world = world
        self._life = life
        self._dies = None if life.kill_after is None else world.now + life.kill_after
        self._met = 0
        self.count = 0
        self.dead = False

    @property
    def dies(self) -> float | None:
        """When it dies, whatever it does then."""
        return None if self.dead else self._dies

    def __call__(self, label: str) -> None:
        """Pass a seam.

        Raises:
            Killed: It is dead from now on.
            KeyboardInterrupt: Somebody presses Ctrl-C.
            Stuck: It never comes to an end.
        """
        if self.dead:
            raise Killed(label)
        count, life = self.count, self._life
        self.count += 1
        aimed = life.kill_on
        if aimed is not None and label.startswith(aimed[0]):
            self._met += 1
        if (
            count == life.kill_at
            or (aimed is not None and self._met == aimed[1])
            or (self._dies is not None and self._world.now >= self._dies)
        ):
            self.dead = True
            self._world.happens("kill", f"at passage {count}, {label}")
            raise Killed(label)
        if count == life.ctrl_c_at:
            self._world.happens("ctrl-c", label)
            raise KeyboardInterrupt
        if count > MOST_PASSAGES:
            raise Stuck(f"{count} passages of seams, the last {label}, and no end")


class WorldJournal:
    """The world's journal as one driver reaches it.

    Args:
        world: Keeps the rows.
        passages: Where the driver may die.
        life: When the disk is full.
        real: The journal on a real disk beside it, or None.
    """

    def __init__(self, world: World, passages: Passages, life: Life, real: SqliteJournal | None) -> None:
        self._world = world
        self._passages = passages
        self._life = life
        self._real = real
        self._count = 0

    def append(self, events: Sequence[Event]) -> None:
        """Keep events, or fail."""
        world = self._world
        self._passages("commit: before")
        fails = self._count == self._life.disk_full_at
        self._count += 1
        if fails:
            world.happens("full disk, rows kept" if self._life.kept else "full disk")
        if not fails or self._life.kept:
            world.settle()
            if self._real is not None:
                self._real.append(events)
            for event in events:
                row = row_of(event)[0]
                world.rows.append(row)
                if world.trace is not None:
                    world.say(f"   {len(world.rows):4} {row.kind} {'' if row.trial is None else row.trial} {row.body}")
            world.appends.append(len(world.rows))
        if fails:
            raise JournalError("the journal cannot be written (no space left on device)")
        self._passages("commit: after")

    def read(self) -> Iterator[Event]:
        """All events."""
        return map(decode, self._world.rows[:]) if self._real is None else self._real.read()

    def close(self) -> None:
        """Close the real one."""
        if self._real is not None:
            self._real.close()
