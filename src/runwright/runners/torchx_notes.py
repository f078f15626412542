"""What is noted of a submission before and after it, so that any later driver finds the app again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from runwright.folder import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from runwright.trial import BaseTrial


@dataclass(slots=True)
class Note:
    """A submission.

    Attributes:
        digest: Digest of what the trial evaluates.
        tag: Part of the app's name that no other attempt has.
        handle: Handle of the app; None while it is being submitted and the scheduler has not yet named it.
        roles: Names of its roles, with their numbers of replicas.
        log_dir: Where a local app's logs are, or None.
        stale: What was at the places of its results before, as marks by which it is known again.
        submitted: Seconds of the epoch.
        confirmed: Whether the scheduler took it.
        error: Why its submission failed, where the scheduler may have taken it all the same; else nothing.
        end: How it was seen to end, or None: TorchX's local scheduler knows it no more once its driver is gone.
    """

    digest: str
    tag: str
    submitted: float
    handle: str | None = None
    roles: dict[str, int] = field(default_factory=dict)
    log_dir: str | None = None
    stale: dict[str, str] = field(default_factory=dict)
    confirmed: bool = False
    error: str = ""
    end: dict[str, Any] | None = None


class Notes:
    """The notes of a run directory, in its folder ``torchx``; in memory where there is no directory.

    Args:
        directory: The run directory, or None.
    """

    def __init__(self, directory: Path | None) -> None:
        self._folder = None if directory is None else directory / "torchx"
        self._kept: dict[str, dict[str, Any]] = {}
        if self._folder is not None:
            self._folder.mkdir(exist_ok=True)

    def read(self, trial: BaseTrial) -> Note | None:
        """Return what was noted of the trial's current attempt, or None."""
        name = _name(trial)
        if self._folder is None:
            body = self._kept.get(name)
        else:
            try:
                body = json.loads((self._folder / name).read_bytes())
            except FileNotFoundError:
                body = None
        return None if body is None else Note(**body)

    def write(self, trial: BaseTrial, note: Note, *, sync: bool = True) -> None:
        """Note a submission.

        Args:
            trial: The trial.
            note: What is known of its current attempt.
            sync: Whether the note must survive a power cut.
        """
        if self._folder is None:
            self._kept[_name(trial)] = asdict(note)
        else:
            write_json(self._folder / _name(trial), asdict(note), sync=sync)

    def forget(self, trial: BaseTrial) -> None:
        """Forget a submission that did not take place."""
        self._kept.pop(_name(trial), None)
        if self._folder is not None:
            (self._folder / _name(trial)).unlink(missing_ok=True)


def _name(trial: BaseTrial) -> str:
    return f"{trial.index}.{trial.attempt}.json"
