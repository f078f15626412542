"""ProcessRunner with Python functions: a fresh interpreter for each, or a fork of a launcher that has imported it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import runwright as rw
from runwright.errors import SubmitError
from runwright.process.mark import NAME
from runwright.runner import Limits, Lost

pytestmark = pytest.mark.slow


def reference(name: str, file: str = "functions.py") -> str:
    return f"{Path(__file__).parent / file}:{name}"


@pytest.fixture(params=[False, True], ids=["fresh", "preload"])
def preload(request):
    return request.param


def test_a_function_is_evaluated(driver, folder, preload):
    runner = driver.open(function=reference("good"), preload=preload)
    result = driver.result(runner, driver.trial())
    assert result.failure is None, result.failure
    assert result.metrics == {"y": (3.5, 0.5), "extra": (2.0, None)}
    assert result.additional_info == {"remark": "fine"}
    assert result.seconds < json.loads((folder / "control/0.1/exit").read_text())["seconds"]
    written = json.loads((folder / "trials/0/1/result.json").read_text())
    assert written["y"] == {"mean": 3.5, "sem": 0.5}


def test_what_a_function_sees(driver, folder, monkeypatch, preload):
    monkeypatch.setenv("OUTER", "o")
    runner = driver.open(function=reference("sees"), preload=preload)
    trial = driver.trial(seed=5, budget=2.5, instance="i")
    result = driver.result(runner, trial)
    work = folder / "trials/0/1"
    seen = result.additional_info
    assert (seen["cwd"], seen["trial"], seen["outer"], seen["stdin"]) == (str(work), "0", "o", "")
    assert result.metrics["seed"] == (5.0, None)
    assert (result.metrics["budget"], seen["instance"]) == ((2.5, None), "i")
    assert (work / "stdout.log").read_text() == "printed\n"
    assert (work / "stderr.log").read_text() == ""


@pytest.mark.parametrize(
    ("function", "kind", "message", "log"),
    [
        ("raises", "crashed", "ValueError: x is 0.5", "ValueError: x is 0.5\nand é"),
        ("gives_nothing", "invalid_result", "the evaluation returned None where the objective 'y'", ""),
        ("exits", "crashed", "the function called sys.exit(3)", "SystemExit: 3"),
        ("dies", "crashed", "its process ended with exit status 1 before the function returned (by os._exit?)", ""),
        ("leaves", "crashed", "its process ended with exit status 0 before the function returned (by os._exit?)", ""),
        ("kills_itself", "crashed", "it was ended by the signal SIGSEGV (11)", ""),
    ],
)
def test_a_function_that_fails(driver, folder, preload, function, kind, message, log):
    runner = driver.open(function=reference(function), preload=preload)
    result = driver.result(runner, driver.trial())
    assert result.failure.kind.value == kind
    assert result.failure.message.startswith(message)
    text = (folder / "trials/0/1/stderr.log").read_text()
    assert log in text
    assert ("Traceback" in text) == bool(log)


def test_a_failure_that_a_function_states_itself(driver, preload):
    result = driver.result(driver.open(function=reference("own_result"), preload=preload), driver.trial())
    assert (result.failure.kind.value, result.failure.message) == ("memoryout", "too much of it")
    assert result.seconds == 3.5
    assert result.additional_info == {"at": 7}


def test_a_limit_ends_a_function_and_its_children(driver, preload):
    runner = driver.open(function=reference("slow"), preload=preload, limits=Limits(timeout=0.4, grace=0.2))
    result = driver.result(runner, driver.trial())
    assert result.failure.kind.value == "timeout"
    record = json.loads((driver.folder / "control/0.1/exit").read_text())
    assert record["signal"] in (9, 15)


def test_what_a_function_started_is_ended_before_it_is_called_dead(driver, kill, gone, happens, preload):
    runner = driver.open(function=reference("hides_a_child"), preload=preload)
    trial = driver.trial()
    supervisor = runner.run(trial)["pid"]
    pids = driver.folder / "trials/0/1/pids"
    happens(pids.exists, "the start of the child")
    for pid in (runner._launcher.pid, supervisor):
        kill(pid)
    gone([supervisor])
    runner.close()
    assert isinstance(driver.open(function=reference("good")).reattach([trial])[0], Lost)
    gone([int(pid) for pid in pids.read_text().split()])


def test_a_preloaded_function_is_known_by_its_place_and_its_module_sees_nothing_of_that(driver, monkeypatch):
    monkeypatch.setenv(NAME, "of somebody else")
    runner = driver.open(function=reference("environment"), preload=True)
    info = driver.result(runner, driver.trial()).additional_info
    place = f"{driver.folder}/trials/0/1/result.json"
    assert info == {"at_import": "None", "now": place, "shown": place}


def test_preloaded_functions_are_forks_with_random_numbers_of_their_own(driver):
    runner = driver.open(function=reference("where"), preload=True, workers=3)
    trials = [driver.trial(index) for index in range(3)]
    runner.run_multiple(trials)
    driver.finish(runner, *trials)
    results = [runner.fetch_result(trial) for trial in trials]
    assert len({result.metrics["pid"] for result in results}) == 3
    assert {result.metrics["imported"] for result in results} == {(float(runner._launcher.pid), None)}
    assert len({result.metrics["y"] for result in results}) == 3


def test_a_fresh_interpreter_imports_anew(driver):
    result = driver.result(driver.open(function=reference("where")), driver.trial())
    assert result.metrics["imported"] == result.metrics["pid"]


def test_preload_is_refused_where_the_import_leaves_threads(driver):
    function = reference("function", "with_thread.py")
    with pytest.raises(rw.UsageError, match="after the import of the function's module there are 2 threads"):
        driver.open(function=function, preload=True)
    assert driver.result(driver.open(function=function), driver.trial()).metrics == {"y": (0.5, None)}


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [("raise OSError('no data')", "failed with OSError: no data"), ("os._exit(0)", "ended the process")],
)
def test_an_import_that_fails_elsewhere(driver, tmp_path, monkeypatch, trouble, sentence):
    module = tmp_path / "fragile.py"
    module.write_text(f"import os\nif os.getpid() != {os.getpid()}: {trouble}\ndef f(x, n): return x\n")
    with pytest.raises((rw.UsageError, SubmitError), match=sentence):
        driver.open(function=f"{module}:f", preload=True)
    failure = driver.result(driver.open(function=f"{module}:f"), driver.trial()).failure
    assert failure.kind.value == "crashed"


def test_a_function_of_the_main_script_and_modules_beside_it(tmp_path):
    (tmp_path / "beside.py").write_text("FACTOR = 3\n")
    script = tmp_path / "main script.py"
    script.write_text(
        "import beside\n"
        "import runwright as rw\n"
        "from runwright.clock import Waker\n"
        "from runwright.runner import RunContext\n"
        "from runwright.runners import ProcessRunner\n"
        "from pathlib import Path\n"
        "def f(x):\n"
        "    return beside.FACTOR * x\n"
        "if __name__ == '__main__':\n"
        "    e = rw.Experiment('m', {'x': rw.Float(0, 9)}, {'y': 'minimize'})\n"
        "    Path('run').mkdir()\n"
        "    r = ProcessRunner(function=f); r.open(RunContext(e, Path('run')))\n"
        "    t = e.new_trial(0, [{'x': 2.0}]); t.attempt = 1; r.run(t)\n"
        "    while rw.TrialStatus.RUNNING in r.poll_trial_status([t]): r.wait(None, Waker())\n"
        "    print(r.fetch_result(t).metrics); r.close()\n"
    )
    done = subprocess.run(
        [sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "{'y': (6.0, None)}\n"
