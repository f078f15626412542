"""``runwright import-boa``: an experiment file made from a BOA configuration file."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runwright.cli.terminal import brief, paragraph, printable, say, shown
from runwright.cli.terminal import command as command_line
from runwright.errors import ExperimentFileError, UsageError

if TYPE_CHECKING:
    from runwright.config.boa import Imported

_STDOUT = "-"
_LONGEST = 300


@click.command("import-boa", short_help="Make an experiment file from a BOA one.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="OUT", help="Where to; FILE.runwright.yaml beside FILE if not given, - prints.")
@click.option("--force", is_flag=True, help="Overwrite OUT.")
def command(file: Path, output: str | None, force: bool) -> None:
    """Make an experiment file from the BOA configuration FILE.

    The scripts that FILE names are neither moved nor changed, and run in the folder that they run in under BOA. What
    has no counterpart is listed, here and at the top of the new file. BOA need not be installed.
    """
    from runwright.config.boa import convert

    if os.path.isdir(file):  # noqa: PTH112  (of an impossible name too)
        raise UsageError(f"{shown(file)}: this is a folder; give the BOA configuration in it")
    place = Path.cwd() / "-" if output == _STDOUT else _place(file, output)
    if output != _STDOUT and not force and os.path.exists(place):  # noqa: PTH110  (of an impossible name too)
        raise UsageError(f"{shown(place)} exists; overwrite it with --force, or choose another place with -o OUT")
    try:
        imported = convert(file, place.parent)
        text = imported.text(file.name)
    except UsageError as error:
        told = str(error)
        raise UsageError(told if told.startswith(str(file)[:_LONGEST]) else f"{shown(file)}: {told}") from None
    except RecursionError:
        raise UsageError(f"{shown(file)}: its values are nested too deep") from None
    if output == _STDOUT:
        sys.stdout.write(text)
    else:
        _write(file, place, text)
    _tell(imported, place, printed=output == _STDOUT)


def _place(file: Path, output: str | None) -> Path:
    if output is not None:
        if not Path(output).name:
            raise UsageError(f"-o '{output}' names no file; give the experiment file that is to be made")
        return Path(output)
    stem = file.name
    for suffix in (".j2", ".jinja2", ".yaml", ".yml", ".json"):
        stem = stem.removesuffix(suffix)
    return file.with_name(f"{stem}.runwright.yaml")


def _write(file: Path, place: Path, text: str) -> None:
    """Write the file if it is one that can be read again.

    Raises:
        UsageError: It cannot be written, or what stands in FILE is no experiment of ours.
    """
    from runwright.config import load

    aside = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        aside.write_text(text, "utf-8")
        load(aside, check=False)
        aside.replace(place)
    except ExperimentFileError as error:
        told = str(error).removeprefix(f"{aside}:").strip()
        raise UsageError(f"{shown(file)}: it makes no experiment file (line {told})") from None
    except OSError as error:
        raise UsageError(f"{brief(shown(place), _LONGEST)}: cannot be written ({error.strerror})") from None
    except UnicodeEncodeError as error:
        raise UsageError(f"{shown(file)}: the character {error.object[error.start]!r} in it is no text") from None
    finally:
        with suppress(OSError):  # it was not made, or has its place
            aside.unlink()


def _tell(imported: Imported, place: Path, *, printed: bool) -> None:
    """Say what was made, and what was not; on stderr where stdout has the file."""
    if not printed:
        say(f"{shown(place)} was written", bold=True)
    if imported.notes:
        say("no counterpart:", error=printed)
        for note in imported.notes:
            for line in paragraph(printable(note), indent="  - ", hang="    "):
                say(line, error=printed)
    if not printed:
        say(f"check it: {command_line('check', shown(place))}")
