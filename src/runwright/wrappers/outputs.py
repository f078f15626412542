"""Reads what a script left in its folder: measurements and a status, as JSON or YAML."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

from runwright.errors import InvalidResultError
from runwright.json_values import json_kind, why_unreadable
from runwright.wrappers.names import OUTPUT_FILES, STATUS_FILES, STATUS_KEYS, SUFFIXES, present
from runwright.wrappers.view import status_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from runwright.result import Json
    from runwright.status import TrialStatus

LARGEST_JSON = 64 * 2**20
LARGEST_YAML = 4 * 2**20
MOST_METRICS = 10_000
_DEEPEST = 100
_MOST_COPIED = 100_000


def read_first(folder: Path, names: Iterable[str]) -> tuple[str, Json] | None:
    """Return name and content of the first of several files that is there.

    Raises:
        InvalidResultError: It cannot be read, or there are two of one name.
    """
    try:
        found = present(str(folder), names)
    except OSError as error:
        raise InvalidResultError(f"the folder of the trial cannot be read: {error.strerror}") from None
    for files in found:
        if len(files) > 1:
            raise InvalidResultError(f"there is {' and '.join(files)}; write one of them")
        return files[0], read_mapping(folder / files[0])
    return None


def read_data(folder: Path) -> Json:
    """Return the measurements that a script left; its status is taken out.

    Raises:
        InvalidResultError: It left none, or they cannot be read.
    """
    found = read_first(folder, OUTPUT_FILES)
    if found is None:
        raise InvalidResultError(nothing_written())
    name, data = found
    data = {key: value for key, value in data.items() if key.lower() not in STATUS_KEYS}
    if len(data) > MOST_METRICS:
        raise InvalidResultError(f"{name} has {len(data)} metrics; {MOST_METRICS} are allowed")
    return data


def read_status(folder: Path) -> tuple[str, TrialStatus | None] | None:
    """Return the file that says how a trial stands, and what it says.

    Returns:
        None where there is no file; as the second part None where a file has no status: then the trial is complete.

    Raises:
        InvalidResultError: It cannot be read, or says something else.
    """
    found = read_first(folder, (*STATUS_FILES, *OUTPUT_FILES))
    if found is None:
        return None
    name, data = found
    for key, value in data.items():
        if key.lower() in STATUS_KEYS:
            try:
                return name, status_of(value)
            except InvalidResultError as error:
                raise InvalidResultError(f"{name}: {error}") from None
    return name, None


def nothing_written() -> str:
    """Return the sentence about a script that left nothing."""
    return f"it ended well, but left no {', '.join(OUTPUT_FILES[:-1])} or {OUTPUT_FILES[-1]} ({', '.join(SUFFIXES)})"


def read_mapping(path: Path) -> Json:
    """Return the mapping in a JSON or YAML file.

    Raises:
        InvalidResultError: It holds something else, is too large, or no regular file.
    """
    is_json = path.suffix.lower() == ".json"
    data = _content(path, LARGEST_JSON if is_json else LARGEST_YAML)
    if not data.strip():
        raise InvalidResultError(f"{path.name} is empty")
    body = _from_json(path.name, data) if is_json else from_yaml(path.name, data)
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if not isinstance(body, dict):
        what = f'must hold a mapping such as {{"y": 0.5}}, not {json_kind(body)}'
        raise InvalidResultError(f"{path.name} {what}")
    return {key if isinstance(key, str) else str(key): value for key, value in body.items()}


def _from_json(name: str, data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidResultError(f"{name} is no valid JSON (half-written?): {why_unreadable(error)}") from None


def from_yaml(name: str, data: bytes | str) -> Any:
    """Parse YAML, data only.

    Raises:
        InvalidResultError: It is no YAML, more than data, nested too deep, or larger by aliases than it looks.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, faster, where it was compiled
    try:
        if len(data) > _DEEPEST or "*" in str(data):
            _refuse_traps(name, yaml.parse(data, Loader=loader))
        return yaml.load(data, Loader=loader)  # noqa: S506  (both are safe loaders)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidResultError(f"{name} is no valid YAML (half-written?): {why_unreadable(error)}") from None


def _refuse_traps(name: str, events: Iterable[Any]) -> None:
    """Refuse what would end the driver: by the stack of C, in a circle, or by aliases of aliases of aliases.

    Raises:
        InvalidResultError: Values are nested too deep, contain themselves, or stand for too many.
    """
    import yaml

    values = copied = 0
    counts: dict[str | None, int] = {}  # values below an anchor
    unfinished: list[tuple[str | None, int]] = []
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = unfinished.pop()
            if anchor is not None:
                counts[anchor] = values - before
        elif isinstance(event, yaml.AliasEvent):
            if any(event.anchor == anchor for anchor, _ in unfinished):
                raise InvalidResultError(f"{name} holds a value that contains itself (*{event.anchor!s:.60})")
            count = counts.get(event.anchor, 1)  # an unknown one is refused by the loader
            values, copied = values + count, copied + count
            if copied > _MOST_COPIED:
                raise InvalidResultError(f"aliases in {name} repeat more than {_MOST_COPIED} values")
        elif isinstance(event, yaml.NodeEvent):
            if isinstance(event, yaml.CollectionStartEvent):
                unfinished.append((event.anchor, values))
                if len(unfinished) > _DEEPEST:
                    raise InvalidResultError(f"{name} is nested more than {_DEEPEST} deep")
            elif event.anchor is not None:
                counts[event.anchor] = 1
            values += 1


def _content(path: Path, largest: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a named pipe must not hold the driver
    except OSError as error:
        raise InvalidResultError(f"{path.name} cannot be read: {error.strerror}") from None
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise InvalidResultError(f"{path.name} is no regular file")
        if facts.st_size > largest:
            raise InvalidResultError(f"{path.name} has {facts.st_size} bytes; {largest} are allowed")
        with open(fd, "rb", closefd=False) as file:
            return file.read(largest)
    finally:
        os.close(fd)


def tail(path: Path, most: int) -> str:
    """Return the end of a log; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - most))
            return file.read(most).decode("utf-8", "replace")
    except OSError:
        return ""
