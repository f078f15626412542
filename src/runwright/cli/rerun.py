"""``runwright rerun``: try failed or abandoned trials again."""

from __future__ import annotations

import click

from runwright.cli.directory import run_directory, state_of, trial_of
from runwright.cli.requesting import ask
from runwright.cli.terminal import command as command_line
from runwright.errors import UsageError
from runwright.status import TrialStatus
from runwright.trial import Trial


@click.command("rerun", short_help="Try failed or abandoned trials again.")
@click.argument("directory", metavar="DIR")
@click.argument("trials", metavar="TRIAL...", type=click.IntRange(min=0), nargs=-1, required=True)
@click.option("--no-wait", is_flag=True, help="Do not wait until the driver has taken it in.")
def command(directory: str, trials: tuple[int, ...], no_wait: bool) -> None:
    """Try each TRIAL of the experiment in DIR again: FAILED and ABANDONED ones.

    The trial keeps its index, its point and its story; the new attempt has the next number. A driver that lives does it
    now, else the next one.
    """
    place = run_directory(directory)
    state = state_of(place)
    for index in trials:
        trial = trial_of(state, index)
        if trial.status is TrialStatus.COMPLETED and isinstance(trial, Trial):
            values = [f"{name}={value}" for name, value in trial.parameters.items()]
            raise UsageError(
                f"trial {index} is COMPLETED and its result stands; "
                f"enqueue its point as a new trial: {command_line('enqueue', directory, *values)}"
            )
        if trial.status not in (TrialStatus.FAILED, TrialStatus.ABANDONED):
            raise UsageError(f"trial {index} is {trial.status.name}; only FAILED and ABANDONED trials are run again")
    for index in trials:
        ask(place, {"kind": "rerun", "trial": index}, what=f"run trial {index} again", wait=not no_wait)
