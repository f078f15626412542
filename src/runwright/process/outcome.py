"""Turns the record of an end, and what the program left, into a result."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runwright.errors import InvalidResultError
from runwright.measurements import clean
from runwright.process.adoption import Exited, Vanished
from runwright.process.attempt import RESULT, STDERR, STDOUT
from runwright.process.excess import KINDS, words_of_excess, words_of_loss
from runwright.process.output import NOTE
from runwright.process.reading import Reading, TooLargeError
from runwright.result import Failure, Result
from runwright.status import FailureKind, TrialStatus

if TYPE_CHECKING:
    from runwright.process.attempt import Place
    from runwright.result import Json
    from runwright.trial import BaseTrial

_TAIL = 4096
_LONGEST_LINE = 200


@dataclass(frozen=True, slots=True)
class Judge:
    """Says what an ended attempt amounts to.

    Attributes:
        reading: How its result is read.
        success_codes: Exit statuses that mean success.
        function: Whether the program is one of our own that evaluates a function, and says itself why it failed.
    """

    reading: Reading
    success_codes: frozenset[int]
    function: bool

    def conclude(self, ended: Exited | Vanished, place: Place, trial: BaseTrial) -> tuple[TrialStatus, Result]:
        """Return status and result.

        Args:
            ended: How it ended.
            place: Where it was.
            trial: The trial.
        """
        log = f"{place.relative}/{STDERR}"
        if isinstance(ended, Vanished):
            measured = {"started": ended.started.get("epoch")}
            return _failed(FailureKind.LOST, _with_last_line(ended.reason, place), log, measured)
        record = ended.record
        if record.get("damaged"):
            return _failed(FailureKind.LOST, "the record of its end cannot be read (a disk error?)", log, {})
        if record["reason"] == "start":
            return _failed(FailureKind.SUBMIT_ERROR, f"it could not be started: {record['message']}", None, {})
        measured = {
            "seconds": record["seconds"],
            "cpu_seconds": record["cpu"],
            "peak_memory": record["peak"],
            "started": record["started"],
            "ended": record["ended"],
        }
        if record["reason"] is not None:
            return self._cut_short(record, place, measured)
        if record["code"] not in self.success_codes:
            return self._unsuccessful(record, place, measured)
        return self._successful(record, place, trial, measured)

    def killed(self, reason: str, result: Result) -> tuple[TrialStatus, Result]:
        """Return what it amounts to that the supervisor itself had to be killed."""
        log = None if result.failure is None else result.failure.log
        measured: Json = {"started": result.started}
        if reason == "stop":
            return TrialStatus.ABANDONED, Result(**measured)
        return _failed(
            FailureKind.TIMEOUT, "it ran longer than its time limit, and so did its supervisor", log, measured
        )

    def _cut_short(self, record: Json, place: Place, measured: Json) -> tuple[TrialStatus, Result]:
        reason, log = record["reason"], f"{place.relative}/{STDERR}"
        if reason == "stop":
            return TrialStatus.ABANDONED, Result(**measured)
        if reason in KINDS:
            if reason == "output" and _seen(record, "stdout") > _seen(record, "stderr"):
                log = f"{place.relative}/{STDOUT}"
            return _failed(KINDS[reason], words_of_excess(record, record["seconds"]), log, measured)
        return _failed(FailureKind.LOST, words_of_loss(record), log, measured)

    def _unsuccessful(self, record: Json, place: Place, measured: Json) -> tuple[TrialStatus, Result]:
        if self.function and record["code"] is not None:
            failure, info = self._own_failure(place, measured)
            if failure is not None:
                return TrialStatus.FAILED, Result(failure=failure, additional_info=info, **measured)
        if record["signal"] is not None:
            message = f"it was ended by the signal {_signal_name(record['signal'])}"
            if record["signal"] == signal.SIGKILL:
                message += ", perhaps by the kernel for want of memory"
        elif self.function:
            message = _left(record["code"])
        else:
            message = f"it ended with exit status {record['code']}"
        return _failed(FailureKind.CRASHED, _with_last_line(message, place), f"{place.relative}/{STDERR}", measured)

    def _own_failure(self, place: Place, measured: Json) -> tuple[Failure | None, Json | None]:
        """Return the failure that the evaluation of a function recorded itself, or None."""
        own = self.reading.read_own(place.folder)
        if "failure" not in own:
            return None, None
        _take_measures(own, measured)
        failure = Failure.from_json(own["failure"])
        log = failure.log or (f"{place.relative}/{STDERR}" if failure.kind is FailureKind.CRASHED else None)
        return Failure(failure.kind, failure.message, log), own.get("info")

    def _successful(self, record: Json, place: Place, trial: BaseTrial, measured: Json) -> tuple[TrialStatus, Result]:
        if self.function and not os.path.lexists(f"{place.folder}/{RESULT}"):
            message = _with_last_line(_left(record["code"]), place)
            return _failed(FailureKind.CRASHED, message, f"{place.relative}/{STDERR}", measured)
        stream = self.reading.stream
        log = f"{place.relative}/{STDOUT}"
        if stream is not None and (record.get(stream) or {}).get("cut"):
            message = (
                f"{record[stream]['cut']} bytes of {stream} were cut, and the result is read from there; "
                "raise the limit of the log"
            )
            return _failed(FailureKind.OUTPUT_LIMIT, message, f"{place.relative}/{stream}.log", measured)
        try:
            arms, info, own = self.reading.read(place.folder, trial.experiment, trial.arms[0].name)
        except InvalidResultError as error:
            return _failed(FailureKind.INVALID_RESULT, clean(str(error)), log, measured)
        except TooLargeError as error:
            return _failed(FailureKind.OUTPUT_LIMIT, str(error), log, measured)
        if self.function:
            _take_measures(own, measured)
            info |= own.get("info", {})
        return TrialStatus.COMPLETED, Result(arms=arms, additional_info=info or None, **measured)


def _seen(record: Json, stream: str) -> int:
    """Return how much a program wrote to a stream; 0 where it had the log itself."""
    seen: int = (record.get(stream) or {}).get("seen", 0)
    return seen


def _take_measures(own: Json, measured: Json) -> None:
    """Take what an evaluation of a function measured: without the start of its interpreter."""
    for name in measured:
        if isinstance(own.get(name), (int, float)):
            measured[name] = own[name]


def _left(code: int) -> str:
    """Say of a function's process that it ended inside of the function."""
    return f"its process ended with exit status {code} before the function returned (by os._exit?)"


def _failed(kind: FailureKind, message: str, log: str | None, measured: Json) -> tuple[TrialStatus, Result]:
    return TrialStatus.FAILED, Result.failed(kind, message, log, **measured)


def _with_last_line(message: str, place: Place) -> str:
    line = last_line(f"{place.folder}/{STDERR}")
    return f"{message}; its last line on stderr: {line}" if line else message


def last_line(path: str) -> str:
    """Return the last line of a log that says something and that the program wrote itself; else an empty text."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        text = "".join(char for char in line if char.isprintable()).strip()
        if text and not text.startswith(NOTE):
            return text[:_LONGEST_LINE]
    return ""


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} ({number})"
    except ValueError:
        return str(number)
