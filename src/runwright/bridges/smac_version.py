"""Which versions of SMAC the bridge was tried with."""

from __future__ import annotations

from importlib import metadata

from runwright.errors import MissingExtraError, UsageError

LOWEST, BELOW = (2, 2), (2, 5)
"""The supported range, as in the extra ``smac`` of pyproject.toml."""


def check_version() -> None:
    """Check the version of SMAC that is installed.

    Raises:
        MissingExtraError: None is.
        UsageError: It is outside the range.
    """
    try:
        installed = metadata.version("smac")
    except metadata.PackageNotFoundError:
        raise MissingExtraError("the bridge to SMAC", "smac") from None
    refuse(installed)


def refuse(installed: str) -> None:
    """Refuse a version outside the range.

    Args:
        installed: Version of ``smac``.

    Raises:
        UsageError: It is outside the range.
    """
    numbers = tuple(int(part) for part in installed.split(".")[:2] if part.isdecimal())
    if not LOWEST <= numbers < BELOW:
        low, below = (".".join(map(str, version)) for version in (LOWEST, BELOW))
        raise UsageError(
            f"the bridge to SMAC is for smac {low} up to, not including, {below}, and {installed} is installed: "
            "pip install 'runwright[smac]'"
        )
