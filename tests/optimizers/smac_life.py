"""A life of a SMAC optimizer in a process of its own: prints what it proposes, after a history if one is given."""

from __future__ import annotations

import json
import sys

from runwright import Choice, Experiment, Float
from runwright.optimizer import Asked, Observation, Suggestion
from runwright.optimizers import SmacOptimizer
from runwright.status import TrialStatus


def main(until, facade, settings, known):
    parameters = {
        "x": Float(0, 1),
        "c": Choice(["a", "b"]),
        "z": Float(1, 100, log=True, when={"c": "a"}),
    }
    experiment = Experiment("life", parameters, {"loss": "minimize"}, seed=2)
    optimizer = SmacOptimizer(facade, **json.loads(settings))
    optimizer.setup(experiment)
    points = [Suggestion(*row) for row in json.loads(known)]
    history = [item for trial, point in enumerate(points) for item in (Asked(trial, point), observed(trial, point))]
    restored = optimizer.restore(history)
    for trial in range(len(points), int(until)):
        point = optimizer.ask(trial)
        assert point is not None, "nothing is pending"
        points.append(point)
        optimizer.tell(observed(trial, points[-1]))
    rows = [[point.parameters, point.instance, point.budget, point.seed] for point in points]
    print(json.dumps({"exact": restored.exact, "reason": restored.reason, "points": rows}))


def observed(trial, point):
    values = point.parameters
    loss = (
        (values["x"] - 0.3) ** 2 + values.get("z", 3) / 100 + ord(point.instance or "a") % 7 + 1 / (point.budget or 1)
    )
    return Observation(
        trial, values, TrialStatus.COMPLETED, {"loss": (loss, None)}, None, point.instance, point.budget, point.seed
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
