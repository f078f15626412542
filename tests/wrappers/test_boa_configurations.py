"""BOA's configuration files, as `BaseWrapper` reads them and as ``runwright import-boa`` turns them into ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import runwright as rw
from runwright.cli import cli
from runwright.config import load
from runwright.errors import UsageError
from runwright.runners import WrappedJobRunner
from runwright.wrappers import BaseWrapper, Config, load_jsonlike

SMALL = {
    "objective": {"metrics": [{"name": "y"}]},
    "parameters": {"x": {"type": "range", "bounds": [0, 1], "value_type": "float"}},
    "scheduler": {"n_trials": 3},
    "script_options": {"run_model": "sh run.sh {{ x }}"},
}
OLD = """
optimization_options:
    objective_options:
        objectives:
            - {name: Mean, boa_metric: mean}
            - {metric: RMSE, info_only: True}
        weights: [1, 2]
    experiment: {name: "old one"}
    generation_strategy: {steps: [{model: SOBOL, num_trials: 5}]}
    trials: 15
parameters:
    x0: {bounds: [0, 1], type: range, value_type: float}
    x1: {bounds: [1, 1000], type: range, log_scale: true, digits: 2}
    k: {type: choice, values: [a, b], is_ordered: true}
    c: 4.0
    t: {type: fixed, value: text}
