"""The export format: one row a trial. Versioned and described in ``docs/exports.md``; do not change it lightly."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, TypeAlias

from runwright.report.best import incumbents
from runwright.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from typing import TextIO

    from runwright.experiment import Experiment
    from runwright.result import Json, Metrics
    from runwright.state import State
    from runwright.trial import Arm, Attempt, BaseTrial

Cell: TypeAlias = "str | int | float | bool | None"
"""A value of a flat table."""

_TAIL = ("attempts", "seconds", "cpu_seconds", "started", "ended", "instance", "budget", "seed")
_LISTS = ("past_attempts", "penalty")
_VERDICTS = ("pareto", "feasible")
_FAILURE = ("kind", "message", "log")
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def trial_row(state: State, trial: BaseTrial, front: AbstractSet[tuple[int, str]] = frozenset()) -> Json:
    """Return a trial in the export format.

    Args:
        state: The experiment.
        trial: One of its trials.
        front: Index and name of the arms that no other dominates (`Incumbents.arms`); read with several objectives.
    """
    result = trial.result
    started = None if result is None else result.started
    if started is None and trial.index in state.running:
        started = state.epoch_of(state.running[trial.index])
    failure = trial.failure
    row: Json = {"index": trial.index, "status": trial.status.name}
    row |= _points(trial, front)
    row["failure"] = None if failure is None else failure.to_json()
    row["attempts"] = trial.attempt
    row["seconds"] = None if result is None else result.seconds
    row["cpu_seconds"] = None if result is None else result.cpu_seconds
    row["started"] = started
    row["ended"] = None if result is None else result.ended
    row |= {"instance": trial.instance, "budget": trial.budget, "seed": trial.seed}
    row["past_attempts"] = [_past(attempt) for attempt in trial.attempts]
    row["penalty"] = None if trial.penalty is None else dict(trial.penalty)
    row["run_metadata"] = _reported(state, trial)
    return row


def rows(state: State) -> list[Json]:
    """Return all trials in the export format, by index."""
    front = incumbents(state).arms
    return [trial_row(state, trial, front) for trial in state.trials]


def _points(trial: BaseTrial, front: AbstractSet[tuple[int, str]]) -> Json:
    points = {arm.name: _point(trial, arm, front) for arm in trial.arms}
    return points[trial.arm.name] if isinstance(trial, Trial) else {"arms": points}


def _point(trial: BaseTrial, arm: Arm, front: AbstractSet[tuple[int, str]]) -> Json:
    metrics = {} if trial.result is None else trial.result.arms.get(arm.name, {})
    point: Json = {"parameters": dict(arm.parameters), "metrics": _metrics(metrics)}
    if len(trial.experiment.objectives) > 1:
        point["pareto"] = (trial.index, arm.name) in front
    if trial.experiment.outcome_constraints:
        point["feasible"] = trial.experiment.feasible(metrics) if metrics else None
    return point


def _past(attempt: Attempt) -> Json:
    """Return an attempt that ended without completing its trial."""
    failure = attempt.failure
    why = {"kind": None, "message": attempt.reason, "log": None} if failure is None else failure.to_json()
    return {"attempt": attempt.number, "outcome": attempt.outcome.value, **why}


def _metrics(metrics: Metrics) -> Json:
    return {name: {"mean": mean, "sem": sem} for name, (mean, sem) in metrics.items()}


def _reported(state: State, trial: BaseTrial) -> Json:
    """Return the keys of the run metadata that the runner wants reported; all where it does not say."""
    keys = (state.definition.get("runner") or {}).get("report_keys")
    if keys is None:
        return dict(trial.run_metadata)
    return {key: trial.run_metadata[key] for key in keys if key in trial.run_metadata}


# Flat: a column a value.


def table(state: State) -> tuple[list[str], list[list[Cell]]]:
    """Return the same content flat: the names of the columns, and a line a trial (a line an arm of a batch trial).

    Columns are ``index, status, parameters.*, metrics.*.mean, metrics.*.sem, failure.*, ...``; where there are batch
    trials ``arm`` follows ``index``. Parameters and objectives have their columns even where there are no trials.

    Args:
        state: The experiment.
    """
    return flat(rows(state), state.experiment)


def flat(trials: Sequence[Json], experiment: Experiment | None) -> tuple[list[str], list[list[Cell]]]:
    """Return rows of the export format as a flat table; see `table`.

    Args:
        trials: What `rows` gave.
        experiment: Names the columns that are always there.
    """
    parameters = [] if experiment is None else list(experiment.parameters)
    metrics = [] if experiment is None else list(experiment.objectives)
    lines = [line for row in trials for line in _lines(row)]
    if experiment is not None and experiment.is_open:
        parameters = list(dict.fromkeys(name for line in lines for name in line["parameters"]))
    batch = any("arms" in row for row in trials)
    metrics = list(dict.fromkeys([*metrics, *(name for line in lines for name in line["metrics"])]))
    metadata = list(dict.fromkeys(key for row in trials for key in row["run_metadata"]))
    columns = ["index", *(["arm"] if batch else []), "status"]
    columns += [f"parameters.{name}" for name in parameters]
    columns += [f"metrics.{name}.{part}" for name in metrics for part in ("mean", "sem")]
    columns += [f"failure.{part}" for part in _FAILURE]
    columns += [*_TAIL, *_LISTS, *_verdicts(experiment), *(f"run_metadata.{key}" for key in metadata)]
    return columns, [_cells(line, parameters, metrics, metadata, batch=batch) for line in lines]


def _verdicts(experiment: Experiment | None) -> list[str]:
    """Return the columns about the value of a point: with several objectives, and with constraints on metrics."""
    if experiment is None:
        return []
    asked = {"pareto": len(experiment.objectives) > 1, "feasible": bool(experiment.outcome_constraints)}
    return [name for name in _VERDICTS if asked[name]]


def _lines(row: Json) -> Iterator[Json]:
    if "arms" not in row:
        yield {**row, "arm": None}
        return
    for name, arm in row["arms"].items():
        yield {**row, **arm, "arm": name}


def _cells(line: Json, parameters: list[str], metrics: list[str], metadata: list[str], *, batch: bool) -> list[Cell]:
    cells: list[Cell] = [line["index"], line["arm"], line["status"]] if batch else [line["index"], line["status"]]
    cells += [_scalar(line["parameters"].get(name)) for name in parameters]
    for name in metrics:
        measured = line["metrics"].get(name) or {}
        cells += [measured.get("mean"), measured.get("sem")]
    failure = line["failure"] or {}
    cells += [failure.get(part) for part in _FAILURE]
    cells += [line[name] for name in _TAIL]
    cells += [_scalar(line[name] or None) for name in _LISTS]
    cells += [line[name] for name in _VERDICTS if name in line]
    cells += [_scalar(line["run_metadata"].get(key)) for key in metadata]
    return cells


def _scalar(value: Any) -> Cell:
    """Return what is no list and no mapping as it is, the rest as JSON."""
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def to_csv(state: State, file: TextIO) -> None:
    """Write the flat table as CSV: UTF-8, comma, newline, empty where nothing is known.

    Texts that a trial's program wrote (failures, run metadata) get an apostrophe in front where a spreadsheet would
    take them for a formula. Parameters are the experiment's own and stay exact: ``-O2`` is a fine choice.

    Args:
        state: The experiment.
        file: Open for text, with ``newline=""``.
    """
    columns, lines = table(state)
    foreign = [name.startswith(("failure.", "run_metadata.")) for name in columns]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for line in lines:
        writer.writerow([_csv(cell, foreign=theirs) for cell, theirs in zip(line, foreign, strict=True)])


def _csv(cell: Cell, *, foreign: bool) -> Cell:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if foreign and isinstance(cell, str) and cell.startswith(_STARTS_A_FORMULA):
        return f"'{cell}"
    return cell
