"""The judge of histories: it passes what is right, catches each thing that is not, and knows nothing of the product."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import runwright as rw
from runwright.optimizers import RandomOptimizer
from runwright.runners import LocalMetadataRunner
from tests.torture.history import Evaluation, Limited, check, rows_of

HERE = Path(__file__).parent
POLICY = {
    "trials": 2,
    "parallel": 1,
    "on_failure": {"other": {"retry": 1, "then": "fail"}},
    "limits": {"timeout": 5.0, "memory": 100},
}
Y = {"0_0": {"y": [0.5, None]}}
FAILED = {"failure": {"kind": "crashed", "message": "it broke", "log": None}}
GOOD = [
    (0.0, None, "ExperimentStarted", {"definition": {}}),
    (0.0, None, "DriverStarted", {"epoch": 1e9, "policy": POLICY}),
    (0.0, 0, "TrialAsked", {"points": [{"x": 0.5}], "source": "optimizer"}),
    (0.0, 0, "DeployStarted", {"attempt": 1}),
    (0.0, 0, "Deployed", {"attempt": 1, "metadata": {}, "staged": False}),
    (1.0, 0, "Finished", {"attempt": 1, "result": FAILED}),
    (1.0, 0, "RetryPlanned", {"not_before": 1.0}),
    (1.0, 0, "DeployStarted", {"attempt": 2}),
    (1.0, 0, "Deployed", {"attempt": 2, "metadata": {}, "staged": False}),
    (3.0, 0, "Finished", {"attempt": 2, "result": {"arms": Y}}),
    (3.0, 0, "Told", {}),
    (3.0, 1, "TrialAsked", {"points": [{"x": 0.25}], "source": "optimizer"}),
    (3.0, 1, "DeployStarted", {"attempt": 1}),
    (3.0, 1, "Deployed", {"attempt": 1, "metadata": {}, "staged": False}),
    (8.0, 1, "StopRequested", {"attempt": 1, "cause": "user", "reason": "no"}),
    (8.0, 1, "Stopped", {"attempt": 1, "status": "ABANDONED", "reason": "no"}),
    (8.0, 1, "Told", {}),
    (8.0, None, "ExperimentEnded", {"reason": "trials", "message": "done"}),
]
SUGGESTED = [{"x": 0.5}, {"x": 0.25}]
BEGAN = [
    Evaluation(0, 1, [{"x": 0.5}], 0.0, 1.0, known=4, known_at_end=5),
    Evaluation(0, 2, [{"x": 0.5}], 1.0, 3.0, known=8, known_at_end=9, result={"0_0": {"y": 0.5}}),
    Evaluation(1, 1, [{"x": 0.25}], 3.0, 8.0, known=13, known_at_end=15, stop_known=15),
]


def numbered(rows):
    return [(seq, *row) for seq, row in enumerate(rows, 1)]


def judged(rows=GOOD, evidence=BEGAN, *, final=True, suggestions=SUGGESTED):
    return check(
        numbered(rows),
        evidence,
        capacity=1,
        limits=Limited(5.0, memory=100),
        suggestions=suggestions,
        final=final,
    )


def test_what_is_right_passes():
    assert judged() == []
    for cut in range(len(GOOD)):
        assert check(numbered(GOOD[:cut]), final=False) == [], "so does each of its beginnings"


def at(place, *new, drop=0):
    """The good story with something else from a row on."""
    return [*GOOD[: place - 1], *new, *GOOD[place - 1 + drop :]]


def row(time, trial, kind, **body):
    return (time, trial, kind, body)


ROWS = {
    "told twice": (at(12, row(3.0, 0, "Told")), "told twice"),
    "told before its end": (at(10, row(1.0, 0, "Told")), "has not ended"),
    "never told": (at(11, drop=1), "never told"),
    "a second result": (at(11, row(3.0, 0, "Finished", attempt=2, result={"arms": Y})), "no live attempt"),
    "an attempt after a result": (at(12, row(3.0, 0, "DeployStarted", attempt=3)), "the trial is COMPLETED"),
    "a completed trial is run again": (at(12, row(3.0, 0, "Rerun")), "is not run again"),
    "finished without having been deployed": (at(4, drop=2), "no live attempt"),
    "finished as another attempt": (at(6, row(1.0, 0, "Finished", attempt=2, result=FAILED), drop=1), "is live, not 2"),
    "deployed twice at once": (at(6, row(0.0, 0, "DeployStarted", attempt=2)), "attempt 1 is live"),
    "a number left out": (at(4, row(0.0, 0, "DeployStarted", attempt=2), drop=1), "follows attempt 0"),
    "tried again without a decision": (at(7, drop=1), "nobody has decided"),
    "tried again before its time": (
        at(7, row(1.0, 0, "RetryPlanned", not_before=9.0), drop=1),
        "it waits from 1.0 to 9.0",
    ),
    "lost, and tried again at once": (
        at(
            6,
            row(1.0, 0, "Finished", attempt=1, result={"failure": {"kind": "lost", "message": "m"}}),
            row(1.0, 0, "RetryPlanned", not_before=1.0),
            drop=2,
        ),
        "not 0.5 to 1 s",
    ),
    "deployed before its time": (
        at(
            6,
            row(1.0, 0, "Finished", attempt=1, result={"failure": {"kind": "lost", "message": "m"}}),
            row(1.0, 0, "RetryPlanned", not_before=1.75),
            drop=2,
        ),
        "not to be tried again before 1.75",
    ),
    "given up too early": (at(7, row(1.0, 0, "GaveUp"), drop=1), "only 1 attempts have failed so"),
    "tried again too often": (
        at(10, row(3.0, 0, "Finished", attempt=2, result=FAILED), row(3.0, 0, "RetryPlanned", not_before=3.0), drop=1),
        "2 attempts have failed so, and 1",
    ),
    "a penalty that no rule has": (
        at(
            10,
            row(3.0, 0, "Finished", attempt=2, result=FAILED),
            row(3.0, 0, "GaveUp", penalty={"y": 9.0}),
            drop=1,
        ),
        "its penalty is {'y': 9.0}",
    ),
    "an abort that no rule has": (
        at(10, row(3.0, 0, "Finished", attempt=2, result=FAILED), row(3.0, 0, "GaveUp", abort=True), drop=1),
        "abort is True",
    ),
    "a decision about nothing": (at(11, row(3.0, 0, "GaveUp")), "no failed attempt"),
    "left undecided": (at(7, drop=12), "without a decision"),
    "a failure of no kind": (
        at(6, row(1.0, 0, "Finished", attempt=1, result={"failure": {"kind": "odd", "message": "m"}}), drop=1),
        "no kind of failure",
    ),
    "no number": (at(10, row(3.0, 0, "Finished", attempt=2, result={"arms": {}}), drop=1), "is no result"),
    "live at the end": (at(15, drop=4), "is left live"),
    "not begun at the end": (at(13, drop=5), "have not ended"),
    "stopped before its limit": (
        at(15, row(7.5, 1, "StopRequested", attempt=1, cause="timeout", reason="t")),
        "has not run for its limit",
    ),
    "a user's stop that is called a failure": (
        at(16, row(8.0, 1, "Finished", attempt=1, result=FAILED), row(8.0, 1, "GaveUp"), drop=1),
        "is called a failure",
    ),
    "a user's stop that is forgotten": (at(16, row(8.0, 1, "Interrupted", attempt=1, reason="r"), drop=1), "repeated"),
    "a time-out that is abandoned": (
        at(15, row(8.0, 1, "StopRequested", attempt=1, cause="timeout", reason="t"), drop=1),
        "neither abandoned",
    ),
    "an unknown kind": (at(3, row(0.0, None, "Dreamt")), "no such kind"),
    "an unknown trial": (at(4, row(0.0, 7, "DeployStarted", attempt=1)), "no trial 7"),
    "a trial left out": (at(3, row(0.0, 1, "TrialAsked", points=[{}], source="optimizer"), drop=1), "was due"),
    "one trial too many": (
        at(17, row(8.0, 2, "TrialAsked", points=[{"x": 1}], source="optimizer")),
        "only 2 are wanted",
    ),
    "another suggestion": (
        at(12, row(3.0, 1, "TrialAsked", points=[{"x": 0.3}], source="optimizer"), drop=1),
        "an undisturbed optimizer proposes {'x': 0.25}",
    ),
    "not rebuilt": (at(3, row(0.0, None, "OptimizerRebuilt", exact=False, reason="r")), "not rebuilt exactly"),
    "too many at once": (
        at(
            6,
            row(0.0, 1, "TrialAsked", points=[{"x": 0.25}], source="optimizer"),
            row(0.0, 1, "DeployStarted", attempt=1),
        ),
        "parallel is 1",
    ),
    "begun after the end": (
        [*GOOD, row(8.0, 2, "TrialAsked", points=[{}], source="enqueued"), row(8.0, 2, "DeployStarted", attempt=1)],
        "after the experiment has ended",
    ),
    "ended twice": ([*GOOD, GOOD[-1]], "has ended already"),
    "ended too early": (at(12, GOOD[-1], drop=7), "2 trials are wanted"),
    "ended without a reason": (at(18, row(8.0, None, "ExperimentEnded", reason="bored"), drop=1), "no such reason"),
    "out of time too early": (at(18, row(8.0, None, "ExperimentEnded", reason="time"), drop=1), "is not used up"),
    "too few failures": (at(18, row(8.0, None, "ExperimentEnded", reason="failure_rate"), drop=1), "0 of 2 failed"),
    "aborted for nothing": (at(18, row(8.0, None, "ExperimentEnded", reason="aborted"), drop=1), "no trial has failed"),
    "time that runs back": (at(12, row(2.0, None, "Noted", message="m")), "is before the 3.0"),
    "no experiment": (GOOD[1:], "ExperimentStarted is the first row"),
    "no driver": (at(2, drop=1), "before any driver"),
    "a request taken twice": (
        at(3, *[row(0.0, None, "RequestTaken", request="r", body={})] * 2),
        "is taken a second time",
    ),
    "a candidate that is stopped early": (
        at(4, row(0.0, 0, "Stopped", attempt=0, status="EARLY_STOPPED", reason="r")),
        "a candidate does not become",
    ),
    "a driver that leaves and goes on": (
        at(6, row(0.5, 0, "Interrupted", attempt=1, reason="r"), row(0.5, 0, "DeployStarted", attempt=2), drop=3),
        "in order to leave",
    ),
    "polled as what it cannot be": (at(6, row(0.5, 0, "Polled", status="COMPLETED")), "no way to be live"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_wrong_row_is_caught(name):
    rows, complaint = ROWS[name]
    found = judged(rows, evidence=())
    assert any(complaint in one for one in found), found


def test_a_gap_is_caught():
    rows = numbered(GOOD)
    del rows[4]
    assert any("not numbered" in one for one in check(rows, final=False))


def changed(place, **fields):
    return [replace(one, **fields) if at == place else one for at, one in enumerate(BEGAN)]


EVIDENCE = {
    "evaluated twice": ([*BEGAN, replace(BEGAN[0], began=8.0, ended=9.0, known_at_end=None)], "evaluated before"),
    "two at once": (changed(1, began=0.5), "began while evaluation 0.1"),
    "nobody announced it": ([*BEGAN, Evaluation(1, 2, None, 9.0, 9.5)], "no row announces it"),
    "another point": (changed(0, points=[{"x": 0.6}]), "its trial has [{'x': 0.5}]"),
    "another budget": (changed(0, budget=2.0), "had the budget 2.0"),
    "begun before the commit": (changed(0, known=3), "before row 4"),
    "stopped before the commit": (changed(2, stop_known=14), "announces the stop"),
    "stopped without an announcement": (changed(0, stop_known=5), "announces the stop"),
    "alive after its end": (changed(2, ended=None, known_at_end=None), "lives, though row 16"),
    "its end known too early": (changed(2, known_at_end=16), "lived on when row 16"),
    "a lost result": (changed(0, result={"0_0": {"y": 1.0}}), "which is lost"),
    "another result": (changed(1, result={"0_0": {"y": 0.6}}), "its evaluation gave"),
    "a result of nothing": (BEGAN[:1] + BEGAN[2:], "its evaluation gave []"),
    "begun after the result": (changed(1, known=10), "was durable"),
    "one more than slots": (changed(1, ended=3.5), "the 2th at once"),
    "over its limit": (changed(2, ended=8.5), "its limit is 5 s"),
    "over its memory": (changed(1, peak=101), "held 101 bytes"),
}


@pytest.mark.parametrize("name", EVIDENCE)
def test_wrong_evidence_is_caught(name):
    evidence, complaint = EVIDENCE[name]
    found = judged(evidence=evidence)
    assert any(complaint in one for one in found), found


def test_what_a_power_cut_or_nobody_could_help_passes():
    again = [replace(BEGAN[0], began=-1.0, ended=0.0, forgotten=True), *BEGAN]
    assert judged(evidence=again) == []
    assert judged(evidence=changed(0, result={"0_0": {"y": 1.0}}, unreadable=True)) == []
    assert judged(evidence=changed(2, ended=9.0, unwatched=1.0)) == []


def test_slots_may_change():
    evidence = changed(1, ended=3.5)
    assert check(numbered(GOOD), evidence, capacity=[(0.0, 1), (3.0, 2)]) == []


def test_suggestions_may_be_a_function_of_the_recorded_steps():
    seen = []

    def suggest(steps, index):
        seen.append((index, list(steps)))
        return SUGGESTED[index]

    assert judged(suggestions=suggest) == []
    assert seen[1] == (1, [("asked", 0, {"x": 0.5}), ("told", 0, "COMPLETED", {"y": [0.5, None]}, None, None)])


def test_it_reads_a_real_journal(tmp_path):
    experiment = rw.Experiment("judged", {"x": rw.Float(0, 1)}, {"y": "minimize"})
    with rw.Scheduler(experiment, RandomOptimizer(), LocalMetadataRunner(lambda x: x), directory=tmp_path) as driver:
        driver.run(trials=4)
    rows = rows_of(tmp_path / "journal.sqlite")
    assert [trial for _, _, trial, kind, _ in rows if kind == "Finished"] == [0, 1, 2, 3]
    assert check(rows) == []
    assert any("its evaluation gave" in one for one in check(rows, [Evaluation(0, 1, None, 0.0, 1.0)]))


def test_it_shares_no_code_with_the_product():
    for path in sorted(HERE.glob("history*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] in sys.stdlib_module_names or name.startswith("tests.torture.history"), name
    loaded = "import sys; import tests.torture.history; print([name for name in sys.modules if 'runwright' in name])"
    command = [sys.executable, "-c", loaded]
    assert subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, check=True).stdout == "[]\n"
