"""The interface of submit and collect: how a foreign loop has its trials executed.

```
loop ── submit_trial(info) ──> run_wrapper(info) ──> run(config, instance, budget, seed)
loop <── iter_results() ── _results_queue <── (info, value) ──┘
```

A subclass that defines `AbstractRunner.run` alone executes one trial after the other, inside `submit_trial`.
`runwright.TrialQueue` is the one that executes on any `runwright.Runner`, in parallel, and survives its own death.
"""

from __future__ import annotations

import math
import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, NamedTuple

from runwright.clock import epoch
from runwright.errors import ContractError, InvalidResultError
from runwright.submission import StatusType, TrialValue, spread_crash_cost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runwright.submission import Cost, TrialInfo

_SHAPES = (
    "(status, cost, runtime, additional_info) or (status, cost, runtime, cpu_time, additional_info), "
    "with a status that is no longer RUNNING"
)
_FOUR, _FIVE = 4, 5


class AbstractRunner(ABC):
    """Executes the trials of a foreign loop: it submits them, and collects their results.

    1. A trial is launched by `submit_trial`, which calls `run_wrapper`; that does what runners have in common, and
       calls `run`, which turns a `TrialInfo` into a `TrialValue`.
    2. Ended trials are collected by `iter_results`, which hands out each once.
    3. `wait` makes sure that there is enough data for the next decision.

    Args:
        scenario: What is optimised: its ``objectives`` (a name or several) and its ``crash_cost`` (a number, or one
            for each objective; infinity by default) are read, where it has them. None is a scenario too.
        required_arguments: Arguments that are passed to the target function.

    Raises:
        UsageError: The crash cost is no number, or not one for each objective.
    """

    def __init__(self, scenario: Any, required_arguments: list[str] = []) -> None:  # noqa: B006  (the page has it; it is copied)
        self._scenario = scenario
        self._required_arguments = list(required_arguments or ())
        self._objectives = objectives_of(scenario)
        self._crash_cost = spread_crash_cost(getattr(scenario, "crash_cost", math.inf), len(self._objectives))
        self._results_queue: list[tuple[TrialInfo, TrialValue]] = []
        """Ended trials that nobody has collected, the earliest first."""

    # What a runner must have.

    @abstractmethod
    def run(
        self, config: Any, instance: str | None = None, budget: float | None = None, seed: int | None = None
    ) -> tuple[Any, ...]:
        """Run the target function with a configuration on one combination of instance, budget and seed.

        Args:
            config: The configuration, as it stands in the `TrialInfo`.
            instance: The problem instance.
            budget: A positive number: a limit that the target function handles by itself.
            seed: Seed of the evaluation.

        Returns:
            Status, cost (a number, or several for several objectives), wall seconds of the target function, and a
            mapping of additional information; CPU seconds may stand before the last.
        """

    # What comes with it: serial execution.

    def submit_trial(self, trial_info: TrialInfo) -> None:
        """Have a trial executed; its result will be available to `iter_results`.

        Args:
            trial_info: The trial.
        """
        self._results_queue.append(self.run_wrapper(trial_info))

    def iter_results(self) -> Iterator[tuple[TrialInfo, TrialValue]]:
        """Return the trials that have ended and were not returned before, in the order of their end.

        Never waits. What the iterator is not asked for remains for the next call.
        """
        while self._results_queue:
            yield self._results_queue.pop(0)

    def wait(self) -> None:  # noqa: B027  (nothing to wait for is a fine default)
        """Wait until there is a result, if any is to come. In a serial runner there is nothing to wait for."""

    def is_running(self) -> bool:
        """Whether there are trials still running. In a serial runner a launched trial has ended at once."""
        return False

    def count_available_workers(self) -> int:
        """Return the number of available workers. A serial runner has one."""
        return 1

    @property
    def meta(self) -> dict[str, Any]:
        """Facts about the runner that are the same in every process."""
        return {"name": type(self).__name__}

    def run_wrapper(self, trial_info: TrialInfo) -> tuple[TrialInfo, TrialValue]:
        """Call `run` for a trial, catch what it raises, check and measure what it gives.

        An exception makes the trial CRASHED, with the traceback in ``additional_info``; so does a SUCCESS without a
        finite cost. What a crash costs is the scenario's ``crash_cost``, and so does any other failure that gives no
        finite cost of its own; its status stays what it is.

        Args:
            trial_info: The trial.

        Returns:
            The same `TrialInfo`, and what came of it.

        Raises:
            ContractError: What `run` returned has not the form that it must have.
        """
        started, wall, cpu = epoch(), perf_counter(), _cpu_seconds()
        try:
            returned = self.run(
                config=trial_info.config, instance=trial_info.instance, budget=trial_info.budget, seed=trial_info.seed
            )
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  (whatever a target function raises is that trial's failure)
            sentence = "".join(traceback.format_exception_only(error)).strip()
            info = {"error": sentence, "traceback": traceback.format_exc()}
            returned = (StatusType.CRASHED, None, None, None, info)
        seconds, cpu_seconds = perf_counter() - wall, _cpu_seconds() - cpu
        answer = _read(self, returned)
        cost, status, info = self._judge(answer)
        return trial_info, TrialValue(
            cost=cost,
            time=seconds if answer.seconds is None else answer.seconds,
            cpu_time=cpu_seconds if answer.cpu_seconds is None else answer.cpu_seconds,
            status=status,
            starttime=started,
            endtime=started + seconds,
            additional_info=info,
        )

    def _judge(self, answer: _Answer) -> tuple[Cost, StatusType, dict[str, Any]]:
        """Return cost, status and information; a failure's cost is a translation."""
        info = dict(answer.info)
        if answer.status is StatusType.CRASHED:
            return self._failure_cost(), StatusType.CRASHED, info
        try:
            return read_cost(answer.cost, self._objectives), answer.status, info
        except InvalidResultError as error:
            if answer.status is not StatusType.SUCCESS:
                return self._failure_cost(), answer.status, info
            return self._failure_cost(), StatusType.CRASHED, {"error": str(error), **info}

    def _failure_cost(self) -> Cost:
        cost = self._crash_cost
        return list(cost) if isinstance(cost, list) else cost


class _Answer(NamedTuple):
    """What `AbstractRunner.run` said, in one form."""

    status: StatusType
    cost: Any
    seconds: float | None
    cpu_seconds: float | None
    info: Mapping[str, Any]


def _read(runner: AbstractRunner, returned: Any) -> _Answer:
    """Read what `run` returned.

    Raises:
        ContractError: It has another form. Every trial would fail alike: the author of the runner is told.
    """
    parts = list(returned) if isinstance(returned, (tuple, list)) else []
    if len(parts) == _FOUR:
        parts.insert(3, None)
    status = _status(parts[0]) if len(parts) == _FIVE else None
    if status in (None, StatusType.RUNNING) or not isinstance(parts[4], (Mapping, type(None))):
        raise ContractError(f"{type(runner).__name__}.run returned {returned!r:.200}; it must return {_SHAPES}")
    assert status is not None, "refused above"
    return _Answer(status, parts[1], _seconds(parts[2]), _seconds(parts[3]), parts[4] or {})


def _status(value: Any) -> StatusType | None:
    """Return the status; that of another library has the same integers."""
    try:
        return StatusType(value)
    except ValueError:
        return None


def _seconds(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def objectives_of(scenario: Any) -> list[str]:
    """Return the names of a scenario's objectives; an empty list where it does not say."""
    objectives = getattr(scenario, "objectives", None)
    if isinstance(objectives, str):
        return [objectives]
    return [str(name) for name in objectives or ()]


def read_cost(cost: Any, objectives: Sequence[str]) -> Cost:
    """Return a cost as a number, or as a list of numbers in the order of the objectives.

    Args:
        cost: A number, several in a list or an array, or a mapping of objectives to numbers.
        objectives: Names of the objectives; empty where they are not known.

    Raises:
        InvalidResultError: A sentence: it is none of these, of another length, or not finite.
    """
    if isinstance(cost, Mapping):
        missing = [name for name in objectives if name not in cost]
        if missing:
            raise InvalidResultError(
                f"the cost of the objective {missing[0]!r} is missing; there is {list(cost)!r:.200}"
            )
        cost = [cost[name] for name in objectives or cost]
    if hasattr(cost, "tolist"):
        cost = cost.tolist()
    costs = [_number(part) for part in cost] if isinstance(cost, (list, tuple)) else [_number(cost)]
    if len(costs) != (len(objectives) or len(costs)) or not costs:
        raise InvalidResultError(f"there are {len(costs)} costs for {len(objectives)} objectives")
    return costs[0] if len(costs) == 1 else costs


def _number(value: Any) -> float:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
        raise InvalidResultError(f"the cost is {value!r:.60}; a number is needed")
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError) as error:
        raise InvalidResultError(f"the cost is {value!r:.60}, which is no number here: {error}") from None
    if not math.isfinite(number):
        raise InvalidResultError(f"the cost is {number}; a finite number is needed")
    return number


def _cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    children = getrusage(RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime
