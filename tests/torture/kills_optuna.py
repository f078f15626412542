"""The peer: Optuna 5 on SQLite, as its documentation says that a study survives its workers, and its judge.

``python -m tests.torture.kills_optuna DIRECTORY KIND TRIALS EVIDENCE``, the same command each time. The objective runs
the same program as ours, as a child. What was set, and why:

- `RDBStorage(heartbeat_interval=1, grace_period=2)`, the smallest that it takes, so that a dead trial is found as soon
  as can be, and `RetryHeartbeatStaleTrialCallback()` (until 4.9 `RetryFailedTrialCallback`) without a limit of retries:
  the page of its tutorial about heartbeats.
- `load_if_exists=True`, and `MaxTrialsCallback(TRIALS, states=(COMPLETE,))`: the same command goes on, and ends with as
  many completed trials as were asked for, whatever became of others.
- The sampler is seeded, pickled after each trial and loaded at the start, as its FAQ says ("How can I save and resume
  studies?"): the storage does not keep it, and a seed alone would propose the first points again.
- One trial at a time (`n_jobs=1`), though ours runs three: its documentation advises against SQLite for parallel jobs
  (with three, threads waited for SQLite's lock until it timed out), and it seeds the sampler anew for each of several
  jobs, so that no two runs propose the same points.

Kinds: ``optuna`` and ``optuna-long`` (random), ``optuna-tpe``.
"""

from __future__ import annotations

import pickle
import sqlite3
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.torture.kills_evaluation import value
from tests.torture.kills_judge import Verdict, notes_of

if TYPE_CHECKING:
    import optuna

    from tests.torture.kills_case import Case

SEED = 5
PROGRAM = Path(__file__).with_name("kills_evaluation.py")
_STUDY = "study.db"
_SAMPLER = "sampler.pickle"


class KeepSampler:
    """Pickles the sampler after each trial, aside and renamed.

    Args:
        folder: Where.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _SAMPLER

    def __call__(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        aside = self._path.with_suffix(f".{trial.number}")
        aside.write_bytes(pickle.dumps(study.sampler))
        aside.replace(self._path)


def main() -> None:
    """Run the study, or go on."""
    warnings.simplefilter("ignore")
    import optuna
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
    from optuna.study import MaxTrialsCallback
    from optuna.trial import TrialState

    directory, kind, trials, evidence = sys.argv[1:]
    folder = Path(directory)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = RDBStorage(
        f"sqlite:///{folder / _STUDY}",
        heartbeat_interval=1,
        grace_period=2,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
    )
    kept = folder / _SAMPLER
    samplers = optuna.samplers
    sampler: Any = samplers.RandomSampler(seed=SEED)
    if kind == "optuna-tpe":
        sampler = samplers.TPESampler(seed=SEED, n_startup_trials=4)
    if kept.exists():
        sampler = pickle.loads(kept.read_bytes())
    study = optuna.create_study(storage=storage, study_name="killed", sampler=sampler, load_if_exists=True)
    length = "long" if kind == "optuna-long" else "short"
    enough = MaxTrialsCallback(int(trials), states=(TrialState.COMPLETE,))
    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) >= int(trials):
        return

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        command = [sys.executable, "-I", "-S", str(PROGRAM), evidence, repr(x), length, str(trial.number)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return float(done.stdout)

    study.optimize(objective, callbacks=[KeepSampler(folder), enough])


def trials_of(folder: Path) -> list[tuple[int, str, float | None, float | None]]:
    """Return number, state, point and value of each trial of a study, in order of number."""
    connection = sqlite3.connect(f"file:{folder / 'run' / _STUDY}?mode=ro", uri=True)
    try:
        return connection.execute(
            "SELECT t.number, t.state, p.param_value, v.value FROM trials t "
            "LEFT JOIN trial_params p ON p.trial_id = t.trial_id LEFT JOIN trial_values v ON v.trial_id = t.trial_id "
            "ORDER BY t.number"
        ).fetchall()
    finally:
        connection.close()


def points_of(folder: Path) -> list[float]:
    """Return the points that were proposed, each once, in order."""
    return list(dict.fromkeys(x for _, _, x, _ in trials_of(folder) if x is not None))


def judge(case: Case, folder: Path, expected: list[float]) -> Verdict:
    """Judge a study with the same measures as ours.

    Lost: an evaluation that came to its end by itself, whose trial has no result on record. Double: one that began
    while another of its point lived, or after its point had a result. Changed: a point that the undisturbed study did
    not have in its place.
    """
    verdict = Verdict()
    known = trials_of(folder)
    notes = notes_of(folder / "evidence")
    state = {number: (status, measured) for number, status, _, measured in known}
    begun = Counter(note.x for note in notes if note.what == "begin")
    verdict.evaluations, verdict.repeated = begun.total(), begun.total() - len(begun)
    first_end: dict[float, float] = {}
    twice: dict[int, str] = {}
    for note in notes:
        number = int(note.trial)
        if note.what == "end":
            if state.get(number) != ("COMPLETE", value(note.x)):
                verdict.lost.append(f"{note}: the study has {state.get(number)}")
            else:
                first_end.setdefault(note.x, note.time)
        elif note.what == "double" or (note.what == "begin" and note.x in first_end):
            twice[note.pid] = f"{note}"
    verdict.double += twice.values()
    verdict.running = sum(status == "RUNNING" for _, status, _, _ in known)
    verdict.duplicated = sum(count - 1 for count in Counter(x for _, _, x, _ in known if x is not None).values())
    points = points_of(folder)
    pairs = enumerate(zip(points, expected, strict=False))
    verdict.changed = [f"point {place}" for place, (x, undisturbed) in pairs if x != undisturbed]
    complete = sum(status == "COMPLETE" for _, status, _, _ in known)
    if complete < case.trials:
        verdict.unended.append(f"{complete} of {case.trials} trials are complete")
    return verdict


if __name__ == "__main__":
    main()
