"""A simulated machine: trials with a runtime, a number of slots, and a heap of ends.

Ties are resolved by the order of submission: of two trials that end at the same moment the earlier submitted one ends
first, and a slot that becomes free at a moment is given to the longest waiting trial at that same moment.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush

from runwright.errors import ContractError, UsageError
from runwright.experiment import stable_seed
from runwright.status import TrialStatus


@dataclass(frozen=True, slots=True)
class BackendSimulatorOptions:
    """How the simulated machine behaves.

    Attributes:
        max_concurrency: Number of slots.
        failure_rate: Probability that a trial fails; it does so at the end of its runtime, in its slot.
        seed: Seed of the failures.

    Raises:
        UsageError: A number is out of its range.
    """

    max_concurrency: int = 1
    failure_rate: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_concurrency < 1:
            raise UsageError(f"max_concurrency must be at least 1, not {self.max_concurrency}")
        if not 0 <= self.failure_rate <= 1:
            raise UsageError(f"the failure rate must be from 0 to 1, not {self.failure_rate}")


@dataclass(slots=True)
class SimulatedTrial:
    """A trial on the simulated machine; times in simulated seconds.

    Attributes:
        index: Index of the trial.
        runtime: How long it executes.
        order: Number of its submission.
        status: STAGED in the queue, RUNNING in a slot, then COMPLETED, FAILED or ABANDONED.
        started: When it got its slot.
        ended: When it ended.
    """

    index: int
    runtime: float
    order: int
    status: TrialStatus = TrialStatus.STAGED
    started: float | None = None
    ended: float | None = None


class BackendSimulator:
    """Runs trials in simulated time.

    Args:
        options: How the machine behaves.
    """

    def __init__(self, options: BackendSimulatorOptions | None = None) -> None:
        self.options = options or BackendSimulatorOptions()
        self.time = 0.0
        self._trials: dict[int, SimulatedTrial] = {}
        self._ends: list[tuple[float, int, SimulatedTrial]] = []
        self._queue: deque[SimulatedTrial] = deque()
        self._running = 0
        self._queued = 0
        self._completed = 0
        self._failed = 0
        self._submitted = 0

    @property
    def num_queued(self) -> int:
        """How many trials wait for a slot."""
        return self._queued

    @property
    def num_running(self) -> int:
        """How many trials execute."""
        return self._running

    @property
    def num_completed(self) -> int:
        """How many trials ended well."""
        return self._completed

    @property
    def num_failed(self) -> int:
        """How many trials failed."""
        return self._failed

    def run_trial(self, trial_index: int, runtime: float) -> None:
        """Submit a trial; it starts at once where a slot is free. A trial may be submitted again once it has ended.

        Raises:
            UsageError: The runtime is negative or not finite.
            ContractError: The trial is on the machine already.
        """
        if not (runtime >= 0 and math.isfinite(runtime)):
            raise UsageError(f"trial {trial_index}: a runtime must be a finite number of seconds, not {runtime}")
        known = self._trials.get(trial_index)
        if known is not None and known.status.is_deployed:
            raise ContractError(f"trial {trial_index} is on the simulated machine already")
        trial = SimulatedTrial(trial_index, runtime, self._submitted)
        self._submitted += 1
        self._trials[trial_index] = trial
        if self._running < self.options.max_concurrency:
            self._start(trial)
        else:
            self._queue.append(trial)
            self._queued += 1

    def stop_trial(self, trial_index: int) -> None:
        """End a trial now: a running one frees its slot at once, a queued one leaves the queue. Idempotent."""
        trial = self._trials.get(trial_index)
        if trial is None or not trial.status.is_deployed:
            return
        if trial.status is TrialStatus.RUNNING:
            self._running -= 1
        else:
            self._queued -= 1
        trial.status, trial.ended = TrialStatus.ABANDONED, self.time
        self._fill()

    def next_event(self) -> float | None:
        """Time of the next end of a trial, or None."""
        ends = self._ends
        while ends and ends[0][2].status is not TrialStatus.RUNNING:
            heappop(ends)  # stopped meanwhile
        return ends[0][0] if ends else None

    def update(self, time: float) -> list[int]:
        """Move to a time and let happen what is due until then.

        Returns:
            Indices of the trials that ended or started, in the order of the events.
        """
        changed: list[int] = []
        while (due := self.next_event()) is not None and due <= time:
            trial = heappop(self._ends)[2]
            self.time = due
            self._end(trial)
            changed.append(trial.index)
            changed += self._fill()
        self.time = max(self.time, time)
        return changed

    def lookup_trial_index_status(self, trial_index: int) -> TrialStatus | None:
        """Return the status of a trial; None where it is not known."""
        trial = self._trials.get(trial_index)
        return None if trial is None else trial.status

    def get_sim_trial_by_index(self, trial_index: int) -> SimulatedTrial | None:
        """Return a trial as the machine knows it; None where it does not."""
        return self._trials.get(trial_index)

    def forget(self, trial_index: int) -> None:
        """Drop an ended trial."""
        trial = self._trials.get(trial_index)
        if trial is not None and not trial.status.is_deployed:
            del self._trials[trial_index]

    def _start(self, trial: SimulatedTrial) -> None:
        trial.status, trial.started = TrialStatus.RUNNING, self.time
        self._running += 1
        heappush(self._ends, (self.time + trial.runtime, trial.order, trial))

    def _end(self, trial: SimulatedTrial) -> None:
        self._running -= 1
        trial.ended = self.time
        rate = self.options.failure_rate
        # Drawn per submission, so that a second attempt has a luck of its own.
        if rate and stable_seed(self.options.seed, "failure", trial.index, trial.order) / 2**63 < rate:
            trial.status = TrialStatus.FAILED
            self._failed += 1
        else:
            trial.status = TrialStatus.COMPLETED
            self._completed += 1

    def _fill(self) -> list[int]:
        started: list[int] = []
        while self._queue and self._running < self.options.max_concurrency:
            trial = self._queue.popleft()
            if trial.status is TrialStatus.STAGED:  # else it was stopped in the queue
                self._queued -= 1
                self._start(trial)
                started.append(trial.index)
        return started
