"""What a wrapped job does, in any language: the hooks of a wrapper, and a wrapper around scripts.

- `base`: the hooks. `script`: a wrapper around up to four commands. `view`: a trial as hooks see it.
- `commands`, `job`, `names`, `steps`: what is executed; `steps` is the program that executes several commands.
- `outputs`, `smac_line`, `metric_functions`, `fetching`: what scripts give back, and what is made of it.
- `config`, `layout`, `placing`: BOA's configuration file, its folders, and the files that a trial finds.

Nothing here starts a process or knows a runner: `runwright.runners.wrapped` does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runwright.wrappers.base import BaseWrapper
    from runwright.wrappers.config import Config, load_jsonlike
    from runwright.wrappers.job import Job, Step
    from runwright.wrappers.layout import (
        cd_and_cd_back,
        cd_and_cd_back_dec,
        get_trial_dir,
        make_trial_dir,
        zfilled_trial_index,
    )
    from runwright.wrappers.script import ScriptWrapper
    from runwright.wrappers.view import TrialView

_HOME = {
    "BaseWrapper": "base",
    "Config": "config",
    "Job": "job",
    "ScriptWrapper": "script",
    "Step": "job",
    "TrialView": "view",
    "cd_and_cd_back": "layout",
    "cd_and_cd_back_dec": "layout",
    "get_trial_dir": "layout",
    "load_jsonlike": "config",
    "make_trial_dir": "layout",
    "zfilled_trial_index": "layout",
}

__all__ = [
    "BaseWrapper",
    "Config",
    "Job",
    "ScriptWrapper",
    "Step",
    "TrialView",
    "cd_and_cd_back",
    "cd_and_cd_back_dec",
    "get_trial_dir",
    "load_jsonlike",
    "make_trial_dir",
    "zfilled_trial_index",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the program that executes commands must not pay for the rest."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
