"""A run of SMAC is killed, and goes on: nothing is lost, nothing is evaluated twice, nothing is RUNNING for ever."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("smac")

import smac
from ConfigSpace import Configuration
from smac.runhistory import StatusType

import runwright as rw
from runwright import mailbox
from runwright.bridges.smac import SmacRunner
from runwright.errors import StoppedError
from runwright.journal import read_events
from runwright.runners import LocalMetadataRunner
from runwright.state import State
from tests.smac_bridge import evaluations
from tests.smac_bridge.world import facade, infos, optimize, scenario, space, values

LIVES = Path(__file__).with_name("lives.py")
PASSAGES = [
    "submitted:1:SIGKILL",
    "asked:3:SIGKILL",
    "submitted:4:SIGKILL",
    "collected:2:SIGKILL",
    "told:1:SIGKILL",
    "submitted:2:SIGTERM",  # which SMAC ignores where there is a limit
    "submitted:2:SIGINT",
    "waiting:1:SIGKILL",
]


def run_lives(folder, kind, *passages):
    ended = subprocess.run(
        [sys.executable, str(LIVES), str(folder), kind, *passages],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads((folder / "statuses").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local", "pool", "command"])
def test_killed_at_many_passages(tmp_path, kind):
    passages = PASSAGES[:-1] if kind == "local" else PASSAGES  # which has nothing to wait for
    statuses = run_lives(tmp_path, kind, *passages)
    state = State.of(read_events(tmp_path / "run" / "journal.sqlite"))
    state.check()
    assert all(trial.status is rw.TrialStatus.COMPLETED for trial in state.trials)
    contents = Counter((trial.parameters["x"], trial.seed) for trial in state.trials)
    assert set(contents.values()) == {1}, "nothing was asked for twice"
    begun = Counter(tuple(map(float, line.split())) for line in (tmp_path / "evaluations").read_text().splitlines())
    assert set(begun) == set(contents)
    if kind != "pool":  # whose evaluations die with the driver, and are repeated
        assert set(begun.values()) == {1}, "nothing was evaluated twice"
    stored = json.loads((tmp_path / "smac" / "lives" / "0" / "runhistory.json").read_text())
    assert {entry["status"] for entry in stored["data"]} == {StatusType.SUCCESS}, "nothing is RUNNING for ever"
    told = {(stored["configs"][str(entry["config_id"])]["x"], entry["seed"]) for entry in stored["data"]}
    assert told == set(contents), "nothing was lost"
    assert len(told) >= 14
    assert statuses == ["SUCCESS"] * len(told)


def test_what_smac_waits_for_is_told_to_it_though_its_journal_is_gone(tmp_path):
    setting = scenario(tmp_path)
    _leave_running(tmp_path, setting, directory=None)
    with SmacRunner(LocalMetadataRunner(evaluations.bowl), setting) as bridge:
        optimizer = facade("RandomFacade", setting, bridge)
        assert [value.status for value in values(optimizer)].count(StatusType.RUNNING) == 1
        optimizer.optimize()
        assert {value.status for value in values(optimizer)} == {StatusType.SUCCESS}
        assert [value.cost for value in values(optimizer)] == [(i.config["x"] - 0.3) ** 2 for i in infos(optimizer)]


def _leave_running(folder, setting, **settings):
    """Ask three times, tell of the first, forget the last: SMAC saves when it is told."""
    runner = LocalMetadataRunner(evaluations.bowl)
    with SmacRunner(runner, setting, **settings) as bridge:
        optimizer = facade("RandomFacade", setting, bridge, overwrite=True)
        asked = [optimizer.ask() for _ in range(2)]
        for info in asked:
            bridge.submit_trial(info)
        results = bridge.iter_results()
        optimizer.tell(*next(results))
        bridge.submit_trial(optimizer.ask())
        return len(bridge.state.trials)


def test_what_smac_forgot_is_told_to_it(tmp_path):
    setting = scenario(tmp_path, n_trials=10)
    assert _leave_running(tmp_path, setting, directory=tmp_path / "run") == 3
    with SmacRunner(LocalMetadataRunner(evaluations.bowl), setting, directory=tmp_path / "run") as bridge:
        optimizer = facade("RandomFacade", setting, bridge)
        assert [value.status for value in values(optimizer)] == [StatusType.SUCCESS, StatusType.RUNNING]
        assert not list(bridge._trials._claims)
        told = [info.config["x"] for info, _ in bridge.iter_results()]
        assert told == [trial.parameters["x"] for trial in bridge.state.trials[1:]]
        assert not bridge.is_running()


def test_a_history_that_was_thrown_away_is_told_nothing_by_itself(tmp_path):
    setting, directory = scenario(tmp_path, n_trials=10), tmp_path / "run"
    _leave_running(tmp_path, setting, directory=directory)
    with SmacRunner(LocalMetadataRunner(evaluations.bowl), setting, directory=directory, overwrite=True) as bridge:
        facade("RandomFacade", setting, bridge, overwrite=True)
        assert list(bridge.iter_results()) == []
        assert not bridge.is_running()


@pytest.mark.parametrize("kind", ["HyperparameterOptimizationFacade", "BlackBoxFacade", "RandomFacade"])
def test_more_trials_one_after_the_other_with_the_same_initial_design_ask_for_the_same_points(tmp_path, kind):
    for n_trials in (12, 16):
        setting = scenario(tmp_path, n_trials=n_trials)
        _, bridge = optimize(
            kind, setting, LocalMetadataRunner(evaluations.bowl), directory=tmp_path / "run", overwrite=True
        )
        assert len(bridge.state.trials) == n_trials


def test_points_of_users_are_not_told_to_smac_unless_it_asks(tmp_path):
    """They have no seed, which SMAC insists on when it reads its history."""
    setting, directory = scenario(tmp_path, n_trials=10), tmp_path / "run"
    _leave_running(tmp_path, setting, directory=directory)
    mailbox.post(directory, {"kind": "enqueue", "points": [{"x": 0.75}]})
    with SmacRunner(LocalMetadataRunner(evaluations.bowl), setting, directory=directory) as bridge:
        facade("RandomFacade", setting, bridge)
        assert 0.75 not in [info.config["x"] for info, _ in bridge.iter_results()]
        assert bridge.state.trials[3].parameters == {"x": 0.75}
        config = Configuration(setting.configspace, values={"x": 0.75})
        assert bridge.run(config)[1] == 0.45**2
        assert len(bridge.state.trials) == 4, "what a user had evaluated is on record as well"


def test_what_fits_the_space_no_more_is_left_out(tmp_path, caplog):
    setting = scenario(tmp_path, n_trials=10)
    _leave_running(tmp_path, setting, directory=tmp_path / "run")
    other = scenario(tmp_path, space(x=(0.0, 1e-9)), n_trials=10)
    with SmacRunner(LocalMetadataRunner(evaluations.bowl), other, directory=tmp_path / "run") as bridge:
        assert list(bridge.iter_results()) == []
    assert "is no configuration of this space any more" in caplog.text


def test_a_run_that_begins_anew_is_answered_from_the_journal(tmp_path):
    """Failures too, under another name, by another runner."""
    points = []

    def sometimes(config):
        points.append(config["x"])
        return config["x"] if config["x"] < 0.6 else None

    told = []
    for life in range(2):
        setting = scenario(tmp_path / str(life), n_trials=8)
        with SmacRunner(LocalMetadataRunner(sometimes), setting, directory=tmp_path / "run") as bridge:
            optimizer = facade("RandomFacade", setting, bridge)
            optimizer.optimize()
            told.append(values(optimizer))
    assert told[0] == told[1]
    assert {value.status for value in told[0]} == {StatusType.SUCCESS, StatusType.CRASHED}
    assert len(points) == 8


class StopAfter(smac.Callback):
    """A user who has seen enough: ``runwright stop DIR``."""

    def __init__(self, directory, results):
        self.directory, self.left = directory, results

    def on_tell_end(self, smbo, info, value):
        self.left -= 1
        if self.left == 0:
            mailbox.post(self.directory, {"kind": "stop", "reason": "lunch"})


def test_a_user_s_stop_ends_smac_as_if_it_had_nothing_to_ask(tmp_path, caplog):
    setting, directory = scenario(tmp_path, n_trials=12), tmp_path / "run"
    with SmacRunner(LocalMetadataRunner(evaluations.bowl), setting, directory=directory) as bridge:
        optimizer = facade("RandomFacade", setting, bridge, callbacks=[StopAfter(directory, 4)])
        assert optimizer.optimize() is not None, "an incumbent, no error"
        assert 4 <= optimizer.runhistory.finished < 12
        assert "lunch" in bridge.stopped
        assert "SMAC gets no more results" in caplog.text
        assert bridge.count_available_workers() == 0
        assert not bridge.is_running()
        bridge.wait()
        with pytest.raises(StoppedError, match="lunch"):
            bridge.run(optimizer.intensifier.get_incumbent(), seed=0)
    with SmacRunner(LocalMetadataRunner(evaluations.bowl), setting, directory=directory) as bridge:
        optimizer = facade("RandomFacade", setting, bridge)
        optimizer.optimize()
        assert {value.status for value in values(optimizer)} == {StatusType.SUCCESS}
        assert optimizer.runhistory.finished >= 12
        assert bridge.stopped is None


def test_a_rule_that_aborts_ends_smac_as_well(tmp_path):
    setting = scenario(tmp_path, n_trials=12)
    runner = LocalMetadataRunner(lambda config: 1 / 0)
    with SmacRunner(runner, setting, on_failure={"crashed": "abort"}) as bridge:
        optimizer = facade("RandomFacade", setting, bridge)
        optimizer.optimize()
        assert len(bridge.state.trials) == 1
        assert "ZeroDivisionError" in bridge.stopped


def test_an_interrupt_leaves_what_it_cut_short_for_the_next_life(tmp_path):
    """To SMAC it is RUNNING for ever."""
    setting, answers = scenario(tmp_path, n_trials=6), iter([False, False, True])

    def interrupted(config):
        if next(answers, False):
            raise KeyboardInterrupt
        return config["x"]

    with SmacRunner(LocalMetadataRunner(interrupted), setting, directory=tmp_path / "run") as bridge:
        optimizer = facade("RandomFacade", setting, bridge)
        with pytest.raises(KeyboardInterrupt):
            optimizer.optimize()
        assert [value.status for value in values(optimizer)].count(StatusType.RUNNING) == 1
    with SmacRunner(LocalMetadataRunner(interrupted), setting, directory=tmp_path / "run") as bridge:
        optimizer = facade("RandomFacade", setting, bridge)
        optimizer.optimize()
        assert {value.status for value in values(optimizer)} == {StatusType.SUCCESS}
        assert len(bridge.state.trials) == optimizer.runhistory.finished
