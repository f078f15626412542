"""A BOA configuration file, read without BOA. Attributes have BOA's names, because hooks use them."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from runwright.errors import InvalidResultError, UsageError
from runwright.wrappers.metric_functions import function_named
from runwright.wrappers.outputs import from_yaml
from runwright.wrappers.placing import PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runwright.result import Json

_METRIC_TYPES = ("boa_metric", "sklearn_metric", "synthetic_metric", "pass_through")
_KINDS: dict[type, str] = {dict: "a mapping", list: "a list", str: "a text"}
_OF_A_METRIC = {"name": str, "metric": str, "properties": dict, "metric_func_kwargs": dict, "param_names": list}
_PATHS = ("wrapper_path", "working_dir", "experiment_dir", "output_dir")
_LONGEST_PATH = 300
_OLD_COMMANDS = ("write_configs", "run_model", "set_trial_status", "fetch_trial_data")


@dataclass(slots=True)
class Metric:
    """A metric: an objective, or with ``info_only`` something that is reported besides."""

    name: str
    metric: str | None = None
    metric_type: str | None = "metric"
    noise_sd: float | None = 0
    minimize: bool = True
    info_only: bool = False
    weight: float | None = None
    properties: Json | None = None
    metric_func_kwargs: Json | None = None
    param_names: list[str] = field(default_factory=list)

    @property
    def function(self) -> str:
        """Our name of the function that computes it.

        Raises:
            UsageError: There is no such function.
        """
        return function_named(self.metric)


@dataclass(slots=True)
class Objective:
    """What is optimised."""

    metrics: list[Metric]
    outcome_constraints: list[str] = field(default_factory=list)
    objective_thresholds: list[str] = field(default_factory=list)
    minimize: bool | None = None

    @property
    def metric_names(self) -> list[str]:
        """Names of the metrics."""
        return [metric.name for metric in self.metrics]


@dataclass(slots=True)
class ScriptOptions:
    """Where things are, and the commands."""

    rel_to_config: bool | None = True
    rel_to_launch: bool | None = None
    wrapper_name: str = "Wrapper"
    wrapper_path: str = "wrapper.py"
    working_dir: str = "."
    experiment_dir: str | None = None
    output_dir: str | None = None
    exp_name: str | None = "boa_runs"
    append_timestamp: bool = True
    run_model: str | None = None
    write_configs: str | None = None
    set_trial_status: str | None = None
    fetch_trial_data: str | None = None
    base_path: str | None = "."

    @property
    def commands(self) -> dict[str, str]:
        """The commands that are given, by name."""
        return {name: text for name in _OLD_COMMANDS if (text := getattr(self, name))}


@dataclass(slots=True)
class Config:
    """A configuration; see `load_config`."""

    objective: Objective
    parameters: dict[str, Json]
    script_options: ScriptOptions = field(default_factory=ScriptOptions)
    generation_strategy: Json = field(default_factory=dict)
    scheduler: Json = field(default_factory=dict)
    parameter_constraints: list[str] = field(default_factory=list)
    model_options: Any = None
    parameter_keys: Any = None
    n_trials: int | None = None
    config_path: str | None = None
    orig_config: Json = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    @property
    def trials(self) -> int | None:
        """How many trials are wanted."""
        return self.n_trials or self.scheduler.get("total_trials")

    def to_dict(self) -> Json:
        """Return it as JSON types."""
        body = asdict(self)
        del body["orig_config"], body["unknown"]
        return body

    @classmethod
    def from_jsonlike(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file; relative paths in it start from its folder.

        Raises:
            UsageError: It cannot be read, or is no configuration.
        """
        return cls.from_dict(load_jsonlike(path), path)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any], path: str | os.PathLike[str] | None = None) -> Self:
        """Make it of what stands in a file.

        Args:
            raw: The content.
            path: The file, or None.

        Raises:
            UsageError: A sentence about what is wrong.
        """
        original = copy.deepcopy(dict(raw))
        body = _modern(copy.deepcopy(dict(raw)))
        if body.get("parameter_keys"):
            body["parameters"] = _nested_parameters(body, body["parameter_keys"])
        scheduler = dict(_given(body, "scheduler", dict))
        trials = scheduler.pop("n_trials", None) or body.get("n_trials")
        known = {part.name for part in fields(cls)}
        return cls(
            objective=_objective(body.get("objective")),
            parameters=_parameters(body.get("parameters")),
            script_options=_script_options(_given(body, "script_options", dict), path),
            generation_strategy=dict(_given(body, "generation_strategy", dict)),
            scheduler=scheduler,
            parameter_constraints=list(_given(body, "parameter_constraints", list)),
            model_options=body.get("model_options"),
            parameter_keys=body.get("parameter_keys"),
            n_trials=trials,
            config_path=None if path is None else str(path),
            orig_config=original,
            unknown=sorted(set(map(str, body)) - known - _paths_taken(body.get("parameter_keys"))),
        )


