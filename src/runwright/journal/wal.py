"""Finds out whether a write-ahead log of SQLite has lost transactions that were committed.

SQLite takes the first frame whose checksum is wrong for the end of the log, and goes on from there without a word. That
is right for a transaction that was being written when the machine stopped, and wrong for a damaged one. A frame that is
wrong is *damage*, not an end, when

- a later transaction stands behind it: its frame continues the sums of the frame before it; or
- the shared index, written in this boot, says that it was committed.

For the same reason a log that is shorter than the shared index says is damage.

The format: sqlite.org/fileformat2.html#walformat and sqlite.org/walformat.html.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from runwright.clock import epoch, monotonic

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_HEADER = struct.Struct(">IIII8sII")  # magic, format, page size, sequence, salts, two sums
_FRAME = struct.Struct(">II8sII")  # page, pages after the commit or 0, salts, two sums
_BYTE_ORDER = {0x377F0682: "<", 0x377F0683: ">"}  # of the words that are summed
_SHM = struct.Struct("=16xI12x8s8x")  # frames, salts; the header stands twice, so that a torn one is seen
_BACKFILLED = struct.Struct("=I")  # behind it: how many of the frames are in the main file already
_WORD = 0xFFFFFFFF
_READS = 5
_Sums: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the shared index says: how many frames of the log with these salts are committed."""

    frames: int = 0
    salts: bytes = b""
    backfilled: int = 0

    @property
    def needed(self) -> int:
        """How many frames the log must have; 0 where the main file has all that they hold."""
        return self.frames if self.frames > self.backfilled else 0


@dataclass(frozen=True, slots=True)
class _Frame:
    commits: bool
    current: bool
    """Whether it is of this round of the log, not left from an earlier one."""
    follows: bool
    """Whether its sums continue those of the frame before it."""
    sums: tuple[_Sums, ...]
    """Its own: as it states them and, where they differ, as they are; one of them may be damaged."""


def fault(wal: Path, shm: Path) -> str | None:
    """Say what is damaged in a write-ahead log; None when it is whole, torn at its end, or not there.

    Args:
        wal: The write-ahead log. A driver may be writing it.
        shm: Its shared index.
    """
    found = None
    for _ in range(_READS):
        shared = _shared(shm)  # before the log: what it counts is then in the log
        try:
            with wal.open("rb") as file:
                header = file.read(_HEADER.size)
                found = _fault(file, header, shared)
                file.seek(0)
                if found is None or file.read(_HEADER.size) == header:
                    return found
        except FileNotFoundError:
            return _shorter(0, shared)
        # A driver began the log anew while it was read.
    return found


def _shared(shm: Path) -> _Shared:
    try:
        with shm.open("rb") as file:
            header, copy = file.read(_SHM.size), file.read(_SHM.size)
            backfilled = file.read(_BACKFILLED.size)
        of_this_boot = shm.stat().st_mtime >= epoch() - monotonic()
    except FileNotFoundError:
        return _Shared()
    # After a power cut the index may be ahead of a log that was not synced: it says nothing then.
    if not of_this_boot or len(backfilled) < _BACKFILLED.size or header != copy:
        return _Shared()
    return _Shared(*_SHM.unpack(header), *_BACKFILLED.unpack(backfilled))


def _shorter(frames: int, shared: _Shared) -> str | None:
    """Say what is missing of a log that is whole as far as it goes."""
    if frames >= shared.needed:
        return None
    return f"its log ends after frame {frames}, but {shared.frames} were committed"


def _fault(file: BinaryIO, header: bytes, shared: _Shared) -> str | None:
    if len(header) < _HEADER.size:
        return _shorter(0, shared)
    magic, _, page_size, _, salts, *sums = _HEADER.unpack(header)
    order = _BYTE_ORDER.get(magic)
    if order is None or _summed(header[:24], order, (0, 0)) != tuple(sums):
        return "the header of its log is not what was written" if any(header) or any(file.read()) else None
    before: tuple[_Sums, ...] = ((sums[0], sums[1]),)
    number, broken_at, transaction_ended = 0, None, False
    while frame := _next_frame(file, page_size, salts, order, before):
        number += 1
        before = frame.sums
        good = frame.current and frame.follows
        if broken_at is None:
            if good:
                continue
            broken_at = number
            if shared.salts == salts and shared.frames >= number:
                return f"frame {number} of its log is not what was committed"
        elif good and transaction_ended:
            return f"frame {broken_at} of its log is not what was written, though later ones are"
        transaction_ended = transaction_ended or frame.commits
    return _shorter(number, shared) if broken_at is None and shared.salts == salts else None


def _next_frame(file: BinaryIO, page_size: int, salts: bytes, order: str, before: tuple[_Sums, ...]) -> _Frame | None:
    data = file.read(_FRAME.size + page_size)
    if len(data) < _FRAME.size + page_size:
        return None
    _, pages, own_salts, *sums = _FRAME.unpack_from(data)
    stated = (sums[0], sums[1])
    current = own_salts == salts
    if not current:
        return _Frame(pages != 0, current=False, follows=False, sums=(stated,))
    found = [_summed(data[_FRAME.size :], order, _summed(data[:8], order, sums)) for sums in before]
    if stated in found:
        return _Frame(pages != 0, current=True, follows=True, sums=(stated,))
    return _Frame(pages != 0, current=True, follows=False, sums=(stated, *found))


def _summed(data: bytes, order: str, sums: _Sums) -> _Sums:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & _WORD
        second = (second + odd + first) & _WORD
    return first, second
