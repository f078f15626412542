"""Submit and collect: on a scripted runner in virtual time, and on the real runners."""

from __future__ import annotations

import math
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import runwright as rw
from runwright import mailbox
from runwright.clock import VirtualClock
from runwright.errors import (
    DirectoryInUseError,
    ExperimentChangedError,
    JournalError,
    StoppedError,
    SubmitError,
    UsageError,
)
from runwright.journal import MemoryJournal, read_events
from runwright.loop.claims import Claims
from runwright.loop.collector import Collector
from runwright.loop.policy import Policy
from runwright.loop.translation import status_of
from runwright.optimizers import RandomOptimizer
from runwright.report import Results
from runwright.report.rows import table
from runwright.result import Result
from runwright.runners import LocalMetadataRunner, PoolRunner, ProcessRunner, SimulatedBackendRunner
from runwright.simulation import BackendSimulator, BackendSimulatorOptions
from runwright.state import State
from runwright.status import FailureKind
from tests.facts import facts
from tests.fakes import FOREVER, FakeRunner, World, crash, value
from tests.unit import queue_functions
from tests.unit.driving import ONCE

SUCCESS, CRASHED = rw.StatusType.SUCCESS, rw.StatusType.CRASHED
OPEN = rw.OpenExperiment("loop", {"y": "minimize"}, seed=3)
PATIENCE = 60.0


def info(x: Any = 0, **more: Any) -> rw.TrialInfo:
    return rw.TrialInfo({"x": x}, **more)


def queue(runner: Any = None, **settings: Any) -> rw.TrialQueue:
    """A queue over a fake runner, in virtual time, two at once."""
    settings.setdefault("clock", VirtualClock())
    settings.setdefault("experiment", OPEN)
    if not {"directory", "journal"} & settings.keys():
        settings["journal"] = MemoryJournal(encoded=True)
    if not {"parallel", "policy"} & settings.keys():
        settings["parallel"] = 2
    return rw.TrialQueue(runner or FakeRunner(), **settings)


def takes(**seconds: float) -> FakeRunner:
    """A fake runner whose trials take so long, by their parameter x; each gives its x."""
    return FakeRunner(World(seconds=lambda t: seconds[t.parameters["x"]], outcome=lambda t: value(len(t.arms))))


def now(open_queue: rw.TrialQueue) -> float:
    return open_queue._session.clock.now()


def collect(open_queue: rw.TrialQueue) -> list[Any]:
    """The configurations of what has ended."""
    return [told.config["x"] for told, _ in open_queue.iter_results()]


def rest(open_queue: rw.TrialQueue) -> list[tuple[rw.TrialInfo, rw.TrialValue]]:
    """All results that are still to come, as loops collect them."""
    found = []
    while True:
        found += open_queue.iter_results()
        if not open_queue.is_running():
            return found
        open_queue.wait(PATIENCE)


def events(open_queue: rw.TrialQueue) -> list[Any]:
    return list(open_queue._session.journal.read())


def check(open_queue: rw.TrialQueue) -> None:
    open_queue._session.recorder.commit()
    open_queue.state.check()
    assert facts(State.of(events(open_queue))) == facts(open_queue.state)


# What does not fit together is refused before anything is started.


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"policy": Policy(trials=5)}, "trials is not for a queue: the loop that submits decides when it has enough"),
        ({"policy": Policy(failure_rate=0.5)}, "failure_rate is not for a queue"),
        ({"policy": Policy(seconds=5.0)}, "seconds is not for a queue"),
        ({"policy": Policy()}, "nothing limits how many trials FakeRunner runs at once: say it with parallel="),
        ({"runner": FakeRunner(stops=False), "limits": rw.Limits(timeout=1)}, "FakeRunner cannot enforce a time limit"),
        ({"limits": rw.Limits(memory=1)}, "FakeRunner cannot enforce a memory limit"),
        ({"crash_cost": [1, 2]}, "crash_cost has 2 numbers where there are 1 objectives"),
        ({"scenario": SimpleNamespace(crash_cost="much")}, "crash_cost must be a number"),
    ],
)
def test_what_does_not_fit_is_refused(settings, sentence):
    with pytest.raises(UsageError) as raised:
        queue(**settings)
    assert str(raised.value).startswith(sentence)


def test_what_is_refused_releases_the_directory(tmp_path):
    with pytest.raises(UsageError, match="nothing limits"):
        queue(policy=Policy(), directory=tmp_path)
    with queue(directory=tmp_path), pytest.raises(DirectoryInUseError):
        queue(directory=tmp_path)


@pytest.mark.parametrize(
    "runner",
    [
        LocalMetadataRunner(queue_functions.square),
        SimulatedBackendRunner(BackendSimulator(), evaluation_function=queue_functions.square),
        PoolRunner(queue_functions.square),
        ProcessRunner(function=f"{queue_functions.__file__}:square"),
    ],
)
def test_required_arguments_are_checked_against_the_signature_at_construction(runner, tmp_path):
    with pytest.raises(UsageError) as raised:
        rw.TrialQueue(runner, directory=tmp_path / "run", required_arguments=["seed", "budget"])
    assert str(raised.value) == (
        "the function 'square' must take the argument 'budget'; it takes (config, seed), "
        "and required are (seed, budget)"
    )
    assert not (tmp_path / "run").exists()


