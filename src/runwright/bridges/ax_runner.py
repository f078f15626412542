"""A runner of Ax's that executes its trials on a runner of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from runwright.bridges.ax_deployments import Deployments
from runwright.bridges.ax_errors import let_through
from runwright.bridges.ax_library import IRunner, TrialStatus
from runwright.bridges.ax_request import MARK, NAMELESS, READ_FROM_US, Arm, BareTrial, describe, plain
from runwright.bridges.ax_settings import Settings
from runwright.errors import UsageError
from runwright.experiment import OpenExperiment
from runwright.status import TrialStatus as OwnStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from runwright.bridges.ax_library import BaseTrial
    from runwright.loop.on_failure import OnFailure, Rule
    from runwright.loop.session import Sync
    from runwright.result import Result
    from runwright.runner import Limits, Runner

_STATUS = {
    # A trial that waits here, for a slot or for another attempt, is RUNNING for Ax: its loop does not wait for others.
    OwnStatus.CANDIDATE: TrialStatus.RUNNING,
    OwnStatus.STAGED: TrialStatus.RUNNING,
    OwnStatus.RUNNING: TrialStatus.RUNNING,
    OwnStatus.COMPLETED: TrialStatus.COMPLETED,
    OwnStatus.FAILED: TrialStatus.FAILED,
    OwnStatus.ABANDONED: TrialStatus.ABANDONED,
    OwnStatus.EARLY_STOPPED: TrialStatus.EARLY_STOPPED,
    OwnStatus.STALE: TrialStatus.ABANDONED,
}


class AxRunner(IRunner):
    """Executes the trials of one experiment of Ax's on a runner of Runwright's.

    For ``Experiment(runner=...)``, ``Orchestrator`` and ``Client.configure_runner``. It lets go of everything when it
    is closed, when it is no longer used, and at the end of the process.

    Args:
        runner: Executes trials.
        directory: Run directory, made where it does not exist: with it, an experiment that Ax has stored goes on after
            any kill, and ``runwright status``, ``story`` and ``logs`` work. None: everything stays in memory.
        wait: Seconds that a poll waits for the end of a trial, at the most. 0: it only looks.
        parallel: How many trials run at once; None: as many as the runner takes.
        on_failure: What follows a failed attempt; see `runwright.loop.policy.Policy`.
        limits: Limits of each attempt.
        sync: See `runwright.Scheduler`.

    Raises:
        RefusedError: The settings do not fit together.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        directory: Path | str | None = None,
        wait: float = 5.0,
        parallel: int | None = None,
        on_failure: OnFailure | Rule | str | Mapping[Any, Any] | None = None,
        limits: Limits | None = None,
        sync: Sync | None = None,
    ) -> None:
        self._name: str | None = None  # of the experiment whose trials are executed here, as Ax has it
        with let_through():
            self._settings = Settings(runner, directory, wait, parallel, on_failure, limits, sync)
            self._deployments = Deployments(
                runner, self._settings.policy, self._settings.directory, self._settings.sync
            )

    @property
    def runner(self) -> Runner:
        """What executes the trials."""
        return self._settings.runner

    # Deploy.

    def run(self, trial: BaseTrial) -> dict[str, Any]:
        """Deploy a trial, or adopt its job: the one that has its experiment, index and parameters.

        Args:
            trial: The trial to deploy.

        Returns:
            Run metadata, JSON-able. That it could not be started is found out by the next poll.

        Raises:
            RefusedError: The runner takes no batch trials, or is another experiment's.
            HaltedError: A user has stopped the experiment, or the journal cannot be written.
        """
        return self.run_multiple([trial])[trial.index]

    def run_multiple(self, trials: Iterable[BaseTrial]) -> dict[int, dict[str, Any]]:
        """Deploy trials; see `run`.

        Args:
            trials: Trials of one experiment.

        Returns:
            Index to run metadata, of each of them.
        """
        given = list(trials)
        with let_through():
            self._open(given)
            return self._deployments.deploy(given) if given else {}

    def poll_available_capacity(self) -> int:
        """Return how many more trials would begin at once; -1 where nothing limits them.

        It may be exceeded: what is submitted beyond it waits here for a slot.
        """
        with let_through():
            return self._deployments.capacity()

    @property
    def staging_required(self) -> bool:
        """False: Ax's loop does not wait for the end of a trial that is STAGED. One that waits here is RUNNING."""
        return False

    @property
    def run_metadata_report_keys(self) -> list[str]:
        """Keys of the run metadata that are worth a report."""
        return self.runner.run_metadata_report_keys

    # Follow.

    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        """Check the status of trials; wait for the end of one of them, at most the seconds of the constructor.

        Args:
            trials: Trials to poll. Those that were not deployed here are left out of the answer.

        Raises:
            HaltedError: A user has stopped the experiment, or the journal cannot be written. An outage of the engine
                that executes trials is not raised: nothing has changed.
        """
        given = list(trials)
        found: dict[TrialStatus, set[int]] = {}
        with let_through():
            if given:
                self._open(given)
                for index, status in self._deployments.poll(given, self._settings.wait).items():
                    found.setdefault(_STATUS[status], set()).add(index)
        return found

    def poll_exception(self, trial: BaseTrial) -> str:
        """Return why a trial failed or was stopped, in a sentence; Ax keeps it as its ``status_reason``.

        Args:
            trial: A trial that has ended.
        """
        return self._deployments.outcomes.reason(trial.index)

    def stop(self, trial: BaseTrial, reason: str | None = None) -> dict[str, Any]:
        """Ask a trial to end early; does not wait for its end.

        Args:
            trial: The trial to stop.
            reason: Why.

        Returns:
            ``{"reason": reason}``, or ``{}`` without a reason.

        Raises:
            RefusedError: The runner cannot stop a trial that has begun.
        """
        with let_through():
            self._open([trial])
            self._deployments.stop(trial, reason)
        return {} if reason is None else {"reason": reason}

    def result(self, trial: BaseTrial, arms: Sequence[str] | None = None) -> Result | None:
        """Return the result of a trial that has ended, in words of ours: its arms by Ax's names.

        Args:
            trial: A trial of the experiment.
            arms: Names of its arms, where the caller has them.
        """
        with let_through():
            own = self._deployments.outcomes.handed_in(trial)
            if own is None:
                self._open([trial])
                own = self._deployments.outcomes.recorded(trial)
            return None if own is None else self._deployments.outcomes.result(own, trial, arms)

    def progress(self, trial: BaseTrial) -> list[tuple[float, dict[str, Any]]]:
        """Return what a trial has reported so far: step, and metric name to ``(mean, sem)``.

        Args:
            trial: A trial of the experiment.
        """
        with let_through():
            self._open([trial])
            return self._deployments.outcomes.progress(trial.index)

    def close(self) -> None:
        """Let go of directory, journal and runner: trials that survive this process go on. Idempotent."""
        self._deployments.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, trials: Sequence[BaseTrial]) -> None:
        experiment = trials[0].experiment if trials else None
        if experiment is None:  # nothing to do, or a trial that was found by its index
            return
        if self._deployments.name is None:
            self._deployments = self._shared(experiment)
        if self._deployments.name is None:
            measured = [name for name, metric in experiment.metrics.items() if getattr(metric, READ_FROM_US, False)]
            self._deployments.open(describe(experiment, measured if self.runner.traits.measures else ()))
        elif experiment.has_name and (name := experiment.name) != self._name:
            if plain(name) != self._deployments.name:
                self._deployments.open(OpenExperiment(plain(name)))  # refused
            self._name = name

    def _shared(self, experiment: Any) -> Deployments:
        """Return what another runner has open on the same jobs: a stored experiment comes back with two equal ones."""
        main = experiment.runner
        if isinstance(main, AxRunner) and main is not self and main == self:
            return main._shared_here()  # noqa: SLF001  (it is one of ours)
        return self._shared_here()

    def _shared_here(self) -> Deployments:
        return self._deployments.opened_before() or self._deployments

    # As Ax's `IRunner`, which tells a trial's index alone.

    def run_trial(self, trial_index: int, parameterization: Mapping[str, Any]) -> dict[str, Any]:
        """Deploy a trial of an experiment without a name: its index alone says which it is.

        Args:
            trial_index: Index of the trial.
            parameterization: Its parameters.
        """
        trial = BareTrial(trial_index, (Arm(dict(parameterization)),), {})
        with let_through():
            if self._deployments.name is None:
                self._deployments.open(OpenExperiment(NAMELESS))
            return self._deployments.deploy([trial])[trial_index]

    def poll_trial(self, trial_index: int, trial_metadata: Mapping[str, Any]) -> TrialStatus:
        """Check the status of a trial; see `poll_trial_status`.

        Args:
            trial_index: Index of the trial.
            trial_metadata: What `run_trial` returned.
        """
        with let_through():
            trial = self.bare_trial(trial_index, trial_metadata)
            return _STATUS[self._deployments.poll([trial], self._settings.wait)[trial_index]]

    def stop_trial(self, trial_index: int, trial_metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Ask a trial to end early; see `stop`.

        Args:
            trial_index: Index of the trial.
            trial_metadata: What `run_trial` returned.
        """
        with let_through():
            self._deployments.stop(self.bare_trial(trial_index, trial_metadata), None)
        return {}

    def bare_trial(self, index: int, metadata: Mapping[str, Any]) -> BareTrial:
        """Return a trial that was deployed here, as far as its index says which it is.

        Args:
            index: Its index.
            metadata: What `run` returned.

        Raises:
            UsageError: It was not deployed here.
        """
        if self._deployments.name is None:
            self._deployments.open(OpenExperiment(NAMELESS))
        own = self._deployments.outcomes.trial(index)
        if own is None or MARK not in metadata:
            raise UsageError(f"trial {index} was not deployed by this runner")
        return BareTrial(index, tuple(Arm(arm.parameters, arm.name) for arm in own.arms), dict(metadata))

    # Storage.

    @classmethod
    def serialize_init_args(cls, obj: Any) -> dict[str, Any]:
        """Return the constructor's arguments of a runner, as JSON.

        Args:
            obj: The runner.

        Raises:
            RefusedError: Another process could not make its runner, for example of a lambda.
        """
        with let_through():
            settings: Settings = obj._settings  # noqa: SLF001  (it is one of ours)
            return settings.to_json()

    @classmethod
    def deserialize_init_args(
        cls,
        args: dict[str, Any],
        decoder_registry: Any = None,  # noqa: ARG003  (Ax's signature)
        class_decoder_registry: Any = None,  # noqa: ARG003
    ) -> dict[str, Any]:
        """Turn what `serialize_init_args` gave back into constructor's arguments.

        Args:
            args: The JSON form.
            decoder_registry: Not needed here.
            class_decoder_registry: Not needed here.
        """
        with let_through():
            return Settings.arguments(args)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AxRunner) and self._settings == other._settings

    __hash__ = object.__hash__

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the runner itself: it stands for jobs, of which no copy is made. `clone` gives an idle one."""
        return self
