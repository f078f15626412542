"""The short form of the torture of limits: kinds and sentences; of the delays only that there is an end to them."""

from __future__ import annotations

import pytest

from tests.torture import limits
from tests.torture.figures import Scale

PATIENCE = 20.0  # seconds; what is measured is asserted by the long form, on a machine that does nothing else


@pytest.fixture(scope="module")
def tally():
    return limits.measure(Scale(full=False))


@pytest.mark.slow
def test_what_runs_into_a_limit_ends_with_its_kind_and_its_sentence(tally):
    assert tally.faults == []
    assert tally.over > 90


@pytest.mark.slow
def test_nothing_of_it_lives_afterwards(tally):
    assert tally.survivors == []


@pytest.mark.slow
def test_its_log_is_kept_and_bounded(tally):
    assert tally.evidence == []


@pytest.mark.slow
def test_every_delay_has_an_end(tally):
    assert tally.delays.keys() == limits.ASKED.keys()
    assert {of: max(delays) for of, delays in tally.delays.items() if max(delays) > PATIENCE} == {}