def test_required_arguments_that_are_taken_or_cannot_be_known():
    rw.TrialQueue(LocalMetadataRunner(queue_functions.square), required_arguments=["seed"]).close()
    rw.TrialQueue(LocalMetadataRunner(dict), required_arguments=["seed"]).close()
    queue(required_arguments=["seed"]).close()


# Serial runners.


def test_a_trial_queue_is_an_abstract_runner():
    with rw.TrialQueue(LocalMetadataRunner(queue_functions.square)) as serial:
        assert isinstance(serial, rw.AbstractRunner)
        assert serial.count_available_workers() == 1
        submitted = [rw.TrialInfo({"x": x}, seed=x) for x in range(4)]
        for trial in submitted:
            assert serial.submit_trial(trial) is None
            assert not serial.is_running(), "on a serial runner a launched trial has ended at once"
        results = list(serial.iter_results())
        assert [told for told, _ in results] == submitted
        assert all(told is trial for (told, _), trial in zip(results, submitted, strict=True))
        assert [v.cost for _, v in results] == [0.0, 1.0, 4.0, 9.0]
        assert [v.additional_info["runwright"]["metrics"]["seed"][0] for _, v in results] == [0, 1, 2, 3]
        assert list(serial.iter_results()) == []


def test_a_retry_of_a_serial_trial_is_done_within_submit():
    tries = iter([ValueError("once"), ValueError("twice"), 7.0])

    def fragile(config):
        came = next(tries)
        if isinstance(came, Exception):
            raise came
        return came

    with rw.TrialQueue(LocalMetadataRunner(fragile), on_failure="retry 2") as serial:
        serial.submit_trial(info())
        ((_, got),) = serial.iter_results()
    assert (got.status, got.cost, got.additional_info["runwright"]["attempts"]) == (SUCCESS, 7.0, 3)


def test_instance_budget_and_seed_reach_the_evaluation():
    with rw.TrialQueue(LocalMetadataRunner(queue_functions.at_fidelity)) as serial:
        status, cost, runtime, told = serial.run({"x": 0.5}, instance="i", budget=3, seed=9)
    assert (status, cost) == (SUCCESS, 0.5)
    assert runtime > 0.0
    assert {key: told[key] for key in ("instance", "budget", "seed")} == {"instance": "i", "budget": 3.0, "seed": 9}


def test_the_seed_that_an_evaluation_gets_where_none_is_given_is_its_own():
    with rw.TrialQueue(LocalMetadataRunner(queue_functions.square)) as serial:
        for _ in range(2):
            serial.submit_trial(info(1))
        seeds = [v.additional_info["runwright"]["metrics"]["seed"][0] for _, v in serial.iter_results()]
    assert len(set(seeds)) == 2, "one configuration, two trials"


# Slots, waiting and order, in virtual time.


def test_submit_blocks_while_no_slot_is_free():
    running = queue(takes(a=5.0, b=2.0, c=1.0, d=1.0))
    assert running.count_available_workers() == 2
    running.submit_trial(info("a"))
    assert running.count_available_workers() == 1
    running.submit_trial(info("b"))
    assert (running.count_available_workers(), now(running)) == (0, 0.0)
    running.submit_trial(info("c"))
    assert now(running) == 2.0, "it waited for the end of b"
    running.submit_trial(info("d"))
    assert now(running) == 3.0
    assert running.runner.world.together == 2
    assert collect(running) == ["b", "c"], "what ended meanwhile is there"


def test_the_capacity_of_the_runner_is_the_number_of_slots():
    runner = FakeRunner(capacity=3)
    with queue(runner, policy=Policy()) as running:
        assert running.count_available_workers() == 3
        runner.capacity = 0
        assert running.count_available_workers() == 0


def test_results_come_in_the_order_of_arrival_each_once():
    running = queue(takes(a=3.0, b=1.0, c=2.0), parallel=3)
    for x in "abc":
        running.submit_trial(info(x))
    assert collect(running) == [], "it never waits"
    assert running.is_running()
    order = []
    while running.is_running():
        running.wait()
        order += collect(running)
    assert order == ["b", "c", "a"]
    check(running)


def test_what_ends_at_once_comes_in_the_order_of_submission():
    running = queue(takes(a=1.0, b=1.0, c=1.0), parallel=3)
    for x in "cab":
        running.submit_trial(info(x))
    assert [told.config["x"] for told, _ in rest(running)] == ["c", "a", "b"]


