"""``runwright story``: what happened to a trial."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from runwright.cli.directory import check_begun, events_of, run_directory, trial_of
from runwright.cli.terminal import printable, say, say_json

if TYPE_CHECKING:
    from runwright.events import Event
    from runwright.result import Json
    from runwright.state import State


@click.command("story", short_help="What happened to a trial.")
@click.argument("directory", metavar="DIR")
@click.argument("trial", metavar="TRIAL", type=click.IntRange(min=0))
@click.option("--json", "as_json", is_flag=True, help="Print the recorded events as JSON.")
def command(directory: str, trial: int, as_json: bool) -> None:
    """Print what happened to TRIAL of the experiment in DIR, a line an event.

    Each line has the time of day, the seconds since the experiment began, and what happened.
    """
    from runwright.report import story
    from runwright.state import State

    place = run_directory(directory)
    events = list(events_of(place))
    state = State.of(events)
    check_begun(state, place)
    told = trial_of(state, trial)
    if as_json:
        say_json([_as_json(event, state) for event in events if event.trial == trial])
        return
    assert state.experiment is not None, "checked above"
    say(f"trial {trial} of {printable(state.experiment.name)}: {told.status.name}", bold=True)
    for line in story(events, trial):
        say(f"  {printable(line)}")


def _as_json(event: Event, state: State) -> Json:
    from runwright.events import encode

    row = encode(event)
    return {"time": row.time, "epoch": state.epoch_of(row.time), "event": row.kind, **json.loads(row.body)}
