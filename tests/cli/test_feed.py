"""What a run says while it runs: few lines, right counts, nothing that a trial could smuggle in."""

from __future__ import annotations

import io
import re
from itertools import pairwise

import pytest
from rich.cells import cell_len

from runwright import events as ev
from runwright.cli import live
from runwright.cli.feed import FEW, Feed
from runwright.cli.live import Display
from runwright.cli.progress import Plain
from runwright.cli.terminal import command, duration, paragraph, point, printable, roughly, setting
from runwright.result import Result
from runwright.status import FailureKind, TrialStatus

from .conftest import EPOCH


class Told:
    """A feed over a run directory made by hand; `news` is what one commit brought."""

    def __init__(self, run, *, everything=True):
        self.run = run
        self.feed = Feed(run.state, everything=everything)
        self.seen = len(run.events)

    def take(self):
        new, self.seen = self.run.events[self.seen :], len(self.run.events)
        self.feed.take(self.run.state, new)

    def due(self, now, **kwargs):
        return self.feed.due(self.run.state, now, **kwargs)


@pytest.fixture
def run(made):
    return made()


def test_slow_trials_get_a_line_each(run):
    told = Told(run)
    run.completed(2.0)
    told.take()
    assert told.due(100.0) == ["[ 1/10] trial 0 completed in 0.2 s: y = 2 (best)"]
    run.completed(3.0)
    run.failed("exit status 3")
    run.abandoned()
    told.take()
    assert told.due(101.0) == [
        "[ 2/10] trial 1 completed in 0.2 s: y = 3",
        "[ 3/10] trial 2 failed in 0.5 s: crashed: exit status 3",
        "[ 4/10] trial 3 abandoned: enough",
    ]


def test_fast_trials_share_a_line_and_the_pauses_grow(run):
    run.driver(trials=400)
    told = Told(run)
    now, written = 100.0, []
    for _ in range(200):
        run.completed(1.0)
        run.failed()
        told.take()
        lines = told.due(now)
        if lines:
            written.append((now, lines))
        now += 0.1
    assert written[1][1][0] == "[ 16/400] 7 completed, 7 failed; best y = 1 (trial 0)"
    assert written[1][1][1].startswith("[ 16/400] trial 3 failed")
    gaps = [after - before for (before, _), (after, _) in pairwise(written)]
    assert gaps == sorted(gaps)
    assert sum(len(lines) for _, lines in written) < 20
    assert told.due(now, last=True)[0].startswith("[400/400]")


def test_counts_are_right_where_one_commit_brings_an_end_and_its_verdict(run):
    told = Told(run)
    for _ in range(5):
        run.failed()
    told.take()
    assert told.due(0.0, last=True)[0].startswith("[ 5/10] 5 failed")


def test_a_trial_that_is_run_again_counts_anew(run):
    told = Told(run)
    index = run.failed()
    run.add(ev.Rerun, index)
    told.take()
    assert told.due(100.0) == []
    run.add(ev.DeployStarted, index, 2)
    run.add(ev.Stopped, index, 2, TrialStatus.ABANDONED, "enough")
    told.take()
    assert told.due(200.0) == ["[ 1/10] trial 0 abandoned: enough"]


def test_a_resumed_run_goes_on_counting(run):
    run.completed(1.0)
    told = Told(run)
    run.completed(2.0)
    told.take()
    assert told.due(100.0) == ["[ 2/10] trial 1 completed in 0.2 s: y = 2"]


def test_what_is_worth_saying_is_said(run):
    told = Told(run, everything=False)
    index = run.asked()
    run.add(ev.DeployStarted, index, 1)
    run.add(ev.Finished, index, 1, Result.failed(FailureKind.LOST, "gone \x1b[2J"))
    run.add(ev.RetryPlanned, index, run.time + 5)
    run.add(ev.OptimizerRebuilt, False, "another version")
    run.add(ev.OptimizerRebuilt, True, "as ever")
    run.add(ev.RequestTaken, "a", {"kind": "rerun"}, "no such trial")
    run.add(ev.RequestTaken, "b", {"kind": "rerun"})
    told.take()
    assert told.due(100.0) == [
        "trial 0, attempt 1 failed and is tried again in 5.0 s: lost: gone \\x1b[2J",
        "the optimizer was rebuilt, not exactly: another version",
        "a request was refused: no such trial",
    ]


def test_of_what_is_left_out_it_is_said_what_it_is_and_where_it_stands(run):
    told = Told(run, everything=False)
    for number in range(10):
        run.add(ev.Noted, f"note {number}")
    for index in (run.running(), run.running()):
        run.add(ev.Finished, index, 1, Result.failed(FailureKind.LOST, "gone"))
        run.add(ev.RetryPlanned, index, run.time)
    run.add(ev.RequestTaken, "a", {"kind": "rerun"}, "no such trial")
    told.take()
    assert told.due(100.0) == [
        *(f"note {n}" for n in range(FEW)),
        "and 7 more notes; `runwright status --json` has all notes",
        "and 2 more retried attempts; `runwright status` counts them",
        "and 1 more refused request; the story of a trial has those about it",
    ]
    assert told.due(200.0, last=True) == []