def test_no_result_is_left_behind_by_a_loop_that_collects_asks_and_leaves():
    running = queue(FakeRunner(World(seconds=0.0)))
    running.submit_trial(info(1))
    assert running.is_running(), "its result comes with the answer"
    assert not running.is_running()
    assert collect(running) == [1]
    running.submit_trial(info(2))
    assert running.count_available_workers() == 2, "it has ended"
    assert running.is_running(), "its result was not to be had before"
    assert collect(running) == [2]


def test_wait_returns_with_the_first_result():
    running = queue(takes(a=4.0, b=2.0))
    running.submit_trial(info("a"))
    running.submit_trial(info("b"))
    running.wait()
    assert now(running) == 2.0
    running.wait()
    assert now(running) == 2.0, "a result that nobody has collected is a result"
    assert collect(running) == ["b"]
    running.wait()
    assert (now(running), collect(running)) == (4.0, ["a"])


def test_wait_returns_where_nothing_runs():
    running = queue()
    running.wait()
    running.wait(timeout=5.0)
    assert now(running) == 0.0


def test_wait_returns_after_its_timeout():
    running = queue(takes(a=9.0))
    running.submit_trial(info("a"))
    running.wait(timeout=2.5)
    assert (now(running), collect(running)) == (2.5, [])
    running.wait(timeout=0)
    assert now(running) == 2.5


def test_run_waits_for_its_own_result_and_leaves_the_others():
    running = queue(takes(a=4.0, b=2.0, c=1.0))
    running.submit_trial(info("a"))
    running.submit_trial(info("b"))
    mine = info("c")
    told, got = running.run_wrapper(mine)
    assert told is mine
    assert (got.status, now(running)) == (SUCCESS, 3.0)
    assert collect(running) == ["b"]
    assert [told.config["x"] for told, _ in rest(running)] == ["a"]


def test_run_returns_status_cost_runtime_and_information():
    result = Result({"": {"y": (0.25, None), "z": (3.0, 0.5)}}, seconds=2.0, additional_info={"note": "n"})
    status, cost, runtime, told = queue(FakeRunner(World(outcome=result))).run({"x": 1})
    assert (status, cost, runtime) == (SUCCESS, 0.25, 2.0)
    assert told == {
        "note": "n",
        "runwright": {"trial": 0, "attempts": 1, "metrics": {"y": [0.25, None], "z": [3.0, 0.5]}},
    }


def test_a_value_carries_what_was_measured():
    result = Result({"": {"y": (0.25, None)}}, seconds=2.0, cpu_seconds=1.5, started=10.0, ended=12.0)
    _, got = queue(FakeRunner(World(outcome=result))).run_wrapper(info())
    assert (got.time, got.cpu_time, got.starttime, got.endtime) == (2.0, 1.5, 10.0, 12.0)


# Costs and statuses.


def one(outcome: Result, experiment: rw.Experiment = OPEN, **settings: Any) -> rw.TrialValue:
    return queue(FakeRunner(World(outcome=outcome)), experiment=experiment, **settings).run_wrapper(info())[1]


@pytest.mark.parametrize("kind", FailureKind)
def test_the_status_of_each_failure(kind):
    got = one(Result.failed(kind, "that was it", log="trials/0/1/stderr.log", additional_info={"traceback": "..."}))
    expected = {FailureKind.TIMEOUT: rw.StatusType.TIMEOUT, FailureKind.MEMORYOUT: rw.StatusType.MEMORYOUT}
    assert (got.status, got.cost) == (expected.get(kind, CRASHED), math.inf)
    assert got.additional_info["error"] == "that was it"
    assert got.additional_info["traceback"] == "..."
    assert got.additional_info["runwright"]["failure"]["log"] == "trials/0/1/stderr.log"


def test_what_a_failure_costs_is_a_translation():
    running = queue(FakeRunner(World(outcome=Result.failed(FailureKind.TIMEOUT, "late"))), crash_cost=99)
    status, cost, _, _ = running.run({"x": 1})
    assert (status, cost) == (rw.StatusType.TIMEOUT, 99.0), "the status is kept"
    assert running.state.trials[0].result.arms == {}, "and nothing of it is recorded"


def test_the_crash_cost_of_the_scenario_holds_where_none_is_given():
    scenario = SimpleNamespace(objectives=["y"], crash_cost=5.0)
    assert one(crash(), scenario=scenario).cost == 5.0
    assert one(crash(), scenario=scenario, crash_cost=6.0).cost == 6.0
    assert one(crash()).cost == math.inf


def test_several_costs_stand_in_the_order_of_the_objectives():
    two = rw.OpenExperiment("two", {"y": "minimize", "a": "maximize"})
    assert one(Result({"": {"a": (2.0, None), "y": (1.0, 0.5)}}), two).cost == [1.0, 2.0]
    assert one(crash(), two, crash_cost=[7, 8]).cost == [7.0, 8.0]
    assert one(crash(), two).cost == [math.inf, math.inf]


def test_a_missing_or_infinite_objective_is_no_result():
    got = one(Result({"": {"z": (1.0, None)}}))
    assert got.status is CRASHED
    assert got.additional_info["error"] == "the objective 'y' is missing; the evaluation returned 'z'"
    assert one(Result({"": {"y": (math.nan, None)}})).status is CRASHED


