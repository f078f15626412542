"""A driver of trials that run into their limits: ``python limits_driver.py '{"kind": ..., ...}'``.

It deploys a trial a case, or goes on with those that another driver deployed, and prints what became of each, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import runwright as rw
from runwright.clock import Waker
from runwright.runner import Ended, Following, Limits, RunContext
from runwright.runners import PoolRunner, ProcessRunner

VICTIM = Path(__file__).with_name("limits_victim.py")


def main() -> None:
    """Do what the argument says."""
    given = json.loads(sys.argv[1])
    cases: list[str] = given["cases"]
    experiment = rw.Experiment("limits", {"case": rw.Choice([*cases, "no other"])}, {"y": "minimize"})
    runner = _runner(given["kind"], len(cases))
    waker = Waker()
    directory = Path(given["directory"])
    directory.mkdir(exist_ok=True)
    runner.open(RunContext(experiment, directory, limits=Limits(**given["limits"])))
    trials = []
    for index, case in enumerate(cases):
        trial = experiment.new_trial(index, [{"case": case}])
        trial.attempt = 1
        trials.append(trial)
    known = runner.reattach(trials) if given["resume"] else {}
    for trial in trials:
        if not given["resume"]:
            runner.run(trial)
        elif not isinstance(known.get(trial.index), (Following, Ended)):
            sys.exit(f"{cases[trial.index]}: {known.get(trial.index)}")
    outcomes: dict[str, Any] = {}
    while len(outcomes) < len(cases):
        left = [trial for trial in trials if cases[trial.index] not in outcomes]
        for status, indices in runner.poll_trial_status(left).items():
            if status is not rw.TrialStatus.RUNNING:
                for index in indices:
                    outcomes[cases[index]] = _outcome(status, runner.fetch_result(trials[index]))
        if len(outcomes) < len(cases):
            runner.wait(runner.context.clock.now() + 1.0, waker)
    runner.close()
    print(json.dumps(outcomes))


def _runner(kind: str, workers: int) -> rw.Runner:
    function = f"{VICTIM}:evaluate"
    if kind == "pool":
        return PoolRunner(function, workers)
    if kind == "function":
        return ProcessRunner(function=function, workers=workers)
    return ProcessRunner([sys.executable, str(VICTIM), "{case}"], workers=workers)


def _outcome(status: rw.TrialStatus, result: rw.Result) -> dict[str, Any]:
    failure = result.failure
    return {
        "status": status.name,
        "kind": None if failure is None else failure.kind.name,
        "message": None if failure is None else failure.message,
        "log": None if failure is None else failure.log,
        "seconds": result.seconds,
    }


if __name__ == "__main__":
    main()
