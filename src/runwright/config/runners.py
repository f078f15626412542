"""The runners that an experiment file may name, and how each is made from it. Plug-ins come by an entry point."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, TypeAlias

from runwright.config.scalars import shown
from runwright.config.sentences import nearest
from runwright.config.units import duration
from runwright.config.wrapped import wrapped
from runwright.errors import UsageError
from runwright.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from runwright.experiment import Experiment
    from runwright.runner import Limits, Traits

ENTRY_POINTS = "runwright.runners"
"""Group of entry points ``kind = "module:builder"`` by which other packages bring runners."""


@dataclass(frozen=True, slots=True)
class RunnerRequest:
    """What an experiment file says about what is run; a builder makes a runner of it.

    Attributes:
        experiment: The experiment.
        here: Folder of the experiment file.
        parallel: How many trials at once; None: what the runner takes.
        function: Reference of the evaluation function, or None.
        command: Program and arguments, or None.
        env: Variables added to the environment of a trial.
        result: How the result of a command is read, or None.
        success_codes: Exit statuses of a command that mean success.
        load: Imports the function, and checks that it takes the parameters.
        load_wrapper: Imports the class of the wrapper; None where none is named.
        load_component: Imports the function as it is: one that makes a job of the parameters has arguments of its own.
    """

    experiment: Experiment
    here: Path
    parallel: int | None
    function: str | None
    command: Sequence[str] | None
    load: Callable[[], Callable[..., Any]]
    env: Mapping[str, str] | None = None
    result: Mapping[str, str] | None = None
    success_codes: Sequence[int] = field(default=(0,))
    load_component: Callable[[], Callable[..., Any]] | None = None
    load_wrapper: Callable[[], Callable[..., Any]] | None = None


Builder: TypeAlias = "Callable[..., Runner]"
"""Takes a `RunnerRequest`, and settings of the runner as keywords; raises UsageError."""


class SettingError(UsageError):
    """A setting of a runner is wrong.

    Args:
        key: The setting.
        message: What is wrong.
        part: The part of the file in which it stands.
    """

    def __init__(self, key: str, message: str, part: str = "runner") -> None:
        self.key = key
        self.part = part
        super().__init__(message)


def _local(request: RunnerRequest) -> Runner:
    from runwright.runners.local import LocalMetadataRunner

    if request.parallel not in (None, 1):
        raise SettingError("parallel", "the local runner runs one trial at a time; take the pool or process runner")
    return LocalMetadataRunner(_function(request, "local"))


def _pool(request: RunnerRequest) -> Runner:
    from runwright.runners.pool import PoolRunner

    _function(request, "pool")
    assert request.function is not None, "checked in the line before"
    return PoolRunner(request.function, workers=request.parallel, folder=request.here)


def _process(request: RunnerRequest, *, preload: bool = False) -> Runner:
    from runwright.runners.process import ProcessRunner

    if request.load_wrapper is not None:
        raise SettingError("type", "the process runner runs commands and functions; a wrapper needs the wrapped runner")
    if not isinstance(preload, bool):
        raise SettingError("preload", f"it must be true or false, not {shown(preload)}")
    if request.function is not None:
        request.load()
    return ProcessRunner(
        request.command,
        function=request.function,
        workers=request.parallel or 1,
        env=request.env,
        success_codes=request.success_codes,
        result=request.result,
        preload=preload,
        here=request.here,
    )


def _simulated(request: RunnerRequest, *, runtime: object = (1, 5), failure_rate: object = 0) -> Runner:
    from runwright.runners.simulated import SimulatedBackendRunner, sample_runtime_unif
    from runwright.simulation import BackendSimulator, BackendSimulatorOptions

    what = "it must be the shortest and the longest runtime, such as [1 s, 5 min]"
    if not isinstance(runtime, (list, tuple)) or len(runtime) != 2:  # noqa: PLR2004  (the two)
        raise SettingError("runtime", f"{what}, not {shown(runtime)}")
    try:
        low, high = (duration(bound) for bound in runtime)
    except ValueError as error:
        raise SettingError("runtime", f"{what} ({error})") from None
    if low > high:
        raise SettingError("runtime", f"the shortest runtime, {low:g} s, is longer than the longest, {high:g} s")
    if isinstance(failure_rate, bool) or not isinstance(failure_rate, (int, float)) or not 0 <= failure_rate <= 1:
        raise SettingError("failure_rate", f"it must be a number from 0 to 1, not {shown(failure_rate)}")
    options = BackendSimulatorOptions(
        max_concurrency=request.parallel or 1, failure_rate=failure_rate, seed=request.experiment.seed
    )
    return SimulatedBackendRunner(
        BackendSimulator(options),
        partial(sample_runtime_unif, low=low, high=high),
        evaluation_function=_function(request, "simulated"),
    )


def _torchx(
    request: RunnerRequest,
    *,
    tracker_base: object = None,
    constants: object = None,
    scheduler: object = "local",
    cfg: object = None,
    poll_interval: object = None,
) -> Runner:
    from runwright.runners.torchx import TorchXRunner

    if request.load_component is None:
        raise SettingError("type", "the torchx runner needs a component: evaluate: {function: module:component}")
    if request.env is not None:
        raise SettingError("env", "the torchx runner gives no environment to a trial; its component does", "evaluate")
    if not isinstance(tracker_base, str) or not tracker_base:
        raise SettingError("tracker_base", "it must be the folder or the URL below which the apps write their results")
    if not isinstance(scheduler, str):
        raise SettingError("scheduler", f"it must be the name of a TorchX scheduler, not {shown(scheduler)}")
    for key, value in (("constants", constants), ("cfg", cfg)):
        if value is not None and not isinstance(value, dict):
            raise SettingError(key, f"it must be a mapping, not {shown(value)}")
    try:
        interval = None if poll_interval is None else duration(poll_interval)
    except (TypeError, ValueError) as error:
        raise SettingError("poll_interval", str(error)) from None
    place = tracker_base if "://" in tracker_base else str(request.here / tracker_base)
    component = request.load_component()
    runner = TorchXRunner(place, component, constants, scheduler, cfg, poll_interval=interval)  # type: ignore[arg-type]
    runner.check(request.experiment)
    return runner


def _synthetic(request: RunnerRequest, *, dummy_metadata: object = None) -> Runner:  # noqa: ARG001  (nothing is run)
    from runwright.runners.synthetic import SyntheticRunner

    if dummy_metadata is not None and not isinstance(dummy_metadata, str):
        raise SettingError("dummy_metadata", f"it must be a text, not {shown(dummy_metadata)}")
    return SyntheticRunner(dummy_metadata)


def _function(request: RunnerRequest, kind: str) -> Callable[..., Any]:
    if request.load_wrapper is not None:
        raise SettingError("type", f"the {kind} runner evaluates functions; a wrapper needs the wrapped runner")
    if request.function is None:
        raise SettingError("type", f"the {kind} runner evaluates functions; a command needs the process runner")
    if request.env is not None:
        what = f"the {kind} runner gives no environment to a trial; env needs the process runner"
        raise SettingError("env", what, "evaluate")
    return request.load()


_BUILT_IN: dict[str, Builder] = {
    "local": _local,
    "pool": _pool,
    "process": _process,
    "simulated": _simulated,
    "synthetic": _synthetic,
    "torchx": _torchx,
    "wrapped": wrapped,
}
_OF_COMPONENTS = {"torchx"}
_ENFORCING = {
    "local": "LocalMetadataRunner",
    "pool": "PoolRunner",
    "process": "ProcessRunner",
    "simulated": "SimulatedBackendRunner",
}
_LIMITS = {
    "timeout": "a time limit",
    "memory": "a memory limit",
    "output": "a limit of the output",
    "log": "a limit of the log",
}


def kinds() -> list[str]:
    """Return the kinds of runners that an experiment file may name."""
    return sorted({*_BUILT_IN, *(entry.name for entry in entry_points(group=ENTRY_POINTS))})


def takes_component(kind: str | None) -> bool:
    """Whether the function of a file makes a job of the parameters, instead of evaluating them."""
    return kind in _OF_COMPONENTS


def default_kind(*, command: bool, parallel: int | None, limited: set[str], wrapper: bool = False) -> str:
    """Return the kind of runner that is taken where a file names none.

    Args:
        command: Whether a command is run, not a function.
        parallel: How many trials at once.
        limited: Which limits are given.
        wrapper: Whether a wrapper is named.
    """
    if wrapper:
        return "wrapped"
    if command or "output" in limited:
        return "process"
    return "local" if parallel in (None, 1) and not limited else "pool"


def build(kind: str, request: RunnerRequest, settings: Mapping[str, Any]) -> Runner:
    """Make a runner.

    Args:
        kind: Its kind.
        request: What is run.
        settings: Its own settings.

    Raises:
        UsageError: A sentence; `SettingError` where it is about one key.
    """
    builder = _builder(kind)
    taken = [name for name, p in inspect.signature(builder).parameters.items() if p.kind is p.KEYWORD_ONLY]
    for key in settings:
        if key not in taken:
            known = nearest(key, ["type", "parallel", *taken])
            raise SettingError(key, f"the {kind} runner has no such setting; {known}")
    try:
        runner: object = builder(request, **settings)
    except UsageError:
        raise
    except Exception as error:
        if kind in _BUILT_IN:
            raise  # a bug of ours
        what = f"the {kind} runner cannot be made: {type(error).__name__}: {error!s:.300}"
        raise SettingError("type", what) from error
    if not isinstance(runner, Runner):
        what = (
            f"the {kind} runner cannot be made: its builder gave an object of type {type(runner).__name__}, no runner"
        )
        raise SettingError("type", what)
    return runner


def check_limits(kind: str, traits: Traits, limits: Limits, given: set[str]) -> None:
    """Refuse a limit that a runner cannot enforce.

    Args:
        kind: Kind of the runner.
        traits: What it promises.
        limits: The limits.
        given: Which of them stand in the file.

    Raises:
        SettingError: A sentence with the runners that can.
    """
    for name, words in _LIMITS.items():
        if name in given and getattr(limits, name) is not None and not _enforces(traits, name):
            able = [other for other in _ENFORCING if _enforces(_traits_of(other), name)]
            raise SettingError(name, f"the {kind} runner cannot enforce {words}; {' and '.join(able)} can", "limits")
    if "grace" in given and not traits.stops:
        what = f"the {kind} runner cannot stop a trial, so there is no time of grace; remove it"
        raise SettingError("grace", what, "limits")


def _enforces(traits: Traits, limit: str) -> bool:
    if limit == "log":  # who counts what an evaluation writes sees to its log as well
        limit = "output"
    return limit in traits.enforces or (limit == "timeout" and traits.stops)


def _traits_of(kind: str) -> Traits:
    from runwright import runners

    found: type[Runner] = getattr(runners, _ENFORCING[kind])
    return found.traits


def _builder(kind: str) -> Builder:
    built_in = _BUILT_IN.get(kind)  # cannot be replaced: a file means the same everywhere
    if built_in is not None:
        return built_in
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == kind:
            try:
                found: Any = entry.load()
            except Exception as error:
                what = f"the {kind} runner cannot be loaded from {entry.value}: {type(error).__name__}: {error!s:.300}"
                raise SettingError("type", what) from error
            if not callable(found):
                raise SettingError("type", f"the {kind} runner cannot be made: {entry.value} is no function")
            builder: Builder = found
            return builder
    raise SettingError("type", f"there is no runner {kind!r:.60}; {nearest(kind, kinds())}")
