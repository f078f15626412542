"""Runs each trial as a process that outlives the driver: a command in any language, or a Python function.

```
run ──> folders, attempt.json ──> launcher ──> supervisor ──> program
poll, wait <── pidfd of the supervisor      └─> control/<i>.<a>/exit ──> fetch_result (with result.json)
```
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from runwright.clock import monotonic
from runwright.errors import ContractError, UsageError
from runwright.evaluation import Evaluation, FunctionReference
from runwright.process.adoption import Absent, Adopted, Exited, Unreachable, Vanished, fence, restart_rule
from runwright.process.client import Launcher
from runwright.process.command import Command, base_environment, check_settings, literal
from runwright.process.deployment import Deployment, Deployments
from runwright.process.function import function_command
from runwright.process.live import LiveAttempt, LiveAttempts, check_descriptors
from runwright.process.outcome import Judge
from runwright.process.reading import Reading
from runwright.runner import Ended, Following, Lost, NeverStarted, Runner, Traits
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from runwright.clock import Waker
    from runwright.experiment import Experiment
    from runwright.process.adoption import Finding
    from runwright.result import Result
    from runwright.runner import Reattachment, RunContext
    from runwright.trial import BaseTrial

_REMEMBERED = 256
"""How many outcomes are kept in memory; the others are read again from their files."""


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
        self._judge = Judge(self._reading, frozenset(self.success_codes), self.function is not None)
        self._launcher = Launcher(self.function if preload else None)
        self._live: LiveAttempts | None = None
        self._deployments: Deployments | None = None
        self._outcomes: dict[int, tuple[int, TrialStatus, Result]] = {}

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
        if self._live is None:
            self._live = LiveAttempts()
        self._deployments = Deployments(
            directory=os.path.abspath(context.directory),  # noqa: PTH100
            command=self._command,
            here=self._here,
            limits=context.limits,
            environment=base_environment(),
            function=self.function is not None,
            preload=self.preload,
        )

    # Deploy.

    def run(self, trial: BaseTrial) -> dict[str, Any]:
        """Deploy the trial's current attempt, or adopt it.

        Raises:
            SubmitError: It could not be started, or it exists with other parameters.
        """
        deployed = self.run_multiple([trial])
        if trial.index not in deployed:
            raise self.submit_errors.pop(trial.index)
        return deployed[trial.index]

    def run_multiple(self, trials: Iterable[BaseTrial]) -> dict[int, dict[str, Any]]:
        """Deploy several trials in one exchange with the launcher."""
        live, deployments = self._opened()
        deployed: dict[int, dict[str, Any]] = {}
        sent: dict[str, Deployment] = {}
        taken = live.slots()
        for trial in trials:
            try:
                found = self._existing(trial)
                if found is not None:
                    deployed[trial.index] = found
                    continue
                deployment = deployments.prepare(
                    trial, next(slot for slot in range(len(taken) + 1) if slot not in taken)
                )
            except Exception as error:  # noqa: BLE001  (one trial's trouble must not cost another)
                self.submit_errors[trial.index] = error
                continue
            taken.add(deployment.slot)
            sent[deployment.request["id"]] = deployment
        try:
            answers = self._launcher.launch([deployment.request for deployment in sent.values()]) if sent else {}
        except Exception as error:  # noqa: BLE001  (the trials' trouble, not the study's)
            self.submit_errors.update({deployment.trial.index: error for deployment in sent.values()})
            return deployed
        for key, deployment in sent.items():
            try:
                deployed[deployment.trial.index] = self._launched(deployment, answers[key])
            except Exception as error:  # noqa: BLE001  (as above)
                self.submit_errors[deployment.trial.index] = error
        return deployed

    def _existing(self, trial: BaseTrial) -> dict[str, Any] | None:
        """Return the run metadata of an attempt that exists; None of a new one."""
        live, deployments = self._opened()
        if not deployments.exists(trial):
            return None
        known = live.get(trial.index, trial.attempt)
        if known is not None:
            return known.metadata
        found = deployments.find(trial)
        return None if isinstance(found, Absent) else self._take_over(trial, found)

    def _launched(self, deployment: Deployment, answer: dict[str, Any]) -> dict[str, Any]:
        """Take in what the launcher said about a deployment."""
        live, deployments = self._opened()
        trial = deployment.trial
        found = deployments.launched(deployment, answer)
        if not isinstance(found, LiveAttempt):
            return self._take_over(trial, found)
        live.follow(trial.index, found)
        self._expect_timeout(trial.index, self.context.limits.timeout)
        return found.metadata

    def _take_over(self, trial: BaseTrial, found: Finding) -> dict[str, Any]:
        """Take in an attempt that has begun before; return its run metadata."""
        live, deployments = self._opened()
        if isinstance(found, Unreachable):
            raise deployments.unreachable(trial)
        if not isinstance(found, Adopted):
            live.end(trial.index)
            return deployments.metadata(trial)
        metadata = deployments.metadata(trial, found.process.pid)
        live.follow(trial.index, LiveAttempt(trial.attempt, found.process, metadata))
        timeout = found.started.get("limits", {}).get("timeout")
        if timeout is not None:
            self._expect_timeout(trial.index, max(0.0, found.started["monotonic"] + timeout - monotonic()))
        return metadata

    def _expect_timeout(self, index: int, seconds: float | None) -> None:
        live, _ = self._opened()
        if seconds is not None:
            live.expect_end(index, "timeout", seconds, self.context.limits.grace)

    def _opened(self) -> tuple[LiveAttempts, Deployments]:
        if self._live is None or self._deployments is None:
            raise ContractError("ProcessRunner is not open: call open(...) before its first trial")
        return self._live, self._deployments

    # Follow.

    def poll_available_capacity(self) -> int:
        """Return how many workers are free."""
        live, _ = self._opened()
        live.collect()
        return max(0, self.workers - len(live))

    def wait(self, until: float | None, waker: Waker) -> set[int]:
        """Wait until a trial ends; return the trials that have."""
        live, _ = self._opened()
        return live.wait(until, self.context.clock, waker)

    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        """Check the status of trials: no work for those that go on, two files for one that has ended."""
        live, _ = self._opened()
        live.collect()
        found: dict[TrialStatus, set[int]] = {}
        for trial in trials:
            if live.get(trial.index, trial.attempt) is None:
                outcome = self._outcome(trial)
                if outcome is not None:
                    live.read(trial.index)
                    found.setdefault(outcome[0], set()).add(trial.index)
                    continue
                if live.get(trial.index, trial.attempt) is None:
                    continue  # unknown here
            found.setdefault(TrialStatus.RUNNING, set()).add(trial.index)
        return found

    def fetch_result(self, trial: BaseTrial) -> Result:
        """Return the result of an ended attempt.

        Raises:
            ContractError: It has not ended.
        """
        outcome = self._outcome(trial)
        if outcome is None:
            raise ContractError(f"trial {trial.index} has no result: its attempt {trial.attempt} has not ended")
        return outcome[1]

    def _outcome(self, trial: BaseTrial) -> tuple[TrialStatus, Result] | None:
        """Return what an ended attempt amounts to; None of one that is alive or unknown."""
        live, deployments = self._opened()
        known = self._outcomes.get(trial.index)
        if known is not None and known[0] == trial.attempt:
            return known[1], known[2]
        if live.get(trial.index, trial.attempt) is not None:
            return None
        found = restart_rule(deployments.place(trial).control)
        if isinstance(found, Absent) and trial.index in live.news:
            found = deployments.ended_unseen(trial)
        if isinstance(found, Adopted):
            self._take_over(trial, found)
        if not isinstance(found, (Exited, Vanished)):
            return None
        status, result = self._judge.conclude(found, deployments.place(trial), trial)
        attempt, reason = live.killed.get(trial.index, (0, ""))
        if attempt == trial.attempt and isinstance(found, Vanished):
            status, result = self._judge.killed(reason, result)
        if len(self._outcomes) >= _REMEMBERED:
            del self._outcomes[next(iter(self._outcomes))]
        self._outcomes[trial.index] = (trial.attempt, status, result)
        return status, result

    # Stop, and go on after another driver.

    def stop(self, trial: BaseTrial, reason: str | None = None) -> dict[str, Any]:
        """Ask the supervisor of the trial's attempt to end it."""
        live, deployments = self._opened()
        if live.get(trial.index, trial.attempt) is None:
            found = restart_rule(deployments.place(trial).control)
            if isinstance(found, Adopted):
                self._take_over(trial, found)
        known = live.get(trial.index, trial.attempt)
        if known is not None:
            known.process.terminate()
            live.expect_end(trial.index, "stop", 0.0, self.context.limits.grace)
        return {} if reason is None else {"reason": reason}

    def reattach(self, trials: Sequence[BaseTrial]) -> dict[int, Reattachment]:
        """Find attempts that an earlier driver deployed, or may have."""
        answers: dict[int, Reattachment] = {}
        for trial in trials:
            answer = self._reattach(trial)
            if answer is not None:
                answers[trial.index] = answer
        return answers

    def _reattach(self, trial: BaseTrial) -> Reattachment | None:
        live, deployments = self._opened()
        known = live.get(trial.index, trial.attempt)
        if known is not None:
            return Following(known.metadata)
        place = deployments.place(trial)
        found = restart_rule(place.control)
        if isinstance(found, Absent):
            # A request of the last driver may still be under way; after this it starts nothing.
            return NeverStarted() if found.fenced or fence(place.control) else None
        if isinstance(found, Unreachable):
            return None
        strange = deployments.strange(trial)
        if strange is not None:
            if isinstance(found, Adopted):
                found.process.terminate()
                found.process.close()
                return None  # until it has ended
            return Lost(strange)
        if isinstance(found, Vanished):
            failure = self._judge.conclude(found, place, trial)[1].failure
            assert failure is not None, "what has vanished has failed"
            return Lost(failure.message, failure.log)
        metadata = self._take_over(trial, found)
        return Following(metadata) if isinstance(found, Adopted) else Ended(metadata)

    def close(self) -> None:
        """Let go of everything; live trials go on."""
        self._launcher.close()
        if self._live is not None:
            self._live.close()
        self._live = None

    @property
    def run_metadata_report_keys(self) -> list[str]:
        """Keys of the run metadata that are worth a report to people."""
        return ["folder", "slot"]
