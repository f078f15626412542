"""What SMAC is told of a trial, beside what its own runners would say (in the names and docstrings)."""

from __future__ import annotations

import functools
import math

import pytest

pytest.importorskip("smac")

from smac.runhistory import StatusType, TrialInfo

from runwright import Limits
from runwright.bridges.smac import SmacRunner
from runwright.errors import SubmitError
from runwright.runners import LocalMetadataRunner, PoolRunner, ProcessRunner, SimulatedBackendRunner
from runwright.simulation import BackendSimulator, BackendSimulatorOptions, Crash
from tests.smac_bridge import evaluations
from tests.smac_bridge.world import at, facade, optimize, scenario, trial_of, values

SLOTS = BackendSimulatorOptions(max_concurrency=2)


def one(bridge, **settings):
    """Evaluate one configuration and return what came of it."""
    config = bridge._scenario.configspace.sample_configuration()
    info, value = bridge.run_wrapper(TrialInfo(config, seed=0, **settings))
    assert info.config is config
    return value


# Costs.


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ([0.5, 2.0], [0.5, 2.0]),
        ((0.5, 2), [0.5, 2.0]),
        ({"b": 2.0, "a": 0.5}, [0.5, 2.0]),
        (({"b": 2.0, "a": 0.5, "other": 7}, {"said": 1}), [0.5, 2.0]),
    ],
)
def test_costs_of_several_objectives(tmp_path, returned, expected):
    setting = scenario(tmp_path, objectives=["a", "b"])
    with SmacRunner(LocalMetadataRunner(lambda config: returned), setting) as bridge:
        value = one(bridge)
    assert (value.status, value.cost) == (StatusType.SUCCESS, expected)


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        (math.nan, "the metric 'cost' is nan"),
        (math.inf, "the metric 'cost' is inf"),
        (None, "the evaluation returned None where the objective 'cost' was expected"),
        ({"other": 1.0}, "the objective 'cost' is missing; the evaluation returned 'other'"),
    ],
)
def test_what_is_no_cost_is_a_crash_with_a_reason(tmp_path, returned, error):
    with SmacRunner(LocalMetadataRunner(lambda config: returned), scenario(tmp_path)) as bridge:
        value = one(bridge)
    assert (value.status, value.cost, value.additional_info["error"]) == (StatusType.CRASHED, 9.0, error)


@pytest.mark.parametrize(
    ("crash_cost", "given", "expected"),
    [
        (7.0, None, [7.0, 7.0]),
        ([1.0, 2.0], None, [1.0, 2.0]),
        (math.inf, None, [math.inf, math.inf]),
        (math.inf, [3, 4], [3.0, 4.0]),
    ],
)
def test_what_a_crash_costs(tmp_path, crash_cost, given, expected):
    setting = scenario(tmp_path, objectives=["a", "b"], crash_cost=crash_cost)
    runner = LocalMetadataRunner(lambda config: [math.nan, 1.0])
    with SmacRunner(runner, setting, crash_cost=given) as bridge:
        value = one(bridge)
    assert (value.status, value.cost) == (StatusType.CRASHED, expected)


def test_a_penalty_of_a_rule_is_the_cost(tmp_path):
    rules = {"crashed": {"penalty": {"cost": 4.0}}}
    with SmacRunner(LocalMetadataRunner(lambda config: 1 / 0), scenario(tmp_path), on_failure=rules) as bridge:
        value = one(bridge)
    assert (value.status, value.cost) == (StatusType.CRASHED, 4.0)


# Limits. (SMAC takes 6 s for a limit of 1 s, cannot tell of memory, records no time, and calls all of it CRASHED.)


@pytest.mark.slow
@pytest.mark.parametrize("crash_cost", [math.inf, 5.0])
def test_a_timeout_stays_one_whatever_it_costs(tmp_path, crash_cost):
    setting = scenario(tmp_path, trial_walltime_limit=0.2, crash_cost=crash_cost)
    with SmacRunner(PoolRunner(at(evaluations.hang)), setting, limits=Limits(grace=0.1)) as bridge:
        value = one(bridge)
        assert bridge._trials._submissions.engine.policy.limits == Limits(timeout=0.2, grace=0.1)
    assert (value.status, value.cost) == (StatusType.TIMEOUT, crash_cost)
    assert value.time >= 0.2
    assert value.endtime - value.starttime >= 0.2
    assert "time" in value.additional_info["error"]


