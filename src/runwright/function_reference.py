"""A text that finds a function again from another process: ``module:qualname`` or ``/path/script.py:qualname``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runwright.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_HINT = "write it as module:function, or as /path/script.py:function"
_IN_A_MODULE = "define it with def at the top of a module"
_LONGEST_ERROR = 300


@dataclass(frozen=True, slots=True)
class FunctionReference:
    """Where a function stands.

    Attributes:
        source: A module, or the absolute path of a script.
        qualname: The function's dotted name in it.
    """

    source: str
    qualname: str

    @classmethod
    def of(cls, function: Callable[..., Any] | str) -> FunctionReference:
        """Return the reference of a function, or of a text.

        Args:
            function: A function that stands at the top of a module (or in a class there), or the text of a reference.

        Raises:
            UsageError: It cannot be found again from another process; the sentence says why.
        """
        if isinstance(function, str):
            return cls._of_text(function)
        if not callable(function):
            raise UsageError(f"the evaluation must be a function, not {_show(function)}")
        qualname = getattr(function, "__qualname__", None)
        module = getattr(function, "__module__", None)
        if not isinstance(qualname, str) or not isinstance(module, str):
            raise UsageError(f"{_show(function)} has no name by which another process could import it; {_IN_A_MODULE}")
        if "<lambda>" in qualname:
            raise UsageError(f"a lambda has no name by which another process could import it; {_IN_A_MODULE}")
        if "<locals>" in qualname:
            inner = qualname.rpartition(".")[2]
            raise UsageError(
                f"the function {inner!r} is nested in another one, so no other process can import it; {_IN_A_MODULE}"
            )
        if _resolve(sys.modules.get(module), qualname) != function:
            raise UsageError(
                f"{module}:{qualname} is not the function that was given, so no other process can import that; "
                "give a plain function, not a bound method and not what a decorator has hidden"
            )
        return cls(_main_source(qualname) if module == "__main__" else module, qualname)

    @classmethod
    def _of_text(cls, text: str) -> FunctionReference:
        source, colon, qualname = text.rpartition(":")
        if not colon or not all(part.isidentifier() for part in qualname.split(".")):
            raise UsageError(f"{text!r:.200} is no reference to a function; {_HINT}")
        if source.endswith(".py"):
            return cls(os.path.abspath(source), qualname)  # noqa: PTH100  (`Path.absolute` keeps "..")
        if not all(part.isidentifier() for part in source.split(".")):
            raise UsageError(f"{text!r:.200} is no reference to a function: {source!r:.100} is no module; {_HINT}")
        return cls(source, qualname)

    @property
    def text(self) -> str:
        """The reference as a text."""
        return f"{self.source}:{self.qualname}"

    def load(self, script_name: str | None = None) -> Callable[..., Any]:
        """Import the function.

        Args:
            script_name: Name under which a script is loaded; one of its own where not given.

        Raises:
            UsageError: It does not import, or is not callable; the sentence says what failed.
        """
        global _loading  # noqa: PLW0603  (imports nest: what is being loaded is a fact about the process)
        before, _loading = _loading, self.source
        try:
            if self.source.endswith(".py"):
                module = _script(self.source, script_name)
            else:
                module = importlib.import_module(self.source)
            found: Callable[..., Any] | None = _resolve(module, self.qualname)  # a module may have a __getattr__
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise UsageError(
                f"the function {self.text!r:.200} cannot be loaded: importing {self.source!r:.150} failed with "
                f"{_said(error)}"
            ) from error
        finally:
            _loading = before
        if found is None:
            raise UsageError(f"{self.source!r:.150} has no {self.qualname!r:.80}; {_HINT}")
        if not callable(found):
            raise UsageError(f"{self.text!r:.200} is not callable, but {_show(found)}; {_HINT}")
        return found


_loading: str | None = None


def refuse_while_loading() -> None:
    """Refuse to start worker processes from a module that is only being imported for its function.

    Each worker would import it again, and start workers of its own, without end.

    Raises:
        UsageError: A function is being loaded.
    """
    if _loading is not None:
        raise UsageError(
            f"{_loading!r:.200} starts an experiment as soon as it is imported, and every worker imports it; "
            "put what starts it under: if __name__ == '__main__':"
        )


def _resolve(module: ModuleType | None, qualname: str) -> Any:
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def _said(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  (a user's __str__ may raise anything)
        text = "(its text cannot be shown)"
    return f"{type(error).__name__}: {text}".strip().replace("\n", " ")[:_LONGEST_ERROR]


def _show(value: object) -> str:
    return f"an object of type {type(value).__module__}.{type(value).__qualname__}"


def _main_source(qualname: str) -> str:
    """Return where the module that runs as ``__main__`` can be loaded from."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and not spec.name.endswith("__main__"):
        return str(spec.name)  # python -m package.module
    file = getattr(main, "__file__", None)
    if file is None or not os.path.isfile(file):  # noqa: PTH113
        raise UsageError(
            f"the function {qualname!r} is defined in an interactive session, so no other process can import it; "
            "put it into a file"
        )
    return str(os.path.abspath(file))  # noqa: PTH100


def _script(path: str, name: str | None) -> ModuleType:
    """Load a script as a module whose name is not ``__main__``, once; what its guard protects does not run."""
    main = sys.modules["__main__"]
    main_file = getattr(main, "__file__", None)
    if main_file is not None and os.path.abspath(main_file) == path:  # noqa: PTH100
        return main
    name = name or f"_script_{hashlib.blake2b(path.encode(), digest_size=8).hexdigest()}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == path:
        return known
    loader = importlib.machinery.SourceFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None, "a loader was given"
    module = importlib.util.module_from_spec(spec)
    folder = os.path.dirname(path)  # noqa: PTH120
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as Python does for a script
    module.__spec__ = None  # as a script has none: multiprocessing then finds it by its file
    sys.modules[name] = module  # dataclasses and pickle look their module up
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
