"""Every journal under the one suite."""

from __future__ import annotations

import pytest

from runwright.journal import MemoryJournal, SqliteJournal
from runwright.testing.journal_suite import JournalSuite


class TestSqliteJournal(JournalSuite):
    @pytest.fixture(params=["FULL", "NORMAL"])
    def open_journal(self, tmp_path, request):
        path = tmp_path / "journal.sqlite"
        with self.opener(lambda: SqliteJournal(path, synchronous=request.param)) as open_journal:
            yield open_journal


class TestMemoryJournal(JournalSuite):
    durable = False
    encodes = False

    @pytest.fixture
    def open_journal(self):
        with self.opener(MemoryJournal) as open_journal:
            yield open_journal


class TestEncodedMemoryJournal(JournalSuite):
    durable = False

    @pytest.fixture
    def open_journal(self):
        with self.opener(lambda: MemoryJournal(encoded=True)) as open_journal:
            yield open_journal
