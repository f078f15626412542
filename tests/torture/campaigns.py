"""Seeded campaigns: the scheduler as it is, over simulated time, processes, disk, users and faults, judged afterwards.

A campaign is one experiment over the lives of several drivers. Everything in it comes from one number, its seed: see
`campaign_plan`. The world that outlives the drivers is in `campaign_world`, evaluations in `campaign_jobs`; drivers
reach it through `campaign_runner`. What came of it is judged by `history`, which knows journal and evidence alone.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
import shutil
import tempfile
import traceback
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import runwright as rw
import runwright.loop.session
from runwright import events as ev
from runwright.errors import JournalError
from runwright.journal import SqliteJournal
from runwright.optimizer import Suggestion
from runwright.optimizers import RandomOptimizer
from tests.torture.campaign_jobs import SLOWEST_STOP
from tests.torture.campaign_optimizers import HistoryOptimizer, ReplayOptimizer, undisturbed
from tests.torture.campaign_plan import KINDS, OUTAGES, REQUESTS, Life, Plan, draw
from tests.torture.campaign_runner import CampaignRunner
from tests.torture.campaign_world import Killed, Passages, Stuck, World, WorldClock, WorldJournal
from tests.torture.figures import Figure, Scale, zero
from tests.torture.history import Limited, check, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from runwright.optimizer import Optimizer
    from runwright.state import State

SHORT, FULL = 2_000, 50_000
EXPERIMENT = rw.Experiment("campaign", {"x": rw.Float(0, 1)}, {"y": "minimize"}, seed=7)
REPEATED = 50
"""Of so many campaigns one is repeated, in another process where there are several."""
_ROOMY = Path("/dev/shm")


@dataclass
class Outcome:
    """What came of a campaign.

    Attributes:
        seed: Its seed.
        complaints: What must not be.
        counts: What happened in it.
        digest: Of all rows and all evidence.
        trace: Lines to read, where they were asked for.
    """

    seed: int
    complaints: list[str]
    counts: Counter[str]
    digest: str
    trace: list[str] = field(default_factory=list)


class CampaignScheduler(rw.Scheduler):
    """The scheduler, with trials of several points beside those that are tried first: only bridges make such."""

    batches: Sequence[list[dict[str, Any]]] = ()

    def _enqueue_first(self) -> None:
        super()._enqueue_first()
        engine = self._engine
        known = [[arm.parameters for arm in trial.arms] for trial in self.state.trials]
        for points in self.batches:
            if points not in known:
                index = len(self.state.trials)
                self.optimizer.attach(index, Suggestion(points[0]))
                engine.recorder.record(ev.TrialAsked(engine.clock.now(), index, points, "submitted"))


def campaign(seed: int, *, trace: bool = False) -> Outcome:
    """Live through one campaign, and judge it."""
    plan = draw(seed)
    world = World(plan, random.Random(f"world {seed}"), trace=[] if trace else None)
    world.say(f"{plan}")
    with _directory(plan) as world.directory, _time_of(world):
        raised = [complaint for life in plan.lives for complaint in _live(world, life)]
        world.settle()
        complaints = raised + judge(world)
    told = hashlib.sha256(repr((world.rows, world.evidence)).encode()).hexdigest()[:16]
    world.counts["drivers"] += len(plan.lives)
    world.counts["rows"] += len(world.rows)
    world.counts["evaluations"] += len(world.evidence)
    _count(world)
    return Outcome(seed, complaints, world.counts, told, world.trace or [])


def _live(world: World, life: Life) -> list[str]:
    """Let one driver live; return what should not have come out of it."""
    world.stepped += life.step
    if life.step:
        world.happens("clock step", life.step)
    passages = Passages(world, life)
    world.slots.append((world.now, 10**9 if life.workers is None else life.workers))
    scheduler: rw.Scheduler | None = None
    complaints: list[str] = []
    journal = WorldJournal(world, passages, life, _real_journal(world))
    clock = WorldClock(world)
    try:
        scheduler = _scheduler(world, passages, life, journal, clock)
        _run(world, life, scheduler)
        scheduler.state.check()
        world.say(f"the driver has ended: {scheduler.state.stop_reason}, left by {scheduler.left_by}")
    except Killed:
        pass
    except KeyboardInterrupt:
        assert life.ctrl_c_at is not None, "only the plan presses Ctrl-C"
    except JournalError as error:
        if life.disk_full_at is None and not life.run_again:
            complaints = [f"a driver could not go on: {error}"]
    except Stuck as error:
        complaints = [f"a driver is stuck: {error}"]
    except Exception:  # noqa: BLE001  (whatever it is, it is what a campaign looks for)
        complaints = [f"a driver raised {traceback.format_exc()}"]
    finally:
        if scheduler is not None:
            with suppress(Killed):
                scheduler.close()
        journal.close()
    world.driver_gone(life, clock.now(), killed=passages.dead)
    return complaints


def _run(world: World, life: Life, scheduler: rw.Scheduler) -> None:
    """Run, and after Ctrl-C perhaps once more, as people do in a notebook."""
    leave = _leaver(world, life, scheduler)
    try:
        scheduler.run(on_turn=leave)
    except KeyboardInterrupt:
        if not life.run_again:
            raise
        world.happens("run again")
        scheduler.run(on_turn=leave)


def _scheduler(world: World, passages: Passages, life: Life, journal: WorldJournal, clock: WorldClock) -> rw.Scheduler:
    plan = world.plan
    scheduler = CampaignScheduler(
        EXPERIMENT,
        _optimizer(plan, passages),
        CampaignRunner(world, passages, life.workers),
        directory=world.directory,
        policy=life.policy,
        clock=clock,
        journal=journal,
        enqueue=plan.enqueue,
    )
    scheduler.batches = plan.batches
    return scheduler


def _optimizer(plan: Plan, passages: Passages) -> Optimizer:
    if plan.optimizer == "random":
        return RandomOptimizer()
    kind = HistoryOptimizer if plan.optimizer == "history" else ReplayOptimizer
    return kind(passages, budgets=plan.seed % 3 == 0)


def _leaver(world: World, life: Life, scheduler: rw.Scheduler) -> Callable[[State, Sequence[ev.Event]], None]:
    """Ask the driver to leave after so many turns."""
    turns = 0

    def leave(state: State, events: Sequence[ev.Event]) -> None:
        nonlocal turns
        turns += 1
        if life.leave is not None and turns == life.leave[1]:
            world.happens(f"leave: {life.leave[0]}")
            getattr(scheduler, life.leave[0])()

    return leave


def _real_journal(world: World) -> SqliteJournal | None:
    if not world.plan.sqlite:
        return None
    assert world.directory is not None, "a journal on disk has a directory"
    survives = world.plan.traits.survives_driver
    return SqliteJournal(world.directory / "journal.sqlite", synchronous="FULL" if survives else "NORMAL")


@contextmanager
def _directory(plan: Plan) -> Iterator[Path | None]:
    if not plan.directory:
        yield None
        return
    path = Path(tempfile.mkdtemp(prefix="campaign", dir=_ROOMY if _ROOMY.is_dir() else None))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def _time_of(world: World) -> Iterator[None]:
    """Have the session look for requests by the time of the world, too."""
    with patch.object(runwright.loop.session, "monotonic", lambda: world.now):
        yield


# Judging.


def judge(world: World) -> list[str]:
    """Compare what the journal says with what was."""
    plan = world.plan
    rows: list[Any] = [(seq, *row) for seq, row in enumerate(world.rows, 1)]
    complaints = []
    if plan.sqlite:
        assert world.directory is not None, "a journal on disk has a directory"
        found = rows_of(world.directory / "journal.sqlite")
        if found != rows:
            complaints.append(f"the journal on disk has {len(found)} rows, not the {len(rows)} that were appended")
        rows = found
    world.unwatched()
    limits = Limited(plan.limits.timeout, SLOWEST_STOP, plan.limits.memory)
    suggestions = undisturbed(plan.optimizer, EXPERIMENT)
    return complaints + check(rows, world.evidence, capacity=world.slots, limits=limits, suggestions=suggestions)


def _count(world: World) -> None:
    """Count what the plan says and what the journal shows."""
    plan, counts = world.plan, world.counts
    counts[f"kind: {plan.kind}"] += 1
    counts[f"optimizer: {plan.optimizer}"] += 1
    counts["journal on disk"] += plan.sqlite
    counts["campaigns with kills"] += counts["kill"] > 0
    policies = [life.policy for life in plan.lives]
    counts["policy changed"] += sum(one != other for one, other in pairwise(policies))
    for row in world.rows:
        if row.kind in ("Interrupted", "Rerun", "Detached", "ExperimentEnded", "RetryPlanned", "GaveUp"):
            counts[f"row: {row.kind}"] += 1
        if row.kind == "TrialAsked":
            counts["batch trials"] += len(json.loads(row.body)["points"]) > 1
            counts["budgets"] += '"budget"' in row.body
        if row.kind == "StopRequested":
            counts[f"stop: {json.loads(row.body)['cause']}"] += 1
        if row.kind == "GaveUp":
            counts["penalties"] += '"penalty"' in row.body


# Many.


def many(seeds: Iterable[int], processes: int = 1) -> Iterator[Outcome]:
    """Live through campaigns, in their order, on so many cores."""
    if processes == 1:
        yield from map(campaign, seeds)
        return
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap(campaign, seeds, chunksize=50)


def run(scale: Scale) -> list[Figure]:
    """Run the section."""
    if scale.only is not None:
        outcome = campaign(int(scale.only), trace=True)
        print("\n".join(outcome.trace))
        print("\n".join(f"COMPLAINT: {complaint}" for complaint in outcome.complaints))
        print(f"digest {outcome.digest}")
        return [zero("complaints of the judge", [scale.only] if outcome.complaints else [], 1)]
    count = FULL if scale.full else SHORT
    seeds = range(scale.seed * FULL, scale.seed * FULL + count)
    counts: Counter[str] = Counter()
    failures, changed = [], []
    for outcome in many(seeds, processes=2 if scale.full else 1):
        counts += outcome.counts
        if outcome.complaints:
            failures.append(str(outcome.seed))
            print(f"    {outcome.seed}: {outcome.complaints[0]:.500}", flush=True)
        if outcome.seed % REPEATED == 0 and campaign(outcome.seed).digest != outcome.digest:
            changed.append(str(outcome.seed))
    return [
        zero("campaigns in which the judge finds fault", failures, count),
        zero("campaigns that do not repeat exactly", changed, count // REPEATED),
        zero("faults that never happened", [name for name in MUST_HAPPEN if not counts[name]], len(MUST_HAPPEN)),
        *(Figure(f"... {name}", f"{number:,}", count) for name, number in sorted(counts.items())),
    ]


MUST_HAPPEN = (
    *(f"kind: {kind}" for kind in KINDS),
    *(f"optimizer: {name}" for name in ("random", "history", "replay")),
    *(f"end: {how}" for how in ("crash", "invalid", "lost", "memoryout", "output", "stopped", "timeout")),
    *(f"outage: {what}" for what in OUTAGES),
    *(f"request: {what}" for what in REQUESTS),
    *(f"leave: {how}" for how in ("drain", "interrupt", "detach")),
    *(f"stop: {cause}" for cause in ("user", "timeout", "interrupt")),
    *(f"row: {kind}" for kind in ("Interrupted", "Rerun", "Detached", "RetryPlanned", "GaveUp")),
    *(
        "kill",
        "power cut",
        "lost rows",
        "ctrl-c",
        "run again",
        "clock step",
        "full disk",
        "full disk, rows kept",
        "policy changed",
    ),
    *("straggler", "hang", "slow stop", "preemption", "submission refused", "submission that failed late"),
    *("launch adopted", "attempt not known yet", "ended without a driver", "journal on disk", "batch trials"),
    *("budgets", "penalties", "left out of a poll"),
)
"""What a thousand campaigns must have met; what never happens was never tried."""
