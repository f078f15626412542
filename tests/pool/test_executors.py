"""The weaker tier: any executor of concurrent.futures."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

import runwright as rw
from runwright.errors import SubmitError, UsageError
from runwright.runner import Lost, Traits
from runwright.runners.pool import PoolRunner
from runwright.status import FailureKind

HERE = Path(__file__).parent


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture
def processes(monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


def test_threads_take_any_callable(threads, by_hand):
    offset = 1.0
    d = by_hand(PoolRunner(lambda x: x + offset, executor=threads))
    for index in range(10):
        d.run(index, index / 4)
    results = [d.result(index)[1] for index in range(10)]
    assert [result.metrics["y"][0] for result in results] == [1 + index / 4 for index in range(10)]
    assert all(result.cpu_seconds is None for result in results), "threads share the CPU time of their process"
    assert d.trials[0].run_metadata == {"name": "e_0", "slot": 0}
    assert d.runner.traits == Traits(batches=True, holds_results=True)
    assert d.runner.reattach([d.trial(11, 0.5)]) == {11: Lost("it ended with the driver that ran it")}
    d.close()
    assert threads.submit(int).result() == 0, "the executor is its owner's"


def test_capacity_is_what_the_executor_has(threads, by_hand):
    assert PoolRunner(abs, executor=threads).poll_available_capacity() == 2
    assert PoolRunner(abs, 5, executor=threads).poll_available_capacity() == 5
    gate = threading.Event()
    d = by_hand(PoolRunner(lambda x: x if gate.wait(30) else 0, 1, executor=threads))
    d.run(0, 1.0)
    with pytest.raises(SubmitError, match="all 1 places are taken"):
        d.runner.run(d.trial(1, 1.0))
    assert d.runner.stop(d.trials[0], "why") == {"reason": "why"}
    gate.set()
    assert d.result(0)[0] is rw.TrialStatus.COMPLETED, "a running one cannot be stopped here"
    d.close()


def test_what_has_not_begun_can_be_stopped(by_hand):
    gate = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        d = by_hand(PoolRunner(lambda x: x if gate.wait(30) else 0, 2, executor=executor))
        d.run(0, 1.0)
        d.run(1, 2.0)
        d.runner.stop(d.trials[1])
        status, result = d.result(1)
        assert status is rw.TrialStatus.ABANDONED
        assert result.failure.message == "it was cancelled before it began"
        d.close()
        gate.set()


def test_an_executor_that_is_shut_down_takes_nothing(by_hand):
    executor = ThreadPoolExecutor(1)
    d = by_hand(PoolRunner(abs, executor=executor))
    executor.shutdown()
    with pytest.raises(SubmitError, match="the executor takes no more trials: RuntimeError"):
        d.runner.run(d.trial(0, 1.0))
    d.close()


def test_whatever_comes_back_is_that_trials(by_hand):
    class Odd:
        def submit(self, *_):
            future = Future()
            future.set_exception(KeyboardInterrupt("there"))
            return future

    d = by_hand(PoolRunner(abs, executor=Odd()))
    failure = d.evaluate(0, 1.0).failure
    assert (failure.kind, failure.message) == (FailureKind.CRASHED, "KeyboardInterrupt: there")
    assert d.runner.poll_available_capacity() == len(os.sched_getaffinity(0))
    d.close()


@pytest.mark.slow
def test_processes(processes, by_hand):
    d = by_hand(PoolRunner("pool_functions:numpy_scalar", executor=processes))
    assert d.evaluate(0, 0.25).metrics == {"y": (0.25, 0.5)}
    assert d.results[0][1].cpu_seconds is not None
    d.close()
    d = by_hand(PoolRunner(lambda x: x, executor=processes))
    failure = d.evaluate(0, 0.25).failure
    assert failure.kind is FailureKind.CRASHED
    assert "pickle" in failure.message
    d.close()


@pytest.mark.slow
def test_a_broken_pool_loses_its_trials_and_takes_no_more(processes, by_hand):
    d = by_hand(PoolRunner("pool_functions:ways_to_die", executor=processes))
    assert d.evaluate(0, 0.25).failure is None
    failure = d.evaluate(1, 2.0).failure
    assert failure.kind is FailureKind.LOST
    assert "the executor broke while the trial was under way: BrokenProcessPool" in failure.message
    with pytest.raises(SubmitError, match="the executor takes no more trials: BrokenProcessPool"):
        d.runner.run(d.trial(2, 0.25))
    d.close()


def test_saving_one_is_refused(threads):
    runner = PoolRunner(abs, executor=threads)
    with pytest.raises(UsageError, match="with an executor cannot be saved"):
        runner.to_dict()
    assert runner == PoolRunner(abs, executor=threads)
    assert runner != PoolRunner(abs)
