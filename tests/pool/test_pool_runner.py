"""The pool: results, deaths, stops, limits, logs."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import runwright as rw
from runwright.clock import SystemClock, Waker
from runwright.errors import ContractError, SubmitError, UsageError
from runwright.process.record import LOCK
from runwright.runner import Following, Lost
from runwright.runners.pool import PoolRunner
from runwright.status import FailureKind

HERE = Path(__file__).parent
pytestmark = pytest.mark.slow  # each starts processes


def pids(folder, wait_until):
    wait_until((folder / "pids").exists, "the tree of processes stands")
    return [int(pid) for pid in (folder / "pids").read_text().split()]


# Results.


def test_results_come_back(drive):
    d = drive("noop", workers=2)
    trials = [d.run(index, index / 4) for index in range(8)]
    results = [d.result(index) for index in range(8)]
    assert [result.metrics["y"] for _, result in results] == [(index / 4, None) for index in range(8)]
    assert all(status is rw.TrialStatus.COMPLETED for status, _ in results)
    assert all(result.seconds >= 0 and result.cpu_seconds >= 0 and result.started for _, result in results)
    assert trials[3].run_metadata["name"] == "e_3"
    assert {trial.run_metadata["slot"] for trial in trials} <= {0, 1}
    assert d.runner.run_metadata_report_keys == ["name", "slot"]


def test_numbers_of_numpy_batches_and_what_is_no_json(drive):
    assert drive("numpy_scalar").evaluate(0, 0.25).metrics == {"y": (0.25, 0.5)}
    batch = drive("noop").evaluate(1, 1.0, 2.0, names=["a", "b"])
    assert batch.arms == {"a": {"y": (1.0, None)}, "b": {"y": (2.0, None)}}
    d = drive("no_json")
    assert "object" in d.evaluate(0, 0.25).additional_info["model"]
    assert d.evaluate(1, 0.75).failure.kind is FailureKind.INVALID_RESULT


def test_seed_instance_and_budget_reach_the_function(drive):
    result = drive("seeded").evaluate(0, 0.25, seed=9, instance="i", budget=3.0)
    assert {name: mean for name, (mean, _) in result.metrics.items()} == {
        "y": 0.25,
        "seed": 9.0,
        "budget": 3.0,
        "instance": 1.0,
    }


def test_workers_have_a_session_and_a_path_of_their_own(drive):
    result = drive("where").evaluate(0, 0.5)
    assert result.additional_info["path"] == str(HERE)
    assert result.additional_info["slot"] == "0"
    assert result.additional_info["session"] == result.additional_info["pid"] != os.getsid(0)


def test_a_message_that_is_larger_than_the_channel_holds(drive):
    d = drive("noop")
    result = d.evaluate(0, *(i / 20_000 for i in range(20_000)))
    assert len(result.arms) == 20_000


def test_only_one_answer_when_the_function_forks(drive):
    d = drive("forks")
    assert [d.evaluate(index, 0.5).metrics["y"][0] for index in range(3)] == [0.5, 0.5, 0.5]


# Deaths.


@pytest.mark.parametrize(
    ("way", "kind", "sentence"),
    [
        (1, FailureKind.CRASHED, "the function called sys.exit(3)"),
        (2, FailureKind.CRASHED, "the worker process ended in the middle of the trial: it ended with exit status 4"),
        (3, FailureKind.CRASHED, "in the middle of the trial: it was ended by SIGSEGV (11)"),
        (4, FailureKind.CRASHED, "in the middle of the trial: it was ended by SIGKILL (9)"),
        (5, FailureKind.CRASHED, "ValueError: a plain exception"),
        (6, FailureKind.CRASHED, "KeyboardInterrupt: the function was interrupted"),
        (7, FailureKind.CRASHED, "in the middle of the trial: it ended with exit status 1"),
    ],
)
def test_a_death_is_that_trials_alone(drive, tmp_path, way, kind, sentence):
    d = drive("ways_to_die", tmp_path)
    failure = d.evaluate(0, way).failure
    assert failure.kind is kind
    assert sentence in failure.message
    assert failure.log == "control/0.1.log"
    log = (tmp_path / failure.log).read_text()
    assert log.startswith("last words\n")
    if way == 3:
        assert "Segmentation fault" in log
        assert "ways_to_die" in log
    if way == 5:
        assert "Traceback" in log
    assert d.evaluate(1, 0.25).metrics["y"] == (0.25, None)


def test_the_other_workers_go_on_meanwhile(drive, tmp_path, wait_until):
    d = drive("gate", workers=2)
    d.run(0, 1.0, instance=str(tmp_path))
    wait_until((tmp_path / "runs-1").exists, "the first trial runs")
    other = d.run(1, 2.0, instance=str(tmp_path))
    wait_until((tmp_path / "runs-2").exists, "the second trial runs")
    os.kill(int((tmp_path / "runs-2").read_text()), signal.SIGKILL)
    assert "SIGKILL" in d.result(1)[1].failure.message
    for index in range(2, 5):
        assert d.evaluate(index, 0.25, instance=str(tmp_path)).failure is None
        assert d.trials[index].run_metadata["slot"] == other.run_metadata["slot"]
    assert 0 not in d.results
    (tmp_path / "open").touch()
    assert d.result(0)[1].metrics["y"] == (1.0, None)


def test_an_idle_worker_that_dies_costs_nothing(drive, gone):
    d = drive("where")
    for index in range(3):
        result = d.evaluate(index, 0.5)
        assert result.failure is None
        os.kill(result.additional_info["pid"], signal.SIGKILL)
        assert gone(result.additional_info["pid"])


def test_a_trial_that_a_dead_worker_had_not_begun_is_sent_again(drive):
    d = drive("where")
    pid = d.evaluate(0, 0.5).additional_info["pid"]
    os.kill(pid, signal.SIGSTOP)
    d.run(1, 0.5)
    os.kill(pid, signal.SIGKILL)
    assert d.result(1)[1].failure is None


def test_a_trial_is_not_sent_to_dying_workers_for_ever(drive, wait_until, gone):
    d = drive("where")
    pid = d.evaluate(0, 0.5).additional_info["pid"]
    os.kill(pid, signal.SIGSTOP)
    d.run(1, 0.5)
    [slot] = d.runner._pool._slots
    slot.job.sendings = 3
    os.kill(pid, signal.SIGKILL)
    assert "the worker process ended 3 times before it began: it was ended by SIGKILL" in d.result(1)[1].failure.message


def test_a_killed_supervisor_means_lost_and_leaves_nothing(drive, tmp_path, gone, wait_until):
    d = drive("stubborn", tmp_path)
    d.run(0, 1.0, instance=str(tmp_path))
    tree = pids(tmp_path, wait_until)
    [folder] = (tmp_path / "control").glob("worker-0.*/")
    os.kill(supervisor(folder), signal.SIGKILL)
    failure = d.result(0)[1].failure
    assert failure.kind is FailureKind.LOST
    assert "its supervisor was killed" in failure.message
    assert all(gone(pid) for pid in tree)
    assert d.evaluate(1, 0.25, instance=str(tmp_path)).failure is None


def test_killed_guards_mean_lost_though_a_child_has_a_copy_of_the_channel(
    drive, tmp_path, wait_until, parent_of, lives
):
    d = drive("forked", tmp_path)
    d.run(0, 1.0, instance=str(tmp_path))
    tree = pids(tmp_path, wait_until)
    guard = parent_of(tree[0])
    for pid in (parent_of(guard), guard):
        os.kill(pid, signal.SIGKILL)
    assert d.result(0)[1].failure.kind is FailureKind.LOST
    assert not any(map(lives, tree)), "it was called lost while something of it lived"
    assert d.evaluate(1, 0.25, instance=str(tmp_path)).failure is None


def supervisor(folder):
    from runwright.folder import lock_holder

    with (folder / LOCK).open("r+b") as file:
        return lock_holder(file.fileno())


def test_a_worker_that_cannot_be_replaced_is_a_submit_error(drive, tmp_path, monkeypatch, gone):
    d = drive("where", tmp_path)
    pid = d.evaluate(0, 0.5).additional_info["pid"]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/no/such/python")
        os.kill(pid, signal.SIGSTOP)
        d.run(1, 0.5)
        os.kill(pid, signal.SIGKILL)
        failure = d.result(1)[1].failure
        assert failure.kind is FailureKind.SUBMIT_ERROR
        assert "'/no/such/python' cannot be executed" in failure.message
        with pytest.raises(SubmitError, match="a worker of the pool could not be started: '/no/such/python'"):
            d.runner.run(d.trial(2, 0.5))
        assert list((tmp_path / "control").glob("worker-*/")) == []
    assert d.evaluate(3, 0.5).failure is None


def test_a_log_that_cannot_be_kept_costs_no_result(drive, tmp_path):
    d = drive("talk", tmp_path)
    (tmp_path / "control" / "0.1.log").mkdir()
    result = d.evaluate(0, 0.75)
    assert result.failure.message == "ValueError: after talking"
    assert "the output could not be kept" in result.additional_info["log"]


# Stops and limits.


def test_a_stop_ends_the_whole_tree_while_the_other_worker_works(drive, tmp_path, gone, wait_until):
    d = drive("stubborn", workers=2, limits={"grace": 0.3})
    d.run(0, 1.0, instance=str(tmp_path))
    tree = pids(tmp_path, wait_until)
    assert d.runner.stop(d.trials[0], "enough") == {"reason": "enough"}
    assert d.runner.stop(d.trials[0]) == {}
    assert d.evaluate(1, 0.25, instance=str(tmp_path)).failure is None  # within the grace, or after it
    status, result = d.result(0)
    assert status is rw.TrialStatus.ABANDONED
    assert result.failure.message == "it was stopped"
    assert all(gone(pid) for pid in tree)
    assert d.evaluate(2, 0.25, instance=str(tmp_path)).failure is None
    d.runner.stop(d.trials[2])  # it has ended: nothing happens
    assert d.runner.poll_trial_status([d.trials[2]]) == {rw.TrialStatus.COMPLETED: {2}}


def test_the_time_limit_is_of_each_trial(drive, tmp_path):
    d = drive("stubborn", limits={"timeout": 1.0, "grace": 0.05})
    for index in range(3):  # the worker lives longer than the limit
        assert d.evaluate(index, 0.25, instance=str(tmp_path)).failure is None
    failure = d.evaluate(3, 1.0, instance=str(tmp_path)).failure
    assert failure.kind is FailureKind.TIMEOUT
    assert failure.message.startswith("it was ended after 1.")
    assert (
        "; the time limit is 1 s; it did not obey SIGTERM and was killed after its grace of 0.05 s" in failure.message
    )
    assert d.results[3][1].seconds >= 0.9
    assert d.evaluate(4, 0.25, instance=str(tmp_path)).failure is None


def test_the_memory_limit(drive):
    d = drive("hog", limits={"memory": 300 * 2**20})
    result = d.evaluate(0, 1.0)
    assert result.failure.kind is FailureKind.MEMORYOUT
    assert result.failure.message.endswith("the memory limit is 300 MiB")
    assert result.peak_memory > 300 * 2**20
    assert d.evaluate(1, 0.25).failure is None


@pytest.mark.slow
@pytest.mark.parametrize("x", [1.0, 2.0, 3.0])
def test_the_output_limit(drive, tmp_path, x):
    """Before it could be ended, while it goes on, and by what it gives back."""
    d = drive("prints", tmp_path, limits={"output": 100_000})
    assert d.evaluate(0, 0.25).failure is None
    failure = d.evaluate(1, x).failure
    assert failure.kind is FailureKind.OUTPUT_LIMIT
    assert failure.message.startswith("it was ended when it had written " if x == 2 else "it wrote ")
    assert failure.message.endswith("; the output limit is 97.66 KiB")
    if x < 3:
        log = (tmp_path / failure.log).read_text()
        assert log.startswith("line 0\n")
        assert "bytes of output were cut here" in log
        assert len(log) < 200_000
    assert d.evaluate(2, 0.25).failure is None
    assert (tmp_path / "control" / "worker-0.log").stat().st_size < 200_000


# Logs.


def test_the_output_of_a_failed_trial_is_kept_that_of_others_is_not(drive, tmp_path):
    d = drive("talk", tmp_path)
    for index, x in enumerate((0.1, 0.75, 0.2, 1.0)):
        d.evaluate(index, x)
    assert d.results[1][1].failure.log == "control/1.1.log"
    log = (tmp_path / "control" / "3.1.log").read_text()
    assert log.startswith("said 1.0\nTraceback")
    assert sorted(path.name for path in (tmp_path / "control").glob("[0-9]*")) == ["1.1.log", "3.1.log"]
    assert (tmp_path / "control" / "worker-0.log").stat().st_size < 100


def test_without_a_directory_the_output_is_in_the_result(drive):
    result = drive("talk").evaluate(0, 0.75)
    assert result.failure.log is None
    assert result.additional_info["output"] == "said 0.75\n"
    assert "after talking" in result.additional_info["traceback"]


def test_nothing_is_left_when_it_is_closed(tmp_path, gone, by_hand):
    d = by_hand(PoolRunner("pool_functions:where", 2, folder=HERE), tmp_path)
    pid = d.evaluate(0, 0.5).additional_info["pid"]
    d.close()
    assert gone(pid)
    assert list((tmp_path / "control").glob("worker-*/")) == []
    d.runner.close()
    with pytest.raises(ContractError, match="open was not called"):
        d.runner.run(d.trial(1, 0.5))


def test_close_ends_what_runs(tmp_path, gone, by_hand, wait_until):
    d = by_hand(PoolRunner("pool_functions:stubborn", 1, folder=HERE), grace=0.1)
    d.run(0, 1.0, instance=str(tmp_path))
    tree = pids(tmp_path, wait_until)
    d.close()
    assert all(gone(pid) for pid in tree)


# The contract.


def test_run_adopts_or_starts(drive, tmp_path):
    d = drive("gate")
    trial = d.run(0, 1.0, instance=str(tmp_path))
    assert d.runner.run(trial) == trial.run_metadata
    assert d.runner.poll_available_capacity() == 0
    with pytest.raises(SubmitError, match="attempt 1 was already submitted with other parameters"):
        d.runner.run(d.trial(0, 2.0, instance=str(tmp_path)))
    trial.attempt = 2
    with pytest.raises(SubmitError, match="attempt 1 is still running"):
        d.runner.run(trial)
    assert d.runner.poll_trial_status([trial]) == {}
    trial.attempt = 1
    with pytest.raises(SubmitError, match="all 1 workers are busy"):
        d.runner.run(d.trial(1, 2.0, instance=str(tmp_path)))
    with pytest.raises(ContractError, match="has no result in this pool"):
        d.runner.fetch_result(trial)
    (tmp_path / "open").touch()
    assert d.result(0)[1].failure is None
    assert d.runner.run(trial) == trial.run_metadata
    assert d.runner.reattach([trial]) == {0: Following(trial.run_metadata)}
    assert d.runner.reattach([d.trials[1]]) == {1: Lost("it ended with the driver that ran it")}
    trial.attempt = 2
    assert d.runner.run(trial)["name"] == "e_0"


def test_wait_is_level_triggered_and_can_be_woken(drive, wait_until):
    d = drive("noop")
    d.run(0, 0.5)
    wait_until(lambda: d.runner.wait(d.context.clock.now() + 0.05, d.waker), "news")
    assert d.runner.wait(None, d.waker) == {0}
    d.runner.poll_trial_status([d.trials[0]])
    assert d.runner.wait(d.context.clock.now(), d.waker) == set()
    d.waker.wake()
    assert d.runner.wait(None, d.waker) == set()


class CountedClock(SystemClock):
    """Notes the pauses that are made with it."""

    def __init__(self):
        super().__init__()
        self.pauses = 0

    def wait(self, until, waker):
        self.pauses += 1
        super().wait(until, waker)


def test_of_several_the_first_news_are_given_a_moment_where_polls_are_dear(drive, wait_until):
    d = drive("noop", workers=2)
    clock = CountedClock()
    d.context = d.runner._context = replace(d.context, clock=clock)
    d.runner.gather = 0.01
    d.run(0, 0.5)
    wait_until(lambda: d.runner.wait(clock.now() + 0.05, d.waker), "news of the only one")
    assert clock.pauses == 0
    d.run(1, 0.5)
    d.runner.poll_trial_status([d.trials[0]])
    d.run(2, 0.5)
    wait_until(lambda: d.runner.wait(clock.now() + 0.05, d.waker), "news of one of two")
    pauses = clock.pauses
    assert pauses
    wait_until(lambda: d.runner.wait(clock.now(), d.waker) == {1, 2}, "news of the other, though the first is unread")
    assert clock.pauses == pauses, "what does not wait makes no pause"
    d.runner.close()
    assert d.runner.gather == 0.0, "the next loop decides for itself"


def test_results_of_terminal_trials_are_forgotten(drive):
    d = drive("noop")
    for index in range(20):
        d.evaluate(index, 0.5)
        d.trials[index]._status = rw.TrialStatus.COMPLETED
    assert len(d.runner._attempts) <= 2


@pytest.mark.parametrize(
    ("module", "function", "sentence"),
    [
        ("pass", "f", "has no 'f'"),
        ("import no_such_module", "f", "No module named 'no_such_module'"),
        ("def f(other, more): pass", "f", "required argument 'other' is no parameter of the experiment"),
        ("import os; print('bye'); os._exit(5)", "f", "ended before it had loaded the function: it ended with exit"),
        ("import sys; sys.exit('no')", "f", "SystemExit: no"),
    ],
)
def test_a_function_that_does_not_load_is_refused_at_once(tmp_path, module, function, sentence, by_hand):
    (tmp_path / "model.py").write_text(f"{module}\n")
    runner = PoolRunner(f"model:{function}", 2, folder=tmp_path)
    with pytest.raises(UsageError, match=sentence):
        by_hand(runner)
    runner.close()


KILLED_WHILE_IT_LOADS = """
import os, signal
from pathlib import Path

