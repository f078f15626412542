"""Scripts in SMAC's format: how they are called, and what their last line may say."""

from __future__ import annotations

import pytest

import runwright as rw
from runwright.errors import InvalidResultError
from runwright.runner import Limits
from runwright.wrappers import ScriptWrapper, smac_line

KINDS = rw.FailureKind


def smac(driver, text, **settings):
    driver.script(text)
    return ScriptWrapper(run_model="./run.sh", format="smac", here=driver.scripts, **settings)


def test_how_a_script_is_called(driver):
    experiment = rw.Experiment("s", {"x": rw.Float(0, 9), "k": rw.Choice(["a b", "-c"])}, {"y": "minimize"})
    runner = driver.open(smac(driver, 'printf "%s\\n" "$@"; echo "cost=0.5"'), experiment=experiment)
    trial = driver.trial(experiment=experiment, parameters={"x": 1.5, "k": "a b"}, instance="i 1", budget=2.5, seed=7)
    result = driver.result(runner, trial)
    assert result.metrics == {"y": (0.5, None)}
    lines = (driver.work() / "stdout.log").read_text().splitlines()
    assert lines == ["--seed=7", "--instance=i 1", "--budget=2.5", "--x=1.5", "--k=a b", "cost=0.5"]


def test_instance_and_budget_are_left_out_where_there_are_none(driver):
    runner = driver.open(smac(driver, 'echo "$@"; echo "cost=1"'))
    driver.result(runner, driver.trial(seed=0))
    assert (driver.work() / "stdout.log").read_text().splitlines()[0] == "--seed=0 --x=0.5 --n=3"


def test_the_whole_line(driver):
    line = "cost=0.5; runtime=0.01; status=SUCCESS; additional_info=some text; a=b"
    text = f"echo start; echo 'epoch 1: loss=3'; echo '{line}'"
    result = driver.result(driver.open(smac(driver, text)), driver.trial())
    assert result.metrics == {"y": (0.5, None)}
    assert result.seconds == 0.01
    assert result.additional_info == {"runtime": 0.01, "additional_info": "some text; a=b"}


def test_several_costs_in_order_of_the_objectives(driver):
    experiment = rw.Experiment("s", {"x": rw.Float(0, 9)}, {"b": "minimize", "a": "maximize"})
    runner = driver.open(smac(driver, "echo 'cost=0.5, 0.4'"), experiment=experiment)
    trial = driver.trial(experiment=experiment, parameters={"x": 1})
    assert driver.result(runner, trial).metrics == {"b": (0.5, None), "a": (0.4, None)}


@pytest.mark.parametrize(
    ("status", "kind"),
    [("CRASHED", "crashed"), ("TIMEOUT", "timeout"), ("MEMORYOUT", "memoryout"), ("crashed", "crashed")],
)
def test_a_status_that_is_a_failure(driver, status, kind):
    failure = driver.result(
        driver.open(smac(driver, f"echo 'cost=9; status={status}; additional_info=the cause'")), driver.trial()
    ).failure
    assert failure.kind.value == kind
    assert failure.message == f"its last line says status={status.upper()}: the cause"
    assert failure.log == "trials/0/1/stdout.log"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exit 0", "stdout.log has no line such as 'cost=0.5; status=SUCCESS'"),
        ("echo 'cost=low'", "its last line says cost=low; a number is needed"),
        ("echo 'status=SUCCESS'", "its last line has no cost"),
        ("echo 'cost=1; status=FINE'", "its last line says status=FINE; known are SUCCESS, CRASHED"),
        ("echo 'cost=1, 2'", "its last line has 2 costs; there are 1 objectives (y)"),
        ("echo 'cost=nan'", "the metric 'y' is nan"),
        ("echo 'cost=1; runtime=soon'", "its last line says runtime=soon; a number is needed"),
    ],
)
def test_lines_that_are_no_answer(driver, text, message):
    failure = driver.result(driver.open(smac(driver, text)), driver.trial()).failure
    assert failure.kind is KINDS.INVALID_RESULT
    assert message in failure.message


def test_the_exit_status_counts(driver):
    failure = driver.result(driver.open(smac(driver, "echo 'cost=1; status=SUCCESS'; exit 3")), driver.trial()).failure
    assert failure.message == "it ended with exit status 3"


def test_limits_count(driver):
    failure = driver.result(
        driver.open(smac(driver, "echo cost=1; exec sleep 600"), limits=Limits(timeout=0.2, grace=0.2)), driver.trial()
    ).failure
    assert failure.kind is KINDS.TIMEOUT


def test_a_line_that_was_cut_is_no_answer(driver):
    text = "head -c 100000 /dev/zero; echo; echo cost=1"
    failure = driver.result(driver.open(smac(driver, text), limits=Limits(log=1000)), driver.trial()).failure
    assert failure.kind is KINDS.OUTPUT_LIMIT


def test_spaces_around_the_signs_are_allowed():
    answer = smac_line.parse(" cost = 1e-3 ;status= SUCCESS;additional_info =  a  b \nbye\n")
    assert answer == smac_line.Answer((0.001,), "SUCCESS", None, {"additional_info": "a  b"})


def test_the_last_answer_counts():
    assert smac_line.parse("cost=1; status=CRASHED\nnoise; cost\ncost=2\nthe cost=3 is no answer\n").costs == (2.0,)


@pytest.mark.parametrize("log", ["status=closing", "x; status = closing", "status = idle; workers=0", "status=SUCCESS"])
def test_what_is_logged_after_the_answer_is_no_answer(log):
    assert smac_line.parse(f"cost=5\n{log}\n").costs == (5.0,)


@pytest.mark.parametrize("bad", ["cost=low", "cost=5; status=FINE", "cost=; status=SUCCESS"])
def test_an_answer_that_is_wrong_is_not_passed_over_for_an_earlier_one(bad):
    with pytest.raises(InvalidResultError):
        smac_line.parse(f"cost=5\n{bad}\n")


@pytest.mark.parametrize("sign", ["\u2028", "\x0b", "\x0c", "\x85", "\r"])
def test_a_line_ends_where_lines_end(sign):
    answer = smac_line.parse(f"cost=5; additional_info=a{sign}cost=9\r\n")
    assert (answer.costs, answer.info) == ((5.0,), {"additional_info": f"a{sign}cost=9"})


def test_much_may_be_printed_after_the_answer(driver):
    result = driver.result(driver.open(smac(driver, "echo cost=5; yes | head -c 3000000")), driver.trial())
    assert result.metrics == {"y": (5.0, None)}


@pytest.mark.parametrize("name", ["seed", "instance", "budget"])
def test_a_parameter_that_would_be_given_twice(driver, name):
    experiment = rw.Experiment("s", {name: rw.Float(0, 9)}, {"y": "minimize"})
    with pytest.raises(rw.UsageError, match=f"gets --{name} for the trial; give the parameter '{name}' another name"):
        driver.open(smac(driver, "echo cost=5"), experiment=experiment)


def test_metrics_and_copied_files_work_as_ever(driver):
    (driver.scripts / "c.txt").write_text("4")
    runner = driver.open(smac(driver, 'echo "cost=$(cat c.txt)"', copy=["c.txt"]))
    assert driver.result(runner, driver.trial()).metrics == {"y": (4.0, None)}
