"""A row of the journal: an event as text, with its checksum."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING
from zlib import crc32

from runwright.events import Row, encode

if TYPE_CHECKING:
    from runwright.events import Event

_KEY = struct.Struct("<qdq")  # seq, time, trial
_NO_TRIAL = -1


def row_of(event: Event) -> tuple[Row, bytes]:
    """Turn an event into a row that can be kept, and its body as UTF-8.

    Raises:
        ValueError: It holds a number that is not finite, or a text that is no Unicode.
        TypeError: It holds something that JSON cannot hold.
    """
    time, trial, kind, body = encode(event)
    time = float(time)  # a whole number would come back as a float
    if not math.isfinite(time):
        raise ValueError(f"the time of an event must be finite, not {time}")
    return Row(time, trial, kind, body), body.encode()


def crc_of(seq: int, time: float, trial: int | None, kind: bytes, body: bytes) -> int:
    """Return the checksum of a row: CRC-32 over number, time and trial in binary, then kind and body."""
    return crc32(body, crc32(kind, crc32(_KEY.pack(seq, time, _NO_TRIAL if trial is None else trial))))
