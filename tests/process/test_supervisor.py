"""One program under one supervisor: how it begins, how it ends, what is recorded."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from runwright.clock import epoch, monotonic
from runwright.process.adoption import Absent, Adopted, Vanished, restart_rule
from runwright.process.launcher import Requests
from runwright.process.linux import boot_id
from runwright.process.record import STARTED, read_record
from runwright.process.wire import LARGEST_REQUEST, LENGTH, STOP

HIDERS = """
import os, signal, sys, time
def note():
    with open("pids", "a") as file:
        file.write(f"{os.getpid()}\\n")
def forked(then):
    if os.fork() == 0:
        then()
        os._exit(0)
def sleeper():
    note(); time.sleep(600)
def ignorer():
    signal.signal(signal.SIGTERM, signal.SIG_IGN); sleeper()
def session():
    os.setsid(); ignorer()
def daemon():
    os.setsid(); forked(ignorer)
def stopped():
    note(); os.kill(os.getpid(), signal.SIGSTOP)
def disguised():
    os.setsid(); os.closerange(0, 100); note()
    os.execve("/bin/sleep", ["-innocent", "600"], {})
def hopper():
    note()
    for _ in range(200_000):
        if os.fork(): os._exit(0)
    os._exit(0)
for then in (sleeper, ignorer, session, daemon, stopped, disguised, hopper):
    forked(then)