marks = Path(__file__).with_name("marks")
marks.mkdir(exist_ok=True)
times = len(os.listdir(marks))
(marks / str(times)).touch()
if times < {times}:
    os.kill(os.{victim}(), signal.SIGKILL)
    signal.pause()

def f(x):
    return x
"""


@pytest.mark.parametrize("victim", ["getpid", "getppid"])
def test_a_worker_that_is_killed_while_it_loads_is_replaced(tmp_path, victim, by_hand):
    (tmp_path / "model.py").write_text(KILLED_WHILE_IT_LOADS.format(victim=victim, times=2))
    runner = PoolRunner("model:f", 1, folder=tmp_path)
    assert by_hand(runner).evaluate(0, 0.5).metrics["y"] == (0.5, None)
    runner.close()


def test_a_function_that_is_killed_whenever_it_loads_is_refused(tmp_path, by_hand):
    (tmp_path / "model.py").write_text(KILLED_WHILE_IT_LOADS.format(victim="getpid", times=99))
    runner = PoolRunner("model:f", 1, folder=tmp_path)
    with pytest.raises(UsageError, match=r"ended before it had loaded the function: it was ended by SIGKILL \(9\)"):
        by_hand(runner)
    assert len(list((tmp_path / "marks").iterdir())) == 3
    runner.close()


def test_a_trial_whose_worker_is_killed_while_it_loads_goes_to_the_next(drive, tmp_path, wait_until):
    d = drive("where", tmp_path)
    pid = d.evaluate(0, 0.5).additional_info["pid"]
    os.kill(pid, signal.SIGKILL)
    [slot] = d.runner._pool._slots

    def replaced():
        d.runner._pool.collect()
        return slot.worker is not None and slot.worker.fileno() in d.runner._pool._by_fd and not slot.worker.ready

    wait_until(replaced, "the next worker")
    d.run(1, 0.5)
    [folder] = (tmp_path / "control").glob("worker-0.*/")
    os.kill(supervisor(folder), signal.SIGKILL)
    assert d.result(1)[1].failure is None


def test_a_function_that_stops_to_load_later_fails_its_trials(tmp_path, by_hand):
    (tmp_path / "model.py").write_text("import os\ndef f(x):\n    os._exit(1) if x > 0.5 else None\n    return x\n")
    d = by_hand(PoolRunner("model:f", 1, folder=tmp_path))
    assert d.evaluate(0, 0.25).failure is None
    (tmp_path / "model.py").write_text("raise ValueError('edited')\n")
    assert "exit status 1" in d.evaluate(1, 1.0).failure.message
    for index in (2, 3):
        assert "ValueError: edited" in d.evaluate(index, 0.25).failure.message
    d.close()


def test_what_cannot_be_a_pool(tmp_path):
    with pytest.raises(UsageError, match="a lambda has no name"):
        PoolRunner(lambda x: x)
    for workers in (0, -1, True, 1.5):
        with pytest.raises(UsageError, match="the number of workers must be a positive integer"):
            PoolRunner("m:f", workers)


def test_saved_and_built_again():
    runner = PoolRunner("pool_functions:noop", 3, folder=HERE)
    assert PoolRunner.from_dict(runner.to_dict()) == runner == runner.clone()
    assert runner != PoolRunner("pool_functions:noop", 2, folder=HERE)
    assert runner != object()
    assert runner.poll_available_capacity() == 3
    assert PoolRunner("m:f").poll_available_capacity() == len(os.sched_getaffinity(0))
    assert runner.traits.enforces == {"timeout", "memory", "output"}


def test_a_wait_is_ended_by_the_waker_that_it_was_given_also_where_that_has_the_number_of_an_earlier_one(drive):
    d = drive("where")
    clock = d.context.clock
    for _ in range(3):
        waker, until = Waker(), clock.now() + 60
        waker.wake()
        d.runner.wait(until, waker)
        assert clock.now() < until
        waker.close()


def test_a_waker_that_is_unread_does_not_keep_a_close_busy(drive, monkeypatch, tmp_path):
    d = drive("gate")
    d.run(0, 0.5, instance=str(tmp_path / "never"))
    d.waker.wake()
    d.runner.wait(None, d.waker)
    pool, looks = d.runner._pool, []
    monkeypatch.setattr(pool, "collect", lambda collect=pool.collect: looks.append(1) or collect())
    d.runner.close()
    assert len(looks) < 10
