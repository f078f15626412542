"""A driver that dies between two steps of a submission to the local scheduler: no step is repeated, none is lost."""

from __future__ import annotations

import pytest

import runwright as rw
from runwright.runner import Ended, Following, Lost, NeverStarted

S = rw.TrialStatus
pytestmark = pytest.mark.slow


class Death(BaseException):
    """The driver is gone: nothing that catches errors catches this."""


def dies_before(session):
    def submit(_):
        raise Death

    session.submit = submit


def dies_after(session):
    submit = session.submit

    def submitted(prepared):
        submit(prepared)
        raise Death

    session.submit = submitted


def dead_driver(bench, kind, how):
    runner = bench.runner(kind=kind)
    how(runner._apps.session)
    with pytest.raises(Death):
        runner.run(bench.trial())
    runner.close()


def test_before_it_was_started(bench):
    dead_driver(bench, "good", dies_before)
    runner, trial = bench.runner(kind="good"), bench.trial()
    assert bench.status(runner, trial) == set()
    assert runner.reattach([trial]) == {0: NeverStarted()}
    bench.deploy(runner, trial)
    assert bench.settle(runner, trial) is S.COMPLETED


def test_after_it_was_started(bench):
    dead_driver(bench, "waits_for_go", dies_after)
    runner, trial = bench.runner(kind="waits_for_go"), bench.trial()
    (answer,) = runner.reattach([trial]).values()
    assert isinstance(answer, Following)
    bench.handles.append(answer.metadata["torchx_app_handle"])
    assert runner.run(trial) == answer.metadata
    (bench.base / "go").touch()
    assert bench.settle(runner, trial) is S.COMPLETED
    assert len(list(bench.base.glob("begun.*"))) == 1


def test_after_it_has_ended_with_a_result(bench):
    dead_driver(bench, "good", dies_after)
    bench.until((bench.base / "0/result.json").exists)
    runner, trial = bench.runner(kind="good"), bench.trial()
    found = bench.until(lambda: _ended(runner.reattach([trial])[0]))
    trial.run_metadata = found.metadata
    assert runner.fetch_result(trial).metrics == {"y": (4.0, None)}


def test_after_it_has_ended_without_one(bench):
    dead_driver(bench, "silent", dies_after)
    runner, trial = bench.runner(kind="silent"), bench.trial()
    found = bench.until(lambda: _ended(runner.reattach([trial])[0]))
    assert found == Lost(
        "the driver that started it is gone, and so are its processes; it left no result",
        "trials/0/1/torchx/" + found.log.partition("torchx/")[2],
    )


def _ended(answer):
    return answer if isinstance(answer, (Ended, Lost)) else None
