"""Clocks and wake-ups."""

from __future__ import annotations

import os
import select
import threading

import pytest

from runwright import clock as clock_module
from runwright.clock import SystemClock, VirtualClock, Waker, epoch, monotonic

FAR = 10**9  # seconds: nobody waits for it


@pytest.fixture
def waker():
    made = Waker()
    yield made
    made.close()


def readable(waker):
    return bool(select.select([waker], [], [], 0)[0])


# Wake-ups.


def test_a_wake_up_is_kept_until_it_is_read(waker):
    assert not readable(waker)
    assert waker.drain() is False
    waker.wake()
    waker.wake()
    assert readable(waker)
    assert readable(waker), "looking does not take it"
    assert waker.drain() is True
    assert not readable(waker)
    assert waker.drain() is False


def test_more_wake_ups_than_a_pipe_holds_are_one(waker):
    for _ in range(70_000):
        waker.wake()
    assert waker.drain() is True
    assert not readable(waker)


def test_after_close_a_wake_up_is_nothing():
    made = Waker()
    fd = made.fileno()
    made.close()
    made.wake()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_waker_over_descriptors_of_others():
    read, write = os.pipe2(os.O_NONBLOCK)
    made = Waker(read, write)
    os.write(write, b"\0")
    assert made.drain() is True
    made.wake()
    assert os.read(read, 9) == b"\0"
    made.close()
    only_read, other = os.pipe2(os.O_NONBLOCK)
    deaf = Waker(only_read)
    deaf.wake()
    assert not readable(deaf)
    os.close(other)
    assert deaf.drain() is False, "the other end is closed: nothing will come"
    deaf.close()


# The machine's clock.


def test_the_system_clock_counts_from_its_beginning_and_goes_on_where_it_is_told():
    clock = SystemClock()
    first = clock.now()
    assert 0 <= first <= clock.now()
    clock.start_at(1000.0)
    assert 1000.0 <= clock.now() < 1000.0 + FAR
    later = SystemClock()
    assert later.now() < 1000.0, "each begins at nought"


def test_a_step_of_the_wall_clock_moves_nothing(monkeypatch):
    clock = SystemClock()
    before = clock.now()
    monkeypatch.setattr(clock_module.time, "time", lambda: -FAR)
    assert before <= clock.now()
    assert clock.epoch() == epoch() == -FAR


def test_monotonic_time_does_not_go_back():
    times = [monotonic() for _ in range(100)]
    assert times == sorted(times)


@pytest.mark.parametrize("until", [None, FAR, FAR * 10**6])
def test_a_wait_ends_when_it_is_woken(waker, until):
    clock = SystemClock()
    thread = threading.Thread(target=waker.wake)
    thread.start()
    clock.wait(until, waker)
    thread.join()
    assert waker.drain() is True, "the wake-up is left for whoever waits for it"


def test_a_wait_ends_at_its_time(waker):
    clock = SystemClock()
    until = clock.now() + 0.002
    clock.wait(until, waker)
    assert clock.now() >= until


def test_a_time_that_has_passed_is_not_waited_for(waker):
    clock = SystemClock()
    clock.start_at(50.0)
    clock.wait(-FAR, waker)
    assert not readable(waker)


# Virtual time.


def test_virtual_time_stands_still_until_it_is_moved(waker):
    clock = VirtualClock(3.0)
    assert (clock.now(), clock.epoch()) == (3.0, 3.0)
    clock.wait(5.5, waker)
    assert (clock.now(), clock.epoch()) == (5.5, 5.5)
    clock.wait(1.0, waker)
    assert clock.now() == 5.5, "never back"
    clock.advance_to(7.0)
    clock.advance_to(6.0)
    assert clock.now() == 7.0
    clock.start_at(2.0)
    assert clock.now() == 2.0


def test_virtual_time_does_not_wait_for_ever(waker):
    with pytest.raises(RuntimeError, match="simulated time has nothing to wait for: no event is planned"):
        VirtualClock().wait(None, waker)
