"""What may stand in an experiment file: names, kinds and ranges. What they mean together is checked elsewhere."""

from __future__ import annotations

import math
import re
from collections.abc import Callable  # noqa: TC003  (pydantic reads the annotations)
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from runwright.config.scalars import shown
from runwright.config.units import duration, size
from runwright.errors import UsageError
from runwright.loop.on_failure import MOST_RETRIES, OTHER, Rule

MOST = 1_000_000_000
MOST_PARALLEL = 10_000
MOST_VALUES = 10_000
LEAST_MEMORY = 2**20
LARGEST_SEED = 2**63 - 1
UNLIMITED = "unlimited"


def refuse(sentence: str) -> PydanticCustomError:
    """Make the error of a validator whose sentence is said as it is."""
    return PydanticCustomError("said", "{sentence}", {"sentence": sentence})


def _saying(convert: Callable[[Any], Any]) -> BeforeValidator:
    """Make a validator of a function that raises ValueError with a sentence."""

    def validate(value: Any) -> Any:
        try:
            return convert(value)
        except ValueError as error:
            raise refuse(str(error)) from None

    return BeforeValidator(validate)


def _memory(value: object) -> int:
    found = size(value)
    if found < LEAST_MEMORY:
        raise ValueError(f"a memory limit below 1 MiB ends every program, and this is {found} bytes; units are MB, GiB")
    return found


def _or_unlimited(value: object) -> int | None:
    return None if value == UNLIMITED else size(value)


def _wait(value: object) -> float:
    return duration(value, zero=True)


def _directory(value: object) -> object:
    if isinstance(value, str) and re.search(r"^~|\$[\w{]", value):
        raise ValueError(
            f"neither ~ nor $NAME is filled in here, as in {value!r:.100}; write the path out, or give --dir"
        )
    if isinstance(value, str) and "\0" in value:
        raise ValueError(f"the path {value!r:.100} has a null character in it; remove it")
    return value


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"it must be a number, not {shown(value)}")  # noqa: TRY004  (said as a sentence)
    return value


def _penalty(value: object) -> object:
    if isinstance(value, dict):
        return {name: float(_finite(part, f"the penalty of {name!r:.60}")) for name, part in value.items()}
    return float(_finite(value, "a penalty"))


