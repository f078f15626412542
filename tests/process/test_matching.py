"""A pattern is looked for in a process of its own, and given up where it takes for ever."""

from __future__ import annotations

import os
import signal

import pytest

import runwright as rw
from runwright.errors import InvalidResultError
from runwright.process import matching, reading
from runwright.process.matching import Matcher
from runwright.process.reading import Reading

FOR_EVER = r"(a+)+b"


@pytest.fixture
def matcher():
    made = []

    def make(*arguments):
        made.append(Matcher(*arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^y=(\S+)$", b"y=1\ny=2\nz=3\n", {"name": {}, "first": "2"}),
        (r"(?P<a>\d) (?P<b>x)?", b"1 x 2 \n", {"name": {"a": "2", "b": None}, "first": "2"}),
        (r"y=\d", b"y=1", {"name": {}, "first": None}),
        (r"y=(.)", b"nothing", None),
        (r"y=(.)", b"", None),
        ("\0\ud800é(.)", "\0é1".encode(), None),
        (r"(é.)", "é\n éx".encode() + b"\xff", {"name": {}, "first": "éx"}),
        (r"(.)$", b"x" * 2**21 + b"y\n", {"name": {}, "first": "y"}),
    ],
)
def test_the_last_match_is_found_and_found_again(matcher, pattern, text, found):
    one = matcher(pattern)
    assert [one.last(text), one.last(b"\n"), one.last(text)] == [found, None, found]


def test_what_takes_for_ever_is_given_up_and_the_next_text_is_looked_through(matcher):
    one = matcher(FOR_EVER, 1)
    with pytest.raises(TimeoutError):
        one.last(b"a" * 60)
    assert one.last(b"aab") == {"name": {}, "first": "aa"}


def test_one_that_is_suspended_is_given_up_too(matcher, monkeypatch):
    one = matcher(r"(.)", 1)
    assert one.last(b"x") == {"name": {}, "first": "x"}
    pid = one._process.pid
    os.kill(pid, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(matching, "_PATIENCE", 0.05)
        with pytest.raises(TimeoutError):
            one.last(b"y")
    assert one.last(b"z") == {"name": {}, "first": "z"}
    assert one._process.pid != pid


@pytest.mark.parametrize("size", [1, 2**20])
def test_one_that_was_killed_is_started_again(matcher, size):
    one = matcher(r"(.)")
    one.last(b"x")
    os.kill(one._process.pid, signal.SIGKILL)
    assert one.last(b"y" * size) == {"name": {}, "first": "y"}


def test_an_interrupt_leaves_no_answer_for_the_next_question(matcher, monkeypatch):
    one = matcher(r"(.)")
    one.last(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(matching, "_read", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            one.last(b"old")
    assert one.last(b"n") == {"name": {}, "first": "n"}


def test_it_ends_with_its_last_question_when_its_driver_is_gone(matcher):
    one = matcher(r"(.)")
    one.last(b"x")
    process = one._process
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdin = None


def test_a_result_that_takes_for_ever_to_find_is_none_by_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_SECONDS", 1)
    (tmp_path / "stdout.log").write_text("a" * 60)
    experiment = rw.Experiment("e", {"x": rw.Float(0, 1)}, {"y": "minimize"})
    how = Reading({"from": "stdout", "pattern": FOR_EVER})
    with pytest.raises(InvalidResultError, match=r"looking for the pattern .* took more than 1 s; write it"):
        how.read(str(tmp_path), experiment, "0_0")
    how.close()
    how.close()
