"""What happens becomes known and durable in one step, or nothing follows it."""

from __future__ import annotations

import pytest

from runwright import events as ev
from runwright.clock import SystemClock, VirtualClock
from runwright.errors import ContractError, JournalError
from runwright.journal import MemoryJournal
from runwright.loop.recorder import Recorder
from runwright.state import State


class Journal(MemoryJournal):
    """A journal that fails as often as it is told to."""

    fails: BaseException | None = None

    def append(self, events):
        if self.fails is not None:
            raise self.fails
        super().append(events)


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
def committed():
    return []


@pytest.fixture
def recorder(journal, committed):
    recorder = Recorder(State(), journal, VirtualClock())
    recorder.on_commit = committed.append
    return recorder


def noted(recorder) -> list[str]:
    return [event.message for event in recorder._journal.read()]


def test_one_commit_for_all_that_was_recorded(recorder, committed):
    assert not recorder.pending
    recorder.note("one")
    recorder.note("two")
    assert recorder.pending
    assert (noted(recorder), recorder.state.notes) == ([], ["one", "two"])
    recorder.commit()
    assert not recorder.pending
    assert noted(recorder) == ["one", "two"]
    assert [[event.message for event in events] for events in committed] == [["one", "two"]]
    assert recorder.commits == 1
    recorder.note("three")
    recorder.commit()
    assert recorder.commits == 2
    assert noted(recorder) == ["one", "two", "three"]


def test_nothing_to_commit_is_no_commit(recorder, committed):
    recorder.commit()
    assert (recorder.commits, committed, noted(recorder)) == (0, [], [])


def test_who_follows_the_commits_is_optional(journal):
    recorder = Recorder(State(), journal, VirtualClock())
    recorder.note("one")
    recorder.commit()
    assert noted(recorder) == ["one"]


def test_something_is_noted_once(recorder):
    recorder.clock.advance_to(3.0)
    recorder.note("one", 4)
    recorder.note("one", 4)
    recorder.commit()
    recorder.note("one", 5)
    recorder.commit()
    assert list(recorder._journal.read()) == [ev.Noted(3.0, "one", 4)]


def test_what_nobody_listens_to_is_said_by_the_log_of_python(journal, caplog):
    recorder = Recorder(State(), journal, SystemClock())
    recorder.note("polling failed")
    recorder.note("polling failed")
    recorder.note("it is slow", 3)
    recorder.on_commit = list
    recorder.note("heard")
    assert [(one.levelname, one.name, one.getMessage()) for one in caplog.records] == [
        ("WARNING", "runwright.loop.recorder", "polling failed"),
        ("WARNING", "runwright.loop.recorder", "trial 3: it is slow"),
    ]


@pytest.mark.parametrize("error", [JournalError("the disk is full"), KeyboardInterrupt()])
def test_nothing_follows_a_commit_that_was_cut_short(recorder, journal, committed, error):
    recorder.note("one")
    journal.fails = error
    with pytest.raises(type(error)):
        recorder.commit()
    journal.fails = None
    for go_on in (recorder.commit, lambda: recorder.record(ev.Noted(1.0, "two"))):
        with pytest.raises(JournalError) as refused:
            go_on()
        assert f"{refused.value}" == (
            "what happened could not be recorded; open the experiment anew to go on from the journal"
        )
    assert (noted(recorder), committed, recorder.state.notes) == ([], [], ["one"])


def test_nothing_follows_an_event_that_was_cut_short(recorder):
    with pytest.raises(ContractError):
        recorder.record(ev.Rerun(1.0, 7))
    with pytest.raises(JournalError):
        recorder.commit()
    assert not recorder.pending
