"""The rules of ``on_failure`` in an experiment file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright.errors import UsageError
from runwright.loop.on_failure import OnFailure, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runwright.config.models import OnFailurePart
    from runwright.config.source import Source

_KEY = "on_failure"


def make_rules(source: Source, part: OnFailurePart, objectives: Iterable[str]) -> OnFailure:
    """Make the rules one by one, so that an error is about the right one.

    Args:
        source: The file.
        part: What it says.
        objectives: Of the experiment; a penalty stands for them.

    Raises:
        ExperimentFileError: One sentence with file, key and line.
    """
    names, rules = list(objectives), {}
    for kind in type(part).model_fields:
        given = getattr(part, kind)
        if given is None:
            continue
        try:
            rules[kind] = Rule.of(given.model_dump(exclude_unset=True))
            rules[kind].check(names)
        except UsageError as error:
            raise source.error((_KEY, kind) if _by_kind(source) else (_KEY,), str(error)) from None
    return OnFailure.of(rules)


def _by_kind(source: Source) -> bool:
    """Whether the file has a mapping of rules, and not one for all."""
    top = source.root.value
    return isinstance(top, dict) and isinstance(top[_KEY][1].value, dict)
