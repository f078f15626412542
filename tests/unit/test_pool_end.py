"""What the end of a worker means for the trial that it had."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import runwright as rw
from runwright.process.pool_end import Ends, Job, words_of_end
from runwright.runner import Limits, RunContext

EXPERIMENT = rw.Experiment("e", {"x": rw.Float(0, 1)}, {"y": "minimize"})


def ends(path, **limits):
    return Ends(path, RunContext(EXPERIMENT, limits=Limits(**limits)))


def worker(**fields):
    return SimpleNamespace(**({"ready": True, "refused": None, "began_at": 100.0, "cpu": 1.0} | fields))


@pytest.mark.parametrize(
    ("job", "state", "record", "innocent"),
    [
        ({}, {"began_at": None}, None, True),
        ({}, {"began_at": None, "ready": False}, None, True),  # killed while it loaded the function
        ({}, {"began_at": None, "ready": False}, {"reason": None, "code": 1, "signal": None}, False),
        ({"stopped": True}, {"began_at": None}, None, False),
        ({"sendings": 3}, {"began_at": None}, None, False),
        ({}, {}, None, False),
        ({}, {}, {"reason": None, "ended": 100.1}, False),
        ({}, {}, {"reason": "timeout", "asked": 110.0}, False),
        ({}, {}, {"reason": "timeout", "asked": 100.1}, True),
        ({}, {}, {"reason": "memory", "asked": 100.1}, False),
        ({}, {}, {"reason": "output", "asked": 99.9}, True),
    ],
)
def test_a_trial_that_did_not_cause_the_end_is_sent_again(tmp_path, job, state, record, innocent):
    one = Job(0, 1, b"", 99.0, **job)
    assert ends(tmp_path, timeout=10.0).is_innocent(one, worker(**state), record) is innocent


def test_what_a_cut_trial_has_used(tmp_path):
    record = {"ended": 103.0, "cpu": 3.5, "peak": 7, "code": 1, "signal": None, "reason": None}
    result = ends(tmp_path).result(Job(0, 1, b"", 99.0), worker(), record)
    assert (result.started, result.ended, result.seconds) == (100.0, 103.0, 3.0)
    assert (result.cpu_seconds, result.peak_memory) == (2.5, 7)
    result = ends(tmp_path).result(Job(0, 1, b"", 99.0), worker(began_at=None, ready=False), record)
    assert result.started == 99.0
    assert result.cpu_seconds is None
    assert "ended before it had loaded the function: it ended with exit status 1" in result.failure.message


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"reason": "stop"}, "somebody else than its driver had it stopped"),
        ({"reason": "signal", "message": "SIGTERM"}, "its supervisor got SIGTERM: the machine was shut down"),
    ],
)
def test_somebody_else_ended_the_supervisor(tmp_path, record, words):
    result = ends(tmp_path).result(Job(0, 1, b"", 99.0), worker(), {**record, "ended": 101.0})
    assert result.failure.kind is rw.FailureKind.LOST
    assert words in result.failure.message


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (None, "its supervisor was killed, so nobody recorded how it ended"),
        ({"signal": 15}, "it was ended by SIGTERM (15)"),
        ({"signal": 64}, "it was ended by SIGRTMAX (64)"),
        ({"signal": 63}, "it was ended by a signal (63)"),
        ({"message": "it could not be executed"}, "it could not be executed"),
        ({"code": 3}, "it ended with exit status 3"),
    ],
)
def test_words(record, words):
    assert words_of_end(record) == words
