"""One turn after another: observe, tell and ask, record intents, commit once, then act.

No effect outside this process happens before the commit of the event that announces it. What was only observed (facts)
rides in the next commit, because it can be observed again. See ``docs/decisions/0001-one-commit-a-turn.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright import events as ev
from runwright.loop import decide
from runwright.loop.consulting import Consulting
from runwright.loop.effects import Effects
from runwright.loop.ends import by_request
from runwright.loop.observer import FETCH_TRIES, Observer
from runwright.loop.patience import pause
from runwright.optimizer import Exhausted, Suggestion
from runwright.result import Result
from runwright.status import ABANDONED, CANDIDATE, StopCause, StopReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runwright.clock import Waker
    from runwright.loop.policy import Policy
    from runwright.loop.recorder import Recorder
    from runwright.optimizer import Optimizer
    from runwright.runner import Runner

FLUSH_AFTER = 0.05
"""Seconds after which facts are committed even if nothing else happens, so that other processes see them."""
FULL_POLL_EVERY = 30.0
"""Seconds between two polls of all live trials, whatever the runner names: a safety net."""


class Engine:
    """Runs trials: what a scheduler, a queue and the bridges have in common.

    Args:
        recorder: Knows the experiment, and makes durable what happens.
        runner: Executes trials; opened.
        optimizer: Proposes them; brought to where the state is.
        policy: What the user decided.
        waker: Ends a wait from elsewhere.

    Attributes:
        exhausted: Whether the optimizer has nothing more to propose.
        holding: While True nothing new is asked for or started.
        asking: Whether the optimizer is asked for points; what a queue runs comes by `add` alone.
    """

    def __init__(self, recorder: Recorder, runner: Runner, optimizer: Optimizer, policy: Policy, waker: Waker) -> None:
        self.recorder = recorder
        self.state = recorder.state
        self.clock = recorder.clock
        self.policy = policy
        self.exhausted = False
        self.holding = False
        self.asking = True
        self._runner = runner
        self._consulting = Consulting(recorder, optimizer)
        self._waker = waker
        self._observer = Observer(recorder, runner)
        self._effects = Effects(recorder, runner)
        self._asked_in_vain = False
        self._changed: set[int] | None = None
        self._next_full_poll = self.clock.now() + FULL_POLL_EVERY
        self._turned = self.clock.now()
        traits = runner.traits
        self._simulated, self._inline, self._holds_results = traits.simulated, traits.inline, traits.holds_results
        self._last_stays = runner.last_trial_stays
        # The time limit that the runner cannot enforce by itself.
        self._timeout = None if "timeout" in traits.enforces else policy.limits.timeout

    # The turn.

    def turn(self) -> None:
        """Do one turn. Never waits, except for what the optimizer and an inline runner take."""
        now, recorder, state = self.clock.now(), self.recorder, self.state
        self._turned = now
        if self._effects.unresolved:
            named = self._changed or ()
            if self._effects.reattach(now, named):
                self._changed = None
        if self._observe(now):
            recorder.commit()  # nobody else has these results
        if state.undecided:
            for verdict in decide.verdicts(state, self.policy, now):
                recorder.record(verdict)
        if state.untold:
            self._tell(now)
        if state.stop_reason is None:
            staying = self.staying if self._last_stays else 0
            end = decide.ending(state, self.policy, now, exhausted=self.exhausted, staying=staying)
            if end is not None:
                self._end(end)
        deployments = self._propose(now)
        if self._timeout is not None:
            for stop in decide.timeouts(state, self._timeout, now):
                recorder.record(stop)
                self._effects.to_stop.add(stop.trial)
        for deployment in deployments:
            recorder.record(deployment)
            self._effects.to_deploy[deployment.trial] = None
        recorder.commit()
        self._effects.act()

    def _end(self, end: ev.ExperimentEnded) -> None:
        self.recorder.record(end)
        if end.reason is StopReason.TIME and self._runner.traits.stops:
            self.interrupt(end.message)  # repeated where the experiment is given more time

    def wait(self, until: float | None = None) -> None:
        """Wait until something may have changed.

        Args:
            until: Time at which to return at the latest; None: when something must be decided.
        """
        state, outages = self.state, self._observer.outages
        if state.undecided or (self.exhausted and state.stop_reason is None and self._idle):
            self._changed = None if outages else set()
            return  # the next turn has something to decide already
        deadline = decide.next_deadline(state, self.policy, self._timeout, self._turned)
        if deadline is not None:
            until = _earlier(until, deadline)
        if outages or not self._simulated or self._effects.waiting:
            until = self._look_again(until)
        if outages and not self._simulated:
            # What cannot be asked after stays unread: a wait for news would return at once, again and again.
            self.clock.wait(until, self._waker)
        else:
            self._changed = self._runner.wait(until, self._waker)
        if outages or (not self._simulated and self.clock.now() >= self._next_full_poll):
            self._changed = None

    def _look_again(self, until: float | None) -> float | None:
        """Return when to look again at what tells nothing by itself, or `until` where that is earlier."""
        now, outages = self.clock.now(), self._observer.outages
        again = self._effects.again_at(now)
        if again is not None:
            until = _earlier(until, again)
        if outages:
            until = _earlier(until, now + pause(outages))
        if not self._simulated:
            if self.recorder.pending:
                until = _earlier(until, now + FLUSH_AFTER)
            if self.state.live:
                until = _earlier(until, self._next_full_poll)
        return until

    @property
    def news(self) -> set[int] | None:
        """Trials that may have changed, as the last `wait` found; None: any of them."""
        return self._changed

    @property
    def staying(self) -> int:
        """How many live attempts never end by themselves: the latest one, where the runner keeps it running."""
        return int(self._last_stays and not self.state.stopping)

    @property
    def _idle(self) -> bool:
        """Whether no result is to be expected of any trial."""
        state = self.state
        return not (state.live > self.staying or state.ready or state.delayed)

    # Observe.

    def look(self) -> None:
        """Record what all live trials have come to, without deciding anything."""
        self._changed = None
        self._observe(self.clock.now())

    def _observe(self, now: float) -> bool:
        """Poll what may have changed; say whether results were seen that nobody else has while others are asked."""
        state, changed, unresolved = self.state, self._changed, self._effects.unresolved
        if changed is None:
            live = {trial.index: trial for trial in state.live_trials()}
            self._next_full_poll = now + FULL_POLL_EVERY
        else:
            running, staged = state.running, state.staged
            ordered = sorted(changed) if len(changed) > 1 else changed
            live = {index: state.trials[index] for index in ordered if index in running or index in staged}
        self._changed = None  # if this is cut short: a runner tells its news once
        for index in unresolved:
            live.pop(index, None)
        ended = self._observer.poll(live, now)
        self._changed = set()
        return ended and self._holds_results and self.asking

    # Tell and ask.

    def _tell(self, now: float) -> None:
        self._asked_in_vain = False
        for index in list(self.state.untold):
            self._consulting.tell(self.state.trials[index], now)

    def _propose(self, now: float) -> list[ev.DeployStarted]:
        """Send what never started, ask for what fills the free slots, and say which candidates start."""
        again = len(self._effects.again)
        if again:  # as far as there are slots: there may be fewer than the last driver had
            self._effects.send_again(self._free_slots(again))
        state = self.state
        if self.holding or state.stop_reason is not None:
            return []
        free = self._free_slots()
        if free == 0:
            return []
        if self.asking and not (self.exhausted or self._asked_in_vain):
            self._ask(now, decide.asks(state, self.policy, now, free))
        if self._asked_in_vain and self._idle:
            self.exhausted = True  # it waits for a result that will never come: there is nothing more
        return decide.deployments(state, now, free)

    def _free_slots(self, again: int = 0) -> int:
        """How many slots are free, not counting those that so many attempts need that are to be sent again."""
        capacity = 1 if self._inline else self._observer.capacity()
        uncounted = self._effects.uncounted() - again
        if uncounted and capacity != decide.UNLIMITED:
            capacity = max(0, capacity - uncounted)
        if self._last_stays:
            again += self.staying
        return decide.free_slots(self.state, self.policy, capacity, again)

    def room(self) -> int:
        """Return how many trials would be started at once if they were added now; -1 where nothing limits them."""
        if self.holding:
            return 0
        return decide.room(self.state, self._turned, self._free_slots())

    def _ask(self, now: float, count: int) -> None:
        for _ in range(count):
            try:
                found = self._consulting.ask(len(self.state.trials), now)
            except Exhausted:
                self.exhausted = True
                return
            if not found:
                # It waits for a result, and is not asked before: how often there were turns must not matter to it.
                self._asked_in_vain = True
                return

    def add(
        self,
        points: Iterable[Mapping[str, object]],
        source: str,
        *,
        instance: str | None = None,
        budget: float | None = None,
        seed: int | None = None,
    ) -> list[int]:
        """Record trials that the optimizer did not propose, and tell it of them.

        Args:
            points: One point a trial, valid for the experiment.
            source: Who proposed them.
            instance: Problem instance, or None.
            budget: Fidelity, or None.
            seed: Seed of the evaluation, or None.

        Returns:
            Their indices.
        """
        now, added = self.clock.now(), []
        for point in points:
            index = len(self.state.trials)
            self._consulting.attach(index, Suggestion(dict(point), instance, budget, seed), source, now)
            added.append(index)
        return added

    # Stop and leave.

    def stop(self, index: int, cause: StopCause, reason: str) -> None:
        """Record the intent to stop a trial; the next `turn` acts on it. A trial that has ended is left alone."""
        state, now = self.state, self.clock.now()
        trial = state.trials[index]
        if index in state.undecided:
            for verdict in decide.verdicts(state, self.policy, now):
                self.recorder.record(verdict)
        if index in state.staged or index in state.running:
            if index not in state.stopping or cause is StopCause.USER:
                self.recorder.record(ev.StopRequested(now, index, trial.attempt, cause, reason))
                self._effects.to_stop.add(index)
        elif trial.status is CANDIDATE and cause is StopCause.USER:
            self.recorder.record(ev.Stopped(now, index, trial.attempt, ABANDONED, reason))

    def interrupt(self, reason: str) -> None:
        """End the live attempts so that the next driver repeats them."""
        if not self._runner.traits.stops:
            for _ in range(FETCH_TRIES if self._inline else 1):  # what an inline runner has sent has ended
                self.look()  # what has ended is not repeated
                if not self.state.live:
                    break
        for trial in self.state.live_trials():
            if self._runner.traits.stops:
                self.stop(trial.index, StopCause.INTERRUPT, reason)
            elif trial.index not in self._effects.unresolved:  # they die with this process
                now = self.clock.now()
                asked_for = by_request(self.state, trial, Result(), now)
                self.recorder.record(asked_for or ev.Interrupted(now, trial.index, trial.attempt, reason))

    def detach(self) -> None:
        """Record that the live attempts are left running."""
        for trial in self.state.live_trials():
            if trial.index not in self.state.detached:
                self.recorder.record(ev.Detached(self.clock.now(), trial.index, trial.attempt))


def _earlier(until: float | None, due: float) -> float:
    """Return the earlier of two times, of which the first may be None: never."""
    return due if until is None or due < until else until
