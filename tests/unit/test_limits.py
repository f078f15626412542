"""What a supervisor finds exceeded, with a tree that is this very process and a pipe that the test writes."""

from __future__ import annotations

import os

import pytest

from runwright.process.limits import Excess, WatchedLimits
from runwright.process.output import OutputCopy, shorten, shortened


class Worker:
    """The other end of the pipe."""

    def __init__(self, **limits):
        self.limits = WatchedLimits(None, None, with_pipe=True, **limits)
        self.limits.begin(0.0)

    def says(self, text):
        os.write(self.limits.write_end, text.encode())

    def close(self):
        self.limits.started()
        self.limits.read()


@pytest.fixture
def worker(tmp_path):
    worker = Worker(counted=[str(tmp_path / "log")])
    yield worker
    worker.close()


def later(limits, seconds):
    return limits._inner.began + seconds


def test_a_trial_that_ends_while_it_is_judged_is_not_blamed(worker, tmp_path):
    (tmp_path / "log").write_bytes(b"x" * 11)
    worker.says("begin 1.5 0 10\n")
    worker.limits.read()
    now = later(worker.limits, 1.0)
    worker.says("end\nbegin 1.5 0 10\n")
    assert worker.limits.exceeded(now) is None  # plans the first look
    assert worker.limits.exceeded(now + 1.0) is None  # its end was in the pipe: the next one has just begun
    found = worker.limits.exceeded(later(worker.limits, 0.9) + 1.0)
    assert (found.reason, found.limit) == ("timeout", 1.5)


def test_a_file_that_grows_too_large_is_seen_at_the_next_look(worker, tmp_path):
    worker.says("begin 0 0 10\n")
    worker.limits.read()
    now = later(worker.limits, 0.0)
    assert worker.limits.exceeded(now) is None
    (tmp_path / "log").write_bytes(b"x" * 11)
    assert worker.limits.exceeded(now + 0.1) is None
    assert worker.limits.next_look(now) == now + 0.25
    assert worker.limits.exceeded(now + 0.25) == Excess("output", 11, 10, at_once=True)


def test_a_worker_that_closes_its_pipe_has_no_trial_to_end(worker):
    worker.says("begin 0.1 0 0\n")
    worker.limits.read()
    worker.limits.started()
    worker.limits.exceeded(later(worker.limits, 1.0))
    assert worker.limits.read_end == -1
    assert worker.limits.read() is False  # a poll may still name it


def test_time_and_output_that_passed_are_judged_at_once():
    passed = [10]
    limits = WatchedLimits(5.0, None, output=10, passed=lambda: passed[0])
    assert limits.exceeded(100.0) is None  # it has not begun
    limits.begin(1.0)
    assert limits.exceeded(5.9) is None
    assert limits.exceeded(6.0) == Excess("timeout", 5.0, 5.0)
    passed[0] = 11
    assert limits.exceeded(2.0) == Excess("output", 11, 10)
    assert limits.at_the_end() == Excess("output", 11, 10)


def test_memory_is_measured_and_the_grace_is_watched():
    limits = WatchedLimits(None, 1)
    pid = os.fork()
    if pid == 0:
        os.read(os.pipe()[0], 1)
    try:
        limits.begin(0.0)
        assert not limits.overflows(0.0)
        found = limits.exceeded(1.0)
        assert (found.reason, found.limit, found.at_once) == ("memory", 1, True)
        assert limits.peak == found.measured
        assert limits.next_sample(1.0) > 1.0
        limits.exceeded(limits.next_sample(1.0) - 0.01)
        assert limits.overflows(limits.next_sample(1.0))
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def copied(path, kept, *parts):
    copy = OutputCopy(str(path), kept)
    for part in parts:
        os.write(copy.write_end, part)
        copy.pump()
    copy.started()
    copy.finish()
    return copy.counts()


def test_a_log_keeps_all_where_nothing_limits_it(tmp_path):
    assert copied(tmp_path / "log", None, b"a" * 50_000, b"b\n") == {"seen": 50_002, "cut": 0}
    assert (tmp_path / "log").stat().st_size == 50_002


def test_a_log_that_is_cut_goes_on_with_a_whole_line(tmp_path):
    counts = copied(tmp_path / "log", 10, b"0123456789", b"abcdefgh\n", b"ij\nkl\n")
    text = "0123456789\n[runwright: 12 bytes of output were cut here: beyond the first 10 bytes]\nkl\n"
    assert (tmp_path / "log").read_text() == text
    assert counts == {"seen": 25, "cut": 12}


def test_a_line_that_has_no_end_is_kept_as_it_is(tmp_path):
    copied(tmp_path / "log", 10, b"0123456789", b"x" * 1000)
    assert (tmp_path / "log").read_text().endswith("]\nxxxxx")


def test_much_more_than_is_kept_takes_no_memory(tmp_path):
    copy = OutputCopy(str(tmp_path / "log"), 2**20)
    for _ in range(400):
        copy._take(b"y\n" * 2**14)
    assert len(copy._tail) <= 5 * 2**16
    copy.started()
    copy.finish()
    assert 2**20 + 2**16 <= (tmp_path / "log").stat().st_size < 2**20 + 2**16 + 100


def test_a_log_is_shortened_in_place_as_it_is_read(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"0123456789abcdef\nij\n")
    fd = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        short = shortened(fd, 10)
        assert short == b"0123456789\n[runwright: 7 bytes of output were cut here: beyond the first 10 bytes]\nij\n"
        assert shortened(fd, 20) == path.read_bytes()
        shorten(fd, 20)
        shorten(fd, 10)
        assert path.read_bytes() == short
    finally:
        os.close(fd)
