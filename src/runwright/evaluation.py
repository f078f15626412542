"""Calls an evaluation function: catches everything that it does, and measures it.

A function takes the parameters as one mapping or as keywords, by its signature, and ``seed``, ``instance`` and
``budget`` where its signature has them. In an open experiment, whose points may have more than a search space has, an
argument beside the mapping gets the parameter of its name. What it may return stands in `measurements`.
"""

from __future__ import annotations

import inspect
import traceback
from math import isfinite
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, NoReturn

from runwright.clock import epoch
from runwright.errors import InvalidResultError, UsageError
from runwright.experiment import stable_seed
from runwright.function_reference import FunctionReference
from runwright.measurements import clean, finite, read_result, read_returned
from runwright.result import Result, check_objectives
from runwright.status import FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from runwright.experiment import Experiment
    from runwright.result import Json, Metrics
    from runwright.trial import Arm, BaseTrial

__all__ = ["Evaluation", "FunctionReference", "evaluate"]

_LONGEST_MESSAGE = 500
_LONGEST_TRACEBACK = 20_000
_OPTIONAL = ("seed", "instance", "budget")
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


_NO_RESULT = {
    "a coroutine (async def)": inspect.iscoroutinefunction,
    "a generator (it has a yield)": inspect.isgeneratorfunction,
    "an asynchronous generator": inspect.isasyncgenfunction,
}


