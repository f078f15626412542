"""All that is random on the simulated machine: how an execution ends, and how long starting and stopping take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright.simulation.faults import Execution, FailureRate, Fate
from runwright.simulation.luck import Luck

if TYPE_CHECKING:
    from runwright.simulation.checks import Delay
    from runwright.simulation.faults import FaultModel
    from runwright.simulation.options import BackendSimulatorOptions
    from runwright.simulation.trials import SimTrial


class Chances:
    """Draws for one machine. What is drawn depends on seed, trial and attempt alone, not on what was drawn before.

    Args:
        options: How the machine behaves.

    Attributes:
        none: Whether all executions end well after exactly their runtime.
    """

    def __init__(self, options: BackendSimulatorOptions) -> None:
        self._options = options
        # A cause of its own for each, so that one more fault does not shift the luck of the others.
        self._faults: list[tuple[str, FaultModel]] = [
            (f"{options.seed} fault {place}", model) for place, model in enumerate(options.faults)
        ]
        if options.failure_rate:
            self._faults.insert(0, (f"{options.seed} failure rate", FailureRate(options.failure_rate)))
        self.none = not self._faults and not options.speeds

    def fate(self, trial: SimTrial, slot: int, speed: float) -> Fate:
        """Decide how an execution ends that begins now.

        Args:
            trial: The trial.
            slot: Its slot.
            speed: How fast that is.
        """
        fate = Fate(trial.sim_runtime * trial.left / speed)
        for cause, model in self._faults:
            execution = Execution(
                cause,
                trial_index=trial.trial_index,
                attempt=trial.attempt,
                restarts=trial.restarts,
                slot=slot,
                time_scaling=self._options.time_scaling,
            )
            fate = model.strike(fate, execution)
        return fate

    def start_delay(self, trial: SimTrial) -> float:
        """Return how long a trial takes to begin in its slot."""
        delay = self._options.start_delay
        return self._delay(delay, "start", trial) if delay else 0.0

    def stop_delay(self, trial: SimTrial) -> float:
        """Return how long a running trial takes to stop."""
        delay = self._options.stop_delay
        return self._delay(delay, "stop", trial) if delay else 0.0

    def _delay(self, delay: Delay, what: str, trial: SimTrial) -> float:
        if isinstance(delay, tuple):
            low, high = delay
            luck = Luck(self._options.seed, what, trial.trial_index, trial.attempt, trial.restarts)
            delay = low + (high - low) * luck.uniform()
        return delay / self._options.time_scaling
