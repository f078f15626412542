"""Which versions of a library its bridge was tried with."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

from runwright.errors import MissingExtraError, UsageError


@dataclass(frozen=True, slots=True)
class Supported:
    """The versions that a bridge is for, as in its extra in pyproject.toml.

    Attributes:
        title: The library, as people call it.
        package: Name under which it is installed.
        extra: The extra that installs it.
        lowest: The lowest version.
        below: The versions are below this one.
    """

    title: str
    package: str
    extra: str
    lowest: tuple[int, int]
    below: tuple[int, int]

    def check(self) -> None:
        """Check the version that is installed.

        Raises:
            MissingExtraError: None is.
            UsageError: It is outside the range.
        """
        try:
            installed = metadata.version(self.package)
        except metadata.PackageNotFoundError:
            raise MissingExtraError(f"the bridge to {self.title}", self.extra) from None
        self.refuse(installed)

    def refuse(self, installed: str) -> None:
        """Refuse a version outside the range.

        Args:
            installed: The version.

        Raises:
            UsageError: It is outside the range.
        """
        numbers = tuple(int(part) for part in installed.split(".")[:2] if part.isdecimal())
        if not self.lowest <= numbers < self.below:
            low, below = (".".join(map(str, version)) for version in (self.lowest, self.below))
            raise UsageError(
                f"the bridge to {self.title} is for {self.package} {low} up to, not including, {below}, and "
                f"{installed} is installed: pip install 'runwright[{self.extra}]'"
            )


AX = Supported("Ax", "ax-platform", "ax", (1, 3), (1, 4))
SMAC = Supported("SMAC", "smac", "smac", (2, 2), (2, 5))
