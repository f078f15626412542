"""Runs each trial through a wrapper: scripts in any language, or a model that Python code starts and watches.

What a wrapper hands over as a job runs under a supervisor, as with `ProcessRunner`; see ``docs/wrapped.md``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.clock import monotonic
from runwright.errors import ContractError, UsageError
from runwright.function_reference import FunctionReference
from runwright.process.attempts import Attempts
from runwright.process.client import Launcher
from runwright.process.command import Command, base_environment, check_settings, literal
from runwright.process.live import check_descriptors
from runwright.runner import Limits, Runner, Traits
from runwright.runners.wrapped_job import ExitReading, WrappedDeployments, WrappedJudge
from runwright.runners.wrapped_known import Known
from runwright.runners.wrapped_log import HookLog
from runwright.runners.wrapped_trials import WrappedTrials
from runwright.wrappers.base import BaseWrapper
from runwright.wrappers.layout import EXPERIMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runwright.clock import Waker
    from runwright.experiment import Experiment
    from runwright.result import Result
    from runwright.runner import Reattachment, RunContext
    from runwright.status import TrialStatus
    from runwright.trial import BaseTrial

_SUPERVISED = Traits(survives_driver=True, stops=True, enforces=frozenset({"timeout", "memory", "output"}))


class WrappedJobRunner(Runner):
    """Runner that calls your wrapper to run your model and poll the trial status.

    Args:
        wrapper: A `BaseWrapper`, or something with the same hooks; it may be assigned later.
        *args: Passed on.
        workers: How many trials run at once.
        env: Variables added to the environment of a job; their values may have placeholders.
        success_codes: Exit statuses of a job that mean success.
        here: Folder from which a program with a slash is found, ``{here}``; the wrapper's where it is not given.
        hook_seconds: How long a hook may take before its trial fails. The hook itself cannot be ended.
        pause: Seconds between two questions to the wrapper how a trial stands that is no job.
        **kwargs: Passed on.

    Raises:
        UsageError: One sentence about what is wrong.
    """

    traits = _SUPERVISED

    def __init__(
        self,
        wrapper: Any = None,
        *args: Any,
        workers: int = 1,
        env: Mapping[str, str] | None = None,
        success_codes: Sequence[int] = (0,),
        here: str | Path | None = None,
        hook_seconds: float = 3600.0,
        pause: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        check_settings(workers, env, success_codes)
        times: dict[str, object] = {"hook_seconds": hook_seconds, "pause": pause}
        for name, seconds in times.items():
            if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not seconds > 0:
                raise UsageError(f"{name} must be a positive number of seconds, not {seconds!r:.40}")
        self.workers = workers
        self.env = None if env is None else dict(env)
        self.success_codes = list(success_codes)
        self.here = None if here is None else str(here)
        self.hook_seconds = float(hook_seconds)
        self.pause = float(pause)
        self._launcher = Launcher()
        self._trials: WrappedTrials | None = None
        self._log = HookLog()
        self.wrapper = BaseWrapper() if wrapper is None else wrapper

    @property
    def wrapper(self) -> Any:
        """The wrapper."""
        return self._wrapper

    @wrapper.setter
    def wrapper(self, wrapper: Any) -> None:
        check_hooks(wrapper, type(wrapper).__name__)
        if self._trials is not None and self._trials.live:
            raise UsageError("the wrapper cannot be changed while trials run")
        self._wrapper = wrapper
        self.traits = _traits_of(wrapper)
        if self._trials is not None:
            self._trials.close()
            self._trials = None
            if self._context is not None:
                self.open(self._context)

    def open(self, context: RunContext) -> None:
        """Get ready.

        Raises:
            UsageError: There is no run directory for jobs, or the wrapper finds something wrong.
        """
        if context.directory is None and getattr(self._wrapper, "declares_jobs", False):
            raise UsageError(
                "a wrapper around scripts needs a run directory, because they outlive the driver; give directory=..."
            )
        check_descriptors(self.workers)
        lend = getattr(self._wrapper, "lend_experiment_dir", None)
        if lend is not None and context.directory is not None:
            lend(Path(os.path.abspath(context.directory), EXPERIMENT))  # noqa: PTH100  (`Path.absolute` keeps "..")
        deployments = None if context.directory is None else self._deployments(context.limits, context.directory)
        self._check(context.experiment, deployments)
        super().open(context)
        if self._trials is not None:
            self._trials.close()
        self._trials = self._make_trials(deployments)

    def check(self, experiment: Experiment) -> None:
        """Check everything that can be known before the first trial.

        Raises:
            UsageError: The wrapper finds something wrong, or a command that it declares cannot be executed.
        """
        self._check(experiment, self._deployments(Limits(), ""))

    def _check(self, experiment: Experiment, deployments: WrappedDeployments | None) -> None:
        check = getattr(self._wrapper, "check", None)
        if check is not None:
            check(experiment)
        declared = getattr(self._wrapper, "declared_job", None)
        job = None if declared is None else declared()
        if job is not None and deployments is not None:
            deployments.check(job, experiment)

    def _deployments(self, limits: Limits, directory: str | Path) -> WrappedDeployments:
        here = self.here or getattr(self._wrapper, "here", None) or ""
        return WrappedDeployments(
            directory=os.path.abspath(directory),  # noqa: PTH100  (`Path.absolute` keeps "..")
            command=Command(literal(["true"]), {}),  # each trial has its own
            here=os.path.abspath(here),  # noqa: PTH100  (as above)
            limits=limits,
            environment=base_environment(),
            function=False,
            preload=False,
            env=self.env or {},
            success_codes=frozenset(self.success_codes),
        )

    def _make_trials(self, deployments: WrappedDeployments | None) -> WrappedTrials:
        stream = "stdout" if getattr(self._wrapper, "format", None) == "smac" else None
        judge = WrappedJudge(ExitReading(stream), frozenset(self.success_codes), function=False)
        attempts = None if deployments is None else Attempts(self._launcher, deployments, judge)
        self._log.listen()
        return WrappedTrials(Known(self._wrapper, attempts, deployments), self._log, self.hook_seconds, self.pause)

    def _opened(self) -> WrappedTrials:
        if self._trials is None:
            if getattr(self._wrapper, "declares_jobs", False):
                raise ContractError("WrappedJobRunner is not open: call open(...) before its first trial")
            self._trials = self._make_trials(None)  # hooks need no run directory
        return self._trials

    # Deploy.

    def run(self, trial: BaseTrial) -> dict[str, Any]:
        """Deploy a trial: call ``write_configs`` and ``run_model`` of the wrapper, or adopt what they began before.

        What the hooks log (through the root logger, ours, and those of ``ax`` and ``boa``) goes into the
        ``wrapper.log`` of the attempt too.

        Args:
            trial: The trial to deploy.

        Returns:
            Run metadata: ``job_id`` and ``name``, and with a run directory the ``folder`` of the attempt.

        Raises:
            SubmitError: It has several arms, its job could not be started, or it exists with other parameters.
        """
        deployed, errors = self._opened().begin([trial])
        if trial.index in errors:
            raise errors[trial.index]
        return deployed[trial.index]

    def run_multiple(self, trials: Iterable[BaseTrial]) -> dict[int, dict[str, Any]]:
        """Deploy several trials at once: their hooks are called in parallel, their jobs started in one exchange.

        Args:
            trials: Trials to deploy.

        Returns:
            Index to run metadata of the trials that were deployed. Why another was not is in `submit_errors`.
        """
        deployed, errors = self._opened().begin(trials)
        self.submit_errors.update(errors)
        return deployed

    # Follow.

    def poll_available_capacity(self) -> int:
        """Return how many workers are free."""
        return max(0, self.workers - self._opened().live)

    def wait(self, until: float | None, waker: Waker) -> set[int]:
        """Wait until a job ends, a hook returns, or the wrapper must be asked again; return the trials concerned."""
        trials = self._opened()
        trials.bell.silence()  # what has rung before is ready now
        ready = trials.ready()
        if ready:
            return ready
        clock, due = self.context.clock, trials.due()
        if due is not None:
            at = clock.now() + max(0.0, due - monotonic())
            until = at if until is None else min(until, at)
        both, attempts = trials.bell.with_waker(waker), trials.known.attempts
        if attempts is None:
            clock.wait(until, both)
            news = set()
        else:
            news = attempts.live.wait(until, clock, both)
        return news | trials.ready()

    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        """Check the status of trials: of those whose job has ended, or that have none, ``set_trial_status`` is asked.

        Args:
            trials: Trials to poll.

        Returns:
            Status to the indices of the trials that have it.
        """
        return self._opened().look(trials)

    def fetch_result(self, trial: BaseTrial) -> Result:
        """Return the result of an ended attempt: what ``fetch_trial_data`` gave.

        Raises:
            ContractError: It has not ended.
        """
        result = self._opened().result(trial)
        if result is None:
            raise ContractError(f"trial {trial.index} has no result: its attempt {trial.attempt} has not ended")
        return result

    # Stop, and go on after another driver.

    def stop(self, trial: BaseTrial, reason: str | None = None) -> dict[str, Any]:
        """Ask the trial's job to end; of what the wrapper has started by itself, ask ``stop_model``."""
        self._opened().stop(trial)
        return {} if reason is None else {"reason": reason}

    def reattach(self, trials: Sequence[BaseTrial]) -> dict[int, Reattachment]:
        """Find attempts that an earlier driver deployed, or may have."""
        known = self._opened().known
        answers = {trial.index: known.reattach(trial) for trial in trials}
        return {index: answer for index, answer in answers.items() if answer is not None}

    def close(self) -> None:
        """Let go of everything; jobs go on, and so does what the wrapper has started."""
        self._launcher.close()
        if self._trials is not None:
            self._trials.close()
        self._trials = None
        self._log.close()

    @property
    def run_metadata_report_keys(self) -> list[str]:
        """Keys of the run metadata that are worth a report to people."""
        return ["job_id", "folder"]

    # As JSON.

    @classmethod
    def serialize_init_args(cls, obj: Runner) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON.

        Raises:
            UsageError: The wrapper cannot be made again from JSON.
        """
        assert isinstance(obj, WrappedJobRunner)
        to_dict = getattr(obj.wrapper, "to_dict", None)
        if to_dict is None:
            raise UsageError(f"{type(obj.wrapper).__name__} has no to_dict, so no other process can make it again")
        return {"wrapper": to_dict(), **_settings(obj)}

    @classmethod
    def deserialize_init_args(
        cls,
        args: dict[str, Any],
        decoder_registry: dict[str, Any] | None = None,  # noqa: ARG003  (the page has it)
        class_decoder_registry: dict[str, Any] | None = None,  # noqa: ARG003
    ) -> dict[str, Any]:
        """Turn what `serialize_init_args` gave back into constructor's arguments.

        Args:
            args: The JSON form.
            decoder_registry: Not needed here; the reference page has it.
            class_decoder_registry: Not needed here; the reference page has it.

        Raises:
            UsageError: The class of the wrapper does not import.
        """
        body = args["wrapper"]
        found: Any = FunctionReference.of(body["type"]).load()
        return args | {"wrapper": found.from_dict(body)}

    def to_dict(self) -> dict[str, Any]:
        """Convert runner to a dictionary.

        Raises:
            UsageError: The wrapper cannot be made again from JSON.
        """
        return {"__type": type(self).__name__, **super().to_dict()}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WrappedJobRunner) or type(self) is not type(other):
            return False
        if self.wrapper is not other.wrapper:
            return bool(super().__eq__(other))
        return _settings(self) == _settings(other)

    __hash__ = Runner.__hash__


def check_hooks(wrapper: Any, name: str) -> None:
    """Check that a wrapper, or its class, has all hooks.

    Raises:
        UsageError: It has not.
    """
    for hook in ("write_configs", "run_model", "set_trial_status", "fetch_trial_data"):
        if not callable(getattr(wrapper, hook, None)):
            raise UsageError(f"a wrapper has the hook {hook}, and {name!r:.80} has not")


def _settings(runner: WrappedJobRunner) -> dict[str, Any]:
    names = ("workers", "env", "success_codes", "here", "hook_seconds", "pause")
    return {name: getattr(runner, name) for name in names}


def _traits_of(wrapper: Any) -> Traits:
    """Return what holds for the trials of a wrapper: a job keeps all promises, what it starts by itself its own."""
    if getattr(wrapper, "declares_jobs", False):
        return _SUPERVISED
    stop = getattr(type(wrapper), "stop_model", None)
    stops = stop is not None and stop is not BaseWrapper.stop_model
    return Traits(survives_driver=bool(getattr(wrapper, "survives_driver", True)), stops=stops)
