"""The experiment file: what is optimised, how it is evaluated, by whom, and until when.

`load` reads and checks a file; an `ExperimentFile` makes the parts of a run. Described in ``docs/experiment-file.md``.

```
source (text -> tree with lines) -> models (keys, kinds, ranges) -> experiment_file (what they mean together)
```
"""

from __future__ import annotations

from runwright.config.experiment_file import ExperimentFile, load
from runwright.config.runners import RunnerRequest, SettingError

__all__ = ["ExperimentFile", "RunnerRequest", "SettingError", "load"]
