"""Events and their rows: what was written is what is read."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from runwright import events as ev
from runwright.events import EVENTS, Row, build, decode, encode
from runwright.result import Failure, Result
from runwright.status import FailureKind, StopCause, StopReason, TrialStatus

RESULT = Result({"0_0": {"y": (0.1, None)}}, seconds=2.5, additional_info={"a": [1, {"b": None}]})
FAILED = Result(failure=Failure(FailureKind.CRASHED, "exit 1", None))

# One of each kind with everything given, and one with everything left out that may be.
SAMPLES = [
    (ev.ExperimentStarted(0.0, {"format": 1}), '{"definition":{"format":1}}'),
    (ev.DriverStarted(0.0, 1.7e9, {"trials": 3}), '{"epoch":1700000000.0,"policy":{"trials":3}}'),
    (ev.TrialAsked(0.0, 0, [{"x": 0.5}]), '{"points":[{"x":0.5}],"source":"optimizer"}'),
    (
        ev.TrialAsked(0.0, 0, [{"x": True}], "enqueued", "i", 2.0, 7, ["left"]),
        '{"points":[{"x":true}],"source":"enqueued","instance":"i","budget":2.0,"seed":7,"names":["left"]}',
    ),
    (ev.DeployStarted(1.0, 0, 1), '{"attempt":1}'),
    (ev.Deployed(1.0, 0, 1, {}), '{"attempt":1,"metadata":{},"staged":false}'),
    (ev.Deployed(1.0, 0, 2, {"ä": 1}, staged=True), '{"attempt":2,"metadata":{"ä":1},"staged":true}'),
    (ev.Polled(1.0, 0, TrialStatus.STAGED), '{"status":"STAGED"}'),
    (
        ev.Finished(1.0, 0, 1, RESULT),
        '{"attempt":1,"result":{"arms":{"0_0":{"y":[0.1,null]}},"seconds":2.5,"additional_info":{"a":[1,{"b":null}]}}}',
    ),
    (
        ev.Finished(1.0, 0, 1, FAILED),
        '{"attempt":1,"result":{"failure":{"kind":"crashed","message":"exit 1","log":null}}}',
    ),
    (
        ev.StopRequested(1.0, 0, 1, StopCause.TIMEOUT, "late"),
        '{"attempt":1,"cause":"timeout","reason":"late"}',
    ),
    (
        ev.Stopped(1.0, 0, 1, TrialStatus.ABANDONED, "enough"),
        '{"attempt":1,"status":"ABANDONED","reason":"enough"}',
    ),
    (
        ev.Stopped(1.0, 0, 1, TrialStatus.EARLY_STOPPED, "", Result(seconds=1.0)),
        '{"attempt":1,"status":"EARLY_STOPPED","reason":"","result":{"seconds":1.0}}',
    ),
    (ev.Interrupted(1.0, 0, 1, "left"), '{"attempt":1,"reason":"left"}'),
    (ev.RetryPlanned(1.0, 0, 2.0), '{"not_before":2.0}'),
    (ev.RetryPlanned(1.0, 0, 2.0, 1, 3), '{"not_before":2.0,"retry":1,"retries":3}'),
    (ev.GaveUp(1.0, 0), "{}"),
    (ev.GaveUp(1.0, 0, {"y": 5.0}, abort=True), '{"penalty":{"y":5.0},"abort":true}'),
    (ev.Told(1.0, 0), "{}"),
    (ev.Rerun(1.0, 0), "{}"),
    (ev.Detached(1.0, 0, 1), '{"attempt":1}'),
    (ev.RequestTaken(1.0, "id", {"kind": "stop"}), '{"request":"id","body":{"kind":"stop"}}'),
    (ev.RequestTaken(1.0, "id", {}, "no"), '{"request":"id","body":{},"refused":"no"}'),
    (ev.OptimizerRebuilt(1.0, exact=False, reason="why"), '{"exact":false,"reason":"why"}'),
    (ev.Noted(1.0, "said"), '{"message":"said"}'),
    (ev.Noted(1.0, "said", 3), '{"message":"said"}'),
    (ev.ExperimentEnded(9.0, StopReason.TRIALS, "all"), '{"reason":"trials","message":"all"}'),
]


@pytest.mark.parametrize(("event", "body"), SAMPLES, ids=lambda value: getattr(value, "kind", None))
def test_the_row_of_an_event_and_back(event, body):
    row = encode(event)
    assert row == Row(event.time, event.trial, event.kind, body)
    assert decode(row) == event
    assert build(row.kind, row.time, row.trial, json.loads(row.body)) == event


def test_there_is_a_sample_of_every_kind():
    assert {event.kind for event, _ in SAMPLES} == set(EVENTS)
    assert {kind: event.kind for kind, event in EVENTS.items()} == {kind: kind for kind in EVENTS}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_every_event_has_a_time_and_says_which_trial_it_is_about(event):
    names = [field.name for field in fields(event)]
    assert names[0] == "time"
    assert "trial" in names


def test_the_arms_of_a_result_read_back_are_pairs_again():
    event = decode(encode(ev.Finished(1.0, 0, 1, RESULT)))
    assert event.result.metrics["y"] == (0.1, None)
    assert isinstance(event.result.metrics["y"], tuple)


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (ev.Deployed(1.0, 0, 1, {"a": float("nan")}), ValueError),
        (ev.Finished(1.0, 0, 1, Result(seconds=float("inf"))), ValueError),
        (ev.Deployed(1.0, 0, 1, {"a": {1, 2}}), TypeError),
    ],
)
def test_what_json_cannot_hold_is_not_written(event, error):
    with pytest.raises(error):
        encode(event)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (Row(0.0, None, "Unheard", "{}"), KeyError),
        (Row(0.0, 0, "Told", "{"), ValueError),
        (Row(0.0, 0, "Polled", '{"status":"ASLEEP"}'), KeyError),
        (Row(0.0, 0, "StopRequested", '{"attempt":1,"cause":"mood","reason":""}'), ValueError),
        (Row(0.0, None, "ExperimentEnded", '{"reason":"mood","message":""}'), ValueError),
        (Row(0.0, 0, "Interrupted", '{"attempt":1}'), TypeError),
        (Row(0.0, 0, "Told", '{"more":1}'), TypeError),
        (Row(0.0, None, "Told", "{}"), TypeError),
    ],
)
def test_what_encode_did_not_write_is_not_read(row, error):
    with pytest.raises(error):
        decode(row)