def _finite(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{what} must be a finite number, not {shown(value)}")
    return value


def _bounds(value: object) -> object:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004
        count = f", not {len(value)}" if isinstance(value, list) else f", not {shown(value)}"
        raise ValueError(f"it must be two bounds, [low, high]{count}")
    return value


def _values(value: object) -> object:
    if isinstance(value, list) and len(value) > MOST_VALUES:
        raise ValueError(f"a choice has at most {MOST_VALUES} values, not {len(value)}; take type int for a number")
    return value


def _when(value: object) -> object:
    if not isinstance(value, dict) or not value:
        raise ValueError(f"it must name a choice and its value, such as {{optimizer: sgd}}, not {shown(value)}")
    return value


def _rule(value: object) -> object:
    """Return the parts of a rule that was given in words."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, str):
        raise ValueError(f"it must be a rule such as fail, abort, penalty 1000 or retry 2, not {shown(value)}")  # noqa: TRY004
    try:
        return {name: part for name, part in Rule.of(value).to_json().items() if part or name != "retry"}
    except UsageError as error:
        raise ValueError(str(error)) from None


def _rules(value: object) -> object:
    """Return the rules by kind where one is given for all kinds."""
    if not isinstance(value, dict):
        return {OTHER: _rule(value)}
    for key in RulePart.model_fields:
        if key in value:
            raise ValueError(f"{key} is part of a rule; say of which failures, {OTHER}: {{{key}: ...}} for every kind")
    return value


Seconds = Annotated[float, _saying(duration)]
Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Rate = Annotated[float, _saying(_number), Field(ge=0, le=1)]
Number = Annotated[Any, _saying(_number)]


class _Part(BaseModel):
    """A mapping that takes no other keys than its own and no values of another kind."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ParameterPart(_Part):
    """One of ``parameters``."""

    type: Literal["float", "int", "choice"]
    bounds: Annotated[list[Number], _saying(_bounds)] | None = None
    log: bool = False
    values: Annotated[list[Any], _saying(_values)] | None = None
    default: Any = None
    when: Annotated[dict[str, Any], _saying(_when)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> ParameterPart:
        choice = self.type == "choice"
        if choice and (self.bounds is not None or "log" in self.model_fields_set):
            raise refuse("a choice has values, not bounds or a scale; remove them, or take type float or int")
        if choice and self.values is None:
            raise refuse("a choice needs its values: values: [a, b]")
        if not choice and self.bounds is None:
            raise refuse(f"a parameter of type {self.type} needs its bounds: bounds: [low, high]")
        if not choice and self.values is not None:
            raise refuse(f"a parameter of type {self.type} has bounds, not values; for values take type choice")
        return self


class ResultPart(_Part):
    """``evaluate.result``: where a program that cannot write JSON leaves its result."""

    from_: Literal["stdout", "stderr"] = Field(alias="from")
    pattern: str


class EvaluatePart(_Part):
    """``evaluate``: what is run."""

    function: str | None = None
    command: list[str] | None = None
    wrapper: str | None = None
    env: dict[str, str] | None = None
    result: ResultPart | None = None
    success_codes: list[Annotated[int, Field(ge=0, le=255)]] | None = None

    @model_validator(mode="after")
    def _fits(self) -> EvaluatePart:
        if self.wrapper is not None:
            self._fits_wrapper()
        elif (self.function is None) == (self.command is None):
            both = "both function and command are given; remove one"
            raise refuse("it needs either a function or a command" if self.function is None else both)
        if self.function is not None and (self.result is not None or self.success_codes is not None):
            raise refuse("result and success_codes are about commands; a function returns its result: remove them")
        if self.command == []:
            raise refuse("the command is empty; its first text names the program")
        if self.success_codes == []:
            raise refuse("success_codes is empty, so nothing could succeed; [0] is what is taken without it")
        return self

    def _fits_wrapper(self) -> None:
        for other in ("function", "command", "result"):
            if getattr(self, other) is not None:
                raise refuse(f"a wrapper says itself what is run and how it is read; remove {other}")


class RunnerPart(BaseModel):
    """``runner``: who runs it. Further keys are settings of that runner."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    type: Annotated[str, Field(min_length=1)] | None = None
    parallel: Annotated[int, Field(ge=1, le=MOST_PARALLEL)] | None = None


class OptimizerPart(BaseModel):
    """``optimizer``: who proposes. Further keys are settings of that optimizer."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    type: str = "random"
    seed: Seed | None = None


class LimitsPart(_Part):
    """``limits``: what one attempt may use."""

    timeout: Seconds | None = None
    memory: Annotated[int, _saying(_memory)] | None = None
    output: Annotated[int | None, _saying(_or_unlimited)] = None
    log: Annotated[int | None, _saying(_or_unlimited)] = None
    grace: Annotated[float, _saying(_wait)] | None = None


class RulePart(_Part):
    """A rule of ``on_failure``: what follows a failed attempt."""

    retry: Annotated[int, Field(ge=0, le=MOST_RETRIES)] = 0
    backoff: Annotated[float, _saying(_wait)] | None = None
    longest: Seconds | None = None
    then: str | None = None
    penalty: Annotated[float | dict[str, float], _saying(_penalty)] | None = None


class OnFailurePart(_Part):
    """``on_failure``: a rule for each kind of failure."""

    crashed: Annotated[RulePart | None, _saying(_rule)] = None
    timeout: Annotated[RulePart | None, _saying(_rule)] = None
    memoryout: Annotated[RulePart | None, _saying(_rule)] = None
    output_limit: Annotated[RulePart | None, _saying(_rule)] = None
    invalid_result: Annotated[RulePart | None, _saying(_rule)] = None
    lost: Annotated[RulePart | None, _saying(_rule)] = None
    submit_error: Annotated[RulePart | None, _saying(_rule)] = None
    other: Annotated[RulePart | None, _saying(_rule)] = None


class StopPart(_Part):
    """``stop``: when the experiment ends."""

    trials: Annotated[int, Field(ge=1, le=MOST)] | None = None
    failure_rate: Rate | None = None
    failure_rate_after: Annotated[int, Field(ge=1, le=MOST)] | None = None
    time: Seconds | None = None


class FilePart(_Part):
    """The whole file."""

    name: str
    seed: Seed = 0
    directory: Annotated[str, Field(min_length=1), _saying(_directory)] | None = None
    sync: Literal["full", "normal"] | None = None
    parameters: dict[str, ParameterPart]
    objectives: dict[str, Literal["minimize", "maximize"]]
    constraints: list[str] = []
    evaluate: EvaluatePart
    runner: RunnerPart = RunnerPart()
    limits: LimitsPart = LimitsPart()
    on_failure: Annotated[OnFailurePart, _saying(_rules)] = OnFailurePart()
    optimizer: OptimizerPart = OptimizerPart()
    enqueue: list[dict[str, Any]] = []
    stop: StopPart = StopPart()


_TEXTS = {
    ("name",),
    ("directory",),
    ("evaluate", "function"),
    ("evaluate", "wrapper"),
    ("evaluate", "command", int),
    ("evaluate", "env", str),
    ("evaluate", "result", "pattern"),
}


def is_text(location: tuple[str | int, ...]) -> bool:
    """Whether a value in a file is a text even if it looks like a number or a boolean."""
    return location in _TEXTS or (*location[:-1], type(location[-1]) if location else None) in _TEXTS
