"""Requests of other processes: left whole, found in order, refused by a sentence, taken once."""

from __future__ import annotations

import json
import os
import select
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwright import mailbox
from runwright.errors import UsageError
from runwright.events import RequestTaken, decode, encode
from runwright.mailbox import Request, open_waker, post, remove, request_id, waiting


def put(directory, name, data):
    path = directory / "requests" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def readable(waker):
    return bool(select.select([waker], [], [], 0)[0])


def test_without_a_driver_a_request_waits(tmp_path):
    assert waiting(tmp_path) == []
    first = post(tmp_path, {"kind": "stop", "trial": 3})
    second = post(tmp_path, {"kind": "enqueue", "points": [{"x": "ä"}]})
    assert waiting(tmp_path) == [
        Request(first, {"kind": "stop", "trial": 3}),
        Request(second, {"kind": "enqueue", "points": [{"x": "ä"}]}),
    ]
    remove(tmp_path, waiting(tmp_path)[0])
    assert [request.id for request in waiting(tmp_path)] == [second]
    remove(tmp_path, Request(first, {}))


def test_later_requests_sort_after_earlier_ones(monkeypatch):
    times = iter([9.0, 10.0, 11.5, 1.7e9, 1.7e9 + 1e-5])
    monkeypatch.setattr(mailbox, "epoch", lambda: next(times))
    ids = [request_id() for _ in range(5)]
    assert ids == sorted(ids)
    monkeypatch.setattr(mailbox, "epoch", lambda: 5.0)
    assert request_id() != request_id(), "also of two that are left at one moment"


def test_a_driver_that_lives_is_woken(tmp_path):
    waker = open_waker(tmp_path)
    assert not readable(waker)
    post(tmp_path, {"kind": "stop"})
    assert readable(waker)
    assert waker.drain() is True
    waker.wake()
    assert waker.drain() is True, "its own signal handler may wake it too"
    waker.close()
    post(tmp_path, {"kind": "stop"})
    assert len(waiting(tmp_path)) == 2, "and a driver that has gone is no trouble"


def test_a_pipe_that_is_full_of_wake_ups_is_enough(tmp_path):
    waker = open_waker(tmp_path)
    while select.select([], [waker], [], 0)[1]:
        os.write(waker.fileno(), b"\0" * 4096)
    post(tmp_path, {"kind": "stop"})
    assert len(waiting(tmp_path)) == 1
    waker.close()


def test_the_pipe_is_used_again_by_the_next_driver(tmp_path):
    for _ in range(2):
        waker = open_waker(tmp_path)
        post(tmp_path, {})
        assert waker.drain() is True
        waker.close()


def test_what_stands_in_the_place_of_the_pipe_is_replaced(tmp_path):
    path = put(tmp_path, "wake", b"a file")
    open_waker(tmp_path).close()
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_wake_up_that_cannot_be_sent_is_an_error(tmp_path):
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "wake").mkdir()
    with pytest.raises(IsADirectoryError):
        post(tmp_path, {})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the request cannot be read: Expecting value"),
        (b'{"kind": ', "the request cannot be read: Expecting value"),
        (b"\xff\xfe", "the request cannot be read: 'utf-8' codec can't decode"),
        (b"[1]", "the request is no JSON object"),
        (b'"stop"', "the request is no JSON object"),
        (b'{"kind": NaN}', "the request cannot be read: Out of range float values are not JSON compliant"),
        (b'{"points": [{"x": 1e999}]}', "the request cannot be read: Out of range float values are not JSON compliant"),
        (b'{"reason": "\\ud800"}', "the request cannot be read: 'utf-8' codec can't encode"),
        (b'{"trial": ' + b"9" * 5000 + b"}", "the request cannot be read: Exceeds the limit"),
        (b"[" * 100_000, "the request cannot be read: maximum recursion depth"),
    ],
)
def test_a_request_that_the_journal_could_not_hold_is_refused(tmp_path, data, why):
    """Were it taken in, its event would end the driver, and the next one, and the next."""
    put(tmp_path, "1-a.json", data)
    (request,) = waiting(tmp_path)
    assert (request.id, request.body) == ("1-a", {})
    assert request.refused.startswith(why)
    encode(RequestTaken(0.0, request.id, request.body, request.refused)).body.encode()


def test_a_request_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(mailbox, "LARGEST_REQUEST", 20)
    put(tmp_path, "1-a.json", json.dumps({"kind": "stop"}))
    put(tmp_path, "2-b.json", json.dumps({"kind": "stop", "reason": "a long one"}))
    assert [request.refused for request in waiting(tmp_path)] == [None, "the request is too large"]


def test_a_folder_that_is_called_like_a_request_is_refused(tmp_path):
    (tmp_path / "requests" / "1-a.json").mkdir(parents=True)
    (request,) = waiting(tmp_path)
    assert request.refused.startswith("the request cannot be read: [Errno 21]")


@pytest.mark.parametrize("name", [".1-a.json.77.tmp", ".1-a.json", "1-a.txt", "wake", "ä.json", b"\xff.json"])
def test_other_files_are_none_of_our_business(tmp_path, name):
    name = os.fsdecode(name)
    put(tmp_path, name, "{}")
    assert waiting(tmp_path) == []


@settings(deadline=None, derandomize=True, max_examples=200)
@given(data=st.binary(max_size=40) | st.text(alphabet='{}[]",:\\ud8019eE-.naNtrufls ', max_size=30).map(str.encode))
@pytest.mark.slow
def test_whatever_stands_in_a_file_can_be_recorded(tmp_path_factory, data):
    directory = tmp_path_factory.getbasetemp()
    put(directory, "1-a.json", data)
    (request,) = waiting(directory)
    event = RequestTaken(0.0, request.id, request.body, request.refused)
    row = encode(event)
    row.body.encode()
    assert decode(row) == event


def test_a_mailbox_that_cannot_be_made_is_refused_by_a_sentence(tmp_path):
    (tmp_path / "requests").write_text("a file")
    with pytest.raises(UsageError, match="the mailbox cannot be made"):
        open_waker(tmp_path)