def load_jsonlike(path: str | os.PathLike[str]) -> Json:
    """Read a JSON or YAML file, data only; ``{{ config_dir }}`` and its like are filled in.

    Raises:
        UsageError: It cannot be read, or is no mapping.
    """
    file = Path(os.path.expanduser(path))  # noqa: PTH111  (of an unknown user too, whose name then stays)
    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file!s:.{_LONGEST_PATH}}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        what = f"the file is not UTF-8: byte 0x{error.object[error.start]:02x} is no text; save it as UTF-8"
        raise UsageError(f"{file}:{line}: {what}") from None
    if "{%" in text:
        raise UsageError(f"{file}: it has statements of Jinja ({{% ... %}}), which are not executed here; write it out")
    known = {
        "config_path": str(file),
        "config_dir": str(file.parent),
        "config_dir_name": file.parent.name,
        "config_file_name": file.name,
    }
    text = PLACEHOLDER.sub(lambda found: known.get(found[1], found[0]), text)
    suffixes = {part.lower() for part in file.suffixes}
    try:
        body = json.loads(text) if ".json" in suffixes else from_yaml(file.name, text)
    except (ValueError, RecursionError, InvalidResultError) as error:
        raise UsageError(f"{file}: it cannot be parsed ({error!s:.300})") from None
    if not isinstance(body, dict):
        raise UsageError(f"{file}: it holds no mapping of keys")
    return body


def _checked(what: str, value: Any, kind: type) -> Any:
    """Return a value if it is of a kind.

    Raises:
        UsageError: It is of another.
    """
    if not isinstance(value, (list, tuple) if kind is list else kind):
        raise UsageError(f"{what} must be {_KINDS[kind]}, not {value!r:.60}")
    return value


def _given(body: Mapping[str, Any], key: str, kind: type, above: str = "") -> Any:
    """Return what stands at a key, or an empty one of its kind where nothing does."""
    value = body.get(key)
    return kind() if value is None else _checked(f"{above}{key}", value, kind)


def _modern(body: Json) -> Json:
    """Turn the older form, with ``optimization_options``, into the newer one."""
    if body.get("optimization_options") is None:
        return body
    above = "optimization_options."
    old = _checked("optimization_options", body.pop("optimization_options"), dict)
    objective = dict(_given(old, "objective_options", dict, above))
    metrics = [
        _metric_given(metric) for metric in _given(objective, "objectives", list) or _given(objective, "moo", list)
    ]
    for metric in metrics:
        for kind in _METRIC_TYPES:
            if kind in metric:
                metric["metric"], metric["metric_type"] = metric.pop(kind), kind
    for metric, weight in zip(metrics, _given(objective, "weights", list), strict=False):
        metric["weight"] = weight
    body["objective"] = {**objective, "metrics": metrics, "weights": None}
    for key in ("generation_strategy", "scheduler"):
        if key in old:
            body[key] = old[key]
    trials = old.get("n_trials") or old.get("trials")
    if trials:
        body["scheduler"] = {**_given(body, "scheduler", dict), "n_trials": trials}
    name = _given(old, "experiment", dict, above).get("name")
    if name:
        body["script_options"] = {**_given(body, "script_options", dict), "exp_name": name}
    return body


