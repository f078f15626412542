"""What an attempt on the simulated machine gave: its evaluation's measurements, or its fate, in simulated seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright.evaluation import Evaluation
from runwright.result import Failure, Result
from runwright.status import FailureKind, TrialStatus

if TYPE_CHECKING:
    from runwright.experiment import Experiment
    from runwright.result import EvaluationFunction
    from runwright.simulation.trials import SimTrial
    from runwright.trial import BaseTrial


class SimulatedResults:
    """Results of ended attempts, each evaluated when it is first asked for.

    Args:
        function: Gives a completed trial its metrics; None: nothing is measured.
    """

    def __init__(self, function: EvaluationFunction | None) -> None:
        self._evaluation = None if function is None else Evaluation(function)
        self._results: dict[int, Result] = {}

    def prepare(self, experiment: Experiment) -> None:
        """Find out how the function is called.

        Raises:
            UsageError: It cannot be called with the parameters of the experiment.
        """
        if self._evaluation is not None:
            self._evaluation.prepare(experiment)

    def of(self, trial: BaseTrial, simulated: SimTrial) -> Result:
        """Return the result of an ended attempt.

        Args:
            trial: The trial.
            simulated: The attempt on the machine.
        """
        result = self._results.get(trial.index)
        if result is None:
            result = self._results[trial.index] = self._measure(trial, simulated)
        return result

    def forget(self, trial: int | None = None) -> None:
        """Forget the result of a trial, or all."""
        if trial is None:
            self._results.clear()
        else:
            self._results.pop(trial, None)

    def _measure(self, trial: BaseTrial, simulated: SimTrial) -> Result:
        ended = simulated.sim_completed_time or 0.0
        began = ended if simulated.sim_start_time is None else simulated.sim_start_time
        result = Result()
        if simulated.status is TrialStatus.FAILED:
            fate = simulated.fate
            assert fate is not None, "who fails has a fate"
            result.failure = Failure(fate.failure or FailureKind.CRASHED, fate.message)
        elif simulated.status is TrialStatus.COMPLETED and self._evaluation is not None:
            result = self._evaluation.unmeasured(trial)
        # What the function itself costs is no part of simulated time.
        result.seconds, result.started, result.ended = ended - began, began, ended
        result.cpu_seconds = result.peak_memory = None
        if simulated.restarts:
            result.additional_info = {**(result.additional_info or {}), "preemptions": simulated.restarts}
        return result
