"""Values of an experiment file with their lines: texts, lists and mappings. Nothing else is ever constructed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import yaml

from runwright.config.scalars import is_null, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runwright.errors import ExperimentFileError

DEEPEST = 20
MOST_VALUES = 200_000

Location: TypeAlias = "tuple[str | int, ...]"


class Fail(Protocol):
    """Makes an error about a place in the file."""

    def __call__(self, location: Location, message: str, *, line: int | None = None) -> ExperimentFileError:
        """Make the error."""
        ...


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


def compose(text: str, fail: Fail) -> Node | None:
    """Build the tree of a text; None where it has no values.

    Args:
        text: The text.
        fail: Makes errors.

    Raises:
        ExperimentFileError: It has what no experiment file needs: a tag, a second document, a key twice.
        yaml.YAMLError: It is no valid YAML.
    """
    return _Composer(fail).compose(text)


def plain(root: Node, is_text: Callable[[Location], bool], fail: Fail) -> Any:
    """Return a tree as Python values.

    Args:
        root: The tree.
        is_text: Whether the value at a place is a text whatever it looks like.
        fail: Makes errors.

    Raises:
        ExperimentFileError: A value is missing, too long, or read differently by different readers.
    """
    return _Plain(fail, is_text).value(root, ())


class _Composer:
    """Builds the tree from the parser's events: no recursion, bounded depth, nothing twice."""

    def __init__(self, fail: Fail) -> None:
        self._fail = fail
        self._anchors: dict[str, Node] = {}
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0

    def compose(self, text: str) -> Node | None:
        for event in yaml.parse(text, Loader=_LOADER):
            self._take(event)
        return self._root

    def _take(self, event: yaml.Event) -> None:
        line = 0 if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._fail((), "a second document begins here; one file has one experiment", line=line)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            done = self._open.pop()
            if done.anchor is not None:
                self._anchors[done.anchor] = done.node
        elif isinstance(event, yaml.AliasEvent):
            node = self._anchors.get(str(event.anchor))
            if node is None:
                raise self._fail((), f"there is no anchor &{event.anchor!s:.60} before this alias", line=line)
            self._add(node, line)
        elif isinstance(event, yaml.NodeEvent):
            self._node(event, line)

    def _node(self, event: Any, line: int) -> None:
        if event.tag is not None:
            what = (
                f"the tag {event.tag!r:.60} is not allowed: a file holds plain values and constructs nothing; remove it"
            )
            raise self._fail((), what, line=line)
        if isinstance(event, yaml.ScalarEvent):
            node = Node(line, event.value, plain=event.implicit[0])
            if event.anchor is not None:
                self._anchors[event.anchor] = node
            self._add(node, line)
            return
        node = Node(line, [] if isinstance(event, yaml.SequenceStartEvent) else {})
        self._add(node, line)
        if len(self._open) >= DEEPEST:
            raise self._fail((), f"values are nested more than {DEEPEST} deep", line=line)
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
            raise self._fail((), "a key must be a text, not a list or a mapping; quote braces", line=line)
        if node.value == "<<" and node.plain:
            raise self._fail((*self._path(), "<<"), "merge keys are not supported; write the keys out", line=line)
        if node.value in mapping:
            first = mapping[node.value][0]
            what = f"the key {node.value!r:.60} stands twice in one mapping, first in line {first}; remove one"
            raise self._fail((*self._path(), node.value), what, line=line)
        parent.key = (line, node.value)

    def _path(self) -> Iterator[str | int]:
        for parent in self._open[:-1]:  # the value that is being read is the last one of each
            children = parent.node.value
            yield len(children) - 1 if isinstance(children, list) else str(next(reversed(children)))


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come."""

    node: Node
    anchor: str | None
    key: tuple[int, str] | None = None


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Plain:
    """Turns nodes into values, and counts them: aliases make many of few."""

    def __init__(self, fail: Fail, is_text: Callable[[Location], bool]) -> None:
        self._fail = fail
        self._is_text = is_text
        self._count = 0

    def value(self, node: Node, location: Location) -> Any:
        self._count += 1
        if self._count > MOST_VALUES:
            raise self._fail(location, f"the file has more than {MOST_VALUES} values, with its aliases")
        if len(location) > DEEPEST:
            raise self._fail(location, f"the file has more than {DEEPEST} levels, with its aliases")
        if isinstance(node.value, list):
            return [self.value(child, (*location, index)) for index, child in enumerate(node.value)]
        if isinstance(node.value, dict):
            return {key: self.value(child, (*location, key)) for key, (_, child) in node.value.items()}
        return self._scalar(node.value, location) if node.plain else node.value

    def _scalar(self, text: str, location: Location) -> Any:
        if is_null(text):
            raise self._fail(
                location,
                'it has no value; give it one or leave it out (quote texts with braces, and empty texts: "")',
            )
        if self._is_text(location):
            return text
        try:
            return resolve(text)
        except ValueError as error:
            raise self._fail(location, str(error)) from None
