"""A wrapper around scripts in any language: BOA's way to call and read them, or SMAC's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.errors import UsageError
from runwright.status import FailureKind, TrialStatus
from runwright.wrappers import smac_line
from runwright.wrappers.base import BaseWrapper, PathLike
from runwright.wrappers.commands import command_words
from runwright.wrappers.job import Job, Step
from runwright.wrappers.layout import known_names, write_before
from runwright.wrappers.metric_functions import metric_settings
from runwright.wrappers.names import STDOUT
from runwright.wrappers.outputs import nothing_written, read_data, read_status, tail
from runwright.wrappers.placing import Files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwright.experiment import Experiment
    from runwright.result import Json
    from runwright.wrappers.config import Config
    from runwright.wrappers.view import TrialView

COMMANDS = ("write_configs", "run_model", "set_trial_status", "fetch_trial_data")
"""The commands of a script wrapper, in the order in which they are executed."""
FORMATS = ("boa", "smac")
_LONGEST_TAIL = 16 << 20


class ScriptWrapper(BaseWrapper):
    """Runs up to four commands for each trial, one after the other, in any language. ``run_model`` alone is enough.

    A command is one text, split as a shell would (but never given to one) with ``{{ x }}`` for a parameter, or a list
    of words with ``{x}``. ``trial_dir`` can be filled in too; it is also added as the last word. In that folder a
    script finds ``parameters.json``, ``trial.json`` and ``data.json``, and leaves ``output.json`` and, if it likes,
    ``trial_status.json``. See ``docs/wrapped.md``.

    Args:
        config_path: A BOA configuration file, or None.
        config: Its content, or None. Commands that are not given as keywords are taken from it.
        mk_exp_dir: Whether `mk_experiment_dir` is called.
        fetch_none_ok: Not needed here; BOA has it.
        *args: Passed on.
        run_model: Command that runs the model.
        write_configs: Command that is executed before it.
        set_trial_status: Command that is executed after it, again and again until a status or data are there.
        fetch_trial_data: Command that is executed last.
        format: ``boa``, or ``smac``: arguments ``--x=1.5``, and a last line ``cost=0.5; status=SUCCESS`` on stdout.
        metrics: Metric to the function that computes it, or to ``{function, arguments, param_names, properties}``.
        copy: Files that are copied into the folder of each trial.
        link: Files that are linked there.
        template: Text files that are copied there with ``{{ x }}`` filled in.
        working_dir: Folder in which the commands run. None: the folder of the trial; with a configuration file, the one
            that it names, or its own.
        here: Where relative paths start; the working folder that a configuration file names, or else the current one.
        pause: Seconds between two runs of ``set_trial_status``.
        **kwargs: Passed on.

    Raises:
        UsageError: One sentence about what is wrong.
    """

    declares_jobs = True

    def __init__(
        self,
        config_path: PathLike | None = None,
        config: Mapping[str, Any] | Config | None = None,
        mk_exp_dir: bool = True,
        fetch_none_ok: bool = False,
        *args: Any,
        run_model: str | Sequence[str] | None = None,
        write_configs: str | Sequence[str] | None = None,
        set_trial_status: str | Sequence[str] | None = None,
        fetch_trial_data: str | Sequence[str] | None = None,
        format: str = "boa",  # noqa: A002  (what it is called in the experiment file)
        metrics: Mapping[str, Any] | None = None,
        copy: Sequence[str] = (),
        link: Sequence[str] = (),
        template: Sequence[str] = (),
        working_dir: PathLike | None = None,
        here: PathLike | None = None,
        pause: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(config_path, config, mk_exp_dir, fetch_none_ok, *args, **kwargs)
        given = {
            "write_configs": write_configs,
            "run_model": run_model,
            "set_trial_status": set_trial_status,
            "fetch_trial_data": fetch_trial_data,
        }
        of_config = {} if self.config is None else self.config.script_options.commands
        self.commands = {name: given[name] or of_config.get(name) for name in COMMANDS}
        base = None if self.config is None else self.config.script_options.working_dir
        self.here = str(Path(here or base or ".").absolute())
        if working_dir is not None:
            self.working_dir = Path(self.here) / working_dir
        elif self.config is not None:
            self.working_dir = self.config.script_options.working_dir
        self.format = _one_of("format", format, FORMATS)
        if metrics is not None and not isinstance(metrics, Mapping):
            raise UsageError(
                f"metrics must be a mapping of metrics to functions, such as {{y: rmse}}, not {metrics!r:.60}"
            )
        try:
            self._metrics = {name: metric_settings(name, what) for name, what in (metrics or {}).items()}
        except UsageError as error:
            raise UsageError(f"metrics: {error}") from None
        self._files = Files(copy, link, template, self.here)
        self._steps = self._make_steps()
        self.given |= {
            **{name: _listed(command) for name, command in given.items()},
            "metrics": None if metrics is None else dict(metrics),
            "copy": list(copy),
            "link": list(link),
            "template": list(template),
            "format": format,
            "pause": pause,
            "working_dir": None if working_dir is None else str(working_dir),
            "here": None if here is None else str(here),
        }
        if not _is_positive(pause):
            raise UsageError(f"pause must be a positive number of seconds, not {pause!r:.40}")
        self._pause = float(pause)

    def _make_steps(self) -> tuple[Step, ...]:
        if not self.commands["run_model"]:
            raise UsageError("a script wrapper needs the command run_model")
        if self.format == "smac":
            others = [name for name in COMMANDS if name != "run_model" and self.commands[name]]
            if others:
                raise UsageError(f"a script of the format smac has the command run_model alone; remove {others[0]}")
        steps = []
        for name in COMMANDS:
            command = self.commands[name]
            if command:
                words = command_words(name, command) + (["{trial_dir}"] if self.format == "boa" else [])
                kinds = {"until_status": name == "set_trial_status", "needs_success": name == "fetch_trial_data"}
                steps.append(Step(name, tuple(words), **kinds))
        return tuple(steps)

    # What the configuration says, or the keywords.

    @property
    def metric_params(self) -> dict[str, list[str]]:
        """Metric to the names of the parameters that it is about."""
        return super().metric_params | {name: one["param_names"] for name, one in self._metrics.items()}

    @property
    def metric_properties(self) -> dict[str, Any]:
        """Metric to its properties."""
        own = {name: one["properties"] for name, one in self._metrics.items() if one["properties"]}
        return super().metric_properties | own

    def metric_functions(self) -> dict[str, tuple[str, Json]]:
        """Return, by metric, how it is computed from what a script gives, and with which arguments."""
        own = {name: (one["function"], one["arguments"]) for name, one in self._metrics.items()}
        return super().metric_functions() | own

    def check(self, experiment: Experiment) -> None:
        """Check metrics and files.

        Raises:
            UsageError: Something is wrong.
        """
        super().check(experiment)
        self._files.check(known_names(experiment))
        for name in smac_line.ARGUMENTS if self.format == "smac" else ():
            if name in experiment.parameters:
                gets = f"a script of SMAC gets --{name} for the trial"
                raise UsageError(f"{gets}; give the parameter {name!r} another name")
        for metric, names in self.metric_params.items():
            for name in names:
                if name not in experiment.parameters:
                    raise UsageError(f"param_names of the metric {metric!r} has {name!r:.60}, which is no parameter")

    @property
    def quick(self) -> bool:
        """Whether its hooks are those of this class and put no files anywhere, so that they need no thread."""
        own = all(getattr(type(self), hook) is getattr(ScriptWrapper, hook) for hook in COMMANDS)
        return own and not self._files.any

    def declared_job(self) -> Job:
        """Return the job that every trial runs; of the format smac without the arguments."""
        return Job(self._steps, None if self.working_dir is None else str(self.working_dir), {}, self._pause)

    # The hooks.

    def write_configs(self, trial: TrialView) -> None:
        """Write ``data.json``, and put files into the trial's folder.

        ``parameters.json`` and ``trial.json`` are written just before the commands.
        """
        folder = _folder(trial)
        parameters = trial.parameters
        self._files.place(
            folder,
            {**parameters, "trial": trial.index, "attempt": trial.attempt, "trial_dir": str(folder), "here": self.here},
        )
        if self.format == "smac":
            return  # it reads its arguments
        of_metric = {
            metric: {name: parameters[name] for name in names} for metric, names in self.metric_params.items() if names
        }
        if of_metric:
            write_before(folder / "filtered_parameters.json", of_metric)
        data = {
            "parameters": parameters,
            "trial": trial.to_json(),
            "trial_index": trial.index,
            "trial_dir": str(folder),
            "filtered_parameters": of_metric,
            "param_names": self.metric_params,
            "metric_properties": self.metric_properties,
        }
        write_before(folder / "data.json", data)

    def run_model(self, trial: TrialView) -> Job:
        """Return the commands as a job."""
        job = self.declared_job()
        if self.format != "smac":
            return replace(job, about=trial.to_json())
        step = job.steps[0]
        words = (*step.argv, *smac_line.arguments(trial, trial.parameters))  # type: ignore[arg-type]  # a view of one
        return replace(job, steps=(replace(step, argv=words),))

    def set_trial_status(self, trial: TrialView) -> None:
        """Mark the trial by what the script left: data without a status mean that it is complete.

        Raises:
            InvalidResultError: What it left cannot be read.
        """
        if self.format == "smac":
            self._smac_status(trial)
            return
        found = read_status(_folder(trial))
        if found is None:
            trial.mark_failed(nothing_written(), kind=FailureKind.INVALID_RESULT)
            return
        name, status = found
        if status is None:
            trial.mark_completed()
        elif status is TrialStatus.FAILED:
            trial.mark_failed(f"{name} says that it failed")
        else:
            trial.mark_as(status, reason=f"{name} says so")

    def _smac_status(self, trial: TrialView) -> None:
        answer = smac_line.parse(tail(_folder(trial) / STDOUT, _LONGEST_TAIL))
        trial.seconds = answer.runtime
        kind = smac_line.FAILURES.get(answer.status)
        if kind is None:
            trial.mark_completed()
            return
        said = answer.info.get("additional_info")
        trial.mark_failed(f"its last line says status={answer.status}" + (f": {said}" if said else ""), kind=kind)

    def fetch_trial_data(self, *, trial: TrialView, **_: Any) -> Json:
        """Return what the script measured.

        Raises:
            InvalidResultError: It left nothing, or nothing that can be read.
        """
        if self.format == "smac":
            answer = smac_line.parse(tail(_folder(trial) / STDOUT, _LONGEST_TAIL))
            return answer.metrics(list(trial.experiment.objectives))
        return read_data(_folder(trial))


def _folder(trial: TrialView) -> Path:
    if trial.trial_dir is None:
        raise UsageError("scripts need a run directory, because they outlive the driver; give directory=...")
    return trial.trial_dir


def _listed(command: str | Sequence[str] | None) -> str | list[str] | None:
    return command if command is None or isinstance(command, str) else list(command)


def _is_positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _one_of(name: str, value: object, known: Sequence[str]) -> str:
    if value not in known:
        raise UsageError(f"{name} must be one of {', '.join(known)}, not {value!r:.40}")
    return str(value)
