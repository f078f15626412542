"""``runwright stop``: stop an experiment or one of its trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runwright.cli.directory import run_directory, state_of, supervisors_of, trial_of
from runwright.cli.requesting import ask, wait_for
from runwright.cli.terminal import plural, printable, say, shown
from runwright.errors import UsageError
from runwright.folder import driver_of

if TYPE_CHECKING:
    from pathlib import Path

    from runwright.result import Json
    from runwright.state import State

_WITHIN = 60.0
"""Seconds in which what was asked to stop is gone: a polite signal, the grace, the final one."""
NOT_YET = 1


@click.command("stop", short_help="Stop an experiment, or one trial.")
@click.argument("directory", metavar="DIR")
@click.argument("trial", metavar="[TRIAL]", type=click.IntRange(min=0), required=False)
@click.option("--reason", metavar="TEXT", help="Recorded in the story.")
@click.option("--no-wait", is_flag=True, help="Return at once.")
@click.pass_context
def command(ctx: click.Context, directory: str, trial: int | None, reason: str | None, no_wait: bool) -> None:
    """Stop the experiment in DIR, or only TRIAL of it.

    The experiment: its running trials are stopped and the driver ends; `runwright run` goes on later and repeats them.
    Without a driver, trials that still run are stopped at once.

    TRIAL: it becomes ABANDONED; the experiment goes on without it. `runwright rerun` takes it back.

    Waits until that has happened; exit status 1 where it has not within a minute.
    """
    place = run_directory(directory)
    body: Json = {"kind": "stop", **({} if reason is None else {"reason": reason})}
    state = state_of(place)
    if trial is None:
        done = _stop_all(place, state, body, wait=not no_wait)
    else:
        done = _stop_one(place, state, trial, {**body, "trial": trial}, wait=not no_wait)
    if not done and not no_wait:
        ctx.exit(NOT_YET)


def _stop_all(place: Path, state: State, body: Json, *, wait: bool) -> bool:
    pid = driver_of(place)
    if pid is None:
        return _stop_supervisors(place, state, body, wait=wait)
    running = f"its {plural(state.live, 'live trial')} and leave" if state.live else "and leave"
    ask(place, body, what=f"stop {running}", wait=wait)
    if not wait:
        return True
    if not wait_for(lambda: driver_of(place) != pid, _WITHIN):
        say(f"the driver (pid {pid}) is still there after {_WITHIN:g} s; `kill -9 {pid}` loses nothing", error=True)
        return False
    say("the driver has left; `runwright run FILE` goes on")
    return True


def _stop_supervisors(place: Path, state: State, body: Json, *, wait: bool) -> bool:
    live = supervisors_of(place, state)
    if not live:
        say(f"nothing runs in {shown(place)}: there is no driver and no live trial")
        return True
    from runwright.process.adoption import stop_live

    ask(place, body, what="repeat what is stopped now")
    for name in stop_live(place):
        trial, _, attempt = name.partition(".")
        say(f"trial {printable(trial)}, attempt {printable(attempt)}: asked to end")
    if not wait:
        return True
    if not wait_for(lambda: not supervisors_of(place, state), _WITHIN):
        say(f"{plural(len(supervisors_of(place, state)), 'trial')} still run after {_WITHIN:g} s", error=True)
        return False
    say(f"{plural(len(live), 'trial')} stopped; `runwright run FILE` repeats {'it' if len(live) == 1 else 'them'}")
    return True


def _stop_one(place: Path, state: State, index: int, body: Json, *, wait: bool) -> bool:
    trial = trial_of(state, index)
    if trial.status.is_terminal:
        raise UsageError(f"trial {index} has ended already: it is {trial.status.name}")
    if not ask(place, body, what=f"stop trial {index}", wait=wait):
        holder = supervisors_of(place, state).get(index)
        if holder is not None and driver_of(place) is None:
            say(
                f"until then it runs on (its supervisor is pid {holder}); `runwright stop {shown(place)}` stops all now"
            )
        return driver_of(place) is None
    if not wait:
        return True
    if not wait_for(lambda: state_of(place).trials[index].status.is_terminal, _WITHIN):
        say(f"trial {index} has not ended after {_WITHIN:g} s", error=True)
        return False
    say(f"trial {index} is {state_of(place).trials[index].status.name}")
    return True
