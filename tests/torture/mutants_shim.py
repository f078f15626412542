"""What mutated code imports in place of mutmut in processes that have the standard library alone.

A launcher is started with ``-I -S`` and finds this package's sources, and nothing else. So `mutants` puts this file
beside the mutated sources as ``mutmut/mutation/trampoline.py``. It runs the mutant that ``MUTANT_UNDER_TEST`` names, as
mutmut's own does, and while mutmut looks which test meets which function it notes the functions in a file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MutantDict = dict
_UNDER_TEST = os.environ.get("MUTANT_UNDER_TEST", "")
_MET = os.environ.get("MUTANTS_MET", "")
_met: set[str] = set()


def wrap_in_trampoline(
    mutants: dict[str, Callable[..., Any]], is_classmethod: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that puts the mutant in place of the function, where it is one of its."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        module, _, wanted = _UNDER_TEST.rpartition(".")

        def called(*arguments: Any, **keywords: Any) -> Any:
            chosen = mutants["_mutmut_orig"]
            if _UNDER_TEST == "stats":
                _note(f"{function.__module__}.{chosen.__name__.removesuffix('__mutmut_orig')}")
            elif module == function.__module__:
                chosen = mutants.get(wanted, chosen)
            if is_classmethod:
                return getattr(arguments[0], chosen.__name__)(*arguments[1:], **keywords)
            return chosen(*arguments, **keywords)

        return called

    return decorate


def _note(name: str) -> None:
    if name in _met or not _MET:
        return
    _met.add(name)
    fd = os.open(_MET, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    os.write(fd, f"{name}\n".encode())
    os.close(fd)
