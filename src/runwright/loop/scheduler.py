"""The driver: opens a run directory, goes on from where the last driver ended, turns the engine until it is done."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from runwright import events as ev
from runwright import mailbox
from runwright.clock import SystemClock, VirtualClock, Waker, monotonic
from runwright.errors import ExperimentChangedError, UsageError
from runwright.folder import JOURNAL, DirectoryLock
from runwright.journal import MemoryJournal, SqliteJournal
from runwright.loop import history
from runwright.loop.engine import Engine
from runwright.loop.policy import Policy
from runwright.loop.recorder import Recorder
from runwright.loop.requests import Requests
from runwright.report import Results
from runwright.runner import RunContext
from runwright.state import State
from runwright.status import StopReason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runwright.clock import Clock
    from runwright.experiment import Experiment
    from runwright.journal import Journal
    from runwright.optimizer import Optimizer
    from runwright.result import Json
    from runwright.runner import Limits, Runner

LOOK_FOR_REQUESTS_EVERY = 1.0
"""Seconds between two looks into the mailbox where no wake-up came (a file system without named pipes)."""

Leave = Literal["drain", "interrupt", "detach"]


class Scheduler:
    """Runs an experiment. Kill it at any moment; the next one with the same arguments goes on.

    Args:
        experiment: What is optimised.
        optimizer: Proposes points.
        runner: Executes trials.
        directory: Run directory, made where it does not exist; None: everything stays in memory.
        policy: How many, how often, how long; the keywords below change single fields of it.
        enqueue: Points that are tried first.
        clock: Time; the runner's kind of time where not given.
        journal: Where events go; ``DIR/journal.sqlite`` or memory where not given.
        trials: See `Policy`.
        parallel: See `Policy`.
        retries: See `Policy`.
        failure_rate: See `Policy`.
        limits: See `Policy`.

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
        *,
        directory: Path | str | None = None,
        policy: Policy | None = None,
        enqueue: Sequence[Mapping[str, object]] = (),
        clock: Clock | None = None,
        journal: Journal | None = None,
        trials: int | None = None,
        parallel: int | None = None,
        retries: int | None = None,
        failure_rate: float | None = None,
        limits: Limits | None = None,
    ) -> None:
        changes: dict[str, Any] = {
            "trials": trials,
            "parallel": parallel,
            "retries": retries,
            "failure_rate": failure_rate,
            "limits": limits,
        }
        self.policy = replace(policy or Policy(), **{key: value for key, value in changes.items() if value is not None})
        self.experiment = experiment
        self.optimizer = optimizer
        self.runner = runner
        self.left_by: Leave | None = None
        """How the last `run` was asked to leave, or None where it ended by itself."""
        self._leaving: Leave | None = None
        self._enqueue = [experiment.validate(point) for point in enqueue]
        check_fit(experiment, runner, self.policy)
        self._definition = {
            "format": 1,
            "experiment": experiment.to_dict(),
            "runner": {"type": type(runner).__name__, "report_keys": runner.run_metadata_report_keys},
        }
        self._directory = None if directory is None else Path(directory)
        self._clock = clock or (VirtualClock() if runner.traits.simulated else SystemClock())
        self._lock: DirectoryLock | None = None
        self._journal = journal
        self._own_journal = journal is None
        self._opened = False
        self._closed = False
        self._waker: Waker | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @property
    def state(self) -> State:
        """The experiment as its events tell it; for reading."""
        return self._state

    # Opening.

    def _open(self) -> None:
        if self._directory is not None:
            self._directory = self._directory.absolute()
            try:
                self._directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(f"{self._directory}: cannot be made ({error.strerror})") from None
            self._lock = DirectoryLock(self._directory)
        if self._journal is None:
            sync: Literal["FULL", "NORMAL"] = "FULL" if self.runner.traits.survives_driver else "NORMAL"
            self._journal = (
                MemoryJournal()
                if self._directory is None
                else SqliteJournal(self._directory / JOURNAL, synchronous=sync)
            )
        self._state = State()
        wanted = self.optimizer.rebuild != "stateless"
        past = history.fold(self._state, self._journal.read(), history=wanted)
        self._definition["optimizer"] = self.optimizer.describe()
        new = self._state.experiment is None
        if self._state.experiment is not None:
            self._check_unchanged()
            self.experiment = self._state.experiment  # its parameters in their first order, on which suggestions hang
        self.optimizer.setup(self.experiment)
        self._clock.start_at(self._state.last_time)
        self._waker = Waker() if self._directory is None else mailbox.open_waker(self._directory)
        self._opened = True
        self.runner.open(RunContext(self.experiment, self._directory, self._clock, self.policy.limits))
        self._recorder = Recorder(self._state, self._journal, self._clock, self._heard)
        self._engine = Engine(self._recorder, self.runner, self.optimizer, self.policy, self._waker)
        self._requests = None if self._directory is None else Requests(self._directory, self._engine)
        self._listener: Callable[[State, Sequence[ev.Event]], None] | None = None
        if new:
            self._recorder.record(ev.ExperimentStarted(self._clock.now(), self._definition))
        elif past:
            restored = self.optimizer.restore(past)
            self._recorder.record(ev.OptimizerRebuilt(self._clock.now(), restored.exact, restored.reason))

    def _check_unchanged(self) -> None:
        """Refuse another experiment in the same directory, with the difference shown."""
        was, now = self._state.definition, self._definition
        changed = differences(was.get("experiment"), now["experiment"], "") + differences(
            was.get("optimizer"), now["optimizer"], "optimizer"
        )
        if self._state.live and was["runner"]["type"] != self._definition["runner"]["type"]:  # type: ignore[index]
            changed += differences(was["runner"]["type"], now["runner"]["type"], "runner.type")  # type: ignore[index]
        if changed:
            shown = "; ".join(changed[:5]) + (f"; and {len(changed) - 5} more" if len(changed) > 5 else "")  # noqa: PLR2004
            raise ExperimentChangedError(
                f"{self._directory or 'the journal'} was started with another definition ({shown:.700}); "
                f"take the change back, or start anew in another directory or with --fresh"
            )

    # Running.

    def run(
        self,
        trials: int | None = None,
        *,
        on_turn: Callable[[State, Sequence[ev.Event]], None] | None = None,
        tick: float | None = None,
    ) -> Results:
        """Run until the experiment has ended, or until it is asked to leave.

        Args:
            trials: How many trials to run in all, instead of the policy's.
            on_turn: Called with the state and the events of each commit, and at least each `tick` seconds.
            tick: Seconds.

        Returns:
            What came of every trial.

        Raises:
            UsageError: Nothing limits the experiment.
        """
        engine, clock = self._engine, self._clock
        assert self._waker is not None, "open until `close`"
        if trials is not None:
            self.policy = engine.policy = replace(self.policy, trials=trials)
        policy = self.policy
        if policy.trials is None and policy.parallel is None and self.runner.poll_available_capacity() < 0:
            raise UsageError("nothing limits this experiment: say how many trials, or how many in parallel")
        self.left_by = self._leaving = None
        engine.holding = engine.exhausted = False
        self._listener = on_turn
        self._recorder.record(ev.DriverStarted(clock.now(), clock.epoch(), policy.to_json()))
        self._enqueue_first()
        look = True
        next_look = 0.0
        try:
            while True:
                if self._requests is not None and (look or monotonic() >= next_look):
                    self._waker.drain()
                    self._requests.take()
                    next_look = monotonic() + LOOK_FOR_REQUESTS_EVERY
                self._leave_if_asked()
                commits = self._recorder.commits
                engine.turn()
                if self._requests is not None:
                    self._requests.forget()
                if on_turn is not None and commits == self._recorder.commits:
                    on_turn(self._state, ())  # nothing happened; time went on
                if self._done():
                    break
                look = self._asked_in_turn() or self._wait(tick)
            self._recorder.commit()
        except BaseException:
            self._save_facts()
            raise
        return self.results()

    def _asked_in_turn(self) -> bool:
        """Whether it was asked to leave in the midst of the turn, so that only the next one acts on it."""
        return self.left_by != self._leaving

    def _wait(self, tick: float | None) -> bool:
        """Wait for news; say whether another process may have left a request."""
        assert self._waker is not None, "open until `close`"
        if self.runner.traits.simulated:
            self._engine.wait()
            return False
        soon = [tick] if tick is not None else []
        if self._requests is not None:
            soon.append(LOOK_FOR_REQUESTS_EVERY)
        self._engine.wait(self._clock.now() + min(soon) if soon else None)
        return self._waker.drain()

    def _done(self) -> bool:
        state = self._state
        if state.undecided or state.untold:
            return False
        if self._leaving == "detach" and self.runner.traits.survives_driver:
            return True
        return not state.live and (self._leaving is not None or state.stop_reason is not None)

    def _leave_if_asked(self) -> None:
        engine = self._engine
        requests = self._requests
        if requests is not None and requests.stop_asked is not None:
            message, requests.stop_asked = requests.stop_asked, None
            self._recorder.record(ev.ExperimentEnded(self._clock.now(), StopReason.USER, message))
            self.left_by = "interrupt"
        if self.left_by is None:
            return
        traits = self.runner.traits
        if self.left_by == "interrupt" and traits.survives_driver and not traits.stops:
            self.left_by = "detach"  # what can neither be stopped nor dies with this process goes on
        engine.holding, self._leaving = True, self.left_by
        if self.left_by == "detach" and traits.survives_driver:
            engine.detach()
        elif self.left_by in ("interrupt", "detach"):
            engine.interrupt("the driver was told to leave")

    def _enqueue_first(self) -> None:
        """Record the points that must be tried first, each once."""
        known = [trial.arms[0].parameters for trial in self._state.trials if trial.source == "enqueued"]
        for point in self._enqueue:
            if point in known:
                known.remove(point)
            else:
                self._engine.add([point], "enqueued")

    def _heard(self, events: Sequence[ev.Event]) -> None:
        if self._listener is not None:
            self._listener(self._state, events)

    def _save_facts(self) -> None:
        """On the way out of an error: keep what was seen, and say what an interrupted inline evaluation was."""
        # The error on its way out is the one to show.
        with suppress(Exception):
            if self.runner.traits.inline:
                self._engine.look()
                for trial in self._state.live_trials():
                    self._recorder.record(
                        ev.Interrupted(self._clock.now(), trial.index, trial.attempt, "the driver was interrupted")
                    )
        with suppress(Exception):
            self._recorder.commit()

    # Leaving. Safe in a signal handler and from another thread.

    def drain(self) -> None:
        """Start nothing more; `run` returns when the running trials have ended."""
        self._leave("drain")

    def interrupt(self) -> None:
        """Stop the running trials, to be repeated by the next driver; `run` returns when they have ended."""
        self._leave("interrupt")

    def detach(self) -> None:
        """Leave running what survives this process, interrupt the rest; `run` returns."""
        self._leave("detach")

    def _leave(self, how: Leave) -> None:
        self.left_by = how
        if self._waker is not None:
            self._waker.wake()

    # Results.

    def results(self) -> Results:
        """Return what came of every trial."""
        return Results(self._state)

    def report_results(self) -> dict[int, Json]:
        """Return, by trial, what the runner's `run_metadata_report_keys` name, and the status and metrics."""
        keys = self.runner.run_metadata_report_keys
        report: dict[int, Json] = {}
        for trial in self._state.trials:
            arms = {} if trial.result is None else trial.result.arms
            report[trial.index] = {
                "status": trial.status.name,
                "arms": {arm: {name: list(value) for name, value in metrics.items()} for arm, metrics in arms.items()},
                **{key: trial.run_metadata[key] for key in keys if key in trial.run_metadata},
            }
        return report

    def close(self) -> None:
        """Release directory, journal and runner; idempotent. Trials that survive the driver go on."""
        if self._closed:
            return
        self._closed = True
        if self._opened:  # else it may still be another scheduler's
            self.runner.close()
        if self._journal is not None and self._own_journal:
            self._journal.close()
        if self._waker is not None:
            self._waker.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_fit(experiment: Experiment, runner: Runner, policy: Policy) -> None:
    """Refuse parts that do not fit together.

    Raises:
        UsageError: The runner cannot do what the experiment or a limit needs.
    """
    traits, name = runner.traits, type(runner).__name__
    if experiment.objectives and not traits.measures:
        raise UsageError(f"{name} measures nothing, but the experiment has objectives: take another runner")
    if not experiment.objectives:
        raise UsageError("the experiment has no objectives: say what to minimize or maximize")
    limits = policy.limits
    if limits.timeout is not None and "timeout" not in traits.enforces and not traits.stops:
        raise UsageError(f"{name} cannot enforce a time limit; PoolRunner and ProcessRunner do")
    if limits.memory is not None and "memory" not in traits.enforces:
        raise UsageError(f"{name} cannot enforce a memory limit; PoolRunner and ProcessRunner do")


def differences(was: object, now: object, where: str) -> list[str]:
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
    return [f"{where}: {was!r:.80} became {now!r:.80}"]
