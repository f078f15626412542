"""An experiment file and the parts of a run that are made from it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runwright import Choice, Float, Int
from runwright.config import RunnerRequest, SettingError, load, runners
from runwright.config.models import OnFailurePart, RulePart
from runwright.errors import ExperimentFileError
from runwright.loop.on_failure import OnFailure, Rule
from runwright.loop.policy import Policy
from runwright.loop.scheduler import Scheduler
from runwright.optimizers import RandomOptimizer
from runwright.runner import Limits
from runwright.runners import LocalMetadataRunner, PoolRunner, ProcessRunner, SimulatedBackendRunner
from runwright.status import FailureKind as Kind

FUNCTION = '{function: "config_model:f"}'
SMALL = f"""\
name: small
parameters:
  x: {{type: float, bounds: [0, 1]}}
objectives: {{y: minimize}}
evaluate: {FUNCTION}
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "config_model.py").write_text("def f(x):\n    return x * x\n")
    (tmp_path / "sim.sh").write_text("#!/bin/sh\necho y = 1\n")
    (tmp_path / "sim.sh").chmod(0o755)

    def write(text):
        path = tmp_path / "experiment.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    assert "config_model" not in sys.modules
    yield write
    sys.modules.pop("config_model", None)


def with_runner(runner, evaluate=FUNCTION, more=""):
    return f"{SMALL.replace(FUNCTION, evaluate)}runner: {runner}\n{more}"


def test_everything_that_may_stand_in_a_file(write, tmp_path):
    setup = load(
        write("""\
        # a comment
        name: all of it
        seed: 3
        directory: elsewhere/runs
        parameters:
          f: {type: float, bounds: [1e-3, 1e3], log: true, default: 1}
          i: {type: int, bounds: [1, 100]}
          c: {type: choice, values: ['no', se, dk], default: se}
          n: {type: choice, values: [1, 2.5]}
          b: {type: choice, values: [true, false]}
        objectives: {y: minimize, z: maximize}
        evaluate:
          command: [./sim.sh, --f, "{f}", 5, 1e3, yes, "{{literal}}", "--here={here}"]
          env: {LEVEL: 3, COUNTRY: no, EMPTY: "", WHERE: "{trial_dir}"}
          result: {from: stdout, pattern: 'y = (?P<y>\\S+) z = (?P<z>\\S+)'}
          success_codes: [0, 3]
        runner: {type: process, parallel: 4}
        limits: {timeout: 1.5 h, memory: 500 MB, output: 1 MiB, grace: 0 s}
        on_failure: retry 2
        optimizer: {type: random, seed: 9}
        enqueue:
          - {f: 1, i: 3, c: 'no', n: 1, b: true}
          - {f: 2.5, i: 4.0, c: dk, n: 2.5, b: false}
        stop: {trials: 50, failure_rate: 0.5, failure_rate_after: 10, time: 2 d}
        """)
    )
    experiment = setup.experiment()
    assert (setup.name, experiment.name, experiment.seed) == ("all of it", "all of it", 3)
    assert experiment.parameters == {
        "f": Float(0.001, 1000, log=True, default=1),
        "i": Int(1, 100),
        "c": Choice(["no", "se", "dk"], default="se"),
        "n": Choice([1.0, 2.5]),
        "b": Choice([True, False]),
    }
    assert experiment.objectives == {"y": "minimize", "z": "maximize"}
    limits = Limits(timeout=5400.0, memory=500_000_000, output=2**20, grace=0.0)
    assert setup.policy() == Policy(
        trials=50,
        parallel=4,
        on_failure=OnFailure(Rule(2)),
        failure_rate=0.5,
        failure_rate_after=10,
        seconds=172800.0,
        limits=limits,
    )
    assert setup.runner() == ProcessRunner(
        ["./sim.sh", "--f", "{f}", "5", "1e3", "yes", "{{literal}}", "--here={here}"],
        workers=4,
        env={"LEVEL": "3", "COUNTRY": "no", "EMPTY": "", "WHERE": "{trial_dir}"},
        success_codes=[0, 3],
        result={"from": "stdout", "pattern": r"y = (?P<y>\S+) z = (?P<z>\S+)"},
        here=tmp_path,
    )
    assert setup.directory == tmp_path / "elsewhere" / "runs"
    assert setup.enqueue == [
        {"f": 1.0, "i": 3, "c": "no", "n": 1.0, "b": True},
        {"f": 2.5, "i": 4, "c": "dk", "n": 2.5, "b": False},
    ]
    assert setup.definition() == {
        "experiment": experiment.to_dict(),
        "optimizer": setup.optimizer().describe() | {"seed": 9},
    }


