"""A death at every passage of every seam, in real processes: driver, launcher, supervisor, and what they evaluate.

A passage is a system call by which others could notice that a process lives (see `points_filter`). For each way of
running trials (see `points_drivers`) each process dies before its first passage, before its second, and so on until a
run in which it does not come so far. Then a driver dies right behind its first request, and the next one at each of its
passages. And then seeded pairs of deaths: two drivers in a row, two launchers, a supervisor and the one of its retry, a
driver and a process of its own. The full square of two deaths of a driver is in virtual time, in
``tests/crash/test_engine_crashes.py``.

A case is named ``KIND ROLE<which>@<passage> ...``, such as ``command driver0@57 driver1@12``.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

from tests.torture.figures import Figure, Scale, zero
from tests.torture.points_case import Outcome, name_of, parse
from tests.torture.points_drivers import KINDS
from tests.torture.points_filter import why_not
from tests.torture.points_lanes import Lanes
from tests.torture.points_tree import Death

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.torture.points_lanes import Series

PAIRS = {True: 400, False: 14}
"""How many pairs of deaths, of all kinds together."""
SAMPLED = 50
"""How many single deaths of all kinds the short form has; the full one has all."""
_MISSES = 3  # so many cases in a row in which nobody came so far end a series
SENDING = ("command", "function")
"""Kinds in which a driver dies right behind its first request, and the next one at each of its passages."""
PAIRED = (
    (("driver", 0), ("driver", 1)),
    (("launcher", 0), ("launcher", 1)),
    (("supervisor", 0), ("supervisor", 1)),
    (("supervisor", 0), ("driver", 0)),
    (("launcher", 0), ("driver", 0)),
    (("driver", 0), ("supervisor", 0)),
    (("driver", 0), ("launcher", 0)),
    (("driver", 0), ("launcher", 1)),
)


class Record:
    """What came of all cases so far."""

    def __init__(self) -> None:
        self.cases = 0
        self.singles = 0
        self.pairs = 0
        self.faults: list[str] = []
        self.undisturbed: dict[str, Outcome] = {}

    def add(self, name: str, outcome: Outcome) -> None:
        """Count a case, and say at once what is wrong with it."""
        self.cases += 1
        self.singles += len(outcome.died) == 1
        self.pairs += len(outcome.died) > 1
        if not outcome.died and " " not in name:
            self.undisturbed[name] = outcome
        if outcome.faults:
            self.faults.append(name)
            print(f"  {name}: {outcome.died}", *outcome.faults, sep="\n    ", flush=True)


class Listed:
    """Cases that are known beforehand."""

    def __init__(self, names: Iterable[str], record: Record) -> None:
        self._names = iter(list(names))
        self._record = record

    def next(self) -> str | None:
        return next(self._names, None)

    def take(self, name: str, outcome: Outcome) -> None:
        self._record.add(name, outcome)


class Enumerated:
    """A process of a kind dies before each of its passages, until a run in which it does not come so far.

    Args:
        kind: The kind.
        process: Role and number of the process.
        record: Where to count.
        before: What dies before it.
    """

    def __init__(self, kind: str, process: tuple[str, int], record: Record, before: tuple[Death, ...] = ()) -> None:
        self._kind = kind
        self._process = process
        self._before = before
        self._record = record
        self._passage = 0
        self._missed = 0
        self._died = 0

    def next(self) -> str | None:
        if self._missed >= _MISSES:
            role, number = self._process
            print(f"    {self._kind}: {role}{number} died at each of its {self._died} passages", flush=True)
            return None
        self._passage += 1
        return name_of(self._kind, (*self._before, Death(*self._process, self._passage - 1)))

    def take(self, name: str, outcome: Outcome) -> None:
        self._record.add(name, outcome)
        if name.rsplit(maxsplit=1)[-1] in outcome.died:
            self._died += 1
            self._missed = 0
        else:
            self._missed += 1


def run(scale: Scale) -> list[Figure]:
    """Run the section."""
    reason = why_not()
    if reason is not None:
        return [Figure("deaths at passages", "not run", 0, f"a kernel that lets us: {reason}", holds=False)]
    return figures_of(examine(scale), scale)


def examine(scale: Scale) -> Record:
    """Run the cases; return what came of them."""
    record, lanes = Record(), Lanes()
    try:
        if scale.only is not None:
            parse(scale.only)
            lanes.run([Listed([scale.only], record)])
        else:
            lanes.run([Listed(KINDS, record)])
            lanes.run(_plan(scale, record))
    finally:
        lanes.close()
    return record


def _processes(record: Record, kind: str) -> dict[tuple[str, int], list[str]]:
    """Return the processes of an undisturbed run, with their passages."""
    return {
        (name.rstrip("0123456789"), int(name[len(name.rstrip("0123456789")) :])): passages
        for name, passages in record.undisturbed[kind].passages.items()
        if not name.startswith("other")
    }


def _plan(scale: Scale, record: Record) -> list[Series]:
    """Return the cases to run, known how many passages there are when nobody dies."""
    generator = random.Random(scale.seed)
    known = {kind: _processes(record, kind) for kind in record.undisturbed}
    pairs = Listed([_pair(generator, known) for _ in range(PAIRS[scale.full])], record)
    if scale.full:
        singles = [Enumerated(kind, process, record) for kind in known for process in known[kind]]
        return [*singles, *(Enumerated(kind, ("driver", 1), record, _sent(known[kind])) for kind in SENDING), pairs]
    every = [
        name_of(kind, (Death(*process, passage),))
        for kind, processes in known.items()
        for process, passages in processes.items()
        for passage in range(len(passages))
    ]
    every += [
        name_of(kind, (*_sent(known[kind]), Death("driver", 1, passage)))
        for kind in SENDING
        for passage in range(len(known[kind]["driver", 0]))
    ]
    return [Listed(generator.sample(every, SAMPLED), record), pairs]


def _sent(processes: dict[tuple[str, int], list[str]]) -> tuple[Death, ...]:
    """Return the death of a driver right behind its first request: the next one cannot know whether it is served."""
    return (Death("driver", 0, processes["driver", 0].index("send") + 1),)


def _pair(generator: random.Random, known: dict[str, dict[tuple[str, int], list[str]]]) -> str:
    while True:
        kind = generator.choice(list(known))
        pair = generator.choice(PAIRED)
        passages = [len(known[kind].get((role, 0), ())) for role, _ in pair]
        if all(passages):
            deaths = (Death(*who, generator.randrange(most)) for who, most in zip(pair, passages, strict=True))
            return name_of(kind, tuple(deaths))


def seams_of(record: Record) -> dict[str, Counter[str]]:
    """Return how often each seam is passed when nobody dies, by role, in all kinds together."""
    seams: dict[str, Counter[str]] = {}
    for outcome in record.undisturbed.values():
        for name, passages in outcome.passages.items():
            seams.setdefault(name.rstrip("0123456789"), Counter()).update(passages)
    return {role: counts for role, counts in seams.items() if role != "other"}


def figures_of(record: Record, scale: Scale) -> list[Figure]:
    """Return what the section prints."""
    seams = seams_of(record)
    for role, counts in seams.items():
        print(f"    {role}: " + ", ".join(f"{seam} {count}" for seam, count in counts.most_common()))
    passages = [
        Figure(f"passages of the {role}s, undisturbed, of all kinds", f"{sum(counts.values())}", len(counts))
        for role, counts in seams.items()
    ]
    return [
        *passages,
        Figure(f"one death, at {'every' if scale.full else 'a'} passage", f"{record.singles}", record.cases),
        Figure("two deaths in one experiment", f"{record.pairs}", record.cases),
        zero("cases with anything lost, repeated, left over or otherwise wrong", record.faults, record.cases),
    ]