def _objective(raw: Any) -> Objective:
    if not isinstance(raw, dict) or not raw.get("metrics"):
        raise UsageError("the configuration names no metrics; there should be objective: {metrics: [{name: y}]}")
    given = _given(raw, "metrics", list, "objective.")
    weights = _given(raw, "weights", list, "objective.") or [None] * len(given)
    if len(weights) != len(given):
        raise UsageError(f"the configuration has {len(weights)} weights for {len(given)} metrics")
    metrics = []
    for one, weight in zip(given, weights, strict=True):
        metric = _metric(one)
        metric.weight = weight if weight is not None else metric.weight
        metrics.append(metric)
    return Objective(
        metrics,
        list(_given(raw, "outcome_constraints", list, "objective.")),
        list(_given(raw, "objective_thresholds", list, "objective.")),
        raw.get("minimize"),
    )


def _metric_given(raw: Any) -> Json:
    if not isinstance(raw, dict):
        raise UsageError(f"a metric of the configuration must be a mapping such as {{name: y}}, not {raw!r:.60}")
    return dict(raw)


def _metric(raw: Any) -> Metric:
    given = _metric_given(raw)
    if "lower_is_better" in given:
        given["minimize"] = given.pop("lower_is_better")
    if not given.get("name"):
        given["name"] = given.get("metric")
    if not given["name"]:
        raise UsageError("a metric of the configuration has neither a name nor a metric function")
    for key, kind in _OF_A_METRIC.items():
        _given(given, key, kind, f"the metric {given['name']!r:.40}: ")
    known = {part.name for part in fields(Metric)}
    return Metric(**{key: value for key, value in given.items() if key in known and value is not None})


def _parameters(raw: Any) -> dict[str, Json]:
    """Return parameters by name; a plain value is a fixed parameter."""
    if isinstance(raw, list) and all(isinstance(one, dict) and "name" in one for one in raw):
        raw = {
            _checked("the name of a parameter", one["name"], str): {
                key: value for key, value in one.items() if key != "name"
            }
            for one in raw
        }
    if not isinstance(raw, dict) or not raw:
        raise UsageError("the configuration has no parameters")
    return {
        str(name): dict(one) if isinstance(one, dict) else {"type": "fixed", "value": one} for name, one in raw.items()
    }


def _script_options(raw: Any, path: str | os.PathLike[str] | None) -> ScriptOptions:
    given = dict(raw)
    if given.get("run_cmd"):
        given["run_model"] = given.pop("run_cmd")
    for name in _OLD_COMMANDS:
        if f"{name}_run_cmd" in given:
            given[name] = given.pop(f"{name}_run_cmd")
    known = {part.name for part in fields(ScriptOptions)}
    options = ScriptOptions(**{key: value for key, value in given.items() if key in known and value is not None})
    for name in ("wrapper_name", *_PATHS):
        _given(given, name, str, "script_options.")
    base = Path.cwd() if path is None or options.rel_to_launch else Path(path).parent
    options.base_path = os.path.abspath(base)  # noqa: PTH100  (links stay)
    for name in _PATHS:
        value = getattr(options, name)
        if value:
            setattr(options, name, os.path.normpath(os.path.join(options.base_path, os.path.expanduser(value))))  # noqa: PTH111, PTH118
    return options


def _nested_parameters(body: Json, keys: Any) -> dict[str, Json]:
    """Return parameters that stand at several places of a file, under the names that BOA gives them."""
    found: dict[str, Json] = {}
    for key in [keys] if isinstance(keys, str) else _checked("parameter_keys", keys, list):
        try:
            path = [key] if isinstance(key, str) else list(key)
            place = body[path[0]]
            for step in path[1:]:
                place = place[step]
            items = place.items()
        except (KeyError, IndexError, TypeError, AttributeError):
            raise UsageError(f"parameter_keys names {key!r:.100}, where there are no parameters") from None
        for name, one in items:
            new = f"{'_'.join(str(step) for step in path)}_{name}"
            while new in found:
                new += "_0"
            found[new] = one
    return found


def _paths_taken(keys: Any) -> set[str]:
    if not keys:
        return set()
    return {str(key if isinstance(key, str) else key[0]) for key in ([keys] if isinstance(keys, str) else keys)}
