"""`Runner.wait`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from runwright.status import TrialStatus
from runwright.testing.runners.fixtures import RunnerFixtures

if TYPE_CHECKING:
    from runwright.runner import Traits
    from runwright.testing.runners.fixtures import OpenDriver
    from runwright.testing.runners.work import Work

_SOON = 0.02
_SPINS = 50
"""So many returns without news in a fifth of a second are a busy loop, on a machine that has other things to do."""


class RunnerWaits(RunnerFixtures):
    """News, the time, the waker."""

    def test_news_are_told_until_they_are_polled(self, drive: OpenDriver, work: Work) -> None:
        """Level-triggered: with unread news it returns at once, again and again, and after a poll no more."""
        driver = drive()
        trial = driver.trial(0, work.point("good"))
        driver.run(trial)
        driver.turn_until(lambda: driver.wait(None) in ({0}, None), "the trial was not named", poll=False)
        for _ in range(3):
            named = driver.wait(None)
            assert named is None or 0 in named, "news that nobody has polled were told once only"
        assert driver.settle(trial) == {0: TrialStatus.COMPLETED}
        named = driver.wait(driver.clock.now())
        assert named is None or 0 not in named, "news that were polled are told again: the engine would never rest"

    def test_it_returns_at_the_latest_when_it_must(self, drive: OpenDriver, work: Work, traits: Traits) -> None:
        """`until` is a time of the context's clock, real or virtual; it waits, and does not turn in circles."""
        driver = drive()
        trial = driver.trial(0, work.point("long"))
        driver.run(trial)
        driver.status(trial)
        until = driver.clock.now() + 0.2
        returns = 0
        while driver.clock.now() < until:
            driver.wait(until)
            driver.status(trial)
            returns += 1
        assert returns < _SPINS, f"it returned {returns} times in 0.2 s without news: a busy loop"
        if traits.simulated:
            assert driver.clock.now() == until, "it jumped beyond the time"

    def test_a_time_that_is_over_ends_the_wait(self, drive: OpenDriver, work: Work) -> None:
        """It returns, and time does not go back."""
        driver = drive()
        trial = driver.trial(0, work.point("long"))
        driver.run(trial)
        now = driver.clock.now()
        driver.wait(now - 1)
        driver.wait(now)
        assert driver.clock.now() >= now

    def test_a_wait_of_no_length_sees_what_is_there(self, drive: OpenDriver, work: Work, traits: Traits) -> None:
        """Who only looks in between waits for nothing, and must hear of an end all the same."""
        if traits.simulated:
            pytest.skip("in virtual time nothing happens in no time")
        driver = drive()
        driver.run(driver.trial(0, work.point("good")))
        driver.turn_until(lambda: driver.wait(driver.clock.now()) in ({0}, None), "its end was not seen", poll=False)

    def test_the_waker_ends_a_wait(self, drive: OpenDriver, work: Work, traits: Traits) -> None:
        """Woken before it, or in the midst of it; with a live trial, and without."""
        if traits.simulated:
            pytest.skip("in virtual time nobody waits")
        driver = drive()
        driver.waker.wake()
        driver.wait(None)
        driver.waker.drain()
        trial = driver.trial(0, work.point("long"))
        driver.run(trial)
        driver.waker.wake()
        driver.wait(None)
        driver.waker.drain()
        driver.status(trial)
        waking = threading.Timer(_SOON, driver.waker.wake)
        waking.start()
        driver.wait(None)
        waking.join()
