"""An Ax experiment in a database, to be killed: python ax_driver.py DIRECTORY TRIALS

Begun anew, it loads what Ax has stored and goes on. It says ``ready`` once Ax's imports are done.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
sys.path.insert(0, str(Path(__file__).parents[2]))

from ax.orchestration.orchestrator import Orchestrator  # noqa: E402
from ax.storage.sqa_store.db import create_all_tables, get_engine, init_engine_and_session_factory  # noqa: E402
from ax.storage.sqa_store.structs import DBSettings  # noqa: E402

from runwright.bridges.ax import AxRunner, register  # noqa: E402
from runwright.runners import ProcessRunner  # noqa: E402
from tests.bridges import ax_functions  # noqa: E402
from tests.bridges.ax_driving import experiment, options, sobol  # noqa: E402

logging.disable(logging.ERROR)


def main(directory: Path, trials: int) -> None:
    register()
    database = directory / "ax.db"
    url = f"sqlite:///{database}"
    new = not (directory / "stored").exists()
    init_engine_and_session_factory(url=url)
    settings = DBSettings(url=url)
    wanted = options(max_pending_trials=2, total_trials=trials)
    if new:
        database.unlink(missing_ok=True)
        create_all_tables(get_engine())
        runner = ProcessRunner(function=ax_functions.reference("counted"), workers=2, preload=True)
        exp = experiment(AxRunner(runner, directory=directory / "run"))
        loop = Orchestrator(exp, sobol(3), wanted, db_settings=settings)
        (directory / "stored").touch()
    else:
        loop = Orchestrator.from_stored_experiment("exp", wanted, db_settings=settings)
    print("ready", flush=True)
    loop.run_all_trials()
    for trial in loop.experiment.trials.values():
        print(trial.index, trial.status.name, trial.run_metadata["runwright"]["trial"], flush=True)
    loop.experiment.runner.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
