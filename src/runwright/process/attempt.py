"""The folders of an attempt, and what its program is told.

`attempt.json` in the control folder is the key under which an attempt exists: whoever deploys it again finds it there.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from runwright.errors import SubmitError
from runwright.experiment import stable_seed
from runwright.folder import CONTROL, TRIALS
from runwright.process.record import read_record, write_all

if TYPE_CHECKING:
    from runwright.result import Json
    from runwright.trial import BaseTrial

FORMAT = 1
PARAMETERS = "parameters.json"
TRIAL = "trial.json"
RESULT = "result.json"
STDOUT = "stdout.log"
STDERR = "stderr.log"
KEY = "attempt.json"

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode


class Place(NamedTuple):
    """Where an attempt is.

    Attributes:
        folder: Its working folder.
        control: Its control folder.
        relative: The working folder, relative to the run directory.
        directory: The run directory.
    """

    folder: str
    control: str
    relative: str
    directory: str

    @classmethod
    def of(cls, directory: str, trial: int, attempt: int) -> Place:
        """Return the place of an attempt in a run directory."""
        relative = f"{TRIALS}/{trial}/{attempt}"
        return cls(f"{directory}/{relative}", f"{directory}/{CONTROL}/{trial}.{attempt}", relative, directory)

    def make(self) -> bool:
        """Make the folders; say whether the attempt is new here. A new one has no result.

        Raises:
            FileNotFoundError: The run directory is gone; it is not made anew.
            SubmitError: There is a result, which cannot be removed.
        """
        _make_folder(self.folder[: self.folder.rindex("/")], self.directory)  # as a rule it is not there yet either
        fresh = _make_folder(self.folder, self.directory)
        if not _make_folder(self.control, self.directory):
            return False
        if not fresh:
            self.remove_results()
        return True

    def key(self) -> Json | None:
        """Return what this attempt was deployed as; None where its deployment did not come so far."""
        record = read_record(self.control, KEY)
        return None if record is None or record.get("damaged") else record

    def moved_from(self) -> str | None:
        """Return where it was when it was deployed, if that is not where it is now.

        Its program was told that place, and leaves its result there.
        """
        was: str | None = (self.key() or {}).get("folder")
        if was is None or was == self.folder:
            return None
        try:
            return None if os.path.samefile(was, self.folder) else was  # by another name, or through a link
        except OSError:
            return was

    def write(self, trial: BaseTrial, digest: str, slot: int, seed: int, *, definition: bool) -> None:
        """Write what the program reads, and the key.

        Args:
            trial: The trial; its current attempt is written.
            digest: The trial's digest.
            slot: The slot that it takes.
            seed: The seed of the evaluation.
            definition: Whether the experiment's definition is needed, to build the trial again.
        """
        parameters = trial.arms[0].parameters
        body: Json = {
            "format": FORMAT,
            "experiment": trial.experiment.name,
            "trial": trial.index,
            "attempt": trial.attempt,
            "arms": [{"name": arm.name, "parameters": arm.parameters} for arm in trial.arms],
            "instance": trial.instance,
            "budget": trial.budget,
            "seed": seed,
        }
        if definition:
            body["definition"] = trial.experiment.to_dict()
        _write(f"{self.folder}/{PARAMETERS}", parameters)
        _write(f"{self.folder}/{TRIAL}", body)
        # Not there or cut short: nothing was sent yet, so it may be written again.
        key = {"digest": digest, "slot": slot, "experiment": trial.experiment.name, "folder": self.folder}
        _write(f"{self.control}/{KEY}", key)

    def remove_results(self) -> None:
        """Remove a result that no program of this attempt can have written."""
        try:
            os.unlink(f"{self.folder}/{RESULT}")
        except FileNotFoundError:
            return
        except OSError as error:
            raise SubmitError(
                f"{self.relative}/{RESULT} is there before the trial ran, and cannot be removed: {error.strerror}"
            ) from None


def _make_folder(path: str, below: str) -> bool:
    """Make a folder and those above it, below another one; say whether it is new."""
    try:
        os.mkdir(path)
    except FileExistsError:
        return False
    except FileNotFoundError:
        above = os.path.dirname(path)
        if above == below:
            raise
        _make_folder(above, below)
        return _make_folder(path, below)
    return True


def _write(path: str, body: Json) -> None:
    data = _encode(body).encode()
    fd = os.open(path, _NEW, 0o644)
    try:
        write_all(fd, data)
    finally:
        os.close(fd)


def seed_of(trial: BaseTrial) -> int:
    """Return the seed of an evaluation; where none was asked for, the one that a function in this process would get."""
    if trial.seed is not None:
        return trial.seed
    return stable_seed(trial.experiment.seed, "evaluation", trial.index) % 2**31


def placeholders(trial: BaseTrial, place: Place, slot: int, seed: int, here: str) -> dict[str, Any]:
    """Return what the placeholders of a command stand for."""
    return {
        "trial": trial.index,
        "attempt": trial.attempt,
        "seed": seed,
        "budget": trial.budget,
        "instance": trial.instance,
        "slot": slot,
        "trial_dir": place.folder,
        "here": here,
        **trial.arms[0].parameters,
    }


def variables(trial: BaseTrial, place: Place, slot: int, seed: int) -> dict[str, str]:
    """Return the environment variables that tell a program what it evaluates."""
    known = {
        "RUNWRIGHT_EXPERIMENT": trial.experiment.name,
        "RUNWRIGHT_TRIAL": str(trial.index),
        "RUNWRIGHT_ATTEMPT": str(trial.attempt),
        "RUNWRIGHT_PARAMETERS": f"{place.folder}/{PARAMETERS}",
        "RUNWRIGHT_RESULT": f"{place.folder}/{RESULT}",
        "RUNWRIGHT_SEED": str(seed),
        "RUNWRIGHT_SLOT": str(slot),
    }
    if trial.budget is not None:
        known["RUNWRIGHT_BUDGET"] = str(trial.budget)
    if trial.instance is not None:
        known["RUNWRIGHT_INSTANCE"] = str(trial.instance)
    return known
