"""The display of `run` on a terminal."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from runwright.cli.feed import Feed
from runwright.cli.terminal import duration, measured, plural, point, printable, roughly
from runwright.clock import epoch, monotonic
from runwright.report import now_of, target_of, time_left
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from runwright.events import Event
    from runwright.state import State

_EVERY = 0.1
"""Seconds between two drawings at the least. There is no thread: a fork in an evaluation would copy its locks."""
_MOST_LIVE = 8
_LONGEST_NAME = 24
_SHORTEST_BAR = 6
_GAP = 2
_MINUTE = 60


class _Screen(Console):
    """A console whose reader may leave: then it is silent, where rich would end the program."""

    def on_broken_pipe(self) -> None:
        """Print nothing any more."""
        self.quiet = True


class Display:
    """Draws bar, counts, the best so far and the live trials; failures and notes scroll by above it.

    Args:
        state: The experiment as it stands.
        out: The terminal.
        inline: Whether a turn takes as long as an evaluation, so that it is drawn amid a turn too.
    """

    def __init__(self, state: State, out: TextIO, *, inline: bool = False) -> None:
        self._state = state
        self._feed = Feed(state, everything=False)
        self._notice = ""
        self._due = 0.0
        self._drawing = False
        self._inline = inline
        self._console = _Screen(file=out, markup=False, highlight=False, emoji=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def turn(self, state: State, events: Sequence[Event]) -> None:
        """Collect news, and draw when it is time."""
        if events:
            self._feed.take(state, events)
            if not self._inline:
                return  # what has ended is replaced by the end of the turn
        moment = monotonic()
        if moment >= self._due:
            self._due = moment + _EVERY
            self._draw()

    def notice(self, text: str) -> None:
        """Say something now, below the display; a signal that came amid a drawing has it drawn the next time."""
        self._notice = text
        self._due = 0.0
        with suppress(RuntimeError):  # the evaluation itself was printing: the next turn draws
            self._draw()

    def close(self) -> None:
        """Take the display away, and print what is left."""
        self._scroll(self._feed.due(self._state, monotonic(), last=True))
        with suppress(OSError):  # the terminal is gone
            self._live.stop()
        if self._notice:
            self._scroll([self._notice])

    def _draw(self) -> None:
        if self._drawing:
            return
        self._drawing = True
        try:
            self._scroll(self._feed.due(self._state, monotonic()))
            self._live.update(self._render(), refresh=True)
        except OSError:
            pass  # the terminal is gone: the run goes on, a hang-up ends it in its own way
        finally:
            self._drawing = False

    def _scroll(self, lines: list[str]) -> None:
        with suppress(OSError):  # the terminal is gone
            for line in lines:
                self._console.print(Text(line))

    def _render(self) -> RenderableType:
        lines = [self._bar(), self._counts()]
        lines += [line for line in (self._best(), self._running()) if line is not None]
        if self._notice:
            lines.append(_line((self._notice, "bold yellow")))
        return Group(*lines)

    def _bar(self) -> RenderableType:
        state = self._state
        now = now_of(state, epoch())
        target, ended = target_of(state), state.ended
        left = time_left(state, now)
        if target:
            bar, count = ProgressBar(target, min(ended, target)), f"{ended:,}/{target:,}"
        else:
            bar, count = ProgressBar(None, pulse=True), f"{ended:,}"
        figures = [count, _whole(now), "" if left is None else f"~{roughly(left)} left"]
        room = self._console.width - sum(map(len, figures)) - _GAP * (len(figures) + 1) - _SHORTEST_BAR
        name = Text("" if state.experiment is None else printable(state.experiment.name), style="bold")
        name.truncate(max(1, min(_LONGEST_NAME, room)), overflow="ellipsis")
        cells: list[RenderableType] = [name, bar, *map(Text, figures)]
        grid = Table.grid(padding=(0, _GAP), expand=True)
        for position in range(len(cells)):
            grid.add_column(no_wrap=True, ratio=1 if position == 1 else None)
        grid.add_row(*cells)
        return grid

    def _counts(self) -> Text:
        state, counts = self._state, self._state.counts
        parts: list[tuple[str, str]] = [(f"{counts[TrialStatus.COMPLETED]:,} completed", "green")]
        for status, style in _SHOWN:
            if counts[status]:
                parts.append((f"{counts[status]:,} {status.name.lower().replace('_', ' ')}", style))
        if state.delayed:
            wait = max(0.0, state.delayed[0][0] - now_of(state, epoch()))
            parts.append((f"{len(state.delayed):,} waiting for another attempt, the next in {_whole(wait)}", "yellow"))
        separated: list[tuple[str, str]] = []
        for part in parts:
            separated += [(" · ", "dim"), part] if separated else [part]
        return _line(*separated)

    def _best(self) -> Text | None:
        incumbents, experiment = self._feed.incumbents, self._state.experiment
        if experiment is None:
            return None
        if len(experiment.objectives) > 1:
            return _line((f"{plural(len(incumbents.points), 'point')} that no other beats in every objective", "bold"))
        if incumbents.best is None:
            return None
        best = incumbents.best
        (objective,) = experiment.objectives
        told = (f"best {printable(objective)} = {measured(best.metrics[objective])}", "bold")
        return _line(told, (f"  {best.whose}  {point(best.parameters)}", ""))

    def _running(self) -> Text | None:
        state = self._state
        now = now_of(state, epoch())
        if not state.running:
            return None
        entries = list(zip(state.running.items(), range(_MOST_LIVE), strict=False))
        told = ", ".join(f"trial {index} ({_whole(now - since)})" for (index, since), _ in entries)
        more = len(state.running) - len(entries)
        return _line((f"running {told}" + (f" and {more:,} more" if more else ""), "dim"))


_SHOWN = (
    (TrialStatus.FAILED, "red"),
    (TrialStatus.ABANDONED, "yellow"),
    (TrialStatus.EARLY_STOPPED, "yellow"),
    (TrialStatus.STALE, "yellow"),
    (TrialStatus.RUNNING, "cyan"),
    (TrialStatus.STAGED, "cyan"),
)


def _whole(seconds: float) -> str:
    """Say a time that runs: no tenths that flicker."""
    return duration(seconds) if seconds >= _MINUTE else f"{max(0, int(seconds))} s"


def _line(*parts: tuple[str, str]) -> Text:
    """Return one line that is cut, never wrapped."""
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")