parameter_constraints: ["x0 + x1 <= 900"]
script_options: {run_model_run_cmd: "Rscript run_model.R"}
model_options: {input_size: 15}
"""


def change(**parts):
    return json.loads(json.dumps(SMALL)) | parts


def with_arguments(text):
    parts = {"metric": "MSE", "metric_func_kwargs": "HERE"}
    return json.dumps(change(objective={"metrics": [{"name": "y", **parts}]})).replace('"HERE"', text)


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(body, name="config.yaml"):
        path = tmp_path / name
        text = body if isinstance(body, (str, bytes)) else json.dumps(body)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def run(*words):
    wide = {"COLUMNS": "200"}  # sentences are wrapped at the width of the terminal
    return CliRunner().invoke(cli, list(words), prog_name="runwright", catch_exceptions=False, env=wide)


def test_what_hooks_find_in_a_configuration(write, tmp_path):
    path = write(
        change(
            objective={
                "metrics": [
                    {"name": "y", "noise_sd": 0.5, "properties": {"function": "f"}, "param_names": ["x"]},
                    {"metric": "RMSE", "lower_is_better": False},
                ]
            },
            model_options={"input_size": 15},
            script_options={"experiment_dir": "out", "append_timestamp": False},
        )
    )

    class Mine(BaseWrapper):
        def setup(self):
            self.ready = self.config.objective.metric_names

    wrapper = Mine(config_path=path, metric_names=["y"])
    assert wrapper.ready == ["y", "RMSE"]
    assert wrapper.config.objective.metrics[0].noise_sd == 0.5
    assert wrapper.model_settings["input_size"] == 15
    assert wrapper.metric_properties == {"y": {"function": "f"}}
    assert wrapper.metric_params == {"y": ["x"], "RMSE": []}
    assert wrapper.metric_functions() == {"y": ("pass_through", {}), "RMSE": ("rmse", {})}
    assert wrapper.metric_names == ["y"]
    assert wrapper.config.trials == 3
    assert wrapper.config.parameters == {"x": {"type": "range", "bounds": [0, 1], "value_type": "float"}}
    assert wrapper.experiment_dir == tmp_path / "out"
    assert wrapper.experiment_dir.is_dir()
    assert wrapper.script_options.working_dir == str(tmp_path)
    assert wrapper.config.orig_config["model_options"] == {"input_size": 15}
    assert Mine.path() == Path(__file__)


def test_a_wrapper_makes_no_folder_that_nobody_named(write, tmp_path):
    wrapper = BaseWrapper(config=SMALL)
    assert wrapper.experiment_dir is None
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_an_experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = BaseWrapper(config=SMALL, output_dir="out", experiment_name="one", append_timestamp=False)
    assert made.experiment_dir == tmp_path / "out/one"
    assert made.output_dir == tmp_path / "out"
    stamped = BaseWrapper(config=SMALL, experiment_dir="two").experiment_dir
    assert stamped.name.startswith("two_2")
    assert stamped.is_dir()
    assert BaseWrapper(config=SMALL, experiment_dir="three", mk_exp_dir=False).experiment_dir is None


def test_hooks_of_the_constructor(write):
    class Mine(BaseWrapper):
        def load_config(self, config_path=None, raw_config=None, *args, **kwargs):
            assert raw_config["scheduler"] == {"n_trials": 3}
            self.config = super().load_config(config_path, raw_config)

        def mk_experiment_dir(self, *args, **kwargs):
            Path("mine").mkdir()
            return "mine"

    wrapper = Mine(config_path=write(SMALL))
    assert wrapper.experiment_dir == Path("mine").absolute()
    assert wrapper.config.n_trials == 3
    assert Mine(config=wrapper.config, mk_exp_dir=False).config is wrapper.config


def test_a_wrapper_with_a_configuration_goes_round_as_json(write):
    wrapper = Wrapped(config_path=write(SMALL), output_dir="out", append_timestamp=False)
    again = BaseWrapper.from_dict(json.loads(json.dumps(wrapper.to_dict())))
    assert type(again) is Wrapped
    assert again.experiment_dir == wrapper.experiment_dir
    assert again.config.orig_config == wrapper.config.orig_config
    assert WrappedJobRunner(again) == WrappedJobRunner(wrapper)
    given = Wrapped(config=SMALL)
    assert Wrapped.from_dict(json.loads(json.dumps(given.to_dict()))).config.n_trials == 3


class Wrapped(BaseWrapper):
    pass


def test_a_wrapper_of_a_local_class_cannot_be_saved():
    class Local(BaseWrapper):
        pass

    with pytest.raises(UsageError, match="nested in another one"):
        WrappedJobRunner(Local()).to_dict()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("- 1", "holds no mapping of keys"),
        ("a: [", "it cannot be parsed"),
        ("{% set a = 1 %}", "it has statements of Jinja"),
        ("\x00", "it cannot be parsed"),
        (change(objective={}), "names no metrics"),
        (change(objective={"metrics": ["y"]}), "must be a mapping such as {name: y}, not 'y'"),
        (change(objective={"metrics": [{"noise_sd": 1}]}), "neither a name nor a metric function"),
        (change(objective={"metrics": [{"name": "y"}], "weights": [1, 2]}), "2 weights for 1 metrics"),
        (change(parameters={}), "has no parameters"),
        (change(parameter_keys="params"), "parameter_keys names 'params', where there are no parameters"),
    ],
)
def test_configurations_that_are_none(write, body, sentence):
    with pytest.raises(UsageError) as caught:
        Config.from_jsonlike(write(body))
    assert sentence in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="cannot be read \\(No such file or directory\\)"):
        load_jsonlike(tmp_path / "gone.yaml")


def test_a_metric_function_that_is_not_known_is_refused_before_the_first_trial(tmp_path):
    wrapper = BaseWrapper(config=change(objective={"metrics": [{"name": "y", "metric": "hartmann6"}]}))
    experiment = rw.Experiment("e", {"x": rw.Float(0, 1)}, {"y": "minimize"})
    with pytest.raises(UsageError, match="the metric function 'hartmann6' is not known here"):
        WrappedJobRunner(wrapper).open(rw.runner.RunContext(experiment, tmp_path))


def test_names_in_a_configuration_are_filled_in(write, tmp_path):
    text = json.dumps(change(model_options={"a": "{{ config_dir }}", "b": "{{config_file_name}} {{ x }}"}))
    body = load_jsonlike(write(text, "c.json"))
    assert body["model_options"] == {"a": str(tmp_path), "b": "c.json {{ x }}"}


def test_parameters_at_several_places(write):
    body = change(parameter_keys=["first", ["second", "inner"]])
    del body["parameters"]
    body |= {"first": {"x": {"bounds": [0, 1]}}, "second": {"inner": {"x": {"bounds": [0, 2]}, "y": 3}}}
    config = Config.from_jsonlike(write(body))
    assert list(config.parameters) == ["first_x", "second_inner_x", "second_inner_y"]
    assert config.parameters["second_inner_y"] == {"type": "fixed", "value": 3}
    assert config.unknown == []


# The command.


def test_an_old_configuration_is_imported(write):
    write(OLD)
    done = run("import-boa", "config.yaml", "-o", "new.yaml")
    assert done.exit_code == 0
    body = yaml.safe_load(Path("new.yaml").read_text())
    assert body["name"] == "old_one"
    assert body["parameters"] == {
        "x0": {"type": "float", "bounds": [0, 1]},
        "x1": {"type": "int", "bounds": [1, 1000], "log": True},
        "k": {"type": "choice", "values": ["a", "b"]},
        "c": {"type": "choice", "values": [4.0]},
        "t": {"type": "choice", "values": ["text"]},
    }
    assert body["objectives"] == {"Mean": "minimize"}
    assert body["constraints"] == ["x0 + x1 <= 900"]
    assert body["evaluate"] == {"command": ["Rscript", "run_model.R"]}
    assert body["runner"] == {
        "type": "wrapped",
        "parallel": 10,
        "metrics": {"Mean": "mean", "RMSE": "rmse"},
        "working_dir": ".",
    }
    assert body["stop"] == {"trials": 15}
    notes = [line.removeprefix("  - ") for line in done.stdout.splitlines() if line.startswith("  - ")]
    assert notes == [
        "digits of the parameter 'x1'",
        "is_ordered of the parameter 'k'",
        "weights of the metrics: each is an objective of its own; have your script compute the sum",
        "generation_strategy.steps: see docs/optimizers.md",
        "model_options: scripts read them from the configuration file, if they do",
    ]
    assert load("new.yaml", check=False).policy().trials == 15


def test_everything_that_has_a_counterpart(write, tmp_path):
    body = change(
        objective={
            "metrics": [
                {
                    "name": "a",
                    "metric": "MSE",
                    "minimize": False,
                    "metric_func_kwargs": {"squared": False},
                    "param_names": ["x"],
                    "properties": {"p": 1},
                },
                {"name": "b", "noise_sd": 0.1},
            ],
            "outcome_constraints": ["a >= 0", "b >= 5%"],
        },
        scheduler={
            "total_trials": 20,
            "max_pending_trials": 4,
            "tolerated_trial_failure_rate": 0.4,
            "min_failed_trials_for_failure_rate_check": 6,
            "ttl_seconds_for_trials": 60,
            "init_seconds_between_polls": 1,
        },
        script_options={
            "run_model": "./model/run.sh {{ x }}",
            "write_configs": "sh write.sh",
            "working_dir": "sub",
            "output_dir": "out",
            "exp_name": "n/ame",
            "rel_to_launch": True,
        },
        odd=1,
    )
    write(body)
    done = run("import-boa", "config.yaml")
    assert done.exit_code == 0
    found = yaml.safe_load(Path("config.runwright.yaml").read_text())
    assert found["objectives"] == {"a": "maximize", "b": "minimize"}
    assert found["constraints"] == ["a >= 0"]
    assert found["evaluate"] == {"command": ["sub/model/run.sh", "{x}"]}
    assert found["runner"] == {
        "type": "wrapped",
        "parallel": 4,
        "write_configs": ["sh", "write.sh"],
        "metrics": {
            "a": {"function": "mse", "arguments": {"squared": False}, "param_names": ["x"], "properties": {"p": 1}}
        },
        "working_dir": "sub",
    }
    assert found["directory"] == "out/n/ame"
    assert found["stop"] == {"trials": 20, "failure_rate": 0.4, "failure_rate_after": 6}
    assert found["limits"] == {"timeout": 60}
    for note in (
        "outcome_constraints: b >= 5% (",
        "noise_sd of the metric 'b'",
        "scheduler.init_seconds",
        "rel_to_launch",
        "odd",
    ):
        assert f"# no counterpart: {note}" in Path("config.runwright.yaml").read_text()


@pytest.mark.slow
def test_a_wrapper_in_python_is_imported_and_runs(write, tmp_path):
    (tmp_path / "wrapper.py").write_text(
        "from runwright.wrappers import BaseWrapper\n"
        "class Wrapper(BaseWrapper):\n"
        "    def run_model(self, trial):\n"
        "        (trial.trial_dir / 'x').write_text(str(trial.arm.parameters['x'] + self.model_settings['add']))\n"
        "    def fetch_trial_data(self, trial, **_):\n"
        "        return float((trial.trial_dir / 'x').read_text())\n"
    )
    write(change(script_options={}, model_options={"add": 10}))
    assert run("import-boa", "config.yaml").exit_code == 0
    body = yaml.safe_load(Path("config.runwright.yaml").read_text())
    assert body["evaluate"] == {"wrapper": "wrapper.py:Wrapper"}
    assert body["runner"] == {"type": "wrapped", "parallel": 10, "config": "config.yaml"}
    setup = load("config.runwright.yaml")
    runner = setup.runner()
    with rw.Scheduler(setup.experiment(), setup.optimizer(), runner, directory=tmp_path / "run") as scheduler:
        scheduler.run(trials=2)
        for trial in scheduler.state.trials:
            assert trial.result.metrics == {"y": (pytest.approx(10 + trial.parameters["x"]), None)}
    body = runner.to_dict()
    assert body["args"]["wrapper"]["type"] == f"{tmp_path}/wrapper.py:Wrapper"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (change(script_options={}), "neither a command run_model nor a wrapper"),
        (change(parameters={"x": {"type": "range", "bounds": [1]}}), "'x' is no range with two bounds"),
        (change(parameters={"x": {"type": "range", "bounds": ["a", 1]}}), "'x' has the bound 'a', which is no number"),
        (change(parameters={"x": {"type": "range", "bounds": [0, 1], "value_type": "str"}}), "'x' is a range of 'str'"),
        (change(parameters={"x": {"type": "choice"}}), "'x' is a choice without values"),
        (change(parameters={"x": {"type": "fixed", "value": [1]}}), "'x' has the value [1]"),
        (change(parameters={"x": {"type": "range", "bounds": [1, 1]}}), "the bounds are equal"),
        (
            change(objective={"metrics": [{"name": "y", "info_only": True}]}),
            "all metrics of the configuration are info",
        ),
        (change(script_options={"run_model": "echo 'open"}), "cannot be split into words"),
        (change(objective={"metrics": [{"name": "y", "metric": "magic"}]}), "'magic' is not known here"),
        (change(objective={"metrics": 5}), "objective.metrics must be a list, not 5"),
        (change(objective={"metrics": [{"name": [1]}]}), "the metric [1]: name must be a text, not [1]"),
        (change(objective={"metrics": [{"name": "y", "metric": 5}]}), "the metric 'y': metric must be a text, not 5"),
        (change(objective={"metrics": [{"name": "y"}], "weights": 5}), "objective.weights must be a list, not 5"),
        (change(objective={"metrics": [{"name": "y"}], "outcome_constraints": "y <= 1"}), "constraints must be a list"),
        (change(script_options=7), "script_options must be a mapping, not 7"),
        (change(script_options={"working_dir": 7}), "script_options.working_dir must be a text, not 7"),
        (change(script_options={"run_model": 7}), "run_model must be a command: one text, or a list of texts, not 7"),
        (change(script_options={"wrapper_path": "w" * 300}), "neither a command run_model nor a wrapper"),
        (change(scheduler=[1]), "scheduler must be a mapping, not [1]"),
        (change(generation_strategy="sobol"), "generation_strategy must be a mapping, not 'sobol'"),
        (change(parameter_constraints=5), "parameter_constraints must be a list, not 5"),
        (change(parameters=[{"name": [1], "bounds": [0, 1]}]), "the name of a parameter must be a text, not [1]"),
        (change(parameter_keys=5), "parameter_keys must be a list, not 5"),
        (change(parameter_keys=[[]]), "parameter_keys names [], where there are no parameters"),
        (change(optimization_options=3), "optimization_options must be a mapping, not 3"),
        (change(optimization_options={"objective_options": 3}), "optimization_options.objective_options must be a map"),
        (
            change(optimization_options={"objective_options": {"moo": [3]}}),
            "must be a mapping such as {name: y}, not 3",
        ),
        (with_arguments("{a: 2020-01-01}"), "a date is no value of an experiment file; write 2020-01-01 in quotes"),
        (with_arguments("&a {a: *a}"), "config.yaml holds a value that contains itself (*a)"),
        ("a: " + "[" * 100_000, "config.yaml is nested more than 100 deep"),
        (b"a: 1\nb: caf\xe9\n", ":2: the file is not UTF-8: byte 0xe9 is no text; save it as UTF-8"),
    ],
)
def test_what_cannot_be_imported(write, body, sentence):
    write(body)
    done = run("import-boa", "config.yaml")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: config.yaml:")
    assert sentence in done.stderr
    assert list(Path().iterdir()) == [Path("config.yaml")]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["."], "this is a folder; give the BOA configuration in it"),
        (["/", "-o", "-"], "this is a folder; give the BOA configuration in it"),
        (["a" * 5000], "cannot be read (File name too long)"),
        (["~nobody-of-that-name/a"], "cannot be read (No such file or directory)"),
        (["config.yaml", "-o", ""], "-o '' names no file"),
        (["config.yaml", "-o", ".", "--force"], "-o '.' names no file"),
        (["config.yaml", "-o", "config.yaml/new.yaml"], "cannot be written (Not a directory)"),
        (["config.yaml", "-o", "a" * 5000], "cannot be written (File name too long)"),
    ],
)
def test_places_that_no_file_can_have(write, words, sentence):
    write(SMALL)
    done = run("import-boa", *words)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert len(done.stderr) < 1000
    assert list(Path().iterdir()) == [Path("config.yaml")]


def test_half_a_character_is_no_text(write):
    write(change(script_options={"run_model": "\ud800"}), "config.json")
    done = run("import-boa", "config.json")
    assert done.exit_code == 2
    assert done.stderr == "error: config.json: the character '\\ud800' in it is no text\n"
    assert list(Path().iterdir()) == [Path("config.json")]


def test_nothing_is_overwritten_unless_forced(write):
    write(SMALL)
    Path("config.runwright.yaml").write_text("mine")
    done = run("import-boa", "config.yaml")
    assert done.exit_code == 2
    assert "config.runwright.yaml exists; overwrite it with --force" in done.stderr
    assert run("import-boa", "config.yaml", "--force").exit_code == 0
    assert Path("config.runwright.yaml").read_text() != "mine"


def test_it_can_be_printed(write):
    write(change(odd=1))
    done = run("import-boa", "config.yaml", "-o", "-")
    assert yaml.safe_load(done.stdout)["runner"]["type"] == "wrapped"
    assert done.stderr == "no counterpart:\n  - odd\n"
    assert list(Path().iterdir()) == [Path("config.yaml")]


def test_a_file_in_another_folder_names_the_scripts_from_there(write, tmp_path):
    write(change(script_options={"run_model": "./run.sh"}))
    (tmp_path / "elsewhere").mkdir()
    assert run("import-boa", "config.yaml", "-o", "elsewhere/new.yaml").exit_code == 0
    body = yaml.safe_load(Path("elsewhere/new.yaml").read_text())
    assert body["evaluate"] == {"command": ["../run.sh"]}
    assert body["runner"]["working_dir"] == ".."


def test_odd_names_and_values_survive(write):
    parameters = {
        "no": {"type": "choice", "values": ["yes", "1e3", "a: b", "é"]},
        "x y": {"bounds": [0.0, 1e-7], "type": "range"},
    }
    write(change(parameters=parameters, script_options={"run_model": "sh run.sh '{{ x y }}' {}"}))
    assert run("import-boa", "config.yaml").exit_code == 0
    setup = load("config.runwright.yaml", check=False)
    assert setup.experiment().parameters["no"].values == ("yes", "1e3", "a: b", "é")
    assert setup.experiment().parameters["x y"] == rw.Float(0.0, 1e-7)
    body = yaml.safe_load(Path("config.runwright.yaml").read_text())
    assert body["evaluate"]["command"] == ["sh", "run.sh", "{x y}", "{{}}"]


@pytest.mark.slow
def test_a_script_directory_of_boa_runs_unchanged(write, tmp_path):
    """Four scripts as BOA's own examples have them: they find one another, and a file beside their folder."""
    (tmp_path / "shared.sh").write_text("double() { echo $(($1 * 2)); }\n")
    folder = tmp_path / "package"
    folder.mkdir()
    scripts = {
        "write_configs": 'grep -o "[0-9]*" "$1/parameters.json" > "$1/data.csv"',
        "run_model": '. ../shared.sh; echo "{\\"output\\": $(double $(head -1 "$1/data.csv"))}" > "$1/model_data.json"',
        "set_trial_status": 'test -f "$1/model_data.json" && echo "trial_status: [COMPLETED]" > "$1/trial_status.yaml"',
        "fetch_trial_data": 'n=$(grep -o "[0-9]*" "$1/model_data.json"); echo "mean: {a: [$n]}" > "$1/output.yml"',
    }
    for name, text in scripts.items():
        (folder / f"{name}.sh").write_text(text + "\n")
    (folder / "config.yaml").write_text(
        json.dumps(
            {
                "objective": {"metrics": [{"name": "mean", "metric": "mean"}]},
                "parameters": {"n": {"type": "range", "bounds": [1, 50]}},
                "scheduler": {"total_trials": 4},
                "script_options": {name: f"sh {name}.sh" for name in scripts},
            }
        )
    )
    before = sorted(path.name for path in folder.iterdir())
    assert run("import-boa", "package/config.yaml", "-o", "new.yaml").exit_code == 0
    setup = load("new.yaml")
    with rw.Scheduler(setup.experiment(), setup.optimizer(), setup.runner(), directory=tmp_path / "run") as scheduler:
        scheduler.run(trials=4)
        for trial in scheduler.state.trials:
            assert trial.result.metrics == {"mean": (2.0 * trial.parameters["n"], None)}
    assert sorted(path.name for path in folder.iterdir()) == before
