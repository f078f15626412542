"""Dead means dead: trees of processes that hide, refuse, multiply and hop are ended in every way there is.

What is looked for afterwards is what the product does not use: the bench is a subreaper, so that whatever is left
becomes its descendant; every process of a tree has signed a roll; and most carry a mark (`trees_watch.py`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from tests.torture.figures import Figure, Scale, zero
from tests.torture.trees_bench import Case

OTHER_USER = 65534
_ROOT = Path(__file__).resolve().parents[2]
_WAYS = {
    "command": (
        "stop",
        "limit",
        "leaves",
        "dead_stop",
        "dead_limit",
        "restart_stop",
        "supervisor_killed",
        "supervisor_and_driver_killed",
        "launcher_killed_stop",
        "launcher_killed_dead_stop",
        "outside_signal",
    ),
    "function": ("stop", "limit", "leaves", "dead_stop", "dead_limit", "restart_stop", "supervisor_killed"),
    "preload": ("stop", "limit", "dead_limit", "supervisor_and_driver_killed"),
    "pool": ("stop", "limit", "leaves", "dead", "supervisor_killed", "supervisor_and_driver_killed"),
}
_KINDS = ("command", "function", "command", "pool", "command", "preload", "command")
_PROMISED_AT_ONCE = 5.0
"""Seconds; how long the death of a tree may take in a test, on a busy machine."""


def run(scale: Scale) -> list[Figure]:
    """End trees, as this user and as another; two at a time."""
    cases = [Case.of(scale.only)] if scale.only else planned(scale)
    interpreter, why_not = interpreter_of_another()
    skipped = [case for case in cases if case.user == "other" and interpreter is None]
    lanes = [
        (sys.executable, None, [case for case in cases if case.user == "self"]),
        (interpreter or "", OTHER_USER, [case for case in cases if case.user == "other" and interpreter is not None]),
    ]
    with ThreadPoolExecutor(len(lanes)) as threads:
        found = [outcome for lane in threads.map(lambda lane: bench(*lane), lanes) for outcome in lane]
    figures = judged([outcome for outcome in found if not outcome["case"].startswith("all_killed/")])
    figures += told([outcome for outcome in found if outcome["case"].startswith("all_killed/")])
    if skipped:
        figures.append(Figure("trees as another user", "skipped", len(skipped), why_not))
    return figures


def planned(scale: Scale) -> list[Case]:
    """Return the cases: every way through every runner, in turn, with one tree each."""
    count, lost = (240, 20) if scale.full else (20, 1)
    turns = dict.fromkeys(_WAYS, scale.seed)
    cases = []
    for number in range(count):
        kind = _KINDS[number % len(_KINDS)]
        way = _WAYS[kind][turns[kind] % len(_WAYS[kind])]
        turns[kind] += 1
        cases.append(Case(way, kind, ("self", "other")[number % 2], number + 1000 * scale.seed))
    cases += [Case("all_killed", "command", ("self", "other")[number % 2], number) for number in range(lost)]
    return cases


def bench(interpreter: str, user: int | None, cases: list[Case]) -> list[dict[str, Any]]:
    """Run cases one after the other in a process of their own."""
    if not cases:
        return []
    command = [interpreter, "-m", "tests.torture.trees_bench"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT, **_as(user)
    )
    answers, _ = process.communicate("".join(f"{case.name}\n" for case in cases))
    found: list[dict[str, Any]] = [json.loads(line) for line in answers.splitlines()]
    silent = {case.name for case in cases} - {outcome["case"] for outcome in found}
    nothing: dict[str, Any] = {"survivors": [], "early": [], "phase": None, "processes": 0}
    return found + [{"case": name, **nothing, "trouble": "the bench died"} for name in sorted(silent)]


def _as(user: int | None) -> dict[str, Any]:
    """Return the arguments that start a Python which finds what this one finds, as a user."""
    path = os.pathsep.join([str(_ROOT), str(_ROOT / "src"), *(entry for entry in sys.path if "-packages" in entry)])
    env = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    if user is None:
        return {"env": env}
    return {"env": {**env, "HOME": "/"}, "user": user, "group": user, "extra_groups": ()}


def interpreter_of_another() -> tuple[str | None, str]:
    """Return an interpreter that another user can start, or None and why there is none."""
    if os.geteuid() != 0:
        return None, "only root can be another user"
    for name in (sys.executable, f"python3.{sys.version_info.minor}", "/usr/bin/python3"):
        path = shutil.which(name)
        code = "import tests.torture.trees_bench, click"
        if path is not None:
            try:
                done = subprocess.run(
                    [path, "-c", code], capture_output=True, cwd=_ROOT, check=False, **_as(OTHER_USER)
                )
            except PermissionError:
                continue  # it lies in somebody's home
            if done.returncode == 0:
                return path, ""
    return None, "there is no Python that another user can start"


def judged(found: list[dict[str, Any]]) -> list[Figure]:
    """Return the figures of what is promised."""

    def named(key: str) -> list[str]:
        return [outcome["case"] for outcome in found if outcome[key]]

    for outcome in found:
        if outcome["survivors"] or outcome["early"] or outcome["trouble"]:
            print(f"  {outcome}", file=sys.stderr)
    others = sum("/other/" in outcome["case"] for outcome in found)
    figures = [
        zero(f"trees with a survivor ({others} of them another user's)", named("survivors"), len(found)),
        zero("trees of which a process lived when the end was recorded", named("early"), len(found)),
        zero("drivers that did not come to their end", named("trouble"), len(found)),
        Figure("processes that signed", f"{sum(outcome['processes'] for outcome in found):,}", len(found)),
    ]
    phases = {
        "from the program's end to its tree dead and recorded": [o for o in found if "supervisor" not in o["case"]],
        "from the supervisor's death to its tree dead": [o for o in found if "supervisor" in o["case"]],
    }
    return figures + [_phase(name, outcomes) for name, outcomes in phases.items() if outcomes]


def _phase(name: str, found: list[dict[str, Any]]) -> Figure:
    seconds = {outcome["case"]: outcome["phase"] for outcome in found if outcome["phase"] is not None}
    if not seconds:
        return Figure(name, "-", 0)
    late = tuple(case for case, taken in seconds.items() if taken > _PROMISED_AT_ONCE)
    value = f"{median(seconds.values()) * 1000:.0f} ms"
    most = f"at the most {_PROMISED_AT_ONCE:g} s; the longest {max(seconds.values()) * 1000:.0f} ms"
    return Figure(f"{name}, median", value, len(seconds), most, not late, failures=late)


def told(found: list[dict[str, Any]]) -> list[Figure]:
    """Return the figure of what is not promised: supervisor and launcher killed at once."""
    if not found:
        return []
    left = sum(bool(outcome["survivors"]) for outcome in found)
    return [Figure("trees with a survivor, supervisor and launcher both killed", str(left), len(found))]