def test_without_objectives_whatever_is_measured_is_kept():
    free = rw.OpenExperiment("free")
    assert one(Result({"": {"loss": (1.0, None)}}), free).cost == 1.0
    assert one(Result({"": {"loss": (1.0, None), "accuracy": (0.5, None)}}), free).cost == [1.0, 0.5]


def test_a_runner_that_measures_nothing_is_accepted():
    silent = FakeRunner(World(outcome=Result()), measures=False)
    with rw.TrialQueue(silent, parallel=1, clock=VirtualClock()) as running:
        assert running.experiment.objectives == {}
        status, cost, _, told = running.run({"x": 1})
    assert status is SUCCESS
    assert math.isnan(cost), "nothing was measured"
    assert told == {"runwright": {"trial": 0, "attempts": 1}}
    got = queue(FakeRunner(World(outcome=Result()), measures=False)).run_wrapper(info())[1]
    assert math.isnan(got.cost), "the foreign loop owns the objectives too"


def test_without_an_experiment_there_is_one_cost_or_what_the_scenario_names():
    with rw.TrialQueue(LocalMetadataRunner(lambda x: x * 2)) as running:
        assert (running.experiment.name, running.experiment.objectives) == ("queue", {"cost": "minimize"})
        assert running.run({"x": 4})[1] == 8.0
    for objectives, names in (("loss", ["loss"]), (["a", "b"], ["a", "b"])):
        with rw.TrialQueue(LocalMetadataRunner(abs), scenario=SimpleNamespace(objectives=objectives)) as running:
            assert list(running.experiment.objectives) == names


def test_the_crash_of_an_evaluation_says_what_and_where():
    with rw.TrialQueue(LocalMetadataRunner(queue_functions.misbehave)) as running:
        status, cost, _, told = running.run({"how": "crash"})
        assert running.run({"how": "work"})[:2] == (SUCCESS, 1.0)
    assert (status, cost, told["error"]) == (CRASHED, math.inf, "ValueError: no convergence")
    assert "queue_functions.py" in told["traceback"]


def test_a_failure_is_told_when_its_retries_are_used_up():
    running = queue(FakeRunner(World(outcome=crash())), on_failure="retry 2")
    running.submit_trial(info())
    ((_, got),) = rest(running)
    assert got.additional_info["runwright"]["attempts"] == 3


def test_a_submission_that_fails_is_that_trials_alone():
    running = queue(FakeRunner().plan("run", SubmitError("the queue is full")), on_failure=ONCE)
    running.submit_trial(info(0))
    running.submit_trial(info(1))
    results = {told.config["x"]: got for told, got in rest(running)}
    assert results[0].additional_info["error"] == "it could not be started: the queue is full"
    assert results[1].status is SUCCESS


def test_a_retry_later_on_is_waited_for():
    running = queue(FakeRunner().plan("run", SubmitError("full")), on_failure="retry 1")
    running.submit_trial(info())
    running.wait()
    ((_, got),) = running.iter_results()
    assert got.status is SUCCESS
    assert 1.5 <= now(running) <= 2.0, "half a second to one was waited, then it took one"


def test_a_time_limit_is_a_timeout():
    running = queue(takes(a=FOREVER, b=1.0), limits=rw.Limits(timeout=3.0))
    for x in "ab":
        running.submit_trial(info(x))
    results = {told.config["x"]: got.status for told, got in rest(running)}
    assert results == {"a": rw.StatusType.TIMEOUT, "b": SUCCESS}
    assert now(running) == 3.0


# What may be submitted.


def test_an_open_experiment_takes_whatever_json_can_hold():
    seen = []

    def keep(config):
        seen.append(config)
        return 1.0

    config = {"layers": [3, 4], "nested": {"a": None}, "name": "-O2", "flag": True, "class:c/1": 0.5}
    with rw.TrialQueue(LocalMetadataRunner(keep)) as running:
        assert running.run(config)[0] is SUCCESS
        assert seen == [config]
        running.run({"other": 1})
        assert seen[1] == {"other": 1}
        assert Results(running.state)[0]["parameters"] == config
        columns, lines = table(running.state)
    assert [name for name in columns if name.startswith("parameters.")] == [
        *(f"parameters.{name}" for name in config),
        "parameters.other",
    ]
    assert lines[0][columns.index("parameters.layers")] == "[3, 4]"
    assert lines[0][columns.index("parameters.other")] is None


def test_in_an_open_experiment_each_point_says_how_the_function_is_called():
    def either(first, second=2.0):
        return first["z"] if isinstance(first, dict) else first + second

    with rw.TrialQueue(LocalMetadataRunner(either)) as running:
        assert running.run({"first": 1.0, "second": 5.0})[1] == 6.0
        assert running.run({"first": 1.0})[0] is SUCCESS
        assert running.run({"z": 4.0})[1] == 4.0
        status, _, _, told = running.run({"first": 1.0, "third": 3.0})
    assert status is CRASHED
    assert told["error"].startswith("the function 'test_in_an_open_experiment")
    assert "it takes no argument 'third'" in told["error"]


