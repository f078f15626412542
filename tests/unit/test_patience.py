"""What cannot be known or done now is tried again, soon at first, then ever later."""

from __future__ import annotations

from itertools import pairwise

import pytest

from runwright.errors import SubmitError
from runwright.loop.patience import Patience, pause
from runwright.status import StopCause
from tests.fakes import GO_ON, FakeRunner, World
from tests.unit.driving import run, scheduler, statuses


def pauses(times):
    return [round(later - earlier, 6) for earlier, later in pairwise(times)]


DOUBLING = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_a_pause_doubles_up_to_five_seconds():
    assert [pause(times) for times in range(1, 9)] == DOUBLING
    assert pause(10**6) == 5.0


def test_each_trial_has_its_own_patience():
    patience = Patience()
    assert patience.earliest([], 1.0) is None
    assert patience.earliest([3], 1.0) == 1.05
    assert patience.due([3, 1], 1.0) == [1, 3]
    patience.in_vain(3, 1.0)
    patience.in_vain(3, 1.0)
    patience.in_vain(1, 1.0)
    assert (patience.earliest([1, 3], 1.0), patience.earliest([3], 1.0)) == (1.1, 1.2)
    assert [patience.due([1, 3], now) for now in (1.0, 1.1, 1.2)] == [[], [1], [1, 3]]
    patience.settle(3)
    patience.settle(3)
    assert patience.due([1, 3], 1.0) == [3]


@pytest.mark.parametrize("simulated", [False, True])
@pytest.mark.parametrize("nothing", [{}, ConnectionError("the queue does not answer")])
def test_an_attempt_of_which_nothing_is_known_is_asked_after_ever_later(nothing, simulated):
    asked = []

    def answer(_):
        asked.append(driver.state.last_time if not asked else runner.context.clock.now())
        if isinstance(nothing, Exception):
            raise nothing
        return nothing

    runner = FakeRunner(World(seconds=2.0), survives_driver=True, simulated=simulated)
    runner.plan("run", SubmitError("no answer")).plan("reattach", *[answer] * 9)
    driver = scheduler(runner, 2, parallel=2)
    driver.run()
    assert statuses(driver) == ["COMPLETED", "COMPLETED"]
    assert pauses(asked) == DOUBLING, "the other trial's end in between changes nothing"
    driver.close()


def test_what_the_runner_has_news_of_is_asked_after_at_once():
    asked = []

    def nothing(_):
        asked.append(runner.context.clock.now())
        return {}

    def news(until, _waker):
        runner.context.clock.advance_to(min(until, runner.context.clock.now() + 0.01))
        return {0}

    runner = FakeRunner(survives_driver=True).plan("run", SubmitError("no answer")).plan("reattach", *[nothing] * 4)
    runner.plan("wait", *[news] * 3)
    assert statuses(run(runner)) == ["COMPLETED"]
    assert pauses(asked) == [0.01, 0.01, 0.01]


def test_a_stop_that_fails_is_tried_again_ever_later():
    tried = []

    def fail(_trial, _reason):
        tried.append(runner.context.clock.now())
        raise ConnectionError("the queue does not answer")

    runner = FakeRunner(World(seconds=1000.0)).plan("stop", *[fail] * 9, GO_ON)
    driver = scheduler(runner, 1)
    asked = False

    def stop(*_):
        nonlocal asked
        if driver.state.running and not asked:
            asked = True
            driver._engine.stop(0, StopCause.USER, "enough")

    driver.run(on_turn=stop)
    assert statuses(driver) == ["ABANDONED"]
    assert pauses(tried) == DOUBLING
    driver.close()
