"""``runwright status``: how an experiment stands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from runwright.cli.directory import run_directory, state_of, supervisors_of
from runwright.cli.summary import ended_of, say_next, say_summary
from runwright.cli.terminal import command as command_line
from runwright.cli.terminal import plural, say_json, shown
from runwright.clock import epoch
from runwright.folder import driver_of

if TYPE_CHECKING:
    from runwright.report import Summary


@click.command("status", short_help="How an experiment stands.")
@click.argument("directory", metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(directory: str, as_json: bool) -> None:
    """Print how the experiment in DIR stands: counts, the best so far, failures, what runs, how long it may take.

    Reads the journal alone: it disturbs no driver and needs none.
    """
    from runwright import mailbox
    from runwright.report import now_of, summarize

    place = run_directory(directory)
    pid = driver_of(place)
    state = state_of(place)
    supervisors = supervisors_of(place, state)
    summary = summarize(state, now_of(state, epoch()) if pid is not None or supervisors else None)
    if pid is None:
        summary = replace(summary, left=None, elapsed=state.last_time)  # nobody works on it
    requests = mailbox.waiting(place)
    if as_json:
        body = {"directory": str(place), "driver": pid, **summary.to_json(state)}
        body["supervisors"] = {str(trial): holder for trial, holder in supervisors.items()}
        body["requests"] = [{"id": request.id, **request.body} for request in requests]
        say_json(body)
        return
    gone = frozenset(live.trial for live in summary.live if pid is None and live.trial not in supervisors)
    say_summary(summary, place, heading=_heading(summary, pid, len(supervisors)), gone=gone)
    finished = summary.stop_reason not in (None, "user")
    waiting = f"{plural(len(requests), 'request')} waiting for the {'' if pid is not None else 'next '}driver"
    say_next(
        ("driver", f"pid {pid}" if pid is not None else "none" if finished else "none; `runwright run FILE` goes on"),
        ("requests", waiting if requests else ""),
        ("results", shown(place)),
        ("stop", command_line("stop", directory) if pid is not None or supervisors else ""),
    )


def _heading(summary: Summary, pid: int | None, running: int) -> str:
    ended = ended_of(summary)
    if pid is not None:
        return f"running; {ended}"
    if summary.stop_reason not in (None, "user"):
        return f"failed: {summary.stop_message}" if summary.failed else summary.stop_message
    how = "not finished" if summary.stop_reason is None else f"stopped ({summary.stop_message})"
    left = f"; {plural(running, 'trial')} running without a driver" if running else ""
    return f"{how}; {ended}{left}"