def test_the_least_that_must_stand_in_a_file(write, tmp_path):
    setup = load(write(SMALL))
    assert setup.policy() == Policy()
    assert setup.enqueue == []
    assert setup.directory == tmp_path / "runs" / "small"
    assert isinstance(setup.optimizer(), RandomOptimizer)
    assert isinstance(setup.runner(), LocalMetadataRunner)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (SMALL, LocalMetadataRunner),
        (with_runner("{parallel: 1}"), LocalMetadataRunner),
        (with_runner("{parallel: 2}"), PoolRunner),
        (with_runner("{type: pool}"), PoolRunner),
        (SMALL + "limits: {timeout: 5}\n", PoolRunner),
        (SMALL + "limits: {memory: 1 GB}\n", PoolRunner),
        (SMALL + "limits: {output: 1 MB}\n", ProcessRunner),
        (with_runner("{type: process}"), ProcessRunner),
        (with_runner("{type: process, preload: true}"), ProcessRunner),
        (with_runner("{type: local}"), LocalMetadataRunner),
        (with_runner("{type: simulated, parallel: 3, runtime: [1 s, 2 min]}"), SimulatedBackendRunner),
        (with_runner("{type: simulated, failure_rate: 0.1}", more="limits: {timeout: 5}\n"), SimulatedBackendRunner),
        (SMALL.replace(FUNCTION, "{command: [./sim.sh]}"), ProcessRunner),
    ],
)
def test_runners(write, text, kind):
    assert type(load(write(text)).runner()) is kind


def test_the_settings_of_a_simulated_machine(write):
    runner = load(
        write(with_runner("{type: simulated, parallel: 3, runtime: [2, 2], failure_rate: 1}", more="seed: 5"))
    ).runner()
    assert (runner.simulator.options.max_concurrency, runner.simulator.options.failure_rate) == (3, 1)
    assert runner.simulator.options.seed == 5


def test_a_pool_finds_the_function_beside_the_file(write, tmp_path):
    runner = load(write(with_runner("{type: pool, parallel: 2}"))).runner()
    assert runner == PoolRunner("config_model:f", workers=2, folder=tmp_path)


def test_the_function_is_looked_for_beside_the_file_first(write, tmp_path):
    load(write(SMALL))
    assert sys.path[0] == str(tmp_path)
    assert Path(sys.modules["config_model"].__file__).parent == tmp_path


def test_a_script_is_found_from_the_folder_of_the_file(write, tmp_path, monkeypatch):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "my-model.py").write_text("def f(x):\n    return 3.0\n")
    monkeypatch.chdir("/")
    setup = load(write(SMALL.replace("config_model:f", "scripts/my-model.py:f")))
    assert setup.runner().evaluation_function(1) == 3.0


def test_a_relative_path_of_the_file(write, tmp_path, monkeypatch):
    write(SMALL)
    monkeypatch.chdir(tmp_path)
    setup = load("experiment.yaml")
    monkeypatch.chdir("/")
    assert setup.directory == tmp_path / "runs" / "small"


def test_a_program_is_found_on_the_path_that_env_gives(write, tmp_path):
    evaluate = f"{{command: [sim.sh], env: {{PATH: '{tmp_path}'}}}}"
    assert load(write(SMALL.replace(FUNCTION, evaluate))).runner().command == ["sim.sh"]


def test_a_file_of_another_system(write):
    text = b"\xef\xbb\xbf" + SMALL.replace("small", "smål").replace("\n", "\r\n").encode()
    assert load(write(text)).name == "smål"


def test_json_is_yaml(write):
    text = (
        '{"name": "small", "parameters": {"x": {"type": "float", "bounds": [0, 1]}},\n'
        '"objectives": {"y": "minimize"}, "evaluate": {"function": "config_model:f"}}'
    )
    assert load(write(text)).experiment() == load(write(SMALL)).experiment()


def test_anchors_and_aliases(write):
    text = SMALL.replace("  x: {type: float, bounds: [0, 1]}", "  x: &p {type: float, bounds: [0, 1]}\n  z: *p")
    assert load(write(text), check=False).experiment().parameters == {"x": Float(0, 1), "z": Float(0, 1)}


def test_names_that_look_like_something_else(write):
    text = """\
name: 007
parameters:
  on: {type: float, bounds: [0, 1]}
  1: {type: float, bounds: [0, 1]}
  null: {type: float, bounds: [0, 1]}
objectives: {y: minimize, no: maximize}
evaluate: {command: [./sim.sh]}
"""
    experiment = load(write(text)).experiment()
    assert experiment.name == "007"
    assert [*experiment.parameters, *experiment.objectives] == ["on", "1", "null", "y", "no"]


def test_output_without_a_limit(write):
    setup = load(write(SMALL + "limits: {output: unlimited, log: unlimited}\n"))
    assert (setup.policy().limits.output, setup.policy().limits.log) == (None, None)


