"""What a wrapped script trial costs more than one of ProcessRunner, early and late in an experiment.

python benchmarks/bench_wrapped.py

The same shell script, one trial after another, from launch to told: the two runners take turns so that both see the
same machine. The target is at most 2 ms more, at the thousandth trial as at the first.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import runwright as rw
from runwright.optimizers import RandomOptimizer
from runwright.runners import ProcessRunner, WrappedJobRunner
from runwright.wrappers import ScriptWrapper

EXPERIMENT = rw.Experiment("cost", {"x": rw.Float(0, 1)}, {"y": "minimize"})
ROUND = 50
ROUNDS = 10


class Timed:
    """One runner's experiment; each round of trials is timed trial by trial."""

    def __init__(self, runner: rw.Runner, folder: Path) -> None:
        self.began: dict[int, float] = {}
        self.told: dict[int, float] = {}
        self.cpu = 0.0
        self.trials = 0
        self.driver = rw.Scheduler(EXPERIMENT, RandomOptimizer(), runner, directory=folder)

    def on_turn(self, _state, events) -> None:
        """Note when each trial began and when it was told."""
        for event in events:
            if event.kind == "DeployStarted":
                self.began[event.trial] = time.perf_counter()
            elif event.kind == "Told":
                self.told[event.trial] = time.perf_counter()

    def round(self) -> float:
        """Run a round; return the median of its trials."""
        first, began = self.trials, time.process_time()
        self.trials += ROUND
        self.driver.run(trials=self.trials, on_turn=self.on_turn)
        self.cpu += time.process_time() - began
        times = [self.told[index] - self.began[index] for index in range(first, self.trials)]
        return statistics.median(times)


def runners(folder: Path) -> dict[str, rw.Runner]:
    for name, output in (("plain", "$RUNWRIGHT_RESULT"), ("boa", "$1/output.json")):
        script = folder / f"{name}.sh"
        script.write_text(f"""#!/bin/sh\necho '{{"y": 1.5}}' > "{output}"\n""")
        script.chmod(0o755)
    smac = folder / "smac.sh"
    smac.write_text("#!/bin/sh\necho some logging\necho 'cost=1.5; status=SUCCESS'\n")
    smac.chmod(0o755)
    four = dict.fromkeys(("write_configs", "set_trial_status", "fetch_trial_data"), "true")
    scripts = {
        "boa": ScriptWrapper(run_model="./boa.sh", here=folder),
        "smac": ScriptWrapper(run_model="./smac.sh", format="smac", here=folder),
        "boa, four commands": ScriptWrapper(run_model="./boa.sh", here=folder, **four),
    }
    found: dict[str, rw.Runner] = {"ProcessRunner": ProcessRunner(["./plain.sh"], here=folder)}
    return found | {f"WrappedJobRunner ({name})": WrappedJobRunner(wrapper) for name, wrapper in scripts.items()}


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="runwright-benchmark-"))
    timed = {name: Timed(runner, folder / str(index)) for index, (name, runner) in enumerate(runners(folder).items())}
    medians: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(ROUNDS):
        for name, one in timed.items():
            medians[name].append(one.round())
    for one in timed.values():
        one.driver.close()
    floor = medians["ProcessRunner"]
    for name, one in timed.items():
        more = [mine - other for mine, other in zip(medians[name], floor, strict=True)]
        half = len(more) // 2
        print(
            f"{name}: {statistics.median(medians[name]) * 1e3:.2f} ms a trial, driver CPU "
            f"{one.cpu / one.trials * 1e3:.2f} ms; {statistics.median(more) * 1e3:+.2f} ms "
            f"(first half {statistics.median(more[:half]) * 1e3:+.2f}, "
            f"second {statistics.median(more[half:]) * 1e3:+.2f})"
        )


if __name__ == "__main__":
    main()
