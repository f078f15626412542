"""What the bridge raises inside Ax's loops.

Ax takes whatever a runner raises for a verdict: it submits again, three times, and abandons trials that it cannot poll.
An `UnsupportedError` is what it lets through.
"""

from __future__ import annotations

from runwright.bridges.ax_library import UnsupportedError
from runwright.errors import RunwrightError, StoppedError, UsageError


class RefusedError(UsageError, UnsupportedError):
    """What was asked of the bridge cannot be done; no trial is concerned."""


class HaltedError(RunwrightError, UnsupportedError):
    """The bridge cannot go on, and no trial is to blame: started again, it goes on where it was."""


class let_through:  # noqa: N801  (a context manager, called like those of contextlib)
    """Raise what goes wrong in a form that Ax lets through.

    Raises:
        RefusedError: It was a mistake in what was asked for.
        HaltedError: It was anything else.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        if isinstance(error, UsageError):
            raise RefusedError(str(error)) from error
        if isinstance(error, StoppedError):
            raise HaltedError(str(error)) from error
        if isinstance(error, Exception):
            raise HaltedError(f"runwright cannot go on: {type(error).__name__}: {error}") from error