def test_declared_parameters_are_checked_before_anything_is_recorded():
    declared = rw.Experiment("declared", {"x": rw.Float(0, 1)}, {"y": "minimize"})
    running = queue(experiment=declared)
    for config, sentence in (({"x": 2}, "outside the bounds"), ({}, "missing"), ({"x": 0, "z": 1}, "no parameter")):
        with pytest.raises(UsageError, match=sentence):
            running.submit_trial(rw.TrialInfo(config))
    assert running.state.trials == []
    assert running.run({"x": 1})[0] is SUCCESS
    assert running.state.trials[0].parameters == {"x": 1.0}
    assert running.state.trials[0].source == "submitted"


def test_a_budget_must_be_positive():
    with pytest.raises(UsageError, match="the budget must be a positive number or None, not 0"):
        queue().run({"x": 1}, budget=0)


def test_a_trial_of_another_library_comes_back_as_it_is():
    running, foreign = queue(), SimpleNamespace(config={"x": 1}, instance=None, seed=4, budget=2.0)
    running.submit_trial(foreign)
    ((told, _),) = rest(running)
    assert told is foreign
    assert (running.state.trials[0].seed, running.state.trials[0].budget) == (4, 2.0)
    with pytest.raises(UsageError, match="a TrialInfo is submitted, not 3"):
        running.submit_trial(3)


def test_a_scheduler_refuses_an_experiment_without_parameters():
    with pytest.raises(UsageError, match="no parameters to search in; an OpenExperiment is for a TrialQueue"):
        rw.Scheduler(OPEN, RandomOptimizer(), FakeRunner(), trials=1)
    with pytest.raises(UsageError, match="needs at least one parameter"):
        rw.Experiment("none", {})


def test_an_open_experiment_is_the_same_when_it_is_read_back():
    again = rw.Experiment.from_dict(OPEN.to_dict())
    assert again == OPEN
    assert again.is_open
    assert not rw.Experiment("declared", {"x": rw.Float(0, 1)}).is_open


# The same twice.


def test_equal_submissions_are_evaluations_of_their_own():
    running = queue()
    first, second = info(1), info(1)
    running.submit_trial(first)
    running.submit_trial(second)
    results = rest(running)
    assert len(running.state.trials) == 2
    assert [told is given for (told, _), given in zip(results, (first, second), strict=True)] == [True, True]


def test_an_equal_submission_after_the_first_has_ended_is_evaluated_again():
    running = queue()
    running.run({"x": 1})
    running.run({"x": 1})
    assert len(running.state.trials) == 2


# Stop.


def test_stop_ends_a_running_trial():
    running = queue(takes(a=FOREVER, b=1.0))
    submitted = info("a")
    running.submit_trial(submitted)
    running.submit_trial(info("b"))
    assert running.stop(info("a"), "not promising")
    results = {told.config["x"]: got for told, got in rest(running)}
    assert (results["a"].status, results["a"].cost) == (CRASHED, math.inf)
    assert results["a"].additional_info["error"] == "not promising"
    assert results["a"].additional_info["runwright"]["status"] == "ABANDONED"
    assert results["b"].status is SUCCESS
    assert not running.stop(submitted), "it has ended"


def test_of_equal_trials_that_very_object_is_stopped():
    running = queue(takes(a=FOREVER))
    first, second = info("a"), info("a")
    running.submit_trial(first)
    running.submit_trial(second)
    assert running.stop(second)
    running.wait()
    ((told, got),) = running.iter_results()
    assert told is second
    assert got.additional_info["error"] == "the loop that submitted it stopped it"


def test_stop_of_what_waits_for_a_retry():
    running = queue(FakeRunner().plan("run", SubmitError("full")), on_failure="retry 1")
    running.submit_trial(info())
    running.wait(timeout=0.25)
    assert running.stop(info(), "enough")
    assert [got.additional_info["error"] for _, got in running.iter_results()] == ["enough"]
    assert now(running) == 0.25


def test_a_runner_that_cannot_stop_says_so():
    running = queue(FakeRunner(World(seconds=5.0), stops=False))
    running.submit_trial(info())
    with pytest.raises(UsageError, match="FakeRunner cannot stop a trial that has begun; wait for its end"):
        running.stop(info())


# Another life on the same directory.


def lives(world: World, **traits: Any) -> Any:
    """Queues one after the other on one journal, on runners of one world."""
    journal = MemoryJournal(encoded=True)

    def live(**settings: Any) -> rw.TrialQueue:
        return queue(FakeRunner(world, **traits), journal=journal, **settings)

    return live


