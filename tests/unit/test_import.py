"""The package: what it costs to import, and what it says that it has."""

from __future__ import annotations

import importlib
import subprocess
import sys
from contextlib import suppress

import pytest

import runwright
from runwright.errors import MissingExtraError

PACKAGES = ["runwright", "runwright.runners", "runwright.optimizers", "runwright.journal", "runwright.simulation"]

LOADED = """if True:
    import sys
    before = set(sys.modules)
    {statement}
    names = {{name.partition(".")[0] for name in set(sys.modules) - before}}
    print(sorted(names - set(sys.stdlib_module_names)))
"""


def third_party(statement):
    """The modules beyond the standard library that a statement loads in a new interpreter."""
    return subprocess.run(
        [sys.executable, "-c", LOADED.format(statement=statement)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout.strip()


def test_import_loads_nothing_but_the_standard_library():
    assert third_party("import runwright") == "['runwright']"


@pytest.mark.slow
def test_a_program_without_extras_loads_nothing_but_the_standard_library():
    statement = (
        "import runwright as rw\n"
        "    [getattr(rw, name) for name in rw.__all__]\n"
        "    from runwright.runners import LocalMetadataRunner, PoolRunner, ProcessRunner, SimulatedBackendRunner\n"
        "    from runwright.optimizers import RandomOptimizer\n"
        "    from runwright.journal import MemoryJournal, SqliteJournal"
    )
    assert third_party(statement) == "['runwright']"


def test_import_loads_no_module_of_ours_but_the_package():
    program = "import sys, runwright; print([name for name in sys.modules if name.startswith('runwright.')])"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there(package):
    module = importlib.import_module(package)
    in_order = sorted(module.__all__, key=lambda name: (not name.isupper(), name))  # constants first
    assert module.__all__ == in_order, "sorted, so that a diff shows what came"
    for name in module.__all__:
        with suppress(MissingExtraError):
            assert getattr(module, name) is not None


def test_what_is_public_lives_in_runwright():
    for name in runwright.__all__:
        value = getattr(runwright, name)
        if not isinstance(value, str):
            assert value.__module__.startswith("runwright."), name
            assert value.__name__ == name


def test_the_lazy_names_are_the_public_names():
    assert set(runwright._HOME) | {"__version__"} == set(runwright.__all__)
    assert dir(runwright) == sorted(runwright.__all__)


@pytest.mark.parametrize("package", PACKAGES[:4])
def test_another_name_is_not_there(package):
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = module.nothing


def test_a_star_import_gives_the_public_names():
    names: dict[str, object] = {}
    exec("from runwright import *", names)
    assert set(runwright.__all__) <= set(names)
