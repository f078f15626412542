"""Runwright's runners inside SMAC: `SmacRunner` is the ``target_function`` of any facade. See ``docs/smac.md``.

The only file of the bridges that imports SMAC. What is done with its trials is in `smac_trials`, what its scenario asks
for in `smac_scenario`, what it wrote down in an earlier life in `smac_stored`.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import fields
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

from runwright.bridges import smac_scenario
from runwright.bridges.smac_fit import check_runner, evaluates
from runwright.bridges.smac_stored import check_output, read_stored
from runwright.bridges.smac_trials import Trials
from runwright.bridges.versions import SMAC
from runwright.errors import StoppedError, UsageError
from runwright.loop.on_failure import OnFailure
from runwright.loop.policy import Policy
from runwright.loop.translation import trial_value
from runwright.submission import StatusType as OwnStatus

SMAC.check()

from ConfigSpace import Configuration  # noqa: E402  (after the version)
from smac.runhistory.dataclasses import TrialInfo, TrialValue  # noqa: E402
from smac.runhistory.enumerations import StatusType  # noqa: E402
from smac.runner.abstract_runner import AbstractRunner  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from runwright.bridges.smac_trials import Ended
    from runwright.clock import Clock
    from runwright.journal import Journal
    from runwright.loop.on_failure import Rule
    from runwright.loop.session import Sync
    from runwright.runner import Limits, Runner
    from runwright.state import State
    from runwright.trial import BaseTrial

_log = logging.getLogger(__name__)
_STATUS = {own: StatusType(int(own)) for own in OwnStatus}


class SmacRunner(AbstractRunner):
    """Executes SMAC's trials on any runner, with limits, retries, a journal and logs.

    Args:
        runner: Executes trials; it says how many run at once.
        scenario: SMAC's scenario, as the facade gets it, with ``n_workers=1``. Its objectives, its crash cost and its
            limits of a trial hold.
        required_arguments: Arguments that the evaluation function must take; those without which it could not tell the
            scenario's trials apart, where not given.
        directory: Run directory, made where it does not exist; None: everything stays in memory.
        parallel: How many trials may run at once; as many as the runner takes, where not given.
        on_failure: What follows a failed attempt; see `Policy`.
        limits: Limits of a trial, beside those of the scenario.
        crash_cost: What a trial costs that did not complete, a number or one for each objective; the scenario's where
            not given.
        overwrite: Whether the facade was told to overwrite an earlier run.
        clock: Time; the runner's kind of time where not given.
        journal: Where events go; ``DIR/journal.sqlite`` or memory where not given.
        sync: See `Scheduler`.

    Attributes:
        runner: The runner.
        stopped: Why nothing more is taken, once a user or a rule has stopped the experiment; None before.

    Raises:
        UsageError: The parts do not fit together; nothing was started.
        DirectoryInUseError: Another driver works in the directory.
        JournalError: The journal is damaged or of a later version; it was left untouched.
    """

    def __init__(
        self,
        runner: Runner,
        scenario: Any,
        required_arguments: Sequence[str] | None = None,
        *,
        directory: Path | str | None = None,
        parallel: int | None = None,
        on_failure: OnFailure | Rule | str | Mapping[Any, Any] | None = None,
        limits: Limits | None = None,
        crash_cost: float | Sequence[float] | None = None,
        overwrite: bool = False,
        clock: Clock | None = None,
        journal: Journal | None = None,
        sync: Sync | None = None,
    ) -> None:
        smac_scenario.check_scenario(scenario)
        cost = smac_scenario.crash_cost_of(scenario, crash_cost)
        required = smac_scenario.required_of(scenario) if required_arguments is None else list(required_arguments)
        check_runner(runner, scenario, required)
        check_output(scenario, overwrite=overwrite)
        policy = Policy(
            parallel=parallel,
            on_failure=OnFailure() if on_failure is None else OnFailure.of(on_failure),
            limits=smac_scenario.limits_of(scenario, limits),
        )
        # SMAC's own constructor insists on a crash cost that is a float, which an integer is not.
        objectives = smac_scenario.objectives_of(scenario)
        plain = {"objectives": objectives, "crash_cost": cost, "count_objectives": lambda: len(objectives)}
        super().__init__(SimpleNamespace(**plain), required)
        self._scenario = scenario
        self._has_cpu_time = any(field.name == "cpu_time" for field in fields(TrialValue))  # since SMAC 2.3
        self._takes_info = any(field.name == "additional_info" for field in fields(TrialInfo))  # since SMAC 2.4
        self.runner = runner
        self.stopped: str | None = None
        self._ended: Ended = []
        self._taken_over = self._for_all = False
        self._trials = Trials(
            runner,
            smac_scenario.experiment_of(scenario),
            policy,
            list(scenario.configspace),
            directory=directory,
            clock=clock,
            journal=journal,
            sync=sync,
        )

    @property
    def meta(self) -> dict[str, Any]:
        """What SMAC knows this run by: the same in every process, whatever executes it."""
        return {"name": type(self).__name__, "evaluates": evaluates(self.runner)}

    @property
    def state(self) -> State:
        """The experiment as its events tell it; for reading."""
        return self._trials.state

    # Submit.

    def submit_trial(self, trial_info: TrialInfo, **data_to_scatter: Any) -> None:
        """Have a trial executed; wait while no slot is free for it.

        What was evaluated already, in this life or an earlier one, is answered from the journal.

        Args:
            trial_info: The trial.
            **data_to_scatter: Refused.

        Raises:
            UsageError: There is something to scatter.
            StopIteration: A user, or a rule, has stopped the experiment: SMAC then ends as if it had nothing to ask.
        """
        _refuse_data(data_to_scatter)
        try:
            self._take_over()
            self._trials.submit(trial_info, self._ended)
        except StoppedError as error:
            self._halt(error)
            raise StopIteration(str(error)) from error

    def run_wrapper(self, trial_info: TrialInfo, **data_to_scatter: Any) -> tuple[TrialInfo, TrialValue]:
        """Have a trial executed and wait for its own result, which `iter_results` will not return.

        Args:
            trial_info: The trial.
            **data_to_scatter: Refused.

        Returns:
            The same object, and what came of it.

        Raises:
            UsageError: There is something to scatter.
            StoppedError: A user, or a rule, has stopped the experiment.
        """
        _refuse_data(data_to_scatter)
        mine: Ended = []
        self._trials.submit(trial_info, mine)
        while not mine:
            self._trials.look(wait=True)
        info, trial = mine[0]
        return info, self._value(trial)

    def run(
        self,
        config: Configuration,
        instance: str | None = None,
        budget: float | None = None,
        seed: int | None = None,
        additional_info: dict[str, Any] | None = None,
        **data_to_scatter: Any,
    ) -> tuple[Any, ...]:
        """Evaluate a configuration, and wait for its result.

        Args:
            config: The configuration.
            instance: Problem instance, or None.
            budget: A positive number, or None.
            seed: Seed of the evaluation, or None.
            additional_info: What else the evaluation is given, such as a ``cutoff``.
            **data_to_scatter: Refused.

        Returns:
            Status, cost, wall seconds, CPU seconds (not up to SMAC 2.2), and additional information.
        """
        more = {"additional_info": additional_info or {}} if self._takes_info else {}
        _, value = self.run_wrapper(TrialInfo(config, instance, seed, budget, **more), **data_to_scatter)
        seconds = (value.time, value.cpu_time) if self._has_cpu_time else (value.time,)
        return (value.status, value.cost, *seconds, value.additional_info)

    # Collect.

    def iter_results(self) -> Iterator[tuple[TrialInfo, TrialValue]]:
        """Return the trials that have ended and were not returned before, in the order of their end; never waits.

        Where the call before has brought some already, others are looked for by the next.
        """
        if not self._ended or self._for_all:
            self._look()
        while self._for_all and self._trials.waiting and self.stopped is None:
            self._look(wait=True)
        return self._collect()

    def _collect(self) -> Iterator[tuple[TrialInfo, TrialValue]]:
        while self._ended:
            info, trial = self._ended.pop(0)
            yield info, self._value(trial)

    def wait(self) -> None:
        """Wait until there is a result to collect, or nothing runs."""
        self._look()
        while self._trials.waiting and not self._ended and self.stopped is None:
            self._look(wait=True)

    def is_running(self) -> bool:
        """Whether a result is still to be collected."""
        self._look()
        return bool(self._ended) or (self._trials.waiting and self.stopped is None)

    def count_available_workers(self) -> int:
        """Return how many trials could be submitted now without waiting."""
        self._look()
        return self._trials.room

    @contextmanager
    def waiting_for_all(self) -> Iterator[Self]:
        """Let `iter_results` wait for all that runs: SMAC's ``validate`` submits, collects once, and takes the mean."""
        self._for_all = True
        try:
            yield self
        finally:
            self._for_all = False

    def close(self) -> None:
        """Let go as `runwright.TrialQueue.close` does, for the next runner of the directory; idempotent."""
        self._trials.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise UsageError(
            "a SmacRunner cannot be sent to another process: leave n_workers at 1 and give SMAC no dask_client; the "
            "runner in it says how many trials run at once"
        )

    # What SMAC does not see.

    def _look(self, *, wait: bool = False) -> None:
        """Take in news; once somebody has stopped the experiment there are none."""
        if self.stopped is not None:
            return
        try:
            self._take_over()
            self._trials.look(wait=wait)
        except StoppedError as error:
            self._halt(error)

    def _halt(self, error: StoppedError) -> None:
        if self.stopped is None:
            self.stopped = str(error)
            _log.warning("SMAC gets no more results: %s", self.stopped)

    def _take_over(self) -> None:
        """Wait, for SMAC, for what it asked for in its last life: it takes such trials for running, for ever.

        What it asked for after it saved for the last time it has forgotten; the results are told to it all the same.
        """
        if self._taken_over:
            return
        self._trials.check_open()
        self._taken_over = True
        stored = read_stored(self._scenario)
        forgotten = self._trials.unknown_to([entry.key for entry in stored])
        for entry in stored:
            if entry.running:
                self._adopt(entry.parameters, entry.instance, entry.seed, entry.budget)
        for parameters, trial in forgotten:
            self._adopt(parameters, trial.instance, trial.seed, trial.budget)

    def _adopt(self, parameters: dict[str, Any], instance: str | None, seed: int | None, budget: float | None) -> None:
        try:
            config = Configuration(self._scenario.configspace, values=parameters)
        except ValueError as error:
            _log.warning(
                "%r is no configuration of this space any more, and SMAC is not told of it: %s", parameters, error
            )
            return
        self._trials.adopt(TrialInfo(config, instance, seed, budget), self._ended)

    def _value(self, trial: BaseTrial) -> TrialValue:
        """Return what came of a trial. Its status is kept whatever it costs."""
        own = trial_value(trial, self._crash_cost)
        cpu_time = {"cpu_time": own.cpu_time} if self._has_cpu_time else {}
        return TrialValue(
            cost=own.cost,
            time=own.time,
            status=_STATUS[own.status],
            starttime=own.starttime,
            endtime=own.endtime,
            additional_info=own.additional_info,
            **cpu_time,
        )


def _refuse_data(data: Mapping[str, Any]) -> None:
    if data:
        raise UsageError(
            f"{', '.join(data)} is for Dask; let the evaluation load its data when it is first called, or where its "
            "module is imported: a worker of PoolRunner keeps it"
        )
