"""``runwright run``: run an experiment, or go on with it."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from runwright.cli.directory import directory_option, state_of, supervisors_of, was_started
from runwright.cli.terminal import OutputError, plural, say, say_json, shown, silence, stdout_kept_free
from runwright.cli.terminal import command as command_line
from runwright.errors import UsageError
from runwright.folder import JOURNAL, driver_of
from runwright.status import AttemptOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runwright.cli.progress import Progress
    from runwright.config import ExperimentFile
    from runwright.loop.scheduler import Scheduler
    from runwright.report import Summary
    from runwright.state import State
    from runwright.trial import BaseTrial

_MOST = 1_000_000_000  # as of stop.trials
DONE, FAILED, INTERRUPTED = 0, 1, 130


@click.command("run", short_help="Run an experiment, or go on with it.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@directory_option
@click.option("--fresh", is_flag=True, help="Start anew; the old run directory is renamed, never deleted.")
@click.option("--trials", metavar="N", type=click.IntRange(1, _MOST), help="Trials in all, instead of stop.trials.")
@click.option("--quiet", "-q", is_flag=True, help="Print the summary alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON, and progress to stderr.")
@click.pass_context
def command(
    ctx: click.Context, file: Path, directory: Path | None, fresh: bool, trials: int | None, quiet: bool, as_json: bool
) -> None:
    """Run the experiment in FILE, or go on with it: the same command resumes.

    Whatever ended the last driver, this one takes in what has finished since, follows what still runs, and asks for the
    points that the last one would have asked for. The run directory is runs/NAME beside FILE unless --dir or the
    file says otherwise.

    Ctrl-C once: nothing new starts, running trials end. Twice: running trials are stopped, to be repeated by the next
    run. SIGTERM or SIGHUP: trials that survive the driver go on without it, the others are stopped, to be repeated.

    Exit status: 0 done, 1 the experiment failed (too many failures, or no trial completed), 2 bad usage or a bad
    file, 130 interrupted (by a signal, or by `runwright stop`).
    """
    from runwright.cli.progress import getting_ready
    from runwright.config import load

    results = ctx.with_resource(stdout_kept_free()) if as_json else sys.stdout
    setup = load(file, check=False)
    with getting_ready(sys.stderr if as_json else sys.stdout, show=not quiet):
        setup.check()
    place = directory or setup.directory
    if fresh:
        aside = set_aside(place, file)
        if aside is not None and not quiet:
            with _whoever_reads(sys.stderr if as_json else sys.stdout):
                say(f"the old run is kept in {shown(aside)}", error=as_json)
    again = [
        "run",
        shown(file),
        *(["--dir", shown(directory)] if directory else []),
        *(["--trials", trials] if trials else []),
    ]
    run = _Run(setup, place, again, trials=trials, quiet=quiet, as_json=as_json, results=results)
    ctx.exit(run.go())


@dataclass
class _Run:
    """One run of one driver."""

    setup: ExperimentFile
    directory: Path
    again: list[object]
    trials: int | None
    quiet: bool
    as_json: bool
    results: TextIO

    def go(self) -> int:
        """Run; return the exit status."""
        from runwright.loop.scheduler import Scheduler
        from runwright.report import summarize

        policy = self.setup.policy()
        if self.trials is not None:
            policy = replace(policy, trials=self.trials)
        with ExitStack() as until_told:
            with ExitStack() as stack:
                scheduler = Scheduler(
                    self.setup.experiment(),
                    self.setup.optimizer(),
                    self.setup.runner(),
                    directory=self.directory,
                    policy=policy,
                    enqueue=self.setup.enqueue,
                    sync=self.setup.sync,
                )
                stack.callback(scheduler.close)
                before = _done_so_far(scheduler.state)
                if not self.quiet:
                    with _whoever_reads(sys.stdout):
                        say(self._opening(scheduler), error=self.as_json)
                self._drive(scheduler, until_told)
            with _whoever_reads(self.results):
                self._close(scheduler, idle=_done_so_far(scheduler.state) == before)
        return exit_status(summarize(scheduler.state))

    def _drive(self, scheduler: Scheduler, until_told: ExitStack) -> None:
        from runwright.cli.signals import Signals

        progress = self._progress(scheduler)
        try:
            signals = until_told.enter_context(Signals(scheduler, progress.notice))
            try:
                scheduler.run(on_turn=progress.turn, tick=0.5)
            finally:
                signals.absorb()
        except KeyboardInterrupt:
            scheduler.left_by = scheduler.left_by or "interrupt"
        finally:
            progress.close()

    def _progress(self, scheduler: Scheduler) -> Progress:
        from runwright.cli.progress import Plain, Quiet, on_terminal

        out = sys.stderr if self.as_json else sys.stdout
        if self.quiet:
            return Quiet()
        if on_terminal(out):
            from runwright.cli.live import Display

            return Display(scheduler.state, out, inline=scheduler.runner.traits.inline)
        return Plain(scheduler.state, out)

    def _opening(self, scheduler: Scheduler) -> str:
        """Say what begins."""
        state, policy = scheduler.state, scheduler.policy
        where = shown(self.directory)
        if state.trials:
            live = f", {plural(state.live, 'trial')} may still run" if state.live else ""
            return f"going on in {where}: {plural(state.ended, 'trial')} ended{live}"
        many = "" if policy.trials is None else f"{plural(policy.trials, 'trial')} "
        at_once = "" if policy.parallel is None else f", {policy.parallel} at a time"
        return f"{many}in {where}{at_once}"

    def _close(self, scheduler: Scheduler, *, idle: bool) -> None:
        """Print what has become of it; `idle`: without this driver's doing."""
        from runwright.cli.summary import say_next, say_summary
        from runwright.report import summarize

        state = scheduler.state
        summary = replace(summarize(state), left=None)  # nobody works on it any more
        status = exit_status(summary)
        if self.as_json:
            say_json({"directory": str(self.directory), "exit_status": status, **summary.to_json(state)}, self.results)
            return
        if not self.quiet:
            say()
        say_summary(summary, self.directory, heading=self._heading(scheduler, summary, idle=idle))
        place = shown(self.directory)
        finished = status == DONE
        failed = next(iter(state.aborting), summary.failures[0].trial if summary.failures else None)
        example = failed if failed is not None else summary.best.trial.index if summary.best else None
        say_next(
            ("results", place),
            ("table", command_line("export", place, "-o", "results.csv")),
            ("status", command_line("status", place)),
            ("story", "" if example is None else command_line("story", place, example)),
            ("retry", "" if failed is None or finished else command_line("rerun", place, failed)),
            ("go on", "" if finished else command_line(*self.again)),
        )

    def _heading(self, scheduler: Scheduler, summary: Summary, *, idle: bool) -> str:
        from runwright.cli.summary import ended_of

        state, ended = scheduler.state, ended_of(summary)
        if summary.stop_reason not in (None, "user"):
            if idle and summary.stop_reason == "trials":
                return f"nothing was left to do: {summary.stop_message}; --trials N for more"
            return f"failed: {summary.stop_message}" if summary.failed else summary.stop_message
        how = "interrupted" if summary.stop_reason is None else f"stopped ({summary.stop_message})"
        if scheduler.left_by == "detach" and state.live:
            how = "the driver left" if summary.stop_reason is None else how
            return f"{how}; {ended}, {plural(state.live, 'trial')} running on without it"
        broken_off = state.live or any(_was_broken_off(state.trials[index]) for index in state.ready)
        if scheduler.left_by == "drain" or not broken_off:
            return f"{how}; {ended}, none is running"
        return f"{how}; {ended}, what was running was stopped and will be repeated"


