"""Does with a runner by hand what the engine does: deploy, wait, poll, fetch."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from runwright.clock import SystemClock, VirtualClock, Waker, monotonic
from runwright.runner import Limits, RunContext
from runwright.status import TrialStatus, advance
from runwright.testing.runners import patience
from runwright.testing.runners.patience import must_return

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from runwright.experiment import Experiment
    from runwright.result import Json, Result
    from runwright.runner import Runner
    from runwright.trial import BaseTrial

LIVE = (TrialStatus.STAGED, TrialStatus.RUNNING)
ENDS = (TrialStatus.COMPLETED, TrialStatus.FAILED, TrialStatus.ABANDONED, TrialStatus.EARLY_STOPPED)
_TURN = 0.02
_VIRTUAL_TURN = 1e7


class Driver:
    """An opened runner, and trials for it.

    Args:
        runner: The runner.
        experiment: What its trials belong to.
        directory: The run directory.
        limits: Limits of each attempt.
    """

    def __init__(
        self, runner: Runner, experiment: Experiment, directory: Path | None, limits: Limits | None = None
    ) -> None:
        self.runner = runner
        self.experiment = experiment
        self.directory = directory
        self.clock = VirtualClock() if runner.traits.simulated else SystemClock()
        self.waker = Waker()
        self.live: dict[int, BaseTrial] = {}
        self._known: dict[int, BaseTrial] = {}
        self._ends: dict[int, TrialStatus] = {}
        try:
            runner.open(RunContext(experiment, directory, self.clock, limits or Limits(grace=0.5)))
        except BaseException:
            self.waker.close()
            raise

    def trial(self, index: int, *points: Mapping[str, Any], attempt: int = 1, **facts: Any) -> BaseTrial:
        """Make a trial with an attempt to deploy, as it would come out of a journal."""
        trial = self.experiment.new_trial(index, points, **facts)
        trial.attempt = attempt
        advance(trial, TrialStatus.STAGED)
        return trial

    def run(self, trial: BaseTrial) -> Json:
        """Deploy a trial as soon as there is room; return its run metadata as a journal gives them back."""
        self.turn_until(lambda: self.runner.poll_available_capacity() != 0, f"no room for trial {trial.index}")
        return self.deployed(trial, self.runner.run(trial))

    def deployed(self, trial: BaseTrial, metadata: Json) -> Json:
        """Take in that a trial was deployed."""
        self.live[trial.index] = self._known[trial.index] = trial
        trial.run_metadata = json.loads(json.dumps(metadata, allow_nan=False))
        if trial.status is TrialStatus.STAGED and not self.runner.staging_required:
            advance(trial, TrialStatus.RUNNING)
        return trial.run_metadata

    def need_room(self, count: int) -> None:
        """Skip the test where the runner does not take so many trials at once."""
        import pytest  # not for the driver in a process of its own

        room = self.runner.poll_available_capacity()
        if 0 <= room < count:
            pytest.skip(f"it takes {room} trials at once")

    def status(self, trial: BaseTrial) -> TrialStatus | None:
        """Poll one trial."""
        for status, indices in self.runner.poll_trial_status([trial]).items():
            assert indices <= {trial.index}, f"asked about trial {trial.index} alone, it answers about {indices}"
            if indices:
                return status
        return None

    def settle(self, *trials: BaseTrial) -> dict[int, TrialStatus]:
        """Wait until trials have ended; return how. Like the engine, it polls at first, then what `wait` names."""
        asked = {trial.index: trial for trial in trials}
        self._known |= asked
        for index in asked:
            self._ends.pop(index, None)
        self._poll(list(trials))
        self.turn_until(
            lambda: asked.keys() <= self._ends.keys(), "trials did not end, or `wait` did not name those that did"
        )
        return {index: self._ends[index] for index in sorted(asked)}

    def result(self, trial: BaseTrial) -> Result:
        """Run a trial, wait for its end, fetch its result."""
        self.run(trial)
        self.settle(trial)
        return self.runner.fetch_result(trial)

    def turn_until(self, condition: Callable[[], bool], what: str, *, poll: bool = True) -> None:
        """Wait for news of the runner, again and again, until a condition holds.

        Args:
            condition: When to return.
            what: What is the matter if it never holds.
            poll: Whether what the runner names is polled.
        """
        until = monotonic() + patience.PATIENCE
        turn = _VIRTUAL_TURN if self.runner.traits.simulated else _TURN
        while not condition():
            assert monotonic() < until, f"after {patience.PATIENCE:g} s: {what}"
            named = self.wait(self.clock.now() + turn)
            if poll:
                self._poll([trial for index, trial in self._known.items() if named is None or index in named])

    def _poll(self, trials: Sequence[BaseTrial]) -> None:
        """Poll trials, and keep who has ended."""
        asked = {trial.index for trial in trials}
        for status, indices in self.runner.poll_trial_status(trials).items():
            assert indices <= asked, f"it answers about {indices - asked}, and was not asked"
            assert status in LIVE or status in ENDS, f"a deployed trial was polled as {status.name}"
            if status in ENDS:
                self._ends |= dict.fromkeys(indices, status)
                for index in indices:
                    self.live.pop(index, None)

    def wait(self, until: float | None) -> set[int] | None:
        """Wait as the engine does; fails where that does not return."""
        with must_return("`wait` did not return, though there was a reason to", self.waker.wake):
            return self.runner.wait(until, self.waker)

    def close(self) -> None:
        """End what lives, and close the runner. Idempotent."""
        for trial in self.live.values():
            self.runner.stop(trial)
        if self.live and self.runner.traits.survives_driver and self.runner.traits.stops:
            with suppress(AssertionError):  # the test has failed already, or the check of leftovers will
                self.settle(*self.live.values())
        self.live.clear()
        self.runner.close()
        if self.waker.fileno() >= 0:
            self.waker.close()
