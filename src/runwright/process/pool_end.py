"""How an attempt in the pool ends: with the worker's answer, or with the worker."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runwright.clock import epoch
from runwright.folder import CONTROL
from runwright.process.excess import KINDS, words_of_excess, words_of_loss
from runwright.result import Failure, Result
from runwright.status import FailureKind

if TYPE_CHECKING:
    from pathlib import Path

    from runwright.process.pool_worker import PoolWorker
    from runwright.result import Json
    from runwright.runner import RunContext

_LARGEST_LOG = 2**20
_TAIL = 4000
_SENDINGS = 3  # how many workers in a row may end before they begin a trial
_CLOCKS = 0.005  # seconds; the monotonic clock decides, the wall clock of two processes is compared


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        index: The trial.
        result: Its result.
        stopped: Whether it was stopped on request.
    """

    index: int
    result: Result
    stopped: bool = False


@dataclass(slots=True)
class Job:
    """A trial that a worker has.

    Attributes:
        index: The trial.
        attempt: Its attempt.
        message: What the worker was sent.
        sent: When, in seconds of the epoch.
        sendings: How often.
        stopped: Whether it was asked to stop.
    """

    index: int
    attempt: int
    message: bytes
    sent: float
    sendings: int = 1
    stopped: bool = False


class Ends:
    """Makes results of trials whose worker ended, and keeps the output of failed ones.

    Args:
        control: Where logs go.
        context: The limits, and whether there is a run directory.
    """

    def __init__(self, control: Path, context: RunContext) -> None:
        self._control = control
        self._limits = context.limits
        self._logs = context.directory is not None

    def is_innocent(self, job: Job, worker: PoolWorker, record: Json | None) -> bool:
        """Whether the worker ended for another reason than this trial, which is then sent to the next worker.

        So it is where the trial had not begun, and where the verdict is older than the trial, or its time was not up:
        the limit was that of the trial before, whose answer crossed with the verdict of the supervisor.
        """
        if job.stopped or job.sendings >= _SENDINGS:
            return False
        if not worker.ready:
            return was_killed(worker, record)
        began = worker.began_at
        if began is None:
            return True
        if record is None or record.get("reason") not in KINDS:
            return False
        earliest = began
        if record["reason"] == "timeout" and self._limits.timeout is not None:
            earliest += self._limits.timeout - _CLOCKS
        return bool(record["asked"] < earliest)

    def result(self, job: Job, worker: PoolWorker, record: Json | None) -> Result:
        """Say what the end of a worker in the middle of a trial means for the trial."""
        known = record or {}
        started = worker.began_at or job.sent
        ended = max(started, known.get("ended", epoch()))
        kind, message = self._verdict(job, worker, record, ended - started)
        result = Result.failed(kind, message, seconds=ended - started, started=started, ended=ended)
        if worker.ready and "cpu" in known:
            result.cpu_seconds = max(0.0, known["cpu"] - worker.cpu)
        result.peak_memory = known.get("peak")
        return result

    @staticmethod
    def _verdict(job: Job, worker: PoolWorker, record: Json | None, seconds: float) -> tuple[FailureKind, str]:
        reason = None if record is None else record.get("reason")
        if job.stopped:
            return FailureKind.CRASHED, "it was stopped"
        if worker.refused is not None:
            return FailureKind.CRASHED, worker.refused
        if record is None:
            return FailureKind.LOST, f"the worker process is gone: {words_of_end(record)}"
        if reason in KINDS:
            return KINDS[reason], words_of_excess(record, seconds)
        if reason in ("stop", "signal"):
            return FailureKind.LOST, words_of_loss(record)
        if not worker.ready:
            when = "before it had loaded the function"
        else:
            when = "in the middle of the trial" if worker.began_at else f"{job.sendings} times before it began"
        return FailureKind.CRASHED, f"the worker process ended {when}: {words_of_end(record)}"

    def keep_log(self, job: Job, worker: PoolWorker, result: Result) -> None:
        """Keep what a failed trial wrote: in a log of its own, or, without a directory, the end of it in the result."""
        failure = result.failure
        assert failure is not None, "a log is kept of a failure"
        limits = (_LARGEST_LOG, self._limits.log, self._limits.output)
        output = worker.output(min(limit for limit in limits if limit is not None))
        info = result.additional_info or {}
        if not self._logs:
            if output:
                result.additional_info = info | {"output": output[-_TAIL:].decode("utf-8", "replace")}
            return
        content = output + info.get("traceback", "").encode()
        if not content:
            return
        path = self._control / f"{job.index}.{job.attempt}.log"
        try:
            path.write_bytes(content)
        except OSError as error:
            result.additional_info = info | {"log": f"the output could not be kept: {error}"}
            return
        result.failure = Failure(failure.kind, failure.message, f"{CONTROL}/{path.name}")


def was_killed(worker: PoolWorker, record: Json | None) -> bool:
    """Whether a worker, or its supervisor, was killed before it had loaded the function: by somebody, or for its sake.

    Who it was cannot be seen: a kernel that is short of memory does the same. So it is tried again, but not for ever.
    """
    if worker.ready or worker.refused is not None:
        return False
    return record is None or (record.get("reason") is None and record.get("signal") == signal.SIGKILL)


def words_of_end(record: Json | None) -> str:
    """Say how a worker process ended."""
    if record is None:
        return "its supervisor was killed, so nobody recorded how it ended"
    if record.get("signal"):
        number = record["signal"]
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = "a signal"
        return f"it was ended by {name} ({number})"
    if record.get("message"):
        return str(record["message"])
    return f"it ended with exit status {record.get('code')}"
