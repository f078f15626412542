"""The journal on disk beside other processes, other users, and a disk that is full."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from runwright import events as ev
from runwright.errors import JournalError
from runwright.journal import MemoryJournal, SqliteJournal, read_events, reading, sqlite


def told(*numbers):
    return [ev.Told(float(number), number) for number in numbers]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


def names(path):
    return sorted(file.name for file in path.parent.iterdir())


def test_a_new_journal_survives_a_power_cut(path, monkeypatch):
    made, real = [], sqlite.write_atomic
    monkeypatch.setattr(
        sqlite, "write_atomic", lambda path, data, *, sync=False: made.append((path, sync)) or real(path, data)
    )
    SqliteJournal(path).close()
    assert made == [(path, True)]


@pytest.mark.parametrize(("synchronous", "number"), [("FULL", 2), ("NORMAL", 1)])
def test_it_is_synced_as_asked(path, synchronous, number):
    journal = SqliteJournal(path, synchronous=synchronous)
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (number,)
    journal.close()


def test_a_journal_in_memory_keeps_events_as_they_are_unless_asked():
    event = told(1)[0]
    for journal, same in ((MemoryJournal(), True), (MemoryJournal(encoded=True), False)):
        journal.append([event])
        (kept,) = journal.read()
        assert kept == event
        assert (kept is event) is same
        journal.close()
        with pytest.raises(JournalError) as refused:
            journal.read()
        assert f"{refused.value}" == "this journal in memory is closed"


def test_damage_is_told_in_a_sentence_that_says_what_to_do(path):
    SqliteJournal(path).close()
    path.write_bytes(b"no journal")
    with pytest.raises(JournalError) as refused:
        SqliteJournal(path)
    assert f"{refused.value}" == (
        f"{path}: the journal is damaged: it does not begin as an SQLite file does; it was left as it is: restore it "
        "from a copy, or begin anew in another directory"
    )


def test_a_closed_journal_is_one_file(path):
    journal = SqliteJournal(path)
    journal.append(told(1))
    journal.close()
    assert names(path) == ["journal.sqlite"]


def test_what_a_driver_left_that_was_killed_while_it_made_the_journal_is_removed(path):
    path.with_name(".journal.sqlite.4711.tmp").write_bytes(b"half a jour")
    SqliteJournal(path).close()
    assert names(path) == ["journal.sqlite"]


def test_reading_a_closed_journal_leaves_nothing_beside_it(path):
    journal = SqliteJournal(path)
    journal.append(told(1, 2))
    journal.close()
    before = path.read_bytes()
    assert list(read_events(path)) == told(1, 2)
    assert names(path) == ["journal.sqlite"]
    assert path.read_bytes() == before


def test_another_process_reads_what_was_kept_while_the_driver_goes_on(path):
    journal = SqliteJournal(path)
    journal.append(told(1, 2))
    read = (
        "import sys\nfrom pathlib import Path\nfrom runwright.journal import read_events\n"
        "events = read_events(Path(sys.argv[1]))\nprint(next(events).trial, flush=True)\n"
        "sys.stdin.read()\nprint(*(event.trial for event in events))"
    )
    arguments = [sys.executable, "-c", read, str(path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline() == "1\n"
        journal.append(told(3))  # while a reading is under way
        assert reader.communicate()[0] == "2\n"
    assert list(read_events(path)) == told(1, 2, 3)
    journal.append(told(4))
    journal.close()
    assert list(read_events(path)) == told(1, 2, 3, 4)


def test_a_driver_that_comes_while_a_closed_journal_is_read_is_followed(path):
    """A closed journal is read without locks; what came meanwhile is not mixed in, but follows."""
    journal = SqliteJournal(path)
    journal.append(told(*range(2500)))
    journal.close()
    early = read_events(path)
    begun = [next(early)]
    journal = SqliteJournal(path)
    journal.append(told(*range(2500, 5000)))
    journal.close()
    assert begun + list(early) == told(*range(5000))


@pytest.mark.parametrize("count", [1, 40])
def test_a_second_writer_cannot_mix_in(path, count):
    """The directory's lock keeps a second driver out; were it not there, nothing would be mixed."""
    one, two = SqliteJournal(path), SqliteJournal(path)
    one.append(told(1))
    with pytest.raises(JournalError, match="cannot be written"):
        two.append(told(*range(count)))
    one.append(told(3))
    assert list(one.read()) == told(1, 3)
    one.close()
    two.close()


