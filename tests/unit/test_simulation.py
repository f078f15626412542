"""The whole engine in simulated time: exact, repeatable, and to its end whatever the policy and the world are like."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from heapq import heappop, heappush

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import runwright as rw
from runwright.errors import SubmitError
from runwright.events import encode
from runwright.experiment import stable_seed
from runwright.journal import MemoryJournal
from runwright.loop.policy import Policy
from runwright.optimizers import RandomOptimizer
from runwright.result import Result
from runwright.runner import Limits
from runwright.runners import SimulatedBackendRunner
from runwright.simulation import BackendSimulator, BackendSimulatorOptions
from runwright.status import FailureKind, StopReason
from tests.fakes import GO_ON, FakeRunner, World, crash, value
from tests.unit.driving import check, events, run, scheduler

MACHINE = rw.Experiment("machine", {"x": rw.Float(0, 1)}, {"y": "minimize"}, seed=5)


def draw(*what):
    """A number from 0 to 1 that hangs on nothing but these."""
    return stable_seed(*what) / 2**63


def simulate(trials, slots, runtime, *, failure_rate=0.0, seed=0, **settings):
    machine = BackendSimulator(BackendSimulatorOptions(max_concurrency=slots, failure_rate=failure_rate, seed=seed))
    runner = SimulatedBackendRunner(machine, runtime, evaluation_function=lambda x: x)
    settings.setdefault("journal", MemoryJournal(encoded=True))
    driver = rw.Scheduler(MACHINE, RandomOptimizer(), runner, trials=trials, **settings)
    with driver:
        driver.run()
        check(driver)
    return driver


@pytest.mark.parametrize("slots", [1, 3, 16])
def test_the_makespan_is_that_of_list_scheduling(slots):
    runtime = lambda trial: 1 + 9 * draw("runtime", trial.index)  # noqa: E731
    driver = simulate(200, slots, runtime)
    free: list[float] = [0.0] * slots
    for trial in driver.state.trials:
        heappush(free, heappop(free) + runtime(trial))
    finished = [event.time for event in events(driver) if event.kind == "Finished"]
    assert max(finished) == max(free)
    assert [trial.result.seconds for trial in driver.state.trials] == pytest.approx(
        [runtime(trial) for trial in driver.state.trials]
    )


def test_a_time_limit_strikes_at_its_moment_and_frees_the_slot_then():
    runtime = lambda trial: 100.0 if trial.index == 0 else 3.0  # noqa: E731
    driver = simulate(3, 1, runtime, limits=Limits(timeout=4.0))
    assert [(event.trial, event.time) for event in events(driver) if event.kind == "Finished"] == [
        (0, 4.0),
        (1, 7.0),
        (2, 10.0),
    ]
    assert driver.state.trials[0].failure.kind is FailureKind.TIMEOUT


def test_a_tick_costs_simulated_time_nothing():
    turns = []
    machine = BackendSimulator(BackendSimulatorOptions())
    runner = SimulatedBackendRunner(machine, lambda trial: 1e6, evaluation_function=lambda x: x)
    with rw.Scheduler(MACHINE, RandomOptimizer(), runner, trials=3) as driver:
        driver.run(on_turn=lambda state, news: turns.append(state.last_time), tick=0.5)
    assert turns[-1] == 3e6
    assert len(turns) < 20


def test_a_trial_that_ends_at_its_limit_has_completed():
    driver = simulate(1, 1, lambda trial: 4.0, limits=Limits(timeout=4.0))
    assert driver.state.trials[0].status.is_completed


def test_a_runtime_that_cannot_be_drawn_costs_its_trial():
    def runtime(trial):
        if trial.index == 1:
            raise ZeroDivisionError("no rate")
        return 1.0

    driver = simulate(3, 1, runtime)
    assert [trial.status.name for trial in driver.state.trials] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert driver.state.trials[1].failure.message == "it could not be started: no rate"


REPEATED = """if True:
    import hashlib, sys
    import runwright as rw
    from runwright.events import encode
    from runwright.journal import MemoryJournal
    from runwright.optimizers import RandomOptimizer
    from runwright.runners import SimulatedBackendRunner
    from runwright.simulation import BackendSimulator, BackendSimulatorOptions

    names = [f"p{i}" for i in range(6)]
    experiment = rw.Experiment("rows", {name: rw.Float(0, 1) for name in names}, {"y": "minimize"}, seed=11)

    def evaluate(**point):
        if point["p0"] > 0.9:
            raise ValueError("too large")
        return {"y": sum(point.values()), **{f"extra{i}": i for i in range(5)}}

    machine = BackendSimulator(BackendSimulatorOptions(max_concurrency=8, failure_rate=0.1, seed=7))
    journal = MemoryJournal()
    scheduler = rw.Scheduler(
        experiment, RandomOptimizer(), SimulatedBackendRunner(machine, evaluation_function=evaluate),
        journal=journal, on_failure="retry 1", limits=rw.Limits(timeout=4.0), trials=300,
    )
    scheduler.run()
    rows = [encode(event) for event in journal.read()]
    kinds = {row.kind for row in rows}
    assert {"StopRequested", "RetryPlanned", "GaveUp", "Noted"} <= kinds, kinds
    print(len(rows), hashlib.sha256(repr(rows).encode()).hexdigest())
