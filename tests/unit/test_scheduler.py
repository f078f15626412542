"""The driver: what it refuses, how it ends, leaves, is asked by others, and goes on, in virtual time."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise

import pytest

from runwright import mailbox
from runwright.clock import SystemClock, VirtualClock
from runwright.errors import (
    ContractError,
    DirectoryInUseError,
    ExperimentChangedError,
    JournalError,
    SubmitError,
    UsageError,
)
from runwright.events import EVENTS
from runwright.experiment import Choice, Experiment, Float
from runwright.journal import MemoryJournal
from runwright.loop.policy import Policy
from runwright.loop.scheduler import Scheduler
from runwright.optimizer import Asked, Attached, Observation, Suggestion
from runwright.optimizers import RandomOptimizer
from runwright.result import Result
from runwright.runner import Limits
from runwright.runners import LocalMetadataRunner, SimulatedBackendRunner
from runwright.simulation import BackendSimulator
from runwright.state import State
from runwright.status import FailureKind, StopCause, StopReason, TrialStatus
from tests.fakes import FOREVER, GO_ON, FakeRunner, ListOptimizer, World, crash, value
from tests.unit.driving import EXPERIMENT, check, events, kinds, one, points, run, scheduler, statuses

S = TrialStatus


def at(state_is, do):
    """A listener that does something the first time that the state is so."""
    done = []

    def listen(state, news):
        if not done and state_is(state):
            done.append(True)
            do()

    return listen


# What does not fit together is refused before anything is started.


@pytest.mark.parametrize(
    ("runner", "settings", "sentence"),
    [
        (FakeRunner(measures=False), {}, "FakeRunner measures nothing, but the experiment has objectives"),
        (
            FakeRunner(),
            {"experiment": Experiment("e", {"x": Float(0, 1)})},
            "the experiment has no objectives: say what to minimize or maximize",
        ),
        (FakeRunner(stops=False), {"limits": Limits(timeout=1)}, "FakeRunner cannot enforce a time limit"),
        (FakeRunner(), {"limits": Limits(memory=2**30)}, "FakeRunner cannot enforce a memory limit"),
        (FakeRunner(), {"enqueue": [{"x": 7}]}, "parameter 'x': the value 7.0 is outside the bounds"),
        (FakeRunner(), {"enqueue": [1]}, "enqueue is a list of mappings of parameter names to values, which 1 is not"),
        (FakeRunner(), {"enqueue": {"x": 1}}, "enqueue is a list of mappings of .*, which 'x' is not"),
        (FakeRunner(), {"enqueue": 5}, "enqueue is a list of mappings of .*, which 5 is not"),
        (FakeRunner(), {"enqueue": [{"z": 0}]}, "parameter 'x' is missing in this point"),
        (FakeRunner(), {"parallel": 0}, "parallel must be at least 1, not 0"),
    ],
)
def test_parts_that_do_not_fit_are_refused(runner, settings, sentence):
    with pytest.raises(UsageError, match=sentence):
        scheduler(runner, **settings)
    assert runner.calls == []


def test_limits_that_the_runner_enforces_are_accepted():
    runner = FakeRunner(stops=False, enforces=frozenset({"timeout", "memory"}))
    driver = run(runner, limits=Limits(timeout=5, memory=2**30))
    assert runner.context.limits == Limits(timeout=5, memory=2**30)
    assert statuses(driver) == ["COMPLETED"]


def test_an_experiment_that_nothing_limits_is_refused():
    driver = scheduler(FakeRunner(), policy=Policy())
    with pytest.raises(UsageError, match="nothing limits this experiment: say how many trials, or how many in paral"):
        driver.run()
    assert events(driver) == []
    driver = run(FakeRunner(capacity=2), 3, policy=Policy())
    assert statuses(driver) == ["COMPLETED"] * 3, "the runner's capacity is a limit"


def test_keywords_change_single_fields_of_the_policy():
    driver = scheduler(
        FakeRunner(), policy=Policy(trials=9, on_failure="retry 1", seconds=5.0), parallel=2, on_failure="retry 3"
    )
    assert driver.policy == Policy(trials=9, on_failure="retry 3", seconds=5.0, parallel=2)


def test_the_clock_is_that_of_the_runner():
    simulated = SimulatedBackendRunner(BackendSimulator(), evaluation_function=lambda x: x)
    for runner, kind in ((simulated, VirtualClock), (LocalMetadataRunner(lambda x: x), SystemClock)):
        with Scheduler(EXPERIMENT, ListOptimizer(), runner) as driver:
            assert isinstance(driver._clock, kind)


# How an experiment ends.


def test_it_ends_when_all_trials_have_ended():
    driver = run(FakeRunner(), 99, trials=3)
    assert statuses(driver) == ["COMPLETED"] * 3
    assert (driver.state.stop_reason, driver.state.stop_message) == (StopReason.TRIALS, "all 3 trials have ended")
    assert driver.left_by is None


def test_it_ends_when_the_optimizer_is_exhausted():
    driver = run(FakeRunner(), 2, parallel=1)
    assert driver.state.stop_reason is StopReason.EXHAUSTED
    assert driver.optimizer.asked == [0, 1, 2]


def test_none_means_ask_again_after_the_next_result():
    first, second, third = points(3)
    optimizer = ListOptimizer(first, None, second, None, third, None)
    driver = run(FakeRunner(), optimizer, parallel=4)
    assert statuses(driver) == ["COMPLETED"] * 3
    assert [event.time for event in events(driver) if event.kind == "TrialAsked"] == [0.0, 1.0, 2.0]
    assert driver.state.stop_reason is StopReason.EXHAUSTED, "None where no result will come is the end"


def test_none_while_a_retry_waits_is_not_the_end():
    runner = FakeRunner().plan("run", SubmitError("full"))
    driver = run(runner, ListOptimizer(points(2)[0], None, points(2)[1]), on_failure="retry 1")
    assert statuses(driver) == ["COMPLETED", "COMPLETED"]


def test_it_ends_when_its_time_is_used_up_and_what_runs_is_repeated_once_there_is_more():
    journal, world = MemoryJournal(), World(seconds=4.0)
    driver = run(FakeRunner(world), 99, policy=Policy(seconds=6.0, parallel=1), journal=journal)
    assert driver.state.stop_message == "its time of 6 s is used up"
    assert one(driver, "ExperimentEnded").time == 6.0
    assert [event.time for event in events(driver) if event.kind == "Finished"] == [4.0]
    assert one(driver, "Interrupted").time == driver.state.last_time == 6.0
    assert one(driver, "Interrupted").reason == "its time of 6 s is used up"
    driver = run(FakeRunner(world), 99, policy=Policy(trials=2, seconds=20.0, parallel=1), journal=journal)
    assert statuses(driver) == ["COMPLETED"] * 2
    assert [event.time for event in events(driver) if event.kind == "Finished"] == [4.0, 10.0]


def test_a_runner_that_cannot_stop_trials_lets_them_finish_when_the_time_is_used_up():
    runner = FakeRunner(World(seconds=4.0), stops=False)
    driver = run(runner, 99, policy=Policy(seconds=6.0, parallel=1))
    assert [event.time for event in events(driver) if event.kind == "Finished"] == [4.0, 8.0]


def test_it_ends_when_too_many_trials_fail_and_starts_nothing_more():
    outcome = lambda trial: crash() if trial.index % 2 else value(1.0)  # noqa: E731
    driver = run(FakeRunner(World(outcome=outcome)), 99, policy=Policy(parallel=1, failure_rate=0.4))
    assert statuses(driver) == ["COMPLETED", "FAILED"] * 3
    assert driver.state.stop_message == "3 of 6 ended trials failed, more than the failure rate of 0.4"


# Optimizers.


def test_an_error_of_the_optimizer_ends_the_run_and_costs_no_fact():
    optimizer = ListOptimizer(points(1)[0], ValueError("singular matrix"))
    driver = scheduler(FakeRunner(), optimizer, parallel=1)
    with pytest.raises(ValueError, match="singular matrix"):
        driver.run()
    assert kinds(driver, 0) == ["TrialAsked", "DeployStarted", "Deployed", "Finished", "Told"]
    check(driver)


def test_a_tell_that_raises_is_repeated_by_the_next_driver():
    def refuse(observation):
        raise ValueError("singular matrix")

    optimizer, journal = ListOptimizer(*points(1)), MemoryJournal(encoded=True)
    optimizer.on_tell = refuse
    driver = scheduler(FakeRunner(), optimizer, journal=journal)
    with pytest.raises(ValueError, match="singular"):
        driver.run()
    assert kinds(driver, 0)[-1] == "Finished"
    driver = run(FakeRunner(), 0, journal=journal)
    assert [told.trial for told in driver.optimizer.told] == [0]


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        ({"x": 2.0}, "the optimizer proposed a point that is none: parameter 'x': the value 2.0 is outside the bounds"),
        ({}, "the optimizer proposed a point that is none: parameter 'x' is missing"),
        ({"x": 0.0, "z": 1}, "the optimizer proposed a point that is none: 'z' is no parameter"),
    ],
)
def test_an_invalid_point_is_the_optimizers_fault(point, sentence):
    driver = scheduler(FakeRunner(), ListOptimizer(points(1)[0], point))
    with pytest.raises(ContractError, match=sentence):
        driver.run()
    assert statuses(driver) == ["CANDIDATE"], "what was asked before is kept"
    check(driver)


def test_what_a_suggestion_says_beside_the_point_reaches_the_trial():
    driver = run(FakeRunner(), ListOptimizer(Suggestion({"x": 0.5}, instance="i", budget=0.25, seed=7)))
    (trial,) = driver.state.trials
    assert (trial.instance, trial.budget, trial.seed) == ("i", 0.25, 7)
    (told,) = driver.optimizer.told
    assert told == Observation(0, {"x": 0.5}, S.COMPLETED, {"y": (0.5, None)}, None, "i", 0.25, 7)


def test_only_a_completed_trial_is_told_with_measurements():
    outcome = lambda trial: crash() if trial.index else value(1.0)  # noqa: E731
    driver = run(FakeRunner(World(outcome=outcome)), 2)
    assert [(told.status, told.metrics, told.failure is None) for told in driver.optimizer.told] == [
        (S.COMPLETED, {"y": (1.0, None)}, True),
        (S.FAILED, {}, False),
    ]


@pytest.mark.parametrize("rebuild", ["history", "replay"])
def test_an_optimizer_is_given_its_history(rebuild):
    journal = MemoryJournal(encoded=True)
    enqueue = [{"x": 0.75}]
    run(FakeRunner(), 2, journal=journal, enqueue=enqueue, parallel=1)
    optimizer = ListOptimizer(rebuild=rebuild)
    optimizer.exact = False
    driver = run(FakeRunner(), optimizer, journal=journal, enqueue=enqueue)
    first, second = points(2)
    told = [Observation(i, p, S.COMPLETED, {"y": (0.5, None)}) for i, p in enumerate([enqueue[0], first, second])]
    assert optimizer.restored == [
        Attached(0, Suggestion(enqueue[0])),
        told[0],
        Asked(1, Suggestion(first)),
        told[1],
        Asked(2, Suggestion(second)),
        told[2],
    ]
    assert driver.state.notes == ["the optimizer was rebuilt, not exactly: as the test says"]
    assert len(driver.state.trials) == 3, "what was enqueued is not enqueued again"


def test_a_stateless_optimizer_needs_no_history():
    journal = MemoryJournal(encoded=True)
    run(FakeRunner(), 1, journal=journal)
    driver = run(FakeRunner(), ListOptimizer(rebuild="stateless"), journal=journal)
    assert "OptimizerRebuilt" not in kinds(driver)


# Points that must be tried first.


def test_enqueued_points_come_first_and_each_once():
    journal = MemoryJournal(encoded=True)
    twice = [{"x": 1.0}, {"x": 1.0}]
    driver = run(FakeRunner(), 1, journal=journal, enqueue=twice, trials=3)
    assert [trial.parameters["x"] for trial in driver.state.trials] == [1.0, 1.0, 0.0]
    assert [trial.source for trial in driver.state.trials] == ["enqueued", "enqueued", "optimizer"]
    assert driver.optimizer.attached == [0, 1]
    driver = run(FakeRunner(), 0, journal=journal, enqueue=[*twice, {"x": 0.25}])
    assert [trial.parameters["x"] for trial in driver.state.trials] == [1.0, 1.0, 0.0, 0.25]


# Going on.


def test_more_trials_are_accepted_by_the_same_and_by_the_next_driver():
    journal = MemoryJournal(encoded=True)
    driver = scheduler(FakeRunner(), 9, journal=journal, trials=2)
    assert len(driver.run()) == 2
    assert len(driver.run(4)) == 4
    assert driver.state.policy["trials"] == 4
    driver = run(FakeRunner(), ListOptimizer(*points(9)[4:]), journal=journal, trials=5, parallel=1)
    assert (statuses(driver), driver.state.stop_reason) == (["COMPLETED"] * 5, StopReason.TRIALS)
    assert [event.policy["trials"] for event in events(driver) if event.kind == "DriverStarted"] == [2, 4, 5]
    assert len(run(FakeRunner(), 0, journal=journal, trials=5).results()) == 5, "nothing is left to do"


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (
            Experiment("fake", {"x": Float(0, 2)}, {"y": "minimize"}, seed=3),
            r"parameters.x.bounds: \[0.0, 1.0\] became",
        ),
        (Experiment("fake", {"x": Float(0, 1), "z": Float(0, 1)}, {"y": "minimize"}, seed=3), "parameters.z is new"),
        (
            Experiment("fake", {"z": Float(0, 1)}, {"y": "minimize"}, seed=3),
            "parameters.x is gone; parameters.z is new",
        ),
        (Experiment("fake", {"x": Float(0, 1)}, {"y": "maximize"}, seed=3), "objectives.y: 'minimize' became 'maximi"),
        (Experiment("fake", {"x": Choice([0, 1])}, {"y": "minimize"}, seed=3), "parameters.x.type: 'float' became"),
        (
            Experiment("fake", {"x": Float(0, 1, default=0.5)}, {"y": "minimize"}, seed=3),
            r"parameters\.x\.default: null became 0\.5",
        ),
        (Experiment("other", {"x": Float(0, 1)}, {"y": "minimize"}, seed=4), "name: .*; seed: 3 became 4"),
    ],
)
def test_another_definition_is_refused_with_the_difference(tmp_path, other, difference):
    run(FakeRunner(), directory=tmp_path).close()
    with pytest.raises(ExperimentChangedError, match=difference) as raised:
        scheduler(FakeRunner(), directory=tmp_path, experiment=other)
    assert f"{tmp_path} was started with another definition" in str(raised.value)
    scheduler(FakeRunner(), directory=tmp_path).close()


def test_of_many_differences_some_are_shown():
    journal = MemoryJournal(encoded=True)
    run(FakeRunner(), journal=journal)
    other = Experiment("fake", {f"p{i}": Float(0, 1) for i in range(9)}, {"y": "minimize"}, seed=3)
    with pytest.raises(ExperimentChangedError, match=r"the journal was started .*; and 5 more\)"):
        scheduler(FakeRunner(), journal=journal, experiment=other)


def test_another_optimizer_is_refused(tmp_path):
    class Other(ListOptimizer):
        def describe(self):
            return {"type": "other"}

    journal = MemoryJournal(encoded=True)
    run(FakeRunner(), journal=journal)
    with pytest.raises(ExperimentChangedError, match=r"optimizer\.type: 'list' became 'other'"):
        scheduler(FakeRunner(), Other(), journal=journal)


def test_another_runner_may_go_on_once_nothing_is_left_with_the_first():
    class Other(FakeRunner):
        pass

    journal, world = MemoryJournal(encoded=True), World()
    driver = scheduler(FakeRunner(world, survives_driver=True).plan("wait", KeyboardInterrupt()), journal=journal)
    with pytest.raises(KeyboardInterrupt):
        driver.run()
    with pytest.raises(ExperimentChangedError, match=r"runner\.type: 'FakeRunner' became 'Other'"):
        scheduler(Other(world), journal=journal)
    run(FakeRunner(world, survives_driver=True), 0, journal=journal)
    assert len(run(Other(world), ListOptimizer(*points(2)), journal=journal).state.trials) == 3


def test_the_order_in_which_parameters_are_written_changes_no_suggestion():
    parameters = {"a": Float(0, 1), "b": Float(0, 1)}
    other = dict(reversed(parameters.items()))
    journal, straight = MemoryJournal(encoded=True), MemoryJournal(encoded=True)

    def go_on(journal, parameters, trials):
        experiment = Experiment("order", parameters, {"y": "minimize"})
        run(FakeRunner(), RandomOptimizer(), journal=journal, experiment=experiment, trials=trials)

    go_on(journal, parameters, 2)
    go_on(journal, other, 4)
    go_on(straight, parameters, 4)
    asked = [[e.points for e in j.read() if e.kind == "TrialAsked"] for j in (journal, straight)]
    assert asked[0] == asked[1]


# Interrupted in the midst.


def test_an_interrupted_evaluation_in_this_process_is_repeated_as_another_attempt(tmp_path):
    calls = []

    def evaluate(x):
        calls.append(x)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return x

    settings = {"directory": tmp_path, "trials": 3, "clock": SystemClock()}
    with scheduler(LocalMetadataRunner(evaluate), RandomOptimizer(), **settings) as driver:
        with pytest.raises(KeyboardInterrupt):
            driver.run()
        check(driver)
        assert statuses(driver) == ["COMPLETED", "CANDIDATE"]
        assert kinds(driver, 1)[-1] == "Interrupted"
    with scheduler(LocalMetadataRunner(evaluate), RandomOptimizer(), **settings) as driver:
        driver.run()
        check(driver)
        assert statuses(driver) == ["COMPLETED"] * 3
        assert [trial.attempt for trial in driver.state.trials] == [1, 2, 1]
        assert calls[1] == calls[2], "the same point"
        assert str(driver.state.trials[1].attempts[0]) == "attempt 1 interrupted (the driver was interrupted)"


def test_after_an_interrupt_the_same_scheduler_may_go_on():
    calls = []

    def evaluate(x):
        calls.append(x)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return x

    driver = scheduler(LocalMetadataRunner(evaluate), 3, clock=SystemClock())
    with pytest.raises(KeyboardInterrupt):
        driver.run()
    driver.run()
    check(driver)
    assert [trial.attempt for trial in driver.state.trials] == [1, 2, 1]


class Failing(MemoryJournal):
    """Fails once, at an append of choice, before or after it has kept the events."""

    def __init__(self, number, error, *, kept):
        super().__init__(encoded=True)
        self.number, self.error, self.kept = number, error, kept

    def append(self, events):
        self.number -= 1
        if self.number == 0 and not self.kept:
            raise self.error
        super().append(events)
        if self.number == 0:
            raise self.error


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), JournalError("the disk is full")])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_nothing_follows_a_commit_that_was_cut_short(number, error, kept, inline):
    journal = Failing(number, error, kept=kept)
    world = World(seconds=0.0 if inline else 1.0)
    driver = scheduler(FakeRunner(world, inline=inline), 2, journal=journal, parallel=1)
    with pytest.raises(type(error)):
        driver.run()
    State.of(journal.read()).check()
    with pytest.raises(JournalError, match="what happened could not be recorded; open the experiment anew"):
        driver.run()
    world.jobs.clear()
    driver = run(FakeRunner(world, inline=inline), ListOptimizer(*points(2)), journal=journal, trials=2, parallel=1)
    assert statuses(driver) == ["COMPLETED"] * 2


@pytest.mark.parametrize("kind", ["TrialAsked", "DeployStarted", "Deployed", "Finished", "Told"])
def test_nothing_follows_an_event_that_was_cut_short(kind):
    journal = MemoryJournal(encoded=True)
    driver = scheduler(FakeRunner(World(seconds=0.0), inline=True), 2, journal=journal, parallel=1)
    fold = driver.state.fold

    whole = fold[EVENTS[kind]]

    def torn(event):
        whole(event)
        raise KeyboardInterrupt

    fold[EVENTS[kind]] = torn
    with pytest.raises(KeyboardInterrupt):
        driver.run()
    State.of(journal.read()).check()
    driver = run(FakeRunner(World(seconds=0.0), inline=True), ListOptimizer(*points(2)), journal=journal, trials=2)
    assert statuses(driver) == ["COMPLETED"] * 2


# Leaving.


def leave(how, world, runner, proposals=2, **settings):
    driver = scheduler(runner, proposals, **settings)
    driver.run(on_turn=at(lambda state: len(state.running) == 2, getattr(driver, how)))
    check(driver)
    assert driver.left_by == how or not runner.traits.stops
    return driver


def test_drain_starts_nothing_more_and_waits_for_what_runs():
    driver = leave("drain", None, FakeRunner(World(seconds=3.0)), 9, parallel=2)
    assert statuses(driver) == ["COMPLETED", "COMPLETED"]
    assert driver.state.stop_reason is None, "the experiment has not ended"


@pytest.mark.parametrize("survives", [True, False])
def test_interrupt_ends_what_runs_and_the_next_driver_repeats_it(survives):
    world, journal = World(seconds=9.0), MemoryJournal(encoded=True)
    driver = leave("interrupt", world, FakeRunner(world, survives_driver=survives), 9, parallel=2, journal=journal)
    assert statuses(driver) == ["CANDIDATE", "CANDIDATE"]
    assert kinds(driver, 0)[-2:] == ["StopRequested", "Interrupted"]
    driver = run(FakeRunner(world, survives_driver=survives), 0, journal=journal)
    assert (statuses(driver), [t.attempt for t in driver.state.trials]) == (["COMPLETED"] * 2, [2, 2])
    assert [t.failures for t in driver.state.trials] == [0, 0]


def test_interrupt_waits_until_the_end_is_confirmed():
    world = World(seconds=9.0, stubborn={1})
    driver = leave("interrupt", world, FakeRunner(world))
    assert statuses(driver) == ["CANDIDATE", "COMPLETED"]
    assert one(driver, "Interrupted").time < 1.0
    assert one(driver, "Finished").time == 9.0


def test_detach_leaves_running_what_survives():
    world, journal = World(seconds=9.0), MemoryJournal(encoded=True)
    driver = leave("detach", world, FakeRunner(world, survives_driver=True), journal=journal)
    assert (statuses(driver), driver.state.detached) == (["RUNNING", "RUNNING"], {0, 1})
    assert kinds(driver, 1)[-1] == "Detached"
    driver = run(FakeRunner(world, survives_driver=True), 0, journal=journal)
    assert (statuses(driver), driver.state.detached) == (["COMPLETED"] * 2, set())
    assert set(world.starts.values()) == {1}


def test_detach_interrupts_what_does_not_survive():
    world = World(seconds=9.0)
    driver = leave("detach", world, FakeRunner(world))
    assert (statuses(driver), driver.state.detached) == (["CANDIDATE", "CANDIDATE"], set())


def test_what_cannot_be_stopped_dies_with_the_driver():
    driver = leave("interrupt", None, FakeRunner(World(seconds=9.0), stops=False))
    assert kinds(driver, 0)[-2:] == ["Deployed", "Interrupted"]


def test_what_cannot_be_stopped_and_survives_is_left_running():
    world, journal = World(seconds=9.0), MemoryJournal(encoded=True)
    traits = {"stops": False, "survives_driver": True}
    driver = leave("interrupt", world, FakeRunner(world, **traits), journal=journal)
    assert driver.state.detached == {0, 1}
    driver = run(FakeRunner(world, **traits), 0, journal=journal)
    assert (statuses(driver), set(world.starts.values())) == (["COMPLETED"] * 2, {1})


def test_leaving_between_attempts_leaves_the_retry_to_the_next_driver():
    journal = MemoryJournal(encoded=True)
    runner = FakeRunner().plan("run", SubmitError("full"))
    driver = scheduler(runner, 1, journal=journal, on_failure="retry 1")
    driver.run(on_turn=at(lambda state: state.delayed, driver.drain))
    assert statuses(driver) == ["CANDIDATE"]
    assert statuses(run(FakeRunner(), 0, journal=journal, on_failure="retry 1")) == ["COMPLETED"]


# Requests of other processes.


def asked(directory, *bodies, proposals=2, world=None, when=None, **settings):
    """A run during which other processes leave requests."""
    driver = scheduler(FakeRunner(world or World(seconds=9.0)), proposals, directory=directory, **settings)
    post = lambda: [mailbox.post(directory, body) for body in bodies]  # noqa: E731
    driver.run(on_turn=at(when or (lambda state: len(state.running) == 2), post))
    check(driver)
    assert mailbox.waiting(directory) == []
    return driver


def refusals(driver):
    return [event.refused for event in events(driver) if event.kind == "RequestTaken"]


def test_stop_a_trial(tmp_path):
    with asked(tmp_path, {"kind": "stop", "trial": 0, "reason": "too slow"}, {"kind": "stop", "trial": 1}) as driver:
        assert statuses(driver) == ["ABANDONED", "ABANDONED"]
        assert [t.stop_requested for t in driver.state.trials] == ["too slow", "a user stopped it"]
        assert refusals(driver) == [None, None]
        assert driver.left_by is None


def test_stop_a_candidate(tmp_path):
    with asked(tmp_path, {"kind": "stop", "trial": 2}, enqueue=points(3), parallel=2) as driver:
        assert statuses(driver)[:3] == ["COMPLETED", "COMPLETED", "ABANDONED"]
        assert driver.state.trials[2].attempt == 0


def test_stop_a_trial_about_which_policy_has_not_decided_yet(tmp_path):
    driver = scheduler(FakeRunner(World(seconds=9.0)), 2, directory=tmp_path, on_failure="retry 5")
    runner = driver.runner
    runner.plan("run", SubmitError("full"), trial=0)

    def post(trial):
        mailbox.post(tmp_path, {"kind": "stop", "trial": 0})
        return GO_ON

    runner.plan("run", post, trial=1)
    with driver:
        driver.run()
        check(driver)
        assert statuses(driver) == ["ABANDONED", "COMPLETED"]


def test_a_users_stop_prevails_over_another(tmp_path):
    world = World(seconds=9.0, stubborn={0, 1})
    with scheduler(FakeRunner(world), 2, directory=tmp_path) as driver:
        interrupted = at(lambda state: len(state.running) == 2, driver.interrupt)
        stopped = at(lambda state: state.stopping, lambda: mailbox.post(tmp_path, {"kind": "stop", "trial": 0}))

        def listen(state, news):
            interrupted(state, news)
            stopped(state, news)
            if StopCause.USER in state.stopping.values():
                world.stubborn.clear()

        driver.run(on_turn=listen)
        check(driver)
        assert statuses(driver) == ["ABANDONED", "COMPLETED"]


def test_stop_the_experiment(tmp_path):
    with asked(tmp_path, {"kind": "stop", "reason": "lunch"}, proposals=9, parallel=2) as driver:
        assert statuses(driver) == ["CANDIDATE", "CANDIDATE"], "to be repeated by the next driver"
        assert (driver.state.stop_reason, driver.state.stop_message) == (StopReason.USER, "lunch")
        assert driver.left_by == "interrupt"
    with scheduler(FakeRunner(), 0, directory=tmp_path) as driver:
        driver.run()
        assert statuses(driver) == ["COMPLETED", "COMPLETED"]


def test_a_stop_that_was_meant_for_an_earlier_driver_ends_its_trials_but_not_this_driver(tmp_path):
    world = World(seconds=9.0)
    with scheduler(FakeRunner(world, survives_driver=True), 2, directory=tmp_path) as driver:
        driver.run(on_turn=at(lambda state: len(state.running) == 2, driver.detach))
    mailbox.post(tmp_path, {"kind": "stop"})
    with scheduler(FakeRunner(world, survives_driver=True), 0, directory=tmp_path) as driver:
        driver.run()
        check(driver)
        assert statuses(driver) == ["COMPLETED", "COMPLETED"]
        assert [trial.attempt for trial in driver.state.trials] == [2, 2]
        assert driver.left_by is None


def test_a_stop_holds_for_the_driver_that_lives_though_the_clock_was_put_back(tmp_path, monkeypatch):
    def post():
        monkeypatch.setattr(mailbox, "epoch", lambda: 1e9)  # years before this driver began
        mailbox.post(tmp_path, {"kind": "stop", "reason": "lunch"})

    with scheduler(FakeRunner(World(seconds=9.0)), 2, directory=tmp_path) as driver:
        driver.run(on_turn=at(lambda state: len(state.running) == 2, post))
        assert (driver.left_by, driver.state.stop_message) == ("interrupt", "lunch")


def test_rerun(tmp_path):
    outcome = lambda trial: value(1.0) if trial.attempt == 2 or trial.index else crash()  # noqa: E731
    world = World(seconds=9.0, outcome=outcome)
    with scheduler(FakeRunner(world), 2, directory=tmp_path) as driver:
        driver.run()
        assert statuses(driver) == ["FAILED", "COMPLETED"]
    with scheduler(FakeRunner(world), 0, directory=tmp_path) as driver:
        mailbox.post(tmp_path, {"kind": "rerun", "trial": 0})
        driver.run()
        check(driver)
        assert statuses(driver) == ["COMPLETED", "COMPLETED"]
        assert [(told.trial, told.status) for told in driver.optimizer.told] == [(0, S.COMPLETED)]


def test_enqueue(tmp_path):
    body = {"kind": "enqueue", "points": [{"x": 1}, {"x": 0.25}]}
    with asked(tmp_path, body) as driver:
        assert [trial.parameters["x"] for trial in driver.state.trials[2:]] == [1.0, 0.25]
        assert [trial.source for trial in driver.state.trials[2:]] == ["enqueued"] * 2
        assert driver.optimizer.attached == [2, 3]
        assert statuses(driver) == ["COMPLETED"] * 4


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "there is no request None; there are stop, rerun and enqueue"),
        ({"kind": ["stop"]}, "there is no request ['stop']; there are stop, rerun and enqueue"),
        ({"kind": "stop", "trial": 7}, "there is no trial 7; there are 2"),
        ({"kind": "stop", "trial": -1}, "there is no trial -1; there are 2"),
        ({"kind": "stop", "trial": True}, "there is no trial True; there are 2"),
        ({"kind": "stop", "trial": "0"}, "there is no trial '0'; there are 2"),
        ({"kind": "rerun"}, "there is no trial None; there are 2"),
        ({"kind": "rerun", "trial": 0}, "trial 0 is RUNNING; only FAILED and ABANDONED trials are run again"),
        ({"kind": "enqueue"}, "enqueue needs a list of points, each a mapping of parameter names to values"),
        ({"kind": "enqueue", "points": []}, "enqueue needs a list of points, each a mapping of parameter names to v"),
        ({"kind": "enqueue", "points": [3]}, "enqueue needs a list of points, each a mapping of parameter names to v"),
        ({"kind": "enqueue", "points": [{"x": 0.5}, {"x": 2}]}, "parameter 'x': the value 2.0 is outside the bounds"),
        ({"kind": "enqueue", "points": [{"x": 10**400}]}, "parameter 'x': the value must be finite"),
        ({"kind": "enqueue", "points": [{"x": "a"}]}, "parameter 'x': the value must be a number, not 'a'"),
    ],
)
def test_a_request_that_cannot_be_done_is_refused_by_a_sentence(tmp_path, body, sentence):
    with asked(tmp_path, body) as driver:
        (refused,) = refusals(driver)
        assert refused.startswith(sentence)
        assert statuses(driver) == ["COMPLETED"] * 2, "nothing has come of it"


def test_a_trial_that_has_ended_cannot_be_stopped(tmp_path):
    world = World(seconds=lambda trial: 9.0 if trial.index else 1.0)
    with asked(tmp_path, {"kind": "stop", "trial": 0}, world=world, when=lambda state: state.ended) as driver:
        assert refusals(driver) == ["trial 0 has ended already"]


def test_a_request_is_taken_once_even_if_its_file_could_not_be_removed(tmp_path):
    with asked(tmp_path, {"kind": "enqueue", "points": [{"x": 1}]}) as driver:
        taken = one(driver, "RequestTaken")
    path = tmp_path / "requests" / f"{taken.request}.json"
    path.write_text('{"kind": "enqueue", "points": [{"x": 1}]}')
    with scheduler(FakeRunner(), 0, directory=tmp_path) as driver:
        driver.run()
        assert len(driver.state.trials) == 3
    assert not path.exists()


def test_a_request_is_found_without_a_wake_up(tmp_path):
    """A file system without named pipes: the driver looks now and then."""

    def leave_a_file():
        (tmp_path / "requests" / "9-by-hand.json").write_text('{"kind": "stop", "trial": 0}')
        driver._requests_due = True

    driver = scheduler(FakeRunner(World(seconds=9.0)), 1, directory=tmp_path)
    with driver:
        (tmp_path / "requests" / "9-by-hand.json").write_text('{"kind": "stop", "trial": 0}')
        driver.run(on_turn=at(lambda state: state.running, leave_a_file))
        assert refusals(driver)[0] == "there is no trial 0; there are 0", "it is taken before the first turn"


# One driver a directory.


def test_a_second_driver_in_this_process_is_refused_and_harms_nothing(tmp_path):
    runner = FakeRunner()
    with scheduler(runner, directory=tmp_path) as driver:
        with pytest.raises(
            DirectoryInUseError, match=r"this process .* close the scheduler, queue or bridge"
        ) as raised:
            scheduler(runner, directory=tmp_path / ".." / tmp_path.name)
        assert raised.value.pid == os.getpid()
        assert runner.closed == 0, "it is the first one's"
        driver.run()
        assert statuses(driver) == ["COMPLETED"]
    assert runner.closed == 1
    scheduler(FakeRunner(), 0, directory=tmp_path).close()


@pytest.mark.slow
def test_a_second_driver_in_another_process_is_refused(tmp_path):
    program = """if True:
        import sys
        import runwright as rw
        from runwright.optimizers import RandomOptimizer
        from runwright.runners import LocalMetadataRunner
        experiment = rw.Experiment("fake", {"x": rw.Float(0, 1)}, {"y": "minimize"}, seed=3)
        try:
            rw.Scheduler(experiment, RandomOptimizer(), LocalMetadataRunner(abs), directory=sys.argv[1])
        except rw.RunwrightError as error:
            print(error)
    """
    with scheduler(FakeRunner(), directory=tmp_path):
        other = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
        )
    assert other.stdout == (
        f"{tmp_path}: another driver (pid {os.getpid()}) works in this directory; "
        f"wait for it, or end it with: kill {os.getpid()}\n"
    )


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file/runs: cannot be made"):
        scheduler(FakeRunner(), directory=tmp_path / "file" / "runs")


# What comes out, and the end.


def test_results_and_the_report():
    outcome = lambda trial: crash() if trial.index == 1 else value(trial.parameters["x"])  # noqa: E731
    driver = scheduler(FakeRunner(World(outcome=outcome)), 3)
    results = driver.run()
    assert [row["status"] for row in results] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert results.best["index"] == 0
    assert list(driver.results()) == list(results)
    assert driver.report_results() == {
        0: {"status": "COMPLETED", "arms": {"0_0": {"y": [0.0, None]}}, "job": "0.1"},
        1: {"status": "FAILED", "arms": {}, "job": "1.1"},
        2: {"status": "COMPLETED", "arms": {"2_0": {"y": [2 / 64, None]}}, "job": "2.1"},
    }
    assert scheduler(FakeRunner(), 0).report_results() == {}


def test_a_candidate_has_a_line_in_the_report():
    driver = scheduler(FakeRunner(), 0, enqueue=points(1))
    driver._enqueue_first()
    assert driver.report_results() == {0: {"status": "CANDIDATE", "arms": {}}}


def test_the_listener_hears_of_each_commit_and_of_time_passing():
    heard = []
    driver = scheduler(FakeRunner(World(seconds=3.0)))
    driver.run(on_turn=lambda state, news: heard.append((driver._clock.now(), [e.kind for e in news])), tick=1.0)
    told = [kind for _, news in heard for kind in news]
    assert told == kinds(driver)
    times = [0.0] + [time for time, _ in heard] + [3.0]
    assert max(later - earlier for earlier, later in pairwise(times)) <= 1.0
    assert [] in [news for _, news in heard]


def test_at_the_end_of_each_turn_the_listener_hears_of_a_state_without_gaps():
    running = []
    driver = scheduler(FakeRunner(World(seconds=3.0)), 4, parallel=1, trials=4)
    driver.run(on_turn=lambda state, news: None if news or state.stop_reason else running.append(len(state.running)))
    assert set(running) == {1}


def test_an_error_of_the_listener_ends_the_run_and_costs_nothing():
    def break_off():
        raise ZeroDivisionError

    journal = MemoryJournal(encoded=True)
    driver = scheduler(FakeRunner(World(seconds=0.0)), 3, journal=journal, parallel=1)
    with pytest.raises(ZeroDivisionError):
        driver.run(on_turn=at(lambda state: state.ended == 2, break_off))
    check(driver)
    assert len(driver.run()) == 3


def test_close_is_idempotent_and_leaves_a_journal_that_was_given_open():
    journal, runner = MemoryJournal(encoded=True), FakeRunner()
    with scheduler(runner, journal=journal) as driver:
        driver.run()
    driver.close()
    assert runner.closed == 1
    assert list(journal.read())
    own = Scheduler(EXPERIMENT, ListOptimizer(), FakeRunner(), clock=VirtualClock())
    own.close()
    with pytest.raises(JournalError, match="closed"):
        own._session.journal.read()


def test_what_goes_wrong_while_opening_releases_the_directory(tmp_path):
    class Refusing(ListOptimizer):
        def setup(self, experiment):
            raise UsageError("it cannot express this experiment")

    with pytest.raises(UsageError, match="cannot express"):
        scheduler(FakeRunner(), Refusing(), directory=tmp_path)
    scheduler(FakeRunner(), 0, directory=tmp_path).close()


def test_a_failure_of_an_attempt_in_memory_is_the_same_as_on_disk(tmp_path):
    outcome = lambda trial: Result.failed(FailureKind.MEMORYOUT, "too much", seconds=1.0)  # noqa: E731
    stories = []
    for place in ({"directory": tmp_path}, {}):
        with scheduler(FakeRunner(World(outcome=outcome)), 2, on_failure="retry 1", **place) as driver:
            driver.run()
            check(driver)
            stories.append([event for event in events(driver) if event.trial is not None])
    assert [(e.kind, e.trial) for e in stories[0]] == [(e.kind, e.trial) for e in stories[1]]
    assert FOREVER > 0


def test_a_metric_that_nobody_asked_for_is_not_mentioned_by_each_driver(tmp_path):
    for trials in (1, 2, 3):
        driver = Scheduler(
            EXPERIMENT, RandomOptimizer(), LocalMetadataRunner(with_extra), directory=tmp_path, trials=trials
        )
        with driver:
            driver.run()
            assert driver.state.notes == ["the metric 'extra' is no objective; it is kept"]


def with_extra(x):
    return {"y": x, "extra": 1.0}
