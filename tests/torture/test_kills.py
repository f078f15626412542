"""The short form of the kills: some sixty, and a few of Optuna's drivers beside."""

from __future__ import annotations

import pytest

from tests.torture import kills
from tests.torture.__main__ import line
from tests.torture.figures import Scale

pytestmark = pytest.mark.slow


def test_nothing_is_lost_nothing_runs_twice_and_nothing_survives() -> None:
    found = kills.run(Scale(full=False))
    timed = [figure for figure in found if "median" in figure.name]
    for figure in found:
        assert figure.holds or figure in timed, line("kills", figure)
    assert int(found[0].value) >= 50, "so few kills show nothing"
