"""A worker of the pool: a fresh interpreter that evaluates one trial after the other.

It is started by a supervisor as ``python worker.py`` and therefore imports only the standard library until it knows the
driver's ``sys.path``. On the channel (``RUNWRIGHT_CHANNEL``, a socket) messages are four bytes of length and JSON:

```
driver -> worker   {"path": [...], "function": "module:name", "experiment": {...}, "limits": {"timeout": s,
                    "memory": bytes, "output": bytes, "log": bytes}}
worker -> driver   {"cpu": s}  when it is ready, or  {"refused": "a sentence"}
driver -> worker   {"index", "attempt", "points", "names", "instance", "budget", "seed"}       (again and again)
worker -> driver   {"result": ..., "cpu": CPU seconds that it and its children have used so far}
```

In the file ``RUNWRIGHT_BEGAN``, which the driver has in its memory too, it says which trial it has begun, and when: so
a trial that was sent to a worker that died before is known not to have begun. Around a trial with limits it writes
``begin <seconds> <bytes> <bytes>`` and ``end`` to its supervisor (``RUNWRIGHT_LIMITS``).
"""

from __future__ import annotations

import faulthandler
import fcntl
import json
import mmap
import os
import select
import struct
import sys
from resource import RUSAGE_CHILDREN, getrusage
from time import process_time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runwright.evaluation import Evaluation
    from runwright.experiment import Experiment
    from runwright.result import Result

CHANNEL = "RUNWRIGHT_CHANNEL"
LIMITS = "RUNWRIGHT_LIMITS"
BEGAN_PATH = "RUNWRIGHT_BEGAN"
BEGAN = "began"
BEGAN_RECORD = struct.Struct("=Qd")  # how many trials have begun, and when the last did, in seconds of the epoch
LARGEST_MESSAGE = 64 * 2**20
_LENGTH = struct.Struct(">I")
_READ = 65536
_FIRST_FREE = 64  # above the numbers that programs take for granted
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().raw_decode


def pack(body: dict[str, Any]) -> bytes:
    """Return a message as it goes through the channel."""
    data = _encode(body).encode()
    return _LENGTH.pack(len(data)) + data


def unpack(buffer: bytearray) -> dict[str, Any] | None:
    """Take the first whole message out of a buffer; None while there is none."""
    if len(buffer) < _LENGTH.size:
        return None
    end = _LENGTH.size + _LENGTH.unpack_from(buffer)[0]
    if len(buffer) < end:
        return None
    body: dict[str, Any] = _decode(buffer[_LENGTH.size : end].decode())[0]
    del buffer[:end]
    return body


class Channel:
    """The worker's end of the channel. The function's children do not inherit it.

    Args:
        fd: The socket.
    """

    def __init__(self, fd: int) -> None:
        self._fd = _move(fd)
        self._buffer = bytearray()
        self._alive = select.poll()
        self._alive.register(self._fd, select.POLLRDHUP)

    def receive(self) -> dict[str, Any] | None:
        """Return the next message; None when the driver has gone, even if it left messages behind.

        A trial that a dead driver sent must not begin: the next driver cannot know of it.
        """
        while (message := unpack(self._buffer)) is None:
            data = os.read(self._fd, _READ)
            if not data:
                return None
            self._buffer += data
        return None if self._alive.poll(0) else message

    def send(self, data: bytes) -> None:
        """Write a packed message, whole."""
        while data:
            data = data[os.write(self._fd, data) :]


