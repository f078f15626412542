"""Real drivers: processes of the command line that tests start, signal, and wait for."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Any

from runwright.journal import read_events
from runwright.report import rows
from runwright.state import State

if TYPE_CHECKING:
    import signal
    from pathlib import Path

DEADLINE = 30.0

MODEL = '''
import os, pathlib, time

HERE = pathlib.Path(__file__).parent

def quick(x, n):
    return (x - 1) ** 2 + n

def fails(x, n):
    raise ValueError("no such luck")

def gated(x, n):
    """Say that it has begun, then wait for the gate; each evaluation leaves a mark."""
    with open(HERE / "begun", "a") as file:
        file.write(f"{x}\\n")
    deadline = time.monotonic() + 60
    while not (HERE / "gate").exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the gate stayed closed")
        time.sleep(0.01)
    return x

def stubborn(x, n):
    """As `gated`, but an interrupt is as good as the gate."""
    try:
        return gated(x, n)
    except KeyboardInterrupt:
        return x
'''

PROGRAM = """#!/bin/sh
echo "$1" >> "$2/begun"
echo "x is $1"
echo "to stderr" >&2
i=0
while [ ! -e "$2/gate" ] && [ $i -lt 6000 ]; do sleep 0.01; i=$((i+1)); done
echo "the end"
echo "{\\"y\\": $1}" > result.json
"""


class Workplace:
    """A folder with a model and experiment files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        (path / "model.py").write_text(MODEL)
        program = path / "program.sh"
        program.write_text(PROGRAM)
        program.chmod(0o755)
        self.drivers: list[Driver] = []

    def experiment(
        self, name: str, function: str = "quick", runner: str = "local", trials: int = 4, more: str = ""
    ) -> Path:
        evaluate = f'{{function: "model:{function}"}}'
        if function == "program":
            evaluate = '{command: ["./program.sh", "{x}", "{here}"]}'
        file = self.path / f"{name}.yaml"
        file.write_text(
            f"name: {name}\n"
            "parameters:\n"
            "  x: {type: float, bounds: [0, 10]}\n"
            "  n: {type: int, bounds: [1, 5]}\n"
            "objectives: {y: minimize}\n"
            f"evaluate: {evaluate}\n"
            f"runner: {{type: {runner}}}\n"
            "optimizer: {type: random}\n"
            f"stop: {{trials: {trials}}}\n{more}"
        )
        return file

    def begun(self) -> list[str]:
        path = self.path / "begun"
        return path.read_text().split() if path.exists() else []

    def wait_for(self, evaluations: int, driver: Driver) -> None:
        """Wait until so many evaluations have begun."""
        deadline = time.monotonic() + DEADLINE
        while len(self.begun()) < evaluations:
            assert driver.process.poll() is None, driver.finish(driver.process.returncode)
            assert time.monotonic() < deadline, f"{len(self.begun())} of {evaluations} evaluations have begun"
            time.sleep(0.01)

    def open_gate(self) -> None:
        (self.path / "gate").touch()

    def start(self, *words: object, **kwargs: object) -> Driver:
        driver = Driver([str(word) for word in words], self.path, **kwargs)  # type: ignore[arg-type]
        self.drivers.append(driver)
        return driver

    def trials(self, name: str) -> list[dict[str, Any]]:
        """Return the trials of a run in the export format."""
        return rows(State.of(read_events(self.path / "runs" / name / "journal.sqlite")))

    def call(self, *words: object, status: int = 0, **kwargs: object) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "runwright", *map(str, words)],
            cwd=self.path, capture_output=True, text=True, timeout=DEADLINE, check=False, env=environment(), **kwargs,
        )  # type: ignore[call-overload]  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def clean(self) -> None:
        from runwright.process.adoption import stop_live

        self.open_gate()
        for driver in self.drivers:
            driver.end()
        for directory in (self.path / "runs").glob("*"):
            stop_live(directory)


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return kept | {"TERM": "xterm-256color"} | changes


class Driver:
    """A command that runs, on pipes or on a terminal of 80 columns."""

    def __init__(
        self,
        words: list[str],
        folder: Path,
        *,
        terminal: bool = False,
        env: dict[str, str] | None = None,
        ignore: signal.Signals | None = None,
    ) -> None:
        command = [sys.executable, "-m", "runwright", *words]
        if ignore is not None:  # as nohup does
            command = ["sh", "-c", f"trap '' {ignore.name.removeprefix('SIG')}; exec \"$@\"", "sh", *command]
        self.text = ""
        self._fd: int
        if terminal:
            self._fd, inner = pty.openpty()
            fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        else:
            self._fd, inner = os.pipe()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=inner if terminal else subprocess.DEVNULL,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            env=environment(**(env or {})),
        )
        os.close(inner)

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_for(self, text: str) -> None:
        """Read on until a text has come."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.text:
            assert time.monotonic() < deadline, f"{text!r} never came:\n{self.text}"
            assert self._read(1.0), f"{text!r} never came, and the command has ended:\n{self.text}"

    def _read(self, seconds: float) -> bool:
        """Read what there is; say whether there may be more."""
        if not select.select([self._fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:  # a terminal whose last program has ended
            return False
        self.text += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def finish(self, status: int) -> str:
        """Read to the end; check the exit status; return all of the output."""
        deadline = time.monotonic() + DEADLINE
        while self._read(1.0):
            assert time.monotonic() < deadline, f"it did not end:\n{self.text}"
        assert self.process.wait(DEADLINE) == status, self.text
        self._close()
        return self.text

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._close()

    def close_reader(self) -> None:
        self._close()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
