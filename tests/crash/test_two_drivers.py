"""Two drivers that start at the same instant, again and again, with kills: exactly one of them works."""

from __future__ import annotations

import random
import select
import subprocess
import sys
from pathlib import Path

import pytest

from runwright.journal import read_events
from runwright.state import State
from tests.torture.history import check, rows_of

pytestmark = pytest.mark.slow

DRIVER = Path(__file__).with_name("two_drivers.py")
ROUNDS = 12


def waiting_driver(directory: Path) -> subprocess.Popen[str]:
    """Start a driver that has imported everything and waits for its start."""
    return subprocess.Popen(
        [sys.executable, str(DRIVER), str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def say(driver: subprocess.Popen[str]) -> None:
    assert driver.stdin is not None
    driver.stdin.write("start\n")
    driver.stdin.flush()


def hear(driver: subprocess.Popen[str]) -> str:
    assert driver.stdout is not None
    assert select.select([driver.stdout], [], [], 60)[0], "a driver neither works nor is refused"
    return driver.stdout.readline().strip()


def put_down(driver: subprocess.Popen[str]) -> None:
    driver.kill()
    driver.wait()
    for stream in (driver.stdin, driver.stdout):
        assert stream is not None
        stream.close()


def test_of_two_drivers_exactly_one_works(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    moments = random.Random(8)
    pause = select.poll()
    drivers = [waiting_driver(directory) for _ in range(2)]
    try:
        for _ in range(ROUNDS):
            for driver in drivers:
                say(driver)
            words = {driver.pid: hear(driver) for driver in drivers}
            (winner,) = [pid for pid, word in words.items() if word == "works"]
            (loser,) = words.keys() - {winner}
            assert words[loser] == f"refused {winner}"
            pause.poll(moments.uniform(0, 40))  # the winner works for a while
            put_down(next(driver for driver in drivers if driver.pid == winner))
            # The loser and a new one meet a directory whose driver has just been killed: nobody waits for it.
            drivers = [driver for driver in drivers if driver.pid != winner] + [waiting_driver(directory)]
    finally:
        for driver in drivers:
            put_down(driver)
    rows = rows_of(directory / "journal.sqlite")
    assert not check(rows, final=False)
    assert sum(kind == "DriverStarted" for _, _, _, kind, _ in rows) <= ROUNDS
    State.of(read_events(directory / "journal.sqlite")).check()
