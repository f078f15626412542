"""Makes modules beside an experiment file importable."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from runwright.errors import UsageError


def put_first(folder: str) -> None:
    """Put a folder first on the path where it is not yet; processes that the runners start get it with the path."""
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()


def check_not_taken(module: str, here: Path) -> None:
    """Refuse a module beside the file whose name is that of another one which is loaded already.

    Raises:
        UsageError: A sentence with both files.
    """
    top = module.partition(".")[0]
    loaded = sys.modules.get(top)
    if loaded is None:
        return
    beside = next((file for file in (here / f"{top}.py", here / top / "__init__.py") if file.is_file()), None)
    file = getattr(loaded, "__file__", None) or ""
    if beside is not None and not (Path(file).is_file() and beside.samefile(file)):
        raise UsageError(
            f"{beside.name} has the name of a module that is loaded already, from {file or 'Python itself'}; "
            "give the file another name"
        )
