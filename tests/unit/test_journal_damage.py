"""A journal that is not what was written is refused and stays as it is; it never reads as something else."""

from __future__ import annotations

import os
import random
import sqlite3
import struct
import subprocess
import sys
import zlib
from contextlib import closing

import pytest

from runwright import events as ev
from runwright.errors import JournalDamagedError, JournalError, JournalTooNewError
from runwright.journal import SqliteJournal, read_events, wal
from runwright.journal.rows import crc_of

MAIN, WAL, SHM = "journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"

WRITE = """
import os, sys
from runwright import events as ev
from runwright.journal import SqliteJournal

journal = SqliteJournal(sys.argv[1])
journal._connection.execute(f"PRAGMA wal_autocheckpoint = {sys.argv[3]}")
for begin in range(0, int(sys.argv[2]), 5):
    journal.append([ev.Noted(float(number), f"text {number} " * 5, number) for number in range(begin, begin + 5)])
os._exit(0)
"""


def expected(count):
    return [ev.Noted(float(number), f"text {number} " * 5, number) for number in range(count)]


def killed(folder, count, checkpoint=1000):
    """Leave the files of a driver that was killed after so many events."""
    folder.mkdir()
    subprocess.run([sys.executable, "-c", WRITE, folder / MAIN, str(count), str(checkpoint)], check=True)
    assert {file.name for file in folder.iterdir()} == {MAIN, WAL, SHM}
    return content(folder)


def content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def put(folder, files):
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)


@pytest.fixture(scope="module")
def closed_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("closed") / "j"
    killed(folder, 300)
    SqliteJournal(folder / MAIN).close()
    assert set(content(folder)) == {MAIN}
    return content(folder)


@pytest.fixture(scope="module")
def killed_files(tmp_path_factory):
    return killed(tmp_path_factory.mktemp("killed") / "j", 60)


@pytest.fixture(scope="module")
def restarted_files(tmp_path_factory):
    """A log whose beginning was written a second time, with frames of the first time behind."""
    return killed(tmp_path_factory.mktemp("restarted") / "j", 185, checkpoint=20)


def refused(folder, error=JournalError):
    """Open a journal that must be refused; return the sentence."""
    before = content(folder)
    with pytest.raises(error) as caught:
        SqliteJournal(folder / MAIN)
    after = content(folder)
    before.pop(SHM, None)  # SQLite's own working memory: nothing of the journal stands there
    after.pop(SHM, None)
    assert after == before, "a journal that is refused must stay as it is"
    sentence = str(caught.value)
    assert str(folder / MAIN) in sentence
    assert len(sentence) < 1000
    assert "\n" not in sentence
    return sentence


def refused_or_equal(folder, events):
    """Return whether it was refused; if not, it must read as it was written, and go on."""
    try:
        journal = SqliteJournal(folder / MAIN)
    except JournalError:
        refused(folder)
        return True
    assert list(journal.read()) == events
    journal.append([ev.Noted(1e6, "more")])
    journal.close()
    assert list(read_events(folder / MAIN)) == [*events, ev.Noted(1e6, "more")]
    return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "name", "count"),
    [
        ("closed_files", MAIN, 300),
        ("killed_files", MAIN, 60),
        ("killed_files", WAL, 60),
        ("killed_files", SHM, 60),
        ("restarted_files", MAIN, 185),
        ("restarted_files", WAL, 185),
    ],
)
def test_a_flipped_bit_is_refused_or_harmless(tmp_path, request, files, name, count):
    whole = request.getfixturevalue(files)
    dice = random.Random(f"{files} {name}")
    outcomes = []
    for _ in range(100):
        data = bytearray(whole[name])
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        put(tmp_path / "j", {**whole, name: bytes(data)})
        outcomes.append(refused_or_equal(tmp_path / "j", expected(count)))
    assert any(outcomes) or name != WAL


@pytest.mark.slow
def test_a_log_that_is_cut_anywhere_in_its_last_frame_has_the_last_whole_transaction(tmp_path, killed_files):
    """What a driver leaves that was killed while it wrote: the shared index does not count the transaction yet."""
    wal = killed_files[WAL]
    frame = 24 + 4096
    cuts = [*range(len(wal) - frame, len(wal) - frame + 40), *range(len(wal) - frame, len(wal), 97), len(wal) - 1]
    for cut in cuts:
        put(tmp_path / "j", {MAIN: killed_files[MAIN], WAL: wal[:cut]})
        assert not refused_or_equal(tmp_path / "j", expected(55)), cut