@pytest.mark.slow
@pytest.mark.parametrize("crash_cost", [math.inf, 5.0])
def test_too_much_memory_stays_that_whatever_it_costs(tmp_path, crash_cost):
    setting = scenario(tmp_path, trial_memory_limit=200, crash_cost=crash_cost)
    with SmacRunner(PoolRunner(at(evaluations.swell)), setting) as bridge:
        value = one(bridge)
    assert (value.status, value.cost) == (StatusType.MEMORYOUT, crash_cost)


@pytest.mark.slow
def test_a_memory_limit_is_in_megabytes(tmp_path):
    """To SMAC these are 500 bytes, and no evaluation survives."""
    with SmacRunner(PoolRunner(at(evaluations.bowl)), scenario(tmp_path, trial_memory_limit=500)) as bridge:
        assert one(bridge).status is StatusType.SUCCESS


@pytest.mark.slow
def test_time_of_a_failure_is_that_of_the_evaluation(tmp_path):
    """SMAC records a time of 0, and the CPU seconds of itself."""
    with SmacRunner(PoolRunner(at(evaluations.burn_and_raise)), scenario(tmp_path)) as bridge:
        value = one(bridge)
    assert value.status is StatusType.CRASHED
    assert value.cpu_time >= 0.05
    assert value.time >= 0.05
    assert value.additional_info["error"] == "ArithmeticError: burnt"
    assert "burn_and_raise" in value.additional_info["traceback"]


# Infrastructure.


@pytest.mark.slow
def test_a_worker_that_dies_is_that_trial_s_failure(tmp_path, monkeypatch):
    """Dask executes such a trial three times, and then ends the optimisation."""
    monkeypatch.setenv("EVALUATIONS", str(tmp_path / "evaluations"))
    runner = PoolRunner(at(evaluations.die), workers=2)
    optimizer, _ = optimize("RandomFacade", scenario(tmp_path, n_trials=10), runner)
    found = values(optimizer)
    assert len(found) == 10
    assert {value.status for value in found} == {StatusType.SUCCESS, StatusType.CRASHED}
    assert all(value.cost <= 0.5 or value.status is StatusType.CRASHED for value in found)
    assert len(evaluations.noted()) == len(set(evaluations.noted())) == 10, "each was begun once"


class Unreachable(SimulatedBackendRunner):
    """A machine that refuses every third job and does not answer every second question."""

    def __init__(self):
        machine = BackendSimulator(SLOTS)
        super().__init__(machine, lambda _: 60.0, evaluation_function=evaluations.bowl)
        self.asked = 0

    def run(self, trial):
        if trial.index % 3 == 1:
            raise SubmitError("the queue is closed")
        return super().run(trial)

    def poll_trial_status(self, trials):
        self.asked += 1
        if self.asked % 2:
            raise ConnectionError("no answer")
        return super().poll_trial_status(trials)


def test_faults_of_infrastructure_are_never_raised_into_the_loop(tmp_path):
    optimizer, _ = optimize("RandomFacade", scenario(tmp_path, n_trials=9), Unreachable())
    found = values(optimizer)
    failed = [value for value in found if value.status is StatusType.CRASHED]
    assert [trial_of(value) % 3 for value in failed] == [1, 1, 1]
    assert {value.additional_info["error"] for value in failed} == {"it could not be started: the queue is closed"}
    assert {round(value.time, 9) for value in found} == {0.0, 60.0}


def test_a_failure_is_tried_again_by_policy(tmp_path):
    machine = BackendSimulator(BackendSimulatorOptions(max_concurrency=2, faults=[Crash(0.4)], seed=1))
    runner = SimulatedBackendRunner(machine, lambda _: 60.0, evaluation_function=evaluations.bowl)
    optimizer, _ = optimize("RandomFacade", scenario(tmp_path, n_trials=9), runner, on_failure="retry 20")
    assert {value.status for value in values(optimizer)} == {StatusType.SUCCESS}
    assert max(value.additional_info["runwright"]["attempts"] for value in values(optimizer)) > 1


