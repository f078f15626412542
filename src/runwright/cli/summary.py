"""The summary of an experiment for people; `run` ends with it and `status` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright.cli.terminal import brief, duration, measured, paragraph, plural, printable, roughly, say, setting, shown

if TYPE_CHECKING:
    from pathlib import Path

    from runwright.report import LiveTrial, Summary, WaitingTrial

_MOST_NOTES = 5
_MOST_LIVE = 10
_MOST_OF_FRONT = 10
_LONGEST_MESSAGE = 300


def say_summary(summary: Summary, directory: Path, *, heading: str, gone: frozenset[int] = frozenset()) -> None:
    """Print what has become of an experiment.

    Args:
        summary: How it stands.
        directory: Its run directory.
        heading: What to say first.
        gone: Live trials that nobody can say anything about until the next driver looks.
    """
    for line in paragraph(printable(f"{summary.name}: {heading}"), hang="  "):
        say(line, bold=True)
    for line in paragraph(_counted(summary), indent="  "):
        say(line)
    if summary.best is not None:
        _say_best(summary)
    if summary.front:
        _say_front(summary)
    if summary.infeasible:
        _say_infeasible(summary)
    if summary.failures:
        _say_failures(summary, directory)
    if summary.waiting:
        _say_waiting(summary.waiting)
    if summary.live:
        _say_live(summary.live, gone)
    if summary.notes:
        say()
        say("notes", bold=True)
        for note in summary.notes[:_MOST_NOTES]:
            _say_block(brief(note, _LONGEST_MESSAGE))
        if len(summary.notes) > _MOST_NOTES:
            say(f"  and {len(summary.notes) - _MOST_NOTES} more; --json has them all")


def ended_of(summary: Summary) -> str:
    """Say how many trials have ended, and of how many where that is known."""
    of = "" if summary.target is None else f" of {summary.target:,}"
    alone = (summary.ended if summary.target is None else summary.target) == 1
    return f"{summary.ended:,}{of} {'trial has' if alone else 'trials have'} ended"


def say_next(*steps: tuple[str, str]) -> None:
    """Print where things are and what can be done next.

    Args:
        *steps: A word and a path or a command each; empty ones are left out.
    """
    say()
    for word, what in steps:
        if what:
            say(f"{word:<9} {what}")


def _counted(summary: Summary) -> str:
    names = {name: name.lower().replace("_", " ") for name in summary.counts}
    parts = [f"{count:,} {names[name]}" for name, count in summary.counts.items()]
    told = ", ".join(parts) or "no trials yet"
    told += f"; {duration(summary.elapsed)}"
    if summary.left is not None:
        told += f", about {roughly(summary.left)} left"
    retried = sum(summary.retried.values())
    if retried:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in summary.retried.items())
        told += f"; {plural(retried, 'failed attempt')} tried again ({kinds})"
    return told


def _say_best(summary: Summary) -> None:
    best = summary.best
    assert best is not None, "asked for where there is one"
    (objective,) = summary.objectives
    say()
    say(f"best {printable(objective)} = {measured(best.metrics[objective])} ({best.whose})", bold=True)
    parameters = best.parameters
    longest = max((len(printable(key)) for key in parameters), default=0)
    for key, value in parameters.items():
        say(f"  {printable(key):<{min(longest, 40)}} = {setting(value)}")


def _say_front(summary: Summary) -> None:
    say()
    say(f"{plural(len(summary.front), 'point')} that no other beats in every objective", bold=True)
    for point in summary.front[:_MOST_OF_FRONT]:
        told = ", ".join(f"{printable(name)} = {measured(point.metrics[name])}" for name in summary.objectives)
        for line in paragraph(f"{point.whose}: {told}", indent="  ", hang="    "):
            say(line)
    if len(summary.front) > _MOST_OF_FRONT:
        say(f"  and {len(summary.front) - _MOST_OF_FRONT} more; --json has them all")


def _say_infeasible(summary: Summary) -> None:
    count = summary.infeasible or 0
    breaks = "breaks" if count == 1 else "break"
    none = "; none meets all of them so far" if summary.best is None and not summary.front else ""
    say()
    say(f"{plural(count, 'completed trial')} {breaks} a constraint{none}", bold=True)


def _say_failures(summary: Summary, directory: Path) -> None:
    say()
    say("failures", bold=True)
    for group in summary.failures:
        trials = "trial" if group.count == 1 else f"{group.count:,} trials, first"
        message = brief(group.message, _LONGEST_MESSAGE)
        _say_block(f"{group.kind}: {trials} {group.trial}: {message}")
        if group.log:
            say(f"    {shown(directory / group.log)}")


def _say_waiting(waiting: list[WaitingTrial]) -> None:
    say()
    say("waiting for another attempt", bold=True)
    for entry in waiting[:_MOST_LIVE]:
        when = "as soon as a slot is free" if not entry.seconds else f"in {duration(entry.seconds)}"
        why = f"attempt {entry.attempt} failed: {entry.kind}: {brief(entry.message, _LONGEST_MESSAGE)}"
        _say_block(f"trial {entry.trial} {when}; {why}")
    if len(waiting) > _MOST_LIVE:
        say(f"  and {len(waiting) - _MOST_LIVE} more; --json has them all")


def _say_live(live: list[LiveTrial], gone: frozenset[int]) -> None:
    say()
    say("live trials", bold=True)
    for entry in live[:_MOST_LIVE]:
        what = "is queued" if entry.seconds is None else f"has run for {duration(entry.seconds)}"
        more = f", attempt {entry.attempt}" if entry.attempt > 1 else ""
        if entry.trial in gone:
            what = "was live when its driver ended; the next one finds out what became of it"
        elif entry.detached:
            more += ", left running by the last driver"
        more += f", asked to stop: {printable(entry.stopping)}" if entry.stopping else ""
        _say_block(f"trial {entry.trial} {what}{more}")
    if len(live) > _MOST_LIVE:
        say(f"  and {len(live) - _MOST_LIVE} more; --json has them all")


def _say_block(text: str) -> None:
    for line in paragraph(text, indent="  ", hang="    "):
        say(line)