class Evaluation:
    """A function, and how it is called for an experiment.

    Args:
        function: The evaluation function.
        keep: Called with the name of each arm and what the function returned for it.
    """

    def __init__(self, function: Callable[..., Any], keep: Callable[[str, Any], None] | None = None) -> None:
        self.function = function
        self._keep = keep
        self._experiment: Experiment | None = None
        self._plan = _Plan()
        self._names: tuple[str, ...] | None = None

    def prepare(self, experiment: Experiment) -> None:
        """Find out how the function is called; in an open experiment each point says anew.

        Raises:
            UsageError: It cannot be called with the parameters of the experiment; the sentence names the argument.
        """
        for kind, is_kind in _NO_RESULT.items():
            if is_kind(self.function):
                raise UsageError(f"the function {_name(self.function)!r} is {kind}: a call must return the result")
        if not experiment.is_open:
            self._plan = _Plan.of(self.function, experiment.parameters)
            if experiment.conditional and not self._plan.mapping:
                _check_defaults(self.function, experiment)
        self._experiment = experiment

    def _plan_for(self, parameters: Mapping[str, Any]) -> _Plan:
        names = tuple(parameters)
        if names != self._names:
            self._plan, self._names = _Plan.of(self.function, names, named=True), names
        return self._plan

    def __call__(self, trial: BaseTrial) -> Result:
        """Evaluate a trial; nothing that the function does is raised, but KeyboardInterrupt."""
        started, wall, cpu = epoch(), perf_counter(), process_time()
        children = getrusage(RUSAGE_CHILDREN)
        result = self.unmeasured(trial)
        after = getrusage(RUSAGE_CHILDREN)
        seconds = perf_counter() - wall
        if result.seconds is None:
            result.seconds = seconds
        if result.cpu_seconds is None:
            children_seconds = after[0] + after[1] - children[0] - children[1]
            result.cpu_seconds = process_time() - cpu + children_seconds
        if result.started is None:
            result.started = started
        if result.ended is None:
            result.ended = started + seconds
        return result

    def unmeasured(self, trial: BaseTrial) -> Result:
        """Evaluate a trial likewise, without looking at a clock: for simulated time."""
        try:
            if len(trial.arms) == 1 and self._experiment is trial.experiment:
                return self._arm(trial, trial.arms[0])
            return self._evaluate(trial)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  (whatever a function raises is that trial's failure)
            return _crashed(error)

    def _evaluate(self, trial: BaseTrial) -> Result:
        if self._experiment is not trial.experiment:
            try:
                self.prepare(trial.experiment)
            except UsageError as error:
                return Result.failed(FailureKind.CRASHED, str(error))
        if len(trial.arms) == 1:
            return self._arm(trial, trial.arms[0])
        arms: dict[str, Metrics] = {}
        info: Json = {}
        for arm in trial.arms:
            part = self._arm(trial, arm)
            if part.failure is not None:
                kind, message = part.failure.kind, f"arm {arm.name!r}: {part.failure.message}"
                return Result.failed(kind, message, additional_info=part.additional_info)
            arms.update(part.arms)
            if part.additional_info:
                info[arm.name] = part.additional_info
        return Result(arms=arms, additional_info=info or None)

    def _arm(self, trial: BaseTrial, arm: Arm) -> Result:
        """Evaluate one point. An exception of the function is passed on for a sole arm alone."""
        try:
            plan = self._plan_for(arm.parameters) if trial.experiment.is_open else self._plan
        except UsageError as error:
            return Result.failed(FailureKind.CRASHED, str(error))
        try:
            returned = (
                self.function(**arm.parameters) if plan.by_name else plan.call(self.function, trial, arm.parameters)
            )
        except Exception as error:
            if len(trial.arms) == 1:
                raise
            return _crashed(error)
        if self._keep is not None:
            self._keep(arm.name, returned)
        return result_of(returned, arm.name, trial.experiment.objectives)


def result_of(returned: Any, arm: str, objectives: Mapping[str, str]) -> Result:
    """Return the result of one arm, or the failure that what its evaluation returned is none.

    Args:
        returned: What the evaluation returned.
        arm: Name of the arm.
        objectives: The objectives of the experiment.
    """
    if type(returned) is float and isfinite(returned) and len(objectives) == 1:  # by far the most common
        (name,) = objectives
        return Result({arm: {name: (returned, None)}})
    try:
        if isinstance(returned, Result):
            return _own_result(returned, arm, objectives)
        metrics, info = read_returned(returned, objectives)
        result = Result(arms={arm: metrics}, additional_info=info or None)
        check_objectives(result, objectives, (arm,))
    except InvalidResultError as error:
        return Result.failed(FailureKind.INVALID_RESULT, clean(str(error)))
    except Exception as error:  # noqa: BLE001  (reading calls methods of what the user returned)
        what = f"what the evaluation returned cannot be read: {_sentence(error)}"
        return Result.failed(FailureKind.INVALID_RESULT, what, additional_info={"traceback": _traceback(error)})
    return result


_latest: Evaluation | None = None


def evaluate(function: Callable[..., Any], trial: BaseTrial) -> Result:
    """Evaluate a trial: call the function once for each arm, catch everything, measure.

    Args:
        function: The evaluation function.
        trial: What to evaluate.

    Returns:
        Measurements, or a failure: CRASHED with the traceback in ``additional_info``, or INVALID_RESULT with a
        sentence that names the metric. KeyboardInterrupt alone is raised.
    """
    global _latest  # noqa: PLW0603  (one signature is remembered: a process evaluates one function as a rule)
    evaluation = _latest
    if evaluation is None or evaluation.function is not function:
        evaluation = _latest = Evaluation(function)
    return evaluation(trial)


class _Plan:
    """How a function takes its arguments.

    Attributes:
        mapping: Whether the parameters are given as one mapping.
        positional: Parameters that are given by position.
        named: Parameters that are given by name beside the mapping.
        extras: Which of seed, instance and budget it takes, and whether each is required.
        by_name: Whether it takes the parameters as keywords, and nothing else.
    """

    __slots__ = ("by_name", "extras", "mapping", "named", "positional")

    def __init__(
        self,
        *,
        mapping: bool = True,
        positional: tuple[str, ...] = (),
        named: tuple[str, ...] = (),
        extras: Mapping[str, bool] | None = None,
    ) -> None:
        self.mapping = mapping
        self.positional = positional
        self.named = named
        self.extras = extras or {}
        self.by_name = not (mapping or positional or extras)

    @classmethod
    def of(cls, function: Callable[..., Any], known: Collection[str], *, named: bool = False) -> _Plan:
        try:
            arguments = inspect.signature(function).parameters
        except (TypeError, ValueError):
            return cls()  # written in C without a signature
        required = {
            name: a for name, a in arguments.items() if a.default is a.empty and a.kind in (*_POSITIONAL, *_BY_NAME)
        }
        extras = {name: name in required for name in _OPTIONAL if name in arguments and name not in known}
        extras = {name: needed for name, needed in extras.items() if arguments[name].kind in _BY_NAME}
        needed = [name for name in required if name not in extras]
        kinds = {argument.kind for argument in arguments.values()}
        first = next(iter(arguments.values()), None)
        if first is not None and (first.name not in known or first.kind is inspect.Parameter.VAR_POSITIONAL):
            beside = tuple(name for name, a in arguments.items() if named and name in known and a.kind in _BY_NAME)
            alone = first.kind in _POSITIONAL and [name for name in needed if name not in beside] == [first.name]
            starred = not needed and inspect.Parameter.VAR_KEYWORD not in kinds
            if alone or (starred and first.kind is inspect.Parameter.VAR_POSITIONAL):
                return cls(mapping=True, named=beside, extras=extras)
        for name in needed:
            if name not in known:
                _refuse(function, known, f"its required argument {name!r} is no parameter of the experiment")
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            for name in known:
                if name not in arguments or arguments[name].kind not in (*_POSITIONAL, *_BY_NAME):
                    _refuse(function, known, f"it takes no argument {name!r}")
        by_position = inspect.Parameter.POSITIONAL_ONLY
        positional = tuple(name for name, a in arguments.items() if a.kind is by_position and name in known)
        return cls(mapping=False, positional=positional, extras=extras)

    def call(self, function: Callable[..., Any], trial: BaseTrial, parameters: dict[str, Any]) -> Any:
        extras = self._extras(trial)
        if self.mapping:
            named = {name: parameters[name] for name in self.named}
            return function(dict(parameters), **named, **extras)
        if not self.positional:
            return function(**parameters, **extras)
        rest = {name: value for name, value in parameters.items() if name not in self.positional}
        return function(*[parameters[name] for name in self.positional], **rest, **extras)

    def _extras(self, trial: BaseTrial) -> Json:
        """Return seed, instance and budget; where the trial has none, the function's own default holds."""
        extras: Json = {}
        for name, required in self.extras.items():
            value = getattr(trial, name)
            if name == "seed" and value is None:
                value = stable_seed(trial.experiment.seed, "evaluation", trial.index) % 2**31
            if value is not None or required:
                extras[name] = value
        return extras


def _check_defaults(function: Callable[..., Any], experiment: Experiment) -> None:
    """Check that what is not in every point has a default, and a name by which it is given."""
    for name, parameter in experiment.parameters.items():
        argument = inspect.signature(function).parameters.get(name)
        if parameter.when is None or argument is None or argument.kind not in (*_POSITIONAL, *_BY_NAME):
            continue  # in every point, or taken by **rest, whatever that is called
        if argument.default is argument.empty or argument.kind is argument.POSITIONAL_ONLY:
            _refuse(function, experiment.parameters, f"{name!r} is not in every point (when), so it needs a default")


def _refuse(function: Callable[..., Any], known: Collection[str], why: str) -> NoReturn:
    parameters = ", ".join(list(known)[:10])
    raise UsageError(
        f"the function {_name(function)!r} cannot be called with the parameters ({parameters}): {why}; "
        "take each as a keyword, or all as one mapping"
    )


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)


