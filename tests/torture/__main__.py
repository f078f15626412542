"""python -m tests.torture [SECTION ...] [--short] [--seed N] [--only CASE] [--markdown FILE]: print the figures.

With ``--markdown`` the figures are added to a file as the tables that ``docs/reliability.md`` shows.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

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
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="add the figures to this file, a table a section")
    given = parser.parse_args()
    for unknown in set(given.sections) - SECTIONS.keys():
        parser.error(f"there is no section {unknown!r}; there are {', '.join(SECTIONS)}")
    scale = Scale(full=not given.short, seed=given.seed, only=given.only)
    bad = 0
    for name in given.sections or SECTIONS:
        began = time.monotonic()
        print(f"\n{name}: {SECTIONS[name]}", flush=True)
        figures = importlib.import_module(f"tests.torture.{name}").run(scale)
        for figure in figures:
            bad += not figure.holds
            print(line(name, figure), flush=True)
        seconds = time.monotonic() - began
        print(f"  ({seconds:.0f} s)", flush=True)
        if given.markdown is not None:
            with given.markdown.open("a", encoding="utf-8") as file:
                file.write(table(name, figures, seconds))
    return 1 if bad else 0


def line(section: str, figure: Figure) -> str:
    """Return a figure as a line, with a line for each case in which it did not hold."""
    asked = f"   asked: {figure.asked}" if figure.asked else ""
    beside = f"   beside: {figure.beside}" if figure.beside else ""
    mark = "" if figure.holds else "   <-- NOT AS ASKED"
    lines = [f"  {figure.name:60} {figure.value:>12}  over {figure.count:,}{asked}{beside}{mark}"]
    lines += [f"      python -m tests.torture {section} --only {failure!r}" for failure in figure.failures[:20]]
    return "\n".join(lines)


def table(section: str, figures: list[Figure], seconds: float) -> str:
    """Return the figures of a section as a table in Markdown."""
    beside = any(figure.beside for figure in figures)
    heads = ["figure", "measured", "asked", "over", *(["beside"] if beside else [])]
    rows = [
        [figure.name, figure.value + ("" if figure.holds else " (**not as asked**)"), figure.asked, f"{figure.count:,}"]
        + ([figure.beside] if beside else [])
        for figure in figures
    ]
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows)]
    what = f"{section}: {SECTIONS[section]}"
    return f"\n### {what[0].upper()}{what[1:]}\n\n" + "\n".join(lines) + f"\n\n{seconds:.0f} s.\n"


if __name__ == "__main__":
    sys.exit(main())
