"""Turns a BOA configuration into an experiment file, and says what has no counterpart."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from runwright.constraints import read
from runwright.errors import UsageError
from runwright.wrappers.commands import command_words
from runwright.wrappers.config import Config

if TYPE_CHECKING:
    from runwright.result import Json
    from runwright.wrappers.config import Metric

_PENDING = 10
"""How many trials BOA runs at once where nothing is said."""
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w.-]*")
_NOT_AS_KEYS = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}
_TYPES = {"float": "float", "int": "int", "integer": "int"}
_PARAMETER_KEYS = ("type", "bounds", "value_type", "log_scale", "values", "value", "name")


@dataclass(slots=True)
class Imported:
    """An experiment file that is being made.

    Attributes:
        body: What stands in it.
        notes: What has no counterpart, a sentence each.
        python: Whether the configuration names a wrapper in Python.
    """

    body: Json = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    python: bool = False

    def text(self, source: str) -> str:
        """Return the experiment file as YAML.

        Args:
            source: What it was made from.
        """
        lines = [f"# made from {source} by: runwright import-boa"]
        lines += [f"# no counterpart: {note}" for note in self.notes]
        for key, value in self.body.items():
            if isinstance(value, dict) and any(isinstance(inner, (dict, list)) for inner in value.values()):
                lines.append(f"{key}:")
                lines += [f"  {_key(name)}: {_flow(inner)}" for name, inner in value.items()]
            else:
                lines.append(f"{key}: {_flow(value)}")
        return "\n".join(lines) + "\n"


def convert(file: Path, base: Path) -> Imported:
    """Read a BOA configuration file and make an experiment file of it.

    Args:
        file: The configuration file.
        base: Folder of the experiment file; relative paths in it start there.

    Raises:
        UsageError: It cannot be read, or something in it cannot be expressed at all.
    """
    config = Config.from_jsonlike(file)
    imported = Imported()
    options = config.script_options
    imported.python = os.path.isfile(options.wrapper_path)  # noqa: PTH113  (of an impossible name too)
    imported.body = {
        "name": _name(config, file),
        "parameters": {name: _parameter(name, one, imported.notes) for name, one in config.parameters.items()},
        "objectives": _objectives(config, imported.notes),
        "constraints": [],
        "evaluate": _evaluate(config, base, imported),
        "runner": _runner(config, file, base, imported),
        "optimizer": {"type": _optimizer(imported.notes)},
    }
    _constraints(config, imported)
    directory = _directory(config)
    if directory is not None:
        imported.body["directory"] = _relative(directory, base)
    _scheduler(config, imported)
    _left_over(config, imported)
    return imported


def _name(config: Config, file: Path) -> str:
    options = config.script_options
    name = options.exp_name
    if name in (None, "boa_runs"):
        name = Path(os.path.abspath(file)).parent.name or "boa_runs"  # noqa: PTH100  (links stay)
    return re.sub(r"[/\\\s]+", "_", str(name)).strip("._") or "boa_runs"


def _parameter(name: str, one: Json, notes: list[str]) -> Json:
    kind = one.get("type", "fixed" if "value" in one else "range")
    notes += [f"{key} of the parameter {name!r}" for key in one if key not in _PARAMETER_KEYS]
    if kind == "fixed":
        return {"type": "choice", "values": [_scalar(name, one.get("value"))]}
    if kind == "choice":
        values = one.get("values")
        if not isinstance(values, list) or not values:
            raise UsageError(f"the parameter {name!r} is a choice without values")
        return {"type": "choice", "values": [_scalar(name, value) for value in values]}
    bounds = one.get("bounds")
    if kind != "range" or not isinstance(bounds, list) or len(bounds) != 2:  # noqa: PLR2004  (two bounds)
        raise UsageError(f"the parameter {name!r} is no range with two bounds, no choice and not fixed: {one!r:.100}")
    numbers = [_number(name, bound) for bound in bounds]
    whole = all(isinstance(number, int) for number in numbers)
    wanted = _TYPES.get(str(one.get("value_type", "int" if whole else "float")).lower())
    if wanted is None:
        raise UsageError(f"the parameter {name!r} is a range of {one.get('value_type')!r:.40}; float and int are known")
    found: Json = {"type": wanted, "bounds": numbers}
    return {**found, "log": True} if one.get("log_scale") else found


def _number(name: str, bound: Any) -> int | float:
    try:
        number = float(bound)
    except (TypeError, ValueError):
        raise UsageError(f"the parameter {name!r} has the bound {bound!r:.40}, which is no number") from None
    return bound if isinstance(bound, int) and not isinstance(bound, bool) else number


def _scalar(name: str, value: Any) -> Any:
    if not isinstance(value, (str, int, float, bool)):
        raise UsageError(f"the parameter {name!r} has the value {value!r:.60}; texts, numbers and booleans are known")
    return value


def _objectives(config: Config, notes: list[str]) -> Json:
    objective = config.objective
    notes += [f"objective_thresholds: {text}" for text in objective.objective_thresholds]
    if any(metric.weight is not None for metric in objective.metrics):
        notes.append("weights of the metrics: each is an objective of its own; have your script compute the sum")
    notes += [
        f"noise_sd of the metric {metric.name!r}: nothing is added to what was measured"
        for metric in objective.metrics
        if metric.noise_sd
    ]
    wanted = [metric for metric in objective.metrics if not metric.info_only]
    if not wanted:
        raise UsageError("all metrics of the configuration are info_only; an experiment needs an objective")
    return {metric.name: "minimize" if metric.minimize else "maximize" for metric in wanted}


def _constraints(config: Config, imported: Imported) -> None:
    """Take over what is linear, in absolute terms."""
    body, taken = imported.body, imported.body["constraints"]
    for key, texts in (
        ("parameter_constraints", config.parameter_constraints),
        ("outcome_constraints", config.objective.outcome_constraints),
    ):
        for text in texts:
            try:
                read(text, body["parameters"], body["objectives"])
            except UsageError as error:
                imported.notes.append(f"{key}: {text} ({error})")
            else:
                taken.append(text)
    if not taken:
        del body["constraints"]


def _evaluate(config: Config, base: Path, imported: Imported) -> Json:
    options = config.script_options
    if imported.python:
        return {"wrapper": f"{_relative(options.wrapper_path, base)}:{options.wrapper_name}"}
    if not options.run_model:
        raise UsageError(
            "the configuration has neither a command run_model nor a wrapper "
            f"({options.wrapper_path} does not exist), so there is nothing to run"
        )
    return {"command": _words(config, "run_model", base)}


def _words(config: Config, name: str, base: Path) -> list[str]:
    """Return the words of a command; a program with a slash is found from the experiment file's folder."""
    words = command_words(name, getattr(config.script_options, name))
    if "/" in words[0] and not os.path.isabs(words[0]):  # noqa: PTH117
        program = _relative(Path(config.script_options.working_dir, words[0]), base)
        words[0] = program if "/" in program else f"./{program}"
    return words


