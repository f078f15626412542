"""What must be on the disk before what: the order of writes that only a power cut could show.

`Disk` stands before the calls by which a file becomes durable, and knows of each file what it held when it was last
synced. So a sync that is left out, or comes too late, is seen without a power cut.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import runwright as rw
from runwright import mailbox
from runwright.folder import write_atomic
from runwright.journal import SqliteJournal, read_events
from runwright.optimizers import RandomOptimizer
from runwright.process import record
from runwright.process.record import EXIT, STARTED, ControlFolder
from runwright.runners import LocalMetadataRunner


class Disk:
    """Notes what is durable.

    Attributes:
        renames: Of each rename: the new name, the content, and whether that was durable before.
        present: The names beside it at that moment, with their sizes.
        calls: What was done, in order: ``sync NAME``, ``rename NAME``.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.renames: dict[str, tuple[bytes, bool]] = {}
        self.present: dict[str, dict[str, int]] = {}
        self.calls: list[str] = []
        self._synced: dict[int, bytes] = {}
        self._real = {name: getattr(os, name) for name in ("fsync", "fdatasync", "rename", "replace")}
        for name in ("fsync", "fdatasync"):
            patch.setattr(os, name, lambda fd, name=name: self._sync(name, fd))
        for name in ("rename", "replace"):
            patch.setattr(os, name, lambda old, new, name=name, **folders: self._rename(name, old, new, folders))

    def _sync(self, name: str, fd: int) -> None:
        self._real[name](fd)
        path = Path(f"/proc/self/fd/{fd}").readlink()
        self.calls.append(f"sync {path.name}")
        if path.is_file():
            self._synced[path.stat().st_ino] = path.read_bytes()

    def _rename(self, name: str, old: str | Path, new: str | Path, folders: dict[str, int]) -> None:
        folder = Path(f"/proc/self/fd/{folders['src_dir_fd']}").readlink() if folders else Path(old).parent
        path = folder / Path(old).name
        content = path.read_bytes()
        self.renames[Path(new).name] = content, self._synced.get(path.stat().st_ino) == content
        self.present[Path(new).name] = {one.name: one.stat().st_size for one in folder.iterdir()}
        self.calls.append(f"rename {Path(new).name}")
        self._real[name](old, new, **folders)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def test_the_record_of_an_end_is_durable_before_it_has_its_name(tmp_path, disk):
    folder = ControlFolder(str(tmp_path))
    assert folder.claim()
    folder.begin({"pid": 1})
    folder.finish({"code": 7})
    folder.close()
    assert disk.renames[EXIT] == (b'{"code": 7}', True)
    assert disk.calls == [f"rename {STARTED}", "sync exit.tmp", f"rename {EXIT}"]


_SUPERVISE = """
import json, os, sys
real = os.fsync
def fsync(fd):
    real(fd)
    print(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")), file=said, flush=True)
os.fsync = fsync
said = open(sys.argv[2], "a")
from runwright.process.answers import Answers
from runwright.process.supervisor import supervise
supervise(json.loads(sys.argv[1]), None, Answers(os.open(os.devnull, os.O_WRONLY)))
"""


@pytest.mark.parametrize(
    ("script", "synced"),
    [
        ("echo 1 > result; echo a word", ["result", "exit.tmp"]),
        ("echo 1 > result.tmp; mv result.tmp result; echo 2 > more", ["result", "more", "exit.tmp"]),
        ("echo 0.5", ["stdout", "exit.tmp"]),
        (": > result; echo 0.5", ["stdout", "exit.tmp"]),
        ("mkfifo result; ln -s nowhere more", ["exit.tmp"]),
        ("echo 1 > result; exit 3", ["result", "exit.tmp"]),
    ],
)
def test_what_a_program_gave_back_is_durable_before_the_record_of_its_end(tmp_path, script, synced):
    control, cwd = tmp_path / "control", tmp_path / "work"
    control.mkdir()
    cwd.mkdir()
    request = {
        "id": "1",
        "argv": ["sh", "-c", script],
        "env": dict(os.environ),
        "cwd": str(cwd),
        "control": str(control),
        "stdout": str(tmp_path / "stdout"),
        "stderr": None,
        "log": 1_000_000,
        "counted": [str(cwd / "result"), str(cwd / "more")],
    }
    order = tmp_path / "order"
    done = subprocess.run([sys.executable, "-c", _SUPERVISE, json.dumps(request), str(order)], check=False)
    assert done.returncode == 0
    assert record.read_record(str(control), EXIT)["message"] is None
    assert order.read_text().split() == synced


