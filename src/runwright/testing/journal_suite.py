"""The conformance suite of journals: inherit from it and give it a fixture ``open_journal``.

```python
class TestMyJournal(JournalSuite):
    @pytest.fixture
    def open_journal(self, tmp_path):
        with JournalSuite.opener(lambda: MyJournal(tmp_path / "journal")) as open_journal:
            yield open_journal
```
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from runwright import events as ev
from runwright.errors import JournalError
from runwright.result import Result
from runwright.status import FailureKind, StopCause, StopReason, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runwright.journal import Journal


def one_of_each() -> list[ev.Event]:
    """Make an event of each kind, every field of it filled."""
    metadata = {"name": "0", "pid": 17, "nested": {"list": [1, 2.5, None, True, "ü"]}}
    measured: dict[str, Any] = {
        "seconds": 1.5,
        "cpu_seconds": 0.1 + 0.2,
        "peak_memory": 2**40,
        "started": 1.7e9,
        "ended": 1.7e9 + 1e-6,
        "additional_info": {"iterations": 12},
    }
    good = Result({"0_0": {"y": (1 / 3, 0.25), "z": (1e-300, None)}}, **measured)
    bad = Result.failed(FailureKind.TIMEOUT, "it ran longer than 2 s", "trials/0/1", **measured)
    return [
        ev.ExperimentStarted(0.0, {"experiment": {"name": "Ελληνικά"}}),
        ev.DriverStarted(0.0, 1.7e9, {"trials": 50, "limits": {"timeout": None}}),
        ev.TrialAsked(0.5, 0, [{"x": 0.1, "c": "a"}], "enqueued", "i1", 2.5, 2**62, ["arm"]),
        ev.DeployStarted(1.0, 0, 1),
        ev.Deployed(1.0, 0, 1, metadata, staged=True),
        ev.Polled(1.25, 0, TrialStatus.RUNNING),
        ev.Finished(2.0, 0, 1, bad),
        ev.RetryPlanned(2.0, 0, 3.5),
        ev.Finished(2.0, 1, 1, good),
        ev.GaveUp(2.0, 0),
        ev.Told(2.0, 0),
        ev.Rerun(3.0, 0),
        ev.StopRequested(3.0, 1, 2, StopCause.EARLY, "not promising"),
        ev.Stopped(3.0, 1, 2, TrialStatus.EARLY_STOPPED, "not promising", bad),
        ev.Interrupted(3.0, 2, 1, "the driver ended"),
        ev.Detached(3.0, 2, 2),
        ev.RequestTaken(3.0, "0001-ab", {"kind": "stop", "trial": 7}, "there is no trial 7", 7),
        ev.OptimizerRebuilt(3.0, exact=False, reason="another version of a library", trial=None),
        ev.Noted(3.0, "said\nonce \u2028 \x00 🎲", 2),
        ev.ExperimentEnded(1e9 + 0.1, StopReason.FAILURE_RATE, "6 of 10 trials failed"),
    ]


class JournalSuite:
    """What every journal must do.

    Attributes:
        durable: A journal that is opened again in the same place has what an earlier one kept.
        encodes: It refuses what JSON cannot hold.
    """

    durable: ClassVar[bool] = True
    encodes: ClassVar[bool] = True

    @pytest.fixture
    def open_journal(self) -> Callable[[], Journal]:
        """Return a function that opens a journal, each time in the same place."""
        raise NotImplementedError("a suite of journals needs a fixture `open_journal`; see the module's docstring")

    @staticmethod
    @contextmanager
    def opener(make: Callable[[], Journal]) -> Iterator[Callable[[], Journal]]:
        """Give a function that opens journals; whatever it opened is closed in the end."""
        opened: list[Journal] = []

        def open_journal() -> Journal:
            opened.append(make())
            return opened[-1]

        try:
            yield open_journal
        finally:
            for journal in opened:
                journal.close()

    def reread(self, journal: Journal, open_journal: Callable[[], Journal]) -> list[ev.Event]:
        """Return what is kept: read by a later journal where this kind is durable."""
        if self.durable:
            journal.close()
            journal = open_journal()
        return list(journal.read())

    def test_a_new_journal_is_empty(self, open_journal: Callable[[], Journal]) -> None:
        """Nothing was kept, so nothing is read."""
        assert list(open_journal().read()) == []

    def test_one_of_each_kind_is_there(self) -> None:
        """The suite forgets no kind of event."""
        assert {event.kind for event in one_of_each()} == set(ev.EVENTS)

    def test_events_of_every_kind_read_back_equal(self, open_journal: Callable[[], Journal]) -> None:
        """Kept by one append, read back equal and in order."""
        journal = open_journal()
        journal.append(one_of_each())
        assert self.reread(journal, open_journal) == one_of_each()

    def test_each_event_reads_back_with_its_types(self, open_journal: Callable[[], Journal]) -> None:
        """Equal is not enough: 1 equals 1.0 and True, and an enum may equal an integer."""
        journal = open_journal()
        for event in one_of_each():
            journal.append([event])
        assert [repr(event) for event in self.reread(journal, open_journal)] == [repr(e) for e in one_of_each()]

    @pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 150])
    def test_order_is_kept_for_every_size_of_an_append(self, open_journal: Callable[[], Journal], size: int) -> None:
        """Small and large appends may take different ways; the order is the same."""
        events = [ev.Told(number / 7, number) for number in range(151)]
        journal = open_journal()
        for begin in range(0, len(events), size):
            journal.append(events[begin : begin + size])
        assert self.reread(journal, open_journal) == events

    def test_an_empty_append_is_no_work(self, open_journal: Callable[[], Journal]) -> None:
        """It keeps nothing and does not fail."""
        journal = open_journal()
        journal.append([])
        journal.append(())
        assert list(journal.read()) == []

    def test_a_journal_goes_on_after_it_was_opened_again(self, open_journal: Callable[[], Journal]) -> None:
        """Several drivers, one after another, make one history."""
        if not self.durable:
            pytest.skip("it ends with its process")
        for number in range(5):
            journal = open_journal()
            assert list(journal.read()) == [ev.Told(float(before), before) for before in range(number)]
            journal.append([ev.Told(float(number), number)])
            journal.close()

    @pytest.mark.parametrize("before", [0, 3, 100])
    @pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, "\ud800"])
    def test_an_event_that_cannot_be_kept_leaves_nothing_of_its_append(
        self, open_journal: Callable[[], Journal], before: int, value: object
    ) -> None:
        """All or nothing, and the journal is usable afterwards."""
        if not self.encodes:
            pytest.skip("it keeps objects as they are")
        journal = open_journal()
        journal.append([ev.Told(1.0, 0)])
        bad = ev.Deployed(2.0, 0, 1, {"value": value})
        with pytest.raises((ValueError, TypeError)):
            journal.append([*[ev.Told(1.0, 1)] * before, bad, ev.Told(3.0, 2)])
        journal.append([ev.Told(4.0, 3)])
        assert self.reread(journal, open_journal) == [ev.Told(1.0, 0), ev.Told(4.0, 3)]

    @pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf])
    def test_a_time_that_is_not_finite_is_refused(self, open_journal: Callable[[], Journal], time: float) -> None:
        """Time is what deadlines hang on."""
        if not self.encodes:
            pytest.skip("it keeps objects as they are")
        journal = open_journal()
        with pytest.raises(ValueError, match="finite"):
            journal.append([ev.Told(time, 0)])
        assert list(journal.read()) == []

    def test_large_bodies(self, open_journal: Callable[[], Journal]) -> None:
        """A result may carry megabytes."""
        journal = open_journal()
        event = ev.Finished(1.0, 0, 1, Result(additional_info={"text": "ä" * 2_000_000, "list": list(range(1000))}))
        journal.append([event])
        assert self.reread(journal, open_journal) == [event]

    def test_times_keep_every_bit(self, open_journal: Callable[[], Journal]) -> None:
        """Deadlines are compared with times that were read back."""
        times = [0.0, 5e-324, 0.1, 1 / 3, 1e16 + 2, 1.7976931348623157e308, math.nextafter(1.7e9, 2e9)]
        journal = open_journal()
        journal.append([ev.Told(time, 0) for time in times])
        assert [event.time for event in self.reread(journal, open_journal)] == times

    def test_a_time_that_is_a_whole_number_reads_back(self, open_journal: Callable[[], Journal]) -> None:
        """Python takes an integer for a float; so does the journal."""
        journal = open_journal()
        journal.append([ev.Told(3, 0)])
        assert self.reread(journal, open_journal) == [ev.Told(3.0, 0)]

    def test_a_reading_has_what_was_kept_when_it_began(self, open_journal: Callable[[], Journal]) -> None:
        """Two readings at a time, each whole, while more is kept."""
        journal = open_journal()
        first = [ev.Told(float(number), number) for number in range(3000)]
        journal.append(first)
        early = journal.read()
        begun = [next(early)]
        journal.append([ev.Told(1e6, 0)])
        late = list(journal.read())
        assert begun + list(early) == first
        assert late == [*first, ev.Told(1e6, 0)]

    def test_a_reading_that_is_given_up_disturbs_nobody(self, open_journal: Callable[[], Journal]) -> None:
        """A reader may leave at any event."""
        journal = open_journal()
        journal.append(one_of_each())
        reading = journal.read()
        next(reading)
        del reading
        journal.append([ev.Told(1e10, 0)])
        assert self.reread(journal, open_journal) == [*one_of_each(), ev.Told(1e10, 0)]

    def test_close_is_idempotent_and_final(self, open_journal: Callable[[], Journal]) -> None:
        """After `close` nothing is kept and nothing is read; closing again is fine."""
        journal = open_journal()
        journal.append([ev.Told(1.0, 0)])
        journal.close()
        journal.close()
        with pytest.raises(JournalError, match="closed"):
            journal.append([ev.Told(2.0, 0)])
        with pytest.raises(JournalError, match="closed"):
            list(journal.read())

    def test_a_caller_may_use_its_list_again(self, open_journal: Callable[[], Journal]) -> None:
        """The journal keeps events, not the sequence that they came in."""
        journal = open_journal()
        batch: list[ev.Event] = [ev.Told(1.0, 0)]
        journal.append(batch)
        batch.clear()
        assert self.reread(journal, open_journal) == [ev.Told(1.0, 0)]
