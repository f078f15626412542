"""The driver: goes on from where the last driver ended, and turns the engine until it is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self
from weakref import ref

from runwright.errors import UsageError
from runwright.garbage import WHILE_RUNNING, WHILE_SIMULATING, rarer_collections
from runwright.loop.fit import check_limits, check_penalties
from runwright.loop.policy import Policy
from runwright.loop.session import Session
from runwright.report import Results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from runwright import events as ev
    from runwright.clock import Clock
    from runwright.experiment import Experiment
    from runwright.journal import Journal
    from runwright.loop.on_failure import OnFailure, Rule
    from runwright.loop.session import Sync
    from runwright.optimizer import Optimizer
    from runwright.result import Json
    from runwright.runner import Limits, Runner
    from runwright.state import State

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
        sync: When an event counts as kept: ``full``: it survives a power cut; ``normal``: it survives the death of this
            process, and a power cut may cost the last ones. Where not given, ``full`` for runners whose trials outlive
            the driver, and else ``normal``; ``docs/journal.md`` has what each costs.
        trials: See `Policy`.
        parallel: See `Policy`.
        on_failure: See `Policy`.
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
        sync: Sync | None = None,
        trials: int | None = None,
        parallel: int | None = None,
        on_failure: OnFailure | Rule | str | Mapping[Any, Any] | None = None,
        failure_rate: float | None = None,
        limits: Limits | None = None,
    ) -> None:
        changes: dict[str, Any] = {
            "trials": trials,
            "parallel": parallel,
            "on_failure": on_failure,
            "failure_rate": failure_rate,
            "limits": limits,
        }
        self.policy = replace(policy or Policy(), **{key: value for key, value in changes.items() if value is not None})
        self.optimizer = optimizer
        self.runner = runner
        self.left_by: Leave | None = None
        """How the last `run` was asked to leave, or None where it ended by itself."""
        self._leaving: Leave | None = None
        self._unread: Callable[[], Results | None] = lambda: None
        """The results of the last `run`, where somebody still has them: they are made when first read."""
        self._enqueue = [experiment.validate(point) for point in _points(enqueue)]
        check_fit(experiment, runner, self.policy)
        self._session = Session(
            experiment,
            optimizer,
            runner,
            self.policy,
            directory=directory,
            clock=clock,
            journal=journal,
            sync=sync,
        )
        self.experiment = self._session.experiment
        self._clock = self._session.clock
        self._engine = self._session.engine

    @property
    def state(self) -> State:
        """The experiment as its events tell it; for reading."""
        return self._session.state

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
            on_turn: Called with the state and the events of each commit, and with none at the end of each turn.
            tick: The longest time between two turns, in seconds; in simulated time there is none.

        Returns:
            What came of every trial.

        Raises:
            UsageError: Nothing limits the experiment.
        """
        engine, session = self._engine, self._session
        if trials is not None:
            self.policy = engine.policy = replace(self.policy, trials=trials)
        policy = self.policy
        if policy.trials is None and policy.parallel is None and self.runner.poll_available_capacity() < 0:
            raise UsageError("nothing limits this experiment: say how many trials, or how many in parallel")
        unread = self._unread()
        if unread is not None:
            unread.settle()
        self.left_by = self._leaving = None
        engine.holding = engine.exhausted = False
        session.recorder.on_commit = None if on_turn is None else partial(on_turn, self.state)
        session.begin()
        self._enqueue_first()
        simulated = self.runner.traits.simulated
        if simulated:
            tick = None  # simulated time does not pass while it is waited for
        try:
            with rarer_collections(WHILE_SIMULATING if simulated else WHILE_RUNNING):
                self._turn_until_done(on_turn, tick)
            session.recorder.commit()
        except BaseException:
            session.save_facts()
            raise
        results = Results(self.state, later=True)
        self._unread = ref(results)
        return results

    def _turn_until_done(self, on_turn: Callable[[State, Sequence[ev.Event]], None] | None, tick: float | None) -> None:
        session = self._session
        reachable = session.reachable
        while True:
            if reachable:
                session.read_requests()
                if session.stop_asked():
                    self.left_by = "interrupt"
            if self.left_by is not None:
                self._leave_as_asked()
            session.turn()
            if on_turn is not None:
                on_turn(self.state, ())
            if self._done():
                return
            if self.left_by == self._leaving:  # else it was asked to leave in the midst of the turn
                session.wait(None if tick is None else self._clock.now() + tick)

    def _done(self) -> bool:
        state = self._session.state
        if state.undecided or state.untold:
            return False
        if self._leaving == "detach" and self.runner.traits.survives_driver:
            return True
        if self._leaving is None and state.stop_reason is None:
            return False
        if self._leaving != "interrupt" and 0 < state.live <= self._engine.staying:
            self._engine.detach()  # it never ends by itself
            return True
        return not state.live

    def _leave_as_asked(self) -> None:
        engine, traits = self._engine, self.runner.traits
        if self.left_by == "interrupt" and traits.survives_driver and not traits.stops:
            self.left_by = "detach"  # what can neither be stopped nor dies with this process goes on
        engine.holding, self._leaving = True, self.left_by
        if self.left_by == "detach" and traits.survives_driver:
            engine.detach()
        elif self.left_by in ("interrupt", "detach"):
            engine.interrupt("the driver was told to leave")

    def _enqueue_first(self) -> None:
        """Record the points that must be tried first, each once."""
        known = [trial.arms[0].parameters for trial in self.state.trials if trial.source == "enqueued"]
        for point in self._enqueue:
            if point in known:
                known.remove(point)
            else:
                self._engine.add([point], "enqueued")

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
        self._session.wake()

    # Results.

    def results(self) -> Results:
        """Return what came of every trial."""
        return Results(self.state)

    def report_results(self) -> dict[int, Json]:
        """Return, by trial, what the runner's `run_metadata_report_keys` name, and the status and metrics."""
        keys = self.runner.run_metadata_report_keys
        report: dict[int, Json] = {}
        for trial in self.state.trials:
            arms = {} if trial.result is None else trial.result.arms
            report[trial.index] = {
                "status": trial.status.name,
                "arms": {arm: {name: list(value) for name, value in metrics.items()} for arm, metrics in arms.items()},
                **{key: trial.run_metadata[key] for key in keys if key in trial.run_metadata},
            }
        return report

    def close(self) -> None:
        """Release directory, journal and runner; idempotent. Trials that survive the driver go on."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _points(enqueue: object) -> Iterator[Mapping[str, object]]:
    for point in enqueue if isinstance(enqueue, Iterable) else [enqueue]:
        if not isinstance(point, Mapping):
            raise UsageError(f"enqueue is a list of mappings of parameter names to values, which {point!r:.60} is not")
        yield point


def check_fit(experiment: Experiment, runner: Runner, policy: Policy) -> None:
    """Refuse parts that do not fit together.

    Raises:
        UsageError: The runner cannot do what the experiment or a limit needs.
    """
    traits, name = runner.traits, type(runner).__name__
    if experiment.is_open:
        raise UsageError("the experiment has no parameters to search in; an OpenExperiment is for a TrialQueue")
    if experiment.objectives and not traits.measures:
        raise UsageError(f"{name} measures nothing, but the experiment has objectives: take another runner")
    if not experiment.objectives:
        raise UsageError("the experiment has no objectives: say what to minimize or maximize")
    check_limits(runner, policy)
    check_penalties(experiment, policy)
