"""Reads an experiment file into a tree that knows its lines. Nothing is constructed but texts, lists and mappings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from runwright.config.scalars import is_null, resolve
from runwright.errors import ExperimentFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LARGEST_FILE = 2**20
DEEPEST = 20
MOST_VALUES = 200_000

_LONGEST_PATH = 200
_LONGEST_KEY = 60
_LONGEST_WHERE = 200
_LONGEST_MESSAGE = 500
_NO_YAML = re.compile("[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")

Location: TypeAlias = "tuple[str | int, ...]"


@dataclass(slots=True)
class Node:
    """A value in the file.

    Attributes:
        line: Where it begins, from 1.
        value: A text, a list of nodes, or a mapping of keys to the line of the key and a node.
        plain: Whether it is a text without quotes.
    """

    line: int
    value: str | list[Node] | dict[str, tuple[int, Node]]
    plain: bool = False


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
        self.root = _Composer(self).compose(self._text)

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
        """Return the tree as Python values.

        Args:
            is_text: Whether the value at a place is a text whatever it looks like.

        Raises:
            ExperimentFileError: A value is missing, too long, or read differently by different readers.
        """
        return _Plain(self, is_text).value(self.root, ())

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


class _Composer:
    """Builds the tree from the parser's events: no recursion, bounded depth, nothing twice."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._anchors: dict[str, Node] = {}
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0

    def compose(self, text: str) -> Node:
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                self._take(event)
        except yaml.YAMLError as error:
            raise _syntax(self._source, error) from None
        if self._root is None or (self._root.plain and is_null(str(self._root.value))):
            raise self._source.error((), "the file is empty; docs/experiment-file.md shows what stands in it")
        if not isinstance(self._root.value, dict):
            raise self._source.error(
                (), "an experiment file is a mapping of keys such as 'name: branin'", line=self._root.line
            )
        return self._root

    def _take(self, event: yaml.Event) -> None:
        line = 0 if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._source.error((), "a second document begins here; one file has one experiment", line=line)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            done = self._open.pop()
            if done.anchor is not None:
                self._anchors[done.anchor] = done.node
        elif isinstance(event, yaml.AliasEvent):
            node = self._anchors.get(str(event.anchor))
            if node is None:
                raise self._source.error((), f"there is no anchor &{event.anchor!s:.60} before this alias", line=line)
            self._add(node, line)
        elif isinstance(event, yaml.NodeEvent):
            self._node(event, line)

    def _node(self, event: Any, line: int) -> None:
        if event.tag is not None:
            what = f"the tag {event.tag!r:.60} is not allowed: a file holds plain values and constructs nothing"
            raise self._source.error((), what, line=line)
        if isinstance(event, yaml.ScalarEvent):
            node = Node(line, event.value, plain=event.implicit[0])
            if event.anchor is not None:
                self._anchors[event.anchor] = node
            self._add(node, line)
            return
        node = Node(line, [] if isinstance(event, yaml.SequenceStartEvent) else {})
        self._add(node, line)
        if len(self._open) >= DEEPEST:
            raise self._source.error((), f"values are nested more than {DEEPEST} deep", line=line)
        self._open.append(_Open(node, event.anchor))

    def _add(self, node: Node, line: int) -> None:
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        if isinstance(parent.node.value, list):
            parent.node.value.append(node)
        elif isinstance(parent.node.value, dict):
            self._add_to_mapping(parent, parent.node.value, node, line)

    def _add_to_mapping(self, parent: _Open, mapping: dict[str, tuple[int, Node]], node: Node, line: int) -> None:
        if parent.key is not None:
            mapping[parent.key[1]] = (parent.key[0], node)
            parent.key = None
            return
        if not isinstance(node.value, str):
            raise self._source.error((), "a key must be a text, not a list or a mapping; quote braces", line=line)
        if node.value in mapping:
            first = mapping[node.value][0]
            what = f"the key {node.value!r:.60} stands twice in one mapping, first in line {first}; remove one"
            raise self._source.error((*self._path(), node.value), what, line=line)
        parent.key = (line, node.value)

    def _path(self) -> Iterator[str | int]:
        for parent in self._open[:-1]:
            if isinstance(parent.node.value, list):
                yield len(parent.node.value) - 1
            elif parent.key is not None:
                yield parent.key[1]


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come."""

    node: Node
    anchor: str | None
    key: tuple[int, str] | None = None


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Plain:
    """Turns nodes into values, and counts them: aliases make many of few."""

    def __init__(self, source: Source, is_text: Callable[[Location], bool]) -> None:
        self._source = source
        self._is_text = is_text
        self._count = 0

    def value(self, node: Node, location: Location) -> Any:
        self._count += 1
        if self._count > MOST_VALUES or len(location) > DEEPEST:
            what = f"the file has more than {MOST_VALUES} values, or more than {DEEPEST} levels, with its aliases"
            raise self._source.error(location, what)
        if isinstance(node.value, list):
            return [self.value(child, (*location, index)) for index, child in enumerate(node.value)]
        if isinstance(node.value, dict):
            return {key: self.value(child, (*location, key)) for key, (_, child) in node.value.items()}
        return self._scalar(node.value, location) if node.plain else node.value

    def _scalar(self, text: str, location: Location) -> Any:
        if is_null(text):
            raise self._source.error(
                location,
                'it has no value; give it one or leave it out (quote texts with braces, and empty texts: "")',
            )
        if self._is_text(location):
            return text
        try:
            return resolve(text)
        except ValueError as error:
            raise self._source.error(location, str(error)) from None


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
    text = _CONTROL.sub(" ", text)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
