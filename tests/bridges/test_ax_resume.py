"""An experiment of Ax's goes on after its process: its jobs are found again by experiment, index and parameters."""

from __future__ import annotations

import pytest

pytest.importorskip("ax")

from ax.core.trial_status import TrialStatus

from runwright.bridges.ax import AxRunner, RefusedError
from runwright.journal import read_events
from runwright.report import read_run
from tests.bridges.ax_driving import experiment, orchestrator, statuses, trial_of
from tests.fakes import FakeRunner, World

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
