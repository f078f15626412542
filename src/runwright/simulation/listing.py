"""What a machine says of all its trials at once: looked up when somebody asks, so that running costs nothing for it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from runwright.simulation.trials import BackendSimulatorState, Phase, SimStatus, SimTrial

if TYPE_CHECKING:
    from runwright.simulation.machine import Machine
    from runwright.simulation.options import BackendSimulatorOptions


def status_of(machine: Machine, now: float) -> SimStatus:
    """Return which trials are where.

    Args:
        machine: The machine.
        now: The time.
    """
    waiting, running, failed, completed, stopped = _groups(machine)
    return SimStatus(
        queued=_indices(waiting),
        running=_indices(running),
        failed=_indices(failed),
        time_remaining=[math.inf if trial.due is None else trial.due - now for trial in running],
        completed=_indices(completed),
        stopped=_indices(stopped),
    )


def state_of(
    machine: Machine, options: BackendSimulatorOptions, *, internal: bool, verbose_logging: bool
) -> BackendSimulatorState:
    """Return all that a machine knows; nothing in it is shared with the machine.

    Args:
        machine: The machine.
        options: Its options.
        internal: Whether it has a clock of its own.
        verbose_logging: Whether it logs at INFO.
    """
    groups = _groups(machine)
    waiting, running, failed, completed, stopped = ([trial.to_json() for trial in group] for group in groups)
    return BackendSimulatorState(
        options=replace(options, internal_clock=machine.time if internal else None),
        verbose_logging=verbose_logging,
        queued=waiting,
        running=running,
        failed=failed,
        completed=completed,
        stopped=stopped,
        down=machine.slots.all_down(),
        submitted=machine.submitted,
        last_time=None if machine.time == -math.inf else machine.time,
        news=list(machine.news),
    )


def _groups(machine: Machine) -> tuple[list[SimTrial], ...]:
    """Return the trials that wait, run, failed, completed and were stopped, each in its order."""
    by_phase: dict[Phase, list[SimTrial]] = {phase: [] for phase in Phase}
    for trial in machine.trials.values():
        by_phase[trial.phase].append(trial)
    by_phase[Phase.QUEUED] = list(machine.queue)
    for phase in (Phase.STARTING, Phase.AWAY):
        by_phase[phase].sort(key=lambda trial: trial.order)
    running = by_phase[Phase.RUNNING] + by_phase[Phase.STOPPING]
    running.sort(key=lambda trial: (trial.sim_start_time, trial.order))
    for phase in (Phase.FAILED, Phase.COMPLETED, Phase.STOPPED):
        by_phase[phase].sort(key=_end)
    waiting = by_phase[Phase.STARTING] + by_phase[Phase.QUEUED] + by_phase[Phase.AWAY]
    return waiting, running, by_phase[Phase.FAILED], by_phase[Phase.COMPLETED], by_phase[Phase.STOPPED]


def _end(trial: SimTrial) -> tuple[float, int]:
    return -math.inf if trial.sim_completed_time is None else trial.sim_completed_time, trial.order


def _indices(trials: list[SimTrial]) -> list[int]:
    return [trial.trial_index for trial in trials]
