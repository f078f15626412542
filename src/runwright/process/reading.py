"""Reads what a program gave back: its result file, or a line of its output."""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any

from runwright.errors import InvalidResultError, UsageError
from runwright.json_values import json_kind, read_number, why_unreadable
from runwright.measurements import read_returned
from runwright.process.attempt import RESULT, STDERR, STDOUT
from runwright.process.matching import MOST_SECONDS, Matcher
from runwright.result import Result, check_objectives

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runwright.experiment import Experiment
    from runwright.result import Json, Metrics

LARGEST_RESULT = 64 * 2**20
_LOGS = {"stdout": STDOUT, "stderr": STDERR}


class TooLargeError(Exception):
    """What a program gave back is more than is read."""


class Reading:
    """How the result of a program is read.

    Args:
        how: None for the result file; else ``{"from": "stdout" or "stderr", "pattern": regular expression}``. The last
            match counts; its named groups are metrics, its only group the sole objective.

    Raises:
        UsageError: It is none of these.
    """

    def __init__(self, how: Mapping[str, Any] | None) -> None:
        self._log: str | None = None
        self._matcher: Matcher | None = None
        if how is None:
            return
        if set(how) != {"from", "pattern"} or how["from"] not in _LOGS:
            raise UsageError(
                "result must be {from: stdout, pattern: '...'} (or from: stderr), "
                f"not {dict(how)!r:.200}; leave it out to read {RESULT}"
            )
        try:
            self._pattern = re.compile(how["pattern"], re.MULTILINE)
        except (re.error, TypeError) as error:
            raise UsageError(f"result.pattern {how['pattern']!r:.200} is no regular expression: {error}") from None
        self._log = str(how["from"])
        self._matcher = Matcher(how["pattern"], MOST_SECONDS)

    def close(self) -> None:
        """Let go of what was needed to read; idempotent."""
        if self._matcher is not None:
            self._matcher.close()

    @property
    def stream(self) -> str | None:
        """The stream that is read, or None for the result file."""
        return self._log

    def check(self, experiment: Experiment) -> None:
        """Check that each objective can be read.

        Raises:
            UsageError: The pattern has no group for an objective.
        """
        if self._log is None:
            return
        named = set(self._pattern.groupindex)
        if not named and (self._pattern.groups, len(experiment.objectives)) != (1, 1):
            raise UsageError(
                f"result.pattern {self._pattern.pattern!r:.200} must have one group for the sole objective, or a named "
                "group for each metric, such as (?P<y>\\S+)"
            )
        missing = [name for name in experiment.objectives if named and name not in named]
        if missing:
            raise UsageError(
                f"result.pattern {self._pattern.pattern!r:.200} has no group (?P<name>...) for {missing[0]!r}"
            )

    def read(self, folder: str, experiment: Experiment, arm: str) -> tuple[dict[str, Metrics], Json, Json]:
        """Read a result.

        Args:
            folder: Working folder of the attempt.
            experiment: The experiment.
            arm: Name of the arm.

        Returns:
            Measurements by arm, additional information, and what a function trial of ours says about itself.

        Raises:
            InvalidResultError: A sentence that names file and metric.
            TooLargeError: A sentence.
        """
        name = RESULT if self._log is None else _LOGS[self._log]
        data = _content(f"{folder}/{name}", name, tail=self._log is not None)
        body = _json_object(data, name) if self._log is None else self._matched(data, name, experiment)
        own = body.pop("runwright", None) if "runwright" not in experiment.objectives else None
        info = body.pop("info", None) if "info" not in experiment.objectives else None
        try:
            metrics, more = read_returned(body, experiment.objectives)
            check_objectives(Result(arms={arm: metrics}), experiment.objectives, (arm,))
        except InvalidResultError as error:
            raise InvalidResultError(f"{name}: {error}") from None
        if info is not None:
            more |= info if isinstance(info, dict) else {"info": info}
        return {arm: metrics}, more, own if isinstance(own, dict) else {}

    def read_own(self, folder: str) -> Json:
        """Return what a function trial of ours says about itself; empty where it could not say anything."""
        try:
            own = _json_object(_content(f"{folder}/{RESULT}", RESULT, tail=False), RESULT).get("runwright")
        except (InvalidResultError, TooLargeError):
            return {}
        return own if isinstance(own, dict) else {}

    def _matched(self, data: bytes, name: str, experiment: Experiment) -> Json:
        assert self._matcher is not None, "there is a pattern"
        try:
            found = self._matcher.last(data)
        except TimeoutError:
            raise InvalidResultError(
                f"looking for the pattern {self._pattern.pattern!r:.200} in {name} took more than {MOST_SECONDS} s; "
                "write it so that there are fewer ways to match, without a repeat in a repeat"
            ) from None
        if found is None:
            raise InvalidResultError(f"{name} has nothing that matches the pattern {self._pattern.pattern!r:.200}")
        texts = found["name"] or {next(iter(experiment.objectives)): found["first"]}
        return {metric: _number(text, metric, name) for metric, text in texts.items() if text is not None}


def _number(text: str, metric: str, name: str) -> float:
    try:
        return read_number(text)
    except ValueError:
        raise InvalidResultError(f"{name}: the metric {metric!r} is {text!r:.60}; a number is needed") from None


def _content(path: str, name: str, *, tail: bool) -> bytes:
    """Return a file's content; of a log that is too long the end."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a named pipe must not hold the driver
    except FileNotFoundError:
        raise InvalidResultError(f"it ended well, but did not write {name}") from None
    except OSError as error:
        raise InvalidResultError(f"{name} cannot be read: {error.strerror}") from None
    facts = os.fstat(fd)
    if not stat.S_ISREG(facts.st_mode):
        os.close(fd)
        kind = "a folder" if stat.S_ISDIR(facts.st_mode) else "no regular file"
        raise InvalidResultError(f"{name} is {kind}; a file is needed")
    try:
        if facts.st_size > LARGEST_RESULT:
            if not tail:
                raise TooLargeError(f"{name} has {facts.st_size} bytes; {LARGEST_RESULT} are allowed")
            os.lseek(fd, -LARGEST_RESULT, os.SEEK_END)
        return os.read(fd, min(facts.st_size, LARGEST_RESULT))  # the buffer is as large as what is asked for
    finally:
        os.close(fd)


def _json_object(data: bytes, name: str) -> Json:
    if not data.strip():
        raise InvalidResultError(f"{name} is empty")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidResultError(f"{name} is no valid JSON (half-written?): {why_unreadable(error)}") from None
    if not isinstance(body, dict):
        raise InvalidResultError(f'{name} must hold an object such as {{"y": 0.5}}, not {json_kind(body)}')
    return body
