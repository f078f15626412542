"""Prepares the attempts of a run directory for the launcher, and finds those that are there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from runwright.errors import SubmitError, UsageError
from runwright.process.adoption import Absent, Exited, Vanished, confirm, fence, restart_rule, unfence
from runwright.process.attempt import RESULT, STDERR, STDOUT, Place, placeholders, seed_of, variables
from runwright.process.live import LiveAttempt
from runwright.process.record import STARTED, read_record

if TYPE_CHECKING:
    from runwright.process.adoption import Finding
    from runwright.process.command import Command
    from runwright.result import Json
    from runwright.runner import Limits
    from runwright.trial import BaseTrial


_WHY_ABSENT = {
    "claimed": "another driver works on this attempt; only one may",
    "gone": "its supervisor was killed before it could start anything",
}


class Deployment(NamedTuple):
    """An attempt that is being sent to the launcher."""

    trial: BaseTrial
    place: Place
    digest: str
    slot: int
    request: Json


@dataclass(frozen=True, slots=True)
class Deployments:
    """The attempts of one run directory.

    Attributes:
        directory: The run directory, absolute.
        command: What is executed.
        here: Folder of the experiment file, absolute.
        limits: Limits of each attempt.
        environment: What a trial gets of the driver's environment.
        function: Whether the command is our own, which evaluates a function.
        preload: Whether the launcher has the function preloaded, so that nothing is executed.
    """

    directory: str
    command: Command
    here: str
    limits: Limits
    environment: dict[str, str]
    function: bool
    preload: bool

    def common(self) -> Json:
        """Return what the requests of all attempts have in common."""
        limits = self.limits
        return {
            "env": self.environment,
            "timeout": limits.timeout,
            "memory": limits.memory,
            "output": limits.output,
            "log": limits.log,
            "grace": limits.grace,
        }

    def place(self, trial: BaseTrial) -> Place:
        """Return where the current attempt of a trial is."""
        return Place.of(self.directory, trial.index, trial.attempt)

    def make(self, place: Place) -> bool:
        """Make what must be there before an attempt is sent; say whether it is new. The rest is its supervisor's."""
        return place.make()

    def exists(self, trial: BaseTrial) -> bool:
        """Make the control folder of an attempt; say whether it was deployed before, or may have been.

        Raises:
            SubmitError: It was, with other parameters.
        """
        if len(trial.arms) != 1:
            raise SubmitError(f"trial {trial.index} has {len(trial.arms)} arms; a process evaluates one point")
        if self.make(self.place(trial)):
            return False
        strange = self.strange(trial)
        if strange is not None:
            raise SubmitError(strange)
        return True

    def strange(self, trial: BaseTrial) -> str | None:
        """Return a sentence where what is there was deployed with other parameters; else None."""
        place = self.place(trial)
        key = place.key()
        if key is None or key["digest"] == trial.digest:
            return None
        return (
            f"{place.relative} was deployed with other parameters (digest {key['digest']}, not {trial.digest}); "
            "is it the directory of another run?"
        )

    def find(self, trial: BaseTrial) -> Finding:
        """Return what became of an attempt; one that never began may begin from now on."""
        place = self.place(trial)
        found = restart_rule(place.control)
        if isinstance(found, Absent) and found.fenced:
            unfence(place.control)
        return found

    def fence(self, trial: BaseTrial) -> bool:
        """Make sure that an attempt that was not begun never begins by itself; say whether that is so."""
        return fence(self.place(trial).control)

    def ended_unseen(self, trial: BaseTrial) -> Exited | Vanished:
        """Return what became of an attempt whose supervisor was seen, and has left neither start nor end."""
        control = self.place(trial).control
        if not os.path.isdir(control):
            return Vanished("its control folder was removed while it ran, so nobody recorded its end", {})
        fence(control)
        message = "its supervisor ended before it could start anything (is the disk full?)"
        return Exited({"reason": "start", "message": message})

    def prepare(self, trial: BaseTrial, slot: int) -> Deployment:
        """Write the key of an attempt; make the request for it: what is not `common`.

        Raises:
            SubmitError: Something that the command asks for is not known, or cannot be an argument.
            OSError: The disk is full.
        """
        place = self.place(trial)
        seed, digest = seed_of(trial), trial.digest
        values = placeholders(trial, place, slot, seed, self.here)
        request: Json = {
            "id": f"{trial.index}.{trial.attempt}",
            "env": self.command.environment(values, variables(trial, place, slot, seed)),
            "cwd": place.folder,
            "control": place.control,
            "stdout": f"{place.folder}/{STDOUT}",
            "stderr": f"{place.folder}/{STDERR}",
            "counted": [f"{place.folder}/{RESULT}"],
            "work": place.work(trial, seed, definition=self.function),
        }
        if self.preload:
            request["call"] = place.folder
        else:
            request["argv"] = self.command.arguments(values)
            if self.function:
                request["argv"].append(place.folder)
        place.write_key(trial, digest, slot)
        return Deployment(trial, place, digest, slot, request)

    def launched(self, deployment: Deployment, answer: Json) -> LiveAttempt | Finding:
        """Return the attempt that the launcher has begun, or what became of it.

        Raises:
            SubmitError: It did not begin.
        """
        trial, place = deployment.trial, deployment.place
        if answer["event"] == "error":
            raise SubmitError(answer["message"])
        if answer["event"] in ("claimed", "gone"):
            found = restart_rule(place.control)
            if isinstance(found, Absent):
                raise SubmitError(_WHY_ABSENT[answer["event"]])
            return found
        process = confirm(place.control, answer["pid"])
        if process is None:
            return Exited({})
        metadata = self._metadata(trial, place, answer["pid"], deployment.slot, deployment.digest)
        return LiveAttempt(trial.attempt, process, metadata)

    def metadata(self, trial: BaseTrial, pid: int | None = None) -> Json:
        """Return the run metadata of an attempt that has begun before; what is not given is on record."""
        place = self.place(trial)
        if pid is None:
            pid = (read_record(place.control, STARTED) or {}).get("pid")
        return self._metadata(trial, place, pid, (place.key() or {}).get("slot", 0), trial.digest)

    @staticmethod
    def _metadata(trial: BaseTrial, place: Place, pid: int | None, slot: int, digest: str) -> Json:
        name = f"{trial.experiment.name}_{trial.index}"
        return {"name": name, "folder": place.relative, "pid": pid, "slot": slot, "digest": digest}

    def check_place(self, trial: BaseTrial) -> None:
        """Refuse to follow an attempt that was started where the run directory no longer is.

        Raises:
            UsageError: It was.
        """
        was = self.place(trial).moved_from()
        if was is not None:
            raise UsageError(
                f"{self.directory}: the run directory was moved while trial {trial.index} runs in it; move it back, so "
                f"that its result can be written to {was}, or stop what runs: runwright stop {self.directory}"
            )

    def unreachable(self, trial: BaseTrial) -> SubmitError:
        """Return the error of an attempt that runs where it cannot be followed."""
        return SubmitError(
            f"{self.place(trial).relative} is running on another machine or in another container; "
            "go on there, or wait for its end"
        )
