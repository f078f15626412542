"""Runs each trial as a process that outlives the driver: a command in any language, or a Python function.

```
run ──> attempt.json ──> launcher ──> supervisor ──> working folder ──> program
poll, wait <── pidfd of the supervisor      └─> control/<i>.<a>/exit ──> fetch_result (with result.json)
```
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from runwright.errors import ContractError, UsageError
from runwright.evaluation import Evaluation, FunctionReference
from runwright.process.attempts import Attempts
from runwright.process.client import Launcher
from runwright.process.command import Command, base_environment, check_settings, literal
from runwright.process.deployment import Deployments
from runwright.process.function import function_command
from runwright.process.live import check_descriptors
from runwright.process.outcome import Judge
from runwright.process.reading import Reading
from runwright.runner import Runner, Traits
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from runwright.clock import Waker
    from runwright.experiment import Experiment
    from runwright.result import Result
    from runwright.runner import Reattachment, RunContext
    from runwright.trial import BaseTrial


class ProcessRunner(Runner):
    """Runs each trial as a process.

    Args:
        command: Program and arguments with placeholders, never a shell; or None.
        function: A function at the top of a module, or its reference ``module:name`` or ``/path/script.py:name``; or
            None. Exactly one of the two is given.
        workers: How many trials run at once.
        env: Variables added to the environment of a trial; their values may have placeholders.
        success_codes: Exit statuses of a command that mean success.
        result: How the result of a command is read, if not from its file: ``{"from": "stdout", "pattern": ...}``.
        preload: Whether a function's module is imported once, in a launcher of which each trial is a fork.
        here: Folder from which a command with a slash is found, ``{here}``; the working folder where it is not given.

    Raises:
        UsageError: One sentence about what is wrong.
    """

    traits = Traits(survives_driver=True, stops=True, enforces=frozenset({"timeout", "memory", "output"}))

    def __init__(
        self,
        command: Sequence[str] | None = None,
        *,
        function: Callable[..., Any] | str | None = None,
        workers: int = 1,
        env: Mapping[str, str] | None = None,
        success_codes: Sequence[int] = (0,),
        result: Mapping[str, Any] | None = None,
        preload: bool = False,
        here: str | Path | None = None,
    ) -> None:
        check_settings(workers, env, success_codes)
        if (command is None) == (function is None):
            raise UsageError("a process runner needs either a command or a function, and not both")
        if function is not None and (result is not None or tuple(success_codes) != (0,)):
            raise UsageError("result and success_codes are about commands; a function returns its result")
        if function is None and preload:
            raise UsageError("preload is about functions; a command has nothing to preload")
        self.function = None if function is None else FunctionReference.of(function).text
        self.workers = workers
        self.env = None if env is None else dict(env)
        self.success_codes = list(success_codes)
        self.result = None if result is None else dict(result)
        self.preload = preload
        self.here = None if here is None else str(here)
        self._here = os.path.abspath(self.here or "")  # noqa: PTH100  (`Path.absolute` keeps "..")
        argv = command if self.function is None else literal(function_command(self.function))
        self._command = Command(argv or (), self.env or {})
        self.command = None if command is None else list(command)
        self._reading = Reading(self.result)
        self._launcher = Launcher(self.function if preload else None)
        self._attempts: Attempts | None = None

    def check(self, experiment: Experiment) -> None:
        """Check everything that can be known before the first trial.

        Raises:
            UsageError: A placeholder, the program, the function or the pattern is wrong.
        """
        self._command.check(experiment, self._here)
        self._reading.check(experiment)
        if self.function is not None:
            Evaluation(FunctionReference.of(self.function).load()).prepare(experiment)

    def open(self, context: RunContext) -> None:
        """Get ready.

        Raises:
            UsageError: There is no run directory, or `check` finds something wrong.
        """
        if context.directory is None:
            raise UsageError(
                "a process runner needs a run directory, because its trials outlive the driver; give directory=..."
            )
        self.check(context.experiment)
        check_descriptors(self.workers)
        self._launcher.preload()
        super().open(context)
        deployments = Deployments(
            directory=os.path.abspath(context.directory),  # noqa: PTH100
            command=self._command,
            here=self._here,
            limits=context.limits,
            environment=base_environment(),
            function=self.function is not None,
            preload=self.preload,
        )
        if self._attempts is not None:
            self._attempts.live.close()
        judge = Judge(self._reading, frozenset(self.success_codes), self.function is not None)
        self._attempts = Attempts(self._launcher, deployments, judge)

    def _opened(self) -> Attempts:
        if self._attempts is None:
            raise ContractError("ProcessRunner is not open: call open(...) before its first trial")
        return self._attempts

    # Deploy.

    def run(self, trial: BaseTrial) -> dict[str, Any]:
        """Deploy the trial's current attempt, or adopt it.

        Raises:
            SubmitError: It could not be started, or it exists with other parameters.
        """
        deployed, errors = self._opened().deploy([trial])
        if trial.index in errors:
            raise errors[trial.index]
        return deployed[trial.index]

    def run_multiple(self, trials: Iterable[BaseTrial]) -> dict[int, dict[str, Any]]:
        """Deploy several trials in one exchange with the launcher."""
        deployed, errors = self._opened().deploy(trials)
        self.submit_errors.update(errors)
        return deployed

    # Follow.

    def poll_available_capacity(self) -> int:
        """Return how many workers are free. A trial that has ended keeps its worker until a poll has said so.

        Otherwise the optimizer would now and then be asked for a point without the result that is already there.
        """
        live = self._opened().live
        return max(0, self.workers - len(live) - len(live.news))

    def wait(self, until: float | None, waker: Waker) -> set[int]:
        """Wait until a trial ends; return the trials that have."""
        return self._opened().live.wait(until, self.context.clock, waker)

    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        """Check the status of trials: no work for those that go on, two files for one that has ended."""
        attempts, trials = self._opened(), list(trials)
        if not attempts.live.news.issuperset([trial.index for trial in trials]):
            attempts.live.collect()
        found: dict[TrialStatus, set[int]] = {}
        for trial in trials:
            outcome = attempts.outcome(trial)
            if outcome is not None:
                attempts.live.read(trial.index)
                found.setdefault(outcome[0], set()).add(trial.index)
            elif attempts.followed(trial) is not None:
                found.setdefault(TrialStatus.RUNNING, set()).add(trial.index)
        return found

    def fetch_result(self, trial: BaseTrial) -> Result:
        """Return the result of an ended attempt.

        Raises:
            ContractError: It has not ended.
        """
        outcome = self._opened().outcome(trial)
        if outcome is None:
            raise ContractError(f"trial {trial.index} has no result: its attempt {trial.attempt} has not ended")
        return outcome[1]

    # Stop, and go on after another driver.

    def stop(self, trial: BaseTrial, reason: str | None = None) -> dict[str, Any]:
        """Ask the supervisor of the trial's attempt to end it."""
        self._opened().stop(trial)
        return {} if reason is None else {"reason": reason}

    def reattach(self, trials: Sequence[BaseTrial]) -> dict[int, Reattachment]:
        """Find attempts that an earlier driver deployed, or may have."""
        answers = {trial.index: self._opened().reattach(trial) for trial in trials}
        return {index: answer for index, answer in answers.items() if answer is not None}

    def close(self) -> None:
        """Let go of everything; live trials go on."""
        self._launcher.close()
        self._reading.close()
        if self._attempts is not None:
            self._attempts.live.close()
        self._attempts = None

    @property
    def run_metadata_report_keys(self) -> list[str]:
        """Keys of the run metadata that are worth a report to people."""
        return ["folder", "slot"]
