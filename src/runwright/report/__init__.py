"""Everything that people and programs read about an experiment, computed from its state and its events alone.

- `trial_row`, `rows`, `table`, `to_csv`: the versioned export format of ``docs/exports.md``.
- `best`, `pareto`, `Best`, `Incumbents`: which trials are the best.
- `summarize`, `Summary`: how an experiment stands.
- `story`: what happened to a trial, in readable lines.
- `Results`: what `Scheduler.results` gives back.
"""

from __future__ import annotations

from runwright.report.best import Best, Incumbents, best, pareto
from runwright.report.results import Results
from runwright.report.retries import WaitingTrial
from runwright.report.rows import rows, table, to_csv, trial_row
from runwright.report.story import story
from runwright.report.summary import FailureGroup, LiveTrial, Summary, now_of, summarize, target_of, time_left

__all__ = [
    "Best",
    "FailureGroup",
    "Incumbents",
    "LiveTrial",
    "Results",
    "Summary",
    "WaitingTrial",
    "best",
    "now_of",
    "pareto",
    "rows",
    "story",
    "summarize",
    "table",
    "target_of",
    "time_left",
    "to_csv",
    "trial_row",
]
