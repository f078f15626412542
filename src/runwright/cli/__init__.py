"""The command line. One file a sub-command; the heavy parts are imported by the commands that need them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NoReturn

import click

from runwright import __version__
from runwright.cli.terminal import make_forgiving, printable, say
from runwright.errors import RunwrightError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
"""Exit status of a command that was interrupted."""

_COMMANDS = {
    "run": "run",
    "check": "check",
    "status": "status",
    "story": "story",
    "logs": "logs",
    "stop": "stop",
    "rerun": "rerun",
    "enqueue": "enqueue",
    "export": "export",
    "import-boa": "import_boa",
}


class _Told(click.ClickException):
    """An error made on purpose, as click wants it."""

    exit_code = 2

    def show(self, file: Any = None) -> None:  # noqa: ARG002  (click's signature)
        say(f"error: {printable(self.message)}", error=True)


class _Interrupted(click.ClickException):
    """Ctrl-C, where nobody else took it."""

    exit_code = INTERRUPTED

    def show(self, file: Any = None) -> None:  # noqa: ARG002  (click's signature)
        say("interrupted", error=True)


class _Commands(click.Group):
    """Imports a sub-command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        name = _COMMANDS.get(cmd_name)
        if name is None:
            return None
        found = importlib.import_module(f"runwright.cli.{name}").command
        assert isinstance(found, click.Command), "each file of a sub-command has one"
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], _COMMANDS, 1)
            hint = f", did you mean {near[0]!r}?" if near else f"; they are {', '.join(_COMMANDS)}"
            raise _Told(f"there is no command {args[0]!r:.60}{hint}")
        return super().resolve_command(ctx, args)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _in_a_line(error) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _in_a_line(error) from None
        except RunwrightError as error:
            raise _Told(str(error)) from None
        except KeyboardInterrupt:
            raise _Interrupted("interrupted") from None


def _in_a_line(error: click.UsageError) -> click.ClickException:
    """Return an error of usage as one line; one that shows itself in a way of its own, as the help, stays as it is."""
    if type(error).show is not click.UsageError.show:
        return error
    command = "runwright" if error.ctx is None else error.ctx.command_path
    return _Told(f"{error.format_message().rstrip('.?')}; see {command} --help")


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="runwright", message="%(prog)s %(version)s")
def cli() -> None:
    """Run the trials of a black-box optimisation, by a driver that can be killed at any moment.

    Where a command takes DIR, the run directory, the experiment FILE may stand instead: its own directory is meant.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Exit status: 0 done, 1 the experiment failed, 2 bad usage or a bad file, 130 interrupted.

    Args:
        arguments: The words after the program's name; those of the process where not given.
    """
    make_forgiving()
    cli.main(args=None if arguments is None else list(arguments), prog_name="runwright")
    raise AssertionError("click ends the process")
