"""What goes to a terminal or a pipe: escaped, wrapped, and never the reason why a run dies."""

from __future__ import annotations

import errno
import json
import math
import os
import shlex
import shutil
import sys
import textwrap
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from runwright.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runwright.result import Measurement

_NARROWEST = 40
_WIDEST = 100
_UNWRAPPED = 100_000
_DAY = 24
_ONE_DIGIT = 9.95


def printable(text: object) -> str:
    r"""Return a text on one line in which nothing can move the cursor, colour, hide or reorder: ``\x1b`` for ESC.

    Args:
        text: What a trial, a file or a user wrote.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def brief(text: object, longest: int) -> str:
    """Return a text as `printable` does, cut where it is long."""
    shown = printable(text)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def say(text: str = "", *, error: bool = False, bold: bool = False, colour: str | None = None) -> None:
    """Print a line; whatever it quotes has gone through `printable`.

    Args:
        text: The line.
        error: To stderr.
        bold: Bold where the output is a terminal and ``NO_COLOR`` is not set.
        colour: Name of a colour, likewise.
    """
    if bold or colour:
        text = click.style(text, bold=bold or None, fg=colour)
    with writing(sys.stderr if error else sys.stdout):
        click.echo(text, err=error, color=False if os.environ.get("NO_COLOR") else None)


def say_json(value: object, out: TextIO | None = None) -> None:
    """Print a value as JSON.

    Args:
        value: The value.
        out: Where to; standard output where not given.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    with writing(out or sys.stdout):
        click.echo(text, file=out)


@contextmanager
def stdout_kept_free() -> Iterator[TextIO]:
    """Yield standard output, and have all else that this process and its children print there go to stderr.

    The descriptor leads to stderr for good: a library in C may write what it holds back as late as at the very end.
    """
    out = sys.stdout
    with ExitStack() as stack:
        with suppress(OSError, ValueError):  # a stream without a descriptor has nothing that a child could write to
            number = out.fileno()
            out.flush()
            kept = os.dup(number)
            out = stack.enter_context(os.fdopen(kept, "w", encoding=out.encoding, errors=out.errors))
            os.dup2(sys.stderr.fileno(), number)
        stack.enter_context(redirect_stdout(sys.stderr))
        yield out


class OutputError(UsageError):
    """The output takes no more; what was to be done otherwise is done."""


@contextmanager
def writing(stream: TextIO) -> Iterator[None]:
    """Write to a stream, and say so where it is full.

    A pipe whose reader has left is no error to speak of: click ends the command quietly.

    Raises:
        OutputError: The stream takes no more.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        silence(stream)
        raise OutputError(f"the output cannot be written ({error.strerror})") from None


def silence(stream: TextIO) -> None:
    """Send what a stream still holds, and all that follows, to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    except (OSError, ValueError):
        pass  # a stream without a descriptor holds nothing back
    finally:
        os.close(nowhere)


def width() -> int:
    """Columns to fill: those of the terminal or of ``COLUMNS``; without either, lines are not wrapped."""
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        return _UNWRAPPED
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((80, 24)).columns - 1))


def paragraph(text: str, *, indent: str = "", hang: str | None = None) -> list[str]:
    """Wrap a text into lines; long words such as paths stay whole.

    Args:
        text: The text.
        indent: In front of the first line.
        hang: In front of the others; `indent` where not given.
    """
    return textwrap.wrap(
        text,
        width(),
        initial_indent=indent,
        subsequent_indent=indent if hang is None else hang,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [indent.rstrip()]


def duration(seconds: float) -> str:
    """Say a duration for people: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 03 min``, ``1 d 04 h``."""
    if seconds < 1:
        return f"{seconds:.1g} s"
    if seconds < _ONE_DIGIT:
        return f"{seconds:.1f} s"
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= _DAY:
        return f"{hours // _DAY} d {hours % _DAY:02d} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {whole:02d} s" if minutes else f"{whole} s"


def roughly(seconds: float) -> str:
    """Say an estimate of a duration: whole seconds, at least one."""
    whole = max(1, round(seconds))
    return f"{whole} s" if whole < _ONE_DIGIT else duration(whole)


def measured(value: Measurement) -> str:
    """Say a measurement: mean and, where it is known, its standard error."""
    mean, sem = value
    return f"{mean:.6g}" + ("" if sem is None else f" ± {sem:.2g}")


def setting(value: object) -> str:
    """Say the value of a parameter; exact."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 1e15:  # noqa: PLR2004
        return str(int(value))
    return printable(value)


def point(parameters: Mapping[str, object]) -> str:
    """Say a point on one line, with few digits."""
    return ", ".join(
        f"{printable(name)}={value:.4g}" if isinstance(value, float) else f"{printable(name)}={setting(value)}"
        for name, value in parameters.items()
    )


def plural(count: int, what: str) -> str:
    """Say a number of things."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def shown(path: Path | str) -> str:
    """Say a path: relative where it lies below the current folder."""
    path = Path(path)
    with suppress(ValueError, OSError):  # elsewhere, or the current folder is gone: the path as it is
        path = path.absolute().relative_to(Path.cwd())
    return printable(path)


def command(*words: object) -> str:
    """Say a command line that can be pasted into a shell."""
    return printable(shlex.join(["runwright", *(str(word) for word in words)]))


def make_forgiving() -> None:
    """Let neither a closed output nor a character that it cannot express end the program."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # closed by the caller: no other file may come to stand in its place
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
