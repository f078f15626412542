"""What SMAC has written into its output directory. SMAC itself is not imported for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.errors import UsageError
from runwright.submission import content_key

if TYPE_CHECKING:
    from runwright.result import Json

_HISTORY, _SCENARIO = "runhistory.json", "scenario.json"
_STATE = ("optimization.json", _HISTORY, "intensifier.json", _SCENARIO)
_RUNNING = 0
_SHOWN = 3
_ADVICE = (
    "say overwrite=True to SMAC's facade and to SmacRunner: what is on record in the directory of the latter is not "
    "evaluated again, but a facade with a model asks for other points (see docs/smac.md)"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A trial that SMAC knows of.

    Attributes:
        parameters: Its configuration.
        instance: Its instance, or None.
        seed: Its seed, or None.
        budget: Its budget, or None.
        running: Whether SMAC waits for its result.
    """

    parameters: Json
    instance: str | None
    seed: int | None
    budget: float | None
    running: bool

    @property
    def key(self) -> str:
        """A text that is the same for the same content."""
        return content_key(self.parameters, self.instance, self.seed, self.budget)


def read_stored(scenario: Any) -> list[Entry]:
    """Return what SMAC goes on from, in the order in which it asked: it writes that down when a facade is made."""
    directory = getattr(scenario, "output_directory", None)
    if directory is None or not (Path(directory) / _HISTORY).is_file():
        return []  # there is no facade: somebody asks by hand
    body = json.loads((Path(directory) / _HISTORY).read_text("utf-8"))
    return [_entry(entry, body["configs"]) for entry in body["data"]]


def _entry(entry: Any, configs: Json) -> Entry:
    """Read an entry; up to SMAC 2.2 they were lists."""
    if isinstance(entry, dict):
        number, instance, seed, budget = (entry[name] for name in ("config_id", "instance", "seed", "budget"))
        status = entry["status"]
    else:
        number, instance, seed, budget, _, _, status = entry[:7]
    return Entry(configs[str(number)], instance, seed, budget, status == _RUNNING)


def check_output(scenario: Any, *, overwrite: bool) -> None:
    """Refuse an earlier run in the output directory that SMAC cannot go on from without asking, or at all.

    Args:
        scenario: SMAC's scenario. Without a name it gets a directory for each content, and none is known before.
        overwrite: Whether SMAC was told to write over it.

    Raises:
        UsageError: It is damaged, or of another scenario.
    """
    if overwrite or not getattr(scenario, "name", None):
        return
    directory = Path(scenario.output_directory)
    if not all((directory / name).is_file() for name in _STATE):
        return
    bodies = {name: _load(directory / name) for name in _STATE}
    now = type(scenario).make_serializable(scenario)
    was = bodies[_SCENARIO]
    names = [name for name in dict.fromkeys((*was, *now)) if name != "_meta" and was.get(name) != now.get(name)]
    if names:
        shown = "; ".join(f"{name}: {was.get(name)!r:.60} became {now.get(name)!r:.60}" for name in names[:_SHOWN])
        raise UsageError(
            f"{directory} holds a run of another scenario ({shown}), and SMAC would ask on standard input what to do; "
            f"take another name or output_directory, or {_ADVICE}"
        )


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise UsageError(f"{path} is damaged ({error}), and SMAC cannot go on from it; {_ADVICE}") from None
