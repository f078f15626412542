"""Where the drivers of the section `disk` work: an experiment, its program, and what can be seen from outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.events import DeployStarted
from runwright.folder import CONTROL, JOURNAL
from runwright.journal import read_events
from runwright.state import State
from tests.torture.disk_shim import VARIABLE, Plan, compiled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runwright.events import Event
    from runwright.trial import BaseTrial

NO_COMPILER = "there is no C compiler"
PROGRAM = """
echo "begin $RUNWRIGHT_TRIAL $RUNWRIGHT_ATTEMPT" >> "$2"
sleep {sleep}
echo "a line of the log"
echo "{{{{\\"y\\": $1}}}}" > "$RUNWRIGHT_RESULT" && what=end || what=failed
{at_end}
echo "$what $RUNWRIGHT_TRIAL $RUNWRIGHT_ATTEMPT" >> "$2"
test $what = end
"""
FILE = """
name: disk
seed: 1
parameters: {{x: {{type: float, bounds: [0, 1]}}}}
objectives: {{y: minimize}}
evaluate: {{command: {command}}}
runner: {{type: process, parallel: {parallel}}}
limits: {{output: 1 MB, grace: 300 ms}}
on_failure: {on_failure}
stop: {{trials: {trials}}}
{more}
"""


@dataclass(frozen=True)
class Said:
    """What came of a driver: its exit status (or ``hang``), and all that it printed."""

    status: int | str
    text: str

    def trouble(self, allowed: Sequence[int]) -> list[str]:
        """Return what a user must never see."""
        found = [] if self.status in allowed else [f"exit status {self.status}: {self.text[-400:]!r}"]
        if "Traceback" in self.text:
            found.append(f"a traceback: {self.text[-400:]!r}")
        if self.status == 2 and self.text.count("error: ") != 1:
            found.append(f"not one sentence: {self.text[-400:]!r}")
        return found


class Drivers:
    """Runs drivers, one after the other, from a process that has imported everything.

    Args:
        folder: Where its files go.
        shim: The compiled shim, or None.
    """

    def __init__(self, folder: Path, shim: Path | None) -> None:
        self.plan = None if shim is None else Plan(folder / "plan")
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        if shim is not None and self.plan is not None:
            environment |= {"LD_PRELOAD": str(shim), VARIABLE: str(self.plan.path)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.disk_driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        self._output = folder / "output"

    def begin(self, *arguments: object, **job: Any) -> int:
        """Start a driver; return its pid. `end` must follow."""
        self._output.unlink(missing_ok=True)
        job |= {"arguments": [str(argument) for argument in arguments], "output": str(self._output)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return int(self._answer()["pid"])

    def end(self) -> Said:
        """Wait for the driver that was begun."""
        status = self._answer()["status"]
        return Said(status, self._output.read_text(errors="replace") if self._output.exists() else "")

    def run(self, *arguments: object, **job: Any) -> Said:
        """Run a driver to its end."""
        self.begin(*arguments, **job)
        return self.end()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that forks drivers has died"
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@dataclass(frozen=True)
class Bench:
    """A folder with an experiment file, a run directory beside it, and a list of evaluations outside of it."""

    folder: Path
    drivers: Drivers

    @property
    def plan(self) -> Plan:
        """What fails."""
        assert self.drivers.plan is not None, "there is a compiler"
        return self.drivers.plan

    @property
    def file(self) -> Path:
        """The experiment file."""
        return self.folder / "experiment.yaml"

    @property
    def run_directory(self) -> Path:
        """The run directory."""
        return self.folder / "run"

    @property
    def evaluations(self) -> Path:
        """Where the program notes when it begins and ends."""
        return self.folder / "evaluations"

    def write(
        self,
        *,
        at_end: str = ":",
        sleep: float = 0.02,
        trials: int = 3,
        parallel: int = 2,
        retries: int = 2,
        more: str = "",
    ) -> None:
        """Write the experiment file."""
        command = json.dumps(
            ["/bin/sh", "-c", PROGRAM.format(sleep=sleep, at_end=at_end), "sh", "{x}", str(self.evaluations)]
        )
        rule = f"{{other: {{retry: {retries}, backoff: 0}}}}" if retries else "fail"
        self.file.write_text(FILE.format(command=command, trials=trials, parallel=parallel, on_failure=rule, more=more))

    def anew(self) -> None:
        """Forget the last run."""
        shutil.rmtree(self.run_directory, ignore_errors=True)
        self.evaluations.write_text("")
        self.evaluations.chmod(0o666)

    def run(self, *more: object, **job: Any) -> Said:
        """Run ``runwright run``."""
        return self.drivers.run("run", self.file, "--dir", self.run_directory, *more, **job)

    def events(self) -> list[Event]:
        """Return what the journal says; nothing where there is none."""
        path = self.run_directory / JOURNAL
        return list(read_events(path)) if path.exists() else []

    def trials(self) -> list[BaseTrial]:
        """Return the trials."""
        return State.of(self.events()).trials

    def undeployed(self) -> list[str]:
        """Return attempts that have folders, but of which the journal does not say that they are deployed."""
        known = {f"{event.trial}.{event.attempt}" for event in self.events() if isinstance(event, DeployStarted)}
        control = self.run_directory / CONTROL
        found = {path.name for path in control.iterdir()} if control.is_dir() else set()
        return [f"{name} has effects that were not committed" for name in sorted(found - known)]

    def double(self) -> list[str]:
        """Return evaluations that began twice, or beside a live one of the same trial."""
        found = []
        begun: Counter[str] = Counter()
        live: dict[str, str] = {}
        for line in self.evaluations.read_text().splitlines():
            what, trial, attempt = line.split()
            if what != "begin":
                live.pop(trial, None)
                continue
            begun[f"{trial}.{attempt}"] += 1
            if trial in live:
                found.append(f"{trial}.{attempt} began while attempt {live[trial]} lived")
            live[trial] = attempt
        return found + [f"{name} was evaluated {count} times" for name, count in begun.items() if count > 1]

    def ended(self) -> set[tuple[int, int]]:
        """Return the attempts whose program came to its end."""
        lines = (line.split() for line in self.evaluations.read_text().splitlines())
        return {(int(trial), int(attempt)) for what, trial, attempt in lines if what == "end"}

    def unfinished(self, count: int) -> list[str]:
        """Return trials that have not the result that they must have."""
        trials = self.trials()
        found = [f"there are {len(trials)} trials"] if len(trials) != count else []
        for trial in trials:
            metrics = None if trial.result is None else trial.result.metrics
            x = trial.arms[0].parameters["x"]
            if trial.status.name != "COMPLETED" or metrics is None or metrics["y"][0] != x:
                found.append(f"trial {trial.index} is {trial.status.name} with {trial.result}, x = {x}")
        return found


@contextmanager
def benches(count: int, *, with_shim: bool) -> Iterator[list[Bench]]:
    """Make folders with drivers of their own; with a shim only where there is a compiler (else: none)."""
    with tempfile.TemporaryDirectory(prefix="runwright-disk-") as name:
        root = Path(name)
        root.chmod(0o755)
        shim = compiled(root) if with_shim else None
        made: list[Bench] = []
        try:
            for number in range(count if shim or not with_shim else 0):
                folder = root / str(number)
                folder.mkdir()
                made.append(Bench(folder, Drivers(folder, shim)))
            yield made
        finally:
            for bench in made:
                bench.drivers.close()
