"""Reads results from a tracker base: a local folder, or any place that fsspec knows by its URL.

Of trial 3 the first of these counts:

```
<tracker_base>/3/result.json    {"y": 0.5}, {"y": {"mean": 0.5, "sem": 0.1}}, {"y": [0.5, 0.1]}
<tracker_base>/3                what torchx.runtime.tracking.FsspecResultTracker(tracker_base)[3] = {...} writes
```

In both, ``"y/mean"`` and ``"y/sem"`` are mean and standard error of the metric ``y``, as TorchX has it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.errors import InvalidResultError, UsageError
from runwright.json_values import json_kind, why_unreadable
from runwright.measurements import read_returned
from runwright.result import Result, check_objectives

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runwright.result import Json
    from runwright.trial import BaseTrial

LARGEST_RESULT = 64 * 2**20


class TrackedResults:
    """The results below a tracker base.

    Args:
        tracker_base: Local folder or URL.

    Raises:
        UsageError: The URL's file system is unknown, or needs a library that is not installed.
    """

    def __init__(self, tracker_base: str) -> None:
        import fsspec

        try:
            place = tracker_base if "://" in tracker_base else str(Path(tracker_base).absolute())
            self._files, self._root = fsspec.core.url_to_fs(place)
        except Exception as error:
            raise UsageError(f"the tracker base {tracker_base!r:.200} cannot be used: {error}") from error
        self._base = tracker_base.rstrip("/")

    def _places(self, trial: BaseTrial) -> dict[str, str]:
        """Return the places of a trial's results: what people call them, to their paths."""
        root = self._root.rstrip("/")
        return {
            f"{self._base}/{trial.index}/result.json": f"{root}/{trial.index}/result.json",
            f"{self._base}/{trial.index}": f"{root}/{trial.index}",
        }

    def marks(self, trial: BaseTrial) -> dict[str, str]:
        """Return what is at the places of a trial's results now: path to a mark that changes with each write."""
        self._files.invalidate_cache()
        found: dict[str, str] = {}
        for path in self._places(trial).values():
            facts = self._facts(path)
            if facts is not None:
                text = repr(sorted((key, str(value)) for key, value in facts.items()))
                found[path] = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        return found

    def _facts(self, path: str) -> Mapping[str, Any] | None:
        try:
            facts: Mapping[str, Any] = self._files.info(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return facts if facts.get("type") == "file" else None

    def exist(self, trial: BaseTrial, stale: Mapping[str, str]) -> bool:
        """Whether a trial has written something since ``stale``, the marks before it."""
        return any(stale.get(path) != mark for path, mark in self.marks(trial).items())

    def read(self, trial: BaseTrial, stale: Mapping[str, str]) -> Result:
        """Read what a trial has written since ``stale``, the marks before it.

        Raises:
            InvalidResultError: It wrote nothing, or what it wrote is no result; the sentence names the place.
        """
        marks = self.marks(trial)
        places = self._places(trial)
        for place, path in places.items():
            if path in marks and stale.get(path) != marks[path]:
                return self._read(place, path, trial)
        old = next((place for place, path in places.items() if path in marks), None)
        if old is not None:
            raise InvalidResultError(f"it ended well, but wrote no result: {old} was there before it")
        raise InvalidResultError(f"it ended well, but wrote no result: there is neither {' nor '.join(places)}")

    def _read(self, place: str, path: str, trial: BaseTrial) -> Result:
        facts = self._facts(path)
        size = 0 if facts is None else facts.get("size") or 0
        if size > LARGEST_RESULT:
            raise InvalidResultError(f"{place} has {size} bytes; {LARGEST_RESULT} are allowed")
        objectives, arm = trial.experiment.objectives, trial.arms[0].name
        try:
            metrics, info = read_returned(_with_sems(json.loads(self._files.cat_file(path))), objectives)
            check_objectives(Result(arms={arm: metrics}), objectives, (arm,))
        except InvalidResultError as error:
            raise InvalidResultError(f"{place}: {error}") from None
        except (ValueError, RecursionError) as error:
            raise InvalidResultError(f"{place} is no valid JSON (half-written?): {why_unreadable(error)}") from None
        return Result(arms={arm: metrics}, additional_info=info or None)


def _with_sems(body: Any) -> Json:
    """Put ``y/mean`` and ``y/sem`` together."""
    if not isinstance(body, dict):
        raise InvalidResultError(f'it must hold an object such as {{"y": 0.5}}, not {json_kind(body)}')
    found: Json = {}
    for name, value in body.items():
        metric, slash, part = name.rpartition("/")
        if slash and part == "mean":
            found[metric] = (value, body.get(f"{metric}/sem"))
        elif not (slash and part == "sem" and f"{metric}/mean" in body):
            found[name] = value
    return found