def test_what_has_ended_is_answered_from_the_journal():
    world = World(outcome=lambda t: value(float(t.parameters["x"])))
    live = lives(world)
    with live() as first:
        assert [first.run({"x": x})[1] for x in (1, 2)] == [1.0, 2.0]
    with live() as second:
        submitted = info(2)
        second.submit_trial(submitted)
        assert [(told is submitted, got.cost) for told, got in second.iter_results()] == [(True, 2.0)]
        assert second.run({"x": 1})[1] == 1.0
        assert second.run({"x": 3})[1] == 3.0
        check(second)
    assert set(world.starts) == {(0, 1), (1, 1), (2, 1)}, "nothing was evaluated twice"


def test_another_seed_budget_or_instance_is_another_trial():
    live = lives(World())
    with live() as first:
        first.run({"x": 1}, seed=1)
    with live() as second:
        for more in ({"seed": 2}, {"seed": 1, "budget": 2}, {"seed": 1, "instance": "i"}, {}):
            second.run({"x": 1}, **more)
        assert len(second.state.trials) == 5


def test_what_failed_is_answered_with_its_failure():
    live = lives(World(outcome=crash("segfault")))
    with live() as first:
        first.run({"x": 1})
    with live(crash_cost=3) as second:
        status, cost, _, told = second.run({"x": 1})
        assert (status, cost, told["error"]) == (CRASHED, 3.0, "segfault")
        assert len(second.state.trials) == 1


def test_what_still_runs_is_followed():
    world = World(seconds=5.0)
    live = lives(world, survives_driver=True)
    with live() as first:
        first.submit_trial(info(1))
        first.wait(timeout=2.0)
    with live() as second:
        assert second.count_available_workers() == 1, "it holds its slot"
        assert not second.is_running(), "nobody has submitted it to this queue yet"
        assert second.unclaimed() == [info(1)]
        second.submit_trial(info(1))
        assert second.unclaimed() == []
        ((told, _),) = rest(second)
        assert (told, now(second)) == (info(1), 5.0)
        check(second)
    assert world.starts == {(0, 1): 1}


def test_what_died_with_its_driver_is_repeated():
    world = World(seconds=5.0)
    live = lives(world)
    with live() as first:
        first.submit_trial(info(1))
        first.wait(timeout=2.0)
    world.jobs.clear()
    with live() as second:
        second.submit_trial(info(1))
        ((_, got),) = rest(second)
        assert got.additional_info["runwright"]["attempts"] == 2
    assert world.starts == {(0, 1): 1, (0, 2): 1}


def test_what_nobody_submits_again_is_executed_to_its_end_and_told_to_nobody():
    live = lives(World(seconds=2.0), survives_driver=True)
    with live() as first:
        first.submit_trial(info(1))
    with live() as second:
        second.submit_trial(info(2))
        assert [told.config["x"] for told, _ in rest(second)] == [2]
        assert [trial.status.name for trial in second.state.trials] == ["COMPLETED", "COMPLETED"]
        assert second.unclaimed() == [info(1)]
        second.submit_trial(info(1))
        assert collect(second) == [1]


def test_the_nth_submission_of_a_content_is_its_nth_trial():
    world = World(outcome=lambda t: value(float(t.index)))
    live = lives(world)
    with live() as first:
        assert [first.run({"x": 1})[1] for _ in range(3)] == [0.0, 1.0, 2.0]
    with live() as second:
        assert [second.run({"x": 1})[1] for _ in range(4)] == [0.0, 1.0, 2.0, 3.0]


def test_declared_parameters_are_recognised_by_their_values():
    declared = rw.Experiment("declared", {"x": rw.Float(0, 2)}, {"y": "minimize"})
    live = lives(World())
    with live(experiment=declared) as first:
        first.run({"x": 1})
    with live(experiment=declared) as second:
        second.run({"x": 1.0})
        assert len(second.state.trials) == 1


def test_a_point_that_a_user_had_tried_meanwhile_is_answered_too(tmp_path):
    with queue(directory=tmp_path) as first:
        first.run({"x": 1})
    mailbox.post(tmp_path, {"kind": "enqueue", "points": [{"x": 7}]})
    with queue(directory=tmp_path) as second:
        second.run({"x": 2})
        assert {trial.source for trial in second.state.trials} == {"submitted", "enqueued"}
    with queue(directory=tmp_path) as third:
        assert third.unclaimed() == [info(1), info(7), info(2)]
        third.run({"x": 7})
        assert len(third.state.trials) == 3
        mailbox.post(tmp_path, {"kind": "enqueue", "points": [{"x": 8}]})
        third.wait()
        third.run({"x": 8})
        assert len(third.state.trials) == 4, "also what is asked for while the loop works"


def test_another_experiment_or_a_scheduler_is_refused_on_the_same_directory(tmp_path):
    with queue(directory=tmp_path) as first:
        first.run({"x": 1})
    other = rw.OpenExperiment("loop", {"z": "minimize"}, seed=3)
    with pytest.raises(ExperimentChangedError, match=r"objectives\.y is gone; objectives\.z is new"):
        queue(directory=tmp_path, experiment=other)
    declared = rw.Experiment("loop", {"x": rw.Float(0, 1)}, {"y": "minimize"}, seed=3)
    with pytest.raises(ExperimentChangedError, match="open is gone"):
        rw.Scheduler(declared, RandomOptimizer(), FakeRunner(), directory=tmp_path, trials=1, clock=VirtualClock())


