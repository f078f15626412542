"""The short form of the section `disk`: the same code, fewer cases."""

from __future__ import annotations

import importlib

import pytest

from tests.torture.__main__ import line
from tests.torture.disk import PARTS
from tests.torture.disk_shim import Fault, Role
from tests.torture.figures import Scale

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("part", PARTS)
def test_disk(part: str) -> None:
    figures = importlib.import_module(f"tests.torture.disk_{part}").run(Scale(full=False))
    assert all(figure.holds for figure in figures), "\n".join(line("disk", figure) for figure in figures)
    skipped = [figure.asked for figure in figures if figure.value == "skipped"]
    if skipped:
        pytest.skip(skipped[0])


def test_a_fault_is_named_by_its_text() -> None:
    fault = Fault("EIO", stays=True, role=Role.SUPERVISOR, at=7)
    assert Fault.of(f"{fault}: what was wrong: with it") == fault
