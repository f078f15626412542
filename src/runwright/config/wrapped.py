"""Makes the wrapped runner of what an experiment file says."""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any

from runwright.config.units import duration
from runwright.errors import UsageError

if TYPE_CHECKING:
    from runwright.config.runners import RunnerRequest
    from runwright.result import Json
    from runwright.runner import Runner


def wrapped(
    request: RunnerRequest,
    *,
    config: object = None,
    write_configs: object = None,
    set_trial_status: object = None,
    fetch_trial_data: object = None,
    format: object = "boa",  # noqa: A002  (what it is called in the file)
    metrics: object = None,
    copy: object = (),
    link: object = (),
    template: object = (),
    working_dir: object = None,
    pause: object = 1.0,
    hook_time: object = 3600.0,
) -> Runner:
    """Make a wrapped runner: of ``evaluate.command``, which is the command run_model, or of ``evaluate.wrapper``.

    Raises:
        UsageError: A sentence; `SettingError` where it is about one key.
    """
    from runwright.runners.wrapped import WrappedJobRunner
    from runwright.wrappers.script import ScriptWrapper

    if request.function is not None:
        raise _setting("type", "the wrapped runner runs a command or a wrapper; a function needs another runner")
    if request.result is not None:
        raise _setting("type", "the wrapped runner reads a result its own way; remove evaluate.result")
    if working_dir is not None and not (request.here / _text("working_dir", working_dir)).is_dir():
        raise _setting("working_dir", f"there is no folder {str(request.here / str(working_dir))!r:.300}")
    seconds = {"pause": _seconds("pause", pause), "hook_time": _seconds("hook_time", hook_time)}
    path = None if config is None else str(request.here / _text("config", config))
    if path is not None and not os.path.exists(path):  # noqa: PTH110  (it is a text)
        raise _setting("config", f"there is no file {path!r:.300}")
    of_scripts: Json = {
        "write_configs": write_configs,
        "set_trial_status": set_trial_status,
        "fetch_trial_data": fetch_trial_data,
        "format": format,
        "metrics": metrics,
        "copy": copy,
        "link": link,
        "template": template,
        "working_dir": working_dir,
        "pause": seconds["pause"],
    }
    made_by: Any = ScriptWrapper
    if request.load_wrapper is not None:
        made_by = request.load_wrapper()
    elif path is None or request.command is not None:
        of_scripts["run_model"] = None if request.command is None else list(request.command)
    of_scripts["here"] = str(request.here)
    if not (isinstance(made_by, type) and issubclass(made_by, ScriptWrapper)):
        given = [key for key, default in _DEFAULTS.items() if of_scripts[key] != default]
        if given:
            raise _setting(given[0], "only a wrapper around scripts has this setting; remove it")
        of_scripts = {}
    try:
        wrapper = _make(made_by, {"config_path": path, **of_scripts})
        runner = WrappedJobRunner(
            wrapper,
            workers=request.parallel or 1,
            env=request.env,
            success_codes=request.success_codes,
            here=str(request.here),
            hook_seconds=seconds["hook_time"],
            pause=seconds["pause"],
        )
        if isinstance(wrapper, ScriptWrapper):  # one of another kind may need the run directory
            runner.check(request.experiment)
    except UsageError as error:
        raise _of_setting(error) from error
    return runner


_DEFAULTS: Json = {
    "write_configs": None,
    "set_trial_status": None,
    "fetch_trial_data": None,
    "format": "boa",
    "metrics": None,
    "copy": (),
    "link": (),
    "template": (),
    "working_dir": None,
}


def _make(made_by: Any, arguments: Json) -> Any:
    """Make a wrapper with those of the arguments that it takes; its folder is the run directory's."""
    from runwright.wrappers.base import BaseWrapper

    try:
        taken = inspect.signature(made_by).parameters
    except (TypeError, ValueError):
        taken = inspect.signature(BaseWrapper).parameters
    takes_all = any(one.kind is one.VAR_KEYWORD for one in taken.values())
    if getattr(made_by, "mk_experiment_dir", None) is BaseWrapper.mk_experiment_dir:
        arguments["mk_exp_dir"] = False
    try:
        return made_by(**{key: value for key, value in arguments.items() if takes_all or key in taken})
    except UsageError:
        raise
    except Exception as error:
        name = getattr(made_by, "__qualname__", type(made_by).__qualname__)
        raise UsageError(f"the wrapper {name!r:.80} cannot be made: {type(error).__name__}: {error!s:.300}") from error


def _seconds(key: str, value: object) -> float:
    try:
        return duration(value)
    except (TypeError, ValueError) as error:
        raise _setting(key, str(error)) from None


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _setting(key, f"it must be a path, not {value!r:.60}")
    if "\0" in value:
        raise _setting(key, f"the path {value!r:.60} has a null character in it; remove it")
    return value


def _of_setting(error: UsageError) -> UsageError:
    """Make an error about a setting of one whose sentence begins with it: ``copy: there is no ...``."""
    first, _, rest = str(error).partition(" ")
    key = first.rstrip(":")
    if key not in _DEFAULTS:
        return error
    return _setting(key, rest if first.endswith(":") else str(error))


def _setting(key: str, message: str) -> UsageError:
    from runwright.config.runners import SettingError  # which names this module's builder

    return SettingError(key, message)