def test_several_objectives_have_a_front(made):
    run = made(objectives={"a": "minimize", "b": "minimize"})
    told = Told(run)
    run.completed(1.0, 2.0)
    told.take()
    assert told.due(100.0) == ["[ 1/10] trial 0 completed in 0.2 s: a = 1, b = 2 (on the front)"]


def test_lines_go_on_without_a_number_of_trials(run):
    run.driver(None)
    told = Told(run)
    run.completed(1.0)
    told.take()
    assert told.due(100.0)[0].startswith("[1] trial 0")


# Where they are shown.


class Gone(io.StringIO):
    """A pipe whose reader has left."""

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("kind", [Plain, Display])
def test_an_output_that_is_gone_costs_nothing(run, kind, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    shown = kind(run.state, Gone())
    run.failed()
    shown.turn(run.state, run.events[2:])
    shown.notice("something")
    shown.close()


@pytest.mark.parametrize("inline", [False, True])
def test_the_display_is_drawn_amid_a_turn_only_where_turns_take_long(run, inline, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    shown = Display(run.state, out, inline=inline)
    run.completed(1.0)
    shown.turn(run.state, run.events[2:])
    assert ("1 completed" in out.getvalue()) is inline
    shown.turn(run.state, ())
    assert "1 completed" in out.getvalue()
    shown.close()


def test_the_display_has_a_line_for_each_thing(made, monkeypatch):
    from rich.console import Console

    run = made(name="a very long name of an experiment, really")
    run.completed(1.0)
    run.failed()
    run.abandoned()
    for _ in range(12):
        run.running()
    display = Display(run.state, io.StringIO())
    display.turn(run.state, run.events[2:])
    display.notice("no new trials [bold]")
    console = Console(width=80, file=io.StringIO(), record=True, color_system=None, markup=False)
    console.print(display._render())
    lines = console.export_text().splitlines()
    display.close()
    assert len(lines) == 5
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("a very long name of an …")
    assert "3/15" in lines[0]
    assert lines[1] == "1 completed · 1 failed · 1 abandoned · 12 running"
    assert lines[2] == "best y = 1  trial 0  x=0.5, n=2, kind=a"
    assert lines[3].startswith("running trial 3 (")
    assert lines[4] == "no new trials [bold]"


@pytest.mark.parametrize("name", ["the name of an experiment", "日本語の実験の名前です"])
def test_on_a_narrow_terminal_the_name_is_cut_and_not_the_figures(made, monkeypatch, name):
    from rich.console import Console

    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(live, "epoch", lambda: EPOCH + 8.0)
    run = made(name=name)
    for _ in range(3):
        run.completed(1.0)
    display = Display(run.state, io.StringIO())
    console = Console(width=40, file=io.StringIO(), record=True, color_system=None)
    console.print(display._render())
    display.close()
    line = console.export_text().splitlines()[0]
    assert cell_len(line) <= 40
    assert line.startswith(name[:3])
    assert "…  ━" in line
    assert re.search(r"  3/10  .*\d s  ~.* left$", line)


def test_the_display_of_several_objectives_and_of_no_number_of_trials(made):
    from rich.console import Console

    run = made(objectives={"a": "minimize", "b": "minimize"})
    run.driver(None)
    run.completed(1.0, 2.0)
    display = Display(run.state, io.StringIO())
    console = Console(width=80, file=io.StringIO(), record=True, color_system=None)
    console.print(display._render())
    display.close()
    assert "1 point that no other beats in every objective" in console.export_text()


# Words.


def test_what_cannot_be_printed_is_escaped():
    assert printable("naïve 日本 \t\n\x1b\x07\x9b\u202e\u2028\udcff") == (
        "naïve 日本 \\t\\n\\x1b\\x07\\x9b\\u202e\\u2028\\udcff"
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0002, "0.0002 s"), (0.25, "0.2 s"), (1, "1.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"),
        (59.6, "1 min 00 s"), (125, "2 min 05 s"), (3600, "1 h 00 min"), (7380, "2 h 03 min"), (90000, "1 d 01 h"),
    ],
)  # fmt: skip
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_other_words(monkeypatch):
    assert roughly(0.01) == "1 s"
    assert roughly(200) == "3 min 20 s"
    assert [setting(value) for value in (3.0, 0.1, 10**18, True, "a\n")] == ["3", "0.1", "1" + "0" * 18, "True", "a\\n"]
    assert point({"x": 1 / 3, "k": "a"}) == "x=0.3333, k=a"
    assert command("run", "my file.yaml") == "runwright run 'my file.yaml'"
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, paragraph("word " * 50, indent="  "))) < 60
    assert paragraph("a/" * 50) == ["a/" * 50]
    monkeypatch.delenv("COLUMNS")
    assert len(paragraph("word " * 500)) == 1
