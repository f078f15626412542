"""Who notices a planted fault: a named test for those in the sources, the judge of campaigns for the others."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.torture.campaigns import campaign
from tests.torture.figures import Figure, Scale, zero
from tests.torture.planted import PLANTED
from tests.torture.planted_source import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.torture.planted_fault import Fault

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/runwright"
CAMPAIGNS = 400
"""So many campaigns find every fault that they are asked to find."""
QUICK = 8
"""So many faults in the sources are tried in the short form."""
_AT_ONCE = 2
_FAILED = 1  # what pytest says when a test fails; other words are trouble


class StaleFaultError(Exception):
    """The sources have changed, and the fault is none any more."""


def source_with(fault: Fault) -> str:
    """Return the text of a file in which a fault stands.

    Raises:
        StaleFaultError: What it changes does not stand there exactly once.
    """
    text = (PACKAGE / fault.file).read_text("utf-8")
    for old, new in fault.edits.items():
        if text.count(old) != 1:
            raise StaleFaultError(f"{fault.file} has {text.count(old)} times {old!r}")
        text = text.replace(old, new)
    return text


def tests_with(fault: Fault | None, tests: Iterable[str]) -> tuple[int, str]:
    """Run tests over a copy of the sources with a fault; return what pytest says: 1 where a test fails."""
    with tempfile.TemporaryDirectory(prefix="planted") as folder:
        copy = Path(folder, "src")
        shutil.copytree(PACKAGE, copy / "runwright", ignore=shutil.ignore_patterns("__pycache__"))
        if fault is not None:
            (copy / "runwright" / fault.file).write_text(source_with(fault), "utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "tests.torture.planted_alone", str(copy), *tests],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    return done.returncode, done.stdout + done.stderr


def seen_in_source(name: str) -> bool:
    """Say whether the test that must notice a fault does; a fault by which nothing can be imported is none."""
    code, said = tests_with(FAULTS[name], [FAULTS[name].seen_by])
    if code not in (0, _FAILED):
        print(f"    {name}: pytest ended with {code}:\n{said[-2000:]}", flush=True)
    return code == _FAILED


def seen_by_campaigns(name: str) -> bool:
    """Say whether the judge of campaigns notices a fault."""
    with PLANTED[name]():
        return any(campaign(seed).complaints for seed in range(CAMPAIGNS))


def _unseen(names: list[str], seen: Callable[[str], bool], at_once: int) -> list[str]:
    with ThreadPoolExecutor(at_once) as pool:
        return [name for name, found in zip(names, pool.map(seen, names), strict=True) if not found]


def run(scale: Scale) -> list[Figure]:
    """Run the section."""
    wanted = [name for name in (*FAULTS, *PLANTED) if scale.only in (None, name)]
    sources = [name for name in wanted if name in FAULTS]
    others = [name for name in wanted if name in PLANTED and (scale.full or scale.only)]
    if not scale.full and scale.only is None:
        quick = [name for name in sources if not FAULTS[name].slow]
        first = scale.seed * QUICK % len(quick)
        sources = (quick + quick)[first : first + QUICK]
    tests = sorted({FAULTS[name].seen_by for name in sources})
    code, said = tests_with(None, tests) if tests else (0, "")
    if code:
        print(said[-4000:], flush=True)
    return [
        zero("tests that fail without any fault", tests if code else [], len(tests)),
        zero("faults in the sources that nobody sees", _unseen(sources, seen_in_source, _AT_ONCE), len(sources)),
        zero("faults that the judge of campaigns does not see", _unseen(others, seen_by_campaigns, 1), len(others)),
    ]


def table() -> str:
    """Return who sees which fault, as lines of a table; `run` shows that it is so."""
    lines = ["| fault | what is wrong | where | seen by |", "|---|---|---|---|"]
    for name, fault in FAULTS.items():
        file, _, test = fault.seen_by.partition("::")
        lines.append(f"| `{name}` | {fault.says} | `{fault.file}` | `{Path(file).name}`: {test} |")
    for name, plant in PLANTED.items():
        says = (plant.__doc__ or "").splitlines()[0].rstrip(".")
        lines.append(f"| `{name}` | {says[0].lower()}{says[1:]} | the engine at work | the judge of campaigns |")
    return "\n".join(lines)
