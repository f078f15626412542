"""What follows a failed attempt: the user's rules, and the few words in which they are written.

A rule is one of ``fail``, ``abort``, ``penalty 1000``, ``retry 2`` and ``retry 2 then penalty 1000``. A rule alone is
for every kind of failure; a mapping has a rule for each kind that it names, and under ``other`` one for the rest. Why
it is so: ``docs/decisions/0012-on-failure.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from runwright.errors import UsageError
from runwright.json_values import read_number
from runwright.status import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runwright.result import Json

MOST_RETRIES = 1_000
OTHER = "other"
"""Names the rule of all kinds that have none of their own."""
NOT_THE_POINTS_FAULT = frozenset({FailureKind.LOST, FailureKind.SUBMIT_ERROR})
"""What failed outside of the evaluation."""
RETRIES_OUTSIDE = 3
"""How often that is tried again at the least, unless a rule names it."""
FIRST_WAIT = 1.0
"""Seconds before that is tried again for the first time."""
LONGEST_WAIT = 60.0
"""Seconds to which a wait doubles where nothing else is said."""
_WORDS = "it must be fail, abort, penalty NUMBER, retry N, or retry N then one of the first three"


@dataclass(frozen=True, slots=True)
class Rule:
    """What follows a failed attempt of some kind.

    Attributes:
        retry: How many failed attempts are followed by another.
        then: What follows the one after those: ``fail``, the trial is FAILED; ``abort``, and the experiment ends.
        penalty: What the optimizer is told of the FAILED trial in place of a measurement, in the objective's own terms:
            a number, or one for each objective. None: that it failed.
        backoff: Seconds before the first retry, doubled for each further one; None: 1 where something outside of the
            evaluation failed, else 0.
        longest: Seconds to which that doubles; None: 60, or `backoff` where that is more.

    Raises:
        UsageError: A value is out of its range, or they do not fit together.
    """

    retry: int = 0
    then: Literal["fail", "abort"] = "fail"
    penalty: float | Mapping[str, float] | None = None
    backoff: float | None = None
    longest: float | None = None

    def __post_init__(self) -> None:
        retry: object = self.retry
        if isinstance(retry, bool) or not isinstance(retry, int) or not 0 <= retry <= MOST_RETRIES:
            raise UsageError(f"retry must be a whole number from 0 to {MOST_RETRIES}, not {retry!r:.60}")
        if self.then not in ("fail", "abort"):
            raise UsageError(f"then must be fail, abort or penalty NUMBER, not {self.then!r:.60}")
        if self.penalty is not None:
            _check_penalty(self.penalty)
            if self.then == "abort":
                raise UsageError("a penalty lets the search go on, abort ends it; remove one of them")
        for name, seconds in (("backoff", self.backoff), ("longest", self.longest)):
            if seconds is None:
                continue
            _check_number(seconds, name)
            if seconds < 0:
                raise UsageError(f"{name} must not be negative, not {seconds!r:.60}")
            if not self.retry:
                raise UsageError(f"{name} is about the wait before another attempt, but there is none; give retry too")
        if self.longest is not None and self.longest < (self.backoff or 0.0):
            raise UsageError(f"longest is {self.longest:g} s, less than the first wait of {self.backoff:g} s")

    @classmethod
    def of(cls, value: Rule | str | Mapping[str, Any]) -> Rule:
        """Return the rule that somebody wrote.

        Args:
            value: A rule; its words; or a mapping of ``retry``, ``then``, ``penalty``, ``backoff`` and ``longest``.

        Raises:
            UsageError: It is none.
        """
        if isinstance(value, Rule):
            return value
        if isinstance(value, str):
            return _of_words(value)
        if not isinstance(value, Mapping):
            raise UsageError(f"{_WORDS}; not {value!r:.60}")
        unknown = [key for key in value if key not in cls.__slots__]
        if unknown:
            raise UsageError(f"a rule has no {unknown[0]!r:.60}; it has {', '.join(cls.__slots__)}")
        given = dict(value)
        if isinstance(given.get("then"), str):
            then = _of_ending(given.pop("then").split())
            if then.penalty is not None and given.get("penalty") is not None:
                raise UsageError("the penalty is given twice, after then and by itself; remove one of them")
            given = {"then": then.then, **({} if then.penalty is None else {"penalty": then.penalty}), **given}
        return cls(**given)

    def wait(self, count: int, luck: float) -> float:
        """Return the seconds before another attempt.

        Args:
            count: How many attempts failed under this rule, from 1.
            luck: A number from 0 to 1, by which a wait is shortened by up to its half: what was lost together does not
                come back together.
        """
        first = self.backoff or 0.0
        longest = max(LONGEST_WAIT, first) if self.longest is None else self.longest
        return round(min(longest, first * 2.0 ** min(count - 1, 60)) * (1 - luck / 2), 3)

    def penalties(self, objectives: Iterable[str]) -> dict[str, float] | None:
        """Return what the optimizer is told of each objective; None: nothing."""
        if self.penalty is None:
            return None
        if isinstance(self.penalty, Mapping):
            return {name: float(self.penalty[name]) for name in objectives}
        return dict.fromkeys(objectives, float(self.penalty))

    def check(self, objectives: Iterable[str]) -> None:
        """Check a penalty against the objectives of an experiment.

        Raises:
            UsageError: It names others, or does not name them where there are several.
        """
        names = list(objectives)
        if self.penalty is None:
            return
        if not names:
            raise UsageError("a penalty stands for an objective, and this experiment has none")
        if isinstance(self.penalty, Mapping):
            if set(self.penalty) != set(names):
                raise UsageError(
                    f"the penalty must name each objective: {', '.join(names)}; it names "
                    f"{', '.join(map(str, self.penalty))}"
                )
        elif len(names) > 1:
            example = ", ".join(f"{name}: {self.penalty:g}" for name in names)
            raise UsageError(f"with {len(names)} objectives a penalty names each: penalty: {{{example}}}")

    def to_json(self) -> Json:
        """Return the JSON form; what is not given is left out."""
        body: Json = {"retry": self.retry, "then": self.then}
        if self.penalty is not None:
            body["penalty"] = dict(self.penalty) if isinstance(self.penalty, Mapping) else self.penalty
        body |= {name: getattr(self, name) for name in ("backoff", "longest") if getattr(self, name) is not None}
        return body

    def __str__(self) -> str:
        """Return it in words."""
        end: str = self.then
        if isinstance(self.penalty, Mapping):
            end = "penalty " + ", ".join(f"{name} = {value:g}" for name, value in self.penalty.items())
        elif self.penalty is not None:
            end = f"penalty {self.penalty:g}"
        if not self.retry:
            return end
        waits = f" (after {self.backoff:g} s, doubling)" if self.backoff else ""
        return f"retry {self.retry}{waits}" + ("" if end == "fail" else f" then {end}")


@dataclass(frozen=True, slots=True)
class OnFailure:
    """The rules of an experiment.

    Attributes:
        other: The rule of the kinds that have none of their own.
        named: Kinds that have one.
    """

    other: Rule = field(default_factory=Rule)
    named: Mapping[FailureKind, Rule] = field(default_factory=dict)

    @classmethod
    def of(cls, value: OnFailure | Rule | str | Mapping[Any, Any]) -> OnFailure:
        """Return the rules that somebody wrote.

        Args:
            value: A rule, for every kind; or a mapping of kinds (``crashed`` …, or `FailureKind`) and ``other`` to
                rules.

        Raises:
            UsageError: There is no such kind, or a rule is none.
        """
        if isinstance(value, OnFailure):
            return value
        if not isinstance(value, Mapping):
            return cls(Rule.of(value))
        rules = {_kind_of(key): Rule.of(rule) for key, rule in value.items()}
        other = rules.pop(None, Rule())
        return cls(other, {kind: rule for kind, rule in rules.items() if kind is not None})

    def rule(self, kind: FailureKind, *, may_live: bool = False) -> Rule:
        """Return the rule of a kind of failure.

        Args:
            kind: The kind.
            may_live: Whether the evaluation may still be alive: no other follows, unless a rule names the kind.
        """
        rule = self.named.get(kind)
        if rule is None and may_live:
            return replace(self.other, retry=0, backoff=None, longest=None)
        if kind not in NOT_THE_POINTS_FAULT:
            return self.other if rule is None else rule
        if rule is None:
            rule = replace(self.other, retry=max(RETRIES_OUTSIDE, self.other.retry))
        if rule.backoff is not None or not rule.retry:
            return rule
        return replace(rule, backoff=FIRST_WAIT if rule.longest is None else min(FIRST_WAIT, rule.longest))

    def together(self, kind: FailureKind) -> frozenset[FailureKind]:
        """Return the kinds whose failures count together with this one: those of one rule."""
        if kind in self.named or kind in NOT_THE_POINTS_FAULT:
            return frozenset({kind})
        return frozenset(FailureKind) - NOT_THE_POINTS_FAULT - set(self.named)

    def check(self, objectives: Iterable[str]) -> None:
        """Check all penalties against the objectives of an experiment.

        Raises:
            UsageError: One does not fit; the sentence names the rule.
        """
        names = list(objectives)
        for name, rule in self.rules():
            try:
                rule.check(names)
            except UsageError as error:
                raise UsageError(f"on_failure, {name}: {error}") from None

    def rules(self) -> list[tuple[str, Rule]]:
        """Return the rules by name: those of their own, and ``other``."""
        return [*((kind.value, rule) for kind, rule in self.named.items()), (OTHER, self.other)]

    def to_json(self) -> Json:
        """Return the JSON form."""
        return {name: rule.to_json() for name, rule in self.rules()}

    def told(self) -> list[tuple[str, Rule]]:
        """Return the rules as they work, the implied ones too."""
        own = set(self.named) | NOT_THE_POINTS_FAULT
        return [*((kind.value, self.rule(kind)) for kind in FailureKind if kind in own), (OTHER, self.other)]


def _kind_of(key: object) -> FailureKind | None:
    """Return a kind by its name; None for ``other``."""
    if isinstance(key, FailureKind):
        return key
    if key == OTHER:
        return None
    if key in Rule.__slots__:
        raise UsageError(f"{key} is part of a rule; say of which failures: {OTHER}: {{{key}: ...}} for every kind")
    names = [kind.value for kind in FailureKind]
    if key not in names:
        raise UsageError(f"there is no failure {key!r:.60}; known are {', '.join(names)}, and {OTHER} for the rest")
    return FailureKind(key)


def _of_words(text: str) -> Rule:
    """Return the rule in words."""
    words = text.split()
    if words[:1] != ["retry"]:
        return _of_ending(words)
    number = words[1] if len(words) > 1 else ""
    if not (number.isascii() and number.isdigit() and len(number) < 10):  # noqa: PLR2004  (far beyond the most)
        raise UsageError(f"after retry comes how often, such as retry 2; not {text!r:.60}")
    if len(words) == 2:  # noqa: PLR2004  (nothing follows)
        return Rule(int(number))
    if words[2] != "then":
        raise UsageError(f"{_WORDS}; not {text!r:.60}")
    return replace(_of_ending(words[3:]), retry=int(number))


def _of_ending(words: list[str]) -> Rule:
    if words == ["fail"]:
        return Rule()
    if words == ["abort"]:
        return Rule(then="abort")
    if words[:1] == ["penalty"] and len(words) == 2:  # noqa: PLR2004  (the word and its number)
        try:
            number = read_number(words[1])
        except ValueError:
            raise UsageError(f"a penalty is a number, not {words[1]!r:.60}") from None
        return Rule(penalty=number)
    raise UsageError(f"{_WORDS}; not {' '.join(words)!r:.60}")


def _check_penalty(penalty: object) -> None:
    if not isinstance(penalty, Mapping):
        _check_number(penalty, "a penalty")
        return
    for name, value in penalty.items():
        _check_number(value, f"the penalty of {name!r:.60}")


def _check_number(value: object, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UsageError(f"{what} must be a finite number, not {value!r:.60}")
