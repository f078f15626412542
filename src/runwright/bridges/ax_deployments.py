"""Ax's trials as trials of ours: handed in once, found again by any later process, followed to their end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary, finalize

from runwright.bridges.ax_following import Following
from runwright.bridges.ax_known import Known, experiment_on_record
from runwright.bridges.ax_progress import reports
from runwright.bridges.ax_request import MARK, Request
from runwright.errors import ContractError, UsageError
from runwright.loop import decide
from runwright.loop.fit import check_limits, check_policy_of_queue
from runwright.loop.submissions import Submissions
from runwright.status import StopCause, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwright.bridges.ax_progress import Report
    from runwright.bridges.ax_request import ForeignTrial
    from runwright.experiment import Experiment
    from runwright.loop.policy import Policy
    from runwright.loop.session import Sync
    from runwright.result import Json, Result
    from runwright.runner import Runner
    from runwright.trial import BaseTrial


TOGETHER = 0.002
"""Seconds within which trials end together: what Ax is told at once it answers with one look at its model."""
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
        self._unturned = True
        self.name: str | None = None
        """Name of the experiment; None before `open`."""

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
        self._turn()
        if self.runner.traits.inline:  # a deployed trial has ended at once
            state = submissions.state
            while any(not state.trials[index].status.is_terminal for index in own) and (
                state.live or state.ready or state.undecided
            ):
                self._look()
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
        trial = self.trial(index)
        if trial is None:
            raise ContractError(f"trial {index} was not deployed by this runner")
        mark: Json = {"trial": trial.index, "attempt": trial.attempt, "key": self._known.key(trial.index)}
        if self._directory is not None:
            mark["directory"] = str(self._directory)
        return {**trial.run_metadata, MARK: mark}

    def capacity(self) -> int:
        """Return how many more trials would begin at once; -1 where nothing limits them.

        A trial that has ended keeps its slot until a poll has said so: otherwise Ax would ask its model for a point
        without a result that is already there.
        """
        if self._submissions is None:
            return self._first_capacity()
        room = self._submissions.engine.room()
        if room == decide.UNLIMITED:
            return room
        return max(0, room - self._following.untold())

    def _first_capacity(self) -> int:
        """Return the capacity before the first trial: Ax asks for it before it says of which experiment they are."""
        runner = self.runner
        places = getattr(runner, "workers", None)
        if self._policy.parallel is not None:
            return self._policy.parallel
        if runner.traits.inline:
            return 1
        if isinstance(places, int):
            return places
        try:
            return runner.poll_available_capacity()
        except ContractError:  # it must be opened first
            return decide.UNLIMITED

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
        self._let_go()
        ours = [self._opened.state.trials[index] for index in own.values()]
        self._wait(ours, seconds)
        for one in ours:
            if one.status.is_terminal:
                self._following.leave(one.index)
        return {index: one.status for index, one in zip(own, ours, strict=True)}

    def _wait(self, trials: Sequence[BaseTrial], seconds: float) -> None:
        """Wait for an end, and a moment longer for those that began together: each poll costs Ax a round."""
        clock, simulated = self._opened.session.clock, self.runner.traits.simulated
        if not trials or any(trial.status.is_terminal for trial in trials):
            self._look()
            return
        until = None if simulated else clock.now() + seconds
        if self._unturned or self._opened.state.ready:  # something is to be started, or asked after
            self._look()
        else:
            self._look(wait=True, until=until)
        while not any(trial.status.is_terminal for trial in trials):
            if until is not None and clock.now() >= until:
                return
            self._look(wait=True, until=until)
        if until is not None and not all(trial.status.is_terminal for trial in trials):
            clock.wait(min(until, clock.now() + TOGETHER), self._opened.session.waker)
            self._look()

    def _let_go(self) -> None:
        """Stop what Ax has given up, by its time to live or by hand: Ax tells no runner."""
        for own, trial in self._following.given_up():
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
        self._turn()

    def _stop(self, own: int, cause: StopCause, reason: str) -> None:
        """Record that a trial is to end; one that cannot be stopped goes on to its end, which nobody waits for."""
        state = self._opened.state
        if self.runner.traits.stops or not (own in state.staged or own in state.running):
            self._opened.engine.stop(own, cause, reason)

    # What came of it.

    def trial(self, index: int) -> BaseTrial | None:
        """Return our trial of a trial of Ax's; None where it was not deployed here."""
        own = self._known.own(index)
        return None if own is None or self._submissions is None else self._submissions.state.trials[own]

    def result(self, trial: ForeignTrial) -> Result | None:
        """Return the result of a trial of Ax's, its arms by Ax's names; None where there is none."""
        own = self.trial(trial.index)
        if own is None or own.result is None:
            return None
        if not self._following.is_same(own.index, trial) and self._known.key(own.index) != Request.of(trial).key:
            return None
        result, names = own.result, {ours.name: arm.name for ours, arm in zip(own.arms, trial.arms, strict=True)}
        if all(ours == name for ours, name in names.items()):
            return result
        return replace(result, arms={names[name]: metrics for name, metrics in result.arms.items() if name in names})

    def reason(self, index: int) -> str:
        """Return why a trial failed or was stopped, in a sentence that names its log; empty where it did not."""
        trial = self.trial(index)
        if trial is None:
            return f"runwright knows nothing of trial {index}: it was not deployed by this runner"
        failure = trial.failure
        if trial.status is TrialStatus.FAILED and failure is not None:
            where = "" if failure.log is None else f" (log: {self._path(failure.log)})"
            return failure.message + where
        return trial.stop_requested or ""

    def _path(self, log: str) -> str:
        return log if self._directory is None else str(self._directory / log)

    def progress(self, index: int) -> list[Report]:
        """Return what a trial has reported so far, by step."""
        trial = self.trial(index)
        return [] if trial is None else reports(self.runner, trial, self._directory)

    # Turn.

    def _look(self, *, wait: bool = False, until: float | None = None) -> None:
        self._after(self._opened.look(wait=wait, until=until))

    def _turn(self) -> None:
        self._after(self._opened.turn())

    def _after(self, stopped: bool) -> None:
        submissions = self._opened
        self._unturned = False
        self._following.note_ended(submissions.take_ended())
        if stopped:
            submissions.check_open()