"""


@pytest.mark.slow
def test_the_same_seed_gives_the_same_rows_in_every_process():
    told = {
        subprocess.run(
            [sys.executable, "-c", REPEATED],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for hash_seed in ("0", "1", "4242")
    }
    (only,) = told
    assert int(only.split()[0]) > 1500


# Whatever the policy and the world are like.

policies = st.builds(
    Policy,
    trials=st.integers(0, 12),
    parallel=st.none() | st.integers(1, 4),
    on_failure=st.integers(0, 3).map(lambda number: f"retry {number}"),
    failure_rate=st.none() | st.floats(0, 1),
    failure_rate_after=st.integers(0, 6),
    seconds=st.none() | st.floats(0.5, 40),
    limits=st.builds(Limits, timeout=st.none() | st.floats(0.5, 9)),
)
enqueued = st.lists(st.fixed_dictionaries({"x": st.floats(0, 1)}), max_size=3)


def used_up(policy, trial):
    """Whether a failure came after the last retry of its rule; nothing may come after that."""
    rules, failed = policy.on_failure, [attempt.failure.kind for attempt in trial.attempts if attempt.failure]
    left = [
        sum(kind in rules.together(last) for kind in failed[: number + 1]) <= rules.rule(last).retry
        for number, last in enumerate(failed)
    ]
    assert all(left[:-1]), "the trial went on after that"
    return left[-1:] == [False]


def check_end(driver, policy, told):
    """What must hold at the end of every run."""
    state = driver.state
    check(driver)
    assert (state.live, state.undecided, state.untold) == (0, {}, {})
    for trial in state.trials:
        assert trial.attempt == len(trial.attempts) + trial.status.is_completed
        assert used_up(policy, trial) == trial.status.is_failed
    if state.stop_reason in (StopReason.TRIALS, StopReason.EXHAUSTED):
        assert all(trial.status.is_terminal for trial in state.trials)
        assert len(state.trials) >= policy.trials
    else:
        assert state.stop_reason in (StopReason.TIME, StopReason.FAILURE_RATE)
    assert sorted(told) == [trial.index for trial in state.trials if trial.status.is_terminal]
    times = [event.time for event in events(driver)]
    assert times == sorted(times)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    policy=policies,
    points=enqueued,
    slots=st.integers(1, 4),
    rate=st.sampled_from([0.0, 0.3, 1.0]),
    broken=st.booleans(),
    seed=st.integers(0, 99),
)
@pytest.mark.slow
def test_every_policy_comes_to_its_end_on_the_simulated_machine(policy, points, slots, rate, broken, seed):
    def runtime(trial):
        if broken and draw(seed, "start", trial.index, trial.attempt) < 0.2:
            raise SubmitError("no rate")
        return 8 * draw(seed, "runtime", trial.index, trial.attempt)

    machine = BackendSimulator(BackendSimulatorOptions(max_concurrency=slots, failure_rate=rate, seed=seed))
    runner = SimulatedBackendRunner(machine, runtime, evaluation_function=lambda x: x)
    journal = MemoryJournal(encoded=True)
    driver = rw.Scheduler(MACHINE, RandomOptimizer(), runner, policy=policy, enqueue=points, journal=journal)
    with driver:
        driver.run()
    check_end(driver, policy, [event.trial for event in events(driver) if event.kind == "Told"])


class Chaos(FakeRunner):
    """A runner every method of which fails now and then, though never about one thing for ever."""

    def __init__(self, world, seed, rate, **traits):
        super().__init__(world, **traits)
        self.seed, self.rate = seed, rate
        self.count: Counter[str] = Counter()

    def _scripted(self, method, about, *args):
        self.count[method] += 1
        scripted = super()._scripted(method, about, *args)
        if method != "wait" and scripted is GO_ON and draw(self.seed, method, self.count[method]) < self.rate:
            raise ConnectionError(f"{method} has no answer")
        return scripted


def outcome_of(seed):
    def outcome(trial):
        luck = draw(seed, "outcome", trial.index, trial.attempt)
        if luck < 0.2:
            return crash()
        if luck < 0.3:
            return Result({"": {"y": (float("nan"), None)}})
        return value(trial.parameters["x"])

    return outcome


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    policy=policies.filter(lambda policy: policy.parallel is not None),
    points=enqueued,
    rate=st.sampled_from([0.0, 0.1, 0.4]),
    deaths=st.lists(st.integers(1, 25), max_size=3),
    survives=st.booleans(),
    holds=st.booleans(),
    seed=st.integers(0, 999),
)
@pytest.mark.slow
def test_every_policy_comes_to_its_end_in_chaos(policy, points, rate, deaths, survives, holds, seed):
    """The runner has outages of everything and the driver dies again and again: nothing is lost or runs twice."""
    world = World(seconds=lambda trial: 8 * draw(seed, "runtime", trial.index, trial.attempt), outcome=outcome_of(seed))
    journal = MemoryJournal(encoded=True)

    def runner(number):
        return Chaos(world, f"{seed} {number}", rate, survives_driver=survives, holds_results=holds and not survives)

    def start(number):
        return scheduler(runner(number), RandomOptimizer(), journal=journal, policy=policy, enqueue=points)

    for number, waits in enumerate(deaths):
        driver = start(number)
        driver.runner.plan("wait", *[GO_ON] * (waits - 1), KeyboardInterrupt())
        try:
            driver.run()
        except KeyboardInterrupt:
            check(driver)
        driver.close()
        if not survives:
            world.jobs = {key: job for key, job in world.jobs.items() if job.ends <= driver.state.last_time}
    driver = start(len(deaths))
    with driver:
        driver.run()
    told = [event.trial for event in events(driver) if event.kind == "Told"]
    check(driver)
    assert (driver.state.live, driver.state.undecided, driver.state.untold) == (0, {}, {})
    assert world.together <= policy.parallel
    assert max(world.starts.values(), default=1) == 1, "an attempt was started twice"
    for trial in driver.state.trials:
        assert used_up(policy, trial) == trial.status.is_failed
    assert sorted(told) == [trial.index for trial in driver.state.trials if trial.status.is_terminal]
    if driver.state.stop_reason is StopReason.TRIALS:
        assert all(trial.status.is_terminal for trial in driver.state.trials)
    asked = [trial.parameters for trial in driver.state.trials if trial.source == "optimizer"]
    fresh = RandomOptimizer()
    fresh.setup(driver.experiment)
    assert asked == [fresh.ask(trial.index).parameters for trial in driver.state.trials if trial.source == "optimizer"]


def test_rows_of_two_runs_in_one_process_are_equal():
    stories = [
        [encode(event) for event in events(run(FakeRunner(World(outcome=outcome_of(3))), 20, on_failure="retry 1"))]
        for _ in range(2)
    ]
    assert stories[0] == stories[1]
