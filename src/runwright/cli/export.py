"""``runwright export``: the trials as a table or as JSON."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runwright.cli.directory import run_directory, state_of
from runwright.cli.terminal import brief, plural, printable, say, shown, writing
from runwright.errors import MissingExtraError, UsageError
from runwright.folder import JOURNAL, is_of_run, write_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwright.report.rows import Cell
    from runwright.state import State

_FORMATS = ("csv", "json", "parquet")
_LONGEST = 300


@click.command("export", short_help="The trials as CSV, JSON or parquet.")
@click.argument("directory", metavar="DIR")
@click.option("--format", "form", type=click.Choice(_FORMATS), help="By the end of FILE where not given, else csv.")
@click.option("-o", "--output", metavar="FILE", help="Where to, whole or not at all; standard output where not given.")
def command(directory: str, form: str | None, output: str | None) -> None:
    """Print the trials of the experiment in DIR, one a row, in order of their index.

    The formats are described in docs/exports.md and change only with a new version. Works while a driver runs.
    """
    form = form or _format_of(output)
    place = run_directory(directory)
    if output not in (None, "-"):
        _check_target(Path(output), Path(directory))
    if form == "parquet":
        _check_parquet(output)
    state = state_of(place)
    data = {"csv": _csv, "json": _json, "parquet": _parquet}[form](state)
    if output is None or output == "-":
        _print(data)
        return
    _write(Path(output), data)
    say(f"{plural(len(state.trials), 'trial')} written to {shown(output)}", error=True)


def _print(data: bytes) -> None:
    """Write to standard output: byte for byte to a pipe, made harmless for a terminal."""
    if sys.stdout.isatty():
        data = "\n".join(printable(line) for line in data.decode().split("\n")).encode()
    with writing(sys.stdout):
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _format_of(output: str | None) -> str:
    suffix = "" if output is None else Path(output).suffix.lower().lstrip(".")
    return suffix if suffix in _FORMATS else "csv"


def _check_target(path: Path, source: Path) -> None:
    """Refuse to write over what a run is made of: of this run or another one.

    Raises:
        UsageError: It is a file of a run, or the experiment file.
    """
    target = path.resolve()
    if target == source.resolve():
        raise UsageError(f"{shown(path)}: this is what is to be exported; choose another file")
    for folder in target.parents:
        if (folder / JOURNAL).exists() and is_of_run(target.relative_to(folder).parts[0]):
            raise UsageError(f"{shown(path)}: this is a file of the run in {shown(folder)}; choose another file")


def _write(path: Path, data: bytes) -> None:
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)  # a pipe or a device takes no other file in its place
        else:
            write_atomic(path.resolve(), data)
    except OSError as error:
        raise UsageError(f"{brief(shown(path), _LONGEST)}: cannot be written ({error.strerror})") from None


def _csv(state: State) -> bytes:
    from runwright.report import to_csv

    text = io.StringIO(newline="")
    to_csv(state, text)
    return text.getvalue().encode(errors="backslashreplace")


def _json(state: State) -> bytes:
    from runwright.report import rows

    lines = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows(state))
    return (f"[\n{lines}\n]\n" if lines else "[]\n").encode(errors="backslashreplace")


def _check_parquet(output: str | None) -> None:
    """Refuse before the journal is read.

    Raises:
        UsageError: The terminal is no place for it.
        MissingExtraError: Its library is missing.
    """
    if output in (None, "-") and sys.stdout.isatty():
        raise UsageError("parquet is not for a terminal; say where to with -o FILE")
    try:
        import pyarrow as pa  # noqa: F401  (only looked for)
    except ImportError:
        raise MissingExtraError("the parquet export", "parquet") from None


def _parquet(state: State) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from runwright.report import table

    columns, lines = table(state)
    values: list[tuple[Any, ...]] = list(zip(*lines, strict=True)) if lines else [()] * len(columns)
    arrays = [
        pa.array(_of_one_kind(column) if _type(state, name, pa) is None else column, _type(state, name, pa))
        for name, column in zip(columns, values, strict=True)
    ]
    out = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, names=columns), out)
    return out.getvalue()


def _of_one_kind(values: Sequence[Cell]) -> Sequence[Cell]:
    """Return values of one type as they are, others as text: whatever a runner says of its trials fits in a column."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) < 2 or kinds == {int, float}:  # noqa: PLR2004  (one kind)
        return values
    return [None if value is None else json.dumps(value) for value in values]


_TYPES = {
    "index": "int64",
    "arm": "string",
    "status": "string",
    "attempts": "int64",
    "seconds": "float64",
    "cpu_seconds": "float64",
    "started": "float64",
    "ended": "float64",
    "instance": "string",
    "budget": "float64",
    "seed": "int64",
    "past_attempts": "string",
    "penalty": "string",
    "pareto": "bool",
    "feasible": "bool",
}


def _type(state: State, name: str, pa: Any) -> Any:
    """Return the type of a column; the same whatever its values are, but for run metadata."""
    from runwright.experiment import Choice, Float, Int

    area, _, rest = name.partition(".")
    if area == "parameters" and state.experiment is not None and not state.experiment.is_open:
        parameter = state.experiment.parameters[rest]
        if isinstance(parameter, Float):
            return pa.float64()
        if isinstance(parameter, Int):
            return pa.int64()
        assert isinstance(parameter, Choice), "the third kind"
        return {float: pa.float64(), int: pa.int64(), bool: pa.bool_()}.get(type(parameter.values[0]), pa.string())
    if area == "metrics":
        return pa.float64()
    if area == "failure":
        return pa.string()
    return None if area in ("run_metadata", "parameters") else pa.type_for_alias(_TYPES[name])
