"""A life of a SMAC optimizer in a process of its own: prints what it proposes, after a history if one is given."""

from __future__ import annotations

import json
import sys

from runwright import Choice, Experiment, Float
from runwright.optimizer import Asked, Observation, Suggestion
from runwright.optimizers import SmacOptimizer
from runwright.status import TrialStatus


def main(until, seeds, known):
    experiment = Experiment("life", {"x": Float(0, 1), "c": Choice(["a", "b"])}, {"loss": "minimize"}, seed=2)
    optimizer = SmacOptimizer("random", deterministic=False, instances=["i", "j"], **json.loads(seeds))
    optimizer.setup(experiment)
    points = [Suggestion(*row) for row in json.loads(known)]
    history = [item for trial, point in enumerate(points) for item in (Asked(trial, point), observed(trial, point))]
    restored = optimizer.restore(history)
    for trial in range(len(points), int(until)):
        points.append(optimizer.ask(trial))
        optimizer.tell(observed(trial, points[-1]))
    rows = [[point.parameters, point.instance, point.budget, point.seed] for point in points]
    print(json.dumps({"exact": restored.exact, "reason": restored.reason, "points": rows}))


def observed(trial, point):
    loss = (point.parameters["x"] - 0.3) ** 2 + len(point.instance) * ord(point.instance) % 7
    return Observation(
        trial, point.parameters, TrialStatus.COMPLETED, {"loss": (loss, None)}, None, point.instance, None, point.seed
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
