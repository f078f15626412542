"""One turn after another: observe, tell and ask, record intents, commit once, then act.

No effect outside this process happens before the commit of the event that announces it. What was only observed (facts)
rides in the next commit, because it can be observed again. See ``docs/decisions/0001-one-commit-a-turn.md``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runwright import events as ev
from runwright.errors import ContractError, InvalidResultError, UsageError
from runwright.loop import decide
from runwright.loop.history import observation
from runwright.optimizer import Exhausted, Suggestion
from runwright.result import Failure, Result, check_objectives
from runwright.runner import Ended, Following, Lost, NeverStarted
from runwright.status import FailureKind, StopCause, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from runwright.clock import Clock, Waker
    from runwright.journal import Journal
    from runwright.loop.policy import Policy
    from runwright.optimizer import Optimizer
    from runwright.runner import Reattachment, Runner
    from runwright.state import State
    from runwright.trial import BaseTrial

FLUSH_AFTER = 0.05
"""Seconds after which facts are committed even if nothing else happens, so that other processes see them."""
ASK_AGAIN_AFTER = 0.05
"""Seconds between two questions about an attempt of which the runner does not know yet what became of it."""
FULL_POLL_EVERY = 30.0
"""Seconds between two polls of all live trials, whatever the runner names: a safety net."""
FETCH_TRIES = 5

_ATOMS = (str, int, float, bool, type(None))


class Engine:
    """Runs trials: what a scheduler, a queue and the bridges have in common.

    Args:
        state: The experiment so far; the engine alone applies events to it from now on.
        journal: Where events are committed.
        runner: Executes trials; opened.
        optimizer: Proposes them; brought to where the state is.
        policy: What the user decided.
        clock: Time of the experiment.
        waker: Ends a wait from elsewhere.
        on_commit: Called with the events of each commit.
    """

    def __init__(
        self,
        *,
        state: State,
        journal: Journal,
        runner: Runner,
        optimizer: Optimizer,
        policy: Policy,
        clock: Clock,
        waker: Waker,
        on_commit: Callable[[Sequence[ev.Event]], None] | None = None,
    ) -> None:
        self.state = state
        self.policy = policy
        self.clock = clock
        self.waker = waker
        self.exhausted = False
        self.holding = False
        """While True nothing new is asked for or started."""
        self._journal = journal
        self._runner = runner
        self._optimizer = optimizer
        self._on_commit = on_commit
        self.commits = 0
        self._pending: list[ev.Event] = []
        self._changed: set[int] | None = None
        self._unresolved: set[int] = set(state.staged) | set(state.running)
        self._resend: set[int] = set()
        self._fetch_errors: dict[int, int] = {}
        self._metrics_seen: set[str] = set()
        self._said: set[str] = set()
        self._next_full_poll = clock.now() + FULL_POLL_EVERY
        # What `reattach` finds about an attempt that an earlier driver asked to stop is acted on again.
        self._stop_again: set[int] = set(state.stopping)
        limits, traits = policy.limits, runner.traits
        self._timeout = None if "timeout" in traits.enforces else limits.timeout

    # The turn.

    def turn(self) -> None:
        """Do one turn. Never waits, except for what the optimizer and an inline runner take."""
        now = self.clock.now()
        if self._unresolved:
            self._reattach(now)
        news = self._observe(now)
        if news and self._runner.traits.holds_results:
            self.commit()  # nobody else has these results
        if self.state.undecided:
            self._record_all(decide.verdicts(self.state, self.policy, now))
        self._tell(now)
        ended = decide.ending(self.state, self.policy, now, exhausted=self.exhausted)
        if ended is not None:
            self.record(ended)
        deployments = self._propose(now)
        stops = decide.timeouts(self.state, self._timeout, now)
        self._record_all(stops)
        self._record_all(deployments)
        self.commit()
        self._act(
            {*(stop.trial for stop in stops), *self._stop_again} if stops or self._stop_again else (),
            [*sorted(self._resend), *(intent.trial for intent in deployments)],
        )

    def wait(self, until: float | None = None) -> None:
        """Wait until something may have changed.

        Args:
            until: Time at which to return at the latest; None: when something must be decided.
        """
        state = self.state
        if state.undecided or state.untold or (self.exhausted and not state.live and state.stop_reason is None):
            self._changed = set()
            return  # the next turn has something to decide already
        deadline = decide.next_deadline(state, self.policy, self._timeout)
        times = [time for time in (until, deadline) if time is not None]
        simulated = self._runner.traits.simulated
        if not simulated:
            now = self.clock.now()
            if self._pending:
                times.append(now + FLUSH_AFTER)
            if self._unresolved or self._stop_again:
                times.append(now + ASK_AGAIN_AFTER)
            if state.live:
                times.append(self._next_full_poll)
        self._changed = self._runner.wait(min(times, default=None), self.waker)
        if not simulated and state.live and self.clock.now() >= self._next_full_poll:
            self._changed = None

    def record(self, event: ev.Event) -> None:
        """Apply an event; it is committed with the next commit."""
        self.state.apply(event)
        self._pending.append(event)

    def _record_all(self, events: Sequence[ev.Event]) -> None:
        for event in events:
            self.record(event)

    def commit(self) -> None:
        """Make everything recorded so far durable, in one transaction."""
        if not self._pending:
            return
        events, self._pending = self._pending, []
        self.commits += 1
        self._journal.append(events)
        if self._on_commit is not None:
            self._on_commit(events)

    def note(self, message: str, trial: int | None = None) -> None:
        """Record something worth saying, once."""
        if message not in self._said:
            self._said.add(message)
            self.record(ev.Noted(self.clock.now(), message, trial))

    def add(self, points: Iterable[Mapping[str, object]], source: str) -> list[int]:
        """Record trials that the optimizer did not propose, and tell it of them.

        Args:
            points: One point a trial, valid for the experiment.
            source: Who proposed them.

        Returns:
            Their indices.
        """
        now, added = self.clock.now(), []
        for point in points:
            index = len(self.state.trials)
            self._optimizer.attach(index, Suggestion(dict(point)))
            self.record(ev.TrialAsked(now, index, [dict(point)], source))
            added.append(index)
        return added

    def stop(self, index: int, cause: StopCause, reason: str) -> None:
        """Record the intent to stop a trial; the next `turn` acts on it. A trial that has ended is left alone."""
        trial = self.state.trials[index]
        now = self.clock.now()
        if index in self.state.staged or index in self.state.running:
            if index not in self.state.stopping or cause is StopCause.USER:
                self.record(ev.StopRequested(now, index, trial.attempt, cause, reason))
                self._stop_again.add(index)
        elif trial.status is TrialStatus.CANDIDATE and cause is StopCause.USER:
            self.record(ev.Stopped(now, index, trial.attempt, TrialStatus.ABANDONED, reason))

    def give_up_unstoppable(self, reason: str) -> None:
        """Record the live attempts of a runner that cannot stop anything as INTERRUPTED: they die with this process."""
        for trial in self.state.live_trials():
            self.record(ev.Interrupted(self.clock.now(), trial.index, trial.attempt, reason))

    def detach(self) -> None:
        """Record that the live attempts are left running."""
        for trial in self.state.live_trials():
            if trial.index not in self.state.detached:
                self.record(ev.Detached(self.clock.now(), trial.index, trial.attempt))

    # Observe.

    def look(self) -> None:
        """Record what all live trials have come to, without deciding anything."""
        self._changed = None
        self._observe(self.clock.now())

    def _observe(self, now: float) -> bool:
        """Poll what may have changed and record what is found; say whether an attempt ended."""
        state = self.state
        if self._changed is None:
            live = state.live_trials()
            self._next_full_poll = now + FULL_POLL_EVERY
        else:
            live = [state.trials[i] for i in sorted(self._changed) if i in state.running or i in state.staged]
        self._changed = set()
        if self._unresolved:
            live = [trial for trial in live if trial.index not in self._unresolved]
        if not live:
            return False
        try:
            polled = self._runner.poll_trial_status(live)
        except Exception as error:  # noqa: BLE001  (an outage of polling is no verdict about any trial)
            self.note(f"polling failed and is tried again: {type(error).__name__}: {error}")
            self._changed = None
            return False
        ended = False
        asked = {trial.index for trial in live}
        for status, indices in polled.items():
            for index in sorted(indices & asked):
                ended |= self._take(state.trials[index], status, now)
        return ended

    def _take(self, trial: BaseTrial, status: TrialStatus, now: float) -> bool:
        """Take in one polled status; say whether the attempt ended."""
        if status in (TrialStatus.RUNNING, TrialStatus.STAGED):
            if status is not trial.status:
                self.record(ev.Polled(now, trial.index, status))
            return False
        if status is TrialStatus.CANDIDATE:
            raise ContractError(f"{self._runner!r} polled trial {trial.index} as CANDIDATE, though it was deployed")
        try:
            result = self._runner.fetch_result(trial)
        except Exception as error:  # noqa: BLE001  (an outage of the place where results are)
            tries = self._fetch_errors[trial.index] = self._fetch_errors.get(trial.index, 0) + 1
            why = f"its result could not be fetched: {type(error).__name__}: {error}"
            if tries < FETCH_TRIES:
                self.note(why, trial.index)
                self._changed = None
                return False
            result = Result.failed(FailureKind.LOST, why)
        if self._fetch_errors:
            self._fetch_errors.pop(trial.index, None)
        self.record(self._settled(trial, status, result, now))
        return True

    def _settled(self, trial: BaseTrial, status: TrialStatus, result: Result, now: float) -> ev.Event:
        """Say what the end of an attempt means."""
        index, attempt = trial.index, trial.attempt
        cause = self.state.stopping.get(index)
        if status is TrialStatus.COMPLETED and result.failure is None:
            return ev.Finished(now, index, attempt, self._checked(trial, result))
        reason = trial.stop_requested or "it was stopped from outside"
        failure = result.failure
        if cause is StopCause.TIMEOUT:
            failure = Failure(FailureKind.TIMEOUT, reason, None if failure is None else failure.log)
            return ev.Finished(now, index, attempt, replace(result, arms={}, failure=failure))
        if cause is StopCause.INTERRUPT:
            return ev.Interrupted(now, index, attempt, reason)
        if cause is StopCause.EARLY or status is TrialStatus.EARLY_STOPPED:
            return ev.Stopped(now, index, attempt, TrialStatus.EARLY_STOPPED, reason, result)
        if cause is StopCause.USER or status in (TrialStatus.ABANDONED, TrialStatus.STALE):
            return ev.Stopped(now, index, attempt, TrialStatus.ABANDONED, reason, result)
        if failure is None:
            failure = Failure(FailureKind.CRASHED, self._runner.poll_exception(trial) or "it gave no reason")
        return ev.Finished(now, index, attempt, replace(result, arms={}, failure=failure))

    def _checked(self, trial: BaseTrial, result: Result) -> Result:
        """Return the result, or the failure that it is no result."""
        experiment = self.state.experiment
        assert experiment is not None, "an engine has an experiment"
        if not self._runner.traits.measures:
            return result
        try:
            check_objectives(result, experiment.objectives, [arm.name for arm in trial.arms])
        except InvalidResultError as error:
            return replace(result, arms={}, failure=Failure(FailureKind.INVALID_RESULT, str(error)))
        for metrics in result.arms.values():
            if len(metrics) > len(experiment.objectives):
                for name in metrics.keys() - experiment.objectives.keys() - self._metrics_seen:
                    self._metrics_seen.add(name)
                    self.note(f"the metric {name!r} is no objective; it is kept")
        return result

    # Tell and ask.

    def _tell(self, now: float) -> None:
        for index in list(self.state.untold):
            self._optimizer.tell(observation(self.state.trials[index]))
            self.record(ev.Told(now, index))

    def _propose(self, now: float) -> list[ev.DeployStarted]:
        """Ask for what fills the free slots, and say which candidates start."""
        if self.holding or self.state.stop_reason is not None:
            return []
        capacity = self._runner.poll_available_capacity()
        if self._runner.traits.inline:
            capacity = 1
        if capacity != decide.UNLIMITED:
            # The runner does not count those yet that are sent again, or of which it does not know what they are.
            capacity = max(0, capacity - len(self._resend) - len(self._unresolved))
        free = decide.free_slots(self.state, self.policy, capacity)
        if free == 0:
            return []
        if not self.exhausted:
            self._ask(now, decide.asks(self.state, self.policy, now, free))
        return decide.deployments(self.state, now, free)

    def _ask(self, now: float, count: int) -> None:
        experiment = self.state.experiment
        assert experiment is not None, "an engine has an experiment"
        for _ in range(count):
            index = len(self.state.trials)
            try:
                suggestion = self._optimizer.ask(index)
            except Exhausted:
                self.exhausted = True
                return
            if suggestion is None:
                state = self.state
                # It waits for results, but none will come.
                self.exhausted = not (state.live or state.ready or state.delayed)
                return
            try:
                point = experiment.validate(suggestion.parameters)
            except UsageError as error:
                raise ContractError(f"the optimizer proposed a point that is none: {error}") from None
            self.record(
                ev.TrialAsked(now, index, [point], "optimizer", suggestion.instance, suggestion.budget, suggestion.seed)
            )

    # Act.

    def _act(self, stops: Iterable[int], deployments: Sequence[int]) -> None:
        """Do what was committed. What comes of it is a fact of the next commit."""
        trials = self.state.trials
        for index in sorted(stops):
            if index in self._unresolved or index in self._resend:
                self._stop_again.add(index)  # when it is known what there is to stop
                continue
            self._stop_again.discard(index)
            if not (index in self.state.running or index in self.state.staged):
                continue
            try:
                self._runner.stop(trials[index], trials[index].stop_requested)
            except Exception as error:  # noqa: BLE001  (a stop that fails is tried again at the next turn)
                self.note(f"stopping failed and is tried again: {type(error).__name__}: {error}", index)
                self._stop_again.add(index)
        if not deployments:
            return
        self._resend.clear()
        wanted = [trials[index] for index in deployments]
        try:
            deployed = self._runner.run_multiple(wanted)
        except Exception as error:  # noqa: BLE001  (whatever a plug-in raises must not end the study)
            deployed = {}
            self._runner.submit_errors.update(dict.fromkeys(deployments, error))
        now = self.clock.now()
        for trial in wanted:
            metadata = deployed.get(trial.index)
            if metadata is None:
                self._submission_failed(trial, now)
            else:
                self._deployed(trial, metadata, now)

    def _deployed(self, trial: BaseTrial, metadata: dict[str, object], now: float) -> None:
        for key, value in metadata.items():
            if type(value) not in _ATOMS and not _is_json(value):
                raise ContractError(
                    f"{type(self._runner).__name__}.run gave run metadata that is no JSON: {key!r} is {type(value)}"
                )
        self.record(ev.Deployed(now, trial.index, trial.attempt, metadata, self._runner.staging_required))

    def _submission_failed(self, trial: BaseTrial, now: float) -> None:
        error = self._runner.submit_errors.pop(trial.index, None)
        why = "the runner did not say why" if error is None else f"{error}" or type(error).__name__
        if self._runner.traits.survives_driver:
            found = self._runner.reattach([trial]).get(trial.index)
            if isinstance(found, (Following, Ended)):  # it was submitted after all
                self._deployed(trial, found.metadata, now)
                return
            if found is None or isinstance(found, Lost):
                why = f"{why}; and what became of it is not known" if found is None else f"{why}; {found.reason}"
        result = Result.failed(FailureKind.SUBMIT_ERROR, f"it could not be started: {why}")
        self.record(ev.Finished(now, trial.index, trial.attempt, result))

    # Go on after another driver.

    def _reattach(self, now: float) -> None:
        """Ask what became of attempts that an earlier driver started."""
        trials = [self.state.trials[index] for index in sorted(self._unresolved)]
        try:
            answers = self._runner.reattach(trials)
        except Exception as error:  # noqa: BLE001  (an outage is no verdict about any trial)
            self.note(f"asking after running trials failed and is tried again: {type(error).__name__}: {error}")
            return
        for trial in trials:
            answer = answers.get(trial.index)
            if answer is not None:
                self._unresolved.discard(trial.index)
                self._reattached(trial, answer, now)
        self._changed = None

    def _reattached(self, trial: BaseTrial, answer: Reattachment, now: float) -> None:
        if isinstance(answer, NeverStarted):
            self._resend.add(trial.index)
        elif isinstance(answer, Lost):
            if self._runner.traits.survives_driver:
                result = Result.failed(FailureKind.LOST, answer.reason, answer.log)
                self.record(ev.Finished(now, trial.index, trial.attempt, result))
            else:
                self.record(ev.Interrupted(now, trial.index, trial.attempt, answer.reason))
        elif answer.metadata != trial.run_metadata or trial.index in self.state.detached:
            self._deployed(trial, answer.metadata, now)


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    return type(value) in _ATOMS
