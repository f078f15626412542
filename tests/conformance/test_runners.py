"""Every runner under the suite that we ship."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from runwright.runner import Traits
from runwright.runners import LocalMetadataRunner, PoolRunner, ProcessRunner
from runwright.status import TrialStatus
from runwright.testing import RunnerSuite
from runwright.testing.runners import task

FUNCTION = f"{task.__name__}:evaluate"


class TestLocalMetadataRunner(RunnerSuite):
    unknown = TrialStatus.RUNNING  # as the reference page has it: completed when the result is there, else running

    @pytest.fixture
    def make_runner(self):
        return lambda: LocalMetadataRunner(task.evaluate)


@pytest.mark.slow
class TestPoolRunner(RunnerSuite):
    logs = True

    @pytest.fixture
    def make_runner(self):
        return lambda: PoolRunner(FUNCTION, workers=2)


class _ExecutorSuite(RunnerSuite):
    """The weaker tier: what runs cannot be stopped, and belongs to somebody else."""

    saves = False
    queues = 2
    ends_on_close = False

    @pytest.fixture
    def traits(self):
        return Traits(batches=True, holds_results=True)


class TestPoolRunnerOnThreads(_ExecutorSuite):
    @pytest.fixture
    def make_runner(self):
        with ThreadPoolExecutor(2) as executor:
            yield lambda: PoolRunner(task.evaluate, workers=4, executor=executor)


@pytest.mark.slow
class TestPoolRunnerOnProcesses(_ExecutorSuite):
    queues = None  # the executor hands a trial more than it has processes to their pipe: that one cannot be cancelled

    @pytest.fixture
    def make_runner(self):
        with ProcessPoolExecutor(2, mp_context=get_context("fork")) as executor:
            yield lambda: PoolRunner(task.evaluate, workers=2, executor=executor)


class _ProcessSuite(RunnerSuite):
    logs = True

    @pytest.fixture
    def lose(self):
        return lambda metadata: os.kill(metadata["pid"], signal.SIGKILL)  # the supervisor


@pytest.mark.slow
class TestProcessRunnerOfACommand(_ProcessSuite):
    @pytest.fixture
    def make_runner(self):
        return lambda: ProcessRunner([sys.executable, "-I", task.__file__], workers=3)


@pytest.mark.slow
class TestProcessRunnerOfAFunction(_ProcessSuite):
    @pytest.fixture
    def make_runner(self):
        return lambda: ProcessRunner(function=FUNCTION, workers=3)