note()
"""


def hiders(bench, end: str, **changes) -> dict:
    """Return the request of a program that starts processes which hide, and then does something."""
    return bench.request(argv=[sys.executable, "-I", "-c", HIDERS + end], **changes)


def pids_of(request: dict) -> list[int]:
    return [int(line) for line in Path(request["cwd"], "pids").read_text().split()]


@pytest.mark.parametrize(
    ("script", "code", "number"),
    [
        ("exit 0", 0, None),
        ("exit 7", 7, None),
        ("exit 137", 137, None),
        ("kill -KILL $$", None, signal.SIGKILL),
        ("kill -SEGV $$", None, signal.SIGSEGV),
        ("kill -PIPE $$", None, signal.SIGPIPE),
        ("kill 0; sleep 5", None, signal.SIGTERM),
    ],
)
def test_the_end_is_recorded_exactly(bench, script, code, number):
    record = bench.run(script)
    assert (record["code"], record["signal"], record["reason"]) == (code, number, None)
    assert record["seconds"] >= 0
    assert record["cpu"] >= 0
    assert record["peak"] > 0
    assert record["leftovers"] == 0


def test_its_time_is_that_of_the_program(bench):
    assert 0.25 <= bench.run("sleep 0.25")["seconds"] < 25.0


def test_all_signals_are_named_that_it_was_ended_by(bench, happens):
    request = bench.request("trap '' TERM; touch ready; while :; do sleep 0.01; done")
    pid = bench.launch(request)["pid"]
    happens(Path(request["cwd"], "ready").exists, "the start")
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGHUP)  # within the grace, which the program uses up
    record = bench.record(request)
    assert (record["reason"], record["message"]) == ("signal", "SIGHUP and SIGTERM")


def test_a_launcher_that_was_never_asked_leaves_with_its_driver(bench, gone):
    bench.launcher._start()
    pid = bench.launcher.pid
    bench.launcher.close()
    gone([pid])


def test_a_start_says_who_runs_it_and_since_when(bench):
    request = bench.request("exit 0", timeout=600, memory=2**40, output=2**40)
    moments = [epoch(), monotonic()]
    pid = bench.launch(request)["pid"]
    moments += [epoch(), monotonic()]
    started = read_record(request["control"], STARTED)
    assert list(started) == ["pid", "ticks", "boot", "epoch", "monotonic", "limits"]
    assert (started["pid"], started["boot"]) == (pid, boot_id())
    assert moments[0] <= started["epoch"] <= moments[2]
    assert moments[1] <= started["monotonic"] <= moments[3]
    assert started["limits"] == {"timeout": 600, "memory": 2**40, "output": 2**40, "log": 1_000_000, "grace": 0.3}
    bench.record(request)


def framed(body: dict) -> bytes:
    data = json.dumps(body).encode()
    return LENGTH.pack(len(data)) + data


def test_requests_arrive_whole_in_order_and_with_their_descriptors():
    ours, theirs = socket.socketpair()
    requests = Requests(theirs)
    assert (requests.read(), requests.ended) == ([], False)
    first, second = framed({"id": "1", "channel": True}), framed({"id": "2", "long": "x" * 100_000})
    with Path(os.devnull).open() as null, Path("/proc/self/status").open() as other:
        socket.send_fds(ours, [first[:7]], [null.fileno()])
        assert requests.read() == []
        socket.send_fds(ours, [first[7:] + second + framed({"id": "3", "channel": True})], [other.fileno()])
        found = []
        while len(found) < 3:  # the kernel hands it out in pieces
            assert select.select([theirs], [], [], 30)[0], "not all of it arrived"
            found += requests.read()
        assert [(body["id"], fd is None) for body, fd in found] == [("1", False), ("2", True), ("3", False)]
        for (_, fd), file in zip((found[0], found[2]), (null, other), strict=True):
            assert os.path.sameopenfile(fd, file.fileno())
            assert not os.get_inheritable(fd)
            os.close(fd)
    assert (requests.read(), requests.ended) == ([], False)
    ours.close()
    assert (requests.read(), requests.ended) == ([], True)
    requests.close()


def test_a_driver_that_dies_without_having_listened_has_ended():
    ours, theirs = socket.socketpair()
    requests = Requests(theirs)
    theirs.send(b"unheard")  # so that the kernel says "reset" where it else says "end"
    ours.close()
    assert (requests.read(), requests.ended) == ([], True)
    requests.close()


@pytest.mark.parametrize("length", [LARGEST_REQUEST + 1, 2**32 - 1])
def test_who_speaks_of_too_much_is_not_listened_to(length):
    ours, theirs = socket.socketpair()
    requests = Requests(theirs)
    ours.sendall(LENGTH.pack(length) + b"x")
    assert (requests.read(), requests.ended) == ([], True)
    requests.close()
    ours.close()


def test_descriptors_whose_request_never_came_are_closed():
    ours, theirs = socket.socketpair()
    requests = Requests(theirs)
    read, write = os.pipe()
    socket.send_fds(ours, [b"\1"], [write])
    os.close(write)
    assert requests.read() == []
    requests.close()
    assert os.read(read, 1) == b"", "somebody holds the other end"
    os.close(read)
    ours.close()


def test_the_program_finds_an_ordinary_process(bench):
    request = bench.request("cat; grep -E '^Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd; umask; nice; pwd")
    before = os.umask(0o027)
    try:
        bench.launch(request)  # also starts the launcher, which keeps the umask
    finally:
        os.umask(before)
    bench.record(request)
    *signals, stdin, stdout, stderr, listing, umask, nice, folder = bench.text(request).splitlines()
    # Signals 32 and 33 are the C library's own: what it inherits of them nobody can change.
    assert [int(line.split()[1], 16) & 0x7FFFFFFF for line in signals] == [0, 0]
    assert [stdin, stdout, stderr, listing] == ["0", "1", "2", "3"]
    assert umask == "0027"
    assert nice == str(os.nice(0))
    assert folder == request["cwd"]


def test_it_has_its_own_session(bench):
    request = bench.request("cut -d' ' -f1,5,6 /proc/$$/stat")
    answer = bench.launch(request)
    bench.record(request)
    pid, group, session = bench.text(request).split()
    assert pid == group == session
    assert int(pid) != answer["pid"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"argv": ["no-such-program"]}, "'no-such-program' cannot be executed: No such file or directory"),
        ({"argv": ["/etc/passwd"]}, "'/etc/passwd' cannot be executed: Permission denied"),
        (
            {"cwd": "/no/such/folder"},
            "its working folder '/no/such/folder' cannot be entered: No such file or directory",
        ),
        ({"argv": ["a\0b"]}, "'a\\x00b' cannot be executed: execve: embedded null character in path"),
    ],
)
def test_what_cannot_be_started_is_answered_and_recorded(bench, changes, sentence):
    request = bench.request("exit 0", **changes)
    answer = bench.launch(request)
    assert (answer["event"], answer["message"]) == ("error", sentence)
    record = bench.record(request)
    assert (record["reason"], record["message"]) == ("start", sentence)


def test_a_script_without_interpreter_line_says_so(bench, folder):
    script = folder / "script"
    script.write_text("echo hi\n")
    script.chmod(0o755)
    assert "has no #! line" in bench.launch(bench.request(argv=[str(script)]))["message"]


def test_trouble_before_the_start_is_answered_and_nothing_has_begun(bench):
    request = bench.request("exit 0", stdout="/no/such/folder/log")
    answer = bench.launch(request)
    assert answer["event"] == "error"
    assert "No such file or directory: '/no/such/folder/log'" in answer["message"]
    assert not Path(request["control"], "started").exists()
    missing = bench.request("exit 0", control="/no/such/folder")
    assert bench.launch(missing)["event"] == "error"


def test_an_attempt_whose_start_cannot_be_recorded_does_not_begin(bench):
    request = bench.request("touch ../ran")
    Path(request["control"], "exit.tmp").mkdir()
    answer = bench.launch(request)
    assert answer["event"] == "error"
    assert answer["message"].startswith("the supervisor could not begin: ")
    assert not Path(request["control"], "started").exists()
    assert not Path(request["cwd"], "../ran").exists()


def test_an_attempt_begins_once(bench):
    request = bench.request("echo run >> ../count; sleep 0.1")
    answers = bench.launcher.launch([request, {**request, "id": "again"}])
    assert sorted(answer["event"] for answer in answers.values()) == ["claimed", "started"]
    bench.record(request)
    assert bench.launch({**request, "id": "later"})["event"] == "claimed"
    assert Path(request["cwd"], "../count").read_text() == "run\n"


@pytest.mark.slow
def test_a_wall_limit_ends_a_tree_that_hides_and_ignores_sigterm(bench, gone):
    request = hiders(bench, "ignorer()", timeout=0.5)
    bench.launch(request)
    record = bench.record(request)
    assert (record["reason"], record["signal"], record["code"]) == ("timeout", signal.SIGKILL, None)
    assert record["seconds"] >= 0.8  # the limit and the grace
    gone(pids_of(request))


def test_what_a_program_leaves_behind_is_killed_and_counted(bench, gone):
    request = hiders(bench, "os._exit(3)")
    bench.launch(request)
    record = bench.record(request)
    assert (record["code"], record["reason"]) == (3, None)
    assert record["leftovers"] >= 6
    gone(pids_of(request))


def test_a_polite_program_ends_within_its_grace(bench):
    record = bench.run("trap 'exit 5' TERM; while :; do sleep 0.01; done", timeout=0.1, grace=20)
    assert (record["reason"], record["code"]) == ("timeout", 5)
    assert record["seconds"] < 20


def test_a_suspended_program_is_ended(bench):
    record = bench.run("trap 'exit 5' TERM; kill -STOP $$", timeout=0.1, grace=20)
    assert (record["reason"], record["code"]) == ("timeout", 5)


@pytest.mark.parametrize(
    ("number", "reason", "message"),
    [
        (STOP, "stop", None),
        (signal.SIGTERM, "signal", "SIGTERM"),
        (signal.SIGINT, "signal", "SIGINT"),
        (signal.SIGHUP, "signal", "SIGHUP"),
    ],
)
def test_a_signal_to_the_supervisor_ends_the_tree_and_our_own_is_told_from_others(bench, number, reason, message):
    request = bench.request("sleep 600 & wait")
    os.kill(bench.launch(request)["pid"], number)
    record = bench.record(request)
    assert (record["reason"], record["signal"], record["message"]) == (reason, signal.SIGTERM, message)


HOLDS = """
import os, time
for _ in range(3):
    if os.fork() == 0: break
