"""``runwright enqueue``: have points tried."""

from __future__ import annotations

import click

from runwright.cli.directory import run_directory, state_of
from runwright.cli.points import from_file, from_words
from runwright.cli.requesting import ask
from runwright.cli.terminal import plural, printable
from runwright.errors import UsageError


@click.command("enqueue", short_help="Have points of your own tried.")
@click.argument("directory", metavar="DIR")
@click.argument("words", metavar="[NAME=VALUE]...", nargs=-1)
@click.option("--file", "path", metavar="FILE", help="Points as a JSON list of objects; - is standard input.")
@click.option("--no-wait", is_flag=True, help="Do not wait until the driver has taken it in.")
def command(directory: str, words: tuple[str, ...], path: str | None, no_wait: bool) -> None:
    """Have a point of your own tried in the experiment in DIR: a value for each parameter.

    Each point becomes a new trial, before the next one of the optimizer, which learns from it. A driver that lives
    takes it in now, else the next one.
    """
    if bool(words) == (path is not None):
        raise UsageError("say the point as NAME=VALUE words, or the points with --file FILE")
    place = run_directory(directory)
    state = state_of(place)
    experiment = state.experiment
    assert experiment is not None, "a state that was read has begun"
    points = [from_words(experiment, words)] if path is None else from_file(path)
    valid = []
    for number, point in enumerate(points):
        try:
            valid.append(experiment.validate(point))
        except UsageError as error:
            where = "" if path is None else f"{printable(path)}: point {number}: "
            raise UsageError(f"{where}{error}") from None
    ask(place, {"kind": "enqueue", "points": valid}, what=f"try {plural(len(valid), 'point')}", wait=not no_wait)
