"""Takes one experiment to its end while it kills what runs it: ``python -m tests.torture.kills_lane CASE`` (JSON).

A process of its own, so that it can be the subreaper of everything that the experiment starts: whatever lives at the
end is seen, however it hides, and nothing else can be hit. It prints what it did as one JSON line, and ends, killing
what is left, when its standard input ends.

The moments: at the start of a driver's life after a random time; later, after a random number of things that happened
in the journal, in the control folders of attempts, or in the evidence, and a random part of a millisecond. So kills
fall where something goes on, not where everybody sleeps.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.clock import monotonic
from tests.torture.kills_case import Case, Done
from tests.torture.kills_linux import Happenings, Process, become_subreaper, descendants, send, wait

if TYPE_CHECKING:
    from tests.torture.kills_case import Roles

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 0.5
"""For how long a driver starts, until it is known of this case."""
START_PATIENCE = 15.0
IDLE_PATIENCE = 1.0
CASE_PATIENCE = 240.0
END_PATIENCE = 6.0
ZOMBIE_SECONDS = 2.0
FAILED_LIVES = 3


class Lane:
    """The executioner.

    Args:
        case: What it is about.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self._random = random.Random(f"{case.kind} {case.seed}")
        self._done = Done()
        self._driver = self._pidfd = -1
        self._status: int | None = None
        self._roles: Roles = ()
        self._start_seconds = START_SECONDS
        self._unreaped: dict[tuple[int, int], float] = {}
        folder = Path(case.folder)
        for name in ("run", "evidence"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._words = folder / "drivers.log"
        # Of a peer's files only its evaluations' evidence says that something of interest goes on.
        self._happenings = Happenings([folder / "evidence"] if case.peer else [folder / "run", folder / "evidence"])

    def run(self) -> Done:
        """Start drivers and kill until one comes to its end; then see what is left."""
        began = monotonic()
        while not self._done.ended and monotonic() - began < CASE_PATIENCE:
            self._live()
            if len(self._done.failed_lives) >= FAILED_LIVES:
                break
        self._see_the_end()
        self._done.seconds = monotonic() - began
        return self._done

    # A driver's life.

    def _live(self) -> None:
        """Let one driver live until it ends or is killed."""
        self._start()
        fresh = True
        while self._status is None:
            if self._done.kills.total() >= self._case.kills:
                self._watch(CASE_PATIENCE)
                break
            self._await_moment(fresh=fresh)
            fresh = False
            if self._status is None:
                self._strike()
        os.close(self._pidfd)
        if self._status is None:
            os.kill(self._driver, signal.SIGKILL)  # it hangs
            self._done.failed_lives.append(f"it did not end within {CASE_PATIENCE:g} s")
        elif self._status == 0:
            self._done.ended = True
        elif os.waitstatus_to_exitcode(self._status) != -signal.SIGKILL:
            said = self._words.read_text(errors="replace").strip()[-600:]
            self._done.failed_lives.append(f"status {os.waitstatus_to_exitcode(self._status)}: {said}")
        else:
            self._down()

    def _start(self) -> None:
        self._status = None
        out = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        actions = [(os.POSIX_SPAWN_OPEN, fd, str(self._words), out, 0o644) for fd in (1, 2)]
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        env = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
        command = self._case.command()
        self._driver = os.posix_spawn(command[0], command, env, file_actions=actions)
        self._pidfd = os.pidfd_open(self._driver)
        self._done.lives += 1

    def _await_moment(self, *, fresh: bool) -> None:
        draw = self._random
        if fresh and draw.random() < (0.1 if self._case.peer else 0.25):
            self._watch(draw.uniform(0.0, self._start_seconds))
            return
        most = 60 if self._case.kind == "simulated" else 8
        needed = 1 + int(most * draw.random() ** 2)
        began = monotonic()
        until = began + (START_PATIENCE if fresh else IDLE_PATIENCE)
        while needed > 0 and self._status is None and monotonic() < until:
            self._watch(until - monotonic(), stop_at_news=True)
            news = self._happenings.take()
            needed -= news
            if news:
                until = monotonic() + IDLE_PATIENCE
            if news and fresh:
                fresh, self._start_seconds = False, monotonic() - began
        self._watch(draw.choice((0.0, 0.0, draw.uniform(0.0, 0.001), draw.uniform(0.0, 0.01))))

    def _watch(self, seconds: float, *, stop_at_news: bool = False) -> None:
        """Wait until the driver ends, for some time, or for news."""
        until = monotonic() + seconds
        while self._status is None and (left := until - monotonic()) > 0:
            watched = [self._pidfd, self._happenings.fileno(), sys.stdin.fileno()]
            ready = wait(watched, min(left, 0.5))
            self._reap()
            self._leave_if_abandoned(ready)
            if self._happenings.fileno() in ready:
                if stop_at_news:
                    return
                self._happenings.take()

    def _reap(self) -> None:
        """Reap whoever has become our child; note the end of the driver."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._driver:
                self._status = status

    def _leave_if_abandoned(self, ready: list[int]) -> None:
        if sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 1):
            self._end_all()
            sys.exit(1)

    # The kills.

    def _strike(self) -> None:
        """Kill, if who is to be killed is there; else they are killed at a later moment. A driver always is."""
        if not self._roles:
            weights = self._case.victims()
            self._roles = self._random.choices(list(weights), list(weights.values()))[0]
        there: dict[str, list[Process]] = {}
        if self._roles != ("driver",):
            there = self._who_is_there()
            self._look_for_zombies(there)
            if not any(there[role] for role in self._roles if role != "driver"):
                return  # perhaps at the next moment
        for role in sorted(self._roles, key="driver".__eq__):
            if role == "driver":
                self._count_followerless()
                self._kill(Process(self._driver, "", "", 0, -1), "driver")
                self._await_death()
            elif there[role]:
                self._kill(self._random.choice(there[role]), role)
        self._roles = ()

    def _kill(self, victim: Process, role: str) -> None:
        if role == "driver":
            os.kill(victim.pid, signal.SIGKILL)  # our own child, not reaped: the pid is its own
        elif not send(victim, signal.SIGKILL):
            return
        self._done.kills[role] += 1
        self._done.struck.setdefault(role, []).append(victim.pid)

    def _await_death(self) -> None:
        while self._status is None:
            wait([self._pidfd], 10.0)
            self._reap()

    def _count_followerless(self) -> None:
        """Count evaluations that nobody will follow once the driver is dead: those that a peer started itself."""
        if self._case.peer:
            below = descendants(os.getpid())
            self._done.followerless += sum(process.parent == self._driver for process in below if process.state != "Z")

    def _who_is_there(self) -> dict[str, list[Process]]:
        found: dict[str, list[Process]] = {"launcher": [], "supervisor": [], "program": [], "zombie": []}
        below = descendants(os.getpid())
        names = {process.pid: process.name for process in below}
        for process in below:
            parent = names.get(process.parent, "")
            if process.state == "Z":
                found["zombie"].append(process)
            elif parent == "rw-supervisor":  # whatever it is called: a preloaded one never takes another name
                found["program"].append(process)
            elif process.name == "rw-supervisor" or (process.name == parent == "rw-launcher"):
                found["supervisor"].append(process)
            elif process.name == "rw-launcher" or process.parent == self._driver:
                found["launcher"].append(process)
        return found

    def _look_for_zombies(self, there: dict[str, list[Process]]) -> None:
        now = monotonic()
        seen = {(process.pid, process.began): process for process in there["zombie"] if process.parent != os.getpid()}
        self._unreaped = {key: self._unreaped.get(key, now) for key in seen}
        for key, since in self._unreaped.items():
            if now - since > ZOMBIE_SECONDS:
                self._done.zombies.append(f"{seen[key].name} {key}")
                self._unreaped[key] = float("inf")

    def _down(self) -> None:
        """Let some time pass without a driver, or none; sometimes somebody else dies in it."""
        draw = self._random
        pause = draw.choice((0.0, 0.0, draw.uniform(0.0, 0.05), draw.uniform(0.05, 0.25)))
        if not pause:
            return
        if len(self._case.victims()) > 1 and draw.random() < 0.3:
            there = self._who_is_there()
            role = draw.choice(("supervisor", "launcher", "program"))
            if there[role]:
                self._kill(draw.choice(there[role]), role)
        until = monotonic() + pause
        while (left := until - monotonic()) > 0:
            self._leave_if_abandoned(wait([sys.stdin.fileno()], left))
            self._reap()

    # The end.

    def _see_the_end(self) -> None:
        """Wait for what is still ending; what is then left is a survivor, and is ended."""
        until = monotonic() + END_PATIENCE
        while (left := descendants(os.getpid())) and monotonic() < until:
            self._reap()
            wait([], 0.02)
        self._done.survivors = [f"{process.name} {process.pid} ({process.state})" for process in left]
        self._end_all()

    def _end_all(self) -> None:
        while left := descendants(os.getpid()):
            for process in left:
                send(process, signal.SIGKILL)
            self._reap()
            wait([], 0.005)


def main() -> None:
    """Take the case of the command line to its end."""
    become_subreaper()
    body: dict[str, Any] = json.loads(sys.argv[1])
    print(json.dumps(vars(Lane(Case(**body)).run())), flush=True)


if __name__ == "__main__":
    main()
