"""Bad input: one sentence each, before anything is started."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("ax")

import ax
from ax.runners.synthetic import SyntheticRunner as AxSyntheticRunner

import runwright as rw
from runwright.bridges.ax import AxRunner, RefusedError, RunnerMetric, runner_metrics
from runwright.bridges.versions import AX
from runwright.errors import UsageError
from runwright.runners import LocalMetadataRunner, SyntheticRunner
from tests.bridges import ax_functions
from tests.bridges.ax_driving import experiment, trial_of
from tests.fakes import FakeRunner

LOCAL = LocalMetadataRunner(ax_functions.paraboloid)


@pytest.mark.parametrize("version", ["1.3.0", "1.3.1", "1.3.99", "1.3"])
def test_versions_in_the_range(version) -> None:
    AX.refuse(version)


def test_these_tests_run_with_the_ax_that_was_asked_for() -> None:
    """``make test`` runs this folder with the newest Ax, and again with the lowest."""
    installed = metadata.version("ax-platform")
    AX.refuse(installed)
    assert installed == os.environ.get("AX_OF_THESE_TESTS", installed)
    assert Path(ax.__file__).parent.parent == Path(str(metadata.distribution("ax-platform").locate_file(".")))


@pytest.mark.parametrize("version", ["1.2.4", "0.5.0", "1.4.0", "2.0.0", "1.2.99", "10.3.0"])
def test_versions_outside_the_range(version) -> None:
    with pytest.raises(UsageError, match=rf"for ax-platform 1.3 up to, not including, 1.4, and {version} is installed"):
        AX.refuse(version)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"wait": -1}, "wait is a number of seconds, finite and not negative; not -1"),
        ({"wait": float("inf")}, "wait is a number of seconds"),
        ({"wait": "1"}, "wait is a number of seconds"),
        ({"parallel": 0}, "parallel must be at least 1, not 0"),
        ({"limits": rw.Limits(memory=2**30)}, "LocalMetadataRunner cannot enforce a memory limit"),
        ({"on_failure": "perhaps"}, "it must be fail, abort, penalty"),
        ({"sync": "full"}, "sync is about the journal of a run directory"),
    ],
)
def test_settings(settings, sentence) -> None:
    with pytest.raises(RefusedError, match=sentence):
        AxRunner(LOCAL, **settings)


def test_a_runner_of_another_kind() -> None:
    with pytest.raises(
        RefusedError, match=r"takes a runner of Runwright, such as PoolRunner, not a ax\.runners\.synth"
    ):
        AxRunner(AxSyntheticRunner())


@pytest.mark.parametrize(
    ("runner", "names", "sentence"),
    [
        (SyntheticRunner(), ["y"], "SyntheticRunner measures nothing: metric 'y' needs another runner"),
        (LOCAL, [], "name at least one metric"),
        (LOCAL, "y", r"the metrics are a list of names, such as \['y'\], not one text"),
        (LOCAL, [3], "the name of a metric is a text that is not empty, not 3"),
    ],
)
def test_metrics(runner, names, sentence) -> None:
    for given in (runner, AxRunner(runner)):
        with pytest.raises(RefusedError, match=sentence):
            runner_metrics(given, names)


def test_metrics_that_a_test_problem_does_not_report() -> None:
    pytest.importorskip("botorch")
    from botorch.test_functions import Branin

    from runwright.runners import BotorchTestProblemRunner

    runner = BotorchTestProblemRunner(Branin, {}, outcome_names=["branin"])
    with pytest.raises(RefusedError, match="BotorchTestProblemRunner does not report 'y'; it reports 'branin'"):
        runner_metrics(runner, ["branin", "y"])


def test_a_metric_that_turns_out_not_to_be_reported() -> None:
    exp = experiment(AxRunner(LOCAL), metrics=[RunnerMetric("y"), RunnerMetric("z")])
    trial = trial_of(exp, 0.1).run()
    exp.runner.poll_trial_status([trial])
    error = exp.metrics["z"].fetch_trial_data(trial).unwrap_err()
    assert error.message == "trial 0 did not report 'z' of arm '0_0'; it reported 'y'"


def test_a_metric_without_our_runner() -> None:
    exp = experiment(AxSyntheticRunner())
    trial = trial_of(exp, 0.1).run()
    error = exp.metrics["y"].fetch_trial_data(trial).unwrap_err()
    assert "the metric 'y' is read from an AxRunner, and the experiment has <ax.runners" in error.message


def test_a_metric_of_a_trial_that_has_not_ended() -> None:
    exp = experiment(AxRunner(FakeRunner(simulated=True)))
    trial = trial_of(exp, 0.1).run()
    assert exp.metrics["y"].fetch_trial_data(trial).unwrap_err().message == "there is no 'y': trial 0 has not ended"


def test_a_parameter_that_no_journal_can_hold() -> None:
    from ax.core.arm import Arm

    exp = experiment(AxRunner(LOCAL))
    trial = exp.new_trial()
    trial.add_arm(Arm({"x1": 0.5, "x2": float("nan")}))
    with pytest.raises(RefusedError, match="parameter 'x2' must be finite, not nan"):
        trial.run()


def test_a_directory_of_another_loop(tmp_path) -> None:
    with rw.TrialQueue(LOCAL, rw.OpenExperiment("exp", {"y": "minimize"}), directory=tmp_path) as queue:
        queue._submissions.add([{"x1": 0.1, "x2": 0.2}], names=["theirs"])
    exp = experiment(AxRunner(LOCAL, directory=tmp_path))
    with pytest.raises(RefusedError, match="trial 0 on record was not submitted by Ax"):
        trial_of(exp, 0.1).run()


def test_names_that_ax_takes_and_we_do_not() -> None:
    exp = experiment(AxRunner(LOCAL), name="team/branin\n2")
    trial = trial_of(exp, 0.1).run()
    assert trial.run_metadata["name"] == "team-branin-2_0"
