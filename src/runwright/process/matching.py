"""Looks for a pattern in what a program wrote, in a process of its own: with some texts some patterns take for ever.

Nothing ends a match from within its process. So another one does it, which loads the standard library alone, and which
the kernel ends where a text takes too much CPU time, also when the driver is gone.
"""

from __future__ import annotations

import json
import re
import resource
import select
import signal
import struct
import subprocess
import sys
from contextlib import suppress
from typing import IO, Any

MOST_SECONDS = 10
_PATIENCE = 6  # times as long by the clock: also what is suspended, or gets little of the machine, comes to an end
_TRIES = 2
_LENGTH = struct.Struct("<Q")


class Matcher:
    """Finds the last match of a pattern.

    Args:
        pattern: A regular expression that compiles; ``^`` and ``$`` match at lines.
        seconds: CPU seconds that one text may take.
    """

    def __init__(self, pattern: str, seconds: int = MOST_SECONDS) -> None:
        self._pattern = pattern
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None

    def last(self, text: bytes) -> dict[str, Any] | None:
        """Return the groups of the last match in a text in UTF-8: by ``name``, and the ``first``; None: there is none.

        Raises:
            TimeoutError: It took too long.
            OSError: No process could be started, or those that were are ended by somebody.
        """
        for _ in range(_TRIES):
            try:
                answer = self._ask(text)
            except BrokenPipeError:
                answer = b""
            except BaseException:  # its answer would be taken for that to the next question
                self._end()
                raise
            if answer:
                found: dict[str, Any] | None = json.loads(answer)
                return found
            if self._end() == -signal.SIGXCPU:
                raise TimeoutError
        raise OSError("the process that looks for the pattern was ended")

    def close(self) -> None:
        """End the process. Idempotent; it is started again when it is needed."""
        self._end()

    def _ask(self, text: bytes) -> bytes:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the driver
            )
            _write(self._process.stdin, json.dumps([self._pattern, self._seconds]).encode())
        _write(self._process.stdin, text)
        poller = select.poll()
        poller.register(self._process.stdout, select.POLLIN)  # type: ignore[arg-type]  # it is a pipe
        if not poller.poll(_PATIENCE * self._seconds * 1000):
            raise TimeoutError
        return _read(self._process.stdout)

    def _end(self) -> int | None:
        """Return how it ended."""
        process, self._process = self._process, None
        if process is None:
            return None
        with suppress(BrokenPipeError), process:  # closes the pipes, and waits
            process.kill()
        return process.returncode


def _write(pipe: IO[bytes] | None, data: bytes) -> None:
    assert pipe is not None, "it was asked for"
    pipe.write(_LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def _read(pipe: IO[bytes] | None) -> bytes:
    """Return a message; empty at the end."""
    assert pipe is not None, "it was asked for"
    head = pipe.read(_LENGTH.size)
    return pipe.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""


def _allow(seconds: int) -> None:
    """Have this process ended after so many CPU seconds from now on."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    limit = int(usage.ru_utime + usage.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def main() -> None:
    """Answer until nobody asks any more."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pattern, seconds = json.loads(_read(sys.stdin.buffer))
    compiled = re.compile(pattern, re.MULTILINE)
    while head := sys.stdin.buffer.read(_LENGTH.size):
        text = sys.stdin.buffer.read(_LENGTH.unpack(head)[0]).decode("utf-8", "replace")
        _allow(seconds)
        found = None
        for found in compiled.finditer(text):  # noqa: B007  (the last one counts)
            pass
        groups = None if found is None else {"name": found.groupdict(), "first": (*found.groups(), None)[0]}
        _write(sys.stdout.buffer, json.dumps(groups).encode())


if __name__ == "__main__":
    main()
