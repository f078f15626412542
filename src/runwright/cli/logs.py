"""``runwright logs``: what a trial's program printed."""

from __future__ import annotations

import codecs
import os
import re
import stat
import sys
from typing import TYPE_CHECKING, Self

import click

from runwright.cli.directory import run_directory, state_of, supervisors_of, trial_of
from runwright.cli.terminal import printable, say, shown
from runwright.clock import SystemClock, Waker, monotonic
from runwright.errors import UsageError
from runwright.folder import control_folder, driver_of, trial_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runwright.state import State
    from runwright.trial import BaseTrial

STDOUT, STDERR = "stdout.log", "stderr.log"
_AT_ONCE = 1 << 16
_LOOK_EVERY = 0.2
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


@click.command("logs", short_help="What a trial's program printed.")
@click.argument("directory", metavar="DIR")
@click.argument("trial", metavar="TRIAL", type=click.IntRange(min=0))
@click.option("--attempt", metavar="N", type=click.IntRange(min=1), help="The latest where not given.")
@click.option("--stderr", "errors", is_flag=True, help="What it wrote to stderr.")
@click.option("--both", is_flag=True, help="Both, one after the other.")
@click.option("--follow", "-f", is_flag=True, help="Go on until the attempt has ended.")
def command(directory: str, trial: int, attempt: int | None, errors: bool, both: bool, follow: bool) -> None:
    """Print what an attempt of TRIAL of the experiment in DIR wrote to stdout.

    Where the runner keeps no files of its own for a trial, the log or the traceback of its failure is printed. On a
    terminal, control characters are shown as text; on a pipe the bytes are as the program wrote them.
    """
    place = run_directory(directory)
    state = state_of(place)
    found = trial_of(state, trial)
    if attempt is not None and attempt > found.attempt and not follow:
        raise UsageError(f"trial {trial} has no attempt {attempt}; its latest is {found.attempt}")
    number = attempt or max(1, found.attempt)
    names = (STDOUT, STDERR) if both else (STDERR,) if errors else (STDOUT,)
    if follow:
        _follow(place, trial, number, names)
        return
    if found.attempt == 0:
        raise UsageError(f"trial {trial} is {found.status.name} and has not begun; --follow waits for it")
    folder = trial_folder(place, trial, number)
    files = [folder / name for name in names if (folder / name).exists()] or _failure_log(place, found, number)
    if not files:
        _print_traceback(found, number)
        return
    printer = _Printer(titles=len(files) > 1)
    for path in files:
        with _Source(place, path) as source:
            for data in source.read():
                printer.write(path.name, data)
    printer.finish()


def _failure_log(place: Path, trial: BaseTrial, attempt: int) -> list[Path]:
    """Return the log that the failure of an attempt names, if it exists."""
    failures = {ended.number: ended.failure for ended in trial.attempts}
    failure = failures.get(attempt) or (trial.failure if attempt == trial.attempt else None)
    if failure is None or failure.log is None:
        return []
    path = place / failure.log
    return [path] if path.exists() else []


def _print_traceback(trial: BaseTrial, attempt: int) -> None:
    """Print the traceback that an evaluation left.

    Raises:
        UsageError: There is none either.
    """
    info = trial.result.additional_info if trial.result is not None and attempt == trial.attempt else None
    text = (info or {}).get("traceback")
    if not isinstance(text, str):
        raise UsageError(
            f"attempt {attempt} of trial {trial.index} ({trial.status.name}) left no output: its runner keeps none, "
            f"or it wrote none"
        )
    for line in text.splitlines():
        say(printable(line))


class _Source:
    """A file below the run directory, opened without being led elsewhere.

    Raises:
        UsageError: It lies outside, or is no plain file.
    """

    def __init__(self, place: Path, path: Path) -> None:
        real = path.resolve()
        if not real.is_relative_to(place.resolve()):
            raise UsageError(f"{shown(path)}: leads out of the run directory, so it is not opened")
        try:
            self._fd = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise UsageError(f"{shown(path)}: cannot be read ({error.strerror})") from None
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            os.close(self._fd)
            raise UsageError(f"{shown(path)}: is no plain file, so it is not read")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def read(self) -> Iterator[bytes]:
        """Read on from where the last reading ended."""
        while data := os.read(self._fd, _AT_ONCE):
            yield data


class _Printer:
    """Prints what several files hold; as bytes to a pipe, made harmless to a terminal."""

    def __init__(self, *, titles: bool) -> None:
        self._titles = titles
        self._last: str | None = None
        self._safe = sys.stdout.isatty()
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}
        self._out = sys.stdout.buffer
        self._fresh_line = True

    def write(self, name: str, data: bytes) -> None:
        """Print a part of a file."""
        if self._titles and name != self._last:
            gap = b"" if self._last is None else b"\n" if self._fresh_line else b"\n\n"
            self._out.write(gap + f"==> {name} <==\n".encode())
            self._last = name
        self._fresh_line = data.endswith(b"\n")
        self._out.write(self._harmless(name, data) if self._safe else data)
        self._out.flush()

    def _harmless(self, name: str, data: bytes) -> bytes:
        decoder = self._decoders.get(name)
        if decoder is None:
            decoder = self._decoders[name] = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace")
        text = _COLOUR.sub("", decoder.decode(data)).replace("\r\n", "\n").replace("\r", "\n")
        lines = (printable(line.replace("\t", "    ")) for line in text.split("\n"))
        return "\n".join(lines).encode(errors="backslashreplace")

    def finish(self) -> None:
        """End the last line on a terminal."""
        if self._safe and not self._fresh_line:
            self._out.write(b"\n")
            self._out.flush()


def _follow(place: Path, trial: int, attempt: int, names: tuple[str, ...]) -> None:
    folder = trial_folder(place, trial, attempt)
    printer = _Printer(titles=len(names) > 1)
    sources: dict[str, _Source] = {}
    clock, waker = SystemClock(), Waker()
    watch = _Watch(place, trial, attempt)
    try:
        while True:
            ended = watch.ended()  # before the last reading: nothing that was written before the end is missed
            for name in names:
                if name not in sources and (folder / name).exists():
                    sources[name] = _Source(place, folder / name)
                if name in sources:
                    for data in sources[name].read():
                        printer.write(name, data)
            if ended:
                break
            clock.wait(clock.now() + _LOOK_EVERY, waker)
    finally:
        waker.close()
        for source in sources.values():
            source.__exit__()
    printer.finish()
    if not sources:
        _print_traceback(trial_of(state_of(place), trial), attempt)


class _Watch:
    """Knows when an attempt has ended, without reading a long journal too often."""

    def __init__(self, place: Path, trial: int, attempt: int) -> None:
        self._place, self._trial, self._attempt = place, trial, attempt
        self._exit = control_folder(place, trial, attempt) / "exit"
        self._next = 0.0

    def ended(self) -> bool:
        """Say whether it has ended, or will not go on until somebody starts a driver."""
        if self._exit.exists():
            return True
        began = monotonic()
        if began < self._next:
            return False
        alone = driver_of(self._place) is None
        state = state_of(self._place)
        now = monotonic()
        self._next = now + max(_LOOK_EVERY, 5 * (now - began))
        return self._over(state, alone=alone)

    def _over(self, state: State, *, alone: bool) -> bool:
        trial = trial_of(state, self._trial)
        if trial.attempt > self._attempt:
            return True
        live = self._trial in state.staged or self._trial in state.running
        if live and trial.attempt == self._attempt:
            return alone and self._trial not in supervisors_of(self._place, state)
        return alone or trial.status.is_terminal
