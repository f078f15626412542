"""Commands as people write them, turned into words with placeholders."""

from __future__ import annotations

import re
import shlex
from typing import Any

from runwright.errors import UsageError
from runwright.wrappers.job import protect
from runwright.wrappers.placing import PLACEHOLDER


def command_words(name: str, command: Any) -> list[str]:
    """Return the words of a command, with placeholders ``{x}``.

    Args:
        name: Which command it is, for the error.
        command: One text with ``{{ x }}``, or words with ``{x}``.

    Raises:
        UsageError: A quote is not closed, or it is no command.
    """
    if not isinstance(command, str):
        listed = isinstance(command, (list, tuple))
        if not listed or not command or not all(isinstance(word, str) for word in command):
            raise UsageError(f"{name} must be a command: one text, or a list of texts, not {command!r:.100}")
        return list(command)
    # A placeholder stands for one word or a part of one, whatever spaces are in it or in the value.
    marks = list(dict.fromkeys(found[0] for found in PLACEHOLDER.finditer(command)))
    stand_ins = {mark: f"\x00{number}\x00" for number, mark in enumerate(marks)}
    text = PLACEHOLDER.sub(lambda found: stand_ins[found[0]], command)
    try:
        words = protect(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"{name}: {command!r:.200} cannot be split into words: {error}") from None
    if not words:
        raise UsageError(f"{name} is empty")
    names = [f"{{{found[1]}}}" for mark in marks if (found := PLACEHOLDER.fullmatch(mark))]
    return [re.sub(r"\x00(\d+)\x00", lambda found: names[int(found[1])], word) for word in words]
