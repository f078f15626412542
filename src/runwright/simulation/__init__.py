"""Exact simulated time: a machine that runs trials for a planned time, moved from event to event.

- `backend`: `BackendSimulator`, in Ax's words; `options`: what it is like; `trials`: a trial, status and state.
- `machine`: what happens when; `slots`, `agenda` and `chances` are its parts; `listing` and `restoring`: into a state,
  and out of it.
- `runtimes`: how long trials take; `faults`: what goes wrong; `forms`: both as JSON; `luck`: random numbers.
- `results`: what an attempt gave.

What happens when, and which of two things first, stands in ``docs/simulation.md``.
"""

from __future__ import annotations

from runwright.simulation.backend import BackendSimulator
from runwright.simulation.faults import (
    Crash,
    Execution,
    Fate,
    FaultModel,
    Hang,
    LostWorker,
    OutOfMemory,
    Preemption,
    RandomFault,
    Straggler,
)
from runwright.simulation.options import BackendSimulatorOptions
from runwright.simulation.runtimes import (
    ConstantRuntime,
    LogNormalRuntime,
    ParametersRuntime,
    RuntimeModel,
    TableRuntime,
    UniformRuntime,
)
from runwright.simulation.trials import BackendSimulatorState, Phase, SimStatus, SimTrial

__all__ = [
    "BackendSimulator",
    "BackendSimulatorOptions",
    "BackendSimulatorState",
    "ConstantRuntime",
    "Crash",
    "Execution",
    "Fate",
    "FaultModel",
    "Hang",
    "LogNormalRuntime",
    "LostWorker",
    "OutOfMemory",
    "ParametersRuntime",
    "Phase",
    "Preemption",
    "RandomFault",
    "RuntimeModel",
    "SimStatus",
    "SimTrial",
    "Straggler",
    "TableRuntime",
    "UniformRuntime",
]
