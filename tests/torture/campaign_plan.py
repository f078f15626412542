"""What befalls one campaign: everything that is random about it, drawn from its seed before it begins."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from runwright.loop.policy import Policy
from runwright.runner import Limits, Traits

BOTH = frozenset({"timeout", "memory"})
KINDS = {
    "process": Traits(survives_driver=True, stops=True, enforces=BOTH, batches=True),
    "cluster": Traits(survives_driver=True, stops=True, batches=True),
    "pool": Traits(stops=True, enforces=BOTH, holds_results=True),
    "threads": Traits(holds_results=True),
    "inline": Traits(holds_results=True, inline=True),
}
"""What runs the trials: supervised processes, jobs of a cluster whose limits the engine sees to, workers that die with
their driver, threads that nobody can stop, calls."""
FATES = ("crash", "hang", "memory", "straggler", "lost worker", "invalid result", "output")
"""What can befall an evaluation."""
OUTAGES = ("poll", "capacity", "fetch", "stop", "reattach", "submit")
SEAMS = ("stop", "run", "commit: after", "fetch", "reattach", "tell", "ask")
"""Where deaths are aimed at."""
REQUESTS = ("stop trial", "rerun", "enqueue", "stop all", "nonsense")
ON_FAILURE: tuple[Any, ...] = (
    "fail",
    "retry 1",
    "retry 2",
    "retry 1 then penalty 1000",
    {"timeout": "penalty 7", "crashed": {"retry": 2, "backoff": 0.5, "longest": 0.75}, "other": "retry 1"},
    {"lost": {"retry": 5, "backoff": 0.1}, "memoryout": "abort"},
    {"submit_error": "fail", "invalid_result": "retry 1 then abort", "other": "retry 3"},
)
"""What users may want to follow a failed attempt."""
MEMORY = 1000
"""Bytes that an evaluation may hold where memory is limited."""


@dataclass
class Life:
    """One driver, and how it ends.

    Attributes:
        kill_at: Dies at its n-th passage of a seam.
        kill_on: Dies at its n-th passage of a seam that is called so.
        kill_after: Dies after so many seconds, in the midst of a wait.
        ctrl_c_at: Ctrl-C strikes at its n-th passage.
        run_again: ... and its `run` is called once more. Its journal may refuse that, in the midst of an append.
        leave: Is asked to leave, how and after how many commits.
        disk_full_at: Its n-th append fails.
        kept: ... and has kept the rows all the same.
        power_cut: Its end is the machine's.
        lost_appends: How many appends the power cut takes, where the journal promises no more.
        downtime: Seconds until the next driver.
        step: Seconds by which the clock on the wall is put on or back before it begins.
        workers: How many slots its runner has; None: no limit but `parallel`.
        policy: What it is told.
    """

    policy: Policy
    workers: int | None
    kill_at: int | None = None
    kill_on: tuple[str, int] | None = None
    kill_after: float | None = None
    ctrl_c_at: int | None = None
    run_again: bool = False
    leave: tuple[str, int] | None = None
    disk_full_at: int | None = None
    kept: bool = False
    power_cut: bool = False
    lost_appends: int = 0
    downtime: float = 0.0
    step: float = 0.0


@dataclass
class Plan:
    """A whole campaign.

    Attributes:
        seed: Where all of it comes from.
        kind: One of `KINDS`.
        traits: Its promises.
        staging: Whether its trials wait in a queue first.
        directory: Whether there is a run directory, with requests from outside.
        sqlite: Whether the journal is a real one.
        optimizer: ``random``, ``history`` or ``replay``.
        rates: How often each of `FATES`, and what else may go wrong, happens.
        outages: ``(what, from, to)`` in seconds of the world.
        requests: ``(when, what, trial)``.
        lives: The drivers, one after another; the last is left alone.
        enqueue: Points that are tried first.
        batches: Trials of several points, tried first too.
    """

    seed: int
    kind: str
    traits: Traits
    staging: bool
    directory: bool
    sqlite: bool
    optimizer: str
    rates: dict[str, float]
    outages: list[tuple[str, float, float]]
    requests: list[tuple[float, str, int]]
    lives: list[Life] = field(default_factory=list)
    enqueue: list[dict[str, Any]] = field(default_factory=list)
    batches: list[list[dict[str, Any]]] = field(default_factory=list)

    @property
    def limits(self) -> Limits:
        """Limits of each attempt; the same for all drivers."""
        return self.lives[0].policy.limits


def draw(seed: int) -> Plan:
    """Draw a campaign."""
    dice = random.Random(f"campaign {seed}")
    kind = dice.choices(list(KINDS), (4, 4, 3, 1, 1))[0]
    traits = KINDS[kind]
    simulated = dice.random() < 0.2
    directory = dice.random() < 0.3
    plan = Plan(
        seed,
        kind,
        Traits(**{name: getattr(traits, name) for name in Traits.__dataclass_fields__} | {"simulated": simulated}),
        staging=kind == "cluster" and dice.random() < 0.6,
        directory=directory,
        sqlite=directory and dice.random() < 0.3,
        optimizer=dice.choice(("random", "history", "history", "replay")),
        rates=_rates(dice, kind),
        outages=[] if simulated else _outages(dice, kind),
        requests=_requests(dice) if directory else [],
        enqueue=[{"x": dice.random()} for _ in range(dice.choice((0, 0, 1, 2)))],
    )
    if traits.batches and dice.random() < 0.3:
        plan.batches = [[{"x": dice.random()} for _ in range(dice.randint(2, 3))]]
    plan.lives = _lives(dice, plan)
    return plan


def _rates(dice: random.Random, kind: str) -> dict[str, float]:
    rates = {name: dice.choice((0.05, 0.15, 0.4)) for name in FATES if dice.random() < 0.4}
    if kind in ("inline", "threads"):
        rates.pop("hang", None)  # nobody could end it
        rates.pop("memory", None)
    for name in ("slow stop", "submit", "late launch", "preemption", "queue", "unknown", "new handle", "omitted"):
        if dice.random() < 0.35:
            rates[name] = dice.choice((0.05, 0.2))
    return rates


def _outages(dice: random.Random, kind: str) -> list[tuple[str, float, float]]:
    found = []
    for what in OUTAGES:
        if dice.random() < 0.25:
            for _ in range(dice.randint(1, 3)):
                begin = dice.uniform(0, 60)
                found.append((what, begin, begin + dice.choice((0.2, 2.0, 8.0))))
    return found


def _requests(dice: random.Random) -> list[tuple[float, str, int]]:
    return sorted(
        (dice.uniform(0, 50), dice.choices(REQUESTS, (4, 4, 2, 1, 1))[0], dice.randint(0, 6))
        for _ in range(dice.randint(0, 5))
    )


def _lives(dice: random.Random, plan: Plan) -> list[Life]:
    enforced = "timeout" in plan.traits.enforces or plan.traits.stops
    limits = Limits(
        timeout=dice.choice((3.0, 6.5, 9.0)) if enforced and ("hang" in plan.rates or dice.random() < 0.5) else None,
        memory=MEMORY if "memory" in plan.traits.enforces and dice.random() < 0.5 else None,
    )
    policy = Policy(
        trials=dice.randint(1, 14),
        parallel=dice.choice((None, 1, 2, 3, 4)),
        on_failure=dice.choice(ON_FAILURE),
        failure_rate=dice.choice((None, None, None, 0.5)),
        seconds=dice.choice((None, None, None, 25.0)),
        limits=limits,
    )
    workers: int | None = dice.randint(1, 4)
    if policy.parallel is not None and dice.random() < 0.2:
        workers = None
    lives = []
    for _ in range(dice.choice((0, 1, 1, 2, 2, 3, 4, 6))):
        lives.append(_doomed(dice, plan, policy, workers))
        if dice.random() < 0.25:
            policy, workers = _changed(dice, policy, workers)
    return [*lives, Life(policy, workers, step=dice.choice((0.0, -1e6)))]


def _doomed(dice: random.Random, plan: Plan, policy: Policy, workers: int | None) -> Life:
    """Draw a driver that does not live to its end, or perhaps does."""
    life = Life(policy, workers, downtime=dice.choice((0.0, 0.0, 1.0, 20.0)) * dice.random())
    if dice.random() < 0.2:
        life.step = dice.choice((-3600.0, 3600.0, -1e9))
    end = dice.choices(("passage", "seam", "time", "ctrl-c", "leave", "disk"), (6, 6, 3, 2, 3, 3))[0]
    if end == "passage":
        life.kill_at = dice.randint(0, dice.choice((10, 60, 250)))
    elif end == "seam":
        life.kill_on = dice.choice(SEAMS), dice.randint(1, 4)
    elif end == "time":
        life.kill_after = dice.uniform(0, 20)
    elif end == "ctrl-c":
        life.ctrl_c_at, life.run_again = dice.randint(0, 120), dice.random() < 0.5
    elif end == "leave":
        life.leave = dice.choice(("drain", "interrupt", "detach")), dice.randint(1, 20)
    else:
        life.disk_full_at, life.kept = dice.randint(0, 20), dice.random() < 0.3
    if end in ("passage", "seam", "time") and dice.random() < 0.2 and plan.kind != "cluster" and not plan.sqlite:
        life.power_cut, life.lost_appends = True, dice.randint(0, 4)
    return life


def _changed(dice: random.Random, policy: Policy, workers: int | None) -> tuple[Policy, int | None]:
    """Draw what a user changes between two drivers."""
    assert policy.trials is not None, "every campaign has a number of trials"
    changes = {name: getattr(policy, name) for name in Policy.__dataclass_fields__}
    changes["trials"] = policy.trials + dice.randint(0, 3)
    changes["on_failure"] = dice.choice((policy.on_failure, *ON_FAILURE))
    if policy.parallel is not None:
        changes["parallel"] = dice.randint(1, 4)
    return Policy(**changes), None if workers is None else dice.randint(1, 4)