held = bytearray({})
held[::4096] = b"x" * len(held[::4096])
time.sleep(600)
"""


@pytest.mark.slow
def test_a_memory_limit_counts_the_whole_tree(bench):
    request = bench.request(argv=[sys.executable, "-c", HOLDS.format(50 * 2**20)], memory=120 * 2**20)
    bench.launch(request)
    record = bench.record(request)
    assert record["reason"] == "memory"
    assert record["peak"] > 120 * 2**20


@pytest.mark.slow
def test_shared_pages_are_counted_once(bench):
    shared = "held = bytearray(60 * 2**20); held[::4096] = b'x' * len(held[::4096])\n"
    wait = "import os, time\nfor _ in range(3):\n    if os.fork() == 0: break\ntime.sleep(0.7)"
    request = bench.request(argv=[sys.executable, "-c", shared + wait], memory=120 * 2**20)
    bench.launch(request)
    record = bench.record(request)
    assert (record["code"], record["reason"]) == (0, None)


def test_output_is_cut_counted_and_said(bench):
    request = bench.request("yes | head -c 300000; echo done; echo short >&2", log=1000)
    bench.launch(request)
    record = bench.record(request)
    assert record["code"] == 0
    assert record["stdout"] == {"seen": 300_005, "cut": 298_506}
    assert record["stderr"] == {"seen": 6, "cut": 0}
    assert bench.text(request) == (
        "y\n" * 500
        + "\n[runwright: 298506 bytes of output were cut here: beyond the first 1000 bytes]\n"
        + "y\n" * 247
        + "done\n"
    )
    assert bench.text(request, "stderr") == "short\n"


def test_an_output_a_little_longer_than_its_log_is_kept(bench):
    request = bench.request("yes | head -c 1400", log=1000)
    bench.launch(request)
    assert bench.record(request)["stdout"] == {"seen": 1400, "cut": 0}
    assert bench.text(request) == "y\n" * 700


@pytest.mark.parametrize("kept", [None, 1000])
def test_both_streams_may_share_a_file_that_is_appended_to(bench, folder, kept):
    log = folder / "log"
    log.write_text("before\n")
    record = bench.run("echo out; echo err >&2", stdout=str(log), stderr=str(log), log=kept)
    assert record["code"] == 0
    assert log.read_text() == "before\nout\nerr\n"
    assert ("stdout" in record) == (kept is not None)


FLOOD = "yes 'a line of the flood'"


def test_a_program_that_writes_too_much_is_ended_and_its_log_has_both_ends(bench):
    request = bench.request(
        f"trap 'echo asked; exit 5' TERM; echo first; while :; do {FLOOD} | head -c 9999; done", output=10**5
    )
    bench.launch(request)
    record = bench.record(request)
    assert (record["reason"], record["code"], record["limit"], record["ignored"]) == ("output", 5, 10**5, None)
    assert record["measured"] > 10**5
    text = bench.text(request)
    assert text.startswith("first\na line")
    assert text.endswith("asked\n")
    assert len(text) < 200_000


@pytest.mark.slow
def test_a_program_that_goes_on_writing_in_its_grace_fills_no_disk(bench):
    request = bench.request(f"trap '' TERM; {FLOOD}", output=10**5, grace=0.4)
    bench.launch(request)
    record = bench.record(request)
    assert (record["reason"], record["signal"], record["ignored"]) == ("output", signal.SIGKILL, 0.4)
    assert record["stdout"]["seen"] > 10**6
    assert Path(request["stdout"]).stat().st_size < 200_000
    assert f"{record['stdout']['cut']} bytes of output were cut here" in bench.text(request)


def test_what_was_written_too_fast_to_be_ended_is_too_much_all_the_same(bench):
    record = bench.run(f"{FLOOD} | head -c 100001", output=10**5)
    assert (record["reason"], record["measured"]) == ("output", 100_001)
    assert bench.run(f"{FLOOD} | head -c 50000; {FLOOD} | head -c 50000 >&2", output=10**5)["reason"] is None


def test_a_result_file_is_output(bench):
    request = bench.request(f"trap '' TERM; {FLOOD} | head -c 200000 > result; sleep 600", output=10**5, grace=600)
    request["counted"] = [f"{request['cwd']}/result", f"{request['cwd']}/no such file"]
    bench.launch(request)
    record = bench.record(request)  # at once: it could go on to write
    assert (record["reason"], record["signal"], record["measured"]) == ("output", signal.SIGKILL, 200_000)


@pytest.mark.slow
def test_a_grace_is_no_time_to_take_all_memory(bench):
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, lambda *_: held.append(b'x' * 2**27)); held = []\n"
        "while True: time.sleep(1)"
    )
    request = bench.request(argv=[sys.executable, "-c", program], timeout=0.3, memory=2**26, grace=600)
    bench.launch(request)
    record = bench.record(request)
    assert (record["reason"], record["signal"]) == ("timeout", signal.SIGKILL)
    assert record["peak"] > 2**26


def test_a_stream_without_a_file_is_thrown_away(bench):
    assert bench.run("echo x; echo y >&2", stdout=None, stderr=None)["code"] == 0


def test_a_disk_that_is_full_of_output_does_not_end_the_program(bench):
    record = bench.run("yes | head -c 100000; exit 4", stdout="/dev/full")
    assert (record["code"], record["stdout"]) == (4, {"seen": 100_000, "cut": 100_000})


def test_a_program_may_remove_its_working_folder(bench):
    record = bench.run("rm -rf ../*; exit 6")
    assert record["code"] == 6


def test_a_program_that_removes_the_control_folder_leaves_no_record_and_no_process(bench, gone, happens):
    request = bench.request("rm -rf ../../control; echo $$ > pids; sleep 600")
    answer = bench.launch(request)
    happens(lambda: Path(request["cwd"], "pids").exists() and pids_of(request), "the removal")
    os.kill(answer["pid"], signal.SIGTERM)
    gone([answer["pid"], *pids_of(request)])
    assert restart_rule(request["control"]) == Absent()


def test_an_exit_record_survives_a_removed_placeholder(bench):
    assert bench.run("rm ../../control/*/exit.tmp; exit 8")["code"] == 8


def test_a_renamed_run_directory_gets_the_record(bench, folder):
    request = bench.request("read line; exit 9")
    child = bench.request("while [ ! -e ../go ]; do sleep 0.01; done; exit 9")
    bench.launch(request)
    bench.launch(child)
    moved = folder / "moved"
    (folder / "control").rename(moved)
    Path(child["cwd"], "../go").touch()
    record = bench.record({"control": str(moved / child["id"])})
    assert record["code"] == 9


@pytest.fixture
def channel():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_a_channel_is_handed_over_and_its_end_ends_the_tree(bench, channel, gone):
    ours, theirs = channel
    request = hiders(bench, 'os.write(int(os.environ["RUNWRIGHT_CHANNEL"]), b"hello"); ignorer()', channel=True)
    answer = bench.launch(request, theirs.fileno())
    theirs.close()
    assert ours.recv(5) == b"hello"
    ours.close()  # as the kernel does when the driver dies
    record = bench.record(request)
    assert record["reason"] == "driver"
    gone([answer["pid"], *pids_of(request)])


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ("begin 0.2 0 0", "timeout"),
        ("begin 0 100000 0", "memory"),
        ("begin 60 0 0\\nend\\nbegin 0 0 0", None),
        ("nonsense\\nbegin x y z", None),
    ],
)
@pytest.mark.slow
def test_a_program_with_a_channel_sets_limits_for_a_while(bench, channel, says, reason):
    request = bench.request(f"printf '{says}\\n' >&$RUNWRIGHT_LIMITS; sleep 0.6; exit 2", channel=True)
    bench.launch(request, channel[1].fileno())
    record = bench.record(request)
    assert (record["reason"], record["code"]) == (reason, 2 if reason is None else None)


def test_the_death_of_the_supervisor_is_the_death_of_the_tree(bench, kill, gone, happens):
    request = hiders(bench, "ignorer()")
    answer = bench.launch(request)
    happens(lambda: Path(request["cwd"], "pids").exists() and len(pids_of(request)) >= 7, "the start of the tree")
    kill(answer["pid"])
    gone([answer["pid"], *pids_of(request)])
    found = restart_rule(request["control"])
    assert isinstance(found, Vanished)
    assert found.reason == "its supervisor was killed, and with it whatever could have recorded the end"


def test_supervisors_outlive_the_launcher(bench, kill, gone):
    request = bench.request("while [ ! -e ../go ]; do sleep 0.01; done; exit 3")
    bench.launch(request)
    launcher = bench.launcher.pid
    kill(launcher)
    gone([launcher])
    assert bench.run("exit 4")["code"] == 4  # by a new launcher
    assert bench.launcher.pid != launcher
    Path(request["cwd"], "../go").touch()
    assert bench.record(request)["code"] == 3


def test_what_requests_have_in_common_is_said_to_each_launcher(bench, kill, gone):
    script = "echo $A $B; sleep 600"
    bench.launcher.share({"env": {**os.environ, "A": "common", "B": "common"}, "timeout": 0.05, "grace": 0.3})
    for _ in range(2):
        request = bench.request(script, env={"B": "own"})
        del request["timeout"], request["grace"]
        assert bench.launch(request)["event"] == "started"
        record = bench.record(request)
        assert (record["reason"], bench.text(request)) == ("timeout", "common own\n")
        kill(bench.launcher.pid)
        gone([bench.launcher.pid])
    bench.launcher.share({"env": {"A": "another"}})
    request = bench.request("echo $A", timeout=60.0)
    bench.launch(request)
    assert (bench.record(request)["reason"], bench.text(request)) == (None, "another\n")


FAULTY = """
import json, os, sys, time
from runwright.process import supervisor
from runwright.process.answers import Answers
request = json.loads(sys.argv[1])
def broken(limits, now):
    while not os.path.exists(request["cwd"] + "/grown"):
        time.sleep(0.001)
    raise RuntimeError("a fault of ours" + 300 * "!")
