"""What becomes of workers when the driver dies, and functions of the driver's own script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runwright.runner import Lost
from runwright.runners.pool import PoolRunner

HERE = Path(__file__).parent
pytestmark = pytest.mark.slow  # each starts processes

DRIVER = """
import sys
from pathlib import Path
import runwright as rw
from runwright.clock import Waker
from runwright.runner import RunContext, Limits
from runwright.runners.pool import PoolRunner

folder = Path(sys.argv[1])
experiment = rw.Experiment("e", {"x": rw.Float(0, 10)}, {"y": "minimize"})
runner = PoolRunner("pool_functions:stubborn", 1, folder=sys.argv[2])
runner.open(RunContext(experiment, folder, limits=Limits(grace=float(sys.argv[3]))))
trial = experiment.new_trial(0, [{"x": 1.0}], instance=str(folder))
trial.attempt = 1
runner.run(trial)
runner.wait(None, Waker())
"""

SCRIPT = """
import runwright as rw
from runwright.clock import Waker
from runwright.runner import RunContext
from runwright.runners.pool import PoolRunner

SHIFT = 0.5

def shifted(x):
    import multiprocessing
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(helper, (x,))

def helper(x):
    return x + SHIFT

def main():
    experiment = rw.Experiment("e", {"x": rw.Float(0, 10)}, {"y": "minimize"})
    runner = PoolRunner(shifted, 1)
    runner.open(RunContext(experiment))
    trial = experiment.new_trial(0, [{"x": 1.0}])
    trial.attempt = 1
    runner.run(trial)
    while runner.poll_trial_status([trial]) == {rw.TrialStatus.RUNNING: {0}}:
        runner.wait(None, Waker())
    print(runner.fetch_result(trial).metrics)
    runner.close()

"""


@pytest.fixture
def driver(tmp_path):
    """A driver in a process of its own, with a stubborn tree of processes under its only trial."""
    started = []

    def start(grace):
        command = [sys.executable, "-c", DRIVER, str(tmp_path), str(HERE), str(grace)]
        started.append(subprocess.Popen(command, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def tree(folder, wait_until):
    wait_until((folder / "pids").exists, "the tree of processes stands")
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def test_a_killed_driver_leaves_no_process(driver, tmp_path, wait_until, gone):
    process = driver(0.1)
    pids = tree(tmp_path, wait_until)
    process.kill()
    process.wait()
    assert all(gone(pid) for pid in pids)


def test_the_next_driver_waits_until_the_trial_is_dead(driver, tmp_path, wait_until, gone, by_hand):
    process = driver(1.0)
    pids = tree(tmp_path, wait_until)
    process.kill()
    process.wait()
    d = by_hand(PoolRunner("pool_functions:stubborn", 1, folder=HERE), tmp_path)
    trial = d.trial(0, 1.0, instance=str(tmp_path))
    answers = []
    wait_until(lambda: answers.append(d.runner.reattach([trial])) or answers[-1], "the attempt is known to be dead")
    assert answers[-1] == {0: Lost("it ended with the driver that ran it")}
    assert all(not Path(f"/proc/{pid}").exists() for pid in pids), "it was called lost while something of it lived"
    d.close()
    by_hand(PoolRunner("pool_functions:stubborn", 1, folder=HERE), tmp_path).close()
    assert list((tmp_path / "control").glob("worker-*/")) == []


def test_the_next_driver_ends_what_a_worker_left_whose_guards_were_killed(
    driver, tmp_path, wait_until, gone, by_hand, parent_of, lives
):
    process = driver(60.0)
    pids = tree(tmp_path, wait_until)
    supervisor = parent_of(pids[0])
    for pid in (parent_of(supervisor), supervisor, process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    assert gone(supervisor)
    d = by_hand(PoolRunner("pool_functions:stubborn", 1, folder=HERE), tmp_path)
    trial = d.trial(0, 1.0, instance=str(tmp_path))
    assert d.runner.reattach([trial]) == {0: Lost("it ended with the driver that ran it")}
    assert not any(map(lives, pids)), "it was called lost while something of it lived"
    d.close()


def test_an_interrupt_of_the_terminal_does_not_reach_the_workers(driver, tmp_path, wait_until):
    process = driver(0.1)
    pids = tree(tmp_path, wait_until)
    sessions = {os.getsid(pid) for pid in pids}
    assert process.pid not in sessions
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait() == -signal.SIGINT


def run(path, *arguments):
    return subprocess.run([sys.executable, *arguments], cwd=path, text=True, check=False, capture_output=True)


def test_a_function_of_a_guarded_script(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT + "if __name__ == '__main__':\n    main()\n")
    for arguments in (["script.py"], ["-m", "script"]):
        ended = run(tmp_path, *arguments)
        assert ended.stdout == "{'y': (1.5, None)}\n", ended.stderr


def test_a_script_without_a_guard_is_refused_by_a_sentence(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT + "main()\n")
    ended = run(tmp_path, "script.py")
    assert ended.returncode == 1
    assert "UsageError: the function" in ended.stderr
    assert "put what starts it under: if __name__ == '__main__':" in ended.stderr


def test_through_the_scheduler_killed_and_resumed(tmp_path):
    script = """
import os, sys
from pathlib import Path
import runwright as rw
from runwright.optimizers import RandomOptimizer
from runwright.runners import PoolRunner

def main():
    Path(sys.argv[1], "driver").write_text(str(os.getpid()))
    experiment = rw.Experiment("e", {"x": rw.Float(0, 10)}, {"y": "minimize"})
    runner = PoolRunner("model:f", workers=2, folder=sys.argv[1])
    with rw.Scheduler(experiment, RandomOptimizer(seed=3), runner, directory=sys.argv[1] + "/run") as scheduler:
        results = scheduler.run(trials=12)
        print([trial["metrics"]["y"]["mean"] == trial["parameters"]["x"] for trial in results])

if __name__ == "__main__":
    main()
"""
    model = """
import os, signal, time
from pathlib import Path
HERE = Path(__file__).parent

def f(x):
    with (HERE / "calls").open("a") as file:
        file.write(f"{x!r}\\n")
    if len((HERE / "calls").read_text().splitlines()) == 5:
        os.kill(int((HERE / "driver").read_text()), signal.SIGKILL)
        time.sleep(60)
    return x
"""
    (tmp_path / "script.py").write_text(script)
    (tmp_path / "model.py").write_text(model)
    first = subprocess.Popen([sys.executable, "script.py", str(tmp_path)], cwd=tmp_path)
    assert first.wait() == -signal.SIGKILL
    ended = run(tmp_path, "script.py", str(tmp_path))
    assert ended.stdout == f"{[True] * 12}\n", ended.stderr
    calls = json.loads(f"[{','.join((tmp_path / 'calls').read_text().split())}]")
    assert len(set(calls)) == 12
    assert len(calls) <= 14, "only what was under way is repeated"
