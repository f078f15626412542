"""What is found of an attempt, whoever looks and whenever."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from runwright.process import adoption
from runwright.process.adoption import (
    Absent,
    Adopted,
    Exited,
    Unreachable,
    Vanished,
    adopt,
    confirm,
    fence,
    restart_rule,
    stop_live,
    unfence,
)
from runwright.process.record import ControlFolder


def test_nothing_is_found_where_nothing_is(folder):
    assert restart_rule(folder / "missing") == Absent()
    assert restart_rule(folder) == Absent()


def test_a_live_attempt_is_adopted_and_stopped(bench):
    request = bench.request("sleep 600")
    answer = bench.launch(request)
    found = restart_rule(request["control"])
    assert isinstance(found, Adopted)
    assert found.process.pid == answer["pid"] == found.started["pid"]
    limits = {"timeout": None, "memory": None, "output": None, "log": 1_000_000, "grace": 0.3}
    assert found.started["limits"] == limits
    for _ in range(3):
        found.process.terminate()
    assert bench.record(request)["reason"] == "stop"
    for act in (found.process.terminate, found.process.kill, found.process.close, found.process.close):
        act()  # of a process that has ended, and then of a handle that is closed
    found.process.terminate()


def test_an_ended_attempt_is_found_by_its_record(bench):
    request = bench.request("exit 3")
    bench.launch(request)
    record = bench.record(request)
    assert restart_rule(request["control"]) == Exited(record)


def test_a_damaged_record_says_that_it_has_ended(bench):
    request = bench.request("exit 3")
    bench.launch(request)
    bench.record(request)
    Path(request["control"], "exit").write_bytes(b"\0\0")
    assert restart_rule(request["control"]) == Exited({"damaged": True})


def test_a_start_in_an_earlier_life_of_the_machine_is_lost(folder):
    control = ControlFolder(str(folder))
    assert control.claim()
    control.begin({"pid": 1, "boot": "another"})
    control.close()
    found = restart_rule(folder)
    assert isinstance(found, Vanished)
    assert found.reason == "the machine went down while it ran"


def test_a_start_without_a_boot_is_one_of_this_life(folder):
    control = ControlFolder(str(folder))
    assert control.claim()
    control.begin({"pid": 1})
    control.close()
    found = restart_rule(folder)
    assert isinstance(found, Vanished)
    assert found.reason.startswith("its supervisor was killed")


def test_who_said_that_it_started_is_confirmed_by_its_lock(bench):
    request, other = bench.request("sleep 600"), bench.request("sleep 600")
    pid, another = bench.launch(request)["pid"], bench.launch(other)["pid"]
    process = confirm(request["control"], pid)
    assert process.pid == pid
    assert confirm(request["control"], another) is None
    process.terminate()
    process.close()
    assert bench.record(request)["reason"] == "stop"
    assert confirm(request["control"], pid) is None
    os.kill(another, signal.SIGTERM)
    bench.record(other)


def test_a_holder_that_cannot_be_named_is_no_verdict(bench, monkeypatch):
    request = bench.request("sleep 600")
    answer = bench.launch(request)
    monkeypatch.setattr(adoption, "lock_holder", lambda fd: 0)  # as the kernel says of another pid namespace
    assert restart_rule(request["control"]) == Unreachable()
    monkeypatch.undo()
    os.kill(answer["pid"], signal.SIGTERM)
    bench.record(request)


def test_a_pid_that_changes_hands_between_two_looks_is_not_adopted(bench, monkeypatch):
    request = bench.request("sleep 600")
    answer = bench.launch(request)
    holders = iter([os.getpid(), answer["pid"]])
    monkeypatch.setattr(adoption, "lock_holder", lambda fd: next(holders))
    assert adopt(request["control"]) is None
    monkeypatch.undo()
    os.kill(answer["pid"], signal.SIGTERM)
    bench.record(request)


def test_an_end_between_two_looks_is_seen(folder, monkeypatch):
    """The supervisor records the end after we looked for it, and is gone when we look for its lock."""
    control = ControlFolder(str(folder))
    assert control.claim()
    control.begin({"pid": 1})
    looks = []

    def lock_holder(fd: int) -> None:
        if not looks:
            control.finish({"code": 7})
        looks.append(fd)

    monkeypatch.setattr(adoption, "lock_holder", lock_holder)
    assert restart_rule(folder) == Exited({"code": 7})
    assert looks
    control.close()


def test_a_start_is_no_fence(folder):
    control = ControlFolder(str(folder))
    assert control.claim()
    control.begin({"pid": 1, "boot": "another"})
    control.close()
    unfence(folder)
    assert isinstance(restart_rule(folder), Vanished)
    assert not fence(folder)


def test_a_fence_keeps_an_attempt_from_beginning_until_it_is_taken_away(bench):
    request = bench.request("echo run >> ../count")
    assert fence(request["control"])
    assert fence(request["control"])
    assert restart_rule(request["control"]) == Absent(fenced=True)
    assert bench.launch(request)["event"] == "claimed"
    unfence(request["control"])
    assert restart_rule(request["control"]) == Absent()
    unfence(request["control"])
    assert bench.launch(request)["event"] == "started"
    bench.record(request)
    assert not fence(request["control"])
    unfence(request["control"])
    assert isinstance(restart_rule(request["control"]), Exited)
    assert Path(request["cwd"], "../count").read_text() == "run\n"


@pytest.mark.slow
def test_a_fence_and_a_launch_that_race_have_one_winner(bench):
    bench.run("exit 0")  # the launcher is up
    outcomes = set()
    for number in range(40):
        request = bench.request("echo run > ran; sleep 0.01")
        answers: list[dict] = []
        sending = threading.Thread(target=lambda r=request, a=answers: a.append(bench.launch(r)))
        sending.start()
        if number % 2:
            for _ in range(number * 100):
                os.getpid()  # a little later each time
        fenced = fence(request["control"])
        sending.join()
        outcomes.add(fenced)
        if fenced:
            assert answers[0]["event"] == "claimed"
            assert not Path(request["cwd"], "ran").exists()
        else:
            assert answers[0]["event"] == "started"
            assert bench.record(request)["code"] == 0
            assert Path(request["cwd"], "ran").exists()
    assert True in outcomes


def test_stop_without_a_driver_ends_all_that_lives(bench, folder):
    lives = [bench.request("sleep 600") for _ in range(3)]
    bench.launcher.launch(lives)
    ended = bench.request("exit 0")
    bench.launch(ended)
    bench.record(ended)
    fence(bench.request("exit 0")["control"])
    assert stop_live(folder) == [request["id"] for request in lives]
    assert {bench.record(request)["reason"] for request in lives} == {"stop"}
    assert stop_live(folder) == []
    assert stop_live(folder / "no such run") == []


def test_stop_without_a_driver_waits_for_one_that_is_about_to_begin(bench, folder, monkeypatch):
    """Between its lock and its record it must not be told to stop: it is not yet known whom the lock means."""
    request = bench.request("sleep 600")
    bench.launch(request)
    looks = []
    real = adoption.restart_rule

    def restart_rule(control):
        looks.append(control)
        found = real(control)
        return Adopted(found.process, {}) if len(looks) < 4 else found

    monkeypatch.setattr(adoption, "restart_rule", restart_rule)
    assert stop_live(folder) == [request["id"]]
    assert len(looks) == 4
    monkeypatch.undo()
    assert bench.record(request)["reason"] == "stop"
