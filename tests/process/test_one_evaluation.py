"""One evaluation while the first lives: what a runner says of its places, its attempts and those of other drivers."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from pathlib import Path

import pytest

import runwright as rw
from runwright.optimizers import RandomOptimizer
from runwright.process import client
from runwright.process.adoption import fence, restart_rule
from runwright.process.linux import boot_id, start_ticks
from runwright.process.record import ControlFolder
from runwright.runner import Lost, NeverStarted
from runwright.runners import PoolRunner
from tests.process.conftest import alive
from tests.running import EXPERIMENT, wait_for


def test_a_trial_that_has_ended_keeps_its_worker_until_a_poll_has_said_so(driver):
    """A point that is asked for in between would be asked for without a result that is already there."""
    runner = driver.open(["sh", "-c", "echo '{{\"y\": 1}}' > result.json"])
    trial = driver.trial()
    pid = runner.run(trial)["pid"]
    wait_for(lambda: not alive(pid), "the end of the supervisor")
    assert runner.poll_available_capacity() == 0
    driver.finish(runner, trial)
    assert runner.poll_available_capacity() == 1


def test_what_a_writer_that_was_killed_left_in_a_control_folder_is_used_up(folder):
    """A supervisor, or a driver that fences, may die between writing a record aside and putting it in its place."""
    Path(folder, ".started.tmp").write_text("half a rec")
    assert fence(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "started"]
    assert getattr(restart_rule(folder), "fenced", False)
    control = ControlFolder(str(folder))
    assert not control.claim()
    control.close()


def test_a_launcher_that_is_killed_while_it_preloads_is_replaced(driver, tmp_path):
    module = tmp_path / "killed_once.py"
    module.write_text(
        f"import os, signal\n"
        f"if os.getpid() != {os.getpid()} and not os.path.exists({str(tmp_path / 'seen')!r}):\n"
        f"    open({str(tmp_path / 'seen')!r}, 'w').close()\n"
        f"    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"def f(x, n): return x\n"
    )
    runner = driver.open(function=f"{module}:f", preload=True)
    assert driver.result(runner, driver.trial()).metrics == {"y": (0.5, None)}


def test_a_preload_that_leaves_threads_is_refused_by_a_sentence(driver):
    with pytest.raises(rw.UsageError) as refused:
        driver.open(function=f"{Path(__file__).with_name('with_thread.py')}:function", preload=True)
    assert f"{refused.value}" == (
        "preload: after the import of the function's module there are 2 threads, and a process with threads cannot be "
        "forked safely; leave preload out, or set OMP_NUM_THREADS=1"
    )


@pytest.mark.slow
def test_a_pool_whose_first_supervisor_is_killed_over_its_start_starts_another(folder, monkeypatch):
    """The launcher says "gone" of it; the study must not end over that."""
    answered = client.Launcher.launch
    killed: list[str] = []

    def launch(self, requests, channels=None):
        asked = list(requests)
        answers = answered(self, asked, channels)
        if not killed:  # the last one dies before it has said anything
            os.kill(answers[asked[-1]["id"]]["pid"], signal.SIGKILL)
            answers[asked[-1]["id"]] = {"event": "gone", "id": asked[-1]["id"]}
            killed.append(asked[-1]["id"])
        return answers

    monkeypatch.setattr(client.Launcher, "launch", launch)
    with rw.Scheduler(
        EXPERIMENT,
        RandomOptimizer(),
        PoolRunner(f"{Path(__file__).with_name('functions.py')}:good", workers=2),
        directory=folder,
    ) as scheduler:
        assert {row["status"] for row in scheduler.run(trials=3)} == {"COMPLETED"}
    assert killed


RUNS = "echo $RUNWRIGHT_ATTEMPT >> ../../../count; echo '{{\"y\": 1}}' > result.json"


def test_a_pid_that_was_given_to_somebody_else_is_nobodys_proof_of_life(driver):
    """Pid and start time fit to a bystander; the lock, which alone counts, is free."""
    runner = driver.open(["sh", "-c", "exec sleep 600"])
    trial = driver.trial()
    with subprocess.Popen(["sleep", "600"]) as bystander:
        place = driver.folder / "control/0.1"
        place.mkdir(parents=True)
        (driver.folder / "trials/0/1").mkdir(parents=True)
        began = {"pid": bystander.pid, "ticks": start_ticks(bystander.pid), "boot": boot_id()}
        (place / "started").write_text(json.dumps(began))
        (place / "lock").touch()
        runner.stop(trial)
        assert isinstance(runner.reattach([trial])[0], Lost)
        assert bystander.poll() is None
        bystander.kill()


def test_an_attempt_whose_request_arrives_late_is_fenced(driver, happens):
    """The launcher of a dead driver was suspended with a request in its socket, and goes on much later."""
    late = driver.open(["sh", "-c", RUNS])
    first, second = driver.trial(), driver.trial(attempt=2)
    other = driver.trial(index=1)
    driver.result(late, other)  # its launcher is up
    launcher = late._launcher
    os.kill(launcher.pid, signal.SIGSTOP)
    request = late._attempts._deployments
    assert not request.exists(first)
    frame = client._Frame({**request.prepare(first, 0).request, "serial": 10**6}, None)
    assert frame.send(launcher._socket)
    runner = driver.open(["sh", "-c", RUNS])
    assert isinstance(runner.reattach([first])[0], NeverStarted)  # fences it
    assert driver.result(runner, second).metrics == {"y": (1.0, None)}
    os.kill(launcher.pid, signal.SIGCONT)
    launched = select.poll()
    launched.register(launcher._answers, select.POLLIN)
    assert launched.poll(30_000)
    assert [(answer["serial"], answer["event"]) for answer in launcher._read()] == [(10**6, "claimed")]
    assert (driver.folder / "count").read_text().split() == ["1", "2"]
    assert not (driver.folder / "trials/0/1/result.json").exists()
    assert runner.fetch_result(second).metrics == {"y": (1.0, None)}


def test_a_request_that_arrives_late_finds_its_attempt_begun_by_the_next_driver(driver):
    """The same, and the next driver sends the attempt again under its number."""
    late = driver.open(["sh", "-c", RUNS])
    first = driver.trial()
    driver.result(late, driver.trial(index=1))
    launcher = late._launcher
    os.kill(launcher.pid, signal.SIGSTOP)
    deployments = late._attempts._deployments
    assert not deployments.exists(first)
    assert client._Frame({**deployments.prepare(first, 0).request, "serial": 10**6}, None).send(launcher._socket)
    runner = driver.open(["sh", "-c", RUNS])
    assert isinstance(runner.reattach([first])[0], NeverStarted)
    assert driver.result(runner, first).metrics == {"y": (1.0, None)}
    os.kill(launcher.pid, signal.SIGCONT)
    launched = select.poll()
    launched.register(launcher._answers, select.POLLIN)
    assert launched.poll(30_000)
    assert launcher._read()[0]["event"] == "claimed"
    assert (driver.folder / "count").read_text().split() == ["1", "1"]  # one a trial
