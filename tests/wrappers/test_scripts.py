"""ScriptWrapper: what a script finds, what it may leave, and what comes of it, as BOA's scripts know it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import runwright as rw
from runwright.errors import SubmitError, UsageError
from runwright.process import attempt
from runwright.runner import Limits
from runwright.wrappers import ScriptWrapper, get_trial_dir, names

Y = """echo '{"y": 1.5}' > "$1/output.json" """
KINDS = rw.FailureKind


def test_a_script_finds_its_trial(driver, folder):
    script = """pwd > "$2/seen"; printf '%s\\n' "$@" >> "$2/seen"; echo out; echo err >&2"""
    script += """; echo '{"y": 2}' > "$2/output.json" """
    driver.script(script)
    wrapper = ScriptWrapper(
        run_model="./run.sh 'a {{ x }} b'", here=driver.scripts, metrics={"y": {"param_names": ["x"]}}
    )
    runner = driver.open(wrapper)
    result = driver.result(runner, driver.trial(4, 2, instance="i 1", budget=9.0, seed=11))
    work = driver.work(4, 2)
    assert result.failure is None
    assert result.metrics == {"y": (2.0, None)}
    assert (work / "seen").read_text().splitlines() == [str(work), "a 0.5 b", str(work)]
    assert (work / "stdout.log").read_text() == "out\n"
    assert (work / "stderr.log").read_text() == "err\n"
    assert json.loads((work / "parameters.json").read_text()) == {"x": 0.5, "n": 3}
    assert json.loads((work / "filtered_parameters.json").read_text()) == {"y": {"x": 0.5}}
    told = json.loads((work / "trial.json").read_text())
    assert told["index"] == 4
    assert told["arm"] == {"name": "4_0", "parameters": {"x": 0.5, "n": 3}}
    assert (told["instance"], told["budget"], told["seed"], told["attempt"]) == ("i 1", 9.0, 11, 2)
    data = json.loads((work / "data.json").read_text())
    assert data["parameters"] == {"x": 0.5, "n": 3}
    assert data["trial_index"] == 4
    assert data["trial_dir"] == str(work)
    assert data["param_names"] == {"y": ["x"]}


def test_the_layout_that_boa_users_expect(driver, folder):
    runner = driver.open(driver.wrapper(Y))
    driver.result(runner, driver.trial(7))
    assert runner.wrapper.experiment_dir == folder / "experiment"
    assert get_trial_dir(runner.wrapper.experiment_dir, 7).name == "000007"
    assert (folder / "experiment/000007/output.json").exists()
    driver.result(runner, driver.trial(7, attempt=2))
    assert (folder / "experiment/000007").resolve() == driver.work(7, 2)


def test_the_names_that_boa_reads_are_those_of_the_process_layer():
    assert (names.STDOUT, names.STDERR) == (attempt.STDOUT, attempt.STDERR)


@pytest.mark.parametrize("name", names.OUTPUT_FILES)
@pytest.mark.parametrize("suffix", names.SUFFIXES)
def test_the_first_of_six_names_in_three_forms_is_read(driver, name, suffix):
    assert driver.try_script(f"""echo '{{"y": 1.5}}' > "$1/{name}{suffix}" """).metrics == {"y": (1.5, None)}


def test_the_first_name_wins(driver):
    text = 'for name in metrics results output; do echo "{\\"y\\": ${#name}}" > "$1/$name.json"; done'
    assert driver.try_script(text).metrics == {"y": (6.0, None)}


@pytest.mark.parametrize(
    ("output", "metrics"),
    [
        ('{"y": 1}', {"y": (1.0, None)}),
        ('{"y": [1]}', {"y": (1.0, None)}),
        ('{"y": {"mean": 1, "sem": 0.5}}', {"y": (1.0, 0.5)}),
        ('{"y": {"wrapper_args": [1], "sem": [0.5]}}', None),
        ('{"y": {"wrapper_args": [1], "sem": 0.5}}', {"y": (1.0, 0.5)}),
        ('{"mean": 1, "sem": 0.5}', {"y": (1.0, 0.5)}),
        ('{"y": 1, "z": 2, "note": "kept"}', {"y": (1.0, None), "z": (2.0, None)}),
        ('{"y": 1, "TrialStatus": "completed"}', {"y": (1.0, None)}),
        ('[{"y": 1}]', {"y": (1.0, None)}),
    ],
)
def test_how_a_metric_may_be_written(driver, output, metrics):
    result = driver.try_script(f"""echo '{output}' > "$1/output.json" """)
    if metrics is None:
        assert result.failure.kind is KINDS.INVALID_RESULT
    else:
        assert result.metrics == metrics


@pytest.mark.parametrize("status", ["COMPLETED", "completed", "3", 3, ["COMPLETED"], 3.0])
@pytest.mark.parametrize("file", ["trial_status.json", "TrialStatus.yaml"])
def test_a_status_by_name_in_any_case_or_ax_integer(driver, status, file):
    text = f"""echo '{json.dumps({"trial_status": status})}' > "$1/{file}"; {Y}"""
    assert driver.try_script(text).failure is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [("FAILED", "FAILED"), (2, "FAILED"), ("abandoned", "ABANDONED"), (5, "ABANDONED"), (7, "EARLY_STOPPED")],
)
def test_other_statuses_are_returned_by_the_poll(driver, status, expected):
    text = f"""echo '{json.dumps({"TrialStatus": status, "y": 1})}' > "$1/output.json" """
    runner = driver.open(driver.wrapper(text))
    trial = driver.trial()
    runner.run(trial)
    assert driver.finish(runner, trial) == {0: rw.TrialStatus[expected]}
    result = runner.fetch_result(trial)
    assert result.arms == {}
    if expected == "FAILED":
        assert result.failure == rw.Failure(KINDS.CRASHED, "output.json says that it failed", "trials/0/1/stdout.log")


def test_a_job_that_says_that_it_runs_on_is_asked_again(driver, happens):
    runner = driver.open(driver.wrapper("""echo '{"trial_status": "RUNNING"}' > "$1/trial_status.json" """))
    trial = driver.trial()
    runner.run(trial)
    happens((driver.work() / "trial_status.json").exists, "the status")
    for _ in range(3):
        runner.wait(runner.context.clock.now() + 1, driver.waker)
        assert runner.poll_trial_status([trial]) == {rw.TrialStatus.RUNNING: {0}}
    (driver.work() / "output.json").write_text('{"y": 4}')
    aside = driver.work() / "aside"
    aside.write_text('{"trial_status": "COMPLETED"}')
    aside.replace(driver.work() / "trial_status.json")
    assert driver.finish(runner, trial) == {0: rw.TrialStatus.COMPLETED}
    assert runner.fetch_result(trial).metrics == {"y": (4.0, None)}


@pytest.mark.slow
def test_the_time_limit_holds_for_what_runs_on_elsewhere(driver):
    text = """echo '{"trial_status": "RUNNING"}' > "$1/trial_status.json" """
    failure = driver.try_script(text, limits=Limits(timeout=0.2)).failure
    assert failure.kind is KINDS.TIMEOUT
    assert failure.message == "its program has ended, but it says that it runs on; the time limit of 0.2 s is over"


def test_four_commands_one_after_the_other(driver):
    log = 'echo "${0##*/} $#" >> "$1/order"'
    wrapper = driver.wrapper(
        log,
        write_configs=log,
        set_trial_status=f'{log}; [ $(grep -c stat "$1/order") -lt 3 ] || echo "TrialStatus: 3" >"$1/TrialStatus.yml"',
        fetch_trial_data=f"{log}; {Y}",
        pause=0.01,
    )
    runner = driver.open(wrapper)
    assert driver.result(runner, driver.trial()).metrics == {"y": (1.5, None)}
    ran = [line.removesuffix(".sh 1") for line in (driver.work() / "order").read_text().splitlines()]
    assert ran == ["write_configs", "run", *["set_trial_status"] * 3, "fetch_trial_data"]


def test_data_are_not_fetched_of_a_trial_that_failed(driver):
    wrapper = driver.wrapper(
        "true",
        set_trial_status="""echo '{"trial_status": "FAILED"}' > "$1/trial_status.json" """,
        fetch_trial_data="exit 9",
    )
    failure = driver.result(driver.open(wrapper), driver.trial()).failure
    assert failure.message == "trial_status.json says that it failed"


@pytest.mark.parametrize("name", ["write_configs", "set_trial_status", "fetch_trial_data"])
def test_a_command_that_fails_is_named(driver, name):
    wrapper = driver.wrapper(Y, **{name: "echo cause >&2; exit 3"})
    failure = driver.result(driver.open(wrapper), driver.trial()).failure
    assert failure.message == f"{name}: it ended with exit status 3; its last line on stderr: cause"
    assert failure.log == "trials/0/1/stderr.log"


def test_the_signal_that_ends_a_command_is_told(driver):
    wrapper = driver.wrapper(Y, fetch_trial_data="kill -SEGV $$")
    failure = driver.result(driver.open(wrapper), driver.trial()).failure
    assert failure.message == "fetch_trial_data: it was ended by the signal SIGSEGV (11)"


@pytest.mark.slow
def test_a_status_command_that_never_decides_is_ended_by_the_limit(driver):
    wrapper = driver.wrapper("true", set_trial_status="true", pause=0.01)
    runner = driver.open(wrapper, limits=Limits(timeout=0.3, grace=0.2))
    failure = driver.result(runner, driver.trial()).failure
    assert failure.kind is KINDS.TIMEOUT
    assert failure.message.startswith("set_trial_status: it was ended after 0.3")


def test_several_commands_have_their_time_of_grace(driver, happens):
    wrapper = driver.wrapper(
        'trap \'echo polite > "$1/end"; exit 0\' TERM; : > "$1/ready"; while :; do sleep 0.01; done',
        write_configs="true",
    )
    runner = driver.open(wrapper, limits=Limits(grace=20))
    trial = driver.trial()
    runner.run(trial)
    happens((driver.work() / "ready").exists, "the start")
    assert runner.stop(trial, "enough") == {"reason": "enough"}
    assert driver.finish(runner, trial) == {0: rw.TrialStatus.ABANDONED}
    assert (driver.work() / "end").read_text() == "polite\n"


def test_files_are_copied_linked_and_filled_in(driver):
    (driver.scripts / "data").mkdir()
    (driver.scripts / "data/a.txt").write_text("a")
    (driver.scripts / "table.csv").write_text("1,2")
    (driver.scripts / "model.in").write_text("x = {{ x }}\nn = {{n}}\nkeep {{ 1 }\n")
    text = "cat model.in table.csv data/a.txt; echo more >> data/a.txt; echo '{\"y\": 1}' > output.json"
    result = driver.try_script(text, copy=["data"], link=["table.*"], template=["model.in"])
    assert result.failure is None
    work = driver.work()
    assert (work / "stdout.log").read_text() == "x = 0.5\nn = 3\nkeep {{ 1 }\n1,2a"
    assert (work / "table.csv").is_symlink()
    assert (driver.scripts / "data/a.txt").read_text() == "a"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"copy": ["gone"]}, "copy: there is no "),
        ({"link": ["gone*"]}, "link: nothing matches "),
        ({"template": ["odd.in"]}, "template: odd.in asks for {{ z }}, which is none of attempt, here, n, trial"),
        ({"copy": ["output.json"]}, "the name 'output.json' means something else in a trial's folder; rename it"),
        ({"copy": "data"}, "copy must be a list of paths, not 'data'"),
        ({"copy": 5}, "copy must be a list of paths, not 5"),
        ({"format": "ini"}, "format must be one of boa, smac, not 'ini'"),
        ({"pause": 0}, "pause must be a positive number of seconds, not 0"),
        ({"metrics": {"y": "magic"}}, "the metric function 'magic' is not known here; known are mae, mean"),
        ({"metrics": {"y": {"f": 1}}}, "the metric 'y' must be the name of a function, or a mapping of function"),
        ({"metrics": {"y": {"param_names": ["z"]}}}, "param_names of the metric 'y' has 'z', which is no parameter"),
        ({"working_dir": "gone"}, "gone' of the commands is no folder"),
        ({"format": "smac", "write_configs": "true"}, "has the command run_model alone; remove write_configs"),
    ],
)
def test_settings_that_are_refused_before_the_first_trial(driver, settings, sentence):
    (driver.scripts / "odd.in").write_text("{{ z }}")
    (driver.scripts / "output.json").write_text("{}")
    with pytest.raises(UsageError) as caught:
        driver.open(driver.wrapper(Y, **settings))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("no-such-program", "run_model: the program 'no-such-program' is not on PATH"),
        ("./gone.sh", "gone.sh' does not exist"),
        ("echo {{ z }}", "run_model: {z} in '{z}' is no parameter"),
        ("echo 'open", 'run_model: "echo \'open" cannot be split into words: No closing quotation'),
        ("", "a script wrapper needs the command run_model"),
        ([], "a script wrapper needs the command run_model"),
        ([1], "run_model must be a command: one text, or a list of texts, not [1]"),
        ("  ", "run_model is empty"),
    ],
)
def test_commands_that_are_refused_before_the_first_trial(driver, command, sentence):
    with pytest.raises(UsageError) as caught:
        driver.open(ScriptWrapper(run_model=command, here=driver.scripts))
    assert sentence in str(caught.value)


def test_a_program_that_vanishes_meanwhile_is_that_trials_trouble(driver):
    runner = driver.open(driver.wrapper(Y))
    (driver.scripts / "run.sh").unlink()
    with pytest.raises(SubmitError, match=r"run\.sh' cannot be executed: No such file or directory"):
        runner.run(driver.trial())


def test_values_reach_a_script_as_they_are(driver):
    odd = ["a b", 'é "q"', "two\nlines", "-x", "--help", "../up", "$(id)", "{{ n }}", "{n}", "\\", "'"]
    experiment = rw.Experiment("odd", {"k": rw.Choice(odd), "n": rw.Int(0, 9)}, {"y": "minimize"})
    driver.script('printf "%s" "$1" > "$2/first"; echo \'{"y": 1}\' > "$2/output.json"')
    runner = driver.open(
        ScriptWrapper(run_model="./run.sh {{ k }}", here=driver.scripts), experiment=experiment, workers=20
    )
    trials = [driver.trial(i, experiment=experiment, parameters={"k": k, "n": 1}) for i, k in enumerate(odd)]
    assert set(runner.run_multiple(trials)) == set(range(len(odd)))
    assert set(driver.finish(runner, *trials).values()) == {rw.TrialStatus.COMPLETED}
    assert [(driver.work(i) / "first").read_text() for i in range(len(odd))] == odd
    assert [json.loads((driver.work(i) / "parameters.json").read_text())["k"] for i in range(len(odd))] == odd


def test_commands_run_in_the_folder_that_a_configuration_names(driver):
    driver.script('pwd > "$1/where"; ' + Y)
    path = driver.scripts / "config.yaml"
    path.write_text(
        "objective: {metrics: [{name: y}]}\nparameters: {x: {type: range, bounds: [0, 10]}}\n"
        "scheduler: {total_trials: 1}\nscript_options: {run_model: ./run.sh, append_timestamp: false}\n"
    )
    runner = driver.open(ScriptWrapper(config_path=path))
    assert driver.result(runner, driver.trial()).metrics == {"y": (1.5, None)}
    assert (driver.work() / "where").read_text().strip() == str(driver.scripts)


def test_the_metrics_of_a_configuration_are_computed(driver):
    output = '{"mean": {"a": [1, 2], "sem": 0.5}, "RMSE": {"y_true": [1, 2], "y_pred": [1, 4]}, "z": 7}'
    text = f"""echo '{output}' > "$1/output.json" """
    experiment = rw.Experiment("m", {"x": rw.Float(0, 10), "n": rw.Int(0, 9)}, {"mean": "minimize", "RMSE": "minimize"})
    wrapper = driver.wrapper(text, metrics={"mean": "mean", "RMSE": "RMSE", "z": None})
    result = driver.result(driver.open(wrapper, experiment=experiment), driver.trial(experiment=experiment))
    assert result.metrics == {"mean": (1.5, 0.5), "RMSE": (pytest.approx(2**0.5), None), "z": (7.0, None)}


def test_the_environment_of_a_script(driver):
    text = (
        'echo "{\\"y\\": $N}" > "$1/output.json"; [ "$RUNWRIGHT_TRIAL$RUNWRIGHT_PARAMETERS" = "0$1/parameters.json" ]'
    )
    runner = driver.open(driver.wrapper(text), env={"N": "{n}"})
    assert driver.result(runner, driver.trial()).metrics == {"y": (3.0, None)}


def test_success_codes(driver):
    runner = driver.open(driver.wrapper(f"{Y}; exit 3", write_configs="exit 3"), success_codes=(0, 3))
    assert driver.result(runner, driver.trial()).failure is None


def test_an_attempt_that_begins_again_finds_no_old_files(driver):
    (driver.scripts / "data").mkdir()
    (driver.scripts / "data/new").write_text("")
    wrapper = driver.wrapper("ls data; " + Y, copy=["data"])
    runner = driver.open(wrapper)
    (driver.work() / "data").mkdir(parents=True)
    (driver.work() / "data/old").write_text("")
    driver.result(runner, driver.trial())
    assert (driver.work() / "stdout.log").read_text() == "new\n"


def test_scripts_need_a_run_directory(nowhere):
    with pytest.raises(UsageError, match="needs a run directory, because they outlive the driver"):
        nowhere.open(nowhere.wrapper(Y))


def test_paths_below_the_experiment_are_not_taken_away(driver, folder):
    wrapper = driver.wrapper(Y)
    wrapper.experiment_dir = folder / "mine"
    (folder / "mine/000000").mkdir(parents=True)
    with pytest.raises(UsageError, match="000000 is there and no link; give the wrapper another experiment_dir"):
        driver.open(wrapper).run(driver.trial())
    assert [path.name for path in (folder / "mine").iterdir()] == ["000000"]


def test_a_wrapper_goes_round_as_json(driver):
    wrapper = driver.wrapper(Y, metrics={"y": "mean"}, pause=2)
    again = ScriptWrapper.from_dict(json.loads(json.dumps(wrapper.to_dict())))
    assert again.to_dict() == wrapper.to_dict()
    assert again.declared_job() == wrapper.declared_job()
    assert Path(again.here) == driver.scripts