class Worker:
    """Evaluates the trials that come through a channel.

    Args:
        channel: Where they come from.
        began: Where to say which trial has begun.
        log: File descriptor of the file to which standard output and error go.
        limits: File descriptor to the supervisor, or None.
    """

    def __init__(self, channel: Channel, began: mmap.mmap, log: int, limits: int | None) -> None:
        self._channel = channel
        self._began = began
        self._count = 0
        self._log = log
        self._limits = limits
        self._begin = b""
        self._output: int | None = None
        self._pid = os.getpid()

    def serve(self) -> int:
        """Evaluate until the driver goes; return the exit status."""
        order = self._channel.receive()
        if order is None:
            return 0
        sys.path[:] = order["path"]
        # Only now may anything but the standard library be imported.
        from runwright.clock import epoch
        from runwright.errors import UsageError
        from runwright.evaluation import Evaluation, FunctionReference
        from runwright.experiment import Experiment

        limits = order["limits"]
        self._output = limits["output"]
        if self._limits is not None and any(limits[name] is not None for name in ("timeout", "memory", "output")):
            words = (str(limits[name] or 0) for name in ("timeout", "memory", "output"))
            self._begin = f"begin {' '.join(words)}\n".encode()
        self._epoch = epoch
        experiment = Experiment.from_dict(order["experiment"])
        try:
            # A script gets the name that multiprocessing gives it, so that processes which the function starts find it.
            evaluation = Evaluation(FunctionReference.of(order["function"]).load("__mp_main__"))
            sys.modules["__main__"] = sys.modules.get("__mp_main__", sys.modules["__main__"])
            evaluation.prepare(experiment)
        except UsageError as error:
            self._channel.send(pack({"refused": str(error)}))
            return 1
        self._channel.send(pack({"cpu": _cpu()}))
        while (message := self._channel.receive()) is not None:
            if os.fstat(self._log).st_size:
                os.ftruncate(self._log, 0)  # it holds the output of the trial before
            result = self._evaluate(evaluation, experiment, message)
            if os.getpid() != self._pid:
                return 0  # a child that the function forked has returned from it too: only the worker answers
            self._channel.send(self._answer(result))
        return 0

    def _evaluate(self, evaluation: Evaluation, experiment: Experiment, message: dict[str, Any]) -> Result:
        trial = experiment.new_trial(
            message["index"],
            message["points"],
            instance=message["instance"],
            budget=message["budget"],
            seed=message["seed"],
            names=message["names"],
        )
        trial.attempt = message["attempt"]
        self._count += 1
        BEGAN_RECORD.pack_into(self._began, 0, self._count, self._epoch())
        if self._begin:
            os.write(self._limits, self._begin)  # type: ignore[arg-type]  # there is a begin only with limits
        try:
            result = evaluation(trial)
        except KeyboardInterrupt:
            result = _failed("CRASHED", "KeyboardInterrupt: the function was interrupted")
        if self._begin and os.getpid() == self._pid:
            os.write(self._limits, b"end\n")  # type: ignore[arg-type]
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                continue  # the function closed or replaced it, or the disk is full: no reason to lose its result
        return result

    def _answer(self, result: Result) -> bytes:
        try:
            data = pack({"result": result.to_json(), "cpu": _cpu()})
        except (TypeError, ValueError, RecursionError) as error:
            result = _failed("INVALID_RESULT", f"the result cannot be written as JSON: {error}")
        else:
            message = self._too_much(len(data))
            if message is None:
                return data
            result = _failed("OUTPUT_LIMIT", message)
        return pack({"result": result.to_json(), "cpu": _cpu()})

    def _too_much(self, answer: int) -> str | None:
        """Say that the trial has written or given back too much; the supervisor looks only from time to time."""
        if self._output is not None and (written := os.fstat(self._log).st_size + answer) > self._output:
            from runwright.process.excess import too_much_output
            from runwright.process.output import shorten

            shorten(self._log, self._output)
            return too_much_output(written, self._output)
        if answer > LARGEST_MESSAGE:
            return f"the result has {answer} bytes; {LARGEST_MESSAGE} are allowed"
        return None


def _cpu() -> float:
    children = getrusage(RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime


def _failed(kind: str, message: str) -> Result:
    from runwright.result import Result
    from runwright.status import FailureKind

    return Result.failed(FailureKind[kind], message)


def _move(fd: int) -> int:
    """Move a descriptor out of the way of programs, and keep it from children."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
    os.close(fd)
    return moved


def main() -> int:
    """Serve the channel that the environment names."""
    channel = Channel(_move(int(os.environ.pop(CHANNEL))))
    limits = os.environ.pop(LIMITS, None)
    sys.modules["runwright_worker"] = sys.modules["__main__"]  # the function's script may take the name
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    faulthandler.enable()  # a segmentation fault leaves the function's stack in the log
    with open(os.environ[BEGAN_PATH], "r+b") as file:  # it stays: by it the worker's children are known to be its own
        began = mmap.mmap(file.fileno(), BEGAN_RECORD.size)
    # The function may close or redirect its own; and this one can be read.
    log = _move(os.open("/proc/self/fd/1", os.O_RDWR | os.O_APPEND | os.O_CLOEXEC))
    return Worker(channel, began, log, None if limits is None else _move(int(limits))).serve()


if __name__ == "__main__":
    sys.exit(main())