def _own_result(returned: Result, arm: str, objectives: Mapping[str, str]) -> Result:
    """Take a result that the function made itself, under the name of the arm."""
    measured: dict[str, Any] = {}
    for name in ("seconds", "cpu_seconds", "peak_memory", "started", "ended"):
        value = getattr(returned, name)
        if value is not None:
            measured[name] = value if type(value) is int else finite(value, name)
    if returned.failure is not None:
        _, info = read_result(Result(additional_info=returned.additional_info), {"": ""})
        return Result(failure=returned.failure, additional_info=info or None, **measured)
    metrics, info = read_result(returned, objectives)
    result = Result(arms={arm: metrics}, additional_info=info or None, **measured)
    check_objectives(result, objectives, (arm,))
    return result


def _crashed(error: BaseException) -> Result:
    if isinstance(error, SystemExit):
        code = "" if error.code is None else f"{error.code!r:.80}"
        message = f"the function called sys.exit({clean(code)})"
    else:
        message = _sentence(error)
    return Result.failed(FailureKind.CRASHED, message, additional_info={"traceback": _traceback(error)})


def _sentence(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  (a user's __str__ may raise anything)
        text = "(its text cannot be shown)"
    if len(text) > _LONGEST_MESSAGE:
        text = text[:_LONGEST_MESSAGE] + " ..."
    name = type(error).__name__
    return clean(f"{name}: {text}" if text else name)


def _traceback(error: BaseException) -> str:
    """Return the traceback without our own frames; of a long one the end."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals is globals():
        frames = frames.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, frames or error.__traceback__))
    except Exception as trouble:  # noqa: BLE001  (a user's exception may break anything that formats it)
        return f"the traceback cannot be shown: {type(trouble).__name__}"
    text = clean(text)
    return text if len(text) <= _LONGEST_TRACEBACK else "...\n" + text[-_LONGEST_TRACEBACK:]
