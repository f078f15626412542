"""What the journal costs: ``python benchmarks/bench_journal.py [--trials N]``.

Prints CPU and wall time a trial (five events, one append) and the time to open and read a large journal; medians.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from runwright import events as ev
from runwright.journal import MemoryJournal, SqliteJournal, read_events
from runwright.result import Result

ROUNDS = 5


def events_of(index):
    """The five events of a trial that goes well."""
    now = index * 0.1
    result = Result(
        {f"{index}_0": {"y": (index / 7, None)}}, seconds=0.01, cpu_seconds=0.01, started=1.7e9, ended=1.7e9
    )
    return [
        ev.TrialAsked(now, index, [{"x1": index / 3, "x2": 1.5}]),
        ev.DeployStarted(now, index, 1),
        ev.Deployed(now, index, 1, {"name": str(index)}),
        ev.Finished(now, index, 1, result),
        ev.Told(now, index),
    ]


def timed(work):
    """CPU and wall seconds of a call."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def report(name, seconds, trials):
    """Print the median of several rounds, a trial."""
    cpu, wall = (statistics.median(column) for column in zip(*seconds, strict=True))
    print(f"{name:34} {cpu / trials * 1e6:8.1f} us CPU {wall / trials * 1e6:9.1f} us wall a trial")


def appending(name, make, trials, batch):
    """Append trials, so many an append."""
    batches = [
        [event for index in range(begin, begin + batch) for event in events_of(index)]
        for begin in range(0, trials, batch)
    ]
    seconds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            journal = make(Path(folder) / "journal.sqlite")
            seconds.append(timed(lambda journal=journal: [journal.append(events) for events in batches]))
            journal.close()
    report(name, seconds, trials)


def reading(trials):
    """Open a large journal and read it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        journal = SqliteJournal(path, synchronous="NORMAL")
        for begin in range(0, trials, 1000):
            journal.append([event for index in range(begin, begin + 1000) for event in events_of(index)])
        journal.close()
        print(f"{trials} trials, {path.stat().st_size / trials:.0f} bytes a trial")
        kept = []
        opened = [timed(lambda: kept.append(SqliteJournal(path))) for _ in range(ROUNDS)]
        read = [timed(lambda: [None for _ in kept[0].read()]) for _ in range(ROUNDS)]
        for journal in kept:
            journal.close()
        other = [timed(lambda: [None for _ in read_events(path)]) for _ in range(ROUNDS)]
    for name, seconds in (("open, check all", opened), ("read", read), ("read_events, checks too", other)):
        cpu, wall = (statistics.median(column) for column in zip(*seconds, strict=True))
        print(f"{name:34} {cpu:8.2f} s CPU {wall:9.2f} s wall")


def main():
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100_000, help="size of the journal that is read")
    trials = parser.parse_args().trials
    appending("in memory", lambda _: MemoryJournal(), 5000, 1)
    appending("in memory, encoded", lambda _: MemoryJournal(encoded=True), 5000, 1)
    appending("NORMAL", lambda path: SqliteJournal(path, synchronous="NORMAL"), 5000, 1)
    appending("NORMAL, 10 trials an append", lambda path: SqliteJournal(path, synchronous="NORMAL"), 5000, 10)
    appending("FULL", SqliteJournal, 500, 1)
    appending("FULL, 10 trials an append", SqliteJournal, 500, 10)
    reading(trials)


if __name__ == "__main__":
    main()
