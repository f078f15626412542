"""Between wrappers and processes: a job as a request for the launcher, and how its end is read."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.errors import SubmitError, UsageError
from runwright.folder import write_json
from runwright.process import work
from runwright.process.attempt import FORMAT, TRIAL, placeholders, seed_of
from runwright.process.command import Command
from runwright.process.deployment import Deployment, Deployments
from runwright.process.outcome import Judge
from runwright.process.reading import Reading
from runwright.wrappers.layout import write_before
from runwright.wrappers.names import OUTPUT_FILES, SUFFIXES
from runwright.wrappers.steps import PLAN, STEP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runwright.experiment import Experiment
    from runwright.process.adoption import Exited, Vanished
    from runwright.process.attempt import Place
    from runwright.result import Json, Metrics, Result
    from runwright.status import TrialStatus
    from runwright.trial import BaseTrial
    from runwright.wrappers.job import Job

_BOOT = "import sys; sys.path.append(sys.argv[1]); from runwright.wrappers.steps import main; main()"
_HOOKS = "wrapped.json"

AT_WORK = "at_work"
"""Phase of an attempt whose `run_model` was called and has not returned."""
OWN = "own"
"""Phase of an attempt that `run_model` has started by itself."""
JOB = "job"
"""Phase of an attempt whose `run_model` has returned a job: the records of its supervisor say more."""
OVER = "over"
"""Phase of an attempt that has ended and was no job; its result stands in the record."""


@dataclass(frozen=True, slots=True)
class WrappedDeployments(Deployments):
    """Deployments whose command is the job of each trial.

    Attributes:
        jobs: Job by trial, of those that are about to be deployed.
        env: Variables added to the environment of each.
        success_codes: Exit statuses of a command that mean success.
    """

    jobs: dict[int, Job] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    success_codes: frozenset[int] = frozenset({0})
    _known: dict[tuple[Any, ...], Command] = field(default_factory=dict)

    def check(self, job: Job, experiment: Experiment) -> list[Command]:
        """Return the commands of a job, each checked once.

        Raises:
            UsageError: A placeholder, a program or the working folder is wrong.
        """
        if job.folder is not None and not Path(job.folder).is_dir():
            raise UsageError(f"the working folder {job.folder!r:.300} of the commands is no folder")
        env = {**self.env, **job.env}
        commands = []
        for step in job.steps:
            key = (step.argv, tuple(env.items()))
            command = self._known.get(key)
            if command is None:
                command = Command(step.argv, env)
                try:
                    command.check(experiment, self.here)
                except UsageError as error:
                    raise UsageError(f"{step.name}: {error}") from None
                self._known[key] = command
            commands.append(command)
        return commands

    def make(self, place: Place) -> bool:
        """Make both folders of an attempt: hooks write into the working folder."""
        return place.make_both()

    def prepare(self, trial: BaseTrial, slot: int) -> Deployment:
        """Write what the commands of an attempt read, and the request for them.

        Raises:
            SubmitError: Something that a command asks for is not known, or cannot be an argument.
            OSError: The disk is full.
        """
        job = self.jobs[trial.index]
        try:
            commands = self.check(job, trial.experiment)
        except UsageError as error:
            raise SubmitError(str(error)) from None
        place = self.place(trial)
        deployment = Deployments.prepare(replace(self, command=commands[0]), trial, slot)
        work.prepare(deployment.request.pop("work"))  # here and not by the supervisor: hooks have written there
        if job.about:
            body = {**job.about, "format": FORMAT, "seed": seed_of(trial)}
            write_before(Path(place.folder, TRIAL), body)
        deployment.request["cwd"] = job.folder or place.folder
        deployment.request["counted"] = [f"{place.folder}/{name}{end}" for name in OUTPUT_FILES for end in SUFFIXES]
        if len(commands) > 1:
            values = placeholders(trial, place, slot, seed_of(trial), self.here)
            self._plan(place, job, [command.arguments(values) for command in commands])
            home = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))  # noqa: PTH100, PTH118, PTH120
            deployment.request["argv"] = [sys.executable, "-I", "-S", "-c", _BOOT, home, place.control]
        return deployment

    def _plan(self, place: Place, job: Job, commands: list[list[str]]) -> None:
        steps = [
            {"name": step.name, "argv": argv, "until_status": step.until_status, "needs_success": step.needs_success}
            for step, argv in zip(job.steps, commands, strict=True)
        ]
        plan = {
            "steps": steps,
            "folder": place.folder,
            "pause": job.pause,
            "success": sorted(self.success_codes),
        }
        write_before(Path(place.control, PLAN), plan)


class ExitReading(Reading):
    """Reads nothing: the wrapper does, once the program has ended well.

    Args:
        stream: The stream that the wrapper will read, or None: then a cut stream does not matter.
    """

    def __init__(self, stream: str | None = None) -> None:
        super().__init__(None)
        self._log = stream

    def read(self, folder: str, experiment: Experiment, arm: str) -> tuple[dict[str, Metrics], Json, Json]:  # noqa: ARG002
        """Return nothing."""
        return {}, {}, {}


@dataclass(frozen=True, slots=True)
class WrappedJudge(Judge):
    """A judge that also says which of several commands failed."""

    def conclude(self, ended: Exited | Vanished, place: Place, trial: BaseTrial) -> tuple[TrialStatus, Result]:
        """Return status and result."""
        status, result = Judge.conclude(self, ended, place, trial)
        if result.failure is not None:
            step = _text(f"{place.control}/{STEP}")
            if step:
                result.failure = replace(result.failure, message=f"{step}: {result.failure.message}")
        return status, result


def note(place: Place, phase: str, **facts: Any) -> None:
    """Record how far an attempt has come whose `run_model` may start something by itself."""
    write_json(Path(place.control, _HOOKS), {"phase": phase, **facts})


def noted(place: Place) -> Json | None:
    """Return what was recorded last; None where nothing was, or the job's own records say more."""
    record = _json(f"{place.control}/{_HOOKS}")
    return None if record is None or record.get("phase") == JOB else record


def _json(path: str) -> Json | None:
    text = _text(path)
    if not text:
        return None
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
