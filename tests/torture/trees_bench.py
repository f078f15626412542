"""A bench for nasty trees: python -m tests.torture.trees_bench, a case a line on stdin, an outcome a line on stdout.

```
bench (subreaper) ── driver ── launcher ── supervisor ── nasty program ── its tree
```
Nothing that is started here can leave the bench: what loses its parents becomes the bench's child, and is seen.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import runwright as rw
from runwright import mailbox
from runwright.optimizers import RandomOptimizer
from runwright.process.felling import fell
from runwright.process.linux import become_subreaper, children
from runwright.process.record import EXIT, read_record
from runwright.runner import Limits
from runwright.runners import PoolRunner, ProcessRunner
from tests.torture import nasty
from tests.torture.trees_watch import Seen, descendants, marked, signed

if TYPE_CHECKING:
    from collections.abc import Callable

GRACE = 0.2
_TIMEOUTS = {"command": 2.0, "preload": 2.0}  # a bench that gets no turn for so long misses the whole life of a tree
_TIMEOUT = 3.0  # of a fresh interpreter, which must have built its tree by then on a busy machine
PATIENCE = 20.0
_PATIENCE_UNPROMISED = 3.0
_OURS = ("rw-launcher", "rw-supervisor")
_PROGRAM = str(Path(nasty.__file__).resolve())
EXPERIMENT = rw.Experiment("nasty", {"tree": rw.Int(0, 10**6)}, {"y": "minimize"})


@dataclass(frozen=True)
class Case:
    """One tree and its end.

    Attributes:
        way: How it must end; a method of `Bench`.
        kind: Through which runner: command, function, preload or pool.
        user: ``self``, or another user.
        seed: Of the tree.
    """

    way: str
    kind: str
    user: str
    seed: int

    @property
    def name(self) -> str:
        """The words that repeat it."""
        return f"{self.way}/{self.kind}/{self.user}/{self.seed}"

    @property
    def end(self) -> str:
        """What the program itself does when its tree is there."""
        ends = ("leave", "crash", "suicide") if self.way == "leaves" else ("deaf", "obey", "trap")
        return ends[self.seed // 3 % 3]

    @staticmethod
    def of(name: str) -> Case:
        """Return the case of a name."""
        way, kind, user, seed = name.split("/")
        return Case(way, kind, user, int(seed))


@dataclass
class Outcome:
    """What came of a case.

    Attributes:
        case: Its name.
        survivors: Who lived on, in words.
        early: Who was alive when the end was recorded.
        phase: Seconds from the program's end, or the supervisor's death, to the death of the tree.
        trouble: What went wrong with the bench or the driver, or empty.
        processes: How many processes signed.
    """

    case: str
    survivors: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    phase: float | None = None
    trouble: str = ""
    processes: int = 0


class Bench:
    """Runs one case.

    Args:
        case: The case.
        folder: An empty folder.
        swift: The program made of ``swift.c``, or None.
    """

    def __init__(self, case: Case, folder: Path, swift: Path | None) -> None:
        self.case = case
        self.outcome = Outcome(case.name)
        self._directory = folder / "run"
        self._log = folder / "driver.log"
        self._roll = folder / f"roll-{os.getpid()}-{case.seed}-{time.monotonic_ns()}"
        shutil.copy(shutil.which("sleep") or "/bin/sleep", folder / f"{nasty.SLEEP}{self._roll.name}")
        # What hops without a guard leaves its zombies to the bench: as many as a program in C makes fill the machine.
        if swift is not None and case.way != "all_killed":
            shutil.copy(swift, folder / f"{nasty.SWIFT}{self._roll.name}")
        self._drivers: dict[int, int | None] = {}
        self._killed: set[int] = set()
        self._supervisor = -1
        self._struck = 0.0

    def run(self) -> Outcome:
        """Let the tree grow, end it, look who is left."""
        try:
            self._start_driver()
            self._until(lambda: self._pids("rw-supervisor"), "a supervisor to grow")
            with contextlib.suppress(ProcessLookupError):  # the program has ended, and its supervisor with it
                self._supervisor = os.pidfd_open(self._pid("rw-supervisor"))
            self._until(lambda: Path(f"{self._roll}.ready").exists(), "the tree to grow")
            time.sleep(random.Random(self.case.name).uniform(0, 0.3))
            getattr(self, f"_{self.case.way}")()
            self._watch_the_end()
        except Exception as error:  # noqa: BLE001  (one case's trouble must not cost another)
            self.outcome.trouble = f"{type(error).__name__}: {error}"
        self._look_who_is_left()
        if self.outcome.trouble and self._log.exists():
            self.outcome.trouble += f"; {self._log.read_text()[-600:]}"
        if self._supervisor >= 0:
            os.close(self._supervisor)
        return self.outcome

    # Drivers.

    def _start_driver(self) -> None:
        pid = os.fork()
        if pid == 0:
            self._drive()
        self._drivers[pid] = None

    def _drive(self) -> None:
        status = 1
        try:
            fd = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for number in (0, 1, 2):
                os.dup2(fd, number)
            os.environ.update(NASTY_ROLL=str(self._roll), NASTY_END=self.case.end)
            timeout = _TIMEOUTS.get(self.case.kind, _TIMEOUT) if "limit" in self.case.way else None
            with rw.Scheduler(
                EXPERIMENT,
                RandomOptimizer(),
                self._runner(),
                directory=self._directory,
                trials=1,
                enqueue=[{"tree": self.case.seed}],
                limits=Limits(timeout=timeout, grace=GRACE),
            ) as scheduler:
                scheduler.run()
            status = 0
        except BaseException:  # noqa: BLE001  (the last frame of a child)
            traceback.print_exc()
        finally:
            os._exit(status)

    def _runner(self) -> rw.Runner:
        kind = self.case.kind
        if kind == "command":
            return ProcessRunner([sys.executable, "-S", _PROGRAM, "{tree}", self.case.end, str(self._roll)])
        function = f"{_PROGRAM}:evaluate"
        if kind == "pool":
            return PoolRunner(function, workers=1)
        return ProcessRunner(function=function, preload=kind == "preload")

    # Ways to end it.

    def _stop(self) -> None:
        """A user stops the trial."""
        mailbox.post(self._directory, {"kind": "stop", "trial": 0})

    def _limit(self) -> None:
        """Its time is up."""

    def _leaves(self) -> None:
        """The program ends by itself and leaves its tree behind."""

    def _restart_stop(self) -> None:
        """The driver is killed, and the next one's user stops the trial."""
        self._kill_driver()
        self._start_driver()
        self._stop()

    def _dead_stop(self) -> None:
        """The driver is killed, and a user stops what runs."""
        self._kill_driver()
        command = [sys.executable, "-m", "runwright", "stop", str(self._directory)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"stop says {done.returncode}: {done.stdout} {done.stderr}")

    def _dead_limit(self) -> None:
        """The driver is killed, and the time is up."""
        self._kill_driver()

    def _dead(self) -> None:
        """The driver is killed, and its pool with it."""
        self._kill_driver()

    def _supervisor_killed(self) -> None:
        """The supervisor is killed."""
        self._strike("rw-supervisor")

    def _supervisor_and_driver_killed(self) -> None:
        """The driver is killed, then the supervisor."""
        self._kill_driver()
        self._strike("rw-supervisor")

    def _launcher_killed_stop(self) -> None:
        """The launcher is killed; then a user stops the trial."""
        self._strike("rw-launcher")
        self._stop()

    def _launcher_killed_dead_stop(self) -> None:
        """Launcher and driver are killed; then a user stops what runs."""
        self._strike("rw-launcher")
        self._dead_stop()

    def _outside_signal(self) -> None:
        """The supervisor gets a polite signal from elsewhere, as at the end of the machine."""
        os.kill(self._pid("rw-supervisor"), signal.SIGTERM)

    def _all_killed(self) -> None:
        """Driver, launcher and supervisor are killed at once, and the next driver finds out: nothing is promised."""
        launcher, supervisor = self._pid("rw-launcher"), self._pid("rw-supervisor")
        for pid in (*self._drivers, launcher, supervisor):
            self._kill(pid)
        self._struck = time.monotonic()
        self._until(lambda: all(self._drivers.values()), "the driver's death")
        self._start_driver()

    def _kill_driver(self) -> None:
        for pid in self._drivers:
            self._kill(pid)
        self._until(lambda: None not in self._drivers.values(), "the driver's death")

    def _strike(self, name: str) -> None:
        self._kill(self._pid(name))
        self._struck = time.monotonic()

    def _kill(self, pid: int) -> None:
        self._killed.add(pid)
        os.kill(pid, signal.SIGKILL)

    @staticmethod
    def _pids(name: str) -> list[int]:
        return [seen.pid for seen in descendants(os.getpid()).values() if seen.name == name and seen.alive]

    def _pid(self, name: str) -> int:
        found = self._pids(name)
        if not found:
            raise RuntimeError(f"there is no {name}")
        return found[0]

    # The end.

    def _watch_the_end(self) -> None:
        if not self._struck or "launcher" in self.case.way:
            if self._supervisor >= 0 and not select.select([self._supervisor], [], [], PATIENCE)[0]:
                raise RuntimeError("the supervisor does not end")
            gone = time.time()
            self.outcome.early = _words(signed(self._roll))
            record = self._record()
            if record is not None:
                self.outcome.phase = gone - record["ended"]
            if "outside" in self.case.way:
                self._stop()  # of another attempt
        else:
            patience = _PATIENCE_UNPROMISED if self.case.way == "all_killed" else PATIENCE
            self._until(lambda: not self._tree(), "the end of the tree", patience)
            self.outcome.phase = time.monotonic() - self._struck
            if None in self._drivers.values():
                self._stop()  # of another attempt, where the policy makes one
        self._until(lambda: not self._below() and None not in self._drivers.values(), "driver and launcher to leave")
        for pid, status in self._drivers.items():
            if status != 0 and pid not in self._killed:
                raise RuntimeError(f"the driver ended with {status}")

    def _record(self) -> dict[str, Any] | None:
        found = [read_record(str(folder), EXIT) for folder in sorted((self._directory / "control").glob("*.1"))]
        return found[0] if found else None

    def _look_who_is_left(self) -> None:
        left = {**self._below(), **signed(self._roll), **marked(self._roll.name)}
        self.outcome.survivors = _words(left)
        if self._roll.exists():
            self.outcome.processes = len(set(self._roll.read_text().splitlines()))
        until = time.monotonic() + PATIENCE
        while self._below() and time.monotonic() < until:  # the next case is not to see them
            fell(lambda: children(os.getpid()), self._reap)

    def _below(self) -> dict[int, Seen]:
        """Return what lives below the bench; zombies are reaped."""
        self._reap()
        return {pid: seen for pid, seen in descendants(os.getpid()).items() if seen.alive}

    def _tree(self) -> dict[int, Seen]:
        """Return what lives of a tree whose supervisor was killed; another one may have another tree meanwhile."""
        below = self._below()

        def guarded(seen: Seen | None) -> bool:
            while seen is not None and seen.name != "rw-supervisor":
                seen = below.get(seen.parent)
            return seen is not None

        return {
            pid: seen
            for pid, seen in below.items()
            if pid not in self._drivers and seen.name not in _OURS and not guarded(seen)
        }

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] in self._drivers:
                    self._drivers[ended[0]] = ended[1]

    def _until(self, condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        until = time.monotonic() + patience
        while not condition():
            self._reap()
            ended = [status for pid, status in self._drivers.items() if status is not None and pid not in self._killed]
            if time.monotonic() > until or (what.endswith("grow") and ended):
                raise RuntimeError(f"waited in vain for {what}: {_words(self._below())}")
            time.sleep(0.002)


def _words(found: dict[int, Seen]) -> list[str]:
    return sorted(f"{seen.name} (pid {seen.pid}, child of {seen.parent})" for seen in found.values())


def compiled(folder: Path) -> Path | None:
    """Compile ``swift.c``; None where there is no compiler."""
    compiler, program = shutil.which("cc"), folder / "swift"
    if compiler is None:
        return None
    source = Path(__file__).with_name("swift.c")
    subprocess.run([compiler, "-O2", "-o", str(program), str(source)], check=True, capture_output=True)
    return program


def main() -> None:
    """Serve cases until stdin ends."""
    become_subreaper()
    answers = os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryDirectory(prefix="nasty-") as bin_folder:
        swift = compiled(Path(bin_folder))
        for line in sys.stdin:
            folder = Path(tempfile.mkdtemp(prefix="nasty-"))
            try:
                outcome = Bench(Case.of(line.strip()), folder, swift).run()
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            answers.write(json.dumps(asdict(outcome)) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
