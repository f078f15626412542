"""A disk that fails: the plan that `disk_shim.c` follows, and the compiler that makes it."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path

SOURCE = Path(__file__).with_name("disk_shim.c")
VARIABLE = "RUNWRIGHT_TORTURE_DISK"
_PLAN = struct.Struct("=4i4q2i1000s1000s200s")


class Role(IntFlag):
    """Whose calls fail."""

    DRIVER = 1
    LAUNCHER = 2
    SUPERVISOR = 4


@dataclass(frozen=True)
class Fault:
    """What fails.

    Attributes:
        error: Name of the error, ``ENOSPC`` or ``EIO``.
        stays: Whether all that follows fails too: the disk is full (what is there can be written over), or dead.
        role: Whose calls.
        at: Number of the passage, from 0.
    """

    error: str
    stays: bool
    role: Role
    at: int

    def __str__(self) -> str:
        role = self.role.name or ""
        return f"{role.lower()} {self.error} {'stays' if self.stays else 'once'} at {self.at}"

    @classmethod
    def of(cls, text: str) -> Fault:
        """Return the fault that a text begins with."""
        role, error, stays, _, at = text.partition(":")[0].split()
        return cls(error, stays == "stays", Role[role.upper()], int(at))


def compiled(folder: Path) -> Path | None:
    """Compile the shim; None where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    made = folder / "disk_shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", made, SOURCE, "-ldl"], check=True)
    return made


class Plan:
    """What fails, shared with all processes under the shim.

    Args:
        path: The file; made here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(_PLAN.size))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 0)

    def fail(self, fault: Fault, below: Path) -> None:
        """Let a fault happen below a folder."""
        number = getattr(errno, fault.error)
        self._put(number, fault.stays, fault.role, fault.at, below=below)

    def watch(self, role: Role, below: Path, trace: Path) -> None:
        """Let nothing fail, and write down each passage."""
        self._put(0, stays=False, role=role, at=0, below=below, trace=trace)

    def jump(self, seconds: int) -> None:
        """Let the clock of the day be off by up to so many seconds, another number at each look."""
        self._put(0, stays=False, role=Role(0), at=0, jump=seconds)

    def clear(self) -> None:
        """Let nothing fail any more."""
        self._put(0, stays=False, role=Role(0), at=0)

    def _put(
        self,
        error: int,
        stays: bool,
        role: Role,
        at: int,
        *,
        below: Path | str = "",
        trace: Path | str = "",
        jump: int = 0,
    ) -> None:
        texts = [str(text).encode() for text in (below, trace)]
        self._shared[:] = _PLAN.pack(error, stays, role, 0, at, 0, 0, jump, bool(trace), 0, *texts, b"")

    def failed(self) -> int:
        """Return how many calls have failed."""
        return int(_PLAN.unpack(self._shared[:])[6])

    def label(self) -> str:
        """Return the call that failed first."""
        text: bytes = _PLAN.unpack(self._shared[:])[-1]
        return text.rstrip(b"\0").decode(errors="replace")


def announce_driver() -> None:
    """Say that this process is the driver that the plan is about; without a plan, say nothing."""
    path = os.environ.get(VARIABLE)
    if path is not None:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        os.pwrite(fd, struct.pack("=i", os.getpid()), 12)
        os.close(fd)
