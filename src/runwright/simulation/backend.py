"""The simulated machine as its users see it, in the words of Ax's ``BackendSimulator``: its clock, its trials.

What happens on it stands in `machine`.
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from operator import index
from typing import TYPE_CHECKING, Self

from runwright.clock import epoch, monotonic
from runwright.errors import ContractError, UsageError
from runwright.simulation import listing, restoring
from runwright.simulation.checks import seconds, whole
from runwright.simulation.machine import Machine
from runwright.simulation.options import BackendSimulatorOptions
from runwright.simulation.trials import Phase, SimTrial
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runwright.simulation.trials import BackendSimulatorState, SimStatus

_log = logging.getLogger(__name__)
_ATTEMPT = "the number of an attempt"


def _real_clock() -> Callable[[], float]:
    """Return a clock in seconds of the epoch that no step of the wall clock moves."""
    offset = epoch() - monotonic()
    return lambda: monotonic() + offset


class BackendSimulator:
    """Runs trials in simulated time: that of its own clock, or that of the real clock.

    Reading never moves anything: `update` does. `run_trial` and `stop_trial` first let happen what is due.

    Args:
        options: How the machine behaves.
        queued: Trials that wait at the beginning.
        running: Trials that execute at the beginning; each has a ``sim_start_time``.
        failed: Trials that have failed.
        completed: Trials that have ended well.
        verbose_logging: Whether updates are logged at INFO, not at DEBUG; one line each.
        stopped: Trials that were stopped.
        clock: The real clock; seconds of the epoch where not given. Only read without ``internal_clock``.

    Raises:
        UsageError: The trials do not fit on the machine.
    """

    def __init__(
        self,
        options: BackendSimulatorOptions | None = None,
        queued: Iterable[SimTrial] | None = None,
        running: Iterable[SimTrial] | None = None,
        failed: Iterable[SimTrial] | None = None,
        completed: Iterable[SimTrial] | None = None,
        verbose_logging: bool = True,
        *,
        stopped: Iterable[SimTrial] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.options = options or BackendSimulatorOptions()
        self.verbose_logging = verbose_logging
        self._level = logging.INFO if verbose_logging else logging.DEBUG
        internal = self.options.internal_clock
        self._read = (clock or _real_clock()) if internal is None else None
        self._machine = Machine(self.options, -math.inf if internal is None else float(internal))
        groups: restoring.Groups = {
            Phase.QUEUED: list(queued or ()),
            Phase.RUNNING: list(running or ()),
            Phase.FAILED: list(failed or ()),
            Phase.COMPLETED: list(completed or ()),
            Phase.STOPPED: list(stopped or ()),
        }
        if any(groups.values()):
            self._catch_up()
            self._machine.restore(restoring.trials_of(groups), ())
            self._machine.news.clear()
        self.initial_state = self.state()

    @classmethod
    def from_state(cls, state: BackendSimulatorState, *, clock: Callable[[], float] | None = None) -> Self:
        """Make a machine that goes on exactly as the one that gave the state.

        Args:
            state: What `state` gave, here or in another process.
            clock: The real clock, as for the constructor.
        """
        simulator = cls(state.options, verbose_logging=state.verbose_logging, clock=clock)
        machine = simulator._machine
        if state.last_time is not None:
            machine.time = state.last_time
        machine.restore(restoring.trials_of(restoring.groups_of(state)), state.down)
        machine.submitted = max(machine.submitted, state.submitted)
        machine.news = list(state.news)
        simulator.initial_state = simulator.state()
        return simulator

    # Reading.

    @property
    def num_queued(self) -> int:
        """How many trials do not execute yet, or not any more: they wait for a slot, or start in one."""
        return self._machine.waiting

    @property
    def num_running(self) -> int:
        """How many trials execute."""
        return self._machine.running

    @property
    def num_failed(self) -> int:
        """How many trials failed."""
        return self._machine.failed

    @property
    def num_completed(self) -> int:
        """How many trials ended well."""
        return self._machine.completed

    @property
    def num_stopped(self) -> int:
        """How many trials were stopped."""
        return self._machine.stopped

    @property
    def available(self) -> int:
        """How many more trials would execute at once: slots that are up, without the trials that run or wait."""
        machine = self._machine
        free = self.options.max_concurrency - machine.slots.down - machine.running - machine.waiting
        return free if free > 0 else 0

    @property
    def max_concurrency(self) -> int:
        """The maximum number of trials that execute at once."""
        return self.options.max_concurrency

    @property
    def time_scaling(self) -> float:
        """What all durations are divided by."""
        return self.options.time_scaling

    @property
    def failure_rate(self) -> float:
        """Probability that a trial fails."""
        return self.options.failure_rate

    @property
    def use_internal_clock(self) -> bool:
        """Whether the machine has a clock of its own, which only `update` moves."""
        return self._read is None

    @property
    def time(self) -> float:
        """The current time; it never goes back."""
        time = self._machine.time
        return time if self._read is None else max(time, self._read())

    @property
    def all_trials(self) -> list[SimTrial]:
        """All trials, by index; for reading."""
        return [trial for _, trial in sorted(self._machine.trials.items())]

    def status(self) -> SimStatus:
        """Return which trials are where."""
        return listing.status_of(self._machine, self.time)

    def state(self) -> BackendSimulatorState:
        """Return all that the machine knows; nothing in it is shared with the machine."""
        return listing.state_of(
            self._machine, self.options, internal=self._read is None, verbose_logging=self.verbose_logging
        )

    def lookup_trial_index_status(self, trial_index: int) -> TrialStatus:
        """Return the status of a trial: STAGED, RUNNING, COMPLETED, FAILED, or ABANDONED where it was stopped.

        Raises:
            ValueError: The machine does not know it.
        """
        return self._known(trial_index).phase.status

    def get_sim_trial_by_index(self, trial_index: int) -> SimTrial | None:
        """Return a trial, for reading; None where the machine does not know it."""
        return self._machine.trials.get(trial_index)

    def next_event(self) -> float | None:
        """Return the time of the next event, or None."""
        return self._machine.next_event()

    # Moving.

    def update(self, until: float | None = None) -> list[int]:
        """Let happen what is due.

        With the real clock: all that is due by now. With the clock of its own: the machine moves to its next event and
        lets happen all of that moment; without an event it stays.

        Args:
            until: With the clock of its own: move to this time instead, never back.

        Returns:
            Indices of the trials that changed since the last update, in order of what happened.

        Raises:
            UsageError: A time was given, but the machine takes that of the real clock.
        """
        machine = self._machine
        if self._read is not None:
            if until is not None:
                raise UsageError("a machine without internal_clock takes the time of the real clock; update() it")
            machine.advance(self.time)
        elif until is None:
            machine.advance()
        else:
            machine.advance(until if until > machine.time else machine.time)
        if _log.isEnabledFor(self._level):
            _log.log(self._level, "%s", self)
        news, machine.news = machine.news, []
        return news

    def take_news(self) -> list[int]:
        """Return the trials that changed since the last update, without moving anything; each change is told once."""
        machine = self._machine
        news = machine.news
        if news:
            machine.news = []
        return news

    def run_trial(self, trial_index: int, runtime: float, *, attempt: int | None = None) -> SimTrial:
        """Submit a trial; it gets a slot at once where one is free. One that has ended may be submitted again.

        Args:
            trial_index: Index of the trial.
            runtime: How long it executes, in seconds; divided by ``time_scaling``.
            attempt: Number of its attempt; what is random depends on it. One more than the last where not given.

        Returns:
            The trial on the machine, for reading.

        Raises:
            UsageError: The runtime is negative or not finite.
            ContractError: The trial is on the machine already.
        """
        number = trial_index if type(trial_index) is int else index(trial_index)
        if not (type(runtime) is float and 0 <= runtime < math.inf):  # a quick look: a trial takes 3 us in all
            runtime = seconds(runtime, f"the runtime of trial {number}")
        machine = self._machine
        if self._read is not None or machine.agenda.may_be_due(machine.time):
            machine.advance(self.time)
        known = machine.trials.get(number)
        if known is not None:
            if known.phase.live:
                raise ContractError(f"trial {number} is on the simulated machine already ({known.phase.name})")
            machine.forget(known)
        trial = SimTrial(number, runtime / self.options.time_scaling)
        if attempt is not None:
            trial.attempt = attempt if type(attempt) is int and attempt >= 0 else whole(attempt, _ATTEMPT, 0)
        elif known is not None:
            trial.attempt = known.attempt + 1
        machine.submit(trial)
        return trial

    def stop_trial(self, trial_index: int, *, at_once: bool = False) -> None:
        """Stop a trial: a running one frees its slot now, or after the stop delay; a waiting one leaves the queue.

        Idempotent; a trial that has ended is left alone.

        Args:
            trial_index: Index of the trial.
            at_once: Whether there is no stop delay.

        Raises:
            ValueError: The machine does not know it.
        """
        self._catch_up()
        trial = self._known(trial_index)
        if trial.phase.live:
            self._machine.stop(trial, at_once=at_once)

    def new_trial(self, trial: SimTrial, status: TrialStatus) -> None:
        """Put a trial on the machine that somebody made.

        Args:
            trial: The trial; a copy of it is taken.
            status: STAGED: it waits for a slot. RUNNING: it has one; its ``sim_start_time`` is now where not given.

        Raises:
            ValueError: Another status was given.
            UsageError: It cannot be taken: it is there already, or no slot is free.
        """
        if status is not TrialStatus.STAGED and status is not TrialStatus.RUNNING:
            raise ValueError(f"a new trial must be STAGED or RUNNING, not {status.name}")
        self._catch_up()
        machine = self._machine
        known = machine.trials.get(trial.trial_index)
        if known is not None:
            raise UsageError(f"trial {trial.trial_index} is on the simulated machine already ({known.phase.name})")
        phase = Phase.QUEUED if status is TrialStatus.STAGED else Phase.RUNNING
        begun = trial.sim_start_time
        if phase is Phase.RUNNING and begun is None:
            begun = machine.time
        machine.add(restoring.completed(replace(trial, sim_start_time=begun, order=machine.submitted), phase))

    def keep_time(self, now: float) -> float:
        """Take time from the caller of ``update(until)`` from now on, and return it: `now`, or later.

        Raises:
            UsageError: The machine has run trials in the time of the real clock.
        """
        machine = self._machine
        if self._read is not None and machine.trials:
            raise UsageError(
                "this machine has run trials in real time and cannot go on in simulated time; take a new one"
            )
        self._read = None
        machine.time = max(machine.time, now)
        return machine.time

    def _catch_up(self) -> None:
        """Let happen what is due by now: with a clock of its own, what takes no time."""
        machine = self._machine
        if self._read is not None or machine.agenda.may_be_due(machine.time):
            machine.advance(self.time)

    def _known(self, trial_index: int) -> SimTrial:
        trial = self._machine.trials.get(trial_index)
        if trial is None:
            raise ValueError(f"trial {trial_index} is not known to the simulated machine; submit it with run_trial")
        return trial

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(time={self.time:g}: {self.num_queued} queued, {self.num_running} running, "
            f"{self.num_failed} failed, {self.num_completed} completed, {self.num_stopped} stopped)"
        )
