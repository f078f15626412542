"""ProcessRunner with commands: what a program sees, what it may give back, and how it is followed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import runwright as rw
from runwright.clock import Waker
from runwright.errors import ContractError, SubmitError
from runwright.runner import Ended, Following, Limits, Lost, NeverStarted, RunContext, Runner
from runwright.runners.process import ProcessRunner

COMPLETED, FAILED, ABANDONED, RUNNING = (
    rw.TrialStatus.COMPLETED,
    rw.TrialStatus.FAILED,
    rw.TrialStatus.ABANDONED,
    rw.TrialStatus.RUNNING,
)
ANSWER = """echo '{{"y": 1.5}}' > result.json"""


def sh(script: str, *arguments: str) -> list[str]:
    return ["sh", "-c", script, "sh", *arguments]


def test_a_program_sees_its_trial_and_gives_back_metrics(driver, folder):
    experiment = rw.Experiment("ex", {"k": rw.Choice(["a b", 'é "q" \n-x']), "x": rw.Float(0, 1)}, {"y": "minimize"})
    script = """
        pwd > seen; printf '%s\\n' "$@" >> seen; env | grep ^RUNWRIGHT_ | sort >> seen
        echo '{{"y": {{"mean": 2, "sem": 0.5}}, "z": 3, "info": {{"note": "ok"}}}}' > "$RUNWRIGHT_RESULT"
    """
    command = sh(script, "{k}", "{x}", "{trial}", "{attempt}", "{seed}", "{budget}", "{instance}", "{slot}")
    runner = driver.open([*command, "{trial_dir}", "{here}"], experiment=experiment, here=folder)
    parameters = {"k": 'é "q" \n-x', "x": 0.25}
    trial = driver.trial(4, 2, experiment=experiment, parameters=parameters, budget=9.0, instance="i 1", seed=11)
    result = driver.result(runner, trial)
    assert result.failure is None, result.failure
    assert result.metrics == {"y": (2.0, 0.5), "z": (3.0, None)}
    assert result.additional_info == {"note": "ok"}
    assert result.seconds >= 0
    assert result.ended == pytest.approx(result.started + result.seconds)
    assert result.peak_memory > 0
    work = folder / "trials/4/2"
    assert (work / "seen").read_text().splitlines() == [
        str(work),
        'é "q" ',
        "-x",
        "0.25",
        "4",
        "2",
        "11",
        "9.0",
        "i 1",
        "0",
        str(work),
        str(folder),
        "RUNWRIGHT_ATTEMPT=2",
        "RUNWRIGHT_BUDGET=9.0",
        "RUNWRIGHT_EXPERIMENT=ex",
        "RUNWRIGHT_INSTANCE=i 1",
        f"RUNWRIGHT_PARAMETERS={work}/parameters.json",
        f"RUNWRIGHT_RESULT={work}/result.json",
        "RUNWRIGHT_SEED=11",
        "RUNWRIGHT_SLOT=0",
        "RUNWRIGHT_TRIAL=4",
    ]
    assert json.loads((work / "parameters.json").read_text("utf-8")) == parameters
    assert json.loads((work / "trial.json").read_text("utf-8")) == {
        "format": 1,
        "experiment": "ex",
        "trial": 4,
        "attempt": 2,
        "arms": [{"name": "4_0", "parameters": parameters}],
        "instance": "i 1",
        "budget": 9.0,
        "seed": 11,
    }


def test_the_environment_of_an_outer_run_does_not_reach_a_trial(driver, monkeypatch):
    monkeypatch.setenv("RUNWRIGHT_BUDGET", "outer")
    monkeypatch.setenv("KEPT", "yes")
    runner = driver.open(sh('[ -z "$RUNWRIGHT_BUDGET" ] && [ "$KEPT$GPU" = yes0 ] && ' + ANSWER), env={"GPU": "{slot}"})
    assert driver.result(runner, driver.trial()).failure is None


def test_a_seed_is_the_one_that_a_function_would_get(driver):
    runner = driver.open(sh("printf '{{\"y\": %s}}' {seed} > result.json"))
    seeds = [driver.result(runner, driver.trial(index)).metrics["y"][0] for index in (0, 1)]
    assert seeds == [rw.experiment.stable_seed(0, "evaluation", index) % 2**31 for index in (0, 1)]


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        (
            "echo some; echo 'the cause é' >&2; exit 3",
            "crashed",
            "it ended with exit status 3; its last line on stderr: the cause é",
        ),
        ("kill -SEGV $$", "crashed", "it was ended by the signal SIGSEGV (11)"),
        (
            "kill -KILL $$",
            "crashed",
            "it was ended by the signal SIGKILL (9), perhaps by the kernel for want of memory",
        ),
        (ANSWER + "; exit 1", "crashed", "it ended with exit status 1"),
        ("exit 0", "invalid_result", "it ended well, but did not write result.json"),
        ("mkdir result.json", "invalid_result", "result.json is a folder; a file is needed"),
        ("mkfifo result.json", "invalid_result", "result.json is no regular file; a file is needed"),
        (
            "ln -s result.json result.json",
            "invalid_result",
            "result.json cannot be read: Too many levels of symbolic links",
        ),
        (": > result.json", "invalid_result", "result.json is empty"),
        (
            "echo '{{\"y\": 1' > result.json",
            "invalid_result",
            "result.json is no valid JSON (half-written?): Expecting",
        ),
        (
            "printf '\\377' > result.json",
            "invalid_result",
            "result.json is no valid JSON (half-written?): 'utf-8' codec",
        ),
        ("echo '[1]' > result.json", "invalid_result", 'result.json must hold an object such as {"y": 0.5}, not list'),
        ("echo null > result.json", "invalid_result", 'result.json must hold an object such as {"y": 0.5}, not null'),
        (
            "head -c 5000 /dev/zero | tr '\\0' 9 > result.json",
            "invalid_result",
            "result.json is no valid JSON (half-written?): a number in it has too many digits",
        ),
        (
            "echo '{{\"x\": 1}}' > result.json",
            "invalid_result",
            "result.json: the objective 'y' is missing; the evaluation returned 'x'",
        ),
        ("echo '{{\"y\": NaN}}' > result.json", "invalid_result", "result.json: the metric 'y' is nan"),
        ("echo '{{\"y\": 1e999}}' > result.json", "invalid_result", "result.json: the metric 'y' is inf"),
        (
            'echo \'{{"y": "1"}}\' > result.json',
            "invalid_result",
            "result.json: the metric 'y' is the text '1'; a number is needed",
        ),
        (
            "echo '{{\"y\": null}}' > result.json",
            "invalid_result",
            "result.json: the metric 'y' is None; a number is needed",
        ),
        ('echo \'{{"y": {{"sem": 1}}}}\' > result.json', "invalid_result", "result.json: the metric 'y' is a mapping;"),
        ("yes '[' | tr -d '\\n' | head -c 200000 > result.json", "invalid_result", "result.json is no valid JSON"),
        ("truncate -s 70M result.json", "output_limit", "result.json has 73400320 bytes; 67108864 are allowed"),
    ],
)
def test_a_failure_has_a_kind_a_sentence_and_a_log(driver, folder, script, kind, message):
    runner = driver.open(sh(script))
    trial = driver.trial()
    runner.run(trial)
    assert driver.finish(runner, trial) == {0: FAILED}
    failure = runner.fetch_result(trial).failure
    assert failure.kind.value == kind
    assert failure.message.startswith(message)
    assert (folder / failure.log).is_file()
    assert runner.poll_exception(trial) == failure.message
    assert runner.fetch_result(trial).failure == failure


def test_success_codes_and_the_pattern_of_a_log(driver):
    result = {"from": "stdout", "pattern": r"^cost=(\S+)$"}
    runner = driver.open(sh("echo cost=1; echo noise; echo cost=2.5; exit 3"), success_codes=[0, 3], result=result)
    assert driver.result(runner, driver.trial()).metrics == {"y": (2.5, None)}


@pytest.mark.parametrize(
    ("script", "metrics", "message"),
    [
        ("echo y=1 z=2 >&2; echo y=3 >&2", {"y": (3.0, None)}, None),
        ("echo y=4 z=5 >&2", {"y": (4.0, None), "z": (5.0, None)}, None),
        ("echo nothing", {}, "stderr.log has nothing that matches the pattern"),
        ("echo y=1_0 >&2", {}, "stderr.log: the metric 'y' is '1_0'; a number is needed"),
        ("echo y=\u0661 >&2", {}, "stderr.log: the metric 'y' is '\u0661'; a number is needed"),
        ("echo y=abc >&2", {}, "stderr.log: the metric 'y' is 'abc'; a number is needed"),
        ("echo y=nan >&2", {}, "stderr.log: the metric 'y' is nan"),
    ],
)
def test_named_groups_are_metrics(driver, script, metrics, message):
    runner = driver.open(sh(script), result={"from": "stderr", "pattern": r"y=(?P<y>\S+)(?: z=(?P<z>\S+))?"})
    result = driver.result(runner, driver.trial())
    assert result.metrics == metrics
    assert (result.failure is None) == (message is None)
    assert message is None or result.failure.message.startswith(message)


def test_a_log_that_was_cut_gives_no_result(driver):
    result = {"from": "stdout", "pattern": r"y=(\S+)"}
    runner = driver.open(sh("echo y=1; yes | head -c 1000; echo y=2"), result=result, limits=Limits(log=100))
    failure = driver.result(runner, driver.trial()).failure
    assert failure.kind.value == "output_limit"
    assert failure.message == (
        "860 bytes of stdout were cut, and the result is read from there; raise the limit of the log"
    )


def test_limits_are_failures_that_say_what_the_limit_was(driver):
    runner = driver.open(sh("sleep 600"), limits=Limits(timeout=0.2, grace=0.1))
    failure = driver.result(runner, driver.trial()).failure
    assert failure.kind.value == "timeout"
    assert failure.message.endswith("s; the time limit is 0.2 s")


def test_one_that_does_not_obey_is_said_to_have_been_killed(driver):
    runner = driver.open(sh("trap '' TERM; sleep 600"), limits=Limits(timeout=0.1, grace=0.1))
    failure = driver.result(runner, driver.trial()).failure
    assert (
        "; the time limit is 0.1 s; it did not obey SIGTERM and was killed after its grace of 0.1 s" in failure.message
    )


@pytest.mark.parametrize(
    ("script", "log"),
    [
        ("yes", "stdout.log"),
        ("yes >&2", "stderr.log"),
        ("head -c 3000 /dev/zero; " + ANSWER, "stdout.log"),  # it may end before it can be ended
        ("head -c 3000 /dev/zero > result.json", "stderr.log"),
    ],
)
def test_too_much_output_is_a_failure(driver, script, log):
    runner = driver.open(sh(script), limits=Limits(output=2048))
    failure = driver.result(runner, driver.trial()).failure
    assert failure.kind.value == "output_limit"
    assert re.fullmatch(
        r"it (was ended when it had written|wrote) [\d.]+ .iB; the output limit is 2 KiB", failure.message
    )
    assert failure.log == f"trials/0/1/{log}"


@pytest.mark.slow
def test_a_memory_limit_is_a_failure(driver):
    program = "x = bytearray(80 * 2**20); x[::4096] = b'x' * len(x[::4096]); import time; time.sleep(600)"
    runner = driver.open(["python3", "-c", program], limits=Limits(memory=50 * 2**20))
    failure = driver.result(runner, driver.trial()).failure
    assert failure.kind.value == "memoryout"
    assert failure.message.endswith("the memory limit is 50 MiB")


def test_run_adopts_what_was_started_and_refuses_other_parameters(driver, happens):
    runner = driver.open(sh(f"echo run >> ../../../count; {ANSWER}; sleep 600"))
    trial = driver.trial()
    first = runner.run(trial)
    assert runner.run(trial) == first
    again = driver.open(sh("exit 1"))
    assert again.run(trial) == first
    other = driver.trial(parameters={"x": 0.75, "n": 3})
    for one in (runner, again):
        with pytest.raises(SubmitError, match="was deployed with other parameters"):
            one.run(other)
    assert runner.poll_trial_status([trial]) == {RUNNING: {0}}
    happens((driver.folder / "trials/0/1/result.json").exists, "the evaluation")
    assert runner.stop(trial, "enough") == {"reason": "enough"}
    assert runner.stop(trial) == {}
    assert driver.finish(runner, trial) == {0: ABANDONED}
    assert runner.run(trial)["pid"] == first["pid"]
    assert runner.fetch_result(trial).failure is None
    assert (driver.folder / "count").read_text() == "run\n"


def test_the_end_of_the_machine_is_a_loss_and_no_stop(driver):
    """What sends SIGTERM to everybody must not make a trial look as if its user had given it up."""
    runner = driver.open(sh("sleep 600"))
    trial = driver.trial()
    os.kill(runner.run(trial)["pid"], signal.SIGTERM)
    assert driver.finish(runner, trial) == {0: FAILED}
    failure = runner.fetch_result(trial).failure
    assert failure.kind is rw.FailureKind.LOST
    assert failure.message == "its supervisor got SIGTERM: the machine was shut down, or somebody ended it by hand"


def test_run_metadata_finds_the_trial(driver):
    runner = driver.open(sh(ANSWER))
    trial = driver.trial(3)
    metadata = runner.run(trial)
    started = json.loads((driver.folder / "control/3.1/started").read_text())
    assert metadata == {
        "name": "ex p_3",
        "folder": "trials/3/1",
        "pid": started["pid"],
        "slot": 0,
        "digest": trial.digest,
    }
    driver.finish(runner, trial)
    found = driver.open(sh("exit 1")).reattach([trial])
    assert found == {3: Ended(metadata)}


def test_slots_are_unique_while_live_and_after_a_restart(driver):
    runner = driver.open(sh("sleep 600"), workers=3)
    trials = [driver.trial(index) for index in range(3)]
    assert [data["slot"] for data in runner.run_multiple(trials).values()] == [0, 1, 2]
    assert runner.poll_available_capacity() == 0
    runner.stop(trials[1])
    driver.finish(runner, trials[1])
    runner.close()
    later = driver.open(sh("sleep 600"), workers=3)
    found = later.reattach([trials[0], trials[2]])
    assert {index: type(answer) for index, answer in found.items()} == {0: Following, 2: Following}
    assert later.poll_available_capacity() == 1
    fourth = driver.trial(3)
    assert later.run(fourth)["slot"] == 1
    for trial in (trials[0], trials[2], fourth):
        later.stop(trial)
    assert set(driver.finish(later, trials[0], trials[2], fourth).values()) == {ABANDONED}


def test_one_trials_trouble_does_not_cost_another(driver):
    runner = driver.open(["{here}/p{n}"], workers=9, here=driver.folder)
    for number in (1, 3):
        program = driver.folder / f"p{number}"
        program.write_text("#!/bin/sh\necho '{\"y\": 1}' > result.json\n" if number == 1 else "no interpreter\n")
        program.chmod(0o755)
    trials = [driver.trial(index, parameters={"x": 0.5, "n": number}) for index, number in enumerate([1, 2, 3, 1])]
    batch = driver.experiment.new_trial(4, [{"x": 1, "n": 1}, {"x": 2, "n": 1}])
    batch.attempt = 1
    assert set(runner.run_multiple([*trials, batch])) == {0, 3}
    errors = {index: str(error) for index, error in runner.submit_errors.items()}
    assert set(errors) == {1, 2, 4}
    assert "p2' does not exist" in errors[1]
    assert "has no #! line" in errors[2]
    assert errors[4] == "trial 4 has 2 arms; a process evaluates one point"
    assert driver.finish(runner, trials[0], trials[3]) == {0: COMPLETED, 3: COMPLETED}
    # What became of the two that failed is the same for whoever asks later.
    later = driver.open(sh("exit 0"))
    found = later.reattach(trials[1:3])
    assert found[1] == NeverStarted()
    assert isinstance(found[2], Ended)
    assert later.poll_trial_status([trials[2]]) == {FAILED: {2}}
    assert later.fetch_result(trials[2]).failure.kind.value == "submit_error"


def test_reattach_says_what_became_of_each(driver, kill, gone):
    runner = driver.open(sh(f"if [ {{n}} = 1 ]; then {ANSWER}; else sleep 600; fi"), workers=9)
    ended, live, lost, strange = (
        driver.trial(0, parameters={"x": 0.5, "n": 1}),
        driver.trial(1),
        driver.trial(2),
        driver.trial(3),
    )
    metadata = runner.run_multiple([ended, live, lost, strange])
    driver.finish(runner, ended)
    kill(metadata[2]["pid"])
    gone([metadata[2]["pid"]])
    runner.close()
    later = driver.open(sh("exit 1"), workers=9)
    never = driver.trial(4)
    changed = driver.trial(3, parameters={"x": 0.75, "n": 3})
    found = later.reattach([ended, live, lost, changed, never])
    reason = "its supervisor was killed, and with it whatever could have recorded the end"
    assert found == {
        0: Ended(metadata[0]),
        1: Following(metadata[1]),
        2: Lost(reason, "trials/2/1/stderr.log"),
        4: NeverStarted(),
    }
    gone([metadata[3]["pid"]])  # nobody asked for these parameters
    found = later.reattach([changed])[3]
    assert isinstance(found, Lost)
    assert "was deployed with other parameters" in found.reason
    assert later.poll_trial_status([ended, live, lost]) == {COMPLETED: {0}, RUNNING: {1}, FAILED: {2}}
    assert later.fetch_result(lost).failure.message == reason
    later.stop(live)
    driver.finish(later, live)


def test_what_never_started_is_sent_again_under_the_same_number(driver):
    runner = driver.open(sh(ANSWER))
    trial = driver.trial()
    assert runner.reattach([trial]) == {0: NeverStarted()}
    assert runner.reattach([trial]) == {0: NeverStarted()}
    assert driver.result(runner, trial).metrics == {"y": (1.5, None)}


def test_wait_names_exactly_the_news_and_repeats_it_until_it_is_read(driver):
    runner = driver.open(sh("while [ ! -e go ]; do sleep 0.01; done; " + ANSWER), workers=3)
    trials = [driver.trial(index) for index in range(3)]
    runner.run_multiple(trials)
    clock = runner.context.clock
    assert runner.wait(clock.now() + 0.01, driver.waker) == set()
    (driver.folder / "trials/1/1/go").touch()
    assert runner.wait(None, driver.waker) == {1}
    assert runner.wait(None, driver.waker) == {1}
    assert runner.poll_trial_status(trials) == {RUNNING: {0, 2}, COMPLETED: {1}}
    driver.waker.wake()
    assert runner.wait(None, driver.waker) == set()
    driver.waker.drain()
    another = Waker()
    threading.Timer(0.01, another.wake).start()
    assert runner.wait(None, another) == set()
    another.close()
    for index in (0, 2):
        (driver.folder / f"trials/{index}/1/go").touch()
    driver.finish(runner, trials[0], trials[2])
    assert runner.wait(clock.now(), driver.waker) == set()


def test_many_live_trials(driver):
    count = 60
    runner = driver.open(sh(ANSWER), workers=count)
    trials = [driver.trial(index) for index in range(count)]
    assert len(runner.run_multiple(trials)) == count
    assert set(driver.finish(runner, *trials).values()) == {COMPLETED}


@pytest.mark.slow
@pytest.mark.parametrize("by_driver", [False, True])
def test_a_suspended_supervisor_is_woken_and_enforces_its_limit(driver, kill, gone, by_driver):
    runner = driver.open(sh("sleep 600"), limits=Limits(timeout=0.2, grace=0.1))
    trial = driver.trial()
    pid = runner.run(trial)["pid"]
    if by_driver:  # there is no launcher any more that would wake it
        kill(runner._launcher.pid)
        gone([runner._launcher.pid])
    os.kill(pid, signal.SIGSTOP)
    assert driver.finish(runner, trial) == {0: FAILED}
    assert runner.fetch_result(trial).failure.message.endswith("the time limit is 0.2 s")


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "status"), [(True, ABANDONED), (False, FAILED)])
def test_a_supervisor_that_stays_suspended_is_killed(driver, kill, gone, happens, stop, status):
    script = "while [ ! -e go ]; do sleep 0.01; done; echo $$ > pid; while :; do kill -STOP $PPID; done"
    runner = driver.open(sh(script), limits=Limits(timeout=None if stop else 0.1, grace=0.1))
    trial = driver.trial()
    pid = runner.run(trial)["pid"]
    kill(runner._launcher.pid)
    gone([runner._launcher.pid])
    (driver.folder / "trials/0/1/go").touch()
    happens((driver.folder / "trials/0/1/pid").exists, "the first suspension")
    if stop:
        runner.stop(trial)
    assert driver.finish(runner, trial) == {0: status}
    gone([pid, int((driver.folder / "trials/0/1/pid").read_text())])
    if not stop:
        assert runner.fetch_result(trial).failure.kind.value == "timeout"


def test_a_lost_trial_says_so(driver, kill):
    runner = driver.open(sh("echo last words >&2; kill -KILL $PPID; sleep 600"))
    trial = driver.trial()
    runner.run(trial)
    assert driver.finish(runner, trial) == {0: FAILED}
    failure = runner.fetch_result(trial).failure
    assert failure.kind.value == "lost"
    assert failure.message.startswith("its supervisor was killed, and with it")


def test_what_survives_its_supervisor_and_its_launcher_is_ended_before_it_is_called_dead(driver, kill, gone, happens):
    script = "sh -c 'echo $$ > pids; sleep 600 & echo $! >> pids; wait' & wait"
    runner = driver.open(sh(script))
    trial = driver.trial()
    supervisor = runner.run(trial)["pid"]
    pids = driver.folder / "trials/0/1/pids"
    happens(lambda: pids.exists() and len(pids.read_text().split()) == 2, "the start of the tree")
    for pid in (runner._launcher.pid, supervisor):
        kill(pid)
    gone([supervisor])
    runner.close()
    assert isinstance(driver.open(sh("exit 0")).reattach([trial])[0], Lost)
    gone([int(pid) for pid in pids.read_text().split()])


def test_a_removed_control_folder_is_lost_not_unknown_for_ever(driver):
    runner = driver.open(sh("rm -rf ../../../control; exit 0"))
    trial = driver.trial()
    runner.run(trial)
    assert driver.finish(runner, trial) == {0: FAILED}
    assert runner.fetch_result(trial).failure.message == (
        "its control folder was removed while it ran, so nobody recorded its end"
    )


def test_a_stale_result_is_not_taken_for_the_trials_own(driver, folder):
    stale = folder / "trials/0/1"
    stale.mkdir(parents=True)
    (stale / "result.json").write_text('{"y": 9}')
    runner = driver.open(sh("exit 0"))
    assert driver.result(runner, driver.trial()).failure.kind.value == "invalid_result"
    (folder / "trials/1/1/result.json").mkdir(parents=True)
    with pytest.raises(SubmitError, match="is there before the trial ran"):
        runner.run(driver.trial(1))


def test_what_is_unknown_is_no_verdict(driver):
    runner = driver.open(sh("exit 0"))
    trial = driver.trial(7)
    assert runner.poll_trial_status([trial]) == {}
    assert runner.stop(trial) == {}
    with pytest.raises(ContractError, match="has not ended"):
        runner.fetch_result(trial)


def test_a_runner_that_was_not_told_polls_and_stops_what_lives(driver):
    runner = driver.open(sh("sleep 600"))
    trial = driver.trial()
    runner.run(trial)
    second, third = driver.open(sh("exit 0")), driver.open(sh("exit 0"))
    assert second.poll_trial_status([trial]) == {RUNNING: {0}}
    third.stop(trial)
    for one in (runner, second, third):
        assert driver.finish(one, trial) == {0: ABANDONED}


def test_no_descriptor_is_left_and_close_is_idempotent(driver, folder):
    driver.result(driver.open(sh(ANSWER)), driver.trial())
    driver.close()
    driver.waker = Waker()
    before = {path.name for path in Path("/proc/self/fd").iterdir()}
    for index in range(1, 4):
        runner = driver.open(sh(ANSWER + "; [ {n} = 3 ] || sleep 600"), workers=2)
        ended, live = driver.trial(index), driver.trial(10 + index, parameters={"x": 0.5, "n": 1})
        runner.run_multiple([ended, live])
        driver.finish(runner, ended)
        runner.close()
        runner.close()
        with pytest.raises(ContractError, match="not open"):
            runner.poll_trial_status([ended])
        again = driver.open(sh("exit 0"))
        again.reattach([live])
        again.stop(live)
        driver.finish(again, live)
        again.close()
    assert {path.name for path in Path("/proc/self/fd").iterdir()} == before


def test_a_closed_runner_may_be_opened_again(driver, folder):
    runner = driver.open(sh(ANSWER))
    driver.result(runner, driver.trial())
    runner.close()
    runner.open(RunContext(driver.experiment, folder))
    assert runner.reattach([driver.trial()])[0].metadata["folder"] == "trials/0/1"
    assert driver.result(runner, driver.trial(1)).failure is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "either a command or a function, and not both"),
        ({"command": ["true"], "function": "a:b"}, "either a command or a function, and not both"),
        ({"command": ["true"], "workers": 0}, "workers must be a positive integer, not 0"),
        ({"command": ["true"], "workers": True}, "workers must be a positive integer, not True"),
        ({"command": ["true"], "env": {"A": 1}}, "env must map names to texts, not 'A' to 1; quote numbers"),
        ({"command": ["true"], "env": {"A=": "1"}}, "has no = and no null character, unlike 'A='"),
        ({"command": ["true"], "success_codes": [256]}, "success_codes must be exit statuses from 0 to 255, not 256"),
        ({"command": ["true"], "preload": True}, "preload is about functions"),
        ({"command": "true {x}"}, "the command must be a list of texts"),
        ({"command": "model:branin"}, "not 'model:branin'; a function is given as function=..."),
        ({"command": len}, "not <built-in function len>; a function is given as function=..."),
        ({"command": 42}, "not 42: it is not run by a shell"),
        ({"command": ["true"], "result": {"from": "file"}}, "result must be {from: stdout, pattern: '...'}"),
        ({"command": ["true"], "result": {"from": "stdout", "pattern": "("}}, "is no regular expression"),
        ({"function": "os:getcwd", "success_codes": [1]}, "result and success_codes are about commands"),
    ],
)
def test_wrong_arguments_are_refused_by_a_sentence(arguments, sentence):
    with pytest.raises(rw.UsageError) as error:
        ProcessRunner(**arguments)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"command": ["no-such-program"]}, "the program 'no-such-program' is not on PATH"),
        ({"command": ["./no"]}, "does not exist"),
        ({"command": ["true", "{x9}"]}, "{x9} in '{x9}' is no parameter"),
        ({"command": ["true"], "env": {"A": "{x9}"}}, "{x9} in '{x9}' is no parameter"),
        ({"command": ["true"], "result": {"from": "stdout", "pattern": "y="}}, "must have one group"),
        (
            {"command": ["true"], "result": {"from": "stdout", "pattern": "(?P<z>.)"}},
            "has no group (?P<name>...) for 'y'",
        ),
        ({"function": "no_such_module:f"}, "cannot be loaded: importing 'no_such_module' failed"),
        ({"function": "os:getcwd"}, "cannot be called with the parameters"),
    ],
)
def test_what_cannot_work_is_refused_before_the_first_trial(driver, arguments, sentence):
    with pytest.raises(rw.UsageError) as error:
        driver.open(**arguments)
    assert sentence in str(error.value)
    assert list(driver.folder.iterdir()) == []


def test_more_workers_than_open_files_are_refused(driver):
    with pytest.raises(rw.UsageError, match="raise it with: ulimit -n 100000100"):
        driver.open(["true"], workers=10**8)


def test_limits_beyond_what_the_kernel_counts(driver):
    runner = driver.open(sh(ANSWER), limits=Limits(timeout=1e12, grace=1e12))
    trial = driver.trial()
    runner.run(trial)
    assert runner.wait(1e12, driver.waker) == {0}
    assert driver.finish(runner, trial) == {0: COMPLETED}


def test_a_supervisor_that_is_killed_before_its_start(driver, monkeypatch):
    """The program of an earlier attempt kills whatever the launcher forks next."""
    runner = driver.open(sh(ANSWER))
    trial = driver.trial()
    monkeypatch.setattr(runner._launcher, "launch", lambda requests: {requests[0]["id"]: {"event": "gone"}})
    with pytest.raises(SubmitError, match="its supervisor was killed before it could start anything"):
        runner.run(trial)
    monkeypatch.undo()
    assert runner.reattach([trial]) == {0: NeverStarted()}
    assert driver.result(runner, trial).failure is None


def test_an_adopted_supervisor_that_never_starts_anything(driver, folder):
    """Its driver died, and then it could not begin: the disk is full, say."""
    trial = driver.trial()
    control = folder / "control/0.1"
    control.mkdir(parents=True)
    holder = (
        "import sys; from runwright.process.record import ControlFolder; "
        "ControlFolder(sys.argv[1]).claim(); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(control)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"held\n"
        runner = driver.open(sh(ANSWER))
        assert isinstance(runner.reattach([trial])[0], Following)
        assert runner.poll_trial_status([trial]) == {RUNNING: {0}}
        process.stdin.close()
        assert driver.finish(runner, trial) == {0: FAILED}
    failure = runner.fetch_result(trial).failure
    assert failure.kind.value == "submit_error"
    assert "ended before it could start anything" in failure.message


def test_a_run_directory_is_needed(driver):
    with pytest.raises(rw.UsageError, match="needs a run directory"):
        ProcessRunner(["true"]).open(RunContext(driver.experiment))


def test_a_runner_is_rebuilt_from_its_arguments(tmp_path):
    runner = ProcessRunner(["sh", "{x}"], workers=2, env={"A": "b"}, success_codes=(0, 3), here=Path(tmp_path))
    assert runner.clone() == runner
    assert Runner.from_dict(json.loads(json.dumps(runner.to_dict()))) == runner
    assert runner.run_metadata_report_keys == ["folder", "slot"]
    function = ProcessRunner(function="os:getcwd", preload=True)
    assert function.clone() == function
