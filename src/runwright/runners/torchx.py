"""Runs each trial as a TorchX app: on this machine, or on whatever cluster TorchX drives.

```
run ──> note ──> component(**parameters, ...) ──> AppDef ──> TorchX ──> scheduler ──> app
poll, stop <──> TorchX, by the app's handle                                            │
fetch_result <── <tracker_base>/<trial>/result.json, or <tracker_base>/<trial> <───────┘
```
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from runwright.errors import ContractError, MissingExtraError, SubmitError, UsageError
from runwright.function_reference import FunctionReference
from runwright.runner import Ended, Following, Lost, NeverStarted, Runner, Traits
from runwright.runners.torchx_app import APP_HANDLE, LIVE, App
from runwright.runners.torchx_component import Component

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from runwright.experiment import Experiment
    from runwright.result import Result
    from runwright.runner import Reattachment, RunContext
    from runwright.runners.torchx_apps import Apps
    from runwright.status import TrialStatus
    from runwright.trial import BaseTrial

TRACKER_BASE = "torchx_tracker_base"
_LOCAL = ("local", "local_cwd")
_log = logging.getLogger(__name__)
_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


class TorchXRunner(Runner):
    """Submits each trial to TorchX as an app that a component makes of its parameters.

    Names and types of the experiment's parameters must be exactly those of the component's arguments. Arguments that
    are not searched come from ``component_const_params``; parameters win over them. ``trial_idx`` (int),
    ``tracker_base`` (str) and ``experiment_name`` (str) are filled in where the component declares them. Trials of
    several arms are refused.

    TorchX reports nothing by itself: it is asked each `poll_interval` seconds.

    Args:
        tracker_base: Folder or URL below which apps write their results; see ``docs/torchx.md``.
        component: Function that returns a ``torchx.specs.AppDef``, or its reference as a text.
        component_const_params: Arguments of the component that are the same for every trial.
        scheduler: Name of a TorchX scheduler; ``"local"`` is this machine (TorchX's ``local_cwd``).
        cfg: Run options of the scheduler.
        poll_interval: Seconds between two polls; 0.1 on this machine and 2 elsewhere where not given.

    Raises:
        MissingExtraError: TorchX is not installed.
        UsageError: The component has no signature, or is no function.
    """

    traits = Traits(survives_driver=True, stops=True)

    def __init__(
        self,
        tracker_base: str,
        component: Callable[..., Any] | str,
        component_const_params: Mapping[str, Any] | None = None,
        scheduler: str = "local",
        cfg: Mapping[str, Any] | None = None,
        *,
        poll_interval: float | None = None,
    ) -> None:
        if find_spec("torchx") is None:
            raise MissingExtraError("TorchXRunner", "torchx")
        if isinstance(component, str):
            component = FunctionReference.of(component).load()
        if not callable(component):
            raise UsageError(f"the component must be a function that returns an AppDef, not {component!r:.100}")
        self.tracker_base = str(tracker_base)
        self.component = component
        self.component_const_params = dict(component_const_params or {})
        self.scheduler = scheduler
        self.cfg = None if cfg is None else dict(cfg)
        self.poll_interval = poll_interval or (0.1 if scheduler in _LOCAL else 2.0)
        self._component = Component(component, self.component_const_params, self.tracker_base)
        self._apps: Apps | None = None

    def check(self, experiment: Experiment) -> None:
        """Check names and types of the component's arguments.

        Raises:
            UsageError: A sentence that names the argument.
        """
        self._component.check(experiment)

    def open(self, context: RunContext) -> None:
        """Get ready.

        Args:
            context: Experiment, run directory, clock and limits.

        Raises:
            MissingExtraError: TorchX, or what it needs, is not installed.
            UsageError: The component does not fit the experiment; scheduler, settings or tracker base cannot be used.
        """
        try:
            from runwright.runners.torchx_apps import Apps
            from runwright.runners.torchx_results import TrackedResults
            from runwright.runners.torchx_session import Session
        except ImportError as error:
            raise MissingExtraError(f"TorchXRunner ({error})", "torchx") from None
        self.check(context.experiment)
        results = TrackedResults(self.tracker_base)
        self.close()
        super().open(context)
        self._apps = Apps(context, Session(self.scheduler, self.cfg or {}), self._component, results)

    def _opened(self) -> Apps:
        if self._apps is None:
            raise ContractError("TorchXRunner is not open: call open(...) before its first trial")
        return self._apps

    # Deploy.

    def run(self, trial: BaseTrial) -> dict[str, Any]:
        """Submit the trial as an app, or adopt the one that this attempt has already.

        Args:
            trial: The trial to deploy; of one arm.

        Returns:
            ``{"torchx_app_handle": ..., "torchx_tracker_base": ...}``.

        Raises:
            SubmitError: It could not be submitted, has several arms, or was submitted with other parameters.
        """
        if len(trial.arms) != 1:
            raise SubmitError(f"TorchXRunner takes trials of one arm; trial {trial.index} has {len(trial.arms)}")
        return self._metadata(self._opened().submit(trial))

    def _metadata(self, app: App) -> dict[str, Any]:
        return {APP_HANDLE: app.handle, TRACKER_BASE: self.tracker_base}

    def poll_available_capacity(self) -> int:
        """Return how many more apps the scheduler takes: of at most 100 live ones on this machine; -1 elsewhere."""
        return self._opened().session.room()

    @property
    def staging_required(self) -> bool:
        """Whether a trial is STAGED once deployed: a cluster queues it."""
        return self.scheduler not in _LOCAL

    # Follow.

    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        """Ask TorchX for the status of trials. What it says to be UNKNOWN is left out.

        Args:
            trials: Trials to poll.

        Raises:
            Exception: TorchX raised it for each of them: an outage. One trial's trouble alone is logged.
        """
        apps = self._opened()
        found: dict[TrialStatus, set[int]] = {}
        asked = {app.trial.index: app for app in map(apps.find, trials) if app is not None}
        for index, status in _answers(apps.status, asked).items():
            if status is not None:
                found.setdefault(status, set()).add(index)
        return found

    def fetch_result(self, trial: BaseTrial) -> Result:
        """Return the result of an ended attempt, from the tracker base.

        Args:
            trial: A trial whose app has ended.

        Raises:
            ContractError: It has not.
        """
        apps = self._opened()
        app = apps.find(trial)
        if app is None or apps.status(app) in (None, *LIVE):
            raise ContractError(f"trial {trial.index} has no result: its attempt {trial.attempt} has not ended")
        return apps.result(app)

    def stop(self, trial: BaseTrial, reason: str | None = None) -> dict[str, Any]:
        """Kill the given trial: its scheduler is asked to cancel the app.

        Args:
            trial: The trial to stop.
            reason: Why.

        Returns:
            ``{"reason": reason}``, or ``{}`` without a reason.
        """
        apps = self._opened()
        app = apps.find(trial)
        if app is not None:
            apps.stop(app)
        return {} if reason is None else {"reason": reason}

    # Go on after another driver.

    def reattach(self, trials: Sequence[BaseTrial]) -> dict[int, Reattachment]:
        """Find apps that an earlier driver submitted, or may have: whatever their scheduler still knows is followed.

        A local app is followed by its processes, which TorchX forgets with its driver. One that cannot be found, and
        left no result, is lost.

        Args:
            trials: Trials with an attempt whose end is not recorded.

        Raises:
            Exception: TorchX raised it for each of them: an outage. One trial's trouble alone is logged.
        """
        found = _answers(self._opened().reattach, {trial.index: trial for trial in trials})
        return {index: self._reattached(answer) for index, answer in found.items() if answer is not None}

    def _reattached(self, answer: App | NeverStarted | Lost) -> Reattachment:
        if not isinstance(answer, App):
            return answer
        return (Following if answer.ended is None else Ended)(self._metadata(answer))

    def close(self) -> None:
        """Let go of everything; live apps go on. Without a run directory, local ones are ended."""
        if self._apps is not None:
            self._apps.close()
        self._apps = None

    # Save.

    @property
    def run_metadata_report_keys(self) -> list[str]:
        """Keys of the run metadata that are worth a report."""
        return [APP_HANDLE, TRACKER_BASE]

    @property
    def meta(self) -> dict[str, Any]:
        """Facts about the runner that are the same in every process."""
        return super().meta | {"scheduler": self.scheduler, "component": self._component.name}

    @classmethod
    def serialize_init_args(cls, obj: Runner) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON: the component by its import reference.

        Args:
            obj: The runner.

        Raises:
            UsageError: The component has no name by which another process could import it.
        """
        assert isinstance(obj, TorchXRunner)
        return {**obj.settings, "component": FunctionReference.of(obj.component).text}

    @property
    def settings(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "tracker_base": self.tracker_base,
            "component": self.component,
            "component_const_params": self.component_const_params,
            "scheduler": self.scheduler,
            "cfg": self.cfg,
            "poll_interval": self.poll_interval,
        }

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, TorchXRunner):
            return NotImplemented
        return self.settings == other.settings

    __hash__ = Runner.__hash__


def _answers(ask: Callable[[_Asked], _Answer], asked: Mapping[int, _Asked]) -> dict[int, _Answer]:
    """Ask of each of some trials; raise an error that all of them meet, and log what only some meet."""
    answers: dict[int, _Answer] = {}
    errors: dict[int, Exception] = {}
    for index, one in asked.items():
        try:
            answers[index] = ask(one)
        except Exception as error:  # noqa: BLE001  (whatever a scheduler of TorchX raises)
            errors[index] = error
    if errors and not answers:
        raise next(iter(errors.values()))
    for index, trouble in errors.items():
        _log.warning("the status of trial %d is not known: %s: %s", index, type(trouble).__name__, trouble)
    return answers
