"""Faults of order and durability planted in the sources of the real components, and who must notice each.

Launchers and supervisors are processes that load their own sources, so these faults stand in a copy of the sources.
Each is an edit of a text that stands there exactly once: where the text is gone, the fault must be written anew. What
must notice it is a test by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.torture.planted_durable import DURABLE
from tests.torture.planted_running import RUNNING

if TYPE_CHECKING:
    from tests.torture.planted_fault import Fault

FAULTS: dict[str, Fault] = {**DURABLE, **RUNNING}
