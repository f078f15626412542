"""The folders of an attempt, and what its program is told.

`attempt.json` in the control folder is the key under which an attempt exists: whoever deploys it again finds it there.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from runwright.experiment import stable_seed
from runwright.folder import CONTROL, TRIALS
from runwright.process.mark import NAME
from runwright.process.record import read_record
from runwright.process.work import make_folder, write_json

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
        """Make the control folder; say whether the attempt is new here.

        Raises:
            FileNotFoundError: The run directory is gone; it is not made anew.
        """
        return make_folder(self.control, self.directory)

    def make_both(self) -> bool:
        """Make the working folder too, for whoever writes there before there is a supervisor."""
        make_folder(self.folder, self.directory)
        return self.make()

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

    def work(self, trial: BaseTrial, seed: int, *, definition: bool) -> Json:
        """Return what the working folder must be before the program begins; see `process/work.py`.

        Args:
            trial: The trial.
            seed: The seed of the evaluation.
            definition: Whether the experiment's definition is needed, to build the trial again.
        """
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
        files = {PARAMETERS: trial.arms[0].parameters, TRIAL: body}
        return {"folder": self.folder, "below": self.directory, "files": files, "result": RESULT}

    def write_key(self, trial: BaseTrial, digest: str, slot: int) -> None:
        """Write what this attempt is deployed as.

        Not there or cut short: nothing was sent yet, so it may be written again.
        """
        key = {"digest": digest, "slot": slot, "experiment": trial.experiment.name, "folder": self.folder}
        write_json(f"{self.control}/{KEY}", key)

    def write(self, trial: BaseTrial, digest: str, slot: int, seed: int) -> None:
        """Write all of it, for whoever needs it before there is a supervisor; the folders exist."""
        for name, body in self.work(trial, seed, definition=False)["files"].items():
            write_json(f"{self.folder}/{name}", body)
        self.write_key(trial, digest, slot)


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
        NAME: f"{place.folder}/{RESULT}",
        "RUNWRIGHT_SEED": str(seed),
        "RUNWRIGHT_SLOT": str(slot),
    }
    if trial.budget is not None:
        known["RUNWRIGHT_BUDGET"] = str(trial.budget)
    if trial.instance is not None:
        known["RUNWRIGHT_INSTANCE"] = str(trial.instance)
    return known
