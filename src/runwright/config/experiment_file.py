"""An experiment file, checked, and the parts of a run that are made from it."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from runwright import optimizers
from runwright.config.failures import make_rules
from runwright.config.importing import check_not_taken, put_first
from runwright.config.models import FilePart, is_text
from runwright.config.runners import RunnerRequest, SettingError, build, check_limits, default_kind, takes_component
from runwright.config.sentences import first_error, nearest
from runwright.config.source import Source
from runwright.errors import ExperimentFileError, UsageError
from runwright.evaluation import Evaluation, FunctionReference
from runwright.experiment import Choice, Experiment, Float, Int, check_name
from runwright.loop.policy import Policy
from runwright.parameters import check_condition
from runwright.process.command import Command, check_argument, check_variable, literal
from runwright.process.reading import Reading
from runwright.runner import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runwright.config.models import ParameterPart
    from runwright.experiment import Parameter
    from runwright.optimizer import Optimizer
    from runwright.result import Json
    from runwright.runner import Runner


def load(path: Path | str, *, check: bool = True) -> ExperimentFile:
    """Read an experiment file and check it.

    Args:
        path: The file.
        check: Also check what is beside the file: import the function, find the program, make the optimizer. Without
            it only what the file says is checked, quickly; making the parts checks the rest.

    Raises:
        ExperimentFileError: One sentence with file, key and line.
    """
    found = ExperimentFile(Path(path))
    if check:
        found.check()
    return found


class ExperimentFile:
    """What an experiment file says.

    Args:
        path: The file.

    Attributes:
        path: The file.
        here: Its folder; relative paths in the file start from it.
        name: Name of the experiment.
        enqueue: Points that are tried first.

    Raises:
        ExperimentFileError: One sentence with file, key and line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.here = Path(os.path.abspath(path)).parent  # noqa: PTH100  (links stay, ".." goes)
        except FileNotFoundError:
            what = "the current folder has been removed; change to another, or give the whole path of the file"
            raise ExperimentFileError(what, file=path) from None
        self._source = Source(path)
        try:
            self._part = FilePart.model_validate(self._source.plain(is_text))
        except ValidationError as error:
            raise first_error(self._source, error) from None
        self.name = self._part.name
        self._experiment = self._make_experiment()
        self.enqueue = [self._point(index, point) for index, point in enumerate(self._part.enqueue)]
        self._limits = self._make_limits()
        self._policy = self._make_policy()

    @property
    def directory(self) -> Path:
        """The run directory: what the file says, or ``runs/<name>`` beside it."""
        return self.here / (self._part.directory or f"runs/{self.name}")

    @property
    def sync(self) -> Literal["full", "normal"] | None:
        """What the journal survives; None: the runner's kind."""
        return self._part.sync

    def experiment(self) -> Experiment:
        """Return the experiment."""
        return self._experiment

    def policy(self) -> Policy:
        """Return how many, how often, how long."""
        return self._policy

    def runner(self) -> Runner:
        """Make the runner.

        Raises:
            ExperimentFileError: It does not fit what is run, or cannot enforce a limit.
        """
        part = self._part
        kind = part.runner.type or default_kind(
            command=part.evaluate.command is not None,
            wrapper=part.evaluate.wrapper is not None,
            parallel=part.runner.parallel,
            limited=part.limits.model_fields_set - {"grace"},
        )
        with self._at("runner"):
            runner = build(kind, self._request(), part.runner.model_extra or {})
        with self._at("limits"):
            check_limits(kind, runner.traits, self._limits, part.limits.model_fields_set)
        return runner

    def optimizer(self) -> Optimizer:
        """Make the optimizer.

        Raises:
            ExperimentFileError: It is unknown, refuses a setting, or needs a library that is missing.
        """
        part = self._part.optimizer
        known = optimizers.kinds()
        if part.type not in known:
            what = f"there is no optimizer {part.type!r:.60}; {nearest(part.type, known)}"
            raise self._source.error(("optimizer", "type"), what)
        settings = part.model_extra or {}
        try:
            return optimizers.create(part.type, seed=part.seed, **settings)
        except Exception as error:
            sentence = str(error) if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
            raise self._source.error(("optimizer", *_named(settings, sentence)), sentence) from error

    def definition(self) -> Json:
        """Return what must not change between two drivers: the experiment and the optimizer, as JSON.

        How a trial is evaluated is no part of it: a script may be mended.
        """
        return {"experiment": self._experiment.to_dict(), "optimizer": self._set_up_optimizer().describe()}

    def check(self) -> None:
        """Check what stands beside the file: function, program, runner, limits, optimizer.

        Raises:
            ExperimentFileError: One sentence with file, key and line.
        """
        from runwright.loop.scheduler import check_fit

        evaluate = self._part.evaluate
        for name, value in (evaluate.env or {}).items():
            with self._at("evaluate", "env", name):
                check_variable(name, value)
        if evaluate.command is not None:
            self._check_command(evaluate.command, evaluate.env or {})
        elif evaluate.wrapper is None and not takes_component(self._part.runner.type):
            self._load_function()
        if evaluate.result is not None:
            with self._at("evaluate", "result", "pattern"):
                Reading(evaluate.result.model_dump(by_alias=True)).check(self._experiment)
        runner = self.runner()
        with self._at("runner", "type"):
            check_fit(self._experiment, runner, self._policy)
        self._set_up_optimizer()

    # Parts.

    def _set_up_optimizer(self) -> Optimizer:
        optimizer = self.optimizer()
        try:
            optimizer.setup(self._experiment)
        except UsageError as error:
            sentence, on_parameters = str(error), self._experiment.parameter_constraints
            unmet = any(repr(constraint.text) in sentence for constraint in on_parameters)
            raise self._source.error(("constraints" if unmet else "optimizer",), sentence) from error
        return optimizer

    def _make_experiment(self) -> Experiment:
        part = self._part
        with self._at("name"):
            check_name(part.name, "the name")
        for section in ("parameters", "objectives"):
            if not getattr(part, section):
                raise self._source.error((section,), f"it is empty; an experiment needs at least one {section[:-1]}")
            for name in getattr(part, section):
                with self._at(section, name):
                    check_name(name, "this name")
        parameters = {name: self._parameter(name, parameter) for name, parameter in part.parameters.items()}
        for name in parameters:
            with self._at("parameters", name, "when"):
                check_condition(name, parameters)
        with self._at("parameters"):
            experiment = Experiment(part.name, parameters, dict(part.objectives), seed=part.seed)
        for index, text in enumerate(part.constraints):
            with self._at("constraints", index):
                Experiment(part.name, parameters, dict(part.objectives), constraints=[text])
        return experiment if not part.constraints else self._constrained(experiment)

    def _constrained(self, experiment: Experiment) -> Experiment:
        part = self._part
        with self._at("constraints"):
            return Experiment(
                part.name, experiment.parameters, experiment.objectives, seed=part.seed, constraints=part.constraints
            )

    def _parameter(self, name: str, part: ParameterPart) -> Parameter:
        """Make a parameter; field by field, so that an error is about the right one."""
        where = ("parameters", name)
        if part.type == "choice":
            with self._at(*where, "values"):
                choice = Choice(part.values or ())
            with self._at(*where, "default"):
                choice = Choice(choice.values, part.default)
            with self._at(*where, "when"):
                return Choice(choice.values, choice.default, when=part.when)
        kind: type[Float | Int] = Float if part.type == "float" else Int
        assert part.bounds is not None, "the model has refused it"
        low, high = part.bounds
        with self._at(*where, "bounds"):
            kind(low, high)
        with self._at(*where, "log" if not part.log or low > 0 else "bounds"):
            kind(low, high, log=part.log)
        with self._at(*where, "default"):
            kind(low, high, log=part.log, default=part.default)
        with self._at(*where, "when"):
            return kind(low, high, log=part.log, default=part.default, when=part.when)

    def _point(self, index: int, point: dict[str, Any]) -> dict[str, Any]:
        for name in point:
            if name not in self._experiment.parameters:
                what = f"there is no such parameter; {nearest(name, self._experiment.parameters)}"
                raise self._source.error(("enqueue", index, name), what)
        for name, parameter in self._experiment.parameters.items():
            with self._at("enqueue", index, name):
                if name in point:
                    parameter.validate(point[name])
                elif parameter.default is None and parameter.when is None:
                    raise UsageError("it is missing in this point, and has no default")
        with self._at("enqueue", index):
            return dict(self._experiment.validate(point))

    def _make_limits(self) -> Limits:
        part = self._part.limits
        return Limits(**{name: getattr(part, name) for name in part.model_fields_set})

    def _make_policy(self) -> Policy:
        part, stop = self._part, self._part.stop
        given = {"failure_rate_after": stop.failure_rate_after} if stop.failure_rate_after is not None else {}
        with self._at():
            return Policy(
                trials=stop.trials,
                parallel=part.runner.parallel,
                on_failure=make_rules(self._source, part.on_failure, part.objectives),
                failure_rate=stop.failure_rate,
                seconds=stop.time,
                limits=self._limits,
                **given,
            )

    def _request(self) -> RunnerRequest:
        part = self._part
        evaluate = part.evaluate
        return RunnerRequest(
            experiment=self._experiment,
            here=self.here,
            parallel=part.runner.parallel,
            function=None if evaluate.function is None else self._reference().text,
            command=evaluate.command,
            load_wrapper=None if evaluate.wrapper is None else self._import_wrapper,
            load=self._load_function,
            env=evaluate.env,
            result=None if evaluate.result is None else evaluate.result.model_dump(by_alias=True),
            success_codes=evaluate.success_codes or (0,),
            load_component=None if evaluate.function is None else self._import_function,
        )

    # What is evaluated.

    def _reference(self, key: str = "function") -> FunctionReference:
        text: str = getattr(self._part.evaluate, key) or ""
        source, colon, name = text.rpartition(":")
        if source.endswith(".py"):
            text = f"{self.here / source}{colon}{name}"
        with self._at("evaluate", key):
            return FunctionReference.of(text)

    def _load_function(self) -> Callable[..., Any]:
        """Import the evaluation function, and see whether it fits."""
        function = self._import_function()
        with self._at("evaluate", "function"):
            Evaluation(function).prepare(self._experiment)
        return function

    def _import_wrapper(self) -> Callable[..., Any]:
        """Import the class of the wrapper."""
        from runwright.runners.wrapped import check_hooks

        found = self._import_function("wrapper")
        with self._at("evaluate", "wrapper"):
            if not isinstance(found, type):
                raise UsageError(f"{self._part.evaluate.wrapper!r:.200} is no class; a wrapper is a class with hooks")
            check_hooks(found, found.__name__)
        return found

    def _import_function(self, key: str = "function") -> Callable[..., Any]:
        """Import the function with the file's folder first on the path."""
        reference = self._reference(key)
        with self._at("evaluate", key):
            put_first(str(self.here))
            check_not_taken(reference.source, self.here)
            if reference.source.endswith(".py") and not Path(reference.source).exists():
                raise UsageError(f"there is no file {reference.source!r:.300}")
            return reference.load()

    def _check_command(self, command: list[str], env: dict[str, str]) -> None:
        """Check argument by argument, so that an error is about the right line."""
        some = literal([sys.executable])
        here = str(self.here)
        for name, value in env.items():
            with self._at("evaluate", "env", name):
                Command(some, {name: value}).check(self._experiment, here)
        path = {name: value for name, value in env.items() if name == "PATH"}
        for name, parameter in self._part.parameters.items():
            for index, choice in enumerate(parameter.values or ()):
                with self._at("parameters", name, "values", index):
                    check_argument(str(choice))
        for index, argument in enumerate(command):
            with self._at("evaluate", "command", index):
                Command([*some, argument] if index else [argument], path).check(self._experiment, here)

    @contextmanager
    def _at(self, *location: str | int) -> Iterator[None]:
        """Say of an error in the body where in the file it comes from."""
        try:
            yield
        except SettingError as error:
            raise self._source.error((error.part, error.key), str(error)) from None
        except UsageError as error:
            if isinstance(error, ExperimentFileError):
                raise  # it says already where it comes from
            raise self._source.error(location, str(error)) from error


def _named(settings: Json, sentence: str) -> tuple[str, ...]:
    """Return the setting of an optimizer that a sentence is about: the option that it names first, or the setting."""
    options = settings.get("options")
    for keys, above in ((options if isinstance(options, dict) else {}, ("options",)), (settings, ())):
        places = {key: re.search(rf"(?<!\w){re.escape(key)}(?!\w)", sentence) for key in keys}
        found = {key: place.start() for key, place in places.items() if place is not None}
        if found:
            return (*above, min(found, key=found.__getitem__))
    return ()
