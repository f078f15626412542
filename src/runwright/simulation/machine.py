"""What happens on the simulated machine, moment by moment.

At one moment everything ends or begins that is due, in order of submission; then slots come back; then free slots are
given, the fastest first, to the trials that have waited longest. What this makes due at the same moment follows in
another round of the same kind.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from runwright.errors import UsageError
from runwright.simulation.agenda import Agenda, Queue
from runwright.simulation.chances import Chances
from runwright.simulation.slots import Slots
from runwright.simulation.trials import (
    AWAY,
    COMPLETED,
    FAILED,
    QUEUED,
    RUNNING,
    STARTING,
    STOPPED,
    STOPPING,
    SimTrial,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runwright.simulation.faults import Fate
    from runwright.simulation.options import BackendSimulatorOptions
    from runwright.simulation.trials import Phase


class Machine:
    """Slots, a queue, and what is due when. Time is what it is told.

    Args:
        options: How it behaves.
        time: Time at which it begins.

    Attributes:
        time: Time of its last move.
        trials: The last submission of each index.
        agenda: What is due when.
        queue: Who waits for a slot.
        slots: The slots.
        waiting: How many trials do not execute yet, or not any more.
        running: How many execute.
        completed: How many ended well.
        failed: How many failed.
        stopped: How many were stopped.
        submitted: How many submissions there were.
        news: Indices of trials that changed, in order of what happened.
    """

    def __init__(self, options: BackendSimulatorOptions, time: float) -> None:
        self.time = time
        self.trials: dict[int, SimTrial] = {}
        self.agenda = Agenda()
        self.queue = Queue()
        self.slots = Slots(options.max_concurrency, options.speeds)
        self.waiting = self.running = self.completed = self.failed = self.stopped = self.submitted = 0
        self.news: list[int] = []
        self._options = options
        self._late = options.use_update_as_start_time
        self._chances = Chances(options)
        self._delayed = bool(options.start_delay)
        self._plain = self._chances.none

    def next_event(self) -> float | None:
        """Return the time of the next event, or None."""
        due = self.agenda.next_time()
        if not self.slots.down:
            return due
        back = self.slots.next_back()
        return back if due is None or (back is not None and back < due) else due

    def advance(self, target: float | None = None) -> None:
        """Let happen what is due until a time, and be there.

        Args:
            target: The time; None: that of the next event, with all that is due at it. Without one, stay.
        """
        slots, agenda, began = self.slots, self.agenda, self.time
        limit = math.inf if target is None else target
        while True:
            back = slots.next_back() if slots.down else None
            due = agenda.take(limit if back is None else min(back, limit))
            if due:
                self.time = time = agenda.moment
                self._let_happen(due, time)
            elif back is not None and back <= limit:
                self.time = time = back
            else:
                break
            if back == time:
                slots.bring_back(time)
            if target is None:
                target = limit = time if time > began else began
            if self._late:
                following = self.next_event()
                if following is not None and following <= limit:
                    continue
                self.time = limit
            if self.waiting:
                self._fill()
            if back is None and not (slots.down or agenda.may_be_due(limit)):
                break
        if target is not None and target > self.time:
            self.time = target

    def submit(self, trial: SimTrial) -> None:
        """Take a new trial: it gets a slot at once where one is free."""
        trial.order = self.submitted
        trial.sim_queued_time = self.time
        self.submitted += 1
        self.trials[trial.trial_index] = trial
        self.waiting += 1
        slot = self.slots.take()
        if slot is None:
            self.queue.append(trial)
        elif self._delayed:
            self._assign(trial, slot)
        else:
            trial.slot = slot
            self._begin(trial)

    def stop(self, trial: SimTrial, *, at_once: bool = False) -> None:
        """Stop a live trial, now or after the stop delay."""
        phase = trial.phase
        if phase is STOPPING and not at_once:
            return
        delay = self._chances.stop_delay(trial) if phase is RUNNING and not at_once else 0.0
        if delay > 0:
            end = self.time + delay
            if trial.due is None or end < trial.due:  # else it ends by itself before
                self.agenda.cancel(trial)
                self.agenda.plan(trial, end)
                trial.phase = STOPPING
            return
        self.agenda.cancel(trial)
        self._leave(trial, STOPPED)
        if phase is QUEUED:
            self.queue.left()
        self.news.append(trial.trial_index)
        self._fill()

    def forget(self, trial: SimTrial) -> None:
        """Drop a trial that has ended."""
        del self.trials[trial.trial_index]
        self._count(trial.phase, -1)

    def restore(self, trials: Sequence[SimTrial], down: Iterable[Sequence[float]]) -> None:
        """Begin with trials that were elsewhere before.

        Args:
            trials: The trials, those that wait in the order of the queue.
            down: Slots that are down, as ``[until, slot]``.

        Raises:
            UsageError: A slot is taken twice or does not exist.
        """
        down = list(down)
        taken = [trial.slot for trial in trials if trial.phase in _IN_A_SLOT and trial.slot is not None]
        held = [*taken, *(int(slot) for _, slot in down)]
        if len(set(held)) < len(held) or not all(0 <= slot < self._options.max_concurrency for slot in held):
            raise UsageError(f"the simulated machine has no such slots, or not so often: {sorted(held)[:20]}")
        self.slots.restore(taken, down)
        for trial in trials:
            self.adopt(trial)
        self._fill()

    def add(self, trial: SimTrial) -> None:
        """Take a trial as it is, and give it a slot if it waits and one is free."""
        self.adopt(trial)
        self._fill()

    def adopt(self, trial: SimTrial) -> None:
        """Take a trial as it is: waiting, executing or ended.

        Raises:
            UsageError: It executes, but no slot is free.
        """
        phase = trial.phase
        if phase in _IN_A_SLOT and trial.slot is None:
            trial.slot = self.slots.take()
            if trial.slot is None:
                raise UsageError(f"trial {trial.trial_index} is {phase.name}, but all slots are taken")
        self.trials[trial.trial_index] = trial
        self.submitted = max(self.submitted, trial.order + 1)
        self._count(phase, 1)
        if phase is QUEUED:
            self.queue.append(trial)
        elif phase.live and trial.due is not None:
            self.agenda.plan(trial, trial.due)

    # What happens, a method an event.

    def _let_happen(self, due: list[SimTrial], now: float) -> None:
        """Let the trials of a moment end or begin, in order of submission."""
        news, slots = self.news, self.slots
        for trial in due:
            phase = trial.phase
            if phase is RUNNING:
                fate = trial.fate
                if fate is None or (fate.failure is None and fate.away is None):
                    assert trial.slot is not None, "only who has a slot runs"
                    slots.give_back(trial.slot)
                    self.running -= 1
                    self.completed += 1
                    trial.phase = COMPLETED
                    trial.sim_completed_time = now
                else:
                    self._end(trial, fate)
            elif phase is STARTING:
                self._begin(trial)
            elif phase is STOPPING:
                self._leave(trial, STOPPED)
            else:  # AWAY
                trial.phase = QUEUED
                self.queue.append(trial)
                continue
            news.append(trial.trial_index)

    def _fill(self) -> None:
        """Give free slots to waiting trials."""
        queue, slots = self.queue, self.slots
        while queue:
            slot = slots.take()
            if slot is None:
                return
            trial = queue.pop()
            self._assign(trial, slot)
            self.news.append(trial.trial_index)

    def _assign(self, trial: SimTrial, slot: int) -> None:
        """Give a slot to a waiting trial."""
        trial.slot = slot
        if self._delayed:
            delay = self._chances.start_delay(trial)
            if delay > 0:
                trial.phase = STARTING
                self.agenda.plan(trial, self.time + delay)
                return
        self._begin(trial)

    def _begin(self, trial: SimTrial) -> None:
        """Let a trial execute that has a slot, and decide its end."""
        self.waiting -= 1
        self.running += 1
        trial.phase = RUNNING
        trial.sim_start_time = now = self.time
        if self._plain:
            self.agenda.plan(trial, now + trial.sim_runtime)
            return
        assert trial.slot is not None, "only who has a slot begins"
        trial.fate = fate = self._chances.fate(trial, trial.slot, self.slots.speed(trial.slot))
        if fate.seconds is not None:
            self.agenda.plan(trial, now + fate.seconds)

    def _end(self, trial: SimTrial, fate: Fate) -> None:
        """Let a running trial fail, or be pre-empted."""
        if fate.failure is not None:
            self._leave(trial, FAILED, fate.down)
        else:
            self._preempt(trial, fate)

    def _preempt(self, trial: SimTrial, fate: Fate) -> None:
        assert fate.away is not None, "that is what pre-empted means"
        self._release(trial, fate.down)
        self.running -= 1
        self.waiting += 1
        trial.restarts += 1
        trial.left *= 1.0 - fate.kept
        trial.fate = None
        trial.phase = AWAY
        self.agenda.plan(trial, self.time + fate.away)

    def _leave(self, trial: SimTrial, phase: Phase, down: float = 0.0) -> None:
        """Let a live trial end."""
        if trial.phase in _IN_A_SLOT:
            self._release(trial, down)
        self._count(trial.phase, -1)
        self._count(phase, 1)
        trial.phase = phase
        trial.sim_completed_time = self.time

    def _release(self, trial: SimTrial, down: float) -> None:
        """Take the slot of a trial back; nobody gets it for so many seconds."""
        assert trial.slot is not None, "only who has a slot gives one back"
        if down > 0:
            self.slots.take_down(trial.slot, self.time + down)
        else:
            self.slots.give_back(trial.slot)

    def _count(self, phase: Phase, change: int) -> None:
        if phase is RUNNING or phase is STOPPING:
            self.running += change
        elif phase is COMPLETED:
            self.completed += change
        elif phase is FAILED:
            self.failed += change
        elif phase is STOPPED:
            self.stopped += change
        else:
            self.waiting += change


_IN_A_SLOT = (STARTING, RUNNING, STOPPING)
