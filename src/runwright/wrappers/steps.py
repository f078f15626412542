"""Executes the commands of a job one after the other, in the place of a single program.

It is a process of its own under the supervisor of the attempt, so limits, stop and logs hold for all commands together
and no driver is needed. It imports the standard library only. Before each command its name is written down; the exit of
a command that fails is passed on as it was, signals too.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
from typing import Any, NoReturn

from runwright.wrappers.names import quick_status

PLAN = "steps.json"
"""In the control folder: what to execute."""
STEP = "step"
"""In the control folder: name of the command that was begun last."""
_CANNOT_EXECUTE = 127
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Sequence:
    """The commands of one attempt.

    Args:
        control: The control folder.
        plan: What to execute: ``steps``, ``folder``, ``pause``, ``success``.
    """

    def __init__(self, control: str, plan: dict[str, Any]) -> None:
        self._control = control
        self._plan = plan
        self._child = 0
        self._stop = 0

    def run(self) -> None:
        """Execute; return after the last command, or end this process as the command that failed ended."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        for step in self._plan["steps"]:
            if step["needs_success"] and quick_status(self._plan["folder"]) == "ended":
                continue
            self._note(step["name"])
            while True:
                self._execute(step["argv"])
                if not step["until_status"] or quick_status(self._plan["folder"]) is not None:
                    break
                select.select([], [], [], self._plan["pause"])

    def _on_signal(self, number: int, _: object) -> None:
        """A supervisor asks the whole group to end: the command is asked too, and has its time of grace."""
        self._stop = number
        if not self._child:
            _die(number)

    def _note(self, name: str) -> None:
        with open(f"{self._control}/{STEP}", "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(name)

    def _execute(self, argv: list[str]) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # between spawn and `_child` nobody may interfere
        try:
            self._child = os.posix_spawn(argv[0], argv, os.environ, setsigmask=(), setsigdef=_SIGNALS)
        except OSError as error:
            sys.stderr.write(f"{argv[0]!r} cannot be executed: {error.strerror}\n")
            sys.exit(_CANNOT_EXECUTE)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        code = os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])
        self._child = 0
        if self._stop:
            _die(self._stop)
        if code < 0:
            _die(-code)
        if code not in self._plan["success"]:
            sys.exit(code)


def _die(number: int) -> NoReturn:
    """End by a signal, as the command did."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the command has left its own
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    sys.exit(128 + number)  # a signal that ends nothing


def main() -> None:
    """Execute the plan of a control folder: ``-c <boot> <folder of the library> <control folder>``."""
    control = sys.argv[2]
    with open(f"{control}/{PLAN}", encoding="utf-8") as file:  # noqa: PTH123
        plan = json.load(file)
    Sequence(control, plan).run()
