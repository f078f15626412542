"""Reads an experiment file into a tree that knows its lines. Nothing is constructed but texts, lists and mappings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from runwright.config import tree
from runwright.config.scalars import is_null
from runwright.errors import ExperimentFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runwright.config.tree import Location, Node

LARGEST_FILE = 2**20

_LONGEST_PATH = 200
_LONGEST_KEY = 60
_LONGEST_WHERE = 200
_LONGEST_MESSAGE = 500
_NO_YAML = re.compile("[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


class Source:
    """An experiment file.

    Args:
        path: The file.

    Raises:
        ExperimentFileError: It cannot be read, or is no valid YAML; one sentence with the line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text = self._read()
        self.root = self._compose()

    def error(self, location: Location, message: str, *, line: int | None = None) -> ExperimentFileError:
        """Make an error about a place in the file.

        Args:
            location: Keys and indices that lead there; the deepest that exists gives the line.
            message: What is wrong and what to do.
            line: The line, where it is known better.
        """
        shown = str(self.path)
        if len(shown) > _LONGEST_PATH:
            shown = f"...{shown[-_LONGEST_PATH:]}"
        return ExperimentFileError(
            _one_line(message, _LONGEST_MESSAGE),
            file=_one_line(shown, _LONGEST_PATH + 3),
            key=_dotted(location) or None,
            line=line or self.line_of(location),
        )

    def line_of(self, location: Location) -> int | None:
        """Return the line of a place, or of the nearest one that contains it; None where there is nothing."""
        node = getattr(self, "root", None)
        if node is None or not location:
            return None
        line: int = node.line
        for step in location:
            children = node.value
            if isinstance(children, dict) and step in children:
                line, node = children[str(step)]
            elif isinstance(children, list) and isinstance(step, int) and 0 <= step < len(children):
                node = children[step]
                line = node.line
            else:
                break
        return line

    def plain(self, is_text: Callable[[Location], bool]) -> Any:
        """Return the tree as Python values; see `tree.plain`."""
        return tree.plain(self.root, is_text, self.error)

    def _compose(self) -> Node:
        try:
            root = tree.compose(self._text, self.error)
        except yaml.YAMLError as error:
            raise _syntax(self, error) from None
        if root is None or (root.plain and is_null(str(root.value))):
            raise self.error((), "the file is empty; docs/experiment-file.md shows what stands in it")
        if not isinstance(root.value, dict):
            raise self.error((), "an experiment file is a mapping of keys such as 'name: branin'", line=root.line)
        return root

    def _read(self) -> str:
        try:
            if self.path.is_dir():
                raise self.error((), "this is a folder; give the experiment file in it")
            with self.path.open("rb") as file:
                data = file.read(LARGEST_FILE + 1)
        except OSError as error:
            raise self.error((), f"the experiment file cannot be read ({error.strerror})") from None
        except ValueError as error:
            raise self.error((), f"the experiment file cannot be read ({error})") from None
        if len(data) > LARGEST_FILE:
            raise self.error((), f"an experiment file has at most {LARGEST_FILE} bytes; is this one?")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            what = f"the file is not UTF-8: byte 0x{data[error.start]:02x} is no text; save it as UTF-8"
            raise self.error((), what, line=data.count(b"\n", 0, error.start) + 1) from None
        control = _NO_YAML.search(text)
        if control is not None:
            what = f"the character {control[0]!r} is not allowed in YAML; remove it"
            raise self.error((), what, line=text.count("\n", 0, control.start()) + 1)
        return text

    def text_of_line(self, line: int) -> str:
        """Return a line of the file."""
        lines = self._text.splitlines()
        return lines[line - 1] if 0 < line <= len(lines) else ""


def _syntax(source: Source, error: yaml.YAMLError) -> ExperimentFileError:
    """Make one sentence of what the parser says."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = None if mark is None else mark.line + 1
    problem = str(getattr(error, "problem", None) or error)
    context = str(getattr(error, "context", None) or "")
    said = f"{context}: {problem}" if context else problem
    began = getattr(error, "context_mark", None)
    if began is not None and line is not None and began.line + 1 < line:
        said += f", begun in line {began.line + 1}"
    return source.error((), f"this is no valid YAML: {said}{_hint(source, line)}", line=line)


def _hint(source: Source, line: int | None) -> str:
    text = "" if line is None else source.text_of_line(line)
    if "\t" in text:
        return "; there is a tab in this line: YAML indents with spaces"
    if "{" in text:
        return '; texts with braces need quotes: "{x}"'
    if text.count(": ") > 1:
        return "; texts with a colon and a space need quotes"
    return ""


def _dotted(location: Location) -> str:
    text = ""
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if len(step) <= _LONGEST_KEY else f"{step[:_LONGEST_KEY]}..."
            text += f".{name}" if text else name
    return _one_line(text, _LONGEST_WHERE)


def _one_line(text: str, longest: int) -> str:
    if len(text) > longest:
        text = f"{text[: longest - 3]}..."
    return text if text.isprintable() else "".join([sign if sign.isprintable() else " " for sign in text])