def test_a_start_is_recorded_whole_and_after_there_is_room_for_its_end(tmp_path, disk):
    folder = ControlFolder(str(tmp_path))
    assert folder.claim()
    folder.begin({"pid": 1})
    folder.close()
    assert disk.renames[STARTED][0] == b'{"pid": 1}'
    assert disk.present[STARTED]["exit.tmp"] == 1024, "a full disk could prevent the record of the end"
    assert STARTED not in disk.present[STARTED], "it was there before it was whole"


def test_a_fence_is_whole_too(tmp_path, disk):
    folder = ControlFolder(str(tmp_path))
    assert folder.claim()
    folder.fence({"fenced": True})
    folder.close()
    assert disk.renames[STARTED][0] == b'{"fenced": true}'
    assert STARTED not in disk.present[STARTED]


def test_who_claims_looks_once_more_when_it_has_the_lock(tmp_path, monkeypatch):
    """Between its first look and the lock another one may have begun the attempt, and ended it."""
    real = record.fcntl.lockf

    def lockf(fd: int, command: int) -> None:
        (tmp_path / STARTED).write_text("{}")
        real(fd, command)

    monkeypatch.setattr(record.fcntl, "lockf", lockf)
    folder = ControlFolder(str(tmp_path))
    assert not folder.claim()


def test_who_finds_the_lock_taken_does_not_begin(tmp_path, monkeypatch):
    def lockf(fd: int, command: int) -> None:
        raise BlockingIOError

    monkeypatch.setattr(record.fcntl, "lockf", lockf)
    folder = ControlFolder(str(tmp_path))
    assert not folder.claim()
    folder.close()


def test_a_control_folder_is_closed_once(tmp_path, monkeypatch):
    folder = ControlFolder(str(tmp_path))
    assert folder.claim()
    folder.begin({})
    closed: list[int] = []
    monkeypatch.setattr(os, "close", closed.append)
    folder.close()
    folder.close()
    monkeypatch.undo()
    assert len(closed) == 3
    assert min(closed) > 2
    for fd in closed:
        os.close(fd)


def test_a_synced_file_is_durable_before_it_has_its_name_and_its_name_after(tmp_path, disk):
    write_atomic(tmp_path / "file", b"content", sync=True)
    assert disk.renames == {"file": (b"content", True)}
    assert [call.partition(" ")[0] for call in disk.calls] == ["sync", "rename", "sync"]
    assert disk.calls[-1] == f"sync {tmp_path.name}"


def test_a_new_journal_is_durable_before_anything_is_written_into_it(tmp_path, disk):
    SqliteJournal(tmp_path / "journal.sqlite").close()
    assert disk.renames["journal.sqlite"][1]
    assert disk.calls[-1] == f"sync {tmp_path.name}"


def test_a_request_is_durable_before_the_driver_is_woken(tmp_path, disk, monkeypatch):
    waker = mailbox.open_waker(tmp_path)
    write = os.write

    def woken(fd: int, data: bytes) -> int:
        disk.calls.append("wake")
        return write(fd, data)

    monkeypatch.setattr(os, "write", woken)
    name = mailbox.post(tmp_path, {"kind": "stop"})
    waker.close()
    assert disk.renames[f"{name}.json"] == (b'{"kind": "stop"}', True)
    assert disk.calls[1:] == [f"rename {name}.json", "sync requests", "wake"]


def test_a_request_is_removed_after_the_journal_has_it(tmp_path, monkeypatch):
    kept: list[bool] = []
    real = mailbox.remove

    def remove(directory: Path, request: mailbox.Request) -> None:
        events = read_events(directory / "journal.sqlite")
        kept.append(any(event.kind == "RequestTaken" and event.request == request.id for event in events))
        real(directory, request)

    monkeypatch.setattr(mailbox, "remove", remove)
    experiment = rw.Experiment("order", {"x": rw.Float(0, 1)}, {"y": "minimize"})
    mailbox.post(tmp_path, {"kind": "enqueue", "points": [{"x": 0.5}]})
    with rw.Scheduler(experiment, RandomOptimizer(), LocalMetadataRunner(lambda x: x), directory=tmp_path) as scheduler:
        scheduler.run(trials=2)
    assert kept == [True]
