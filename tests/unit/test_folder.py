"""The run directory: whole files, and one driver."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys

import pytest

from runwright import folder
from runwright.errors import DirectoryInUseError, UsageError
from runwright.folder import (
    DirectoryLock,
    control_folder,
    driver_of,
    lock_holder,
    trial_folder,
    write_atomic,
    write_json,
)


def test_the_folders_of_an_attempt(tmp_path):
    assert trial_folder(tmp_path, 12, 3) == tmp_path / "trials" / "12" / "3"
    assert control_folder(tmp_path, 12, 3) == tmp_path / "control" / "12.3"


# Whole or not there.


@pytest.mark.parametrize("sync", [True, False])
def test_a_file_is_whole_and_alone(tmp_path, sync):
    path = tmp_path / "a.bin"
    write_atomic(path, b"first, and longer", sync=sync)
    write_atomic(path, b"second", sync=sync)
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_what_goes_wrong_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    write_atomic(path, b"old")

    def full(_):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(folder.os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_atomic(path, b"new", sync=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_utf8_and_has_no_infinity(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"name": "ä", "list": [1, None]}, sync=True)
    assert json.loads(path.read_text("utf-8")) == {"name": "ä", "list": [1, None]}
    assert "ä".encode() in path.read_bytes()
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(path, {"x": float("inf")})
    assert json.loads(path.read_text("utf-8"))["name"] == "ä"


# One driver.

HOLD = """if True:
    import sys
    from pathlib import Path
    from runwright.folder import DirectoryLock
    lock = DirectoryLock(Path(sys.argv[1]))
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_driver(tmp_path):
    """Another process that holds the directory until it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_directory_is_held_once_in_this_process(tmp_path):
    lock = DirectoryLock(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    for way in (tmp_path, tmp_path / "link", tmp_path / "." / "link" / ".." / tmp_path.name):
        with pytest.raises(DirectoryInUseError, match=r"this process \(pid \d+\) works in this directory; close the"):
            DirectoryLock(way)
        assert driver_of(way) == os.getpid()
    lock.release()
    lock.release()
    assert driver_of(tmp_path) is None
    DirectoryLock(tmp_path).release()


def test_asking_who_drives_does_not_let_the_directory_go(tmp_path):
    """Closing any descriptor of a file drops the locks that a process holds on it."""
    lock = DirectoryLock(tmp_path)
    assert driver_of(tmp_path) == os.getpid()
    program = """if True:
        import sys
        from pathlib import Path
        from runwright.folder import driver_of
        print(driver_of(Path(sys.argv[1])))
    """
    told = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout == f"{os.getpid()}\n"
    lock.release()


@pytest.mark.slow
def test_a_directory_that_another_process_holds_is_refused_with_its_pid(tmp_path, other_driver):
    assert driver_of(tmp_path) == other_driver.pid
    with pytest.raises(DirectoryInUseError) as raised:
        DirectoryLock(tmp_path)
    assert raised.value.pid == other_driver.pid
    assert str(raised.value) == (
        f"{tmp_path}: another driver (pid {other_driver.pid}) works in this directory; "
        f"wait for it, or end it with: kill {other_driver.pid}"
    )


@pytest.mark.slow
def test_a_killed_drivers_directory_is_free_at_once(tmp_path, other_driver):
    other_driver.kill()
    other_driver.wait()
    assert driver_of(tmp_path) is None
    DirectoryLock(tmp_path).release()


def test_a_directory_without_a_driver(tmp_path):
    assert driver_of(tmp_path) is None
    (tmp_path / "lock").touch()
    assert driver_of(tmp_path) is None
    with (tmp_path / "lock").open() as file:
        assert lock_holder(file.fileno()) is None


def test_a_holder_that_goes_in_between_is_not_reported(tmp_path, monkeypatch):
    """Between the vain try and the question who holds it, the other driver has ended."""
    tries = iter([BlockingIOError(), PermissionError()])
    real = fcntl.lockf

    def lockf(*args):
        for error in tries:
            raise error
        return real(*args)

    monkeypatch.setattr(folder.fcntl, "lockf", lockf)
    DirectoryLock(tmp_path).release()


def test_a_holder_on_another_machine_has_no_pid_here(tmp_path, monkeypatch):
    def lockf(*args):
        raise BlockingIOError

    monkeypatch.setattr(folder.fcntl, "lockf", lockf)
    monkeypatch.setattr(folder, "lock_holder", lambda fd: -7)
    with pytest.raises(DirectoryInUseError, match="a driver on another machine works in this directory; wait for it"):
        DirectoryLock(tmp_path)


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def lockf(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(folder.fcntl, "lockf", lockf)
    with pytest.raises(
        UsageError, match=r"cannot be locked \(No locks available\); choose a directory on another file"
    ):
        DirectoryLock(tmp_path)
    assert driver_of(tmp_path) is None


def test_a_directory_that_cannot_be_written(tmp_path):
    with pytest.raises(
        UsageError, match=r"gone: cannot be written \(No such file or directory\); choose another --dir"
    ):
        DirectoryLock(tmp_path / "gone")


@pytest.mark.parametrize("name", ["trials", "control"])
def test_a_directory_in_which_no_trial_could_begin_is_refused(tmp_path, monkeypatch, name):
    folder.check_writable(tmp_path)
    (tmp_path / name).mkdir()
    folder.check_writable(tmp_path)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)  # root may write everywhere
    monkeypatch.setattr(os, "supports_effective_ids", {os.access})
    with pytest.raises(UsageError, match=f"{name}: cannot be written; make it writable"):
        folder.check_writable(tmp_path)


def test_whether_a_directory_can_be_made_is_known_without_making_it(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    folder.check_can_be_made(tmp_path)
    folder.check_can_be_made(tmp_path / "a" / "b")
    with pytest.raises(UsageError, match=r"file/a: cannot be made \('.*file' is no folder\)"):
        folder.check_can_be_made(tmp_path / "file" / "a")
    monkeypatch.setattr(os, "access", lambda place, *_, **__: place != tmp_path)  # root may write everywhere
    monkeypatch.setattr(os, "supports_effective_ids", {os.access})
    with pytest.raises(UsageError, match=r"b: cannot be made \(Permission denied\); choose another --dir"):
        folder.check_can_be_made(tmp_path / "a" / "b")
    with pytest.raises(UsageError, match=r"cannot be written \(Permission denied\); choose another --dir"):
        folder.check_can_be_made(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
