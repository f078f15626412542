"""BoTorch for real. The tests here are skipped where it is not installed; `make test` installs it."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import pytest

INSTALLED = find_spec("botorch") is not None
if INSTALLED:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # BoTorch's dependencies, about one another
        import botorch.test_functions  # noqa: F401


class Absent(pytest.Module):
    """A test module that cannot be imported without BoTorch."""

    def collect(self):
        pytest.skip("BoTorch is not installed: pip install 'runwright[botorch]'", allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    return None if INSTALLED else Absent.from_parent(parent, path=module_path)
