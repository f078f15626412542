"""Two other ways to find out what a machine does, slow and simple: nothing in here is shared with the simulator."""

from __future__ import annotations

from dataclasses import dataclass

NEVER = float("inf")


@dataclass
class Job:
    """A trial: when it is submitted, how long it takes, when it is stopped."""

    index: int
    arrives: float
    runtime: float
    stopped_at: float = NEVER
    state: str = "new"
    slot: int | None = None
    begun: float | None = None
    ends: float = NEVER
    ended: float | None = None


def list_scheduling(jobs: list[Job], slots: int) -> list[tuple[float, float]]:
    """Beginning and end of each job, first come first served on equal slots: the textbook's recurrence."""
    free = [0.0] * slots
    times = []
    for job in jobs:
        slot = min(range(slots), key=lambda number: free[number])
        begun = max(job.arrives, free[slot])
        free[slot] = begun + job.runtime
        times.append((begun, free[slot]))
    return times


class Bench:
    """Scans everything at each moment: first ends, then stops, then submissions; after each, what takes no time."""

    def __init__(self, jobs: list[Job], speeds: list[float]) -> None:
        self.jobs = jobs
        self.speeds = speeds
        self.holders: list[Job | None] = [None] * len(speeds)
        self.told: list[tuple[float, int, str]] = []

    def run(self) -> list[tuple[float, int, str]]:
        """Return what happened: time, index, and "begun", "completed" or "stopped"."""
        while (now := min((self._next(job) for job in self.jobs), default=NEVER)) < NEVER:
            self._end(now)
            for job in self.jobs:
                if job.stopped_at == now and job.state in ("waiting", "running"):
                    self._leave(job, now, "stopped")
                    self._fill(now)
                    self._end(now)
            for job in self.jobs:
                if job.state == "new" and job.arrives == now:
                    job.state = "waiting"
                    self._fill(now)
                    self._end(now)
        return self.told

    def _end(self, now: float) -> None:
        while over := [job for job in self.jobs if job.state == "running" and job.ends <= now]:
            for job in over:
                self._leave(job, now, "completed")
            self._fill(now)

    def _next(self, job: Job) -> float:
        if job.state == "new":
            return job.arrives
        if job.state in ("waiting", "running"):
            return min(job.ends, job.stopped_at)
        return NEVER

    def _leave(self, job: Job, now: float, how: str) -> None:
        if job.slot is not None:
            self.holders[job.slot] = None
        job.state, job.ended = how, now
        self.told.append((now, job.index, how))

    def _fill(self, now: float) -> None:
        for job in self.jobs:
            free = [number for number, holder in enumerate(self.holders) if holder is None]
            if job.state != "waiting" or not free:
                continue
            slot = max(free, key=lambda number: (self.speeds[number], -number))
            self.holders[slot] = job
            job.state, job.slot, job.begun = "running", slot, now
            job.ends = now + job.runtime / self.speeds[slot]
            self.told.append((now, job.index, "begun"))