# Submit and collect.


class Simulation:
    """A bridge over two slots in simulated time; each trial takes a minute more than the one before."""

    def __init__(self, folder):
        runner = SimulatedBackendRunner(
            BackendSimulator(SLOTS), lambda trial: 60.0 * (1 + trial.index), evaluation_function=evaluations.bowl
        )
        self.bridge = SmacRunner(runner, scenario(folder))
        self.configs = self.bridge._scenario.configspace.sample_configuration(5)

    @property
    def now(self):
        return self.bridge._trials._submissions.session.clock.now()

    def submit(self, number):
        self.bridge.submit_trial(TrialInfo(self.configs[number], seed=0))


@pytest.fixture
def simulation(tmp_path):
    simulation = Simulation(tmp_path)
    yield simulation
    simulation.bridge.close()


def test_submitting_waits_only_while_no_worker_is_free(simulation):
    bridge = simulation.bridge
    assert bridge.count_available_workers() == 2
    simulation.submit(0)
    assert (simulation.now, bridge.count_available_workers()) == (0.0, 1)
    simulation.submit(1)
    assert (simulation.now, bridge.count_available_workers()) == (0.0, 0)
    assert list(bridge.iter_results()) == []
    assert simulation.now == 0.0, "collecting does not wait"
    simulation.submit(2)
    assert simulation.now == 60.0, "the first has ended"
    ((info, _),) = bridge.iter_results()
    assert info.config is simulation.configs[0]
    assert list(bridge.iter_results()) == [], "each is told once"


def commits_of(bridge) -> int:
    return bridge._trials._submissions.session.recorder.commits


def test_what_frees_a_slot_and_what_fills_it_are_one_commit(simulation):
    bridge = simulation.bridge
    for number in range(2):
        simulation.submit(number)
    commits = commits_of(bridge)
    simulation.submit(2)
    assert commits_of(bridge) == commits + 1
    assert len(bridge.state.running) + len(bridge.state.staged) == 2
    ((info, _), *_) = bridge.iter_results()
    assert info.config is simulation.configs[0]


def test_a_submission_waits_on_where_what_ends_the_wait_frees_no_slot(tmp_path):
    """That the first trial runs is written down while it runs: the wait ends for that, too."""
    with SmacRunner(PoolRunner(at(evaluations.nap), workers=1), scenario(tmp_path)) as bridge:
        first, second = bridge._scenario.configspace.sample_configuration(2)
        bridge.submit_trial(TrialInfo(first, seed=0))
        bridge.submit_trial(TrialInfo(second, seed=0))
        assert [trial.attempt for trial in bridge.state.trials] == [1, 1]
        ((info, value),) = bridge.iter_results()
        assert info.config is first
        assert value.status is StatusType.SUCCESS


