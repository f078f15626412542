"""Ax's trials as trials of ours: handed in once, found again by any later process, followed to their end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary, finalize

from runwright.bridges.ax_following import Following
from runwright.bridges.ax_known import Known, experiment_on_record
from runwright.bridges.ax_outcomes import Outcomes
from runwright.bridges.ax_request import MARK, Request
from runwright.bridges.ax_settings import first_capacity
from runwright.bridges.ax_turns import Turns
from runwright.errors import ContractError, UsageError
from runwright.loop import decide
from runwright.loop.fit import check_limits, check_policy_of_queue
from runwright.loop.submissions import Submissions
from runwright.status import StopCause, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from runwright.bridges.ax_request import ForeignTrial
    from runwright.experiment import Experiment
    from runwright.loop.policy import Policy
    from runwright.loop.session import Sync
    from runwright.result import Json
    from runwright.runner import Runner


_opened: WeakValueDictionary[Path, Deployments] = WeakValueDictionary()
"""What is open in this process, by run directory."""


class Deployments:
    """The trials of one experiment of Ax's.

    A deployment is known by experiment, index of the trial and hash of its points. All three stand in the journal: the
    arms of a trial are named ``<index>_<position>`` with Ax's index, and the hash follows from its points.

    It lets go of everything when it is closed, when nobody uses it any more, and at the end of the process.

    Args:
        runner: Executes trials.
        policy: How many in parallel, how often, within which limits.
        directory: Run directory; None: everything stays in memory.
        sync: See `runwright.Scheduler`.

    Attributes:
        name: Name of the experiment; None before `open`.
        outcomes: What came of the trials.

    Raises:
        UsageError: Runner and policy do not fit together.
    """

    def __init__(self, runner: Runner, policy: Policy, directory: Path | str | None, sync: Sync | None) -> None:
        check_policy_of_queue(policy)
        check_limits(runner, policy)
        self.runner = runner
        self._policy = policy
        self._directory = None if directory is None else Path(directory).absolute()
        self._sync = sync
        self._submissions: Submissions | None = None
        self._known = Known()
        self._following = Following()
        self.outcomes = Outcomes(runner, self._directory, self._known, self._following)
        self.name: str | None = None

    # Open and leave.

    def open(self, experiment: Experiment) -> None:
        """Get ready for the trials of an experiment; nothing more after the first time.

        Args:
            experiment: Its name, and what is measured; what is on record of that counts.

        Raises:
            UsageError: Trials of another experiment are executed here, or the parts do not fit together.
            DirectoryInUseError: Another process works in the directory.
            JournalError: The journal is damaged or of a later version.
        """
        if self._submissions is not None:
            if experiment.name != self.name:
                raise UsageError(
                    f"this runner executes the trials of experiment {self.name!r}; make another one, with a directory "
                    f"of its own, for experiment {experiment.name!r}"
                )
            return
        submissions = Submissions(
            self.runner,
            experiment_on_record(self._directory, experiment),
            self._policy,
            directory=self._directory,
            sync=self._sync,
            on_others=self._known.record,
        )
        try:
            submissions.begin()
        except BaseException:
            submissions.close()
            raise
        self._submissions, self.name = submissions, experiment.name
        self.outcomes.state = submissions.state
        self._turns = Turns(submissions, self._following)
        finalize(self, submissions.close)
        if self._directory is not None:
            _opened[self._directory] = self

    def close(self) -> None:
        """Let go: trials that survive this process go on and are found again. Idempotent."""
        if self._submissions is not None:
            if self._directory is not None and _opened.get(self._directory) is self:
                del _opened[self._directory]
            self._submissions.close()

    def opened_before(self) -> Deployments | None:
        """Return what is open already on this directory, with the same runner and policy: it is to be used instead."""
        other = None if self._directory is None else _opened.get(self._directory)
        if other is None or other is self or other._policy != self._policy or other.runner != self.runner:  # noqa: SLF001
            return None
        return other

    @property
    def _opened(self) -> Submissions:
        if self._submissions is None:
            raise ContractError("Deployments.open was not called before the first trial")
        return self._submissions

    # Deploy.

    def deploy(self, trials: Sequence[ForeignTrial]) -> dict[int, Json]:
        """Have trials executed: adopt or start. Why one could not be started is a result of it.

        Args:
            trials: Trials of the experiment.

        Returns:
            Ax's index to run metadata, of each of them.

        Raises:
            UsageError: The runner takes no batch trials; nothing was started.
            StoppedError: A user has stopped the experiment.
        """
        submissions = self._opened
        submissions.check_open()
        requests = [Request.of(trial) for trial in trials]
        for request in requests:
            if len(request.points) > 1 and not self.runner.traits.batches:
                raise UsageError(
                    f"trial {request.index} has {len(request.points)} arms, and {type(self.runner).__name__} takes no "
                    "batch trials; PoolRunner and LocalMetadataRunner do"
                )
        own = [self._take(request, trial) for request, trial in zip(requests, trials, strict=True)]
        self._turns.turn()
        if self.runner.traits.inline:  # a deployed trial has ended at once
            state = submissions.state
            while any(not state.trials[index].status.is_terminal for index in own) and (
                state.live or state.ready or state.undecided
            ):
                self._turns.look()
        return {request.index: self.metadata(request.index) for request in requests}

    def _take(self, request: Request, trial: ForeignTrial) -> int:
        """Adopt the deployment of a trial or add one; return our index."""
        own = self._known.own(request.index)
        if own is None or self._known.key(own) != request.key:
            if own is not None:
                self._displace(own, request.index)
            own = self._add(request)
        self._following.take(own, trial, ended=self._opened.state.trials[own].status.is_terminal)
        return own

    def _add(self, request: Request) -> int:
        submissions = self._opened
        names = None
        if len(submissions.state.trials) != request.index:
            names = [f"{request.index}_{position}" for position in range(len(request.points))]
        own = submissions.add(request.points, names=names)
        self._known.add(request.index, own, request.key)
        return own

    def _displace(self, own: int, index: int) -> None:
        """Stop a job that has other parameters under the index of a trial. What is known of it is kept."""
        submissions = self._opened
        what = f"Ax gave its trial {index} other parameters, which trial {len(submissions.state.trials)} evaluates"
        submissions.session.recorder.note(what, own)
        self._following.leave(own)
        self._stop(own, StopCause.USER, what)

    def metadata(self, index: int) -> Json:
        """Return the run metadata of a trial: what the runner said, and how it is found again.

        Args:
            index: Ax's index of a trial that was deployed.
        """
        trial = self.outcomes.trial(index)
        if trial is None:
            raise ContractError(f"trial {index} was not deployed by this runner")
        mark: Json = {"trial": trial.index, "attempt": trial.attempt, "key": self._known.key(trial.index)}
        if self._directory is not None:
            mark["directory"] = str(self._directory)
        return {**trial.run_metadata, MARK: mark}

    def capacity(self) -> int:
        """Return how many more trials would begin at once; -1 where nothing limits them.

        A trial that has ended keeps its slot until a poll has said so: otherwise Ax would ask its model for a point
        without a result that is already there. While it waits for nothing there is room for one, also where what it has
        stopped still holds the slots: told of none, Ax takes the study for stuck and ends it. That one waits here.
        """
        if self._submissions is None:
            return first_capacity(self.runner, self._policy)
        room = self._submissions.engine.room()
        if room == decide.UNLIMITED:
            return room
        return max(0 if self._following.waits else 1, room - self._following.untold())

    # Follow.

    def poll(self, trials: Sequence[ForeignTrial], seconds: float) -> dict[int, TrialStatus]:
        """Say how trials stand, waiting for the end of one of them.

        A trial that was deployed, and of which nothing is known any more because everything was in memory, is evaluated
        again. One that was never deployed here, or that has ended for Ax, is left out.

        Args:
            trials: Trials of the experiment.
            seconds: How long to wait at the most; in simulated time there is no such limit.

        Returns:
            Ax's index to our status.

        Raises:
            StoppedError: A user has stopped the experiment.
        """
        own = {}
        for trial in trials:
            if trial.status.is_terminal:
                continue
            known = self._known.own(trial.index)
            if known is not None and self._following.waits_for(known, trial):
                own[trial.index] = known
            elif MARK in trial.run_metadata:  # deployed by an earlier process
                own[trial.index] = self._take(Request.of(trial), trial)
        self._let_go(own.values())
        ours = [self._opened.state.trials[index] for index in own.values()]
        self._turns.wait_for_one(ours, seconds)
        for one in ours:
            if one.status.is_terminal:
                self._following.leave(one.index)
        return {index: one.status for index, one in zip(own, ours, strict=True)}

    def _let_go(self, but: Collection[int]) -> None:
        """Stop what Ax has given up, by its time to live or by hand, and does not ask after: it tells no runner."""
        for own, trial in self._following.given_up(but):
            self._following.leave(own)
            self._stop(own, StopCause.USER, f"Ax gave it up: there it is {trial.status.name}")

    def stop(self, trial: ForeignTrial, reason: str | None) -> None:
        """Ask a trial to end early; never waits. A trial that has ended is left alone.

        Args:
            trial: A trial of the experiment.
            reason: Why.

        Raises:
            UsageError: The runner cannot stop a trial that has begun.
        """
        own = self._known.own(trial.index)
        if own is None or self._known.key(own) != Request.of(trial).key:
            return
        state = self._opened.state
        begun = own in state.staged or own in state.running
        if begun and not self.runner.traits.stops:
            raise UsageError(f"{type(self.runner).__name__} cannot stop a trial that has begun; wait for its end")
        self._following.leave(own)
        self._stop(own, StopCause.EARLY if begun else StopCause.USER, reason or "Ax stopped it")
        self._turns.turn()

    def _stop(self, own: int, cause: StopCause, reason: str) -> None:
        """Record that a trial is to end; one that cannot be stopped goes on to its end, which nobody waits for."""
        state = self._opened.state
        if self.runner.traits.stops or not (own in state.staged or own in state.running):
            self._opened.engine.stop(own, cause, reason)
