"""The working folder of an attempt, before its program begins: new, with what the program reads, and without a result.

The supervisor makes it, once it has the lock: whoever did not get the attempt writes nothing there.
"""

from __future__ import annotations

import json
import os
from typing import Any

from runwright.process.record import write_all

_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode


def make_folder(path: str, below: str) -> bool:
    """Make a folder and those above it, below another one; say whether it is new.

    Raises:
        FileNotFoundError: The one below which it is to be made is gone; it is not made anew.
    """
    try:
        os.mkdir(path)
    except FileExistsError:
        return False
    except FileNotFoundError:
        above = os.path.dirname(path)
        if above == below:
            raise
        make_folder(above, below)
        return make_folder(path, below)
    return True


def prepare(work: dict[str, Any]) -> None:
    """Make a working folder ready.

    Args:
        work: ``folder``, and the one ``below`` which it is made; ``files``, by name what is to be written as JSON;
            ``result``, the name of what no program of this attempt can have written, so that it is removed.

    Raises:
        OSError: A sentence, or what the system says: the disk is full, or the run directory is gone.
    """
    folder = work["folder"]
    if not make_folder(folder, work["below"]):
        _remove(folder, work["below"], work["result"])
    for name, body in work["files"].items():
        write_json(f"{folder}/{name}", body)


def _remove(folder: str, below: str, name: str) -> None:
    try:
        os.unlink(f"{folder}/{name}")
    except FileNotFoundError:
        return
    except OSError as error:
        where = f"{folder.removeprefix(f'{below}/')}/{name}"
        raise OSError(f"{where} is there before the trial ran, and cannot be removed: {error.strerror}") from None


def write_json(path: str, body: Any) -> None:
    """Write a file that only those read who come later."""
    data = _encode(body).encode()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        write_all(fd, data)
    finally:
        os.close(fd)