def test_a_submission_that_was_cut_short_while_it_waited_is_answered_not_evaluated_twice(simulation, monkeypatch):
    bridge = simulation.bridge
    for number in range(2):
        simulation.submit(number)
    with monkeypatch.context() as patched:
        patched.setattr(bridge.runner, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            simulation.submit(2)
    assert bridge.state.trials[2].attempt == 0, "it is on record, and waits"
    simulation.submit(2)
    told = []
    while bridge.is_running():
        bridge.wait()
        told += [info.config for info, _ in bridge.iter_results()]
    assert told == simulation.configs[:3]
    assert [trial.attempt for trial in bridge.state.trials] == [1, 1, 1]


def interrupted(until, waker):
    raise KeyboardInterrupt


def test_what_is_there_is_collected_before_more_is_looked_for(simulation):
    bridge = simulation.bridge
    for number in range(3):
        simulation.submit(number)
    commits = commits_of(bridge)
    ((info, _), *_) = bridge.iter_results()
    assert info.config is simulation.configs[0]
    assert commits_of(bridge) == commits, "the submission had brought it"


def test_waiting_ends_with_the_next_result_and_running_with_the_last(simulation):
    bridge = simulation.bridge
    assert not bridge.is_running()
    bridge.wait()
    simulation.submit(0)
    simulation.submit(1)
    assert bridge.is_running()
    bridge.wait()
    assert simulation.now == 60.0
    bridge.wait()
    assert simulation.now == 60.0, "there is something to collect"
    assert len(list(bridge.iter_results())) == 1
    bridge.wait()
    assert simulation.now == 120.0
    assert bridge.is_running(), "there is something to collect"
    assert len(list(bridge.iter_results())) == 1
    assert not bridge.is_running()


def test_what_an_iterator_is_not_asked_for_remains(simulation):
    simulation.submit(0)
    simulation.submit(1)
    with simulation.bridge.waiting_for_all() as bridge:
        results = bridge.iter_results()
        next(results)
    assert len(list(bridge.iter_results())) == 1


def test_the_same_again_is_answered_not_evaluated(simulation):
    """SMAC has one place for a configuration, instance, seed and budget."""
    bridge = simulation.bridge
    for _ in range(2):
        simulation.submit(0)
    with bridge.waiting_for_all():
        ((first, value),) = bridge.iter_results()
    simulation.submit(0)
    ((_, again),) = bridge.iter_results()
    assert again == value
    assert first.config is simulation.configs[0]
    assert len(bridge.state.trials) == 1
    assert bridge.run(simulation.configs[0], seed=0)[1] == value.cost
    assert bridge.run(simulation.configs[0], seed=1)[1] == value.cost
    assert len(bridge.state.trials) == 2, "another seed is another trial"


def test_a_result_of_ones_own_is_not_taken_from_the_loop(simulation):
    simulation.submit(0)
    info, _ = simulation.bridge.run_wrapper(TrialInfo(simulation.configs[0], seed=0))
    ((other, _),) = simulation.bridge.iter_results()
    assert info.config == other.config


def test_validation_takes_the_mean_of_all(tmp_path):
    """SMAC submits, collects once, and takes the mean of what is there: with several at a time, of nothing."""
    setting = scenario(tmp_path, deterministic=False)
    machine = BackendSimulator(SLOTS)
    runner = SimulatedBackendRunner(machine, lambda _: 60.0, evaluation_function=evaluations.bowl)
    with SmacRunner(runner, setting) as bridge:
        optimizer = facade("RandomFacade", setting, bridge, overwrite=True)
        config = optimizer.optimize()
        with bridge.waiting_for_all():
            assert optimizer.validate(config, seed=1) == pytest.approx((config["x"] - 0.3) ** 2)
        assert not bridge.is_running()


def test_closing_twice_does_no_harm(tmp_path):
    bridge = SmacRunner(LocalMetadataRunner(evaluations.bowl), scenario(tmp_path))
    bridge.close()
    bridge.close()


# Known by.


@pytest.mark.parametrize(
    ("runner", "expected"),
    [
        (LocalMetadataRunner(evaluations.bowl), "tests.smac_bridge.evaluations:bowl"),
        (LocalMetadataRunner(lambda config: 0.0), "tests.smac_bridge.test_results:<lambda>"),
        (PoolRunner(at(evaluations.bowl), workers=2), "evaluations:bowl"),
        (PoolRunner(at(evaluations.bowl), workers=1), "evaluations:bowl"),
        (ProcessRunner(function=at(evaluations.bowl), workers=7), "evaluations:bowl"),
        (ProcessRunner(["/bin/sh", "{x}"]), "/bin/sh {x}"),
        (LocalMetadataRunner(functools.partial(evaluations.bowl, seed=1)), "tests.smac_bridge.evaluations:bowl"),
    ],
    ids=range(7),
)
def test_what_smac_knows_the_run_by(tmp_path, runner, expected):
    """Not how it is executed: other workers are no other run. No address, or each process would begin anew."""
    with SmacRunner(runner, scenario(tmp_path), parallel=2, directory=tmp_path / "run") as bridge:
        assert bridge.meta == {"name": "SmacRunner", "evaluates": expected}
