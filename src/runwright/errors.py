"""Every error that Runwright raises on purpose.

```
RunwrightError                 one clear sentence; the command line prints it and ends with status 2
├── UsageError                 a mistake in what the user asked for
│   ├── ExperimentFileError    ... in the experiment file: carries file, key and line
│   ├── MissingExtraError      ... an optional library is not installed: names the pip command
│   └── ExperimentChangedError ... the definition differs from the one the directory was started with
├── DirectoryInUseError        another driver works in this directory: carries its pid
├── JournalError               the journal cannot be used; it is left untouched
│   ├── JournalDamagedError
│   └── JournalTooNewError
├── SubmitError                a runner could not hand an attempt to what executes it
├── InvalidResultError         an evaluation returned something that is no result
├── StoppedError                  a user has stopped the experiment that a loop of one's own submits to
├── ContractError              a runner or an optimizer broke an obligation of its contract
└── IllegalTransitionError     a trial was asked to make a move that the table of moves does not have
```

Messages are lower-case sentences that say what is wrong, where, and what to do.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class RunwrightError(Exception):
    """Base of all errors raised on purpose."""


class UsageError(RunwrightError):
    """The user asked for something that cannot be done; nothing was started."""


class ExperimentFileError(UsageError):
    """The experiment file is wrong.

    Args:
        message: What is wrong and what to do.
        file: The experiment file.
        key: Dotted path of the offending key, such as ``parameters.x1.bounds``.
        line: Line number, counted from 1.
    """

    def __init__(self, message: str, *, file: Path | str, key: str | None = None, line: int | None = None) -> None:
        self.file = str(file)
        self.key = key
        self.line = line
        where = self.file if line is None else f"{self.file}:{line}"
        super().__init__(f"{where}: {key}: {message}" if key else f"{where}: {message}")


class MissingExtraError(UsageError):
    """An optional library is missing.

    Args:
        what: The thing that needs it, such as ``the optuna optimizer``.
        extra: Name of the extra that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{what} needs a library that is not installed: pip install 'runwright[{extra}]'")


class ExperimentChangedError(UsageError):
    """The experiment differs from the one that the directory was started with."""


class DirectoryInUseError(RunwrightError):
    """Another driver works in the directory.

    Args:
        directory: The run directory.
        pid: Process id of the driver that holds it; 0 where it is on another machine.
    """

    def __init__(self, directory: Path | str, pid: int) -> None:
        self.pid = pid
        if pid == os.getpid():
            who, advice = f"this process (pid {pid})", "close the scheduler, queue or bridge that works there"
        elif pid > 0:
            who, advice = f"another driver (pid {pid})", f"wait for it, or end it with: kill {pid}"
        else:
            who, advice = "a driver on another machine", "wait for it, or end it there"
        super().__init__(f"{directory}: {who} works in this directory; {advice}")


class JournalError(RunwrightError):
    """The journal cannot be used; it was left as it is."""


class JournalDamagedError(JournalError):
    """The journal's content is not what was written."""


class JournalTooNewError(JournalError):
    """The journal was written by a later version."""


class SubmitError(RunwrightError):
    """An attempt could not be handed to what executes it; it did not start."""


class InvalidResultError(RunwrightError):
    """An evaluation returned something that is no result."""


class StoppedError(RunwrightError):
    """A user has stopped the experiment that a loop of one's own submits to."""


class ContractError(RunwrightError):
    """A runner or an optimizer broke an obligation of its contract."""


class IllegalTransitionError(RunwrightError):
    """A trial was asked to make a move that does not exist."""
