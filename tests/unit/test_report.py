"""What people and programs read about an experiment, over events made by hand."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from runwright import events as ev
from runwright.errors import MissingExtraError, UsageError
from runwright.experiment import Choice, Experiment, Float, Int
from runwright.report import (
    Best,
    Incumbents,
    Results,
    best,
    now_of,
    pareto,
    rows,
    story,
    summarize,
    table,
    target_of,
    time_left,
    to_csv,
    trial_row,
)
from runwright.result import Result
from runwright.state import State
from runwright.status import FailureKind, StopCause, StopReason, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS = [
    "index", "status", "parameters", "metrics", "failure", "attempts", "seconds", "cpu_seconds", "started", "ended",
    "instance", "budget", "seed", "past_attempts", "penalty", "run_metadata",
]  # fmt: skip


class Story:
    """Makes events of an experiment, one second apart."""

    def __init__(
        self,
        objectives: Mapping[str, str] | None = None,
        *,
        policy: dict[str, Any] | None = None,
        report_keys: list[str] | None = None,
        epoch: float = 1_000_000.0,
    ) -> None:
        parameters = {"x": Float(0, 1), "n": Int(1, 9), "kind": Choice(["a", "-O2", "=1+1"])}
        self.experiment = Experiment("demo", parameters, objectives or {"y": "minimize"})
        self.events: list[ev.Event] = []
        self.time = 0.0
        runner = {"type": "Fake"} if report_keys is None else {"type": "Fake", "report_keys": report_keys}
        self.add(ev.ExperimentStarted, {"experiment": self.experiment.to_dict(), "runner": runner})
        self.add(ev.DriverStarted, epoch, policy or {"trials": 10})

    def add(self, kind: type, *args: Any, **kwargs: Any) -> None:
        self.events.append(kind(self.time, *args, **kwargs))
        self.time += 1.0

    def asked(self, count: int = 1, points: list[dict[str, Any]] | None = None, **kwargs: Any) -> int:
        index = sum(event.kind == "TrialAsked" for event in self.events)
        for number in range(index, index + count):
            point = {"x": number / 10, "n": 1 + number % 9, "kind": "a"}
            self.add(ev.TrialAsked, number, points or [point], **kwargs)
        return index

    def started(self, index: int, attempt: int = 1, **metadata: Any) -> None:
        self.add(ev.DeployStarted, index, attempt)
        self.add(ev.Deployed, index, attempt, metadata)

    def finished(self, index: int, result: Result, attempt: int = 1) -> None:
        self.add(ev.Finished, index, attempt, result)

    def completed(self, value: float | dict[str, float], **asked: Any) -> int:
        index = self.asked(**asked)
        self.started(index)
        metrics = value if isinstance(value, dict) else {"y": value}
        self.finished(index, Result(arms={f"{index}_0": {name: (mean, None) for name, mean in metrics.items()}}))
        return index

    def failed(self, kind: FailureKind, message: str, log: str | None = None) -> int:
        index = self.asked()
        self.started(index)
        self.finished(index, Result.failed(kind, message, log, seconds=2.5))
        self.add(ev.GaveUp, index)
        return index

    @property
    def state(self) -> State:
        state = State.of(self.events)
        state.check()
        return state


def test_a_row_has_exactly_the_documented_keys_in_their_order() -> None:
    told = Story(report_keys=["host"])
    index = told.asked(seed=7, budget=3.0, instance="i1")
    told.started(index, host="h1", pid=12)
    result = Result(
        arms={"0_0": {"y": (0.5, 0.1), "extra": (2.0, None)}}, seconds=1.5, cpu_seconds=1.25, started=100.0, ended=101.5
    )
    told.finished(index, result)
    row = trial_row(told.state, told.state.trials[0])
    assert list(row) == KEYS
    assert row == {
        "index": 0,
        "status": "COMPLETED",
        "parameters": {"x": 0.0, "n": 1, "kind": "a"},
        "metrics": {"y": {"mean": 0.5, "sem": 0.1}, "extra": {"mean": 2.0, "sem": None}},
        "failure": None,
        "attempts": 1,
        "seconds": 1.5,
        "cpu_seconds": 1.25,
        "started": 100.0,
        "ended": 101.5,
        "instance": "i1",
        "budget": 3.0,
        "seed": 7,
        "past_attempts": [],
        "penalty": None,
        "run_metadata": {"host": "h1"},
    }


def test_a_failed_trial_says_why_and_a_candidate_is_all_but_empty() -> None:
    told = Story()
    told.failed(FailureKind.CRASHED, "exit status 3", "trials/0/1/stderr.log")
    told.asked()
    failed, candidate = rows(told.state)
    assert failed["failure"] == {"kind": "crashed", "message": "exit status 3", "log": "trials/0/1/stderr.log"}
    assert failed["metrics"] == {}
    assert failed["seconds"] == 2.5
    assert candidate["status"] == "CANDIDATE"
    assert candidate["attempts"] == 0
    assert [candidate[key] for key in ("failure", "seconds", "started", "ended")] == [None] * 4
    json.dumps([failed, candidate], allow_nan=False)


def test_a_running_trial_says_since_when() -> None:
    told = Story()
    told.started(told.asked())
    assert rows(told.state)[0]["started"] == 1_000_000.0 + told.events[-1].time - told.events[1].time


def test_all_run_metadata_stand_where_the_runner_does_not_say_which() -> None:
    told = Story()
    told.started(told.asked(), a=1, b=[2])
    assert rows(told.state)[0]["run_metadata"] == {"a": 1, "b": [2]}


def test_a_batch_trial_has_arms() -> None:
    told = Story()
    points = [{"x": 0.1, "n": 1, "kind": "a"}, {"x": 0.2, "n": 2, "kind": "a"}]
    told.started(told.asked(points=points))
    told.finished(0, Result(arms={"0_0": {"y": (3.0, None)}, "0_1": {"y": (1.0, 0.5)}}))
    state = told.state
    row = trial_row(state, state.trials[0])
    assert list(row) == ["index", "status", "arms", *KEYS[4:]]
    assert row["arms"]["0_1"] == {"parameters": points[1], "metrics": {"y": {"mean": 1.0, "sem": 0.5}}}
    columns, lines = table(state)
    assert columns[:3] == ["index", "arm", "status"]
    assert [(line[0], line[1]) for line in lines] == [(0, "0_0"), (0, "0_1")]
    assert lines[1][columns.index("metrics.y.mean")] == 1.0
    incumbents = Incumbents({"y": "minimize"})
    assert incumbents.take(state.trials[0])
    assert incumbents.best == Best(state.trials[0], "0_1", {"y": (1.0, 0.5)})
    assert incumbents.best.whose == "trial 0, arm 0_1"


def _csv(state: State) -> list[dict[str, str]]:
    file = io.StringIO(newline="")
    to_csv(state, file)
    file.seek(0)
    return list(csv.DictReader(file))


def test_csv_has_the_content_of_the_rows() -> None:
    told = Story()
    told.completed(0.25)
    told.failed(FailureKind.TIMEOUT, 'two lines\nand "quotes", commas')
    told.asked()
    lines = _csv(told.state)
    assert list(lines[0])[:10] == [
        "index", "status", "parameters.x", "parameters.n", "parameters.kind", "metrics.y.mean", "metrics.y.sem",
        "failure.kind", "failure.message", "failure.log",
    ]  # fmt: skip
    assert [line["status"] for line in lines] == ["COMPLETED", "FAILED", "CANDIDATE"]
    assert lines[0]["metrics.y.mean"] == "0.25"
    assert lines[0]["metrics.y.sem"] == ""
    assert lines[1]["failure.message"] == 'two lines\nand "quotes", commas'


def test_csv_disarms_formulas_of_programs_and_leaves_parameters_and_numbers_alone() -> None:
    told = Story()
    told.asked(points=[{"x": 0.0, "n": 1, "kind": "-O2"}])
    told.started(0, host="@evil", load=-1.5, up=True, nested={"a": [1]})
    told.finished(0, Result.failed(FailureKind.CRASHED, "=HYPERLINK(1)"))
    told.add(ev.GaveUp, 0)
    told.completed(-3.5, points=[{"x": 0.0, "n": 1, "kind": "=1+1"}])
    first, second = _csv(told.state)
    assert first["failure.message"] == "'=HYPERLINK(1)"
    assert first["run_metadata.host"] == "'@evil"
    assert first["run_metadata.load"] == "-1.5"
    assert first["run_metadata.up"] == "true"
    assert first["run_metadata.nested"] == '{"a": [1]}'
    assert first["parameters.kind"] == "-O2"
    assert second["parameters.kind"] == "=1+1"
    assert second["metrics.y.mean"] == "-3.5"


def test_a_table_without_trials_has_its_columns() -> None:
    columns, lines = table(Story().state)
    assert "parameters.x" in columns
    assert "metrics.y.mean" in columns
    assert lines == []
    assert table(State()) == (table(State())[0], [])


def test_best_is_the_first_of_the_lowest_or_the_highest() -> None:
    low, high = Story(), Story({"y": "maximize"})
    for told in (low, high):
        told.failed(FailureKind.CRASHED, "no")
        for value in (3.0, 1.0, 5.0, 1.0, 5.0):
            told.completed(value)
    found_low, found_high = best(low.state), best(high.state)
    assert found_low is not None
    assert found_high is not None
    assert (found_low.index, found_high.index) == (2, 3)
    assert [trial.index for trial in pareto(low.state)] == [2]


def test_of_equal_values_the_first_wins_in_whatever_order_they_ended() -> None:
    told = Story()
    for value in (1.0, 1.0):
        told.completed(value)
    state = told.state
    incumbents = Incumbents({"y": "minimize"})
    assert [incumbents.take(state.trials[index]) for index in (1, 0)] == [True, True]
    assert incumbents.best == Best(state.trials[0], "0_0", {"y": (1.0, None)})
    assert not incumbents.take(state.trials[1])


def test_there_is_no_best_without_a_completed_trial() -> None:
    told = Story()
    told.failed(FailureKind.CRASHED, "no")
    assert best(told.state) is None
    assert pareto(told.state) == []
    assert best(State()) is None


def test_only_the_largest_budget_competes() -> None:
    told = Story()
    told.completed(0.1, budget=1.0)
    told.completed(0.9, budget=9.0)
    told.completed(0.5, budget=9.0)
    told.completed(0.2, budget=3.0)
    found = best(told.state)
    assert found is not None
    assert found.index == 2


def _points(told: Story, *evaluations: tuple[float, str | None, int | None, object]) -> Incumbents:
    """Evaluate points, each with one parameter, on an instance with a seed."""
    for x, instance, seed, value in evaluations:
        told.completed(value, points=[{"x": x, "n": 1, "kind": "a"}], instance=instance, seed=seed)
    incumbents = Incumbents.of(told.state.experiment)
    for trial in told.state.trials:
        incumbents.take(trial)
    return incumbents


def test_the_mean_over_instances_competes_of_those_that_have_the_most() -> None:
    told = Story()
    found = _points(
        told,
        (0.1, "easy", 0, 0.0),  # the lowest of all, on one instance
        (0.2, "easy", 0, 1.0),
        (0.2, "hard", 0, 4.0),
        (0.3, "hard", 0, 3.0),
        (0.3, "easy", 0, 1.5),
        (0.3, "easy", 0, -9.0),  # again: it does not count
        (0.4, "easy", 0, 2.25),
        (0.4, "hard", 0, 2.25),  # as good, later
    ).best
    assert found is not None
    assert (found.trial.index, found.metrics, found.evaluations) == (3, {"y": (2.25, None)}, 2)
    assert found.parameters["x"] == 0.3
    assert found.whose == "trial 3, mean of 2 evaluations"
    body = json.loads(json.dumps(summarize(told.state).to_json(told.state)))
    assert body["best"]["index"] == 3
    assert body["best"]["metrics"]["y"]["mean"] == 3.0, "the row of a trial is what that trial measured"
    assert body["means"] == [{"trial": 3, "arm": "3_0", "evaluations": 2, "metrics": {"y": 2.25}}]


def test_seeds_are_evaluations_of_one_point_too_and_one_seed_each_changes_nothing() -> None:
    found = _points(Story(), (0.1, None, 1, 0.0), (0.2, None, 1, 1.0), (0.2, None, 2, 1.5)).best
    assert found is not None
    assert (found.trial.index, found.metrics["y"]) == (1, (1.25, None))
    told = Story()
    single = _points(told, (0.1, None, 0, 2.0), (0.2, None, 0, 1.0), (0.3, None, 0, 3.0)).best
    assert single is not None
    assert (single.trial.index, single.evaluations, single.whose) == (1, 1, "trial 1")
    assert "means" not in summarize(told.state).to_json(told.state)


def test_a_mean_that_worsens_is_beaten_again_once_the_others_have_as_many() -> None:
    told = Story()
    first = [(0.1, "a", 0, 1.0), (0.1, "b", 0, 9.0), (0.2, "a", 0, 2.0)]
    assert (found := _points(told, *first).best) is not None
    assert (found.trial.index, found.metrics["y"][0]) == (0, 5.0)
    assert (found := _points(told, (0.2, "b", 0, 2.5)).best) is not None
    assert (found.trial.index, found.metrics["y"][0], found.evaluations) == (2, 2.25, 2)


def test_a_front_of_means_and_what_not_all_evaluations_measured() -> None:
    told = Story({"a": "minimize", "b": "minimize"})
    found = _points(
        told,
        (0.1, "i", 0, {"a": 1.0, "b": 4.0, "c": 7.0}),
        (0.1, "j", 0, {"a": 3.0, "b": 2.0}),
        (0.2, "i", 0, {"a": 0.0, "b": 9.0}),
        (0.2, "j", 0, {"a": 1.0, "b": 9.0}),
        (0.3, "i", 0, {"a": 2.5, "b": 3.5}),
        (0.3, "j", 0, {"a": 2.5, "b": 3.5}),
    )
    assert [(best.trial.index, best.metrics) for best in found.points] == [
        (0, {"a": (2.0, None), "b": (3.0, None)}),
        (2, {"a": (0.5, None), "b": (9.0, None)}),
    ]
    assert [entry["trial"] for entry in summarize(told.state).to_json(told.state)["means"]] == [0, 2]


def test_a_constraint_is_about_the_mean() -> None:
    found = Incumbents({"y": "minimize"}, feasible=lambda metrics: metrics["w"][0] <= 2.0)
    told = Story()
    for x, instance, y, w in [(0.1, "i", 0.0, 1.0), (0.1, "j", 0.0, 4.0), (0.2, "i", 5.0, 3.0), (0.2, "j", 5.0, 1.0)]:
        told.completed({"y": y, "w": w}, points=[{"x": x, "n": 1, "kind": "a"}], instance=instance)
    assert [found.take(trial) for trial in told.state.trials] == [True, False, False, True]
    assert found.best is not None
    assert found.best.trial.index == 2


def test_the_front_holds_what_no_other_dominates() -> None:
    told = Story({"cost": "minimize", "gain": "maximize"})
    for cost, gain in [(1, 1), (2, 2), (2, 1), (0.5, 0.5), (1, 1), (3, 1.5), (0.9, 1)]:
        told.completed({"cost": cost, "gain": gain})
    told.completed({"cost": 0.0})
    assert [trial.index for trial in pareto(told.state)] == [1, 3, 6]
    assert best(told.state) is None


def test_trials_that_are_equal_in_all_objectives_stay_together() -> None:
    told = Story({"a": "minimize", "b": "minimize"})
    for _ in range(3):
        told.completed({"a": 1.0, "b": 2.0})
    assert [trial.index for trial in pareto(told.state)] == [0, 1, 2]


def test_the_front_agrees_with_the_definition() -> None:
    import random

    draw = random.Random(5)
    told = Story({"a": "minimize", "b": "maximize", "c": "minimize"})
    points = [(draw.randint(0, 5), draw.randint(0, 5), draw.randint(0, 5)) for _ in range(120)]
    for a, b, c in points:
        told.completed({"a": a, "b": b, "c": c})
    signed = [(a, -b, c) for a, b, c in points]
    expected = [
        index
        for index, mine in enumerate(signed)
        if not any(other != mine and all(o <= m for o, m in zip(other, mine, strict=True)) for other in signed)
    ]
    assert [trial.index for trial in pareto(told.state)] == expected


def test_summary_counts_groups_and_estimates() -> None:
    told = Story(policy={"trials": 10})
    told.completed(2.0)
    told.failed(FailureKind.TIMEOUT, "slow", "a.log")
    told.failed(FailureKind.CRASHED, "boom")
    told.failed(FailureKind.CRASHED, "bang")
    told.started(told.asked())
    state = told.state
    summary = summarize(state, state.last_time + 6)
    assert summary.counts == {"FAILED": 3, "COMPLETED": 1, "RUNNING": 1}
    assert (summary.ended, summary.target, summary.failed_attempts) == (4, 10, 3)
    assert [(group.kind, group.count, group.trial, group.message) for group in summary.failures] == [
        ("crashed", 2, 2, "boom"),
        ("timeout", 1, 1, "slow"),
    ]
    assert summary.elapsed == state.last_time + 6
    assert summary.left == pytest.approx(summary.elapsed / 4 * 6)
    (live,) = summary.live
    assert (live.trial, live.attempt, live.status, live.detached) == (4, 1, "RUNNING", False)
    assert live.seconds == pytest.approx(6.0)
    assert summary.best is not None
    assert not summary.failed
    body = json.loads(json.dumps(summary.to_json(state), allow_nan=False))
    assert body["best"]["index"] == 0
    assert body["failures"][0]["count"] == 2
    assert body["stop"] is None


def test_summary_of_several_objectives_has_a_front() -> None:
    told = Story({"a": "minimize", "b": "minimize"})
    told.completed({"a": 1.0, "b": 2.0})
    summary = summarize(told.state)
    assert summary.best is None
    assert summary.to_json(told.state)["front"][0]["index"] == 0


@pytest.mark.parametrize(
    ("fail", "complete", "reason", "failed"),
    [
        (2, 0, StopReason.TRIALS, True),
        (1, 1, StopReason.TRIALS, False),
        (1, 1, StopReason.FAILURE_RATE, True),
        (0, 0, StopReason.EXHAUSTED, False),
    ],
)
def test_an_experiment_fails_by_its_failure_rate_or_when_nothing_completed(
    fail: int, complete: int, reason: StopReason, failed: bool
) -> None:
    told = Story()
    for _ in range(fail):
        told.failed(FailureKind.CRASHED, "no")
    for _ in range(complete):
        told.completed(1.0)
    told.add(ev.ExperimentEnded, reason, "it ended")
    summary = summarize(told.state)
    assert summary.failed is failed
    assert summary.left is None
    assert summary.to_json(told.state)["stop"] == {"reason": reason.value, "message": "it ended"}


def test_there_is_no_estimate_before_the_first_wave_has_ended() -> None:
    told = Story(policy={"trials": 4})
    told.completed(1.0)
    for _ in range(2):
        told.started(told.asked())
    assert time_left(told.state, 10.0) is None
    told.finished(1, Result(arms={"1_0": {"y": (1.0, None)}}))
    assert time_left(told.state, 10.0) == pytest.approx(10.0)


def test_the_time_of_the_experiment_bounds_the_estimate() -> None:
    told = Story(policy={"trials": None, "seconds": 100.0})
    assert time_left(told.state, 30.0) == pytest.approx(70.0)
    assert target_of(told.state) is None
    assert time_left(Story(policy={"trials": None}).state, 3.0) is None


def test_enqueued_points_beyond_the_number_raise_the_target() -> None:
    told = Story(policy={"trials": 1})
    told.asked(3)
    assert target_of(told.state) == 3


def test_now_goes_on_with_the_epoch_but_not_in_simulated_time() -> None:
    assert now_of(Story(epoch=500.0).state, 530.0) == pytest.approx(31.0)  # the driver began at 1.0
    simulated = Story(epoch=1.0).state
    assert now_of(simulated, 1e9) == simulated.last_time
    assert now_of(State(), 5.0) == 0.0


def test_a_story_tells_everything_in_order() -> None:
    told = Story()
    told.asked(2)
    told.started(0, pid=17)
    told.finished(0, Result.failed(FailureKind.CRASHED, "exit status 3", "trials/0/1/stderr.log", seconds=0.5))
    told.add(ev.RetryPlanned, 0, told.time + 4, 1, 3)
    told.started(0, 2)
    told.add(ev.Interrupted, 0, 2, "the driver was told to leave")
    told.add(ev.DriverStarted, 1_000_500.0, {})
    told.add(ev.DeployStarted, 0, 3)
    told.add(ev.Deployed, 0, 3, {}, staged=True)
    told.add(ev.Polled, 0, TrialStatus.RUNNING)
    told.add(ev.Polled, 0, TrialStatus.STAGED)
    told.add(ev.Detached, 0, 3)
    told.add(ev.RequestTaken, "id", {"kind": "stop", "trial": 0, "reason": "enough"})
    told.add(ev.StopRequested, 0, 3, StopCause.USER, "enough")
    told.add(ev.Stopped, 0, 3, TrialStatus.ABANDONED, "enough")
    told.add(ev.Told, 0)
    told.add(ev.Rerun, 0)
    told.started(0, 4)
    told.add(ev.Noted, "odd", 0)
    told.finished(0, Result(arms={"0_0": {"y": (0.5, 0.25)}}, seconds=2.0), 4)
    told.add(ev.DriverStarted, 1_000_900.0, {})
    lines = story(told.events, 0)
    sentences = [re.sub(r"at 1970-\S+ [\d:]+", "at @", line.split(" s  ", 1)[1]) for line in lines]
    assert sentences == [
        "proposed by the optimizer: x = 0.0, n = 1, kind = a",
        "attempt 1 is handed to the runner",
        "attempt 1 was started (pid 17)",
        "attempt 1 failed after 0.5 s: crashed: exit status 3 (see trials/0/1/stderr.log)",
        "it is tried again in 4 s, at @ (retry 1 of 3)",
        "attempt 2 is handed to the runner",
        "attempt 2 was started",
        "attempt 2 was interrupted: the driver was told to leave; it will be repeated",
        "another driver took over",
        "attempt 3 is handed to the runner",
        "attempt 3 waits in the runner's queue",
        "it runs",
        "it waits again in the runner's queue",
        "the driver left; attempt 3 goes on",
        "a user asked for: stop (enough)",
        "attempt 3 was asked to stop (user): enough",
        "abandoned: enough",
        "the optimizer was told",
        "a user asked for another attempt",
        "attempt 4 is handed to the runner",
        "attempt 4 was started",
        "odd",
        "attempt 4 completed after 2 s: y = 0.5 ± 0.25",
    ]
    assert len({line.index(" s  ") for line in lines}) == 1  # the columns stand under each other
    assert story(told.events, 9) == []


def test_a_story_says_of_an_attempt_that_a_driver_had_left_that_it_is_followed_on() -> None:
    told = Story()
    told.asked()
    told.started(0, pid=17)
    for pid in (17, 18):  # the second was sent again
        told.add(ev.Detached, 0, 1)
        told.add(ev.DriverStarted, 1_000_500.0, {})
        told.add(ev.Deployed, 0, 1, {"pid": pid})
    assert [line.split(" s  ", 1)[1] for line in story(told.events, 0)][2:] == [
        "attempt 1 was started (pid 17)",
        "the driver left; attempt 1 goes on",
        "another driver took over",
        "attempt 1 is followed on",
        "the driver left; attempt 1 goes on",
        "another driver took over",
        "attempt 1 was started (pid 18)",
    ]


def test_a_story_covers_failure_for_good_refusals_early_stops_and_batches() -> None:
    told = Story()
    told.failed(FailureKind.LOST, "gone")
    told.add(ev.RequestTaken, "id", {"kind": "rerun", "trial": 0}, "no")
    assert [line.split(" s  ", 1)[1] for line in story(told.events, 0)][-2:] == [
        "no further attempt: the trial failed",
        "a user asked for: rerun; refused: no",
    ]
    points = [{"x": 0.1, "n": 1, "kind": "a"}, {"x": 0.2, "n": 2, "kind": "a"}]
    told.asked(points=points, source="submitted", seed=3)
    told.started(1, note="v" * 300)
    told.add(ev.Stopped, 1, 1, TrialStatus.EARLY_STOPPED, "not promising")
    lines = [line.split(" s  ", 1)[1] for line in story(told.events, 1)]
    assert lines[0] == "submitted: x = 0.1, n = 1, kind = a; x = 0.2, n = 2, kind = a, seed 3"
    assert lines[2].endswith("…)")
    assert lines[-1] == "stopped early: not promising"
    told.started(told.asked(points=points))
    told.finished(2, Result(arms={"2_0": {"y": (1.0, None)}, "2_1": {"y": (2.0, None)}}))
    told.add(ev.RetryPlanned, 2, told.time - 1)
    assert story(told.events, 2)[-2].endswith("completed: 2_0: y = 1; 2_1: y = 2")
    assert story(told.events, 2)[-1].endswith("it is tried again")


def test_simulated_time_has_no_time_of_day() -> None:
    told = Story(epoch=1.0)
    told.asked()
    assert story(told.events, 0)[0].split()[0] == "2.000"


def test_results_are_a_sequence_with_a_best() -> None:
    told = Story()
    told.completed(2.0)
    told.completed(1.0)
    told.failed(FailureKind.CRASHED, "no")
    results = Results(told.state)
    assert len(results) == 3
    assert results[1]["status"] == "COMPLETED"
    assert [row["index"] for row in results[:2]] == [0, 1]
    assert results.best is results[1]
    assert results.pareto == [results[1]]
    assert repr(results) == "<Results of 'demo': 3 trials, 2 COMPLETED, 1 FAILED, best y = 1 (trial 1)>"


def test_results_stay_as_they_were() -> None:
    told = Story()
    told.completed(2.0)
    state = told.state
    results = Results(state)
    told.asked()
    state.apply(told.events[-1])
    assert len(results) == 1


def test_results_of_several_objectives_have_no_best() -> None:
    told = Story({"a": "minimize", "b": "minimize"})
    told.completed({"a": 1.0, "b": 2.0})
    results = Results(told.state)
    assert repr(results) == "<Results of 'demo': 1 trials, 1 COMPLETED, 1 on the front>"
    assert [row["index"] for row in results.pareto] == [0]
    with pytest.raises(UsageError, match=r"^experiment 'demo' has 2 objectives, so no trial is best; use .pareto$"):
        _ = results.best
    assert Results(Story().state).best is None


@pytest.mark.slow
def test_results_become_a_data_frame() -> None:
    pytest.importorskip("pandas")
    told = Story()
    told.completed(2.0)
    told.failed(FailureKind.CRASHED, "no")
    frame = Results(told.state).to_pandas()
    assert list(frame.index) == [0, 1]
    assert frame["metrics.y.mean"].iloc[0] == 2.0
    assert frame["metrics.y.mean"].isna().iloc[1]
    assert frame["status"].tolist() == ["COMPLETED", "FAILED"]


def test_a_data_frame_without_pandas_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'runwright\[pandas\]'"):
        Results(Story().state).to_pandas()


def tried_again() -> Story:
    """A trial that was lost, then interrupted, then crashed for good; one that waits; one that may go on at once."""
    told = Story()
    told.asked(4)
    told.started(0)
    told.finished(0, Result.failed(FailureKind.LOST, "its host is gone", "trials/0/1"))
    told.add(ev.RetryPlanned, 0, told.time, 1, 3)
    told.started(0, 2)
    told.add(ev.Interrupted, 0, 2, "the driver was told to leave")
    told.started(0, 3)
    told.finished(0, Result.failed(FailureKind.CRASHED, "exit status 3"), 3)
    told.add(ev.GaveUp, 0, {"y": 1000.0}, abort=True)
    for index, wait in ((1, 90.0), (2, 0.0)):
        told.started(index)
        told.finished(index, Result.failed(FailureKind.CRASHED, "exit status 4"))
        told.add(ev.RetryPlanned, index, told.time + wait, 1, 3)
    told.add(ev.Told, 0)
    return told


def test_a_row_has_the_attempts_that_did_not_complete_and_the_penalty() -> None:
    state = tried_again().state
    row = trial_row(state, state.trials[0])
    assert row["past_attempts"] == [
        {"attempt": 1, "outcome": "failed", "kind": "lost", "message": "its host is gone", "log": "trials/0/1"},
        {"attempt": 2, "outcome": "interrupted", "kind": None, "message": "the driver was told to leave", "log": None},
        {"attempt": 3, "outcome": "failed", "kind": "crashed", "message": "exit status 3", "log": None},
    ]
    assert (row["attempts"], row["penalty"], row["metrics"]) == (3, {"y": 1000.0}, {})
    columns, lines = table(state)
    at = columns.index("past_attempts")
    assert columns[at - 1 : at + 2] == ["seed", "past_attempts", "penalty"]
    assert json.loads(str(lines[0][at])) == row["past_attempts"]
    assert (lines[0][at + 1], lines[3][at : at + 2]) == ('{"y": 1000.0}', [None, None])


def test_the_summary_says_what_was_tried_again_and_what_waits_for_it() -> None:
    told = tried_again()
    state = told.state
    summary = summarize(state, state.last_time + 10.0)
    assert (summary.failed_attempts, summary.retried) == (4, {"crashed": 2, "lost": 1})
    free, later = summary.waiting
    assert (free.trial, free.attempt, free.kind, free.not_before, free.seconds) == (2, 1, "crashed", None, None)
    assert (later.trial, later.message) == (1, "exit status 4")
    planned = next(event for event in told.events if event.kind == "RetryPlanned" and event.trial == 1)
    assert later.seconds == planned.not_before - (state.last_time + 10.0)
    assert later.not_before == state.epoch_of(planned.not_before)
    assert summarize(state, state.last_time + 1000.0).waiting[1].seconds == 0.0
    body = summary.to_json(state)
    assert body["retried"] == {"crashed": 2, "lost": 1}
    assert body["waiting"][1]["trial"] == 1
    json.dumps(body, allow_nan=False)


def test_an_aborted_experiment_failed() -> None:
    told = Story()
    told.completed(1.0)
    told.add(ev.ExperimentEnded, StopReason.ABORTED, "trial 3 failed")
    assert summarize(told.state).failed


def test_a_story_says_what_is_told_of_a_failure_and_that_it_ends_the_experiment() -> None:
    lines = [line.split(" s  ", 1)[1] for line in story(tried_again().events, 0)]
    assert lines[-2:] == [
        (
            "no further attempt: the trial failed; y = 1000 is told in place of a measurement (penalty); "
            "this ends the experiment (abort)"
        ),
        "the optimizer was told",
    ]
    assert "it is tried again (retry 1 of 3)" in lines


def test_the_next_try_in_simulated_time_has_the_time_of_the_experiment() -> None:
    told = Story(epoch=1.0)
    told.asked()
    told.started(0)
    told.finished(0, Result.failed(FailureKind.LOST, "gone"))
    at = told.time + 2.5
    told.add(ev.RetryPlanned, 0, at, 2, 3)
    assert story(told.events, 0)[-1].endswith(f"it is tried again in 2.5 s, at {at:.3f} s (retry 2 of 3)")
