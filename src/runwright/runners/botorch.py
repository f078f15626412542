"""Evaluates BoTorch's test problems: optimisation problems with known answers."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runwright.clock import epoch, monotonic
from runwright.errors import MissingExtraError, UsageError
from runwright.experiment import Choice, stable_seed
from runwright.function_reference import FunctionReference
from runwright.result import Result
from runwright.runners.inline import InlineRunner
from runwright.status import FailureKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwright.experiment import Experiment
    from runwright.result import Json, Metrics
    from runwright.runner import RunContext, Runner
    from runwright.trial import Arm, BaseTrial

_ROUNDING = 1e-12  # of the range of a parameter


class BotorchTestProblemRunner(InlineRunner):
    """Evaluates a BoTorch test problem for each arm of a trial, in this process.

    The outcomes are the problem's objectives, in its own sign, followed by the slacks of its constraints (a constraint
    holds where its slack is not negative). Noise is drawn from the experiment's seed, the trial and the arm; torch's
    global random state is not touched.

    The problem's parameters are the experiment's, in its order. In an `OpenExperiment`, which declares none, they are
    taken by the natural order of their names: x1, x2, ..., x10.

    Args:
        test_problem_class: A subclass of ``botorch.test_functions.base.BaseTestProblem``, or its reference as a text.
        test_problem_kwargs: Its arguments, such as ``{"negate": True, "noise_std": 0.1}``.
        outcome_names: Names of the outcomes; those of the experiment's objectives, then ``constraint_0`` ... where not
            given.
        modified_bounds: Bounds of the parameters, in that order. Points are rescaled from these to the
            problem's own bounds; where not given they are evaluated as they are. BoTorch refuses a point outside.

    Raises:
        MissingExtraError: BoTorch is not installed.
        UsageError: The problem cannot be made of these arguments, or names or bounds do not fit it.
    """

    def __init__(
        self,
        test_problem_class: type[Any] | str,
        test_problem_kwargs: Mapping[str, Any],
        outcome_names: Sequence[str] | None = None,
        modified_bounds: Sequence[tuple[float, float]] | None = None,
    ) -> None:
        super().__init__()
        self._torch, base, constrained = _libraries()
        found: Any = test_problem_class
        if isinstance(found, str):
            found = FunctionReference.of(found).load()
        if not (isinstance(found, type) and issubclass(found, base)):
            raise UsageError(f"the test problem must be a subclass of BoTorch's BaseTestProblem, not {found!r:.100}")
        if not isinstance(test_problem_kwargs, Mapping):
            raise UsageError(
                f"test_problem_kwargs must map names to values, as {{}} does, not {test_problem_kwargs!r:.60}"
            )
        self.test_problem_class: type[Any] = found
        self.test_problem_kwargs = dict(test_problem_kwargs)
        self.outcome_names = None if outcome_names is None else list(outcome_names)
        self.modified_bounds = None if modified_bounds is None else [_bounds(pair) for pair in modified_bounds]
        self.test_problem = _make(found, self.test_problem_kwargs).to(dtype=self._torch.double)
        self._constraints = int(self.test_problem.num_constraints) if isinstance(self.test_problem, constrained) else 0
        self._objectives = int(getattr(self.test_problem, "num_objectives", 1))
        self._noise = self._noise_stds()
        self._names = self.outcome_names
        self._check()

    def _check(self) -> None:
        name, count = self.test_problem_class.__name__, self._objectives + self._constraints
        if self.outcome_names is not None and len(set(self.outcome_names)) != count:
            parts = f"{self._objectives} objectives and {self._constraints} constraints"
            raise UsageError(f"outcome_names must be {count} different names, as {name} has {parts}")
        dim, bounds = self.test_problem.dim, self.modified_bounds
        if bounds is not None and len(bounds) != dim:
            raise UsageError(f"modified_bounds has {len(bounds)} pairs, but {name} has {dim} parameters")

    def _noise_stds(self) -> list[float]:
        """Return the standard deviation of the noise of each outcome."""
        problem = self.test_problem
        constraints = getattr(problem, "constraint_noise_std", None) if self._constraints else None
        return [*_spread(problem.noise_std, self._objectives), *_spread(constraints, self._constraints)]

    def open(self, context: RunContext) -> None:
        """Get ready.

        Args:
            context: Experiment, run directory, clock and limits.

        Raises:
            UsageError: The experiment's parameters or objectives are not those of the problem.
        """
        super().open(context)
        self._names = self._fit(context.experiment)

    def _fit(self, experiment: Experiment) -> list[str]:
        """Check that an experiment is about this problem; return the names of the outcomes."""
        problem, name = self.test_problem, self.test_problem_class.__name__
        if not experiment.is_open:
            count = len(experiment.parameters)
            if count != problem.dim:
                raise UsageError(f"{name} has {problem.dim} parameters, but the experiment has {count}")
            for key, parameter in experiment.parameters.items():
                if isinstance(parameter, Choice) and any(isinstance(value, str) for value in parameter.values):
                    raise UsageError(f"{name} takes numbers, but parameter {key!r} is a choice of texts")
        names = self.outcome_names
        if names is None:
            objectives = list(experiment.objectives) or [f"objective_{i}" for i in range(self._objectives)]
            if len(objectives) != self._objectives:
                raise UsageError(
                    f"{name} has {self._objectives} objectives and {self._constraints} constraints, but the experiment "
                    f"has {len(objectives)} objectives; give outcome_names"
                )
            names = [*objectives, *(f"constraint_{i}" for i in range(self._constraints))]
        missing = [objective for objective in experiment.objectives if objective not in names]
        if missing:
            raise UsageError(f"the objective {missing[0]!r} is no outcome of {name}; those are {', '.join(names)}")
        return names

    def run(self, trial: BaseTrial) -> dict[str, Any]:
        """Evaluate the problem for each arm.

        Args:
            trial: The trial to evaluate.

        Returns:
            ``{"Ys": {arm: values}}``, in the order of the outcomes, noise included.

        Raises:
            SubmitError: The same attempt was evaluated with other parameters.
        """
        return super().run(trial)

    def evaluate(self, trial: BaseTrial) -> tuple[Result, Json]:
        """Evaluate the problem for each arm."""
        if self._names is None:
            self._names = self._fit(trial.experiment)
        began, wall = epoch(), monotonic()
        values: dict[str, list[float]] = {}
        result = None
        for arm in trial.arms:
            try:
                values[arm.name] = self._observe(trial, arm)
            except Exception as error:  # noqa: BLE001  (a problem may refuse a point)
                result = _refused(arm, error)
                break
        if result is None:
            result = self._result(trial, values)
        seconds = monotonic() - wall
        result.started, result.ended, result.seconds = began, began + seconds, seconds
        return result, {"Ys": values}

    def recall(self, trial: BaseTrial) -> Result | None:
        """Read what an earlier driver's evaluation gave."""
        values = trial.run_metadata.get("Ys")
        if not isinstance(values, dict) or any(arm.name not in values for arm in trial.arms):
            return None
        self._names = self._names or self._fit(trial.experiment)
        return self._result(trial, values)

    def true_values(self, parameters: Mapping[str, Any]) -> list[float]:
        """Return the outcomes of a point without noise.

        Args:
            parameters: Parameter name to value, in the problem's order.
        """
        torch, problem = self._torch, self.test_problem
        point = torch.tensor([[float(value) for value in parameters.values()]], dtype=torch.double)
        if self.modified_bounds is not None:
            low, high = torch.tensor(self.modified_bounds, dtype=torch.double).T
            own_low, own_high = problem.bounds
            point = own_low + (point - low) / (high - low) * (own_high - own_low)
            inside = point.clamp(own_low, own_high)
            rounded = (point - inside).abs() <= _ROUNDING * (own_high - own_low)
            point = torch.where(rounded, inside, point)  # rounding must not carry a bound outside
        with torch.no_grad():
            found = problem.evaluate_true(point).reshape(-1)
            if problem.negate:
                found = -found
            if self._constraints:
                found = torch.cat([found, problem.evaluate_slack_true(point).reshape(-1)])
        return [float(value) for value in found]

    def _observe(self, trial: BaseTrial, arm: Arm) -> list[float]:
        names = trial.experiment.parameters or sorted(arm.parameters, key=_natural)
        exact = self.true_values({name: arm.parameters[name] for name in names if name in arm.parameters})
        if not any(self._noise):
            return exact
        torch = self._torch
        seed = stable_seed(trial.experiment.seed, "noise", trial.index, arm.name, trial.seed)
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(len(exact), generator=generator, dtype=torch.double).tolist()
        return [value + std * unit for value, std, unit in zip(exact, self._noise, drawn, strict=True)]

    def _result(self, trial: BaseTrial, values: Mapping[str, Sequence[float]]) -> Result:
        assert self._names is not None, "found before the first evaluation"
        arms: dict[str, Metrics] = {
            arm.name: {
                name: (float(value), std)
                for name, value, std in zip(self._names, values[arm.name], self._noise, strict=True)
            }
            for arm in trial.arms
        }
        return Result(arms=arms)

    @property
    def run_metadata_report_keys(self) -> list[str]:
        """Keys of the run metadata that are worth a report."""
        return ["Ys"]

    @classmethod
    def serialize_init_args(cls, obj: Runner) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON: the problem by its reference.

        Raises:
            UsageError: The class has no name by which another process could import it.
        """
        assert isinstance(obj, BotorchTestProblemRunner)
        bounds = obj.modified_bounds
        return {
            "test_problem_class": FunctionReference.of(obj.test_problem_class).text,
            "test_problem_kwargs": obj.test_problem_kwargs,
            "outcome_names": obj.outcome_names,
            "modified_bounds": None if bounds is None else [list(pair) for pair in bounds],
        }

    @property
    def meta(self) -> dict[str, Any]:
        """Facts about the runner that are the same in every process."""
        return super().meta | {"test_problem": self.test_problem_class.__name__}


def _libraries() -> tuple[Any, type[Any], type[Any]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # theirs, about one another
            import torch
            from botorch.test_functions.base import BaseTestProblem, ConstrainedBaseTestProblem
    except ImportError:
        raise MissingExtraError("BotorchTestProblemRunner", "botorch") from None
    return torch, BaseTestProblem, ConstrainedBaseTestProblem


def _make(problem_class: type[Any], arguments: Mapping[str, Any]) -> Any:
    try:
        return problem_class(**arguments)
    except Exception as error:
        raise UsageError(
            f"{problem_class.__name__} cannot be made of {dict(arguments)!r:.200}: {type(error).__name__}: {error}"
        ) from error


def _bounds(pair: Sequence[float]) -> tuple[float, float]:
    try:
        low, high = map(float, pair)
    except (TypeError, ValueError):
        low = high = math.nan
    if not -math.inf < low < high < math.inf:
        raise UsageError(f"modified_bounds must be finite pairs (low, high) with low < high, not {pair!r:.60}")
    return low, high


def _natural(name: str) -> tuple[list[str | int], str]:
    """Return what puts names into an order in which x2 stands before x10."""
    parts = re.split("([0-9]+)", name)  # texts and numbers in turn
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def _spread(std: float | Sequence[float] | None, count: int) -> list[float]:
    """Return one standard deviation an outcome; no noise is 0, which is known."""
    if std is None:
        return [0.0] * count
    return [float(std)] * count if isinstance(std, (int, float)) else [float(part) for part in std]


def _refused(arm: Arm, error: Exception) -> Result:
    return Result.failed(FailureKind.CRASHED, f"arm {arm.name!r}: {type(error).__name__}: {error}")