@pytest.mark.parametrize("count", [3, 500])
def test_a_full_disk_leaves_nothing_of_the_append(path, count):
    journal = SqliteJournal(path)
    journal.append(told(1))
    (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    large = [ev.Noted(1.0, "x" * 3000)] * count
    with pytest.raises(JournalError, match=r"full.*make room on the disk"):
        journal.append(large)
    assert list(journal.read()) == told(1)
    journal._connection.execute("PRAGMA max_page_count = 1000000")
    journal.append(large)
    journal.close()
    assert list(read_events(path)) == [*told(1), *large]


FILL = """
import resource, sys
from runwright import events as ev
from runwright.errors import JournalError
from runwright.journal import SqliteJournal

journal = SqliteJournal(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
kept = 0
try:
    while True:
        journal.append([ev.Noted(float(kept), "x" * 700, number) for number in range(10)])
        kept += 10
except JournalError as error:
    print(error)
print(kept, sum(1 for _ in journal.read()))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append([ev.Noted(0.0, "room again")])
journal.close()
"""


@pytest.mark.slow
def test_a_write_that_the_system_refuses_leaves_nothing_of_the_append(path):
    done = subprocess.run([sys.executable, "-c", FILL, path], capture_output=True, text=True, check=True)
    sentence, counts = done.stdout.splitlines()
    assert "the journal cannot be written" in sentence
    kept, read = map(int, counts.split())
    assert kept == read > 0
    assert len(list(read_events(path))) == kept + 1


def test_no_journal(path):
    with pytest.raises(JournalError, match="there is no journal here"):
        list(read_events(path))
    assert names(path) == []


def test_a_folder_is_no_journal(path):
    path.mkdir()
    for use in (SqliteJournal, lambda place: list(read_events(place))):
        with pytest.raises(JournalError, match="is no file"):
            use(path)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(JournalError, match="cannot be made"):
        SqliteJournal(tmp_path / "missing" / "journal.sqlite")


def test_a_name_with_signs_that_mean_something_to_sqlite(tmp_path):
    path = tmp_path / "50%?mode=ro#&ü 'x'.sqlite"
    journal = SqliteJournal(path)
    journal.append(told(1))
    journal.close()
    assert list(read_events(path)) == told(1)
    assert names(path) == [path.name]


def test_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    journal = SqliteJournal("journal.sqlite")
    journal.append(told(1))
    journal.close()
    assert list(read_events(Path("journal.sqlite"))) == told(1)


def test_an_old_sqlite_is_refused_by_a_sentence(path, monkeypatch):
    monkeypatch.setattr(reading, "OLDEST_SQLITE", (99, 0, 0))
    with pytest.raises(JournalError, match=r"needs SQLite 3\.37 or later"):
        SqliteJournal(path)


@pytest.fixture
def stranger():
    """Be a user who owns nothing; for root, who may do everything, become one."""
    folder = Path(tempfile.mkdtemp())
    path = folder / "journal.sqlite"
    journal = SqliteJournal(path)
    journal.append(told(1))
    journal.close()
    root = os.geteuid() == 0

    def become(mode_of_folder, mode_of_file):
        path.chmod(mode_of_file)
        folder.chmod(mode_of_folder)
        if root:
            os.seteuid(65534)
        return path

    yield become
    if root:
        os.seteuid(0)
    folder.chmod(0o700)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_a_journal_in_a_folder_that_is_read_only_can_be_read(stranger):
    path = stranger(0o555, 0o444)
    assert list(read_events(path)) == told(1)
    with pytest.raises(JournalError, match="cannot be written"):
        SqliteJournal(path)


def test_a_journal_that_may_not_be_read(stranger):
    path = stranger(0o755, 0o000)
    with pytest.raises(JournalError, match=r"cannot be read \(Permission denied\)"):
        list(read_events(path))
    with pytest.raises(JournalError, match=r"cannot be read \(Permission denied\)"):
        SqliteJournal(path)


def test_a_folder_that_may_not_be_entered(stranger):
    path = stranger(0o000, 0o644)
    with pytest.raises(JournalError, match=r"cannot be read \(Permission denied\)"):
        list(read_events(path))


def test_a_journal_cannot_be_made_where_nothing_can_be_written(stranger):
    path = stranger(0o555, 0o444)
    with pytest.raises(JournalError, match=r"cannot be made \(Permission denied\)"):
        SqliteJournal(path.with_name("other.sqlite"))


@pytest.mark.parametrize("new", [False, True])
def test_a_journal_that_was_moved_takes_no_more_events(tmp_path, new):
    """What is written to a file without a name is lost; what is written beside another one is read by nobody."""
    folder = tmp_path / "run"
    folder.mkdir()
    journal = SqliteJournal(folder / "journal.sqlite")
    journal.append(told(1))
    folder.rename(tmp_path / "moved")
    if new:
        folder.mkdir()
        (folder / "journal.sqlite").touch()
    with pytest.raises(
        JournalError,
        match=r"was moved or removed while this driver worked; put it back and start the same command again$",
    ):
        journal.append(told(2))
    journal.close()
    assert list(read_events(tmp_path / "moved" / "journal.sqlite")) == told(1)


def test_a_read_only_journal_is_refused_and_leaves_no_log(stranger):
    path = stranger(0o777, 0o444)
    with pytest.raises(JournalError, match="the journal cannot be written; it is read-only"):
        SqliteJournal(path)
    assert names(path) == ["journal.sqlite"]
