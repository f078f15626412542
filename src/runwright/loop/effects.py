"""Does what was committed: stops attempts, deploys attempts, and asks after those of an earlier driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright import events as ev
from runwright.errors import ContractError, UsageError
from runwright.loop.ends import by_request
from runwright.loop.patience import Patience
from runwright.result import Failure, Result
from runwright.runner import Ended, Following, Lost, NeverStarted
from runwright.status import FailureKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from runwright.loop.recorder import Recorder
    from runwright.runner import Reattachment, Runner
    from runwright.trial import BaseTrial

_ATOMS = (str, int, float, bool, type(None))


class Effects:
    """Everything that the engine does to the world. What comes of it is recorded as facts of the next commit.

    Args:
        recorder: Records what came of it.
        runner: Does it.

    Attributes:
        unresolved: Attempts of which the runner has not yet said what became of them: of an earlier driver, or their
            submission failed.
        again: Attempts of an earlier driver that never started: to be sent as slots become free.
        to_deploy: Attempts that are sent with the next `act`, in order: new ones, those that are sent again, and those
            that a turn had announced when it was cut short. Under the same number, so that a runner that has one
            already adopts it.
        to_stop: Attempts that are to be stopped with the next `act`.
    """

    def __init__(self, recorder: Recorder, runner: Runner) -> None:
        state = recorder.state
        self.unresolved: set[int] = set(state.staged) | set(state.running)
        self.again: dict[int, None] = {}
        self.to_deploy: dict[int, None] = {}
        self.to_stop: set[int] = set(state.stopping)  # what an earlier driver wanted stopped is stopped again
        self._recorder = recorder
        self._state = state
        self._runner = runner
        self._asking, self._stopping = Patience(), Patience()

    @property
    def waiting(self) -> bool:
        """Whether something must be tried again."""
        return bool(self.unresolved or self.to_stop)

    def again_at(self, now: float) -> float | None:
        """Return when something must be tried again; None: nothing must."""
        if not self.waiting:
            return None
        asked = self._asking.earliest(self.unresolved, now)
        stopped = self._stopping.earliest(self.to_stop - self.unresolved, now)
        return asked if stopped is None or (asked is not None and asked < stopped) else stopped

    def uncounted(self) -> int:
        """Return how many live attempts the runner does not count yet in its capacity."""
        if not (self.unresolved or self.again or self.to_deploy):
            return 0
        state = self._state
        waiting = [index for index in self.to_deploy if index in state.staged or index in state.running]
        return len(self.unresolved) + len(self.again) + len(waiting)

    def send_again(self, room: int) -> None:
        """Have attempts sent that never started: so many, or all where `room` is negative."""
        for index in list(self.again)[: None if room < 0 else room]:
            del self.again[index]
            self.to_deploy[index] = None

    def act(self) -> None:
        """Stop what is to be stopped, then deploy."""
        if self.to_stop:
            self._stop()
        if self.to_deploy:
            trials, staged, running = self._state.trials, self._state.staged, self._state.running
            # What a turn announced that was cut short may have been recorded as dead since.
            self._deploy([trials[index] for index in self.to_deploy if index in staged or index in running])
            self.to_deploy.clear()

    def _stop(self) -> None:
        now = self._recorder.clock.now()
        for index in self._stopping.due(self.to_stop, now):
            if index in self.unresolved or index in self.to_deploy:
                continue  # when it is known what there is to stop
            if index in self._state.stopping:  # else it has ended, and what runs now is another attempt
                trial = self._state.trials[index]
                if index in self.again:  # it is over before it began
                    del self.again[index]
                    self._reattached(trial, NeverStarted(), now)
                elif not self._stopped(trial):
                    self._stopping.in_vain(index, now)
                    continue
            self.to_stop.discard(index)
            self._stopping.settle(index)

    def _stopped(self, trial: BaseTrial) -> bool:
        """Ask the runner to stop an attempt; say whether it heard."""
        try:
            self._runner.stop(trial, trial.stop_requested)
        except Exception as error:  # noqa: BLE001  (a stop that fails is tried again)
            self._recorder.note(f"stopping failed and is tried again: {type(error).__name__}: {error}", trial.index)
            return False
        return True

    def _deploy(self, trials: Sequence[BaseTrial]) -> None:
        try:
            deployed = self._runner.run_multiple(trials)
        except Exception as error:  # noqa: BLE001  (whatever a plug-in raises must not end the study)
            deployed = {}
            self._runner.submit_errors.update(dict.fromkeys((trial.index for trial in trials), error))
        now = self._recorder.clock.now()  # an inline runner evaluated meanwhile
        for trial in trials:
            metadata = deployed.get(trial.index)
            if metadata is None:
                self._submission_failed(trial, now)
            else:
                self._deployed(trial, metadata, now)
            del self.to_deploy[trial.index]

    def _deployed(self, trial: BaseTrial, metadata: Mapping[str, object], now: float) -> None:
        for key, value in metadata.items():
            if type(value) not in _ATOMS and not _is_json(value):
                raise ContractError(
                    f"{type(self._runner).__name__}.run gave run metadata that is no JSON: {key!r} is {type(value)}"
                )
        staged = self._runner.staging_required
        self._recorder.record(ev.Deployed(now, trial.index, trial.attempt, dict(metadata), staged))

    def _submission_failed(self, trial: BaseTrial, now: float) -> None:
        error = self._runner.submit_errors.pop(trial.index, None)
        why = "the runner did not say why" if error is None else f"{error}" or type(error).__name__
        if self._runner.traits.survives_driver:
            found = self._find([trial]).get(trial.index)
            if found is None:  # another attempt could be a second evaluation beside it
                self.unresolved.add(trial.index)
                self._asking.in_vain(trial.index, now)
                self._recorder.note(
                    f"it could not be started, and whether it exists is not known yet: {why}", trial.index
                )
                return
            if isinstance(found, (Following, Ended)):  # it was submitted after all
                self._deployed(trial, found.metadata, now)
                return
            if isinstance(found, Lost) and found.reason != why:
                why += f"; {found.reason}"
        result = Result.failed(FailureKind.SUBMIT_ERROR, f"it could not be started: {why}")
        asked_for = by_request(self._state, trial, result, now)
        self._recorder.record(asked_for or ev.Finished(now, trial.index, trial.attempt, result))

    # Go on after another driver.

    def reattach(self, now: float, named: Collection[int]) -> bool:
        """Ask what became of the attempts of which that is not known; the less often the longer nobody knows.

        Args:
            now: Time of the experiment.
            named: Trials that the runner has news of: they are asked after at once.

        Returns:
            Whether something became known.
        """
        for index in named:
            self._asking.settle(index)
        trials = [self._state.trials[index] for index in self._asking.due(self.unresolved, now)]
        answers = self._find(trials) if trials else {}
        for trial in trials:
            answer = answers.get(trial.index)
            if answer is None:
                self._asking.in_vain(trial.index, now)
            else:
                self._asking.settle(trial.index)
                self.unresolved.discard(trial.index)
                self._reattached(trial, answer, now)
        return bool(answers)

    def _find(self, trials: Sequence[BaseTrial]) -> dict[int, Reattachment]:
        try:
            return self._runner.reattach(trials)
        except UsageError:
            raise  # the user must do something first
        except Exception as error:  # noqa: BLE001  (an outage is no verdict about any trial)
            self._recorder.note(
                f"asking after running trials failed and is tried again: {type(error).__name__}: {error}"
            )
            return {}

    def _reattached(self, trial: BaseTrial, answer: Reattachment, now: float) -> None:
        if isinstance(answer, NeverStarted):
            asked_for = by_request(self._state, trial, Result(), now)
            if asked_for is None:
                self.again[trial.index] = None
            else:  # it is over before it began
                self._recorder.record(asked_for)
        elif isinstance(answer, Lost):
            result = Result(failure=Failure(FailureKind.LOST, answer.reason, answer.log, answer.may_live))
            event = by_request(self._state, trial, result, now)
            if event is None and self._runner.traits.survives_driver:
                event = ev.Finished(now, trial.index, trial.attempt, result)
            self._recorder.record(event or ev.Interrupted(now, trial.index, trial.attempt, answer.reason))
        elif answer.metadata != trial.run_metadata or trial.index in self._state.detached:
            self._deployed(trial, answer.metadata, now)


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    return type(value) in _ATOMS
