"""The samplers of Optuna that have a name here, and the check of their options. Optuna itself is not imported."""

from __future__ import annotations

import inspect
import math
import warnings
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from runwright.errors import MissingExtraError, UsageError
from runwright.experiment import Choice, Float

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runwright.experiment import Experiment
    from runwright.optimizer import Rebuild
    from runwright.result import Json

_SCALARS = {"bool": bool, "int": int, "float": float, "str": str, "None": type(None)}
_LEAST = {"n_ei_candidates": 1, "popsize": 4}
"""Smallest value of the options that Optuna does not check before they divide by zero; 0 for all others."""
_MOST = {"n_ei_candidates": 100_000, "popsize": 100_000}
"""Largest value of the options of which Optuna makes an array of that length, in the middle of the run."""
_LEARN_NOTHING = ("random", "qmc")
_READ_TRIALS_ALONE = ("RandomSampler", "TPESampler", "GPSampler", "BruteForceSampler")


@dataclass(frozen=True, slots=True)
class NamedSampler:
    """A sampler that has a name here.

    Attributes:
        name: Its name in an experiment file.
        class_name: Its name in ``optuna.samplers``.
        rebuild: How it is brought back after a restart.
        needs: Libraries that it imports beside Optuna.
        extra: Our extra that brings them.
        constrained: Whether it learns to avoid what breaks a constraint on metrics.
    """

    name: str
    class_name: str
    rebuild: Rebuild
    needs: tuple[str, ...] = ()
    extra: str = "optuna"
    constrained: bool = False

    def defaults(self, experiment: Experiment, options: Mapping[str, Any]) -> Json:
        """Return our settings where the user has none."""
        if self.name == "tpe":
            # As Optuna 5 itself: with several objectives the independent form is the better one. What is not in every
            # point is searched together with what stands beside it.
            multivariate = options.get("multivariate", len(experiment.objectives) == 1 or bool(options.get("group")))
            group = {"group": True} if experiment.conditional and multivariate else {}
            return {"multivariate": multivariate, "constant_liar": True, **group}
        if experiment.conditional and self.name in ("gp", "qmc"):
            return {"warn_independent_sampling": False}  # docs/optimizers.md says it
        return {}


SAMPLERS = {
    sampler.name: sampler
    for sampler in (
        NamedSampler("tpe", "TPESampler", "history", constrained=True),
        NamedSampler("gp", "GPSampler", "history", ("scipy", "torch"), "optuna-gp", constrained=True),
        NamedSampler("cmaes", "CmaEsSampler", "replay", ("cmaes",)),
        NamedSampler("qmc", "QMCSampler", "replay", ("scipy",)),
        NamedSampler("nsgaii", "NSGAIISampler", "replay", constrained=True),
        NamedSampler("random", "RandomSampler", "history"),
    )
}


def find_sampler(name: str) -> NamedSampler:
    """Return the sampler of a name.

    Raises:
        UsageError: There is none.
    """
    if name not in SAMPLERS:
        raise UsageError(f"there is no sampler {name!r:.60}; {_advice(name, list(SAMPLERS))}")
    return SAMPLERS[name]


def check_installed(sampler: NamedSampler) -> None:
    """Check that what the sampler imports is there.

    Raises:
        MissingExtraError: It is not.
    """
    if any(find_spec(library) is None for library in sampler.needs):
        raise MissingExtraError(f"the {sampler.name} sampler of the optuna optimizer", sampler.extra)


def check_options(sampler: NamedSampler, constructor: type, options: Mapping[str, Any]) -> bool:
    """Check options against the constructor that takes them; say whether it warns of something each time.

    That a feature is experimental is not passed on: its name here is our decision. Other warnings are.

    Raises:
        UsageError: An option is unknown, or has a value of another type or out of its range.
    """
    if not hasattr(options, "items"):
        raise UsageError(f"the options of the sampler {sampler.name} must be a mapping, not {options!r:.60}")
    arguments = inspect.signature(constructor).parameters
    taken = {name: _types(argument) for name, argument in arguments.items() if name != "seed"}
    for name, value in options.items():
        if name == "seed":
            raise UsageError("the seed is no option of the sampler; give it beside the options")
        if name not in taken:
            raise UsageError(
                f"the sampler {sampler.name} has no option {name!r:.60}; {_advice(str(name), list(taken))}"
            )
        what = f"the option {name!r} of the sampler {sampler.name}"
        _check_value(what, value, taken[name], _LEAST.get(name, 0), _MOST.get(name, math.inf))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            constructor(seed=0, **options)
        except (TypeError, ValueError) as error:
            raise UsageError(f"the sampler {sampler.name} refuses its options: {error}") from error
    for warning in caught:
        if warning.category.__name__ != "ExperimentalWarning":
            warnings.warn(str(warning.message), warning.category, stacklevel=3)
    return bool(caught)


