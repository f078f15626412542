"""How often garbage is looked for: less where much is made and kept, and never against the user's own setting."""

import gc

import pytest

from runwright.errors import ContractError
from runwright.events import Told
from runwright.garbage import WHILE_FOLDING, WHILE_RUNNING
from runwright.loop import history
from runwright.state import State
from tests.fakes import FakeRunner
from tests.unit.driving import scheduler


@pytest.fixture(params=[((700, 10, 10), None), ((2_000_000, 5, 5), 2_000_000), ((0, 10, 10), 0)])
def setting(request):
    """The user's own thresholds, and the first of them where it stays; they are put back, and must have been before."""
    was = gc.get_threshold()
    own, stays = request.param
    gc.set_threshold(*own)
    yield stays
    assert gc.get_threshold() == own
    gc.set_threshold(*was)


def test_less_often_while_a_driver_works(setting):
    seen = set()
    with scheduler(FakeRunner()) as driver:
        driver.run(trials=1, on_turn=lambda *_: seen.add(gc.get_threshold()[0]))
    assert seen == {WHILE_RUNNING if setting is None else setting}


@pytest.mark.parametrize("fold", [State.of, lambda events: history.fold(State(), events, history=True)])
def test_less_often_still_while_a_history_is_read(setting, fold):
    with scheduler(FakeRunner()) as driver:
        driver.run(trials=1)
        recorded = list(driver._session.journal.read())
    seen = set()

    def events():
        for event in recorded:
            seen.add(gc.get_threshold()[0])
            yield event

    fold(events())
    assert seen == {WHILE_FOLDING if setting is None else setting}


def test_the_setting_is_put_back_where_a_history_is_refused(setting):
    during = WHILE_FOLDING if setting is None else setting

    def events():
        assert gc.get_threshold()[0] == during
        yield Told(0.0, 0)

    with pytest.raises(ContractError):
        State.of(events())
