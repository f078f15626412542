"""A run directory in the hands of one driver: what `Scheduler` and `TrialQueue` open, turn, wait on and close alike."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from runwright import events as ev
from runwright import mailbox
from runwright.clock import SystemClock, VirtualClock, Waker, monotonic
from runwright.errors import ExperimentChangedError, UsageError
from runwright.folder import JOURNAL, DirectoryLock, check_no_trials, check_writable
from runwright.journal import MemoryJournal, SqliteJournal
from runwright.journal.files import is_new
from runwright.loop import history
from runwright.loop.engine import Engine
from runwright.loop.lost import note_lost
from runwright.loop.recorder import Recorder
from runwright.loop.requests import Requests
from runwright.runner import RunContext
from runwright.state import State
from runwright.status import StopReason

if TYPE_CHECKING:
    from runwright.clock import Clock
    from runwright.experiment import Experiment
    from runwright.journal import Journal
    from runwright.loop.policy import Policy
    from runwright.optimizer import Optimizer
    from runwright.result import Json
    from runwright.runner import Runner

Sync: TypeAlias = Literal["full", "normal"]
LOOK_FOR_REQUESTS_EVERY = 1.0
"""Seconds between two looks into the mailbox where no wake-up came (a file system without named pipes)."""
DEFINITION_ROW = 1
"""Row of the journal that says which runner an experiment has: `ExperimentStarted` is always the first event."""
_SHOWN = 5


class Session:
    """One driver's life with an experiment, from opening to closing.

    It goes on from where the last driver ended: folds the journal, brings the optimizer to where it stood, opens the
    runner.

    Args:
        experiment: What is optimised.
        optimizer: Proposes points.
        runner: Executes trials.
        policy: How many, how often, how long.
        directory: Run directory, made where it does not exist; None: everything stays in memory.
        clock: Time; the runner's kind of time where not given.
        journal: Where events go; ``DIR/journal.sqlite`` or memory where not given.
        sync: See `Scheduler`.

    Attributes:
        experiment: The experiment, as it was recorded first.
        state: The experiment as its events tell it.
        engine: Turns.

    Raises:
        UsageError: The parts do not fit together; nothing was started.
        DirectoryInUseError: Another driver works in the directory.
        JournalError: The journal is damaged or of a later version; it was left untouched.
    """

    def __init__(
        self,
        experiment: Experiment,
        optimizer: Optimizer,
        runner: Runner,
        policy: Policy,
        *,
        directory: Path | str | None = None,
        clock: Clock | None = None,
        journal: Journal | None = None,
        sync: Sync | None = None,
    ) -> None:
        self.experiment = experiment
        self.runner = runner
        self.clock = clock or (VirtualClock() if runner.traits.simulated else SystemClock())
        self.state = State()
        try:
            self._directory = None if directory is None else Path(directory).absolute()
        except FileNotFoundError:
            raise UsageError(
                f"{directory!s:.300}: the current folder has been removed; change to another, or give the whole path"
            ) from None
        self._lock: DirectoryLock | None = None
        self._own_journal: Journal | None = None
        self._waker: Waker | None = None
        self._runner_opened = False
        self._closed = False
        self._next_look = 0.0
        try:
            check_sync(sync, directory, journal)
            self._take_directory()
            self.journal = self._open_journal(sync) if journal is None else journal
            self._go_on(optimizer, policy)
        except BaseException:
            self.close()
            raise

    # Opening.

    def _take_directory(self) -> None:
        if self._directory is None:
            return
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{self._directory!s:.300}: cannot be made ({error.strerror})") from None
        except RecursionError:  # `mkdir` calls itself for each folder above
            raise UsageError(f"{self._directory!s:.300}: cannot be made (it is nested too deep)") from None
        self._lock = DirectoryLock(self._directory)
        check_writable(self._directory)

    def _open_journal(self, sync: Sync | None) -> Journal:
        if self._directory is None:
            self._own_journal = MemoryJournal()
        else:
            # A transaction whose effect outlives the machine's fall must outlive it too.
            full = sync == "full" if sync else self.runner.traits.survives_driver
            path = self._directory / JOURNAL
            if is_new(path):
                self._check_not_lost()  # before one is made
            self._own_journal = SqliteJournal(path, synchronous="FULL" if full else "NORMAL")
        return self._own_journal

    def _go_on(self, optimizer: Optimizer, policy: Policy) -> None:
        """Bring everything to where the last driver ended; open the runner."""
        definition = self._definition(optimizer)
        past = history.fold(self.state, self.journal.read(), history=optimizer.rebuild != "stateless")
        recorded = self.state.experiment
        if recorded is None:
            self._check_not_lost()
        else:
            check_unchanged(self.state, definition, str(self._directory or "the journal"))
            self.experiment = recorded  # its parameters in their first order, on which suggestions hang
        optimizer.setup(self.experiment)
        self.clock.start_at(self.state.last_time)
        self.waker = self._waker = Waker() if self._directory is None else mailbox.open_waker(self._directory)
        self._runner_opened = True
        self.runner.open(RunContext(self.experiment, self._directory, self.clock, policy.limits))
        self.recorder = Recorder(self.state, self.journal, self.clock)
        self.engine = Engine(self.recorder, self.runner, optimizer, policy, self.waker)
        self._requests = None if self._directory is None else Requests(self._directory, self.engine)
        if recorded is None:
            self.recorder.record(ev.ExperimentStarted(self.clock.now(), definition))
        elif past:
            restored = optimizer.restore(past)
            self.recorder.record(ev.OptimizerRebuilt(self.clock.now(), restored.exact, restored.reason))
        self.runner.db_id = DEFINITION_ROW

    def _definition(self, optimizer: Optimizer) -> Json:
        runner = self.runner
        return {
            "format": 1,
            "experiment": self.experiment.to_dict(),
            "runner": {
                "type": type(runner).__name__,
                "report_keys": runner.run_metadata_report_keys,
                "simulated": isinstance(self.clock, VirtualClock),
            },
            "optimizer": optimizer.describe(),
        }

    def _check_not_lost(self) -> None:
        if self._directory is not None:
            check_no_trials(self._directory)

    # Working.

    def begin(self) -> None:
        """Record that a driver works from now on."""
        self.recorder.record(ev.DriverStarted(self.clock.now(), self.clock.epoch(), self.engine.policy.to_json()))
        if self._directory is not None:
            note_lost(self.recorder, self._directory)
        self._next_look = 0.0

    @property
    def reachable(self) -> bool:
        """Whether other processes can ask for something: there is a run directory."""
        return self._directory is not None

    def read_requests(self) -> None:
        """Take in what other processes ask for, where one of them may have asked."""
        if self._requests is not None and monotonic() >= self._next_look:
            self.waker.drain()
            self._requests.take()
            self._next_look = monotonic() + LOOK_FOR_REQUESTS_EVERY

    def stop_asked(self) -> bool:
        """Whether a user has asked for the end of the whole experiment since the last call; records it."""
        requests = self._requests
        if requests is None or requests.stop_asked is None:
            return False
        message, requests.stop_asked = requests.stop_asked, None
        self.recorder.record(ev.ExperimentEnded(self.clock.now(), StopReason.USER, message))
        return True

    def turn(self) -> None:
        """Do one turn of the engine."""
        self.engine.turn()
        if self._requests is not None:
            self._requests.forget()

    def wait(self, until: float | None = None) -> None:
        """Wait for news.

        Args:
            until: Time at which to return at the latest; None: when something must be decided, or looked for.
        """
        if self.runner.traits.simulated:
            self.engine.wait(until)
            return
        if self._requests is not None:
            look = self.clock.now() + LOOK_FOR_REQUESTS_EVERY
            until = look if until is None else min(look, until)
        self.engine.wait(until)
        if self.waker.drain():
            self._next_look = 0.0

    def save_facts(self) -> None:
        """On the way out of an error: keep what was seen, and say what an interrupted inline evaluation was."""
        # The error on its way out is the one to show.
        with suppress(Exception):
            if self.runner.traits.inline:
                self.engine.interrupt("the driver was interrupted")
        with suppress(Exception):
            self.recorder.commit()

    # Leaving.

    def wake(self) -> None:
        """End a wait; safe in a signal handler and from another thread."""
        self.waker.wake()

    def close(self) -> None:
        """Release directory, journal and runner; idempotent. Trials that survive the driver go on."""
        if self._closed:
            return
        self._closed = True
        if self._runner_opened:  # else it may still be another driver's
            self.runner.close()
        if self._own_journal is not None:
            self._own_journal.close()
        if self._waker is not None:
            self._waker.close()
        if self._lock is not None:
            self._lock.release()


def check_sync(sync: Sync | None, directory: Path | str | None, journal: Journal | None) -> None:
    """Refuse a setting of the journal that has no meaning.

    Raises:
        UsageError: It is none, or there is no journal on disk that it could be about.
    """
    if sync is None:
        return
    if sync not in ("full", "normal"):
        raise UsageError(f"sync is 'full' (an event survives a power cut) or 'normal', not {sync!r:.60}")
    if directory is None or journal is not None:
        raise UsageError("sync is about the journal of a run directory: give directory=..., and no journal of your own")


def check_unchanged(state: State, now: Json, place: str) -> None:
    """Refuse another experiment where one has begun, with the difference shown.

    Args:
        state: The one that has begun.
        now: The definition of the other one.
        place: Where the first one is.

    Raises:
        ExperimentChangedError: It differs in what must not change.
    """
    was = state.definition
    changed = differences(was.get("experiment"), now["experiment"], "")
    changed += differences(was.get("optimizer"), now["optimizer"], "optimizer")
    if state.live:
        changed += differences(was["runner"]["type"], now["runner"]["type"], "runner.type")
    simulated = was.get("runner", {}).get("simulated", now["runner"]["simulated"])  # earlier versions did not record it
    if simulated != now["runner"]["simulated"]:  # results of both kinds are not mixed
        changed.append(f"its trials ran in {'simulated' if simulated else 'real'} time, and these would not")
    if changed:
        more = f"; and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise ExperimentChangedError(
            f"{place} was started with another definition ({'; '.join(changed[:_SHOWN]) + more:.700}); "
            f"take the change back, or start anew in another directory or with --fresh"
        )


def differences(was: Any, now: Any, where: str) -> list[str]:
    """Say how a definition differs from the recorded one, a line a difference."""
    if isinstance(was, dict) and isinstance(now, dict):
        found = []
        for key in dict.fromkeys((*was, *now)):
            path = f"{where}.{key}" if where else str(key)
            if key not in was:
                found.append(f"{path} is new")
            elif key not in now:
                found.append(f"{path} is gone")
            else:
                found += differences(was[key], now[key], path)
        return found
    if was == now:
        return []
    return [f"{where}: {_shown(was)} became {_shown(now)}"]


def _shown(value: Any) -> str:
    """Return a value as an experiment file has it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else f"{value!r:.80}"
