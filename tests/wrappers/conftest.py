from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runwright.runners import WrappedJobRunner
from runwright.wrappers import ScriptWrapper
from tests import running
from tests.running import EXPERIMENT

if TYPE_CHECKING:
    import runwright as rw
    from runwright.runner import Limits


@pytest.fixture
def happens():
    return running.wait_for


@pytest.fixture
def folder(tmp_path) -> Path:
    yield from running.run_directory(tmp_path)


class Driver(running.Driver):
    """Drives runners of wrapped jobs."""

    def __init__(self, folder: Path | None, scripts: Path) -> None:
        super().__init__(folder)
        self.scripts = scripts

    def script(self, text: str, name: str = "run.sh") -> list[str]:
        """Write a shell script; return the command that runs it."""
        path = self.scripts / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return [f"./{name}"]

    def wrapper(self, run_model: str = "", **settings) -> ScriptWrapper:
        """Make a wrapper around shell scripts, whose texts are given."""
        names = ("write_configs", "set_trial_status", "fetch_trial_data")
        commands = {name: self.script(settings.pop(name), f"{name}.sh") for name in names if name in settings}
        return ScriptWrapper(run_model=self.script(run_model), here=self.scripts, **commands, **settings)

    def open(self, wrapper, *, limits: Limits | None = None, experiment=EXPERIMENT, **settings) -> WrappedJobRunner:
        return self.opened(WrappedJobRunner(wrapper, **{"pause": 0.02, **settings}), limits, experiment)

    def try_script(self, text: str, **settings) -> rw.Result:
        """Run one trial of a script."""
        limits, experiment = settings.pop("limits", None), settings.pop("experiment", EXPERIMENT)
        runner = self.open(self.wrapper(text, **settings), limits=limits, experiment=experiment)
        return self.result(runner, self.trial(experiment=experiment))

    def work(self, index: int = 0, attempt: int = 1) -> Path:
        return self.folder / f"trials/{index}/{attempt}"


@pytest.fixture
def driver(folder, tmp_path) -> Driver:
    scripts = tmp_path / "my scripts"
    scripts.mkdir()
    driver = Driver(folder, scripts)
    yield driver
    driver.close()


@pytest.fixture
def nowhere(tmp_path) -> Driver:
    """A driver without a run directory."""
    driver = Driver(None, tmp_path)
    yield driver
    driver.close()


@pytest.fixture(autouse=True)
def _nothing_moves():
    """Whatever hooks do, this process stays in its folder."""
    before = Path.cwd()
    yield
    assert Path.cwd() == before
