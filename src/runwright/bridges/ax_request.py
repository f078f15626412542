"""What the bridge reads of Ax's experiments and trials, in words of ours. Ax itself is not imported for it."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from runwright.constraints import read
from runwright.errors import UsageError
from runwright.experiment import OpenExperiment
from runwright.json_values import json_point

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from runwright.result import Json

MARK = "runwright"
"""Key of the run metadata under which the bridge writes what it needs to find a trial again."""
NAMELESS = "ax"
"""Name of the experiment where Ax's has none."""
READ_FROM_US = "read_from_runwright"
"""Attribute of the metrics of Ax's that are read from our results."""
_UNFIT = str.maketrans(dict.fromkeys("/\\\0\n\r", "-"))
_LONGEST = 150
_DIGEST = 8
_text_of = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class ForeignStatus(Protocol):
    """What is asked of a status of Ax's."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def is_terminal(self) -> bool:
        """Whether the trial has ended."""
        ...

    @property
    def is_deployed(self) -> bool:
        """Whether it was handed to a runner and has not ended."""
        ...


class ForeignTrial(Protocol):
    """What is asked of a trial of Ax's."""

    @property
    def index(self) -> int:
        """Its number in its experiment."""
        ...

    @property
    def arms(self) -> Sequence[Any]:
        """Its points."""
        ...

    @property
    def status(self) -> ForeignStatus:
        """How it stands."""
        ...

    @property
    def run_metadata(self) -> Any:
        """What the runner said when it was deployed."""
        ...


class Request:
    """A trial as Ax has it.

    Args:
        index: Its number in Ax's experiment.
        points: Its points, as JSON types.

    Attributes:
        key: Hash of the points: with experiment and index it says which deployment it is.
    """

    __slots__ = ("index", "key", "points")

    def __init__(self, index: int, points: Sequence[Json]) -> None:
        self.index = index
        self.points = points
        self.key = key_of(points)

    @classmethod
    def of(cls, trial: ForeignTrial) -> Request:
        """Read a trial of Ax's.

        Raises:
            UsageError: A parameter has a value that JSON cannot hold.
        """
        return cls(trial.index, [json_point(arm.parameters) for arm in trial.arms])


class _Deployed:
    """The status of a trial that Ax calls by its index alone."""

    name = "RUNNING"
    is_terminal = False
    is_deployed = True


_DEPLOYED = _Deployed()


@dataclass(frozen=True, eq=False, slots=True)
class Arm:
    """A point of a `BareTrial`."""

    parameters: Json
    name: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class BareTrial:
    """A trial of which Ax tells no more than index, parameters and run metadata."""

    index: int
    arms: tuple[Arm, ...]
    run_metadata: Json
    status: ForeignStatus = _DEPLOYED
    experiment: None = None


def key_of(points: Sequence[Json]) -> str:
    """Return 16 hexadecimal digits that are the same for the same points in the same order, in every process."""
    return hashlib.blake2b(_text_of(points).encode(), digest_size=_DIGEST).hexdigest()


def describe(experiment: Any, measured: Collection[str]) -> OpenExperiment:
    """Return an experiment of Ax's as one of ours: its name, its objectives and constraints as far as we measure them.

    A constraint relative to the status quo has no counterpart here: only Ax knows which trials meet it.

    Args:
        experiment: The experiment of Ax's.
        measured: Names of the metrics that are read from the runner's results.
    """
    name = experiment.name if experiment.has_name else NAMELESS
    config = experiment.optimization_config
    return OpenExperiment(plain(name), _objectives(config, measured), constraints=_constraints(config, measured))


def plain(name: str) -> str:
    """Return a name without what cannot be part of ours; Ax takes any text."""
    return name.translate(_UNFIT)[:_LONGEST].strip() or NAMELESS


def _objectives(config: Any, measured: Collection[str]) -> dict[str, str]:
    if config is None:
        return {}
    objective = config.objective
    names = {signature: name for name, signature in objective.metric_name_to_signature.items()}
    found = {}
    for signature, weight in objective.metric_weights:
        name = names[signature]
        if name in measured:
            found[name] = "minimize" if weight < 0 else "maximize"
    return found


def _constraints(config: Any, measured: Collection[str]) -> list[str]:
    found = []
    for constraint in () if config is None else config.outcome_constraints:
        names = {signature: name for name, signature in constraint.metric_name_to_signature.items()}
        weights = {names[signature]: weight for signature, weight in constraint.metric_weights}
        if constraint.relative or not weights.keys() <= set(measured):
            continue
        total = " + ".join(f"{float(weight)!r} * `{name}`" for name, weight in weights.items())
        text = f"{total} {'<=' if constraint.op.name == 'LEQ' else '>='} {float(constraint.bound)!r}"
        with suppress(UsageError):  # a name of Ax's may have any sign, and a constraint many names
            read(text, (), ())
            found.append(text)
    return found
