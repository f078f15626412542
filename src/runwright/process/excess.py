"""Says why a supervisor has ended an attempt, in the same words for every runner that has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright.status import FailureKind

if TYPE_CHECKING:
    from runwright.result import Json

KINDS = {
    "timeout": FailureKind.TIMEOUT,
    "memory": FailureKind.MEMORYOUT,
    "output": FailureKind.OUTPUT_LIMIT,
}
"""What a limit in the record of an end means."""


def words_of_excess(record: Json, seconds: float) -> str:
    """Return the sentence: what was measured, the limit, and whether it had to be killed.

    Args:
        record: The supervisor's record of an end with a reason of `KINDS`.
        seconds: How long the attempt took.
    """
    reason, measured, limit = record["reason"], record["measured"], record["limit"]
    if reason == "timeout":
        said = f"it was ended after {_seconds(seconds)}; the time limit is {_seconds(limit)}"
    elif reason == "memory":
        said = f"it was ended when it held {size(measured)}; the memory limit is {size(limit)}"
    elif record["asked"] is None:
        said = f"it wrote {size(measured)}; the output limit is {size(limit)}"
    else:
        said = f"it was ended when it had written {size(measured)}; the output limit is {size(limit)}"
    if record["ignored"] is None:
        return said
    return f"{said}; it did not obey SIGTERM and was killed after its grace of {_seconds(record['ignored'])}"


def words_of_loss(record: Json) -> str:
    """Return the sentence about an attempt that neither a limit nor its driver has ended.

    Args:
        record: The supervisor's record of an end with another reason.
    """
    if record["reason"] == "signal":
        return f"its supervisor got {record['message']}: the machine was shut down, or somebody ended it by hand"
    if record["reason"] == "stop":
        return "somebody else than its driver had it stopped"
    return f"its supervisor failed: {record['message']}"


def too_much_output(measured: float, limit: float) -> str:
    """Return the sentence about an evaluation that has written too much, and has ended by itself."""
    return words_of_excess(
        {"reason": "output", "measured": measured, "limit": limit, "asked": None, "ignored": None}, 0.0
    )


def size(count: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:  # noqa: PLR2004
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} GiB"


def _seconds(count: float) -> str:
    return f"{count:.3g} s" if count < 1000 else f"{count:.0f} s"  # noqa: PLR2004
