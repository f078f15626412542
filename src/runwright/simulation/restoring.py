"""Trials that a machine begins with: those of a saved state, or those that somebody wrote down by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from runwright.errors import UsageError
from runwright.simulation.checks import seconds
from runwright.simulation.trials import Phase, SimTrial

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runwright.simulation.trials import BackendSimulatorState

Groups: TypeAlias = "dict[Phase, Iterable[SimTrial]]"

_MEMBERS = {
    Phase.QUEUED: (Phase.QUEUED, Phase.AWAY, Phase.STARTING),
    Phase.RUNNING: (Phase.RUNNING, Phase.STOPPING),
}


def groups_of(state: BackendSimulatorState) -> Groups:
    """Return the trials of a state, by group."""
    return {
        Phase.QUEUED: [SimTrial.from_json(body) for body in state.queued],
        Phase.RUNNING: [SimTrial.from_json(body) for body in state.running],
        Phase.FAILED: [SimTrial.from_json(body) for body in state.failed],
        Phase.COMPLETED: [SimTrial.from_json(body) for body in state.completed],
        Phase.STOPPED: [SimTrial.from_json(body) for body in state.stopped],
    }


def trials_of(groups: Groups) -> list[SimTrial]:
    """Return copies of the trials, with everything that a hand-written one lacks.

    Raises:
        UsageError: A trial stands twice, has the order of another one, or lacks what cannot be known.
    """
    found: dict[int, SimTrial] = {}
    orders = [trial.order for trials in groups.values() for trial in trials]
    for order, count in Counter(orders).items():
        if order >= 0 and count > 1:
            raise UsageError(f"{count} trials on the simulated machine have the order {order}; leave it out")
    following = max(orders, default=-1) + 1
    for group, trials in groups.items():
        for given in trials:
            if given.trial_index in found:
                raise UsageError(f"trial {given.trial_index} stands twice on the simulated machine")
            trial = completed(given, group)
            if trial.order < 0:
                trial.order, following = following, following + 1
            found[trial.trial_index] = trial
    return list(found.values())


def completed(given: SimTrial, group: Phase) -> SimTrial:
    """Return a copy of a trial, with everything that a hand-written one lacks.

    Args:
        given: The trial.
        group: Where it stood: QUEUED, RUNNING, FAILED, COMPLETED or STOPPED.

    Raises:
        UsageError: It lacks what cannot be known.
    """
    index = given.trial_index
    phase = given.phase if given.phase in _MEMBERS.get(group, ()) else group
    trial = replace(given, phase=phase, sim_runtime=seconds(given.sim_runtime, f"the runtime of trial {index}"))
    if phase is Phase.RUNNING:
        if trial.sim_start_time is None:
            raise UsageError(f"trial {index} is running on the simulated machine, but has no sim_start_time")
        if trial.due is None and trial.fate is None:
            trial.due = trial.sim_start_time + trial.sim_runtime
    elif phase.live and phase is not Phase.QUEUED and trial.due is None:
        raise UsageError(f"trial {index} is {phase.name} on the simulated machine, but it is not said until when")
    return trial
