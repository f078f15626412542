"""Trials, arms and attempts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from runwright.errors import IllegalTransitionError
from runwright.experiment import Choice, Experiment, Float
from runwright.result import Failure, Result
from runwright.status import AttemptOutcome, FailureKind, TrialStatus, advance
from runwright.trial import Arm, Attempt, BatchTrial, Trial

EXPERIMENT = Experiment("trials", {"x": Float(0, 1), "c": Choice(["a", "b"])}, {"y": "minimize"})
POINT = {"x": 0.5, "c": "a"}


def trial(points=(POINT,), **fields):
    return EXPERIMENT.new_trial(3, points, **fields)


def test_a_trial_of_one_point():
    made = trial(instance="i", budget=2.0, seed=9, source="enqueued")
    assert isinstance(made, Trial)
    assert (made.index, made.experiment, made.parameters, made.arm) == (3, EXPERIMENT, POINT, Arm(POINT, "3_0"))
    assert (made.instance, made.budget, made.seed, made.source) == ("i", 2.0, 9, "enqueued")
    assert (made.status, made.attempt, made.attempts, made.result) == (TrialStatus.CANDIDATE, 0, (), None)
    assert (made.run_metadata, made.stop_requested, made.failure, made.failures) == ({}, None, None, 0)
    assert repr(made) == "Trial(index=3, status=CANDIDATE, attempt=0)"


def test_a_trial_of_several_points():
    made = trial([POINT, {**POINT, "x": 1.0}])
    assert isinstance(made, BatchTrial)
    assert [arm.name for arm in made.arms] == ["3_0", "3_1"]
    assert made.arms_by_name["3_1"].parameters["x"] == 1.0
    assert list(trial([POINT, POINT], names=["left", "right"]).arms_by_name) == ["left", "right"]
    with pytest.raises(ValueError, match="shorter"):
        trial([POINT, POINT], names=["left"])


def test_arms_are_values():
    assert Arm(POINT, "a") == Arm(dict(POINT), "a")
    assert Arm(POINT, "a") != Arm(POINT, "b")
    assert Arm(POINT, "a") != Arm({}, "a")
    assert Arm(POINT, "a") != "a"
    assert len({Arm(POINT, "a"), Arm(POINT, "a")}) == 1
    assert repr(Arm({"x": 1}, "a")) == "Arm({'x': 1}, name='a')"
    mine = dict(POINT)
    arm = Arm(mine, "a")
    mine["x"] = 9.0
    assert arm.parameters == POINT


def test_only_failed_attempts_count_as_failures():
    made = trial()
    failure = Failure(FailureKind.CRASHED, "exit 1")
    made.attempts = (
        Attempt(1, AttemptOutcome.FAILED, failure),
        Attempt(2, AttemptOutcome.INTERRUPTED, None, "left"),
        Attempt(3, AttemptOutcome.STOPPED),
        Attempt(4, AttemptOutcome.FAILED, failure),
    )
    assert made.failures == 2
    made.result = Result(failure=failure)
    assert made.failure is failure


def test_its_story_in_a_line():
    made = trial()
    assert str(made) == "it was never attempted"
    made.attempt = 1
    assert str(made) == "attempt 1 was the latest"
    made.attempts = (
        Attempt(1, AttemptOutcome.FAILED, Failure(FailureKind.TIMEOUT, "too long")),
        Attempt(2, AttemptOutcome.INTERRUPTED, None, "the driver left"),
        Attempt(3, AttemptOutcome.STOPPED),
    )
    made.attempt = 3
    told = "attempt 1 failed (timeout: too long), attempt 2 interrupted (the driver left), attempt 3 stopped"
    assert str(made) == told
    made.attempt = 4
    assert str(made) == f"{told}, attempt 4 was the latest"


def test_the_status_is_written_by_advance_alone():
    made = trial()
    with pytest.raises(AttributeError):
        made.status = TrialStatus.RUNNING
    advance(made, TrialStatus.STAGED, story=made)
    assert made.status is TrialStatus.STAGED
    with pytest.raises(IllegalTransitionError, match="trial 3 cannot go from STAGED to STALE; its story: it was never"):
        advance(made, TrialStatus.STALE, story=made)


@pytest.mark.parametrize(
    "other",
    [
        {"points": [{**POINT, "x": 0.25}]},
        {"points": [{**POINT, "c": "b"}]},
        {"points": [POINT, POINT]},
        {"instance": "i"},
        {"budget": 1.0},
        {"seed": 0},
    ],
)
def test_the_digest_changes_with_what_is_evaluated(other):
    assert trial(**other).digest != trial().digest


def test_the_digest_does_not_hang_on_the_order_of_parameters_or_the_name_of_an_arm():
    assert trial([dict(reversed(POINT.items()))]).digest == trial().digest
    assert trial(names=["other"], source="enqueued").digest == trial().digest
    assert EXPERIMENT.new_trial(8, [POINT]).digest == trial().digest


def test_the_digest_is_the_same_in_every_process():
    program = (
        "from runwright.experiment import Choice, Experiment, Float;"
        "e = Experiment('other', {'x': Float(0, 1), 'c': Choice(['a', 'b'])});"
        "print(e.new_trial(0, [{'x': 0.5, 'c': 'a'}]).digest)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert told.strip() == trial().digest
    assert len(trial().digest) == 16