def _runner(config: Config, file: Path, base: Path, imported: Imported) -> Json:
    parallel = config.scheduler.pop("max_pending_trials", None) or _PENDING
    runner: Json = {"type": "wrapped", "parallel": parallel}
    if imported.python:
        return {**runner, "config": _relative(file, base)}
    for name in config.script_options.commands:
        if name != "run_model":
            runner[name] = _words(config, name, base)
    metrics = {metric.name: _metric(metric) for metric in config.objective.metrics}
    metrics = {name: how for name, how in metrics.items() if how}
    if metrics:
        runner["metrics"] = metrics
    runner["working_dir"] = _relative(config.script_options.working_dir, base)
    return runner


def _metric(metric: Metric) -> Any:
    """Return how a metric is computed, as short as it can be said; nothing where the script computes it."""
    more = {
        "arguments": metric.metric_func_kwargs,
        "param_names": metric.param_names,
        "properties": metric.properties,
    }
    more = {key: value for key, value in more.items() if value}
    if metric.metric_type == "pass_through" or metric.metric is None:
        return more or None
    return {"function": metric.function, **more} if more else metric.function


def _optimizer(notes: list[str]) -> str:
    if importlib.util.find_spec("optuna") is not None:
        return "optuna"
    notes.append("a Bayesian optimizer: none is installed (pip install 'runwright[optuna]'), so points are random")
    return "random"


def _directory(config: Config) -> str | None:
    options = config.script_options
    if options.experiment_dir:
        return options.experiment_dir
    return f"{options.output_dir}/{options.exp_name or 'boa_runs'}" if options.output_dir else None


def _scheduler(config: Config, imported: Imported) -> None:
    scheduler = config.scheduler
    stop: Json = {}
    total = scheduler.pop("total_trials", None)
    if config.n_trials or total:
        stop["trials"] = config.n_trials or total
    rate = scheduler.pop("tolerated_trial_failure_rate", None)
    if rate is not None:
        stop["failure_rate"] = rate
    after = scheduler.pop("min_failed_trials_for_failure_rate_check", None)
    if after is not None:
        stop["failure_rate_after"] = after
    timeout = scheduler.pop("ttl_seconds_for_trials", None)
    if timeout is not None and not imported.python:
        imported.body["limits"] = {"timeout": timeout}
    elif timeout is not None:
        imported.notes.append("scheduler.ttl_seconds_for_trials: what a wrapper in Python starts has no time limit")
    imported.notes += [f"scheduler.{key}" for key in scheduler]
    imported.body["stop"] = stop


def _left_over(config: Config, imported: Imported) -> None:
    notes = imported.notes
    notes += [f"generation_strategy.{key}: see docs/optimizers.md" for key in config.generation_strategy]
    if config.model_options and not imported.python:
        notes.append("model_options: scripts read them from the configuration file, if they do")
    if config.script_options.rel_to_launch:
        notes.append("rel_to_launch: paths start from the folder in which import-boa was run")
    if imported.python:
        notes.append("'import boa' in the wrapper: import BaseWrapper and its like from runwright.wrappers")
    notes += [f"{key}" for key in config.unknown]


def _relative(path: str | Path, base: Path) -> str:
    """Return a path as it is written in a file of that folder: relative where it lies below."""
    found = os.path.relpath(os.path.abspath(path), os.path.abspath(base))  # noqa: PTH100
    return os.path.abspath(path) if found.startswith("../..") else found  # noqa: PTH100


def _key(name: str) -> str:
    return name if _PLAIN_KEY.fullmatch(name) and name.lower() not in _NOT_AS_KEYS else json.dumps(name)


def _flow(value: Any) -> str:
    """Return a value in YAML's flow style; texts are quoted, so that every reader takes them as texts."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(str(name))}: {_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value, ensure_ascii=False, default=_no_value)


def _no_value(value: Any) -> NoReturn:
    raise UsageError(f"a {type(value).__name__} is no value of an experiment file; write {value!s:.60} in quotes")