def test_run_that_was_cut_short_can_be_taken_up_in_the_same_life():
    runner = takes(a=4.0)
    running = queue(runner)
    runner.plan("wait", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        running.run({"x": "a"})
    assert not running.is_running()
    assert running.run({"x": "a"})[0] is SUCCESS
    assert len(running.state.trials) == 1
    check(running)


def test_ctrl_c_while_a_slot_is_waited_for_leaves_nothing_half_done():
    runner = takes(a=4.0, b=4.0, c=1.0)
    running = queue(runner)
    running.submit_trial(info("a"))
    running.submit_trial(info("b"))
    runner.plan("wait", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        running.submit_trial(info("c"))
    assert len(running.state.trials) == 2
    assert [told.config["x"] for told, _ in rest(running)] == ["a", "b"]
    check(running)


def test_ctrl_c_in_a_serial_evaluation_repeats_it():
    came = iter([KeyboardInterrupt(), 3.0])

    def slow(config):
        step = next(came)
        if isinstance(step, BaseException):
            raise step
        return step

    with rw.TrialQueue(LocalMetadataRunner(slow)) as serial:
        with pytest.raises(KeyboardInterrupt):
            serial.submit_trial(info(1))
        ((told, got),) = rest(serial)
        assert (told, got.cost) == (info(1), 3.0)
        assert [a.outcome.name for a in serial.state.trials[0].attempts] == ["INTERRUPTED"]
        check(serial)


def test_a_journal_that_fails_ends_the_queue_and_close_is_clean(tmp_path):
    running = queue(directory=tmp_path)
    running.run({"x": 1})
    running._session.journal.close()
    with pytest.raises(JournalError):
        running.run({"x": 2})
    with pytest.raises(JournalError, match="could not be recorded"):
        running.run({"x": 2})
    running.close()
    with queue(directory=tmp_path) as again:
        assert again.run({"x": 1})[0] is SUCCESS
        assert len(again.state.trials) == 1


def test_close_is_idempotent_and_final():
    runner = FakeRunner(World(seconds=9.0), survives_driver=True)
    running = queue(runner)
    running.submit_trial(info(1))
    running.close()
    running.close()
    assert runner.closed == 1
    assert events(running)[-1].kind == "Detached"
    for call in (running.wait, running.is_running, running.iter_results, running.count_available_workers):
        with pytest.raises(UsageError, match="this queue is closed; open another one on the same directory"):
            call()
    with pytest.raises(UsageError, match="closed"):
        running.submit_trial(info(2))


def test_meta_is_the_same_in_every_process():
    assert queue().meta == {"name": "TrialQueue", "runner": {"name": "FakeRunner"}}


# Requests of other processes.


def test_a_trial_can_be_stopped_from_outside(tmp_path):
    with queue(takes(a=FOREVER, b=1.0), directory=tmp_path) as running:
        running.submit_trial(info("a"))
        mailbox.post(tmp_path, {"kind": "stop", "trial": 0, "reason": "its machine is needed"})
        ((told, got),) = rest(running)
        assert (told.config["x"], got.status) == ("a", CRASHED)
        assert got.additional_info["error"] == "its machine is needed"


@pytest.mark.parametrize("traits", [{}, {"survives_driver": True}, {"survives_driver": True, "stops": False}])
def test_a_user_can_stop_the_whole_experiment(tmp_path, traits):
    world = World(seconds=lambda trial: 5.0)
    with queue(FakeRunner(world, **traits), directory=tmp_path) as running:
        running.submit_trial(info("a"))
        mailbox.post(tmp_path, {"kind": "stop", "reason": "lunch"})
        with pytest.raises(StoppedError, match="lunch; another queue on the same directory goes on from there"):
            running.wait()
        with pytest.raises(StoppedError):
            running.submit_trial(info("b"))
        left = "RUNNING" if traits.get("stops") is False else "CANDIDATE"
        assert running.state.trials[0].status.name == left
    with queue(FakeRunner(world, **traits), directory=tmp_path) as again:
        again.submit_trial(info("a"))
        ((_, got),) = rest(again)
        assert got.status is SUCCESS
    State.of(read_events(tmp_path / "journal.sqlite")).check()


def test_a_failed_trial_that_a_user_had_run_again_is_answered_anew(tmp_path):
    world = World(outcome=crash())
    with queue(FakeRunner(world), directory=tmp_path) as first:
        first.run({"x": 1})
    world.outcome = value(0.5)
    mailbox.post(tmp_path, {"kind": "rerun", "trial": 0})
    with queue(FakeRunner(world), directory=tmp_path) as second:
        assert second.run({"x": 1})[:2] == (SUCCESS, 0.5)


# Its parts.


def test_what_stands_for_the_optimizer_is_one_that_proposes_nothing():
    collector = Collector()
    assert isinstance(collector, rw.Optimizer)
    assert collector.ask(0) is None
    assert collector.restore([]).exact
    assert collector.describe() == {"type": "queue"}


def test_a_trial_that_has_not_ended_is_running():
    assert status_of(OPEN.new_trial(0, [{"x": 1}])) is rw.StatusType.RUNNING


def test_a_batch_on_record_is_nobodys_submission():
    claims = Claims([OPEN.new_trial(0, [{"x": 1}, {"x": 2}]), OPEN.new_trial(1, [{"x": 3}])])
    assert claims.left() == [1]


# Real runners.


def test_simulated_trials_take_simulated_time():
    machine = BackendSimulator(BackendSimulatorOptions(max_concurrency=2))
    runner = SimulatedBackendRunner(
        machine, lambda trial: trial.parameters["x"], evaluation_function=lambda x: x * 10.0
    )
    with rw.TrialQueue(runner) as running:
        assert running.count_available_workers() == 2
        for x in (3000.0, 1000.0, 500.0):
            running.submit_trial(info(x))
        assert now(running) == 1000.0, "the third waited for a slot"
        order = []
        while running.is_running():
            running.wait()
            order += [(told.config["x"], got.cost, got.time) for told, got in running.iter_results()]
        assert order == [(1000.0, 10000.0, 1000.0), (500.0, 5000.0, 500.0), (3000.0, 30000.0, 3000.0)]
        assert now(running) == 3000.0


@pytest.mark.slow
def test_a_pool_with_limits_and_deaths(tmp_path):
    runner = PoolRunner(f"{queue_functions.__file__}:misbehave", workers=2)
    with rw.TrialQueue(runner, directory=tmp_path, limits=rw.Limits(timeout=0.3)) as running:
        assert running.count_available_workers() == 2
        for how in ("hang", "crash", "die", "work", "work"):
            running.submit_trial(rw.TrialInfo({"how": how}))
        results = rest(running)
    told = {(trial.config["how"], got.status.name) for trial, got in results}
    assert told == {("hang", "TIMEOUT"), ("crash", "CRASHED"), ("die", "CRASHED"), ("work", "SUCCESS")}
    assert len(results) == 5
    State.of(read_events(tmp_path / "journal.sqlite")).check()


@pytest.mark.slow
def test_a_running_pool_trial_is_stopped_and_the_queue_goes_on(tmp_path):
    began, go = tmp_path / "began", tmp_path / "go"
    os.mkfifo(go)
    with rw.TrialQueue(PoolRunner(f"{queue_functions.__file__}:hold", workers=1)) as running:
        held = rw.TrialInfo({"began": str(began), "go": str(go)})
        running.submit_trial(held)
        while not began.exists():
            running.wait(timeout=0.01)
        assert running.stop(held, "enough")
        ((told, got),) = rest(running)
        assert (told, got.additional_info["error"]) == (held, "enough")
        running.submit_trial(held)
        go.write_text("go")
        ((_, got),) = rest(running)
        assert got.status is SUCCESS


COMMAND = ["/bin/sh", "-c", 'printf \'{{"y": %s}}\' "$1" > "$RUNWRIGHT_RESULT"; echo "$2"', "sh", "{x}", "{list}"]


@pytest.mark.slow
def test_commands_of_an_open_experiment(tmp_path):
    with rw.TrialQueue(ProcessRunner(COMMAND, workers=2), OPEN, directory=tmp_path) as running:
        running.submit_trial(rw.TrialInfo({"x": 0.5, "list": [1, "zwölf"]}, seed=3))
        running.submit_trial(rw.TrialInfo({"x": 0.5}))
        results = {got.additional_info["runwright"]["trial"]: got for _, got in rest(running)}
    assert results[0].cost == 0.5
    assert Path(tmp_path, "trials/0/1/stdout.log").read_text() == '[1, "zwölf"]\n'
    assert results[1].status is CRASHED
    assert "the command asks for {list}, but this trial has no list" in results[1].additional_info["error"]


@pytest.mark.slow
def test_functions_in_processes_survive_the_queue(tmp_path):
    began, go = tmp_path / "began", tmp_path / "go"
    os.mkfifo(go)
    held = rw.TrialInfo({"began": str(began), "go": str(go)})

    def live() -> rw.TrialQueue:
        runner = ProcessRunner(function=f"{queue_functions.__file__}:hold", workers=1)
        return rw.TrialQueue(runner, directory=tmp_path / "run")

    with live() as first:
        first.submit_trial(held)
        while not began.exists():
            first.wait(timeout=0.01)
    with live() as second:
        second.submit_trial(held)
        assert second.is_running()
        go.write_text("go")
        ((_, got),) = rest(second)
        assert (got.status, got.additional_info["runwright"]["attempts"]) == (SUCCESS, 1)
