"""Exact simulated time: a machine that runs trials for a planned time, moved from event to event."""

from __future__ import annotations

from runwright.simulation.backend import BackendSimulator, BackendSimulatorOptions

__all__ = ["BackendSimulator", "BackendSimulatorOptions"]