def test_a_log_that_is_cut_between_two_transactions_has_those_before(tmp_path, killed_files):
    put(tmp_path / "j", {MAIN: killed_files[MAIN], WAL: killed_files[WAL][: 32 + 24 + 4096]})
    assert not refused_or_equal(tmp_path / "j", expected(5))


@pytest.mark.parametrize(("keep", "frames"), [(0, 0), (31, 0), (32, 0), (32 + 24 + 4096, 1), (32 + 24 + 4096 + 99, 1)])
def test_a_log_that_is_shorter_than_the_shared_index_says_is_damage(tmp_path, killed_files, keep, frames):
    put(tmp_path / "j", {**killed_files, WAL: killed_files[WAL][:keep]})
    sentence = refused(tmp_path / "j", JournalDamagedError)
    assert f"its log ends after frame {frames}, but 15 were committed" in sentence


@pytest.mark.parametrize("what", ["believed", "another boot", "torn", "cut"])
def test_a_shared_index_is_believed_only_where_it_is_whole_and_of_this_boot(tmp_path, killed_files, what):
    """After a power cut it may be ahead of a log that was not synced."""
    put(tmp_path / "j", {**killed_files, WAL: killed_files[WAL][: -(24 + 4096)]})
    shm = tmp_path / "j" / SHM
    index = bytearray(shm.read_bytes())
    if what == "torn":
        index[50] ^= 1  # in the second of two equal headers
    shm.write_bytes(index[:97] if what == "cut" else index)
    if what == "another boot":
        os.utime(shm, (1e9, 1e9))
    found = wal.fault(tmp_path / "j" / WAL, shm)
    assert (found is not None) is (what == "believed"), found


def test_a_log_that_is_gone_is_damage_while_the_shared_index_needs_it(tmp_path, killed_files):
    put(tmp_path / "j", {MAIN: killed_files[MAIN], SHM: killed_files[SHM]})
    assert "its log ends after frame 0" in refused(tmp_path / "j", JournalDamagedError)


def test_a_shared_index_that_was_left_when_all_was_in_the_main_file_needs_no_log(tmp_path, killed_files):
    """What a driver leaves that is killed while it closes the journal, or one that nobody closes after a checkpoint."""
    put(tmp_path / "j", killed_files)
    connection = sqlite3.connect(tmp_path / "j" / MAIN)
    connection.execute("PRAGMA wal_checkpoint(FULL)")
    files = content(tmp_path / "j")
    connection.close()
    del files[WAL]
    put(tmp_path / "j", files)
    assert not refused_or_equal(tmp_path / "j", expected(60))


def test_without_the_shared_index_a_wrong_last_frame_is_taken_for_a_torn_one(tmp_path, killed_files):
    """After a power cut nobody can tell the two apart: the transaction was perhaps never committed."""
    wal = bytearray(killed_files[WAL])
    wal[-100] ^= 1
    put(tmp_path / "j", {MAIN: killed_files[MAIN], WAL: bytes(wal)})
    assert not refused_or_equal(tmp_path / "j", expected(55))


def test_a_wrong_frame_that_the_shared_index_calls_committed_is_damage(tmp_path, killed_files):
    wal = bytearray(killed_files[WAL])
    wal[-100] ^= 1
    put(tmp_path / "j", {**killed_files, WAL: bytes(wal)})
    assert "is not what was committed" in refused(tmp_path / "j", JournalDamagedError)


def test_a_wrong_frame_in_the_middle_of_the_log_is_damage(tmp_path, killed_files):
    wal = bytearray(killed_files[WAL])
    wal[32 + 3 * (24 + 4096) + 500] ^= 1
    put(tmp_path / "j", {MAIN: killed_files[MAIN], WAL: bytes(wal)})
    assert "frame 4 of its log is not what was written" in refused(tmp_path / "j", JournalDamagedError)