def check_seconds(seconds: object) -> float:
    """Return the time that a rebuild may take.

    Raises:
        UsageError: It is no positive number.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
        raise UsageError(f"rebuild_seconds must be a positive number of seconds, not {seconds!r:.60}")
    return seconds


def check_experiment(sampler: Any, experiment: Experiment) -> None:
    """Refuse what a sampler would refuse at its first ask, or would quietly do without.

    Raises:
        UsageError: It cannot search this experiment.
    """
    classes = {parent.__name__ for parent in type(sampler).__mro__}
    if "CmaEsSampler" in classes:
        if len(experiment.objectives) > 1:
            names = ", ".join(experiment.objectives)
            raise UsageError(f"CMA-ES takes one objective, not {names}; use tpe, gp, nsgaii, qmc or random")
        odd = [name for name, parameter in experiment.parameters.items() if parameter.when is not None]
        if odd and sampler._warn_independent_sampling:  # noqa: SLF001  (the option has no public reader)
            raise UsageError(
                f"CMA-ES cannot search {odd[0]!r}, which is not in every point (when): Optuna would draw it at random; "
                "use tpe, or accept that by the sampler's option warn_independent_sampling: false"
            )
        choices = [name for name, parameter in experiment.parameters.items() if isinstance(parameter, Choice)]
        if choices and sampler._warn_independent_sampling:  # noqa: SLF001  (the option has no public reader)
            raise UsageError(
                f"CMA-ES cannot search the choice {choices[0]!r}: Optuna would draw it at random in each trial; "
                "use tpe, or accept that by the sampler's option warn_independent_sampling: false"
            )
    if "BruteForceSampler" in classes:
        floats = [name for name, parameter in experiment.parameters.items() if isinstance(parameter, Float)]
        if floats:
            raise UsageError(f"a BruteForceSampler cannot go through the real parameter {floats[0]!r}")


def check_constraints(kind: NamedSampler | None, experiment: Experiment) -> None:
    """Refuse constraints on metrics that a sampler would quietly do without, though it learns from results.

    Raises:
        UsageError: It would.
    """
    if not experiment.outcome_constraints or (kind is not None and (kind.constrained or kind.name in _LEARN_NOTHING)):
        return
    text = experiment.outcome_constraints[0].text
    if kind is None:
        raise UsageError(
            f"a sampler object does not hear of the constraint {text!r}; name a sampler: tpe, gp or nsgaii"
        )
    raise UsageError(f"the sampler {kind.name} does not learn the constraint {text!r}; use tpe, gp or nsgaii")


def keeps_a_place(sampler: Any) -> bool:
    """Say whether a sampler must draw for a point of its own that is fed to it, to be where it was.

    It notes in the trial what it makes of it. CMA-ES with a margin would take the value of the fed point for that of
    the one which it draws: it does better without.
    """
    return type(sampler).__name__ not in _READ_TRIALS_ALONE and not getattr(sampler, "_with_margin", False)


def takes_guests(sampler: Any) -> bool:
    """Say whether a sampler must draw for a point of a user too, so that it counts.

    A population gains by it. A sequence would lose a point, and CMA-ES its step size to a point from far away.
    """
    return any(parent.__name__ == "BaseGASampler" for parent in type(sampler).__mro__)


def _types(argument: inspect.Parameter) -> tuple[type, ...]:
    """Types of an argument, from its annotation; empty where it takes more than JSON has."""
    names = [name.strip() for name in str(argument.annotation).split("|")]
    if not all(name in _SCALARS for name in names):
        return ()
    return tuple(_SCALARS[name] for name in names)


def _check_value(what: str, value: object, types: tuple[type, ...], least: int, most: float) -> None:
    if not types:
        raise UsageError(f"{what} takes an object that a file cannot hold; give a sampler object instead")
    right = type(value) in types or (float in types and type(value) is int)
    if not right:
        names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in types)
        raise UsageError(f"{what} must be {names}, not {value!r:.60}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{what} must be finite, not {value}")
    if type(value) not in (int, float):
        return
    if value < least:  # type: ignore[operator]  # it is a number
        raise UsageError(f"{what} must be at least {least}, not {value}")
    if value > most:  # type: ignore[operator]  # the same
        raise UsageError(f"{what} must be at most {most}, not {value}")


def _advice(wrong: str, right: list[str]) -> str:
    if not right:
        return "it has none"
    nearest = get_close_matches(wrong, right, n=1)
    return f"known are {', '.join(sorted(right))}" + (f"; did you mean {nearest[0]!r}?" if nearest else "")
