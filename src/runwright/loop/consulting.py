"""Every step with the optimizer: what it knows is recorded, or it is not used any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from runwright import events as ev
from runwright.errors import ContractError, JournalError, UsageError
from runwright.loop.history import observation
from runwright.optimizer import Exhausted

if TYPE_CHECKING:
    from runwright.loop.recorder import Recorder
    from runwright.optimizer import Optimizer, Suggestion
    from runwright.trial import BaseTrial


class Consulting:
    """Asks and tells the optimizer, and records it.

    Args:
        recorder: Records what was asked and told.
        optimizer: Brought to where the state is.
    """

    def __init__(self, recorder: Recorder, optimizer: Optimizer) -> None:
        self._recorder = recorder
        self._optimizer = optimizer
        self._cut_short = False

    def tell(self, trial: BaseTrial, now: float) -> None:
        """Tell how a trial ended."""
        if self._cut_short:
            self._refuse()
        self._cut_short = True
        self._optimizer.tell(observation(trial))
        self._recorder.record(ev.Told(now, trial.index))
        self._cut_short = False

    def ask(self, index: int, now: float) -> bool:
        """Ask for the point of a trial; say whether there is one.

        Raises:
            Exhausted: There will be nothing more.
            ContractError: What it proposed is no point.
        """
        experiment = self._recorder.state.experiment
        assert experiment is not None, "an engine has an experiment"
        if self._cut_short:
            self._refuse()
        self._cut_short = True
        try:
            suggestion = self._optimizer.ask(index)
        except Exhausted:
            self._cut_short = False
            raise
        if suggestion is not None:
            try:
                point = experiment.validate(suggestion.parameters)
            except UsageError as error:
                raise ContractError(f"the optimizer proposed a point that is none: {error}") from None
            instance, budget, seed = suggestion.instance, suggestion.budget, suggestion.seed
            self._recorder.record(ev.TrialAsked(now, index, [point], "optimizer", instance, budget, seed))
        self._cut_short = False
        return suggestion is not None

    def attach(self, index: int, suggestion: Suggestion, source: str, now: float) -> None:
        """Tell of a trial that somebody else proposed."""
        if self._cut_short:
            self._refuse()
        self._cut_short = True
        self._optimizer.attach(index, suggestion)
        point, instance, budget, seed = suggestion.parameters, suggestion.instance, suggestion.budget, suggestion.seed
        self._recorder.record(ev.TrialAsked(now, index, [dict(point)], source, instance, budget, seed))
        self._cut_short = False

    @staticmethod
    def _refuse() -> NoReturn:
        """Nothing may follow a step that was cut short, by Ctrl-C or by an error."""
        raise JournalError(
            "a step with the optimizer was cut short, and what it knows is not recorded; "
            "open the experiment anew to go on from the journal"
        )
