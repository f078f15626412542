"""What an attempt on the simulated machine gave: its evaluation's measurements, or its fate, in simulated seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright.evaluation import Evaluation
from runwright.result import Failure, Result
from runwright.status import COMPLETED, FAILED, FailureKind

if TYPE_CHECKING:
    from runwright.experiment import Experiment
    from runwright.result import EvaluationFunction
    from runwright.simulation.trials import SimTrial
    from runwright.trial import BaseTrial


class SimulatedResults:
    """Gives ended attempts their results.

    Args:
        function: Gives a completed trial its metrics; None: nothing is measured.
    """

    def __init__(self, function: EvaluationFunction | None) -> None:
        self._evaluation = None if function is None else Evaluation(function)

    def prepare(self, experiment: Experiment) -> None:
        """Find out how the function is called.

        Raises:
            UsageError: It cannot be called with the parameters of the experiment.
        """
        if self._evaluation is not None:
            self._evaluation.prepare(experiment)

    def __call__(self, trial: BaseTrial, simulated: SimTrial) -> Result:
        """Return the result of an ended attempt; a completed one is evaluated.

        Args:
            trial: The trial.
            simulated: The attempt on the machine.
        """
        status = simulated.phase.status
        if status is COMPLETED and self._evaluation is not None:
            result = self._evaluation.unmeasured(trial)
        elif status is FAILED:
            fate = simulated.fate
            assert fate is not None, "who fails has a fate"
            result = Result(failure=Failure(fate.failure or FailureKind.CRASHED, fate.message))
        else:
            result = Result()
        # What the function itself costs is no part of simulated time.
        result.ended = ended = simulated.sim_completed_time or 0.0
        result.started = began = ended if simulated.sim_start_time is None else simulated.sim_start_time
        result.seconds = ended - began
        result.cpu_seconds = result.peak_memory = None
        if simulated.restarts:
            result.additional_info = {**(result.additional_info or {}), "preemptions": simulated.restarts}
        return result
