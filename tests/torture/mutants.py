"""python -m tests.torture.mutants [MODULE ...] [--most N] [--seed N] [--page FILE]: are the checks able to see?

mutmut makes small faults, mutants, of the modules that everything hangs on; a mutant that no test notices survives.
Modules are those of `mutants_groups`, by their names (``runwright.state``); of each at most N mutants are tried, a
sample that is drawn by the seed. All work is done on a copy, in a folder of its own.

mutmut runs mutants in forks of one process. Launchers, supervisors and drivers are processes of their own, some without
site-packages: for them `mutants_shim` stands in for what mutated code imports.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.torture.mutants_groups import GROUPS, Group
from tests.torture.planted_alone import end_descendants

ROOT = Path(__file__).parents[2]
MOST = 150
_CHILDREN = 2
_TRIES = 5
_OUTSIDE = 34  # mutmut's word for a mutant that is not tried
_STATUS = {0: "survived", 5: "survived", 33: "survived", None: "not tried", _OUTSIDE: "not tried"}
"""By the exit code of the tests; a mutant that no test meets has survived. Any other code: something noticed it."""
_PYTEST = ("-p", "tests.torture.mutants_plugin", "-p", "no:cacheprovider")
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_ORPHAN_AGE = 120.0
"""Seconds after which what a mutated process has left behind is ended."""


@dataclass(frozen=True)
class Tried:
    """What came of a mutant.

    Attributes:
        name: mutmut's name for it.
        module: Where it is.
        caught: Whether a test noticed it.
        diff: What it changes; of survivors only.
    """

    name: str
    module: str
    caught: bool
    diff: str = ""


class Bench:
    """A copy of the sources and the tests in which one group is tried.

    Args:
        group: The group.
        modules: Those of its modules that are meant.
        folder: Where the copy is made.
    """

    def __init__(self, group: Group, modules: list[str], folder: Path) -> None:
        self._group = group
        self._modules = modules
        first = group.any_of.rpartition(".")[0]
        self._beside = [] if first in modules else [first]  # mutmut begins with something there
        self._folder = folder
        self._env = {
            **os.environ,
            "MUTANTS_MET": str(folder / "met"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
        }

    def run(self, most: int, seed: int) -> list[Tried]:
        """Try mutants; return what came of each that was tried.

        In a folder that was kept only the survivors are tried again, by the tests of today.
        """
        again = (self._folder / "mutants").exists()
        self._copy()
        if not again:
            self._mutmut("run", f"{self._group.any_of}* --max-children={_CHILDREN}")
            for module in self._beside:
                self._sample(module, 1, seed, again=False)
        for module in self._modules:
            self._sample(module, most, seed, again=again)
        self._mutmut("run", f"--max-children={_CHILDREN}")
        return [tried for module in self._modules for tried in self._results(module)]

    def _copy(self) -> None:
        for name in ("src", "tests"):
            left_out = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, self._folder / name, ignore=left_out, dirs_exist_ok=True)
        tests = [test for test in self._group.tests if (ROOT / test.partition("::")[0]).exists()]
        settings = {
            "source_paths": ["src"],
            "only_mutate": [str(_source(module)) for module in (*self._modules, *self._beside)],
            "pytest_add_cli_args_test_selection": tests,
            "pytest_add_cli_args": [*_PYTEST, *(f"--deselect={test}" for test in self._group.but)],
            "timeout_multiplier": 5.0,
            "timeout_constant": 6.0,
            "process_isolation": "forkserver",  # children of tests are none of the workers
            "track_dependencies": False,
            "use_git_change_detection": False,
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        text = (ROOT / "pyproject.toml").read_text("utf-8")
        (self._folder / "pyproject.toml").write_text(f"{text}\n[tool.mutmut]\n" + "\n".join(lines) + "\n", "utf-8")
        shim = self._folder / "mutants/src/mutmut/mutation/trampoline.py"
        shim.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(__file__).with_name("mutants_shim.py"), shim)
        for package in (shim.parents[1], shim.parent):
            (package / "__init__.py").touch()  # else another mutmut, further behind on the path, would be preferred

    def _mutmut(self, *arguments: str) -> str:
        """Run a command of mutmut with each of some arguments, again where the machine was too full for it.

        What it leaves behind is ended meanwhile.
        """
        code = (
            "import os, sys; from mutmut.__main__ import cli; "
            f"os.environ['PYTHONPATH'] = {str(self._folder / 'mutants/src')!r}; "
            "[cli.main([sys.argv[1], *words.split()], standalone_mode=False) for words in sys.argv[2:]]"
        )
        log = self._folder / "mutmut.log"
        for _ in range(_TRIES):
            with log.open("w+") as out:
                process = subprocess.Popen(
                    [sys.executable, "-c", code, *arguments], cwd=self._folder, env=self._env, stdout=out, stderr=out
                )
                try:
                    while process.poll() is None:
                        _end_orphans(process.pid, _ORPHAN_AGE)
                        time.sleep(1.0)
                finally:
                    end_descendants()  # also where somebody presses Ctrl-C
            said = log.read_text(errors="replace")
            if process.returncode == 0:
                return said
            if "Resource temporarily unavailable" not in said:
                break
        raise SystemExit(f"mutmut {' '.join(arguments)} failed:\n{said[-5000:]}")

    def _sample(self, module: str, most: int, seed: int, *, again: bool) -> None:
        """Mark what is outside of the sample as not to be tried; or what survived as to be tried again."""
        file = self._meta(module)
        body = json.loads(file.read_text())
        if again:
            for name, code in body["exit_code_by_key"].items():
                if _STATUS.get(code) == "survived":
                    body["exit_code_by_key"][name] = None
            file.write_text(json.dumps(body))
            return
        names = sorted(name for name, code in body["exit_code_by_key"].items() if code is None)
        wanted = max(0, most - (len(body["exit_code_by_key"]) - len(names))) if most else len(names)
        for name in random.Random(f"{seed} {module}").sample(names, max(0, len(names) - wanted)):
            body["exit_code_by_key"][name] = _OUTSIDE
        file.write_text(json.dumps(body))

    def _results(self, module: str) -> list[Tried]:
        codes = json.loads(self._meta(module).read_text())["exit_code_by_key"]
        survivors = [name for name, code in codes.items() if _STATUS.get(code) == "survived"]
        diffs = self._mutmut("show", *survivors).split("\n# ") if survivors else []
        diff_of = dict(zip(survivors, diffs, strict=True))
        found = [
            Tried(name, module, name not in diff_of, diff_of.get(name, ""))
            for name, code in codes.items()
            if _STATUS.get(code) != "not tried"
        ]
        print(f"  {module}: {len(found)} of {len(codes)} mutants tried", flush=True)
        return found

    def _meta(self, module: str) -> Path:
        return self._folder / "mutants" / f"{_source(module)}.meta"


def _source(module: str) -> Path:
    return Path("src", *module.split(".")).with_suffix(".py")


def _end_orphans(ours: int, age: float) -> None:
    """End children of ours, other than mutmut, that we have inherited and that are old enough; reap what has ended."""
    own = os.getpid()
    for pid in map(int, Path(f"/proc/{own}/task/{own}/children").read_text().split()):
        if pid == ours:
            continue
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        lives = time.monotonic() - int(fields[19]) / os.sysconf("SC_CLK_TCK")
        if fields[0] != "Z" and lives >= age:
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, os.WNOHANG if fields[0] != "Z" and lives < age else 0)


def table(tried: list[Tried]) -> str:
    """Return the counts, a line a module."""
    counts = Counter((one.module, one.caught) for one in tried)
    lines = ["| module | mutants | caught | survivors | caught |", "|---|---|---|---|---|"]
    for module in (*dict.fromkeys(one.module for one in tried), "all"):
        caught = sum(count for key, count in counts.items() if key[1] and module in (key[0], "all"))
        left = sum(count for key, count in counts.items() if not key[1] and module in (key[0], "all"))
        share = 100 * caught / max(1, caught + left)
        lines.append(f"| `{module}` | {caught + left} | {caught} | {left} | {share:.1f} % |")
    return "\n".join(lines)


def main() -> int:
    """Try mutants and print what came of them; 1 where less than 90 % were caught."""
    known = [module for group in GROUPS.values() for module in group.modules]
    parser = argparse.ArgumentParser(prog="python -m tests.torture.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(known))
    parser.add_argument("--most", type=int, default=MOST, help=f"mutants a module, 0 for all; default {MOST}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="work here, and keep it: the next time only survivors are tried")
    given = parser.parse_args()
    for unknown in set(given.modules) - set(known):
        parser.error(f"there is no module {unknown!r}; there are {', '.join(known)}")
    ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
    tried: list[Tried] = []
    for name, group in GROUPS.items():
        modules = [module for module in group.modules if not given.modules or module in given.modules]
        if not modules:
            continue
        print(f"{name}: {', '.join(modules)}", flush=True)
        folder = Path(tempfile.mkdtemp(prefix="mutants")) if given.keep is None else given.keep / name
        folder.mkdir(parents=True, exist_ok=True)
        tried += Bench(group, modules, folder).run(given.most, given.seed)
        if given.keep is None:
            shutil.rmtree(folder)
    for one in tried:
        if not one.caught:
            print(one.diff)
    print(table(tried))
    return int(sum(one.caught for one in tried) < 0.9 * len(tried))


if __name__ == "__main__":
    sys.exit(main())
