"""Which versions of Ax the bridge was tried with."""

from __future__ import annotations

from importlib import metadata

from runwright.errors import MissingExtraError, UsageError

LOWEST, BELOW = (1, 3), (1, 4)
"""The supported range, as in the extra ``ax`` of pyproject.toml."""


def check_version() -> None:
    """Check the version of Ax that is installed.

    Raises:
        MissingExtraError: None is.
        UsageError: It is outside the range.
    """
    try:
        installed = metadata.version("ax-platform")
    except metadata.PackageNotFoundError:
        raise MissingExtraError("the bridge to Ax", "ax") from None
    refuse(installed)


def refuse(installed: str) -> None:
    """Refuse a version outside the range.

    Args:
        installed: Version of ``ax-platform``.

    Raises:
        UsageError: It is outside the range.
    """
    numbers = tuple(int(part) for part in installed.split(".")[:2] if part.isdecimal())
    if not LOWEST <= numbers < BELOW:
        low, below = (".".join(map(str, version)) for version in (LOWEST, BELOW))
        raise UsageError(
            f"the bridge to Ax is for ax-platform {low} up to, not including, {below}, and {installed} is installed: "
            "pip install 'runwright[ax]'"
        )
