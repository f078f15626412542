"""Submit and collect, for a loop of one's own: the engine without an optimizer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from runwright.abstract_runner import AbstractRunner
from runwright.errors import UsageError
from runwright.experiment import OpenExperiment
from runwright.loop.claims import Claim, Claims, own_info
from runwright.loop.fit import check_required_arguments
from runwright.loop.policy import Policy
from runwright.loop.submissions import Submissions
from runwright.loop.translation import trial_value
from runwright.status import StopCause
from runwright.submission import StatusType, TrialInfo, TrialValue, content_key, spread_crash_cost

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from runwright.clock import Clock
    from runwright.experiment import Experiment
    from runwright.journal import Journal
    from runwright.loop.claims import Collected
    from runwright.loop.on_failure import OnFailure, Rule
    from runwright.loop.session import Sync
    from runwright.runner import Limits, Runner
    from runwright.state import State
    from runwright.submission import Cost
    from runwright.trial import BaseTrial


class TrialQueue(AbstractRunner):
    """Executes what a foreign loop submits, on any runner, with limits, retries, a journal and logs.

    Kill the loop at any moment and start it again on the same directory: a trial that it submits again is answered from
    the journal, or followed where it still runs; it is not evaluated twice. See ``docs/trial-queue.md``.

    Args:
        runner: Executes trials.
        experiment: What may be submitted, and what is measured; an `OpenExperiment` where not given, whose objectives
            are the scenario's, or ``cost``.
        directory: Run directory, made where it does not exist; None: everything stays in memory.
        scenario: Whatever has ``objectives`` and a ``crash_cost``.
        required_arguments: Arguments that the evaluation function must take, such as ``seed``.
        crash_cost: What a trial costs that was not completed: a number, or one for each objective; the scenario's, or
            infinity, where not given.
        policy: How many in parallel, how often, within which limits; the keywords below change single fields of it.
        parallel: See `Policy`.
        on_failure: See `Policy`.
        limits: See `Policy`.
        clock: Time; the runner's kind of time where not given.
        journal: Where events go; ``DIR/journal.sqlite`` or memory where not given.
        sync: See `Scheduler`.

    Raises:
        UsageError: The parts do not fit together; nothing was started.
        DirectoryInUseError: Another driver works in the directory.
        JournalError: The journal is damaged or of a later version; it was left untouched.
    """

    def __init__(
        self,
        runner: Runner,
        experiment: Experiment | None = None,
        *,
        directory: Path | str | None = None,
        scenario: Any = None,
        required_arguments: Sequence[str] | None = None,
        crash_cost: float | Sequence[float] | None = None,
        policy: Policy | None = None,
        parallel: int | None = None,
        on_failure: OnFailure | Rule | str | Mapping[Any, Any] | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
        journal: Journal | None = None,
        sync: Sync | None = None,
    ) -> None:
        super().__init__(scenario, list(required_arguments or ()))
        experiment = experiment or self._open_experiment(runner)
        self._objectives = list(experiment.objectives)
        if crash_cost is None:
            crash_cost = getattr(scenario, "crash_cost", math.inf)
        self._crash_cost = spread_crash_cost(crash_cost, len(self._objectives))
        changes: dict[str, Any] = {"parallel": parallel, "on_failure": on_failure, "limits": limits}
        changes = {name: value for name, value in changes.items() if value is not None}
        policy = replace(policy or Policy(), **changes)
        check_required_arguments(runner, self._required_arguments)
        self.runner = runner
        self._submissions = Submissions(
            runner,
            experiment,
            policy,
            directory=directory,
            clock=clock,
            journal=journal,
            sync=sync,
            on_others=self._record,
        )
        self._session = self._submissions.session
        try:
            self._begin()
        except BaseException:
            self._session.close()
            raise

    def _open_experiment(self, runner: Runner) -> OpenExperiment:
        objectives = self._objectives or (["cost"] if runner.traits.measures else [])
        return OpenExperiment("queue", dict.fromkeys(objectives, "minimize"))

    def _begin(self) -> None:
        if self._submissions.unlimited:
            name = type(self.runner).__name__
            raise UsageError(f"nothing limits how many trials {name} runs at once: say it with parallel=...")
        self._claims = Claims(())
        self._submissions.begin()

    @property
    def experiment(self) -> Experiment:
        """What may be submitted, and what is measured."""
        return self._session.experiment

    @property
    def state(self) -> State:
        """The experiment as its events tell it; for reading."""
        return self._session.state

    @property
    def meta(self) -> dict[str, Any]:
        """Facts about the queue and its runner that are the same in every process."""
        return {**super().meta, "runner": self.runner.meta}

    # Submit.

    def submit_trial(self, trial_info: TrialInfo) -> None:
        """Have a trial executed; wait while no slot is free for it.

        What an earlier queue of this directory was given and this one was not is taken up: the n-th submission of
        the same content is its n-th trial. Whatever goes beyond is a trial of its own, evaluated anew.

        Args:
            trial_info: The trial. Any object with ``config``, ``instance``, ``seed`` and ``budget`` will do; it comes
                back as it is.

        Raises:
            UsageError: It is no trial, or its configuration does not fit the experiment.
            StoppedError: A user has stopped the experiment.
        """
        index = self._accept(trial_info, self._results_queue)
        if self.runner.traits.inline:  # a launched trial has ended at once
            state = self.state
            while index in self._claims and (state.live or state.ready or state.undecided):
                self._look()

    def run_wrapper(self, trial_info: TrialInfo) -> tuple[TrialInfo, TrialValue]:
        """Submit a trial and wait for its own result, which `iter_results` will not return.

        Args:
            trial_info: The trial.

        Returns:
            The same object, and what came of it.
        """
        mine: Collected = []
        index = self._accept(trial_info, mine)
        try:
            while not mine:
                self._look(wait=True)
        finally:
            self._claims.give_back(index)  # what was cut short is there for the next submission
        return mine[0]

    def run(
        self, config: Any, instance: str | None = None, budget: float | None = None, seed: int | None = None
    ) -> tuple[StatusType, Cost, float, dict[str, Any]]:
        """Evaluate a configuration, and wait for its result.

        Args:
            config: The configuration.
            instance: Problem instance, or None.
            budget: A positive number, or None.
            seed: Seed of the evaluation, or None.

        Returns:
            Status, cost, wall seconds of the evaluation, and additional information.
        """
        _, value = self.run_wrapper(TrialInfo(config, instance, seed, budget))
        return value.status, value.cost, value.time, value.additional_info

    def _accept(self, info: TrialInfo, into: Collected) -> int:
        """Take up a trial on record or add one, and start it; return its index."""
        own = own_info(info)
        self._submissions.check_open()
        point = self.experiment.validate(own.parameters)
        key = content_key(point, own.instance, own.seed, own.budget)
        index = self._claims.on_record(key)
        if index is None:
            engine = self._session.engine
            while engine.room() == 0:
                self._look(wait=True)
            index = self._submissions.add([point], instance=own.instance, budget=own.budget, seed=own.seed)
        self._claims.claim(index, Claim(info, key, into))
        if self.state.trials[index].status.is_terminal and index not in self.state.untold:
            self._deliver(index)
        self._turn()
        return index

    # Collect.

    def iter_results(self) -> Iterator[tuple[TrialInfo, TrialValue]]:
        """Return the submitted trials that have ended and were not returned before, in the order of their end.

        Never waits. What the iterator is not asked for remains for the next call.
        """
        self._look()
        return super().iter_results()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until there is a result to collect, or nothing runs that will end by itself.

        Args:
            timeout: Seconds after which to return anyhow; None: as long as it takes.
        """
        clock, engine = self._session.clock, self._session.engine
        until = None if timeout is None else clock.now() + timeout
        self._look()
        while len(self._claims) > engine.staying and not self._results_queue:
            if until is not None and clock.now() >= until:
                return
            self._look(wait=True, until=until)

    def is_running(self) -> bool:
        """Whether a submitted trial had no result to collect when this was asked.

        News are taken in after the answer: a result that comes with them is still announced by it, so that a loop which
        collects, asks and leaves does not leave one behind.
        """
        running = len(self._claims) > 0
        self._look()
        return running

    def count_available_workers(self) -> int:
        """Return how many trials could be submitted now without waiting."""
        self._look(hand_out=False)
        return self._session.engine.room()

    def unclaimed(self) -> list[TrialInfo]:
        """Return what is on record and was not submitted to this queue, in that order.

        That is what earlier queues of this directory were given, and points of users. All are executed to their end. To
        collect the result of one, submit it.
        """
        trials = [self.state.trials[index] for index in self._claims.left()]
        return [TrialInfo(dict(t.arms[0].parameters), t.instance, t.seed, t.budget) for t in trials]

    # Stop and leave.

    def stop(self, trial_info: TrialInfo, reason: str | None = None) -> bool:
        """End a submitted trial; it becomes ABANDONED, and its result is CRASHED with the reason.

        Args:
            trial_info: What was submitted; of several equal ones that very object, else the earliest.
            reason: Why.

        Returns:
            Whether there was something to stop; never waits for its end.

        Raises:
            UsageError: The runner cannot stop a trial that has begun.
        """
        self._look(hand_out=False)
        state, index = self.state, self._claims.find(trial_info)
        if index is None or state.trials[index].status.is_terminal:
            return False
        if not self.runner.traits.stops and (index in state.staged or index in state.running):
            raise UsageError(f"{type(self.runner).__name__} cannot stop a trial that has begun; wait for its end")
        self._session.engine.stop(index, StopCause.USER, reason or "the loop that submitted it stopped it")
        self._turn(hand_out=False)
        return True

    def close(self) -> None:
        """Release directory, journal and runner; idempotent.

        Trials that survive this process go on and are followed by the next queue of the directory; the others end, and
        are repeated by it.
        """
        self._submissions.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Turn the engine.

    def _look(self, *, wait: bool = False, until: float | None = None, hand_out: bool = True) -> None:
        """Take in news, waiting for them or not, and act on them."""
        self._hand_out(self._submissions.look(wait=wait, until=until), hand_out=hand_out)

    def _turn(self, *, hand_out: bool = True) -> None:
        """Turn the engine once, and hand out the results that are durable by then; or leave that to a later turn."""
        self._hand_out(self._submissions.turn(), hand_out=hand_out)

    def _hand_out(self, stopped: bool, *, hand_out: bool) -> None:
        if hand_out:
            for index in self._submissions.take_ended():
                self._deliver(index)
        if stopped:
            self._submissions.check_open()

    def _record(self, trials: Sequence[BaseTrial]) -> None:
        """Learn of trials that are there to be claimed: of earlier lives, and of users."""
        self._claims.record(trials)

    def _deliver(self, index: int) -> None:
        """Hand out the result of a trial that has ended; nobody waits for what this queue was not given."""
        claim = self._claims.settle(index)
        if claim is not None:
            claim.into.append((claim.info, trial_value(self.state.trials[index], self._crash_cost)))
