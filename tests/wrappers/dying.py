"""A driver of wrapped scripts that is killed from outside: python dying.py DIRECTORY TRIALS

Each trial runs four commands; each adds its name and its trial to ``count`` beside the run directory.
"""

from __future__ import annotations

import sys
from pathlib import Path

import runwright as rw
from runwright.optimizers import RandomOptimizer
from runwright.runners import WrappedJobRunner
from runwright.wrappers import ScriptWrapper

EXPERIMENT = rw.Experiment("dying", {"x": rw.Float(0, 1)}, {"y": "minimize"})
SCRIPT = """
name=$1
echo "$name $RUNWRIGHT_TRIAL" >> "$2/count"
case $name in
  run_model) sleep 0.03;;
  set_trial_status) echo '{"trial_status": "COMPLETED"}' > "$3/trial_status.json";;
  fetch_trial_data) echo '{"y": 1}' > "$3/output.json";;
esac
"""


def scheduler(folder: Path) -> rw.Scheduler:
    script = folder / "step.sh"
    if not script.exists():
        script.write_text(SCRIPT)
    commands = {
        name: ["sh", "{here}/step.sh", name, "{here}"]
        for name in ("write_configs", "run_model", "set_trial_status", "fetch_trial_data")
    }
    wrapper = ScriptWrapper(here=folder, pause=0.01, **commands)
    runner = WrappedJobRunner(wrapper, workers=3)
    return rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, directory=folder / "run")


if __name__ == "__main__":
    with scheduler(Path(sys.argv[1])) as driver:
        driver.run(trials=int(sys.argv[2]))