def _done_so_far(state: State) -> tuple[int, int]:
    """How many attempts were deployed and how many trials have ended: a rerun takes from the second alone."""
    return sum(trial.attempt for trial in state.trials), state.ended


def _was_broken_off(trial: BaseTrial) -> bool:
    return bool(trial.attempts) and trial.attempts[-1].outcome is AttemptOutcome.INTERRUPTED


@contextmanager
def _whoever_reads(stream: TextIO) -> Iterator[None]:
    """Go on in silence where the output is gone or full: no reason to end a run of hours, nor to call it failed."""
    try:
        yield
    except (BrokenPipeError, OutputError):
        silence(stream)


def exit_status(summary: Summary) -> int:
    """Return the exit status of a run."""
    if summary.stop_reason in (None, "user"):
        return INTERRUPTED
    return FAILED if summary.failed else DONE


def set_aside(directory: Path, file: Path) -> Path | None:
    """Rename a run directory to the first free ``<dir>.old-<n>``.

    Args:
        directory: The run directory.
        file: The experiment file.

    Returns:
        Its new path; None where there was none.

    Raises:
        UsageError: A driver works in it, trials still run in it, it is no run directory, or holds more than the run.
    """
    started = was_started(directory)
    if not directory.exists():
        return None
    places = {"experiment file": file}
    with suppress(FileNotFoundError):  # the current directory has been removed
        places["current directory"] = Path.cwd()
    for what, path in places.items():
        if path.resolve().is_relative_to(directory.resolve()):
            raise UsageError(
                f"{shown(directory)}: the {what} lies in this run directory, so --fresh cannot keep it aside; "
                "choose another directory, with --dir or `directory` in the file"
            )
    if not started:
        if directory.is_dir() and not any(directory.iterdir()):
            return None
        raise UsageError(
            f"{shown(directory)}: this is no run directory ({JOURNAL} is missing), so --fresh leaves it alone"
        )
    pid = driver_of(directory)
    if pid is not None:
        raise UsageError(
            f"{shown(directory)}: a driver (pid {pid}) works in it; --fresh needs it to have ended: "
            f"{command_line('stop', directory)}"
        )
    live = len(supervisors_of(directory, state_of(directory)))
    if live:
        raise UsageError(
            f"{shown(directory)}: {plural(live, 'trial')} of it may still run; stop them first: "
            f"{command_line('stop', directory)}"
        )
    number = 1
    while (aside := directory.with_name(f"{directory.name}.old-{number}")).exists():
        number += 1
    try:
        directory.rename(aside)
    except OSError as error:
        raise UsageError(f"{shown(directory)}: cannot be renamed to {aside.name} ({error.strerror})") from None
    return aside
