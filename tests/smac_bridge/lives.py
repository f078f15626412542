"""A run of SMAC to be killed: python lives.py FOLDER KIND PASSAGE ...

Each PASSAGE, such as ``submitted:3:SIGKILL``, is a life that ends by a signal at the third time it comes there; after
them one life is left alone. SMAC is imported once, and each life is a fork. KIND is ``local``, ``pool``, ``function``
or ``command``. Every life says the same to SMAC and to the bridge, which go on from what is in FOLDER. The statuses of
all trials that the last one ends with go to FOLDER/statuses.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import smac
from ConfigSpace import ConfigurationSpace

from runwright.bridges.smac import SmacRunner
from runwright.runners import LocalMetadataRunner, PoolRunner, ProcessRunner

HERE = Path(__file__).resolve().parent
PROGRAM = """
printf '%s %s\\n' "$1" "$RUNWRIGHT_SEED" >> "$2"
printf '{{"cost": %s}}' "$1" > "$RUNWRIGHT_RESULT"
"""
N_TRIALS = 14


class MortalRunner(SmacRunner):
    """Dies where it is told to."""

    passage, times, signal = "", 0, signal.SIGKILL

    def submit_trial(self, trial_info, **rest):
        self._pass("asked")
        super().submit_trial(trial_info, **rest)
        self._pass("submitted")

    def iter_results(self):
        for result in super().iter_results():
            self._pass("collected")
            yield result
            self._pass("told")

    def wait(self):
        self._pass("waiting")
        super().wait()

    def _pass(self, passage):
        if passage == self.passage:
            self.times -= 1
            if self.times == 0:
                os.kill(os.getpid(), self.signal)


def make_runner(kind, folder):
    reference = f"{HERE / 'evaluations.py'}:counted"
    if kind == "local":
        sys.path.insert(0, str(HERE))
        from evaluations import counted

        return LocalMetadataRunner(counted)
    if kind == "pool":
        return PoolRunner(reference, workers=2)
    if kind == "function":
        return ProcessRunner(function=reference, workers=3)
    return ProcessRunner(["/bin/sh", "-c", PROGRAM, "sh", "{x}", str(folder / "evaluations")], workers=3)


def live(folder, kind, passage=""):
    """Make everything as the first life does, and let SMAC work."""
    setting = smac.Scenario(
        ConfigurationSpace({"x": (0.0, 1.0)}, seed=0),
        name="lives",
        output_directory=folder / "smac",
        n_trials=N_TRIALS,
        crash_cost=9.0,
        trial_walltime_limit=None if kind == "local" else 60,
    )
    bridge = MortalRunner(make_runner(kind, folder), setting, directory=folder / "run")
    bridge.passage, bridge.times, bridge.signal = read(passage)
    with bridge:
        facade = smac.RandomFacade(setting, bridge, logging_level=False)
        facade.optimize()
        bridge.state.check()
        statuses = [value.status.name for value in facade.runhistory.values()]
        (folder / "statuses").write_text(json.dumps(statuses), encoding="utf-8")


def read(passage):
    name, times, kind = passage.split(":") if passage else ("", "0", "SIGKILL")
    return name, int(times), signal.Signals[kind]


def main():
    folder, kind, *passages = Path(sys.argv[1]), *sys.argv[2:]
    os.environ["EVALUATIONS"] = str(folder / "evaluations")
    for passage in [*passages, ""]:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                live(folder, kind, passage)
                code = 0
            except BaseException:  # noqa: BLE001  (an exit would go on in the place of the parent)
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        code, deadly = os.waitstatus_to_exitcode(status), read(passage)[2]
        if code != (0 if not passage else 1 if deadly == signal.SIGINT else -deadly):
            sys.exit(f"the life {passage!r} ended with {code}")


if __name__ == "__main__":
    main()