def summed(data, first=0, second=0):
    """The sums of the format's description, over words with the most significant byte first."""
    words = struct.unpack(f">{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) % 2**32
        second = (second + odd + first) % 2**32
    return first, second


def log_of(*commits, broken):
    """A log of one frame a number: how many pages the file has after the commit, 0 where the transaction goes on."""
    header = struct.pack(">IIII8s", 0x377F0683, 3007000, 512, 0, b"saltsalt")
    sums = summed(header)
    data = header + struct.pack(">II", *sums)
    for number, pages in enumerate(commits, 1):
        head, page = struct.pack(">II", 1, pages), bytes([number]) * 512
        sums = summed(page, *summed(head, *sums))
        page = page if number != broken else b"\xff" + page[1:]
        data += head + b"saltsalt" + struct.pack(">II", *sums) + page
    return data


@pytest.mark.parametrize(
    ("commits", "broken", "damaged"),
    [
        ((1, 1, 1), None, False),
        ((1, 1, 1), 1, True),
        ((1, 1, 1), 2, True),
        ((1, 1, 1), 3, False),
        ((0, 1), 1, False),  # one transaction, of which a power cut lost the first page
        ((1, 0, 0, 0, 2), 2, False),
        ((1, 0, 2, 2), 2, True),
        ((1, 0, 0, 2, 0, 2), 3, True),
    ],
)
def test_only_a_later_transaction_makes_a_wrong_frame_damage(tmp_path, commits, broken, damaged):
    (tmp_path / WAL).write_bytes(log_of(*commits, broken=broken))
    found = wal.fault(tmp_path / WAL, tmp_path / SHM)
    assert found == (f"frame {broken} of its log is not what was written, though later ones are" if damaged else None)


def test_a_log_with_a_wrong_header_is_damage(tmp_path, killed_files):
    put(tmp_path / "j", {**killed_files, WAL: b"\x01" + killed_files[WAL][1:]})
    assert "the header of its log" in refused(tmp_path / "j", JournalDamagedError)


def test_a_log_of_zeros_is_one_that_was_never_written(tmp_path, closed_files):
    put(tmp_path / "j", {**closed_files, WAL: bytes(8192)})
    assert not refused_or_equal(tmp_path / "j", expected(300))


def test_a_zeroed_page_is_damage(tmp_path, closed_files):
    data = closed_files[MAIN]
    for begin in range(4096, len(data), 4096):
        put(tmp_path / "j", {MAIN: data[:begin] + bytes(4096) + data[begin + 4096 :]})
        assert "is damaged" in refused(tmp_path / "j", JournalDamagedError)


@pytest.mark.parametrize("keep", [1, 15, 50, 99, 100, 2048, 4095, 4096, 4097, 8192, 20000, 32767])
def test_a_truncated_journal_is_damage(tmp_path, closed_files, keep):
    put(tmp_path / "j", {MAIN: closed_files[MAIN][:keep]})
    assert "is damaged" in refused(tmp_path / "j", JournalDamagedError)


def test_more_bytes_than_were_written_are_refused_or_harmless(tmp_path, closed_files):
    for more in (b"x", bytes(4096), b"x" * 5000):
        put(tmp_path / "j", {MAIN: closed_files[MAIN] + more})
        refused_or_equal(tmp_path / "j", expected(300))


@pytest.mark.parametrize("data", [b"x", b"hello world\n" * 1000, bytes(5000), b"SQLite format 3\0" + bytes(5000)])
def test_garbage_is_no_journal(tmp_path, data):
    put(tmp_path / "j", {MAIN: data})
    assert "is damaged" in refused(tmp_path / "j", JournalDamagedError)


def test_an_empty_file_is_what_a_driver_left_that_was_killed_at_once(tmp_path):
    put(tmp_path / "j", {MAIN: b""})
    assert list(read_events(tmp_path / "j" / MAIN)) == []
    assert not refused_or_equal(tmp_path / "j", [])


def test_an_empty_file_with_a_log_is_damage(tmp_path, killed_files):
    for files in ({**killed_files, MAIN: b""}, {WAL: killed_files[WAL]}):
        put(tmp_path / "j", files)
        assert "its log journal.sqlite-wal is there" in refused(tmp_path / "j", JournalDamagedError)


def test_another_sqlite_file_is_no_journal(tmp_path):
    path = tmp_path / MAIN
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY)")
    other.close()
    assert "no journal of Runwright" in refused(tmp_path, JournalDamagedError)


def edited(path, *statements):
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