def test_a_run_from_a_file(write, tmp_path):
    setup = load(write(SMALL + "stop: {trials: 5}\nenqueue: [{x: 0.5}]\n"))
    scheduler = Scheduler(
        setup.experiment(), setup.optimizer(), setup.runner(), policy=setup.policy(), enqueue=setup.enqueue
    )
    scheduler.run()
    assert len(scheduler.state.trials) == 5
    assert scheduler.state.trials[0].result.metrics == {"y": (0.25, None)}
    scheduler.close()


def test_the_definition_does_not_say_how_a_trial_is_evaluated(write, tmp_path):
    before = load(write(SMALL)).definition()
    after = load(write(SMALL.replace(FUNCTION, "{command: [./sim.sh]}"))).definition()
    assert before == after


class Entry:
    """An entry point of another package."""

    def __init__(self, name, value, found):
        self.name, self.value, self.found = name, value, found

    def load(self):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def plugged(request: RunnerRequest, *, partition: str = "short"):
    if partition not in ("short", "long"):
        raise SettingError("partition", f"it must be short or long, not {partition!r}")
    runner = LocalMetadataRunner(request.load())
    runner.partition = partition
    return runner


@pytest.fixture
def plug_in(monkeypatch):
    def plug_in(found):
        monkeypatch.setattr(runners, "entry_points", lambda group: [Entry("cluster", "a_package:build", found)])

    return plug_in


def test_a_runner_of_another_package(write, plug_in):
    plug_in(plugged)
    assert load(write(with_runner("{type: cluster, partition: long}"))).runner().partition == "long"
    assert load(write(with_runner("{type: cluster}"))).runner().partition == "short"


@pytest.mark.parametrize(
    ("found", "settings", "sentence"),
    [
        (plugged, ", partition: huge", r":6: runner\.partition: it must be short or long, not 'huge'"),
        (plugged, ", partitoin: long", r":6: runner\.partitoin: .* did you mean 'partition'\?"),
        (ImportError("no cluster here"), "", r":6: runner\.type: .*a_package:build: ImportError: no cluster here"),
        (ZeroDivisionError("odd"), "", r":6: runner\.type: .*a_package:build: ZeroDivisionError: odd"),
        (
            lambda request: 1 / 0,
            "",
            r":6: runner\.type: the cluster runner cannot be made: ZeroDivisionError: division",
        ),
        (lambda request: None, "", r":6: runner\.type: .* its builder gave an object of type NoneType, no runner"),
        (plugged, "}\nlimits: {timeout: 5", r":7: limits\.timeout: the cluster runner cannot enforce a time limit"),
    ],
)
def test_what_can_be_wrong_with_it(write, plug_in, found, settings, sentence):
    plug_in(found)
    with pytest.raises(ExperimentFileError, match=sentence):
        load(write(with_runner(f"{{type: cluster{settings}}}")))


def test_an_enqueued_point_may_leave_out_what_has_a_default(write):
    text = with_runner("{type: local}", more="enqueue: [{x: 0.25}, {}]\n").replace("[0, 1]", "[0, 1], default: 0.5")
    assert load(write(text)).enqueue == [{"x": 0.25}, {"x": 0.5}]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", OnFailure()),
        ("on_failure: fail", OnFailure()),
        ("on_failure: retry 2 then penalty 1e3", OnFailure(Rule(2, penalty=1000.0))),
        ("on_failure: {crashed: fail, lost: retry 5}", OnFailure(named={Kind.CRASHED: Rule(), Kind.LOST: Rule(5)})),
        (
            "on_failure: {submit_error: {retry: 3, backoff: 10 s, longest: 1 h, then: abort}, other: penalty 7}",
            OnFailure(Rule(penalty=7.0), {Kind.SUBMIT_ERROR: Rule(3, "abort", backoff=10.0, longest=3600.0)}),
        ),
        (
            "on_failure: {timeout: {retry: 1, backoff: 0, penalty: {y: 5}}, memoryout: {then: penalty 9}, lost: {}}",
            OnFailure(
                named={
                    Kind.TIMEOUT: Rule(1, penalty={"y": 5.0}, backoff=0.0),
                    Kind.MEMORYOUT: Rule(penalty=9.0),
                    Kind.LOST: Rule(),
                }
            ),
        ),
    ],
)
def test_rules_of_what_follows_a_failure(write, text, rules):
    assert load(write(f"{SMALL}{text}\n")).policy().on_failure == rules


def test_every_kind_of_failure_may_be_named():
    assert set(OnFailurePart.model_fields) == {*(kind.value for kind in Kind), "other"}
    assert set(RulePart.model_fields) == set(Rule.__slots__)


def test_what_follows_a_failure_may_change_between_two_drivers(write):
    """It is a policy, and no part of what a run was started with."""
    one = load(write(f"{SMALL}on_failure: retry 1\n")).definition()
    assert load(write(f"{SMALL}on_failure: penalty 3\n")).definition() == one
