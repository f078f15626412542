"""What a user decides about running."""

from __future__ import annotations

import json

import pytest

from runwright.errors import UsageError
from runwright.loop.policy import Policy
from runwright.runner import Limits

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"trials": -1}, "the number of trials must not be negative, not -1"),
        ({"parallel": 0}, "parallel must be at least 1, not 0"),
        ({"on_failure": "retry -1"}, "after retry comes how often, such as retry 2; not 'retry -1'"),
        ({"failure_rate": 1.1}, "the failure rate must be from 0 to 1, not 1.1"),
        ({"failure_rate": NAN}, "the failure rate must be from 0 to 1, not nan"),
        ({"seconds": 0}, "the time of the experiment must be positive and finite, not 0; None means no limit"),
        ({"seconds": INF}, "the time of the experiment must be positive and finite, not inf"),
        ({"limits": Limits(timeout=NAN)}, "the time limit must be positive and finite, not nan"),
        ({"limits": Limits(timeout=-1)}, "the time limit must be positive and finite, not -1"),
        ({"limits": Limits(memory=0)}, "the memory limit must be positive and finite, not 0"),
        ({"limits": Limits(output=-1)}, "the limit of output must be positive and finite, not -1"),
        ({"limits": Limits(grace=-0.1)}, "the grace of a stop must be finite and not negative, not -0.1"),
        ({"limits": Limits(grace=INF)}, "the grace of a stop must be finite and not negative, not inf"),
        ({"trials": "30"}, "the number of trials must be an integer, not '30'"),
        ({"trials": 2.5}, "the number of trials must be an integer, not 2.5"),
        ({"parallel": "2"}, "parallel must be an integer, not '2'"),
        ({"failure_rate": "0.5"}, "the failure rate must be a number, not '0.5'"),
        ({"failure_rate_after": 2.5}, "failure_rate_after must be an integer, not 2.5"),
        ({"seconds": "1 h"}, "the time of the experiment must be a number, not '1 h'"),
        ({"limits": Limits(timeout="3")}, "the time limit must be a number, not '3'"),
        ({"limits": Limits(timeout=True)}, "the time limit must be a number, not True"),
        ({"limits": Limits(grace=None)}, "the grace of a stop must be a number, not None"),
        ({"limits": {"timeout": 3}}, "the limits must be Limits(...), not {'timeout': 3}"),
    ],
)
def test_what_is_no_number_or_out_of_its_range_is_refused(settings, sentence):
    with pytest.raises(UsageError) as raised:
        Policy(**settings)
    assert str(raised.value).startswith(sentence)


def test_the_edges_are_allowed():
    Policy(trials=0, parallel=1, on_failure="retry 0", failure_rate=0.0, limits=Limits(output=None, grace=0))
    Policy(failure_rate=1.0, seconds=1e-9)


def test_the_journal_can_hold_it():
    policy = Policy(trials=3, failure_rate=0.5, limits=Limits(timeout=2.0, memory=2**30))
    assert json.loads(json.dumps(policy.to_json(), allow_nan=False)) == {
        "trials": 3,
        "parallel": None,
        "on_failure": {"other": {"retry": 0, "then": "fail"}},
        "failure_rate": 0.5,
        "failure_rate_after": 5,
        "seconds": None,
        "limits": {"timeout": 2.0, "memory": 2**30, "output": None, "grace": 2.0, "log": 256 * 2**20},
    }
