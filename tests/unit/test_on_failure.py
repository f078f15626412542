"""The rules of what follows a failed attempt: words, mappings, ranges. What they decide is in test_decide."""

from __future__ import annotations

import json

import pytest

from runwright.errors import UsageError
from runwright.loop.on_failure import OnFailure, Rule
from runwright.status import FailureKind as Kind

WAITS = {"retry": 3, "backoff": 10.0, "longest": 100.0}


@pytest.mark.parametrize(
    ("written", "rule", "words"),
    [
        ("fail", Rule(), "fail"),
        ("abort", Rule(then="abort"), "abort"),
        ("penalty 1e3", Rule(penalty=1000.0), "penalty 1000"),
        ("penalty -0.5", Rule(penalty=-0.5), "penalty -0.5"),
        ("retry 0", Rule(), "fail"),
        ("  retry   2 ", Rule(2), "retry 2"),
        ("retry 2 then fail", Rule(2), "retry 2"),
        ("retry 2 then abort", Rule(2, "abort"), "retry 2 then abort"),
        ("retry 2 then penalty 5", Rule(2, penalty=5.0), "retry 2 then penalty 5"),
        ({}, Rule(), "fail"),
        ({"retry": 2}, Rule(2), "retry 2"),
        (WAITS, Rule(3, backoff=10.0, longest=100.0), "retry 3 (after 10 s, doubling)"),
        ({"retry": 1, "then": "penalty 5"}, Rule(1, penalty=5.0), "retry 1 then penalty 5"),
        ({"penalty": {"y": 1, "z": -2.5}}, Rule(penalty={"y": 1, "z": -2.5}), "penalty y = 1, z = -2.5"),
        (Rule(7), Rule(7), "retry 7"),
    ],
)
def test_a_rule_and_its_words(written, rule, words):
    found = Rule.of(written)
    assert found == rule
    assert str(found) == words
    body = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert Rule.of(body) == rule, "what the journal holds is the rule"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (3, "it must be fail, abort, penalty NUMBER, retry N, or retry N then one of the first three; not 3"),
        (None, "it must be fail, abort"),
        ("", "it must be fail, abort"),
        ("RETRY 2", "it must be fail, abort"),
        ("retry two", "after retry comes how often, such as retry 2; not 'retry two'"),
        ("retry 99999999999", "after retry comes how often"),
        ("retry ²", "after retry comes how often"),
        ("retry 1001", "retry must be a whole number from 0 to 1000, not 1001"),
        ("penalty nan", "a penalty must be a finite number, not nan"),
        ({"retry": True}, "retry must be a whole number from 0 to 1000, not True"),
        ({"retry": 1.0}, "retry must be a whole number from 0 to 1000, not 1.0"),
        ({"tries": 1}, "a rule has no 'tries'; it has retry, then, penalty, backoff, longest"),
        ({"then": "retry 2"}, "it must be fail, abort"),
        ({"then": 3}, "then must be fail, abort or penalty NUMBER, not 3"),
        ({"then": "penalty 1", "penalty": 2}, "the penalty is given twice"),
        ({"then": "abort", "penalty": 2}, "a penalty lets the search go on, abort ends it"),
        ({"penalty": "5"}, "a penalty must be a finite number, not '5'"),
        ({"penalty": True}, "a penalty must be a finite number, not True"),
        ({"penalty": {"y": float("inf")}}, "the penalty of 'y' must be a finite number, not inf"),
        ({"retry": 1, "backoff": -1}, "backoff must not be negative, not -1"),
        ({"retry": 1, "backoff": float("inf")}, "backoff must be a finite number, not inf"),
        ({"retry": 1, "longest": "1 s"}, "longest must be a finite number, not '1 s'"),
        ({"backoff": 1}, "backoff is about the wait before another attempt, but there is none; give retry too"),
        ({"longest": 1}, "longest is about the wait"),
        ({"retry": 1, "backoff": 9, "longest": 5}, "longest is 5 s, less than the first wait of 9 s"),
    ],
)
def test_what_is_no_rule_is_refused_by_a_sentence(written, sentence):
    with pytest.raises(UsageError) as raised:
        Rule.of(written)
    assert str(raised.value).startswith(sentence)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ({"crash": "fail"}, "there is no failure 'crash'; known are crashed, timeout,"),
        ({3: "fail"}, "there is no failure 3"),
        ({"retry": 2}, "retry is part of a rule; say of which failures: other: {retry: ...} for every kind"),
        ({"lost": "never"}, "it must be fail, abort"),
        ("never", "it must be fail, abort"),
        (2, "it must be fail, abort"),
    ],
)
def test_what_are_no_rules_is_refused_by_a_sentence(written, sentence):
    with pytest.raises(UsageError) as raised:
        OnFailure.of(written)
    assert str(raised.value).startswith(sentence)


def test_the_same_rules_in_several_forms():
    rules = OnFailure(Rule(1), {Kind.LOST: Rule(5)})
    assert OnFailure.of(rules) is rules
    assert OnFailure.of({"other": "retry 1", "lost": "retry 5"}) == rules
    assert OnFailure.of({Kind.LOST: Rule(5), "other": {"retry": 1}}) == rules
    assert OnFailure.of(rules.to_json()) == rules
    assert OnFailure.of("retry 1") == OnFailure.of({"other": "retry 1"}) == OnFailure.of(Rule(1))
    assert OnFailure.of({}) == OnFailure.of("fail") == OnFailure()


def test_the_implied_rules_are_told():
    assert [(name, str(rule)) for name, rule in OnFailure().told()] == [
        ("lost", "retry 3 (after 1 s, doubling)"),
        ("submit_error", "retry 3 (after 1 s, doubling)"),
        ("other", "fail"),
    ]
    rules = OnFailure.of({"lost": "abort", "timeout": "penalty 5", "other": "retry 9 then abort"})
    assert [(name, str(rule)) for name, rule in rules.told()] == [
        ("timeout", "penalty 5"),
        ("lost", "abort"),
        ("submit_error", "retry 9 (after 1 s, doubling) then abort"),
        ("other", "retry 9 then abort"),
    ]


def test_a_penalty_fits_the_objectives():
    assert Rule().penalties(["y"]) is None
    assert Rule(penalty=5).penalties(["y"]) == {"y": 5.0}
    assert Rule(penalty={"z": 1, "y": 2}).penalties(["y", "z"]) == {"y": 2.0, "z": 1.0}
    OnFailure.of("retry 1").check([])
    OnFailure.of("penalty 1").check(["y"])


@pytest.mark.parametrize(
    ("rule", "objectives", "sentence"),
    [
        ("penalty 5", [], "on_failure, other: a penalty stands for an objective, and this experiment has none"),
        ("penalty 5", ["y", "z"], "on_failure, other: with 2 objectives a penalty names each: penalty: {y: 5, z: 5}"),
        (
            {"lost": {"penalty": {"y": 1}}},
            ["y", "z"],
            "on_failure, lost: the penalty must name each objective: y, z",
        ),
        ({"lost": {"penalty": {}}}, ["y"], "on_failure, lost: the penalty must name each objective: y; it names "),
    ],
)
def test_a_penalty_that_does_not_fit_is_refused(rule, objectives, sentence):
    with pytest.raises(UsageError) as raised:
        OnFailure.of(rule).check(objectives)
    assert str(raised.value).startswith(sentence)
