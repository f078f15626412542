"""`runwright run` as a process: to the end, killed, interrupted, resumed, begun afresh."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runwright.cli import summary
from runwright.journal import SqliteJournal

from .driving import DEADLINE, Workplace, environment

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path):
    workplace = Workplace(tmp_path / "work")
    yield workplace
    workplace.clean()


def trials(place, file):
    return place.trials(Path(file).stem)


# To the end.


def test_a_run_says_each_trial_and_a_summary_and_resumes_to_nothing(place):
    file = place.experiment("small")
    out = place.call("run", file).stdout
    assert re.search(r"^\[1/4\] trial 0 completed in .* s: y = \S+ \(best\)$", out, re.MULTILINE)
    assert "small: all 4 trials have ended\n  4 completed; " in out
    assert re.search(r"^best y = \S+ \(trial \d\)\n  x = [\d.]+\n  n = \d$", out, re.MULTILINE)
    assert "status    runwright status runs/small" in out
    assert "go on" not in out
    again = place.call("run", file).stdout
    assert "small: nothing was left to do: all 4 trials have ended; --trials N for more" in again
    more = place.call("run", file, "--trials", 6).stdout
    assert "going on in runs/small: 4 trials ended" in more
    assert "[6/6] trial 5 completed" in more
    assert [row["status"] for row in trials(place, file)] == ["COMPLETED"] * 6


def test_a_second_run_says_what_ended_it_as_the_first_did(place):
    aborted = place.experiment("aborted", "fails", more="on_failure: abort\n")
    late = place.experiment("late", runner="simulated, runtime: [2 s, 2 s]")
    late.write_text(late.read_text().replace("trials: 4", "trials: 4, time: 3 s"))
    for _ in range(2):
        out = place.call("run", aborted, "-q", status=1).stdout
        assert out.startswith("aborted: failed: trial 0 failed (crashed: ValueError: no such luck), for which")
        assert place.call("run", late, "-q").stdout.startswith("late: its time of 3 s is used up\n")


def test_a_trial_that_was_run_again_was_something_to_do(place):
    file = place.experiment("again", "fails", trials=2)
    place.call("run", file, status=1)
    place.call("rerun", file, 0)
    assert "nothing was left to do" not in place.call("run", file, status=1).stdout
    assert "nothing was left to do" in place.call("run", file, status=1).stdout


def test_more_trials_than_a_file_may_ask_for_are_refused(place):
    done = place.call("run", place.experiment("small"), "--trials", 10**20, status=2)
    assert "is not in the range 1<=x<=1000000000" in done.stderr


def test_a_wrapped_runner_that_cannot_run_makes_no_directory(place):
    file = place.experiment("small", "program", "wrapped, copy: [gone]")
    for command in ("check", "run"):
        said = place.call(command, file, status=2).stderr
        assert said.startswith(f"error: {file}:")
        assert "runner.copy: there is no '" in said
    assert not (file.parent / "runs").exists()


def test_a_quiet_run_prints_the_summary_alone(place):
    done = place.call("run", place.experiment("small"), "--quiet")
    assert done.stdout.startswith("small: all 4 trials have ended\n")
    assert done.stderr == ""


def test_a_run_as_json_keeps_everything_else_off_standard_output(place):
    done = place.call("run", place.experiment("small"), "--json")
    body = json.loads(done.stdout)
    assert body["exit_status"] == 0
    assert body["counts"] == {"COMPLETED": 4}
    assert body["stop"]["reason"] == "trials"
    assert "[4/4] trial 3 completed" in done.stderr


def test_a_child_of_an_evaluation_cannot_print_between_the_json(place):
    (place.path / "model.py").write_text(
        "import ctypes, subprocess\n"
        "ctypes.CDLL(None).puts(b'from C, on import')\n"
        "def quick(x, n):\n"
        "    subprocess.run(['echo', 'from a child'], check=True)\n"
        "    print('from Python')\n"
        "    return x\n"
    )
    done = place.call("run", place.experiment("loud", trials=2), "--json")
    assert json.loads(done.stdout)["counts"] == {"COMPLETED": 2}
    for said in ("from C, on import", "from a child", "from Python"):
        assert said in done.stderr


def test_an_experiment_of_which_every_trial_fails_ends_with_status_one(place):
    out = place.call("run", place.experiment("bad", "fails"), status=1).stdout
    assert "bad: failed: all 4 trials have ended" in out
    assert "crashed: 4 trials, first 0: ValueError: no such luck" in out
    assert "go on     runwright run" in out
    assert "ValueError: no such luck" in place.call("logs", "runs/bad", 0).stdout


def test_a_fast_run_writes_few_lines(place):
    out = place.call("run", place.experiment("fast", trials=2000)).stdout
    assert "fast: all 2000 trials have ended" in out
    assert len(out.splitlines()) < 60
    assert re.search(r"^\[ *[\d,]+/2,000\] [\d,]+ completed; best y = \S+ \(trial \d+\)$", out, re.MULTILINE)


def test_a_run_whose_reader_has_left_goes_on_in_silence(place):
    file = place.experiment("headless", "gated", "pool, parallel: 1", trials=3)
    driver = place.start("run", file)
    driver.wait_for("3 trials in runs/headless")
    driver.close_reader()
    place.open_gate()
    assert driver.process.wait(DEADLINE) == 0
    assert [row["status"] for row in trials(place, file)] == ["COMPLETED"] * 3


@pytest.mark.parametrize("reader", ["| true", "> /dev/full", ">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("options", ["", "-q", "--json"])
def test_a_run_that_nobody_ever_reads_runs_and_is_no_failure(place, reader, options):
    file = place.experiment("unread", trials=3)
    command = f"'{sys.executable}' -m runwright run '{file}' {options} {reader}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=place.path,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
        env=environment(),
    )
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert [row["status"] for row in trials(place, file)] == ["COMPLETED"] * 3


@pytest.mark.parametrize("words", ["export", "status", "status --json", "story 0"])
def test_a_full_output_is_one_sentence(place, words):
    file = place.experiment("full", trials=3)
    place.call("run", file, "-q")
    name, *rest = words.split()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "runwright", name, file, *rest],
            cwd=place.path,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=DEADLINE,
            check=False,
            env=environment(),
        )
    assert done.returncode == 2
    assert done.stderr == b"error: the output cannot be written (No space left on device)\n"


def test_a_broken_pipe_of_another_command_is_silent(place):
    place.call("run", place.experiment("many", trials=3000), "-q")
    for words in ("export runs/many", "export runs/many --format json", "status runs/many --json"):
        command = f"'{sys.executable}' -m runwright {words} | head -c 10"
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=place.path,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
            env=environment(),
        )
        assert len(done.stdout) == 10
        assert done.stderr == b""


# On a terminal.


def test_a_terminal_gets_a_display_that_is_gone_at_the_end(place):
    file = place.experiment("shown", "gated", "pool, parallel: 2", trials=3)
    driver = place.start("run", file, terminal=True)
    driver.wait_for("running trial 0")
    assert "━" in driver.text
    assert "0/3" in driver.text
    place.open_gate()
    out = driver.finish(0)
    assert "\x1b[1m" in out
    assert out.count("\x1b[?25l") == out.count("\x1b[?25h")  # the cursor is shown again
    assert "shown: all 3 trials have ended" in out
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out)
    assert all(len(line.rsplit("\r", 1)[-1]) <= 80 for line in shown.split("\n"))


def test_no_color_is_honoured_and_a_dumb_terminal_gets_lines(place):
    out = place.start("run", place.experiment("plain"), terminal=True, env={"NO_COLOR": "1"}).finish(0)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", out)
    dumb = place.start("run", place.experiment("dumb"), terminal=True, env={"TERM": "dumb"}).finish(0)
    assert "[1/4] trial 0 completed" in dumb


# Signals.


def test_ctrl_c_once_lets_running_trials_end(place):
    file = place.experiment("drained", "gated", "pool, parallel: 2", trials=6)
    driver = place.start("run", file, terminal=True)
    place.wait_for(2, driver)
    driver.wait_for("2 running")
    driver.signal(signal.SIGINT)
    driver.wait_for("no new trials; waiting for 2 running (Ctrl-C again stops them)")
    place.open_gate()
    out = driver.finish(130)
    assert "drained: interrupted; 2 of 6 trials have ended, none is running" in out
    assert "go on     runwright run" in out
    assert len(trials(place, file)) == 2
    place.call("run", file)
    assert [row["attempts"] for row in trials(place, file)] == [1] * 6


@pytest.mark.parametrize("runner", ["pool, parallel: 2", "process, parallel: 2"])
def test_ctrl_c_twice_stops_running_trials_and_the_next_run_repeats_them(place, runner):
    file = place.experiment("stopped", "gated", runner, trials=4)
    driver = place.start("run", file)
    place.wait_for(2, driver)
    driver.signal(signal.SIGINT)
    driver.wait_for("waiting for 2 running")
    driver.signal(signal.SIGINT)
    driver.wait_for("stopping 2 running; the next driver repeats them")
    assert "what was running was stopped and will be repeated" in driver.finish(130)
    assert [row["status"] for row in trials(place, file)] == ["CANDIDATE"] * 2
    place.open_gate()
    place.call("run", file)
    assert [(row["status"], row["attempts"]) for row in trials(place, file)] == [
        ("COMPLETED", 2), ("COMPLETED", 2), ("COMPLETED", 1), ("COMPLETED", 1),
    ]  # fmt: skip
    assert "attempt 1 was interrupted" in place.call("story", file, 0).stdout


def test_ctrl_c_twice_breaks_off_an_evaluation_in_the_driver(place):
    file = place.experiment("inline", "gated", trials=2)
    driver = place.start("run", file, terminal=True)
    place.wait_for(1, driver)
    driver.signal(signal.SIGINT)
    driver.wait_for("waiting for 1 running (Ctrl-C again stops it)")
    driver.signal(signal.SIGINT)
    assert "Traceback" not in driver.finish(130)
    place.open_gate()
    place.call("run", file)
    assert [(row["status"], row["attempts"]) for row in trials(place, file)] == [("COMPLETED", 2), ("COMPLETED", 1)]


def test_an_evaluation_that_ends_well_although_it_is_interrupted_is_not_repeated(place):
    driver = place.start("run", place.experiment("stubborn", "stubborn", trials=2), terminal=True)
    place.wait_for(1, driver)
    driver.signal(signal.SIGINT)
    driver.wait_for("waiting for 1 running")
    driver.signal(signal.SIGINT)
    assert "stubborn: interrupted; 1 of 2 trials have ended, none is running" in driver.finish(130)


def test_ctrl_c_while_the_summary_is_printed_changes_nothing(place, call, monkeypatch):
    say_summary = summary.say_summary

    def say_interrupted(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        say_summary(*args, **kwargs)

    monkeypatch.setattr(summary, "say_summary", say_interrupted)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    result = call("run", place.experiment("small", trials=1))
    assert result.exit_code == 0
    assert "small: the only trial has ended" in result.stdout
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_leaves_running_what_survives(place, number):
    file = place.experiment("detached", "program", "process, parallel: 2", trials=3)
    driver = place.start("run", file)
    place.wait_for(2, driver)
    driver.signal(number)
    driver.wait_for(f"{number.name}: leaving; 2 running go on without this driver")
    assert "2 trials running on without it" in driver.finish(130)
    status = json.loads(place.call("status", file, "--json").stdout)
    assert status["driver"] is None
    assert sorted(status["supervisors"]) == ["0", "1"]
    assert "may still run; stop them first" in place.call("run", file, "--fresh", status=2).stderr
    place.open_gate()
    place.call("run", file)
    assert [(row["status"], row["attempts"]) for row in trials(place, file)] == [("COMPLETED", 1)] * 3
    assert len(place.begun()) == 3


def test_sigterm_interrupts_what_does_not_survive(place):
    file = place.experiment("ended", "gated", "pool, parallel: 2", trials=2)
    driver = place.start("run", file)
    place.wait_for(2, driver)
    driver.signal(signal.SIGTERM)
    driver.wait_for("SIGTERM: stopping 2 running; the next driver repeats them")
    driver.finish(130)
    assert [row["status"] for row in trials(place, file)] == ["CANDIDATE"] * 2


def test_a_signal_that_was_ignored_stays_ignored(place):
    file = place.experiment("nohup", "gated", "pool, parallel: 1", trials=2)
    driver = place.start("run", file, ignore=signal.SIGHUP)
    place.wait_for(1, driver)
    driver.signal(signal.SIGHUP)
    place.open_gate()
    assert "all 2 trials have ended" in driver.finish(0)


def test_a_killed_driver_is_followed_by_the_same_command(place):
    file = place.experiment("killed", "program", "process, parallel: 2", trials=4)
    for _ in range(3):
        driver = place.start("run", file)
        driver.wait_for("in runs/killed")
        place.wait_for(2, driver)
        driver.kill()
    place.open_gate()
    out = place.call("run", file).stdout
    assert "killed: all 4 trials have ended" in out
    assert len(place.begun()) == len(set(place.begun())) == 4
    assert [(row["status"], row["attempts"]) for row in trials(place, file)] == [("COMPLETED", 1)] * 4


# The directory.


def test_a_second_driver_is_refused_with_the_pid_of_the_first(place):
    file = place.experiment("one", "gated", "pool, parallel: 1", trials=1)
    driver = place.start("run", file)
    place.wait_for(1, driver)
    said = place.call("run", file, status=2).stderr
    assert f"another driver (pid {driver.pid}) works in this directory" in said
    assert f"a driver (pid {driver.pid}) works in it" in place.call("run", file, "--fresh", status=2).stderr
    assert f"driver    pid {driver.pid}" in place.call("status", file).stdout
    place.open_gate()
    driver.finish(0)


def test_fresh_keeps_the_old_directories(place):
    file = place.experiment("again", trials=2)
    assert "kept" not in place.call("run", file, "--fresh").stdout
    assert "the old run is kept in runs/again.old-1" in place.call("run", file, "--fresh").stdout
    assert "the old run is kept in runs/again.old-2" in place.call("run", file, "--fresh").stdout
    assert sorted(path.name for path in (place.path / "runs").iterdir()) == ["again", "again.old-1", "again.old-2"]
    assert len(place.trials("again.old-1")) == 2


@pytest.mark.parametrize("where", [".", "..", "inner"])
def test_fresh_moves_neither_the_experiment_file_nor_the_current_directory(place, where):
    file = place.experiment("mine", trials=1)
    directory = (place.path / where).resolve()
    if where == "inner":  # the file in it, the current directory above
        directory.mkdir()
        file, _ = (Path(shutil.copy(path, directory)) for path in (file, place.path / "model.py"))
    place.call("run", file, "--dir", directory)
    said = place.call("run", file, "--fresh", "--dir", directory, status=2).stderr
    assert "lies in this run directory, so --fresh cannot keep it aside; choose another directory" in said
    assert (directory / "journal.sqlite").exists()


@pytest.mark.parametrize("journal", [None, "empty", "without events", "a folder"])
def test_check_says_of_a_lost_journal_what_run_says(place, journal):
    file = place.experiment("lost")
    directory = place.path / "runs" / "lost"
    path = directory / "journal.sqlite"
    directory.mkdir(parents=True)
    assert "nothing was started there yet" in place.call("check", file).stdout
    (directory / "trials" / "0").mkdir(parents=True)
    if journal == "without events":
        SqliteJournal(path).close()
        (directory / "trials").rename(directory / "aside")
        assert "nothing was started there yet" in place.call("check", file).stdout
        (directory / "aside").rename(directory / "trials")
    elif journal is not None:
        path.touch() if journal == "empty" else path.mkdir()
    said = place.call("check", file, status=2).stderr
    assert ("is no file" if journal == "a folder" else "trials of an earlier run lie in trials/") in said
    assert place.call("run", file, status=2).stderr == said


def test_fresh_touches_no_folder_that_is_no_run_directory(place):
    file = place.experiment("mine", trials=1)
    folder = place.path / "precious"
    folder.mkdir()
    (folder / "data").touch()
    said = place.call("run", file, "--fresh", "--dir", folder, status=2).stderr
    assert "this is no run directory (journal.sqlite is missing), so --fresh leaves it alone" in said
    assert (folder / "data").exists()


@pytest.mark.parametrize("words", [["run"], ["run", "--dir", "."], ["check"]])
def test_a_current_folder_that_was_removed_gets_a_sentence(place, words):
    file = place.experiment("homeless") if "--dir" in words else "homeless.yaml"
    gone = place.path / "gone"
    gone.mkdir()
    script = f'cd "{gone}"; rmdir "{gone}"; exec "$@"'
    command = ["sh", "-c", script, "-", sys.executable, "-m", "runwright", words[0], str(file), *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=environment())
    assert done.returncode == 2, done.stderr
    assert "the current folder has been removed; change to another" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_whole_path_does_without_the_current_folder(place):
    file, gone = place.experiment("homeless"), place.path / "gone"
    for words in (["run", file], ["run", file, "--fresh"], ["check", file], ["status", file]):
        gone.mkdir()
        command = ["sh", "-c", f'cd "{gone}"; rmdir "{gone}"; exec "$@"', "-", sys.executable, "-m", "runwright"]
        done = subprocess.run([*command, *map(str, words)], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
    assert len(place.trials("homeless.old-1")) == 4


def test_another_directory_can_be_given(place):
    file = place.experiment("moved", trials=1)
    out = place.call("run", file, "--dir", "elsewhere/here").stdout
    assert "results   elsewhere/here" in out
    assert (place.path / "elsewhere/here/journal.sqlite").exists()


def test_a_changed_file_is_refused_with_the_difference_by_run_and_check(place):
    file = place.experiment("changed", trials=1)
    place.call("run", file)
    assert "started: 1 of 1 trial ended; it goes on with this file" in place.call("check", file).stdout
    file.write_text(file.read_text().replace("[0, 10]", "[0, 11]"))
    for command in ("run", "check"):
        said = place.call(command, file, status=2).stderr
        assert "runs/changed was started with another definition (parameters.x.bounds" in said
        assert len(said.splitlines()) == 1


@pytest.mark.parametrize(("first", "then"), [("local", "simulated"), ("simulated", "local")])
def test_real_and_simulated_results_are_not_mixed(place, first, then):
    file = place.experiment("mixed", runner=first, trials=1)
    place.call("run", file)
    file.write_text(file.read_text().replace(f"type: {first}", f"type: {then}").replace("trials: 1", "trials: 2"))
    was = {"local": "real", "simulated": "simulated"}[first]
    for command in ("run", "check"):
        assert f"its trials ran in {was} time, and these would not" in place.call(command, file, status=2).stderr
    assert len(place.trials("mixed")) == 1


# Requests to a driver that lives.


def test_stop_ends_the_driver_and_waits_for_it(place):
    file = place.experiment("stopping", "gated", "pool, parallel: 2", trials=4)
    driver = place.start("run", file)
    place.wait_for(2, driver)
    out = place.call("stop", file).stdout
    assert f"the driver (pid {driver.pid}) was asked to stop its 2 live trials and leave" in out
    assert "the driver has left; `runwright run FILE` goes on" in out
    said = "stopped (a user stopped the experiment); 0 of 4 trials have ended, what was running was stopped and will be"
    assert said in driver.finish(130)
    assert [row["status"] for row in trials(place, file)] == ["CANDIDATE"] * 2
    place.open_gate()
    place.call("run", file)


def test_stop_rerun_and_enqueue_reach_a_driver_that_lives(place):
    file = place.experiment("asked", "gated", "pool, parallel: 1", trials=2)
    driver = place.start("run", file)
    place.wait_for(1, driver)
    assert "trial 0 is ABANDONED" in place.call("stop", file, 0, "--reason", "enough").stdout
    assert "was asked to run trial 0 again" in place.call("rerun", file, 0).stdout
    assert "was asked to try 1 point" in place.call("enqueue", file, "x=0.125", "n=3").stdout
    place.open_gate()
    driver.finish(0)
    rows = trials(place, file)
    assert [(row["status"], row["attempts"]) for row in rows] == [("COMPLETED", 2), ("COMPLETED", 1), ("COMPLETED", 1)][
        : len(rows)
    ]
    assert {"x": 0.125, "n": 3} in [row["parameters"] for row in rows]
    assert "abandoned: enough" in place.call("story", file, 0).stdout


def test_stop_without_a_driver_ends_what_still_runs(place):
    file = place.experiment("orphans", "program", "process, parallel: 2", trials=2)
    driver = place.start("run", file)
    place.wait_for(2, driver)
    driver.kill()
    assert "the next `runwright run` is asked to stop trial 0" in place.call("stop", file, 0).stdout
    out = place.call("stop", file).stdout
    assert "trial 0, attempt 1: asked to end" in out
    assert "2 trials stopped; `runwright run FILE` repeats them" in out
    assert "nothing runs in" in place.call("stop", file).stdout
    place.open_gate()
    place.call("run", file)
    assert [(row["status"], row["attempts"]) for row in trials(place, file)] == [("ABANDONED", 1), ("COMPLETED", 2)]


def test_logs_follow_a_program_to_its_end(place):
    file = place.experiment("logged", "program", "process, parallel: 1", trials=1)
    driver = place.start("run", file)
    place.wait_for(1, driver)
    follower = place.start("logs", file, 0, "--follow", "--both")
    follower.wait_for("x is ")
    follower.wait_for("to stderr")
    place.open_gate()
    assert "the end" in follower.finish(0)
    driver.finish(0)
    assert place.call("logs", file, 0).stdout.splitlines()[-1] == "the end"
    assert place.call("logs", file, 0, "--stderr").stdout == "to stderr\n"


def test_a_follower_is_interrupted_in_silence(place):
    file = place.experiment("followed", "program", "process, parallel: 1", trials=1)
    driver = place.start("run", file)
    place.wait_for(1, driver)
    follower = place.start("logs", file, 0, "-f")
    follower.wait_for("x is ")
    follower.signal(signal.SIGINT)
    assert "Traceback" not in follower.finish(130)
    place.open_gate()
    driver.finish(0)


def test_a_bad_file_starts_nothing(place):
    file = place.path / "bad.yaml"
    file.write_text("name: bad\nparameters: {x: {type: float, bounds: [1, 0]}}\n")
    said = place.call("run", file, status=2).stderr
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1
    assert not (place.path / "runs").exists()


def test_ctrl_c_while_getting_ready_starts_nothing(place):
    (place.path / "heavy.py").write_text(
        "import pathlib, time\npathlib.Path(__file__).with_name('begun').write_text('x')\ntime.sleep(60)\n"
    )
    file = place.experiment("early")
    file.write_text(file.read_text().replace("model:quick", "heavy:f"))
    driver = place.start("run", file, terminal=True)
    place.wait_for(1, driver)
    assert "getting ready" in driver.text or driver.wait_for("getting ready") is None
    driver.signal(signal.SIGINT)
    out = driver.finish(130)
    assert out.endswith("\r\x1b[Kinterrupted\n")
    assert not (place.path / "runs").exists()


def test_logs_on_a_terminal_are_harmless_and_on_a_pipe_exact(place):
    place.call("run", place.experiment("logged", trials=1))
    log = place.path / "runs/logged/trials/0/1/stdout.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"\x1b[31mred\x1b[0m\tand \x1b]0;title\x07 \xff\r50%\r100%\r\nend")
    assert place.start("logs", "runs/logged", 0, terminal=True).finish(0) == (
        "red    and \\x1b]0;title\\x07 \\xff\n50%\n100%\nend\n"
    )
    assert place.start("logs", "runs/logged", 0).finish(0).startswith("\x1b[31mred")


def test_an_export_on_a_terminal_is_harmless(place):
    file = place.experiment("bad", trials=1)
    (place.path / "model.py").write_text("def quick(x, n):\n    raise ValueError('\\x1b[2J')\n")
    place.call("run", file, "-q", status=1)
    assert "\x1b" not in place.start("export", file, terminal=True).finish(0)
