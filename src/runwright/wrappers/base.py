"""What a wrapper is: the hooks that the runner calls for each trial."""

from __future__ import annotations

import copy
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from runwright.clock import epoch
from runwright.function_reference import FunctionReference
from runwright.wrappers.config import Config, load_jsonlike

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runwright.experiment import Experiment
    from runwright.result import Json
    from runwright.wrappers.job import Job
    from runwright.wrappers.view import TrialView

PathLike = str | os.PathLike[str]


class BaseWrapper:
    """Wraps a model: subclass it and override the hooks.

    For each attempt `write_configs` and then `run_model` are called, in a thread of the driver with a current folder of
    its own; then `set_trial_status` until it marks the trial, and then `fetch_trial_data`. A hook that raises is the
    failure of that trial alone.

    Args:
        config_path: A BOA configuration file, or None.
        config: Its content, or None.
        mk_exp_dir: Whether `mk_experiment_dir` is called.
        fetch_none_ok: Whether `fetch_trial_data` may return None.
        *args: Passed on to `load_config` and `mk_experiment_dir`.
        **kwargs: The same; ``metric_names`` is kept.

    Attributes:
        survives_driver: Whether what `run_model` starts goes on without the driver, and `set_trial_status` recognises
            it by what is on disk. If not, a trial is run again where the driver died.
        declares_jobs: Whether `run_model` starts nothing itself and only returns a `Job`.
    """

    survives_driver: bool = True
    declares_jobs: bool = False

    def __init__(
        self,
        config_path: PathLike | None = None,
        config: Mapping[str, Any] | Config | None = None,
        mk_exp_dir: bool = True,
        fetch_none_ok: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self.config_path = config_path
        self.fetch_none_ok = fetch_none_ok
        self.metric_names: list[str] = list(kwargs.get("metric_names") or ())
        self.model_settings: Any = None
        self.script_options: Any = None
        self.given: Json = {"config_path": None if config_path is None else str(config_path), **kwargs}
        self._experiment_dir: Path | None = None
        self._lent_dir: Path | None = None
        self._working_dir: Path | None = None
        self._output_dir: Path | None = None
        self._config: Any = None
        if isinstance(config, Config):
            self.config = config
            self.given["config"] = config.orig_config or config.to_dict()
        elif config or config_path:
            raw = copy.deepcopy(dict(config)) if config else load_jsonlike(config_path or "")
            if config:
                self.given["config"] = copy.deepcopy(raw)
            loaded = self.load_config(*args, **{"config_path": config_path, "raw_config": raw, **kwargs})
            if loaded is not None:  # else the hook has set it
                self.config = loaded
        if mk_exp_dir and self.config is not None:
            made = self.mk_experiment_dir(*args, **kwargs)
            if made and self.experiment_dir is None:
                self.experiment_dir = made
        self.setup()

    # What a hook finds.

    @property
    def config(self) -> Any:
        """The configuration, or None."""
        return self._config

    @config.setter
    def config(self, config: Any) -> None:
        self._config = config
        self.model_settings = getattr(config, "model_options", None)
        self.script_options = getattr(config, "script_options", None)

    @property
    def experiment_dir(self) -> Path | None:
        """Folder in which ``000000`` leads to the first trial; the runner sets it where the wrapper has none."""
        return self._experiment_dir or self._lent_dir

    @experiment_dir.setter
    def experiment_dir(self, path: PathLike | None) -> None:
        self._experiment_dir = _absolute(path)

    @property
    def working_dir(self) -> Path | None:
        """Current folder of the hooks; where it is None, that of the configuration file."""
        return self._working_dir

    @working_dir.setter
    def working_dir(self, path: PathLike | None) -> None:
        self._working_dir = _absolute(path)

    @property
    def output_dir(self) -> Path | None:
        """Folder of all experiments, where one was given."""
        return self._output_dir

    @output_dir.setter
    def output_dir(self, path: PathLike | None) -> None:
        self._output_dir = _absolute(path)

    @property
    def metric_params(self) -> dict[str, list[str]]:
        """Metric to the names of the parameters that it is about."""
        return {} if self.config is None else {one.name: one.param_names for one in self.config.objective.metrics}

    @property
    def metric_properties(self) -> dict[str, Any]:
        """Metric to the properties that the configuration gives it."""
        metrics = () if self.config is None else self.config.objective.metrics
        return {one.name: one.properties for one in metrics if one.properties}

    def metric_functions(self) -> dict[str, tuple[str, Json]]:
        """Return, by metric, how it is computed from what `fetch_trial_data` gives, and with which arguments.

        Raises:
            UsageError: The configuration names a function that is not known.
        """
        metrics = () if self.config is None else self.config.objective.metrics
        return {one.name: (one.function, dict(one.metric_func_kwargs or {})) for one in metrics}

    @classmethod
    def path(cls) -> Path | None:
        """Return the file in which the class stands."""
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        return None if file is None else Path(file)

    # The hooks.

    def load_config(
        self,
        config_path: PathLike | None = None,
        raw_config: Mapping[str, Any] | None = None,
        *args: Any,  # noqa: ARG002  (for those who override it)
        **kwargs: Any,  # noqa: ARG002
    ) -> Any:
        """Make the configuration.

        Args:
            config_path: The file, or None.
            raw_config: Its content.
            *args: What the constructor was given besides.
            **kwargs: The same.

        Returns:
            The configuration; None where the hook has set `config` itself.

        Raises:
            UsageError: It is wrong.
        """
        if raw_config is None:
            return Config.from_jsonlike(config_path or "")
        return Config.from_dict(raw_config, config_path)

    def mk_experiment_dir(
        self,
        experiment_dir: PathLike | None = None,
        output_dir: PathLike | None = None,
        experiment_name: str | None = None,
        append_timestamp: bool | None = None,
        **kwargs: Any,  # noqa: ARG002  (for those who override it)
    ) -> Path | None:
        """Make the folder of the experiment.

        Args:
            experiment_dir: The folder; the configuration's where it is None.
            output_dir: The folder above it, in place of it.
            experiment_name: Its name in ``output_dir``.
            append_timestamp: Whether the time is added to its name; the configuration's word where it is None.
            **kwargs: What the constructor was given besides.

        Returns:
            The folder; None where no folder was named: then the runner takes one in the run directory.
        """
        options = self.script_options
        place = experiment_dir or getattr(options, "experiment_dir", None)
        above = output_dir or getattr(options, "output_dir", None)
        if place is None and above is None:
            return None
        if append_timestamp is None:
            append_timestamp = getattr(options, "append_timestamp", True)
        if place is None:
            self.output_dir = above
            place = Path(above) / (experiment_name or getattr(options, "exp_name", None) or "boa_runs")  # type: ignore[arg-type]  # not both are None
        now = datetime.fromtimestamp(epoch(), tz=UTC).astimezone()
        stamp = f"_{now:%Y%m%dT%H%M%S}" if append_timestamp else ""
        made = _absolute(f"{os.fspath(place)}{stamp}")
        assert made is not None, "it has a name"
        made.mkdir(parents=True, exist_ok=True)
        return made

    def setup(self) -> None:
        """Get ready; the configuration is there. Called at the end of the constructor."""

    def write_configs(self, trial: TrialView) -> None:
        """Write what the model reads for this trial."""

    def run_model(self, trial: TrialView) -> Any:
        """Run the model.

        Args:
            trial: The trial; `TrialView.trial_dir` is the folder of its attempt.

        Returns:
            A `Job` or the words of a command: it is executed under a supervisor, outlives the driver, has limits and is
            found again. Anything else: the hook has started the model by itself, or run it.
        """
        raise NotImplementedError("the wrapper has no run_model; subclass BaseWrapper and override it")

    def set_trial_status(self, trial: TrialView) -> None:
        """Mark the trial if it has ended.

        It is called again from time to time until it does; a `Job` has ended with success before it is called first.
        This default is for models that have ended when `run_model` has returned, or when their job has.

        Args:
            trial: The trial, to be marked: ``trial.mark_completed()``, ``trial.mark_failed(reason)``,
                ``trial.mark_as(3)`` ...
        """
        trial.mark_completed()

    def fetch_trial_data(
        self,
        *,
        parameters: dict[str, Any],
        metric_name: str,
        metric_properties: dict[str, Any],
        trial: TrialView,
        param_names: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the data of one metric, or of all at once.

        Args:
            parameters: Parameters of the trial.
            metric_name: The metric that is asked for.
            metric_properties: Properties of all metrics.
            trial: The trial.
            param_names: Names of the parameters that the metric is about.
            **kwargs: For later.

        Returns:
            A number, ``(mean, sem)``, the arguments of the metric's function (``sem`` among them), or a mapping of
            metrics to any of these.
        """
        raise NotImplementedError("the wrapper has no fetch_trial_data; subclass BaseWrapper and override it")

    def stop_model(self, trial: TrialView) -> None:
        """End what `run_model` has started by itself. Override it to make trials stoppable; a `Job` needs nothing."""

    # For the runner.

    def check(self, experiment: Experiment) -> None:
        """Check what can be known before the first trial.

        Raises:
            UsageError: Something is wrong.
        """
        del experiment
        self.metric_functions()

    def lend_experiment_dir(self, path: Path) -> None:
        """Take a folder of the run directory as `experiment_dir`, unless the wrapper has one of its own."""
        self._lent_dir = path

    def declared_job(self) -> Job | None:
        """Return the job that every trial runs, where that is known beforehand."""
        return None

    def to_dict(self) -> Json:
        """Return class and constructor's arguments, as JSON.

        Raises:
            UsageError: The class has no name by which another process could import it.
        """
        return {
            "__type": type(self).__name__,
            "name": type(self).__name__,
            "type": _reference(type(self)),
            "config_path": None if self.config_path is None else str(self.config_path),
            "experiment_dir": None if self._experiment_dir is None else str(self._experiment_dir),
            "working_dir": None if self.working_dir is None else str(self.working_dir),
            "output_dir": None if self.output_dir is None else str(self.output_dir),
            "metric_names": list(self.metric_names),
            "args": dict(self.given),
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Self:
        """Build a wrapper from what `to_dict` gave; its folders are the same again.

        Raises:
            UsageError: Its class does not import.
        """
        found: Any = FunctionReference.of(body["type"]).load()
        wrapper: Self = found(**body["args"], mk_exp_dir=False)
        for name in ("experiment_dir", "working_dir", "output_dir"):
            if body.get(name) is not None:
                setattr(wrapper, name, body[name])
        return wrapper


def _reference(cls: type[BaseWrapper]) -> str:
    """Return the reference of a class; one that was loaded from a script is found by the file."""
    reference, file = FunctionReference.of(cls), cls.path()
    if reference.source.startswith("_script_") and file is not None:
        return f"{file}:{reference.qualname}"
    return reference.text


def _absolute(path: PathLike | None) -> Path | None:
    return None if not path else Path(os.path.abspath(path))  # noqa: PTH100  (links stay, ".." goes)
