"""What a driver does where a supervisor does not do its duty; here it cannot, and time goes by as the test says."""

from __future__ import annotations

import os

import pytest

from runwright.process import live
from runwright.process.live import LiveAttempt, LiveAttempts


class Suspended:
    """A supervisor that hears nothing."""

    def __init__(self) -> None:
        self.pid = 1
        self.heard: list[str] = []
        self._read, self._write = os.pipe()

    def fileno(self) -> int:
        return self._read

    def resume(self) -> None:
        self.heard.append("resume")

    def kill(self) -> None:
        self.heard.append("kill")

    def close(self) -> None:
        for fd in (self._read, self._write):
            if fd >= 0:
                os.close(fd)
        self._read = self._write = -1


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(live, "monotonic", lambda: now[0])
    return now


def test_one_that_is_late_is_woken_once_and_then_killed(clock):
    process, attempts = Suspended(), LiveAttempts()
    attempts.follow(3, LiveAttempt(2, process, {"slot": 0}))
    attempts.expect_end(3, "stop", 2.0, 0.5)
    for time, heard in [(3.4, []), (3.5, ["resume"]), (4.9, ["resume"]), (5.0, ["resume", "kill"])]:
        clock[0] = time
        attempts.collect()
        assert process.heard == heard, time
    assert attempts.killed == {3: (2, "stop")}
    clock[0] = 99.0
    attempts.collect()
    assert process.heard == ["resume", "kill"]
    attempts.close()


def test_nobody_is_pressed_after_its_end(clock):
    process, attempts = Suspended(), LiveAttempts()
    attempts.follow(3, LiveAttempt(2, process, {"slot": 0}))
    attempts.expect_end(3, "timeout", 0.0, 0.5)
    attempts.end(3)
    clock[0] = 99.0
    attempts.collect()
    assert (process.heard, attempts.killed, attempts.news) == ([], {}, {3})
    attempts.close()
