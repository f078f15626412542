"""Files that a trial finds in its own folder: copied, linked, or made from a template."""

from __future__ import annotations

import glob
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.errors import UsageError
from runwright.folder import write_atomic
from runwright.wrappers.names import OUTPUT_FILES, STATUS_FILES, STDERR, STDOUT, SUFFIXES, WRAPPER_LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

RESERVED = {
    "parameters.json",
    "trial.json",
    "data.json",
    "filtered_parameters.json",
    STDOUT,
    STDERR,
    WRAPPER_LOG,
    *(f"{name}{suffix}" for name in (*OUTPUT_FILES, *STATUS_FILES) for suffix in SUFFIXES),
}
"""Names in a trial's folder that mean something else."""
PLACEHOLDER = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
"""A placeholder of a template file, and of a command that is written as one text: ``{{ x }}``."""


class Files:
    """What is put into the folder of each trial before it runs.

    Args:
        copy: Files and folders that are copied.
        link: Files and folders that are linked: not to be changed by a trial.
        template: Text files that are copied with ``{{ x }}`` filled in.
        here: Where relative paths start. ``*`` and ``?`` stand for any names in it.

    Raises:
        UsageError: It is no list of texts.
    """

    def __init__(
        self, copy: Sequence[str] = (), link: Sequence[str] = (), template: Sequence[str] = (), here: str = "."
    ) -> None:
        self._here = Path(here)
        self._kinds: list[tuple[str, Sequence[str], Callable[[Path, Path, Mapping[str, Any]], None]]] = [
            ("link", _checked("link", link), _link),
            ("copy", _checked("copy", copy), _copy),
            ("template", _checked("template", template), _fill),
        ]

    @property
    def any(self) -> bool:
        """Whether there are files to put."""
        return any(patterns for _, patterns, _ in self._kinds)

    def check(self, known: Iterable[str]) -> None:
        """Look whether everything is there, and whether the templates name nothing unknown.

        Args:
            known: What a placeholder may name.

        Raises:
            UsageError: A sentence that names the file.
        """
        names = set(known)
        for what, patterns, _ in self._kinds:
            for pattern in patterns:
                for source in self._sources(what, pattern):
                    if what == "template":
                        _check_template(source, names)

    def place(self, folder: Path, values: Mapping[str, Any]) -> None:
        """Put them into the folder of a trial. What is there from an earlier beginning is replaced.

        Args:
            folder: The folder.
            values: What the placeholders stand for.

        Raises:
            UsageError: A file is not there, or a placeholder is unknown.
            OSError: It cannot be read or written.
        """
        for what, patterns, put in self._kinds:
            for pattern in patterns:
                for source in self._sources(what, pattern):
                    put(source, folder / source.name, values)

    def _sources(self, what: str, pattern: str) -> list[Path]:
        path = self._here / pattern
        if not glob.has_magic(pattern):
            if not path.exists():
                raise UsageError(f"{what}: there is no {str(path)!r:.300}")
            if path.name in RESERVED:
                raise UsageError(f"{what}: the name {path.name!r} means something else in a trial's folder; rename it")
            return [path]
        found = sorted(Path(name) for name in glob.glob(str(path)))  # noqa: PTH207  (patterns may be absolute)
        found = [source for source in found if source.name not in RESERVED]
        if not found:
            raise UsageError(f"{what}: nothing matches {str(path)!r:.300}")
        return found


def _checked(what: str, patterns: Any) -> list[str]:
    listed = isinstance(patterns, (list, tuple))
    if not listed or not all(isinstance(pattern, str) and pattern.strip() for pattern in patterns):
        raise UsageError(f"{what} must be a list of paths, not {patterns!r:.100}")
    return list(patterns)


def _remove(target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)


def _link(source: Path, target: Path, _: Mapping[str, Any]) -> None:
    _remove(target)
    target.symlink_to(source.resolve())


def _copy(source: Path, target: Path, _: Mapping[str, Any]) -> None:
    _remove(target)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)


def _fill(source: Path, target: Path, values: Mapping[str, Any]) -> None:
    text = _text(source)
    _check_names(source, text, values)
    _remove(target)
    write_atomic(target, PLACEHOLDER.sub(lambda found: written(values[found[1]]), text).encode())
    target.chmod(source.stat().st_mode & 0o777)


def _check_template(source: Path, known: Iterable[str]) -> None:
    _check_names(source, _text(source), known)


def _check_names(source: Path, text: str, known: Iterable[str]) -> None:
    names = set(known)
    for found in PLACEHOLDER.finditer(text):
        if found[1] not in names:
            listed = ", ".join(sorted(names)[:30])
            raise UsageError(f"template: {source.name} asks for {found[0]}, which is none of {listed}")


def _text(source: Path) -> str:
    try:
        return source.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"template: {str(source)!r:.300} is no text that can be read: {error}") from None


def written(value: Any) -> str:
    """Return a value as programs read it: numbers in full precision, booleans as in JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)
