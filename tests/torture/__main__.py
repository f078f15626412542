"""python -m tests.torture [SECTION ...] [--short] [--seed N] [--only CASE]: run sections and print their figures."""

from __future__ import annotations

import argparse
import importlib
import sys
import time

from tests.torture.figures import Figure, Scale

SECTIONS = {
    "points": "a death at every passage of every seam of driver, launcher and supervisor",
    "kills": "deaths at random moments of drivers, launchers, supervisors and workers; Optuna beside",
    "trees": "process trees that do not want to die",
    "limits": "time, memory and output, with and without a driver",
    "disk": "faults of disk, data and clock",
    "campaigns": "seeded campaigns in simulated time with every fault, judged by an independent checker",
    "planted": "faults of order and durability that were put in on purpose, and who sees them",
}


def main() -> int:
    """Run the named sections; 1 where a figure is not as asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--short", action="store_true", help="the short form that make test runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one case, as a failure printed it")
    given = parser.parse_args()
    for unknown in set(given.sections) - SECTIONS.keys():
        parser.error(f"there is no section {unknown!r}; there are {', '.join(SECTIONS)}")
    scale = Scale(full=not given.short, seed=given.seed, only=given.only)
    bad = 0
    for name in given.sections or SECTIONS:
        began = time.monotonic()
        print(f"\n{name}: {SECTIONS[name]}", flush=True)
        for figure in importlib.import_module(f"tests.torture.{name}").run(scale):
            bad += not figure.holds
            print(line(name, figure), flush=True)
        print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    return 1 if bad else 0


def line(section: str, figure: Figure) -> str:
    """Return a figure as a line, with a line for each case in which it did not hold."""
    asked = f"   asked: {figure.asked}" if figure.asked else ""
    beside = f"   beside: {figure.beside}" if figure.beside else ""
    mark = "" if figure.holds else "   <-- NOT AS ASKED"
    lines = [f"  {figure.name:60} {figure.value:>12}  over {figure.count:,}{asked}{beside}{mark}"]
    lines += [f"      python -m tests.torture {section} --only {failure!r}" for failure in figure.failures[:20]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
