"""What a wrapper wants executed: one command, or several in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runwright.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a job. Its words may have placeholders: ``{x}`` for a parameter, ``{trial_dir}``, ``{here}`` ...

    Attributes:
        name: What it is called in messages.
        argv: Program and arguments.
        until_status: Whether it is repeated until the trial folder holds a status or data.
        needs_success: Whether it is left out once the trial folder says that the trial ended without data.
    """

    name: str
    argv: tuple[str, ...]
    until_status: bool = False
    needs_success: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """What `BaseWrapper.run_model` may return to have it executed under a supervisor.

    Such a job outlives the driver, has limits, and is found again. Its output is looked at after its exit only.

    Attributes:
        steps: Commands, executed in order until one fails.
        folder: Working folder; None: the trial's own.
        env: Variables added to the environment; their values may have placeholders.
        pause: Seconds between two runs of a step that is repeated.
        about: What stands in ``trial.json`` besides.
    """

    steps: tuple[Step, ...]
    folder: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    pause: float = 1.0
    about: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, what: object) -> Job | None:
        """Return what a `run_model` returned as a job; None where it returned none.

        Args:
            what: A job, the words of a command (taken as they are), or anything else that is ignored.

        Raises:
            UsageError: It is an empty command.
        """
        if isinstance(what, Job):
            if not what.steps:
                raise UsageError("run_model returned a job without steps")
            return what
        if isinstance(what, (list, tuple)) and all(isinstance(word, str) for word in what):
            if not what:
                raise UsageError("run_model returned an empty command")
            return cls((Step("run_model", tuple(protect(what))),))
        return None


def protect(words: Sequence[str]) -> list[str]:
    """Protect braces in words from being placeholders."""
    return [word.replace("{", "{{").replace("}", "}}") for word in words]
