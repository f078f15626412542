"""Trees of processes that do not want to die, in short; all of them by ``python -m tests.torture trees``."""

from __future__ import annotations

import pytest

from tests.torture import trees
from tests.torture.figures import Scale
from tests.torture.trees_bench import Case


@pytest.mark.slow
def test_no_process_of_a_tree_lives_on() -> None:
    for figure in trees.run(Scale(full=False)):
        assert figure.holds, figure


def test_a_case_is_repeated_by_its_name() -> None:
    for case in trees.planned(Scale(full=True)):
        assert Case.of(case.name) == case
