"""Every runner under the suite that we ship."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import pytest

import runwright as rw
from runwright.runner import Traits
from runwright.runners import (
    BotorchTestProblemRunner,
    LocalMetadataRunner,
    PoolRunner,
    ProcessRunner,
    SimulatedBackendRunner,
    SyntheticRunner,
    TorchXRunner,
    WrappedJobRunner,
)
from runwright.simulation import BackendSimulator, BackendSimulatorOptions
from runwright.status import TrialStatus
from runwright.testing import RunnerSuite, Work
from runwright.testing.runners import task
from runwright.testing.runners.deploying import RunnerDeploys
from runwright.testing.runners.following import RunnerFollows
from runwright.testing.runners.identity import RunnerIdentity
from runwright.testing.runners.stopping import RunnerStops
from runwright.wrappers import ScriptWrapper

sys.path.insert(0, str(Path(__file__).parent))  # drivers in processes of their own find it by the same name
parts = importlib.import_module("runner_parts")

SIMULATED = ["good", "bad", "long"]
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
        return lambda: ProcessRunner([sys.executable, "-I", "-S", task.__file__], workers=3)


@pytest.mark.slow
class TestProcessRunnerOfAFunction(RunnerIdentity, RunnerDeploys, RunnerStops, RunnerFollows):
    """Its program is one of ours; waiting and serving an engine know nothing of that."""

    logs = True
    lose = _ProcessSuite.lose

    @pytest.fixture
    def make_runner(self):
        return lambda: ProcessRunner(function=FUNCTION, workers=3)


class TestSimulatedBackendRunner(RunnerSuite):
    queues = 2

    @pytest.fixture
    def make_runner(self):
        options = BackendSimulatorOptions(max_concurrency=2, internal_clock=0.0)
        return lambda: SimulatedBackendRunner(
            BackendSimulator(options), parts.runtime, evaluation_function=parts.simulated
        )

    @pytest.fixture
    def experiment(self):
        return rw.Experiment("suite", {"x": rw.Float(0, 99), "task": rw.Choice(SIMULATED)}, {"y": "minimize"})

    @pytest.fixture
    def work(self):
        return Work(
            lambda task, x: {"x": x, "task": task},
            tasks=frozenset(SIMULATED),
            value=lambda point: {"y": 2 * point["x"]},
        )


class TestSyntheticRunner(RunnerSuite):
    """What it says of a trial follows from the trial alone: no trial is unknown, none was ever not sent."""

    unknown = TrialStatus.COMPLETED
    test_what_was_never_sent_is_sent_under_the_same_number = None
    test_another_digest_under_the_same_key_is_an_error = None
    test_the_trouble_of_one_trial_costs_no_other = None
    test_stop_leaves_alone_what_has_ended = None

    @pytest.fixture
    def make_runner(self):
        return lambda: SyntheticRunner("metadata")

    @pytest.fixture
    def experiment(self):
        return rw.Experiment("suite", {"x": rw.Float(0, 99)})

    @pytest.fixture
    def work(self):
        return Work(lambda _, x: {"x": x}, tasks=frozenset({"good"}))


@pytest.mark.slow
class TestWrappedJobRunnerOfAScript(RunnerSuite):
    logs = True

    @pytest.fixture
    def make_runner(self):
        return lambda: WrappedJobRunner(ScriptWrapper(run_model=parts.PROGRAM), workers=3)


@pytest.mark.slow
class TestWrappedJobRunnerOfHooks(RunnerSuite):
    @pytest.fixture
    def make_runner(self):
        return lambda: WrappedJobRunner(parts.HookWrapper(), workers=3, pause=0.02)

    test_it_opens_without_a_run_directory_or_says_why_not = None  # whether hooks need one is theirs to know


@pytest.mark.slow
@pytest.mark.skipif(find_spec("torchx") is None, reason="TorchX is not installed: pip install 'runwright[torchx]'")
class TestTorchXRunner(RunnerSuite):
    logs = True

    @pytest.fixture
    def make_runner(self, tmp_path):
        base = str(tmp_path / "tracked")
        return lambda: TorchXRunner(base, parts.component, poll_interval=0.02)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("botorch") is None, reason="BoTorch is not installed: pip install 'runwright[botorch]'")
class TestBotorchTestProblemRunner(RunnerSuite):
    @pytest.fixture
    def make_runner(self):
        problem = "botorch.test_functions.synthetic:Branin"
        return lambda: BotorchTestProblemRunner(problem, {"negate": True, "noise_std": 0.1})

    @pytest.fixture
    def experiment(self):
        return rw.Experiment("suite", {"x1": rw.Float(-5, 10), "x2": rw.Float(0, 15)}, {"branin": "maximize"})

    @pytest.fixture
    def work(self):
        return Work(lambda _, x: {"x1": x, "x2": 2.0}, tasks=frozenset({"good"}))