supervisor.WatchedLimits.exceeded = broken
os._exit(supervisor.supervise(request, None, Answers(int(sys.argv[2]))))
"""


def test_a_fault_of_ours_ends_the_tree_and_is_recorded(bench, gone):
    request = bench.request("sh -c 'echo $$ > pids; exec sleep 600' & echo $$ >> pids; touch grown; wait")
    told, say = os.pipe()
    serial = {**request, "serial": 0}
    supervisor = subprocess.run(
        [sys.executable, "-c", FAULTY, json.dumps(serial), str(say)], pass_fds=[say], timeout=60, check=False
    )
    os.close(say)
    assert supervisor.returncode == 0
    assert b'"started"' in os.read(told, 4096)
    os.close(told)
    record = bench.record(request)
    assert (record["reason"], record["signal"]) == ("error", signal.SIGKILL)
    assert record["message"] == ("RuntimeError: a fault of ours" + 300 * "!")[:300]
    gone(pids_of(request))


ALONE = """
import json, os, sys
from runwright.process.answers import Answers
from runwright.process.supervisor import supervise
os._exit(supervise(json.loads(sys.argv[1]), None, Answers(int(sys.argv[2]))))
"""


def test_what_cannot_be_said_at_once_is_said_when_there_is_room(bench, happens):
    """The driver is busy, and its pipe is full; the program runs meanwhile."""
    request = bench.request("touch began; while [ ! -e ../go ]; do sleep 0.01; done; exit 3")
    told, say = os.pipe()
    os.set_blocking(say, False)
    for size in (1 << 16, 4096, 1):
        try:
            while True:
                os.write(say, b" " * size)
        except BlockingIOError:
            pass
    arguments = [json.dumps({**request, "serial": 0}), str(say)]
    with subprocess.Popen([sys.executable, "-c", ALONE, *arguments], pass_fds=[say]) as supervisor:
        os.close(say)
        happens(Path(request["cwd"], "began").exists, "the start of the program")
        heard = b""
        while b"\n" not in heard:
            assert select.select([told], [], [], 30)[0], "nothing was said"
            heard += os.read(told, 1 << 16)
        assert json.loads(heard)["event"] == "started"
        Path(request["cwd"], "../go").touch()
        assert bench.record(request)["code"] == 3
        assert supervisor.wait(30) == 0
    os.close(told)


def test_a_tree_whose_driver_and_supervisor_died_is_ended(bench, kill, gone, happens):
    request = hiders(bench, "time.sleep(600)")
    answer = bench.launch(request)
    happens(lambda: Path(request["cwd"], "pids").exists() and len(pids_of(request)) >= 7, "the start of the tree")
    bench.launcher.close()
    kill(answer["pid"])
    gone([answer["pid"], *pids_of(request)])


def test_a_launcher_says_that_a_supervisor_was_killed(bench, kill):
    answer = bench.launch(bench.request("sleep 600"))
    kill(answer["pid"])
    assert select.select([bench.launcher._answers], [], [], 30)[0], "nobody said anything"
    assert [(told["event"], told["id"]) for told in bench.launcher._read()] == [("gone", answer["id"])]


def test_a_launcher_whose_driver_reads_late_says_everything_and_then_sleeps(bench, kill, happens):
    supervisors = [bench.launch(bench.request("sleep 600")) for _ in range(2)]
    launcher = bench.launcher
    fcntl.fcntl(launcher._answers, fcntl.F_SETPIPE_SZ, 4096)
    name = Path(f"/proc/self/fd/{launcher._answers}").readlink()
    end = next(fd for fd in Path(f"/proc/{launcher.pid}/fd").iterdir() if fd.readlink() == name)
    pipe = os.open(end, os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b'{"event": "gone", "id": "another", "serial": -1}\n')
    os.close(pipe)
    for answer in supervisors:
        kill(answer["pid"])
        happens(lambda pid=answer["pid"]: not Path(f"/proc/{pid}").exists(), "the supervisor's end")
    told = []
    ids = [answer["id"] for answer in supervisors]
    happens(lambda: told.extend(launcher._read()) or set(ids) <= {one["id"] for one in told}, "the word of both")
    assert [(one["event"], one["id"]) for one in told if one["id"] in ids] == [("gone", each) for each in ids]
    happens(lambda: Path(f"/proc/{launcher.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S", "its sleep")
    assert bench.run("exit 3")["code"] == 3


def test_a_supervisor_that_is_suspended_is_woken_by_the_launcher(bench):
    request = bench.request("while [ ! -e ../go ]; do sleep 0.01; done; exit 3")
    os.kill(bench.launch(request)["pid"], signal.SIGSTOP)
    Path(request["cwd"], "../go").touch()
    assert bench.record(request)["code"] == 3


def test_the_launcher_leaves_with_its_last_trial(bench, gone):
    request = bench.request("while [ ! -e ../go ]; do sleep 0.01; done")
    bench.launch(request)
    launcher = bench.launcher.pid
    bench.launcher.close()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(launcher, number)
    found = restart_rule(request["control"])
    assert isinstance(found, Adopted)
    found.process.close()
    Path(request["cwd"], "../go").touch()
    bench.record(request)
    gone([launcher])


def test_nothing_that_the_driver_lets_leak_outlives_it(bench):
    read, write = os.pipe()
    os.set_inheritable(write, True)
    try:
        request = bench.request("sleep 600")
        pid = bench.launch(request)["pid"]
    finally:
        os.close(write)
    assert os.read(read, 1) == b""  # neither launcher nor supervisor nor program has it
    os.close(read)
    os.kill(pid, signal.SIGTERM)
    bench.record(request)


def test_a_driver_without_standard_streams(folder):
    program = (
        "import os, sys; [os.close(fd) for fd in (0, 1, 2)]\n"
        "from runwright.process.client import Launcher; launcher = Launcher()\n"
        "root = sys.argv[1]\n"
        "request = {'id': '1', 'argv': ['sh', '-c', 'echo out; echo err >&2'], 'env': dict(os.environ), 'cwd': root,\n"
        "  'control': root, 'stdout': root + '/log', 'stderr': root + '/log', 'output': None}\n"
        "ok = launcher.launch([request])['1']['event'] == 'started'; os._exit(0 if ok else 1)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(folder)], check=False, timeout=60).returncode == 0
    found = restart_rule(folder)
    if isinstance(found, Adopted):
        select.select([found.process], [], [], 30)
        found.process.close()
    assert (folder / "log").read_text() == "out\nerr\n"


def test_many_at_once_with_long_environments(bench):
    requests = [bench.request(f"exit {number % 100}", env={"LONG": "x" * 100_000}) for number in range(40)]
    answers = bench.launcher.launch(requests)
    assert {answer["event"] for answer in answers.values()} == {"started"}
    assert [bench.record(request)["code"] for request in requests] == [number % 100 for number in range(40)]


def test_late_words_about_dead_supervisors_are_no_answers(bench, kill, gone):
    first = bench.request("sleep 600")
    pid = bench.launch(first)["pid"]
    kill(pid)
    gone([pid])  # the launcher says "gone" of it, unread so far
    again = {**bench.request("exit 3"), "id": first["id"]}
    assert bench.launch(again)["event"] == "started"
    assert bench.record(again)["code"] == 3


def test_a_supervisor_that_is_killed_at_once_is_answered(bench):
    request = bench.request("kill -KILL $PPID; sleep 600")
    assert bench.launch(request)["event"] in ("gone", "started")
    assert isinstance(restart_rule(request["control"]), (Adopted, Vanished))


@pytest.mark.slow
def test_a_supervisor_sleeps_while_nothing_happens(bench, happens):
    request = bench.request("sleep 1; touch slept; sleep 600", timeout=600, memory=2**40)
    pid = bench.launch(request)["pid"]
    happens(Path(request["cwd"], "slept").exists, "a second")
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    assert int(fields[11]) + int(fields[12]) <= 0.1 * os.sysconf("SC_CLK_TCK"), "it has worked for a tenth of a second"
    os.kill(pid, STOP)
    assert bench.record(request)["reason"] == "stop"


def test_supervisors_are_named_and_small(bench):
    request = bench.request("sleep 600")
    pid = bench.launch(request)["pid"]
    assert Path(f"/proc/{pid}/comm").read_text() == "rw-supervisor\n"
    facts = dict(line.split(":") for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    private = sum(int(facts[name].split()[0]) for name in ("Private_Clean", "Private_Dirty"))
    assert private < 3 * 1024
    os.kill(pid, signal.SIGTERM)
    bench.record(request)


FULL_DISK = """
import json, os, sys
from pathlib import Path
from runwright.process.client import Launcher
from runwright.process.adoption import restart_rule, Adopted
import select
root = Path(sys.argv[1])
work, control = root / "work", root / "control"
work.mkdir(); control.mkdir()
request = {"id": "1", "argv": ["sh", "-c", "dd if=/dev/zero of=fill bs=4096; exit 5"], "env": dict(os.environ),
           "cwd": str(work), "control": str(control), "stdout": None, "stderr": None}
launcher = Launcher()
assert launcher.launch([request])["1"]["event"] == "started"
found = restart_rule(control)
if isinstance(found, Adopted):
    select.select([found.process], [], [], 30)
record = json.loads((control / "exit").read_text())
full = root / "full"
full.mkdir()
answer = launcher.launch([{**request, "id": "2", "control": str(full)}])["2"]
launcher.close()
print(json.dumps([record["code"], answer["event"], sorted(os.listdir(full))]))
"""


@pytest.mark.slow
def test_a_full_disk_prevents_a_start_but_not_the_record_of_an_end(folder):
    disk = folder / "disk"
    disk.mkdir()
    inside = 'mount -t tmpfs -o size=256k none "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-rm", "sh", "-c", inside, "sh", str(disk), sys.executable, FULL_DISK]
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("a file system of our own cannot be mounted here")
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    code, event, left = json.loads(done.stdout)
    assert (code, event) == (5, "error")
    assert "started" not in left
