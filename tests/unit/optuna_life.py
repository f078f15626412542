"""One life of a driver, for `test_optuna_restart`: restore from a file, go on, die at a given step by kill -9.

Arguments: a file of settings, the file that is the journal, and the step at which to die (-1: live to the end).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from runwright.experiment import Experiment
from runwright.optimizer import Asked, Attached, Observation, Suggestion
from runwright.optimizers import create
from runwright.status import TrialStatus
from runwright.testing.optimizer_play import Player, plan

KINDS = {"asked": Asked, "attached": Attached}


def to_json(item):
    if isinstance(item, Observation):
        return ["told", item.trial, item.parameters, item.status.name, item.metrics, item.penalty]
    return [type(item).__name__.lower(), item.trial, item.suggestion.parameters]


def from_json(body):
    kind, trial, parameters, *end = body
    if kind == "told":
        status, metrics, penalty = end
        measured = {name: tuple(pair) for name, pair in metrics.items()}
        return Observation(trial, parameters, TrialStatus[status], measured, penalty=penalty)
    return KINDS[kind](trial, Suggestion(parameters))


def live(settings, journal, die_at):
    experiment = Experiment.from_dict(settings["experiment"])
    optimizer = create("optuna", **settings["optimizer"])
    optimizer.setup(experiment)
    past = [from_json(json.loads(line)) for line in journal.read_text().splitlines()] if journal.exists() else []
    outcome = optimizer.restore(past)
    if not outcome.exact:
        sys.exit(outcome.reason)
    player = Player(optimizer, experiment, past)
    steps = plan(experiment, trials=settings["trials"], pending=4, seed=settings["plan"])
    with journal.open("a") as file:
        for number in range(len(past), len(steps)):
            player.play([steps[number]])
            if number == die_at:  # what this step gave was never recorded
                os.kill(os.getpid(), signal.SIGKILL)
            file.write(json.dumps(to_json(player.history[-1])) + "\n")
            file.flush()


if __name__ == "__main__":
    live(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), int(sys.argv[3]))
