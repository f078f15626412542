"""TorchX for real. The tests here are skipped where it is not installed; `make test` installs it."""

from __future__ import annotations

import signal
from importlib.util import find_spec

import pytest

import runwright as rw
from runwright.clock import Waker, monotonic
from runwright.runner import RunContext
from runwright.runners.torchx_processes import processes_of, signal_all

INSTALLED = find_spec("torchx") is not None
if INSTALLED:
    from runwright.runners import TorchXRunner
    from tests.torchx import components


class Absent(pytest.Module):
    """A test module that cannot be imported without TorchX."""

    def collect(self):
        pytest.skip("TorchX is not installed: pip install 'runwright[torchx]'", allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    return None if INSTALLED else Absent.from_parent(parent, path=module_path)


PATIENCE = 60.0
ENDS = {rw.TrialStatus.COMPLETED, rw.TrialStatus.FAILED, rw.TrialStatus.ABANDONED}
EXPERIMENT = rw.Experiment("tx", {"x": rw.Float(0, 9)}, {"y": "minimize"})


class Bench:
    """A runner on a run directory and a tracker base of its own."""

    def __init__(self, tmp_path):
        self.directory = tmp_path / "run"
        self.base = tmp_path / "results"
        self.directory.mkdir()
        self.base.mkdir()
        self.experiment = EXPERIMENT
        self.handles = []
        self.runners = []
        self.waker = Waker()

    def runner(self, component=None, *, limits=None, directory=True, **constants):
        settings = constants.pop("settings", {})
        runner = TorchXRunner(str(self.base), component or components.trainer, constants, **settings)
        context = RunContext(
            self.experiment, self.directory if directory else None, rw.SystemClock(), limits or rw.Limits()
        )
        runner.open(context)
        self.runners.append(runner)
        return runner

    def trial(self, index=0, x=2.0, attempt=1, **fields):
        trial = self.experiment.new_trial(index, [{"x": x}], **fields)
        trial.attempt = attempt
        trial._status = rw.TrialStatus.STAGED
        return trial

    def deploy(self, runner, trial):
        trial.run_metadata = runner.run(trial)
        self.handles.append(trial.run_metadata["torchx_app_handle"])
        return trial

    def settle(self, runner, trial):
        """Wait until a trial has ended."""
        return self.until(lambda: next(iter(ENDS & self.status(runner, trial)), None), runner)

    @staticmethod
    def status(runner, trial):
        return {status for status, indices in runner.poll_trial_status([trial]).items() if trial.index in indices}

    def until(self, what, runner=None):
        """Wait until something holds, by the runner's own waiting."""
        end = monotonic() + PATIENCE
        clock = rw.SystemClock()
        while not (found := what()):
            assert monotonic() < end, "it takes too long"
            if runner is None:
                clock.wait(clock.now() + 0.02, self.waker)
            else:
                runner.wait(None, self.waker)
        return found

    def is_up(self, trial):
        return (self.base / f"up.{trial.index}").exists()

    def gone(self, handle):
        """Wait until no process of an app is left."""
        return self.until(lambda: not processes_of(handle))

    def close(self):
        for runner in self.runners:
            runner.close()
        for handle in self.handles:
            signal_all(handle, signal.SIGKILL)
            self.gone(handle)
        self.waker.close()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()
