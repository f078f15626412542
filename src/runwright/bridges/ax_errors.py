"""What the bridge raises inside Ax's loops.

Ax takes whatever a runner raises for a verdict: it submits again, three times, and abandons trials that it cannot poll.
An `UnsupportedError` is what it lets through.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from runwright.bridges.ax_library import UnsupportedError
from runwright.errors import RunwrightError, StoppedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


class RefusedError(UsageError, UnsupportedError):
    """What was asked of the bridge cannot be done; no trial is concerned."""


class HaltedError(RunwrightError, UnsupportedError):
    """The bridge cannot go on, and no trial is to blame: started again, it goes on where it was."""


@contextmanager
def let_through() -> Iterator[None]:
    """Raise what goes wrong in a form that Ax lets through.

    Raises:
        RefusedError: It was a mistake in what was asked for.
        HaltedError: It was anything else.
    """
    try:
        yield
    except UsageError as error:
        raise RefusedError(str(error)) from error
    except StoppedError as error:
        raise HaltedError(str(error)) from error
    except Exception as error:
        raise HaltedError(f"runwright cannot go on: {type(error).__name__}: {error}") from error