@pytest.mark.parametrize(
    ("statement", "fragment"),
    [
        ("DELETE FROM events WHERE seq = 7", "event 7 is missing"),
        ("DELETE FROM events WHERE seq = 1", "event 1 is missing"),
        ("UPDATE events SET body = replace(body, 'text', 'test') WHERE seq = 7", "event 7 is not what was written"),
        ("UPDATE events SET time = time + 1e-9 WHERE seq = 7", "event 7 is not what was written"),
        ("UPDATE events SET trial = NULL WHERE seq = 7", "event 7 is not what was written"),
        ("UPDATE events SET kind = 'Told' WHERE seq = 7", "event 7 is not what was written"),
        ("ALTER TABLE events ADD COLUMN more TEXT", "its table is not the one that was made"),
        ("CREATE INDEX fast ON events (trial)", "its table is not the one that was made"),
        ("DROP TABLE events", "its table is not the one that was made"),
        ("PRAGMA user_version = 0", "its header is not what was written"),
    ],
)
def test_a_journal_that_was_edited_is_damage(tmp_path, closed_files, statement, fragment):
    put(tmp_path / "j", closed_files)
    edited(tmp_path / "j" / MAIN, statement)
    assert fragment in refused(tmp_path / "j", JournalDamagedError)
    with pytest.raises(JournalDamagedError, match=fragment):
        list(read_events(tmp_path / "j" / MAIN))


@pytest.mark.parametrize(
    ("kind", "body", "fragment"),
    [
        ("Flown", "{}", "of a kind that does not exist"),
        ("Told", '{"more": 1}', "event 1 (Told) cannot be understood: TypeError("),
        ("Polled", '{"status": "FLYING"}', "event 1 (Polled) cannot be understood: KeyError("),
        ("Told", "[1]", "cannot be understood"),
        ("Told", "{", "an event from 1 to 1 cannot be understood: JSONDecodeError("),
        ("Told", "{},{}", "an event from 1 to 1 is no JSON object"),
    ],
)
def test_an_event_that_this_version_does_not_know_is_refused(tmp_path, kind, body, fragment):
    """Its checksum is right: another program, or a version that forgot to raise the format, wrote it."""
    path = tmp_path / MAIN
    SqliteJournal(path).close()
    crc = crc_of(1, 0.0, 3, kind.encode(), body.encode())
    edited(path, f"INSERT INTO events VALUES (1, 0.0, 3, '{kind}', '{body}', {crc})")
    with pytest.raises(JournalDamagedError) as found:
        list(read_events(path))
    assert f"{found.value}".startswith(f"{path}: the journal is damaged: ")
    assert fragment in f"{found.value}"


def test_the_checksum_is_the_documented_one():
    """``docs/journal.md`` says how another program computes it."""
    plain = b"\x07\0\0\0\0\0\0\0" + b"\0\0\0\0\0\0\xf8\x3f" + b"\xff" * 8 + b"Noted" + b'{"message":"x"}'
    assert crc_of(7, 1.5, None, b"Noted", b'{"message":"x"}') == zlib.crc32(plain)


def test_a_later_format_is_left_alone(tmp_path, closed_files):
    put(tmp_path / "j", closed_files)
    edited(tmp_path / "j" / MAIN, "PRAGMA user_version = 3")
    sentence = refused(tmp_path / "j", JournalTooNewError)
    assert "has format 3, this version of Runwright reads up to format 2" in sentence
    assert "pip install --upgrade runwright" in sentence


def test_an_earlier_format_is_read_as_it_is_and_written_as_the_present_one(tmp_path):
    """A driver of this version writes what an earlier one could not read, so the earlier one must see that."""
    path = tmp_path / MAIN
    with closing(SqliteJournal(path)) as journal:
        journal.append([ev.RetryPlanned(1.0, 0, 2.0), ev.GaveUp(3.0, 0)])
    edited(path, "PRAGMA user_version = 1")
    before = path.read_bytes()
    assert list(read_events(path)) == [ev.RetryPlanned(1.0, 0, 2.0), ev.GaveUp(3.0, 0)]
    assert path.read_bytes() == before
    with closing(SqliteJournal(path)) as journal:
        assert path.read_bytes()[60:64] == b"\0\0\0\2"
        journal.append([ev.GaveUp(4.0, 0, {"y": 5.0}, abort=True)])
        assert list(journal.read())[-1] == ev.GaveUp(4.0, 0, {"y": 5.0}, abort=True)


@pytest.mark.parametrize("at", [16, 23])
def test_a_wrong_checksum_in_the_middle_of_the_log_is_damage(tmp_path, killed_files, at):
    """The next frame continues what the checksum was, not what it is."""
    wal = bytearray(killed_files[WAL])
    wal[32 + 3 * (24 + 4096) + at] ^= 1
    put(tmp_path / "j", {MAIN: killed_files[MAIN], WAL: bytes(wal)})
    assert "frame 4 of its log is not what was written" in refused(tmp_path / "j", JournalDamagedError)
