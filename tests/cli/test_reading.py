"""The commands that only read: status, story, logs, export."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import socket
import subprocess
import sys

import pytest

from runwright import events as ev
from runwright.folder import DirectoryLock, control_folder
from runwright.result import Result
from runwright.status import FailureKind, StopCause, StopReason


def test_a_missing_directory_and_one_without_a_journal_get_a_sentence(refused, tmp_path):
    assert refused("status", tmp_path / "nope").endswith("there is no such directory or experiment file")
    assert "no experiment was started here (journal.sqlite is missing)" in refused("status", tmp_path)


COMMANDS = [
    ["status"], ["story", 0], ["logs", 0], ["stop"], ["rerun", 0], ["enqueue", "x=1"], ["export"],
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("name", ["a" * 300, "a" * 5000, "a/" * 2000])
def test_a_name_that_no_file_can_have_gets_a_sentence(refused, words, name):
    said = refused(words[0], name, *words[1:])
    assert said.startswith("aaa" if "/" not in name else "a/a")
    assert "cannot be looked into (File name too long)" in said or "there is no such directory" in said


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_an_empty_name_is_not_the_current_folder(refused, made, monkeypatch, words):
    monkeypatch.chdir(made().path)
    assert "the run directory is empty" in refused(words[0], "", *words[1:])


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_directory_that_may_not_be_entered_gets_a_sentence(refused, locked, words):
    assert "run: cannot be looked into (Permission denied)" in refused(words[0], locked, *words[1:])


@pytest.mark.parametrize(
    "words", [["status"], ["stop"], ["enqueue", "x=1", "n=1", "kind=a"]], ids=lambda words: words[0]
)
def test_a_lock_that_cannot_be_read_gets_a_sentence(refused, made, monkeypatch, words):
    monkeypatch.chdir(made().path)
    with socket.socket(socket.AF_UNIX) as lock:  # unlike a mode, it stops root too
        lock.bind("lock")
        assert "lock: cannot be read (No such device or address)" in refused(words[0], ".", *words[1:])


@pytest.mark.parametrize("words", [["status"], ["stop"]], ids=lambda words: words[0])
def test_a_lock_of_a_trial_that_cannot_be_read_gets_a_sentence(refused, made, monkeypatch, words):
    run = made()
    folder = control_folder(run.path, run.running(), 1)
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as lock:
        lock.bind("lock")
        assert "cannot be read (No such device or address); make it readable" in refused(words[0], run.path)


def test_whoever_may_only_read_sees_that_a_trial_runs(call, made, monkeypatch):
    run = made()
    lock = control_folder(run.path, run.running(), 1) / "lock"
    lock.parent.mkdir(parents=True)
    opened = os.open

    def read_only(path, flags, *rest, **kwargs):
        if path == lock and flags & os.O_RDWR:
            raise OSError(errno.EROFS, "Read-only file system")
        return opened(path, flags, *rest, **kwargs)

    script = "import fcntl, sys; fcntl.lockf(f := open(sys.argv[1], 'w'), fcntl.LOCK_EX); print(flush=True); input()"
    words = [sys.executable, "-I", "-S", "-c", script, lock]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        monkeypatch.setattr(os, "open", read_only)
        assert json.loads(call("status", run.path, "--json").stdout)["supervisors"] == {"0": holder.pid}
        holder.communicate(b"\n")


def test_check_and_a_fresh_run_say_so_of_their_directory(refused, locked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text("def f(x): return x")
    file = tmp_path / "file.yaml"
    file.write_text(FILE)
    for words in (["check", file], ["run", file, "--fresh"]):
        assert "cannot be looked into (Permission denied)" in refused(*words, "--dir", locked)
        assert "cannot be looked into (File name too long)" in refused(*words, "--dir", "a" * 300)
        assert refused(*words, "--dir", "") == "--dir is empty; name a directory, or leave --dir out"
    assert "--dir is empty" in refused("run", file, "--dir", "")
    assert "aaa: cannot be made (File name too long)" in refused("run", file, "--dir", "a" * 270)
    assert "cannot be made (File name too long)" in refused("run", file, "--dir", "a" * 5000)
    assert "cannot be made (it is nested too deep)" in refused("run", file, "--dir", "a/" * 1500)
    file.write_text(f"{FILE}directory: {'d' * 300}\n")
    for words in (["check", file], ["status", file]):
        assert "cannot be looked into (File name too long)" in refused(*words)
    assert not (tmp_path / "runs").exists()


def test_check_as_json_has_the_rules_that_nobody_wrote_down(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text("def f(x): return x")
    (tmp_path / "file.yaml").write_text(FILE)
    body = json.loads(call("check", "file.yaml", "--json").stdout)
    assert list(body) == ["experiment", "directory", "began", "runner", "optimizer", "policy", "enqueue"]
    assert body["policy"]["on_failure"] == {
        "lost": {"retry": 3, "then": "fail", "backoff": 1.0},
        "submit_error": {"retry": 3, "then": "fail", "backoff": 1.0},
        "other": {"retry": 0, "then": "fail"},
    }


def test_check_and_run_refuse_a_directory_below_a_file(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text("def f(x): return x")
    (tmp_path / "file.yaml").write_text(FILE)
    for command in ("check", "run"):
        for place in ("model.py", "model.py/run", "model.py/run/deeper"):
            assert f"{place}: cannot be made (" in refused(command, "file.yaml", "--dir", place)


FILE = """name: t
parameters: {x: {type: float, bounds: [0, 1]}}
objectives: {y: minimize}
evaluate: {function: "model:f"}
stop: {trials: 1}
"""


@pytest.fixture
def locked(made, monkeypatch):
    """Return a run directory that may not be entered; root may enter all, so that `stat` is made to fail for it."""
    path = made("run").path
    path.chmod(0)
    if os.geteuid() == 0:
        stat = type(path).stat

        def denied(self, **kwargs):
            if self.parent == path:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
            return stat(self, **kwargs)

        monkeypatch.setattr(type(path), "stat", denied)
    yield path
    path.chmod(0o755)


def test_a_journal_without_events_gets_a_sentence(refused, tmp_path):
    from runwright.journal import SqliteJournal

    SqliteJournal(tmp_path / "journal.sqlite").close()
    assert "has not begun yet" in refused("status", tmp_path)
    assert "has not begun yet" in refused("story", tmp_path, 0)


def test_a_damaged_journal_gets_a_sentence(refused, made):
    run = made()
    run.completed(1.0)
    run.close()
    path = run.path / "journal.sqlite"
    path.write_bytes(b"no database at all" * 100)
    assert "journal.sqlite" in refused("status", run.path)


def test_status_says_what_matters(call, made):
    run = made()
    run.completed(0.5, x=0.123456789)
    run.completed(0.75)
    run.failed("exit status 3", "trials/2/1/stderr.log")
    run.failed("exit status 3", "trials/3/1/stderr.log")
    run.running()
    run.asked()
    out = call("status", run.path).stdout
    assert "demo: not finished; 4 of 10 trials have ended" in out
    assert "2 completed, 2 failed, 1 running, 1 candidate" in out
    assert "best y = 0.5 (trial 0)" in out
    assert "x    = 0.123456789" in out
    assert "crashed: 2 trials, first 2: exit status 3" in out
    assert "trials/2/1/stderr.log" in out
    assert "trial 4 was live when its driver ended" in out
    assert "driver    none; `runwright run FILE` goes on" in out


def test_status_names_a_driver_that_lives_and_estimates(call, made):
    run = made()
    run.completed(0.5)
    run.running()
    lock = DirectoryLock(run.path)
    try:
        out = call("status", run.path).stdout
        body = json.loads(call("status", run.path, "--json").stdout)
    finally:
        lock.release()
    assert f"driver    pid {os.getpid()}" in out
    assert "demo: running; 1 of 10 trials have ended" in out
    assert " left" in out
    assert "trial 1 has run for " in out
    assert body["driver"] == os.getpid()
    assert body["left"] > 0


def test_status_of_an_ended_experiment_with_several_objectives(call, made):
    run = made(objectives={"a": "minimize", "b": "maximize"})
    for number in range(12):
        run.completed(float(number), float(number))
    run.add(ev.Noted, "something odd \x1b[2J")
    run.ended(StopReason.EXHAUSTED, "the optimizer has nothing more to propose")
    out = call("status", run.path).stdout
    assert "demo: the optimizer has nothing more to propose" in out
    assert "12 points that no other beats in every objective" in out
    assert "trial 0: a = 0, b = 0" in out
    assert "and 2 more; --json has them all" in out
    assert r"something odd \x1b[2J" in out
    assert "driver    none\n" in out


def test_status_says_of_a_stopped_experiment_that_it_was_and_how_far_it_came(call, made):
    run = made()
    run.completed(0.5)
    run.ended(StopReason.USER, "lunch \x1b[2J")
    assert call("status", run.path).stdout.startswith(r"demo: stopped (lunch \x1b[2J); 1 of 10 trials have ended")


def test_status_of_a_single_trial_speaks_of_one(call, made):
    run = made()
    run.driver(trials=1)
    run.running()
    assert call("status", run.path).stdout.startswith("demo: not finished; 0 of 1 trial has ended")


def test_status_as_json_is_the_documented_object(call, made):
    run = made()
    run.completed(0.5)
    run.running()
    run.add(ev.StopRequested, 1, 1, StopCause.USER, "enough")
    run.add(ev.Detached, 1, 1)
    body = json.loads(call("status", run.path, "--json").stdout)
    assert list(body) == [
        "directory", "driver", "name", "objectives", "counts", "ended", "target", "elapsed", "left", "stop", "failed",
        "best", "failures", "failed_attempts", "retried", "waiting", "live", "notes", "supervisors", "requests",
    ]  # fmt: skip
    assert body["driver"] is None
    assert body["left"] is None
    assert body["best"]["metrics"] == {"y": {"mean": 0.5, "sem": None}}
    assert body["live"][0]["stopping"] == "enough"
    assert body["live"][0]["detached"] is True


def test_nothing_wraps_beyond_eighty_columns(call, made, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    run = made()
    run.completed(0.5)
    run.failed("a long message " * 40)
    run.add(ev.Noted, "a long note " * 40)
    monkeypatch.chdir(run.path.parent)
    for words in (("status", "run"), ("--help",), ("run", "--help")):
        assert max(map(len, call(*words).stdout.splitlines())) <= 80


def test_what_trials_say_cannot_drive_the_terminal(call, made):
    run = made(name="we\u202eird\x1b[31m")
    run.failed("\x1b]0;title\x07\r\nsecond line [bold red]markup[/] \u202e")
    for words in (("status", run.path), ("story", run.path, 0)):
        out = call(*words).stdout
        assert not set(out) & set("\x1b\x07\r\u202e")
        assert r"\x1b]0;title\x07\r\nsecond line [bold red]markup[/] \u202e" in out.replace("\n    ", " ")


def test_a_story_has_a_line_an_event(call, made):
    run = made()
    run.completed(0.5)
    run.failed("no\nline break")
    out = call("story", run.path, 1).stdout.splitlines()
    assert out[0] == "trial 1 of demo: FAILED"
    assert len(out) == 6
    assert out[4].endswith(r"attempt 1 failed after 0.5 s: crashed: no\nline break")


def test_a_story_as_json_is_the_recorded_events(call, made):
    run = made()
    run.completed(0.5)
    body = json.loads(call("story", run.path, 0, "--json").stdout)
    assert [entry["event"] for entry in body] == ["TrialAsked", "DeployStarted", "Deployed", "Finished"]
    assert body[0]["points"] == [{"x": 0.5, "n": 2, "kind": "a"}]
    assert body[1]["epoch"] == 1_700_000_000.0 + body[1]["time"]


@pytest.mark.parametrize("words", [("story",), ("logs",), ("stop",), ("rerun",)])
def test_a_trial_that_does_not_exist_gets_a_sentence(refused, made, words):
    run = made()
    assert refused(*words, run.path, 0) == "there is no trial 0; there are no trials yet"
    run.completed(0.5)
    assert refused(*words, run.path, 7) == "there is no trial 7; 0 is the only one"
    run.completed(0.5)
    assert refused(*words, run.path, 7) == "there is no trial 7; the trials are 0 to 1"


# Logs.


def test_logs_prints_the_bytes_of_the_latest_attempt(call, made):
    run = made()
    run.completed(0.5)
    run.log(0, "stdout.log", b"out \xff\x1b[1m\r\n")
    run.log(0, "stderr.log", b"err\n")
    assert call("logs", run.path, 0).stdout_bytes == b"out \xff\x1b[1m\r\n"
    assert call("logs", run.path, 0, "--stderr").stdout_bytes == b"err\n"
    both = call("logs", run.path, 0, "--both").stdout_bytes
    assert both == b"==> stdout.log <==\nout \xff\x1b[1m\r\n\n==> stderr.log <==\nerr\n"


def test_logs_of_an_earlier_attempt(call, refused, made):
    run = made()
    index = run.running()
    run.add(ev.Interrupted, index, 1, "the driver left")
    run.add(ev.DeployStarted, index, 2)
    run.log(index, "stdout.log", b"one\n", attempt=1)
    run.log(index, "stdout.log", b"two\n", attempt=2)
    assert call("logs", run.path, index).stdout == "two\n"
    assert call("logs", run.path, index, "--attempt", 1).stdout == "one\n"
    assert refused("logs", run.path, index, "--attempt", 3) == "trial 0 has no attempt 3; its latest is 2"


def test_logs_falls_back_to_the_log_of_the_failure_and_to_its_traceback(call, refused, made):
    run = made()
    run.failed("no", "logs/0.1.log")
    path = run.path / "logs" / "0.1.log"
    path.parent.mkdir()
    path.write_text("printed by a worker\n")
    run.failed("no", traceback="Traceback\n  ...\nValueError: \x1b[2J")
    run.completed(0.5)
    run.asked()
    assert call("logs", run.path, 0).stdout == "printed by a worker\n"
    assert call("logs", run.path, 1).stdout == "Traceback\n  ...\nValueError: \\x1b[2J\n"
    assert "left no output" in refused("logs", run.path, 2)
    assert refused("logs", run.path, 3) == "trial 3 is CANDIDATE and has not begun; --follow waits for it"


def test_logs_never_leaves_the_run_directory(refused, made, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    run = made()
    run.failed("no", "../secret")
    run.completed(0.5)
    (run.path / "trials/1/1").mkdir(parents=True)
    (run.path / "trials/1/1/stdout.log").symlink_to(secret)
    run.completed(0.5)
    (run.path / "trials/2/1").mkdir(parents=True)
    os.mkfifo(run.path / "trials/2/1/stdout.log")
    run.failed("no", str(secret))
    for trial in (0, 1, 3):
        assert "leads out of the run directory" in refused("logs", run.path, trial)
    assert "is no plain file" in refused("logs", run.path, 2)


def test_following_an_attempt_that_has_ended_prints_it_and_ends(call, made):
    run = made()
    run.completed(0.5)
    run.log(0, "stdout.log", b"all of it")
    run.failed("no", traceback="the traceback")
    assert call("logs", run.path, 0, "--follow").stdout == "all of it"
    assert call("logs", run.path, 1, "-f").stdout == "the traceback\n"


def test_following_a_trial_that_nobody_will_start_ends(call, refused, made):
    run = made()
    run.asked()
    assert "left no output" in refused("logs", run.path, 0, "-f")


# Export.


def test_export_prints_csv_by_default(call, made):
    run = made()
    run.completed(0.5)
    run.failed()
    lines = list(csv.DictReader(io.StringIO(call("export", run.path).stdout)))
    assert [line["status"] for line in lines] == ["COMPLETED", "FAILED"]


def test_export_as_json_has_a_trial_a_line(call, made):
    run = made()
    assert json.loads(call("export", run.path, "--format", "json").stdout) == []
    run.completed(0.5)
    run.failed("naïve \u2028")
    out = call("export", run.path, "--format", "json").stdout
    assert [row["index"] for row in json.loads(out)] == [0, 1]
    assert len(out.split("\n")) == 5


def test_export_writes_a_file_whole_and_takes_the_format_from_its_name(call, made, tmp_path):
    run = made()
    run.completed(0.5)
    target = tmp_path / "out.json"
    target.write_text("old")
    result = call("export", run.path, "-o", target)
    assert result.stdout == ""
    assert "1 trial written to" in result.stderr
    assert json.loads(target.read_text())[0]["index"] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "run"]


def test_export_follows_a_symlink_and_keeps_it(call, made, tmp_path):
    run = made()
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    call("export", run.path, "-o", tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("index,")


@pytest.mark.parametrize(
    "name", ["journal.sqlite", "journal.sqlite-wal", "lock", "requests/1.json", "trials/0/1/x.csv"]
)
def test_export_never_writes_over_what_a_run_is_made_of(call, refused, made, tmp_path, name):
    run, other = made(), made("other")
    for one in (run, other):
        before = (one.path / "journal.sqlite").read_bytes()
        target = one.path / name
        assert "this is a file of the run in" in refused("export", run.path, "-o", target)
        assert (one.path / "journal.sqlite").read_bytes() == before
    (tmp_path / "link.csv").symlink_to(run.path / name)
    assert "this is a file of the run in" in refused("export", run.path, "-o", tmp_path / "link.csv")
    call("export", run.path, "-o", run.path / "results.csv")
    assert (run.path / "results.csv").exists()


def test_export_to_a_place_that_cannot_be_written_gets_a_sentence(refused, made, tmp_path):
    run = made()
    assert "cannot be written (No such file or directory)" in refused("export", run.path, "-o", tmp_path / "no/x.csv")
    assert "cannot be written (Is a directory)" in refused("export", run.path, "-o", tmp_path)


@pytest.mark.slow
def test_export_to_a_name_that_no_file_can_have_gets_a_sentence(refused, made):
    assert "aaa…: cannot be written (File name too long)" in refused("export", made().path, "-o", "a" * 5000)


def test_export_as_parquet_has_typed_columns(call, made, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    run = made()
    target = tmp_path / "out.parquet"
    call("export", run.path, "-o", target)
    empty = pq.read_table(target).schema
    run.completed(0.5)
    run.failed(kind=FailureKind.TIMEOUT)
    index = run.asked()
    run.add(ev.DeployStarted, index, 1)
    run.add(ev.Deployed, index, 1, {"pid": 3, "mixed": 1, "nested": {"a": 1}})
    index = run.asked()
    run.add(ev.DeployStarted, index, 1)
    run.add(ev.Deployed, index, 1, {"pid": 4, "mixed": "one"})
    call("export", run.path, "-o", target)
    table = pq.read_table(target)
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["parameters.x"] == "double"
    assert kinds["parameters.n"] == "int64"
    assert kinds["parameters.kind"] == "string"
    assert kinds["metrics.y.mean"] == "double"
    assert kinds["run_metadata.pid"] == "int64"
    assert kinds["run_metadata.mixed"] == "string"
    assert {field.name: str(field.type) for field in empty}.items() <= kinds.items()
    assert table.column("failure.kind").to_pylist() == [None, "timeout", None, None]


def test_export_as_parquet_without_its_library_names_the_extra(refused, made, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert refused("export", made().path, "--format", "parquet").endswith("pip install 'runwright[parquet]'")


def test_status_says_what_waits_for_another_attempt(call, made):
    run = made()
    for index in range(12):
        run.asked()
        run.add(ev.DeployStarted, index, 1)
        run.add(ev.Finished, index, 1, Result.failed(FailureKind.LOST, "gone \x1b[2J"))
        run.add(ev.RetryPlanned, index, run.time + (90 if index else 0), 1, 3)
    said = call("status", run.path).stdout
    assert "12 failed attempts tried again (12 lost)" in said
    assert "trial 0 as soon as a slot is free; attempt 1 failed: lost: gone \\x1b[2J" in said
    assert "trial 1 in " in said
    assert "and 2 more; --json has them all" in said
