"""Kills at random moments: of drivers, launchers, supervisors, programs and workers; and of Optuna's drivers beside.

Each case is one experiment, which takes dozens of kills (SIGKILL) and is started again by the same command until it
comes to its end (`kills_lane`); then it is judged from the journal, from the evaluations' own evidence, and from who
was killed (`kills_judge`, `history`). Two experiments run at a time.

A case's name repeats its plan: who is killed, after how many happenings. What the processes do meanwhile is the
machine's own business, so a case that failed may have to be repeated a few times.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.torture import kills_latency, kills_optuna, kills_stopped
from tests.torture.figures import Figure, zero
from tests.torture.kills_case import Case, Done
from tests.torture.kills_judge import Journal, Judge, Verdict
from tests.torture.kills_lane import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.torture.figures import Scale

AT_A_TIME = 2
ASKED = 1_000
_UNDISTURBED = ("simulated", "optuna", "tpe", "optuna-tpe")
"""Kinds whose undisturbed run is made: all other random points are those of the first, or of the second."""


class Plan(NamedTuple):
    """How many experiments of a kind there are."""

    kind: str
    cases: int
    trials: int
    kills: int


FULL = [
    Plan("long", 3, 9, 12),
    Plan("optuna-long", 2, 4, 8),
    Plan("stopped", 8, 6, 3),
    Plan("stopped-pool", 2, 6, 0),
    Plan("tpe", 6, 24, 30),
    Plan("command", 13, 70, 36),
    Plan("pool", 9, 80, 34),
    Plan("function", 4, 24, 26),
    Plan("preload", 4, 40, 30),
    Plan("simulated", 5, 2000, 22),
    Plan("optuna", 4, 24, 20),
    Plan("optuna-tpe", 3, 24, 20),
]
SHORT = [
    Plan("long", 1, 3, 3),
    Plan("stopped", 1, 6, 2),
    Plan("tpe", 1, 8, 8),
    Plan("command", 1, 30, 20),
    Plan("pool", 1, 30, 16),
    Plan("function", 1, 6, 6),
    Plan("preload", 1, 10, 8),
    Plan("simulated", 1, 800, 5),
    Plan("optuna", 1, 6, 4),
]
MORE = [Plan("command", 2, 70, 36)]
"""Until there were enough."""


@dataclass
class Outcome:
    """What became of a case."""

    case: Case
    done: Done
    verdict: Verdict = field(default_factory=Verdict)
    suspended: int = 0
    unfair: list[str] = field(default_factory=list)

    def failures(self, found: Iterable[str]) -> list[str]:
        """Return what was found with the name that repeats it."""
        return [f"{self.case.name}: {what}" for what in found]


class Kills:
    """The whole of it.

    Args:
        scale: How much.
        folder: Where.
    """

    def __init__(self, scale: Scale, folder: Path) -> None:
        self._scale = scale
        self._folder = folder
        self._points: dict[str, list[float]] = {}
        self.outcomes: list[Outcome] = []

    def run(self) -> None:
        """Do all cases, two at a time."""
        plans = FULL if self._scale.full else SHORT
        cases = [self._case(plan, number) for plan in plans for number in range(plan.cases)]
        only = self._scale.only
        if only is not None:
            kind, _, which = only.partition(":")[0].rpartition(".")
            cases = [self._case(plan, int(which)) for plan in plans if plan.kind == kind]
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            self._make_undisturbed(pool, {case.kind for case in cases}, plans)
            self.outcomes += pool.map(self._take, cases)
            number = 1000
            while self._scale.full and only is None and self.killed().total() < ASKED and not self._broken():
                cases = [self._case(MORE[0], number + one) for one in range(MORE[0].cases)]
                self.outcomes += pool.map(self._take, cases)
                number += len(cases)

    def killed(self) -> Counter[str]:
        """Return how many of whom were killed, of ours."""
        return sum((outcome.done.kills for outcome in self.outcomes if not outcome.case.peer), Counter())

    def _broken(self) -> bool:
        return any(not outcome.done.ended for outcome in self.outcomes)

    def _case(self, plan: Plan, number: int) -> Case:
        name = f"{plan.kind}.{number}"
        seed = self._scale.seed * 1_000_003 + number
        return Case(name, plan.kind, plan.trials, plan.kills, seed, str(self._folder / name))

    def _make_undisturbed(self, pool: ThreadPoolExecutor, kinds: set[str], plans: list[Plan]) -> None:
        most = {plan.kind: plan.trials for plan in plans}
        needed = kinds | {"optuna" if kind.startswith("optuna") else "simulated" for kind in kinds}
        wanted = [kind for kind in _UNDISTURBED if kind in needed]
        folder = self._folder / "undisturbed"
        cases = [Case(kind, kind, most.get(kind, 100), 0, 0, str(folder / kind)) for kind in wanted]
        for case, done in zip(cases, pool.map(carry_out, cases), strict=True):
            if not done.ended:
                raise RuntimeError(f"the undisturbed run of {case.kind} did not come to its end: {done.failed_lives}")
            place = Path(case.folder)
            peer = case.peer
            points = kills_optuna.points_of(place) if peer else Journal(place / "run" / "journal.sqlite").points
            self._points[case.kind] = points

    def _take(self, case: Case) -> Outcome:
        outcome = Outcome(case, carry_out(case))
        if outcome.done.ended:
            self._judge(outcome)
        else:
            outcome.verdict.unended.append("no driver came to its end")
        return outcome

    def _judge(self, outcome: Outcome) -> None:
        case, folder = outcome.case, Path(outcome.case.folder)
        if case.kind.startswith("stopped"):
            outcome.suspended, outcome.unfair = kills_stopped.judge(case, folder)
            return
        expected = self._points.get(case.kind) or self._points["optuna" if case.peer else "simulated"]
        if case.peer:
            outcome.verdict = kills_optuna.judge(case, folder, expected)
        else:
            outcome.verdict = Judge(case, folder, outcome.done.struck, expected).judge()


def carry_out(case: Case) -> Done:
    """Have a lane take a case to its end; if we die, it sees the end of its standard input."""
    command = [sys.executable, "-m", "tests.torture.kills_lane", json.dumps(asdict(case))]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as lane:
        assert lane.stdout is not None
        said = lane.stdout.read()
    if lane.returncode != 0:
        raise RuntimeError(f"the lane of {case.name} ended with {lane.returncode}")
    body = json.loads(said)
    return Done(**{**body, "kills": Counter(body["kills"])})


# The table.


def figures_of(kills: Kills, *, full: bool) -> list[Figure]:
    """Return what came out, with Optuna beside."""
    ours = [outcome for outcome in kills.outcomes if not outcome.case.peer]
    theirs = [outcome for outcome in kills.outcomes if outcome.case.peer]
    killed, peers = kills.killed(), sum((outcome.done.kills for outcome in theirs), Counter[str]())
    who = ", ".join(f"{count} {role}s" for role, count in sorted(killed.items(), key=lambda item: -item[1]))
    many = killed.total()
    asked = f">= {ASKED:,}" if full else ""
    found = [
        Figure(
            f"kills: {who}", f"{many:,}", len(ours), asked, not asked or many >= ASKED, f"{peers.total()} of drivers"
        ),
    ]

    def both(name: str, attribute: str, *, of_done: bool = False, beside: str | None = None) -> None:
        def taken(outcomes: list[Outcome]) -> list[str]:
            parts = ((each, getattr(each.done if of_done else each.verdict, attribute)) for each in outcomes)
            return [sentence for each, part in parts for sentence in each.failures(part)]

        count = sum(each.verdict.evaluations for each in ours)
        found.append(
            zero(name, taken(ours), count, (str(len(taken(theirs))) if beside is None else beside) if theirs else "")
        )

    counts = Counter[str]()
    for each in theirs:
        verdict = each.verdict
        counts += Counter(running=verdict.running, evaluations=verdict.evaluations, duplicated=verdict.duplicated)
        counts += Counter(repeated=verdict.repeated, followerless=each.done.followerless)
    both("lost results", "lost")
    both("double starts", "double")
    both("evaluations of whose end nobody knew", "orphaned", beside=f"{counts['followerless']} went on, orphaned")
    both("surviving processes", "survivors", of_done=True)
    both("zombies", "zombies", of_done=True)
    both("changed suggestions (random, TPE)", "changed")
    both("trials without an end", "unended", beside=f"{counts['running']} left RUNNING")
    both("drivers that could not go on", "failed_lives", of_done=True)
    both("failed attempts of which nothing was killed", "unexplained", beside="")
    both("histories that are none", "illegal", beside="")
    twice = [sentence for each in ours if each.verdict.duplicated for sentence in each.failures(["points twice"])]
    found.append(zero("points asked for twice", twice, len(ours), f"{counts['duplicated']}" if theirs else ""))
    evaluations, repeated = (sum(getattr(each.verdict, name) for each in ours) for name in ("evaluations", "repeated"))
    beside = f"{counts['repeated']} of {counts['evaluations']}" if theirs else ""
    found.append(Figure("evaluations repeated because theirs was cut short", f"{repeated}", evaluations, beside=beside))
    unfair = [sentence for each in ours for sentence in each.failures(each.unfair)]
    found.append(
        zero("suspended evaluations ended by anything but their limit", unfair, sum(o.suspended for o in ours))
    )
    return found


def run(scale: Scale) -> list[Figure]:
    """Kill, judge and measure."""
    folder = Path(tempfile.mkdtemp(prefix="runwright-kills-"))
    kills = Kills(scale, folder)
    kills.run()
    found = figures_of(kills, full=scale.full and scale.only is None)
    failures = [failure for figure in found for failure in figure.failures]
    if failures:
        print(f"what is left of it is in {folder}", *failures, sep="\n  ", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return found if scale.only is not None else found + kills_latency.figures(scale)
