"""Prints the event rows of a simulated experiment, for comparison between processes."""

from __future__ import annotations

from runwright.events import encode
from runwright.runner import Limits
from tests.simulation.test_engine import CHAOS, events, simulate

for event in events(
    simulate(4, faults=CHAOS, limits=Limits(timeout=30.0), on_failure="retry 1", start_delay=(0.0, 1.0), trials=150)
):
    print(*encode(event))
