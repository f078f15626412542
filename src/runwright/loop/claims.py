"""Who waits for which trial: the submissions of this life of a queue, and what earlier lives were given."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from runwright.errors import UsageError
from runwright.submission import TrialInfo, TrialValue, content_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runwright.trial import BaseTrial

Collected: TypeAlias = list[tuple[TrialInfo, TrialValue]]


class Claim(NamedTuple):
    """A submission whose result has not been handed out.

    Attributes:
        info: What was submitted, as it was.
        key: Its content.
        into: Where its result goes.
    """

    info: TrialInfo
    key: str
    into: Collected


class Claims:
    """Matches submissions with trials: the n-th submission of a content in this life is its n-th trial on record.

    What other users had tried is on record too.

    Args:
        trials: What earlier lives were given, by index.
    """

    def __init__(self, trials: Iterable[BaseTrial]) -> None:
        self._claims: dict[int, Claim] = {}
        self._recorded: dict[str, deque[int]] = {}
        self.record(trials)

    def record(self, trials: Iterable[BaseTrial]) -> None:
        """Learn of trials that nobody has claimed: of earlier lives, or of users."""
        for trial in trials:
            if len(trial.arms) == 1:
                key = content_key(trial.arms[0].parameters, trial.instance, trial.seed, trial.budget)
                self._recorded.setdefault(key, deque()).append(trial.index)

    def __len__(self) -> int:
        return len(self._claims)

    def __contains__(self, index: int) -> bool:
        return index in self._claims

    def on_record(self, key: str) -> int | None:
        """Return the first trial with this content that nobody has claimed, or None."""
        found = self._recorded.get(key)
        return found[0] if found else None

    def claim(self, index: int, claim: Claim) -> None:
        """Let a submission wait for a trial."""
        found = self._recorded.get(claim.key)
        if found and found[0] == index:
            found.popleft()
            if not found:
                del self._recorded[claim.key]
        self._claims[index] = claim

    def give_back(self, index: int) -> None:
        """Take back a claim: the next submission of its content may have the trial."""
        claim = self._claims.pop(index, None)
        if claim is not None:
            self._recorded.setdefault(claim.key, deque()).appendleft(index)

    def settle(self, index: int) -> Claim | None:
        """Return the claim to a trial whose result is there, which it is no longer; None where nobody waits for it."""
        return self._claims.pop(index, None)

    def find(self, info: Any) -> int | None:
        """Return the trial of a submission that waits: of that very object, else of the earliest that equals it."""
        for index, claim in self._claims.items():
            if claim.info is info:
                return index
        own = own_info(info)
        return next((index for index, claim in self._claims.items() if own_info(claim.info) == own), None)

    def left(self) -> list[int]:
        """Return the trials on record that nobody has claimed, by index."""
        return sorted(index for found in self._recorded.values() for index in found)


def own_info(info: Any) -> TrialInfo:
    """Return a trial of another library as one of ours.

    Raises:
        UsageError: It has not what a trial has.
    """
    if isinstance(info, TrialInfo):
        return info
    try:
        parts = (info.config, info.instance, info.seed, info.budget)
    except AttributeError:
        raise UsageError(f"a TrialInfo is submitted, not {info!r:.80}") from None
    return TrialInfo(*parts)
