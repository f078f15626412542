"""Whatever is wrong with an experiment file is said in one sentence with file, key and line, and nothing is started."""

from __future__ import annotations

import pytest

from runwright.config import load
from runwright.errors import ExperimentFileError

GOOD = """\
name: branin
seed: 0
parameters:
  x1: {type: float, bounds: [-5, 10]}
  x2: {type: int, bounds: [0, 15]}
objectives: {y: minimize}
evaluate: {function: "bad_input_model:branin"}
runner: {type: pool, parallel: 2}
limits: {timeout: 10 min, memory: 2 GiB}
on_failure: retry 1
optimizer: {type: random, seed: 7}
enqueue: [{x1: 0, x2: 5}]
stop: {trials: 50, failure_rate: 0.5}
"""
X1, X2 = "{type: float, bounds: [-5, 10]}", "{type: int, bounds: [0, 15]}"
FUNCTION = '{function: "bad_input_model:branin"}'
POOL = "{type: pool, parallel: 2}"
LIMITS = "{timeout: 10 min, memory: 2 GiB}"
OPTIMIZER = "{type: random, seed: 7}"
PROCESS = POOL, "{type: process}"

MODEL = """
def branin(x1, x2):
    return x1 + x2
number = 3
class Nothing:
    pass
def other(a, b):
    return a
def every(parameters):
    return 0.0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    (folder / "bad_input_model.py").write_text(MODEL)
    (folder / "bad_input_broken.py").write_text("import no_such_module_anywhere\n")
    (folder / "bad_input_syntax.py").write_text("def f(:\n")
    (folder / "bad_input_exits.py").write_text("raise SystemExit(3)\n")
    (folder / "json.py").write_text("def f(x1, x2):\n    return 1\n")
    (folder / "plain.sh").write_text("#!/bin/sh\n")
    (folder / "sim.sh").write_text("#!/bin/sh\n")
    (folder / "sim.sh").chmod(0o755)
    return folder


def refused(folder, text, *, name="experiment.yaml", check=True):
    """Load a file that must be refused; return the error."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ExperimentFileError) as caught:
        load(path, check=check)
    said = str(caught.value)
    assert said.startswith(str(path))
    assert len(said) < 1000
    assert "\n" not in said
    return caught.value


def test_the_file_that_the_cases_change_is_good(folder):
    path = folder / "good.yaml"
    path.write_text(GOOD)
    assert load(path).name == "branin"


def command(text):
    """Run a command in place of the function."""
    return FUNCTION, text, *PROCESS


CASES = {
    # keys
    "unknown key": (("on_failure:", "on_failures:"), "on_failures", 10, "no such key here; did you mean 'on_failure'?"),
    "unknown key deep": (("bounds: [-5", "bound: [-5"), "parameters.x1.bound", 4, "did you mean 'bounds'?"),
    "key of another part": (
        ("on_failure: retry 1", "trials: 9"),
        "trials",
        10,
        "here; did you mean 'stop.trials'? known",
    ),
    "one much like it": (
        ("on_failure: retry 1", "parallell: 9"),
        "parallell",
        10,
        "did you mean 'runner.parallel'? known",
    ),
    "key of the whole in a part": (
        ("memory: 2", "objectives: 2"),
        "limits.objectives",
        9,
        "did you mean 'objectives'?",
    ),
    "of two alike the first": (
        ("on_failure: retry 1", "timeout: 1 h"),
        "timeout",
        10,
        "did you mean 'limits.timeout'?",
    ),
    "unknown limit": (("memory: 2", "memroy: 2"), "limits.memroy", 9, "did you mean 'memory'? known are grace,"),
    "unknown result key": (
        command("{command: [./sim.sh], result: {form: stdout, pattern: 'y'}}"),
        "evaluate.result.form",
        7,
        "did you mean 'from'?",
    ),
    "unknown runner setting": ((POOL, "{type: pool, paralel: 2}"), "runner.paralel", 8, "did you mean 'parallel'?"),
    "setting of another runner": (
        (POOL, "{type: pool, preload: true}"),
        "runner.preload",
        8,
        "the pool runner has no such setting",
    ),
    "unknown optimizer setting": (
        (OPTIMIZER, "{type: random, smapler: tpe}"),
        "optimizer.smapler",
        11,
        "no setting 'smapler'",
    ),
    "duplicate key": (("  x2:", "  x1:"), "parameters.x1", 5, "stands twice in one mapping, first in line 4"),
    "duplicate key at the top": (("on_failure: retry 1", "seed: 1"), "seed", 10, "first in line 2"),
    "duplicate key in a flow": (("{x1: 0, x2: 5}", "{x1: 0, x1: 5}"), "enqueue[0].x1", 12, "stands twice"),
    "merge key": (("on_failure: retry 1", "<<: {a: 1}"), "<<", 10, "merge keys are not supported; write the keys out"),
    "merge key of an alias": (
        (X1, f"&a {X1}", X2, "{<<: *a, log: false}"),
        "parameters.x2.<<",
        5,
        "merge keys are not supported",
    ),
    "too many levels by aliases": (
        ("on_failure: retry 1", f"on_failure: {{a: &a {'[' * 12 + ']' * 12}, b: {'[' * 12}*a{']' * 12}}}"),
        "on_failure.b" + "[0]" * 19,
        10,
        "the file has more than 20 levels",
    ),
    "a list as a key": (("on_failure: retry 1", "[a, b]: 1"), None, 10, "a key must be a text"),
    "missing section": (("evaluate: " + FUNCTION + "\n", ""), "evaluate", 1, "it is missing; give it"),
    "missing type": ((X1, "{bounds: [-5, 10]}"), "parameters.x1.type", 4, "it is missing"),
    "value missing": (("on_failure: retry 1", "on_failure:"), "on_failure", 10, "it has no value"),
    "value null": (("bounds: [-5, 10]", "bounds: null"), "parameters.x1.bounds", 4, "it has no value"),
    # parameters
    "no parameters": (
        (f"\n  x1: {X1}\n  x2: {X2}\n", " {}\n", "enqueue: [{x1: 0, x2: 5}]\n", ""),
        "parameters",
        3,
        "it is empty; an experiment needs at least one parameter",
    ),
    "parameters are a list": ((f"\n  x1: {X1}\n  x2: {X2}", " [x1]"), "parameters", 3, "must be a mapping, not a list"),
    "parameter is a list": ((X1, "[-5, 10]"), "parameters.x1", 4, "must be a mapping, not a list of 2"),
    "one bound": (("[-5, 10]", "[-5]"), "parameters.x1.bounds", 4, "two bounds, [low, high], not 1"),
    "three bounds": (("[-5, 10]", "[-5, 0, 10]"), "parameters.x1.bounds", 4, "two bounds, [low, high], not 3"),
    "a number as bounds": (("[-5, 10]", "10"), "parameters.x1.bounds", 4, "two bounds, [low, high], not 10"),
    "no bounds": ((X1, "{type: float}"), "parameters.x1", 4, "needs its bounds: bounds: [low, high]"),
    "bounds reversed": (("[-5, 10]", "[10, -5]"), "parameters.x1.bounds", 4, "the bounds are reversed"),
    "bounds equal": (("[-5, 10]", "[10, 10]"), "parameters.x1.bounds", 4, "the bounds are equal"),
    "NaN bound": (("[-5, 10]", "[.nan, 10]"), "parameters.x1.bounds", 4, "must be finite, not nan"),
    "infinite bound": (("[-5, 10]", "[-5, .inf]"), "parameters.x1.bounds", 4, "must be finite, not inf"),
    "bound too large": (("[-5, 10]", "[-5, 1e999]"), "parameters.x1.bounds", 4, "must be finite, not inf"),
    "bound with many digits": (("[-5, 10]", f"[-5, {'9' * 5000}]"), "parameters.x1.bounds[1]", 4, "has 5000 digits"),
    "bounds too far apart": (("[-5, 10]", "[-1e308, 1e308]"), "parameters.x1.bounds", 4, "too far apart"),
    "text as a bound": (("[-5, 10]", "['-5', 10]"), "parameters.x1.bounds[0]", 4, "must be a number, not '-5'"),
    "boolean as a bound": (("[-5, 10]", "[true, 10]"), "parameters.x1.bounds[0]", 4, "must be a number"),
    "fraction in int bounds": (("[0, 15]", "[0, 1.5]"), "parameters.x2.bounds", 5, "must be an integer, not 1.5"),
    "int bound beyond 64 bits": (("[0, 15]", f"[0, {2**64}]"), "parameters.x2.bounds", 5, "must fit in 64 bits"),
    "log scale with zero": (("[0, 15]", "[0, 15], log: true"), "parameters.x2.bounds", 5, "logarithmic scale needs"),
    "log scale below zero": (("[-5, 10]", "[-5, 10], log: true"), "parameters.x1.bounds", 4, "not -5"),
    "log no boolean": (("[-5, 10]", "[1, 10], log: 1"), "parameters.x1.log", 4, "must be true or false, not 1"),
    "old boolean": (("[-5, 10]", "[1, 10], log: yes"), "parameters.x1.log", 4, "write true, or quote texts: 'yes'"),
    "default outside": (("[-5, 10]", "[1, 10], default: 11"), "parameters.x1.default", 4, "outside the bounds"),
    "values of a float": (("[-5, 10]", "[1, 10], values: [1]"), "parameters.x1", 4, "has bounds, not values"),
    "unknown type": (
        ("type: float", "type: flaot"),
        "parameters.x1.type",
        4,
        "'float', 'int' or 'choice', not 'flaot'; did you mean 'float'?",
    ),
    "empty choice": ((X1, "{type: choice, values: []}"), "parameters.x1.values", 4, "at least one value"),
    "choice without values": ((X1, "{type: choice}"), "parameters.x1", 4, "needs its values: values: [a, b]"),
    "choice with bounds": ((X1, "{type: choice, values: [1], bounds: [1, 2]}"), "parameters.x1", 4, "not bounds"),
    "choice with bounds alone": ((X1, "{type: choice, bounds: [1, 2]}"), "parameters.x1", 4, "has values, not bounds"),
    "mixed choice": ((X1, "{type: choice, values: [a, 1]}"), "parameters.x1.values", 4, "of one kind"),
    "choice of a text": ((X1, "{type: choice, values: abc}"), "parameters.x1.values", 4, "must be a list, not 'abc'"),
    "choice of lists": ((X1, "{type: choice, values: [[1]]}"), "parameters.x1.values", 4, "texts, numbers or booleans"),
    "choice twice the same": ((X1, "{type: choice, values: [a, a]}"), "parameters.x1.values", 4, "more than once"),
    "choice of old booleans": (
        (X1, "{type: choice, values: [no, se, dk]}"),
        "parameters.x1.values[0]",
        4,
        "write false, or quote texts: 'no'",
    ),
    "choice of old octals": ((X1, "{type: choice, values: [007]}"), "parameters.x1.values[0]", 4, "leading zeros"),
    "choice with an underscore": ((X1, "{type: choice, values: [1_000]}"), "parameters.x1.values[0]", 4, "underscores"),
    "huge choice": (
        (X1, "{type: choice, values: [" + ", ".join(map(str, range(10_001))) + "]}"),
        "parameters.x1.values",
        4,
        "at most 10000 values",
    ),
    "parameter with a path": (("  x1:", "  a/b:"), "parameters.a/b", 4, "has a path or a line break"),
    "parameter without a name": (("  x1:", '  "":'), "parameters.", 4, "must be a text that is not empty"),
    # objectives, name, seed
    "unknown direction": (
        ("y: minimize", "y: minimise"),
        "objectives.y",
        6,
        "'minimize' or 'maximize', not 'minimise'; did you mean 'minimize'?",
    ),
    "no objectives": (("{y: minimize}", "{}"), "objectives", 6, "at least one"),
    "objectives are a text": (("{y: minimize}", "y"), "objectives", 6, "must be a mapping, not 'y'"),
    "name with a path": (("name: branin", "name: ../branin"), "name", 1, "has a path or a line break in it"),
    "name dots": (("name: branin", "name: .."), "name", 1, "has a path"),
    "name too long": (("name: branin", "name: " + "b" * 300), "name", 1, "300 bytes long in UTF-8; 200 are allowed"),
    "name too long for a file system": (
        ("name: branin", "name: " + "\xe4" * 128),
        "name",
        1,
        "256 bytes long in UTF-8",
    ),
    "name empty": (("name: branin", 'name: ""'), "name", 1, "a text that is not empty"),
    "name is a list": (("name: branin", "name: [branin]"), "name", 1, "must be a text (in quotes), not a list"),
    "negative seed": (("seed: 0", "seed: -1"), "seed", 2, "must be at least 0, not -1"),
    "huge seed": (("seed: 0", f"seed: {2**63}"), "seed", 2, "must be at most"),
    "seed with a fraction": (("seed: 0", "seed: 0.5"), "seed", 2, "must be a whole number, not 0.5"),
    "seed a text": (("seed: 0", "seed: zero"), "seed", 2, "must be a whole number, not 'zero'"),
    "home in a directory": (("seed: 0", "directory: ~/x"), "directory", 2, "neither ~ nor $NAME is filled in here"),
    "variable in a directory": (
        ("seed: 0", "directory: $HOME/x"),
        "directory",
        2,
        "as in '$HOME/x'; write the path out",
    ),
    "null character in a directory": (("seed: 0", 'directory: "a\\0"'), "directory", 2, "has a null character in it"),
    "runner of no type": ((POOL, '{type: ""}'), "runner.type", 8, "not empty"),
    "empty directory": (("seed: 0", 'directory: ""'), "directory", 2, "not empty"),
    # what is evaluated
    "function and command": (
        (FUNCTION, '{function: "bad_input_model:branin", command: [./sim.sh]}'),
        "evaluate",
        7,
        "both function and command are given",
    ),
    "neither": ((FUNCTION, "{env: {A: b}}"), "evaluate", 7, "needs either a function or a command"),
    "no reference": ((FUNCTION, "{function: branin}"), "evaluate.function", 7, "is no reference to a function"),
    "not importable": ((FUNCTION, "{function: 'nowhere_at_all:f'}"), "evaluate.function", 7, "No module named"),
    "import fails": ((FUNCTION, "{function: 'bad_input_broken:f'}"), "evaluate.function", 7, "no_such_module_anywhere"),
    "import is no Python": ((FUNCTION, "{function: 'bad_input_syntax:f'}"), "evaluate.function", 7, "SyntaxError"),
    "import exits": ((FUNCTION, "{function: 'bad_input_exits:f'}"), "evaluate.function", 7, "SystemExit"),
    "name of a module of Python": ((FUNCTION, "{function: 'json:f'}"), "evaluate.function", 7, "json.py has the name"),
    "not in the module": ((FUNCTION, "{function: 'bad_input_model:g'}"), "evaluate.function", 7, "has no 'g'"),
    "not callable": ((FUNCTION, "{function: 'bad_input_model:number'}"), "evaluate.function", 7, "is not callable"),
    "other arguments": ((FUNCTION, "{function: 'bad_input_model:other'}"), "evaluate.function", 7, "x1"),
    "script missing": ((FUNCTION, "{function: 'missing.py:f'}"), "evaluate.function", 7, "there is no file '/"),
    "function with success codes": (
        (FUNCTION, '{function: "bad_input_model:branin", success_codes: [0]}'),
        "evaluate",
        7,
        "a function returns its result",
    ),
    "command is a text": (command("{command: './sim.sh --x 1'}"), "evaluate.command", 7, "there is no shell"),
    "command is empty": (command("{command: []}"), "evaluate", 7, "the command is empty"),
    "command not found": (
        command("{command: [no-such-program-anywhere]}"),
        "evaluate.command[0]",
        7,
        "is not on PATH; install it, or write ./no-such-program-anywhere",
    ),
    "command file missing": (command("{command: [./missing.sh]}"), "evaluate.command[0]", 7, "does not exist"),
    "command not executable": (command("{command: [./plain.sh]}"), "evaluate.command[0]", 7, "chmod +x"),
    "command is a folder": (command("{command: [./]}"), "evaluate.command[0]", 7, "is a folder"),
    "unknown placeholder": (
        command('{command: [./sim.sh, "--x={x9}"]}'),
        "evaluate.command[1]",
        7,
        "{x9} in '--x={x9}' is no parameter",
    ),
    "placeholder on its own line": (
        command('\n  command:\n    - ./sim.sh\n    - "{x1}"\n    - "{x9}"'),
        "evaluate.command[2]",
        11,
        "is no parameter",
    ),
    "single brace": (command("{command: [./sim.sh, 'a}']}"), "evaluate.command[1]", 7, "has a single '}'"),
    "placeholder without quotes": (command("{command: [./sim.sh, {x1}]}"), "evaluate.command[1].x1", 7, "quote texts"),
    "mapping in a command": (command("{command: [./sim.sh, {x: 1}]}"), "evaluate.command[1]", 7, 'braces: "{x}"'),
    "null character in a command": (
        command('{command: [./sim.sh, "a\\0"]}'),
        "evaluate.command[1]",
        7,
        "has a null character in it, which no program can be given",
    ),
    "null character in a program": (
        command('{command: ["./si\\0m.sh"]}'),
        "evaluate.command[0]",
        7,
        "a null character",
    ),
    "null character in a value": (
        (X1, '{type: choice, values: [a, "b\\0"]}', *command("{command: [./sim.sh]}"), "{x1: 0,", "{x1: a,"),
        "parameters.x1.values[1]",
        4,
        "has a null character in it",
    ),
    "variable with a sign": (
        command('{command: [./sim.sh], env: {"A=B": x}}'),
        "evaluate.env.A=B",
        7,
        "the name of a variable is not empty and has no = and no null character, unlike 'A=B'",
    ),
    "variable without a name": (command('{command: [./sim.sh], env: {"": x}}'), "evaluate.env.", 7, "is not empty"),
    "null character in a variable": (
        command('{command: [./sim.sh], env: {A: "a\\0"}}'),
        "evaluate.env.A",
        7,
        "the variable 'A' has a null character in its value",
    ),
    "unknown placeholder in env": (
        command("{command: [./sim.sh], env: {X: '{x9}'}}"),
        "evaluate.env.X",
        7,
        "is no parameter",
    ),
    "env is a list": (command("{command: [./sim.sh], env: [X]}"), "evaluate.env", 7, "must be a mapping"),
    "success code too large": (
        command("{command: [./sim.sh], success_codes: [0, 256]}"),
        "evaluate.success_codes[1]",
        7,
        "at most 255, not 256",
    ),
    "no success code": (command("{command: [./sim.sh], success_codes: []}"), "evaluate", 7, "nothing could succeed"),
    "result from nowhere": (
        command("{command: [./sim.sh], result: {from: stdin, pattern: 'y'}}"),
        "evaluate.result.from",
        7,
        "'stdout' or 'stderr', not 'stdin'",
    ),
    "result without a pattern": (
        command("{command: [./sim.sh], result: {from: stdout}}"),
        "evaluate.result.pattern",
        7,
        "it is missing",
    ),
    "pattern is no expression": (
        command("{command: [./sim.sh], result: {from: stdout, pattern: '('}}"),
        "evaluate.result.pattern",
        7,
        "is no regular expression",
    ),
    "pattern without a group": (
        command("{command: [./sim.sh], result: {from: stdout, pattern: 'y'}}"),
        "evaluate.result.pattern",
        7,
        "must have one group",
    ),
    "command in the pool": (
        (FUNCTION, "{command: [./sim.sh]}"),
        "runner.type",
        8,
        "evaluates functions; a command needs the process runner",
    ),
    "env in the pool": (
        (FUNCTION, '{function: "bad_input_model:branin", env: {A: b}}'),
        "evaluate.env",
        7,
        "env needs the process runner",
    ),
    "env without a runner": (
        (
            FUNCTION,
            '\n  function: "bad_input_model:branin"\n  env: {A: b}',
            f"runner: {POOL}\n",
            "",
            f"limits: {LIMITS}\n",
            "",
        ),
        "evaluate.env",
        9,
        "the local runner gives no environment to a trial",
    ),
    "wrapper is a function": (
        (FUNCTION, '{wrapper: "bad_input_model:every"}', POOL, "{type: wrapped}"),
        "evaluate.wrapper",
        7,
        "'bad_input_model:every' is no class; a wrapper is a class with hooks",
    ),
    "wrapper without hooks": (
        (FUNCTION, '{wrapper: "bad_input_model:Nothing"}', POOL, "{type: wrapped}"),
        "evaluate.wrapper",
        7,
        "a wrapper has the hook write_configs, and 'Nothing' has not",
    ),
    "constraint that leaves no room": (
        ("on_failure: retry 1", 'constraints: ["x1 <= -4.99999999999"]', "{x1: 0,", "{x1: -5,"),
        "constraints",
        10,
        "random points meets the constraints 'x1 <= -4.99999999999'",
    ),
    # runner, optimizer
    "nothing is measured": (
        (POOL, "{type: synthetic}", LIMITS, "{}"),
        "runner.type",
        8,
        "SyntheticRunner measures nothing, but the experiment has objectives",
    ),
    "runtime of one in a list": (
        (POOL, "{type: simulated, runtime: [5 s]}", LIMITS, "{}"),
        "runner.runtime",
        8,
        "the shortest and the longest runtime, such as [1 s, 5 min], not a list of 1",
    ),
    "runtime a text": (
        (POOL, "{type: simulated, runtime: 5 s}", LIMITS, "{}"),
        "runner.runtime",
        8,
        "such as [1 s, 5 min], not '5 s'",
    ),
    "unknown runner": (
        (POOL, "{type: proces}"),
        "runner.type",
        8,
        "there is no runner 'proces'; did you mean 'process'? known are local, pool, process, simulated",
    ),
    "runner is a text": ((POOL, "pool"), "runner", 8, "must be a mapping"),
    "parallel 0": (("parallel: 2", "parallel: 0"), "runner.parallel", 8, "must be at least 1, not 0"),
    "parallel negative": (("parallel: 2", "parallel: -3"), "runner.parallel", 8, "at least 1, not -3"),
    "parallel absurd": (("parallel: 2", "parallel: 1000000"), "runner.parallel", 8, "must be at most 10000"),
    "parallel true": (("parallel: 2", "parallel: true"), "runner.parallel", 8, "a whole number, not true"),
    "parallel local": (
        (POOL, "{type: local, parallel: 2}", LIMITS, "{}"),
        "runner.parallel",
        8,
        "one trial at a time; take the pool or process runner",
    ),
    "preload no boolean": ((POOL, "{type: process, preload: 1}"), "runner.preload", 8, "must be true or false"),
    "runtime of one bound": (
        (POOL, "{type: simulated, runtime: 5}", LIMITS, "{}"),
        "runner.runtime",
        8,
        "the shortest and the longest runtime",
    ),
    "runtime reversed": (
        (POOL, "{type: simulated, runtime: [5 min, 1 s]}", LIMITS, "{}"),
        "runner.runtime",
        8,
        "is longer than the longest, 1 s",
    ),
    "simulated failure rate": (
        (POOL, "{type: simulated, failure_rate: 2}", LIMITS, "{}"),
        "runner.failure_rate",
        8,
        "from 0 to 1, not 2",
    ),
    "unknown optimizer": (
        (OPTIMIZER, "{type: optunna}"),
        "optimizer.type",
        11,
        "there is no optimizer 'optunna'; did you mean 'optuna'? known are ax, optuna, random, smac",
    ),
    "setting much like the seed": ((OPTIMIZER, "{type: random, sed: 3}"), "optimizer.sed", 11, "did you mean 'seed'?"),
    "optimizer seed": (("seed: 7", "seed: -7"), "optimizer.seed", 11, "must be at least 0"),
    "optimizer is a text": ((OPTIMIZER, "random"), "optimizer", 11, "must be a mapping"),
    # limits
    "unit nonsense": (("10 min", "10 parsecs"), "limits.timeout", 9, "'parsecs' in '10 parsecs' is no unit here"),
    "unit of size nonsense": (("2 GiB", "2 gigs"), "limits.memory", 9, "'gigs' in '2 gigs' is no unit here"),
    "month or minute": (("10 min", "10 m"), "limits.timeout", 9, "units are ms, s, min, h and d; a minute is min"),
    "clock": (("10 min", "1:30"), "limits.timeout", 9, "one number and one unit, not '1:30'"),
    "negative duration": (("10 min", "-5"), "limits.timeout", 9, "must be positive and at most 100 years, not -5"),
    "negative duration with a unit": (("10 min", "-5 s"), "limits.timeout", 9, "one number and one unit, not '-5 s'"),
    "no duration": (("10 min", "0"), "limits.timeout", 9, "must be positive"),
    "endless duration": (("10 min", ".inf"), "limits.timeout", 9, "not inf"),
    "absurd duration": (("10 min", "1e30 h"), "limits.timeout", 9, "one number and one unit"),
    "absurd number of days": (("10 min", "99999999 d"), "limits.timeout", 9, "at most 100 years"),
    "duration true": (("10 min", "true"), "limits.timeout", 9, "not true"),
    "memory too little": (("2 GiB", "2 kB"), "limits.memory", 9, "below 1 MiB ends every program"),
    "memory absurd": (("2 GiB", "99999999999 TiB"), "limits.memory", 9, "at most"),
    "memory negative": (("2 GiB", "-2"), "limits.memory", 9, "at least 1 byte"),
    "limits are a number": ((LIMITS, "10"), "limits", 9, "must be a mapping, not 10"),
    "time limit in this process": (
        (POOL, "{type: local}", LIMITS, "{timeout: 10 min}"),
        "limits.timeout",
        9,
        "the local runner cannot enforce a time limit; pool and process",
    ),
    "memory limit in this process": (
        (POOL, "{type: local}", LIMITS, "{memory: 1 GB}"),
        "limits.memory",
        9,
        "the local runner cannot enforce a memory limit; pool and process can",
    ),
    "output limit in this process": (
        (POOL, "{type: local}", LIMITS, "{output: 1 MB}"),
        "limits.output",
        9,
        "the local runner cannot enforce a limit of the output; pool and process can",
    ),
    "limit of the log in this process": (
        (POOL, "{type: local}", LIMITS, "{log: 1 MB}"),
        "limits.log",
        9,
        "the local runner cannot enforce a limit of the log; pool and process can",
    ),
    "grace in this process": ((POOL, "{type: local}", LIMITS, "{grace: 1}"), "limits.grace", 9, "cannot stop a trial"),
    # the rest
    "no rule": (("retry 1", "again"), "on_failure", 10, "must be fail, abort, penalty NUMBER, retry N"),
    "a number as a rule": (("retry 1", "3"), "on_failure", 10, "it must be a rule such as fail, abort, penalty 1000"),
    "a list of rules": (("retry 1", "[fail]"), "on_failure", 10, "it must be a rule such as fail"),
    "retry without a number": (("retry 1", "retry"), "on_failure", 10, "after retry comes how often, such as retry 2"),
    "negative retries": (("retry 1", "retry -1"), "on_failure", 10, "after retry comes how often"),
    "half a retry": (("retry 1", "retry 1.5"), "on_failure", 10, "after retry comes how often"),
    "absurd retries": (("retry 1", "retry 1000000"), "on_failure", 10, "from 0 to 1000, not 1000000"),
    "retry then nothing": (("retry 1", "retry 1 then"), "on_failure", 10, "one of the first three; not ''"),
    "retry then retry": (
        ("retry 1", "retry 1 then retry 2"),
        "on_failure",
        10,
        "one of the first three; not 'retry 2'",
    ),
    "retry and": (("retry 1", "retry 1 and abort"), "on_failure", 10, "retry N then one of the first three"),
    "penalty without a number": (("retry 1", "penalty"), "on_failure", 10, "must be fail, abort, penalty NUMBER"),
    "penalty a word": (("retry 1", "penalty high"), "on_failure", 10, "a penalty is a number, not 'high'"),
    "penalty with an underscore": (
        ("retry 1", "penalty 1_000"),
        "on_failure",
        10,
        "a penalty is a number, not '1_000'",
    ),
    "penalty in other digits": (("retry 1", "penalty \u0661"), "on_failure", 10, "a penalty is a number, not '\u0661'"),
    "penalty infinite": (("retry 1", "penalty inf"), "on_failure", 10, "a penalty must be a finite number, not inf"),
    "penalty NaN": (("retry 1", "penalty nan"), "on_failure", 10, "a penalty must be a finite number, not nan"),
    "unknown kind": (
        ("retry 1", "{crash: fail}"),
        "on_failure.crash",
        10,
        "did you mean 'crashed'? known are crashed,",
    ),
    "a rule where kinds are due": (("retry 1", "{retry: 1}"), "on_failure", 10, "other: {retry: ...} for every kind"),
    "rule of a kind": (("retry 1", "{lost: never}"), "on_failure.lost", 10, "must be fail, abort"),
    "rule of a kind a list": (("retry 1", "{lost: [1]}"), "on_failure.lost", 10, "it must be a rule such as"),
    "part of a rule": (("retry 1", "{lost: {retires: 2}}"), "on_failure.lost.retires", 10, "did you mean 'retry'?"),
    "retries of a rule": (
        ("retry 1", "{lost: {retry: -1}}"),
        "on_failure.lost.retry",
        10,
        "must be at least 0, not -1",
    ),
    "retries true": (("retry 1", "{lost: {retry: true}}"), "on_failure.lost.retry", 10, "a whole number, not true"),
    "backoff in months": (
        ("retry 1", "{lost: {retry: 1, backoff: 1 m}}"),
        "on_failure.lost.backoff",
        10,
        "units are ms, s, min, h and d",
    ),
    "backoff without retry": (("retry 1", "{lost: {backoff: 1 s}}"), "on_failure.lost", 10, "give retry too"),
    "longest below the first": (
        ("retry 1", "{lost: {retry: 1, backoff: 9 s, longest: 5 s}}"),
        "on_failure.lost",
        10,
        "longest is 5 s, less than the first wait of 9 s",
    ),
    "then what": (("retry 1", "{lost: {retry: 1, then: stop}}"), "on_failure.lost", 10, "must be fail, abort"),
    "then a number": (("retry 1", "{lost: {then: 5}}"), "on_failure.lost.then", 10, "it must be a text"),
    "penalty twice": (("retry 1", "{lost: {then: penalty 5, penalty: 6}}"), "on_failure.lost", 10, "is given twice"),
    "penalty and abort": (
        ("retry 1", "{lost: {then: abort, penalty: 6}}"),
        "on_failure.lost",
        10,
        "remove one of them",
    ),
    "penalty true": (
        ("retry 1", "{lost: {penalty: true}}"),
        "on_failure.lost.penalty",
        10,
        "a finite number, not true",
    ),
    "penalty of no objective": (
        ("retry 1", "{lost: {penalty: {z: 1}}}"),
        "on_failure.lost",
        10,
        "name each objective: y;",
    ),
    "penalty of an objective a text": (
        ("retry 1", "{lost: {penalty: {y: bad}}}"),
        "on_failure.lost.penalty",
        10,
        "the penalty of 'y' must be a finite number, not 'bad'",
    ),
    "one penalty for two objectives": (
        ("{y: minimize}", "{y: minimize, z: maximize}", "retry 1", "penalty 5"),
        "on_failure",
        10,
        "with 2 objectives a penalty names each: penalty: {y: 5, z: 5}",
    ),
    "no trials": (("trials: 50", "trials: 0"), "stop.trials", 13, "must be at least 1, not 0"),
    "trials a fraction": (("trials: 50", "trials: 5.5"), "stop.trials", 13, "a whole number, not 5.5"),
    "failure rate above one": (("failure_rate: 0.5", "failure_rate: 50"), "stop.failure_rate", 13, "at most 1, not 50"),
    "failure rate in percent": (
        ("failure_rate: 0.5", "failure_rate: 50%"),
        "stop.failure_rate",
        13,
        "must be a number",
    ),
    "failure rate NaN": (("failure_rate: 0.5", "failure_rate: .nan"), "stop.failure_rate", 13, "not nan"),
    "enqueue is a mapping": (("[{x1: 0, x2: 5}]", "{x1: 0, x2: 5}"), "enqueue", 12, "must be a list, not a mapping"),
    "enqueue a number": (("[{x1: 0, x2: 5}]", "[3]"), "enqueue[0]", 12, "must be a mapping, not 3"),
    "enqueue unknown parameter": (("x2: 5}", "x3: 5}"), "enqueue[0].x3", 12, "no such parameter; known are x1, x2"),
    "enqueue parameter missing": (("{x1: 0, x2: 5}", "{x1: 0}"), "enqueue[0].x2", 12, "it is missing in this point"),
    "enqueue outside": (("{x1: 0,", "{x1: 11,"), "enqueue[0].x1", 12, "outside the bounds"),
    "enqueue text": (("{x1: 0,", "{x1: zero,"), "enqueue[0].x1", 12, "must be a number, not 'zero'"),
    # YAML
    "object tag": (
        ("on_failure: retry 1", "on_failure: !!python/object/apply:os.system ['true']"),
        None,
        10,
        "constructs nothing",
    ),
    "other tag": (("name: branin", "name: !secret branin"), None, 1, "the tag '!secret' is not allowed"),
    "tag to remove": (("name: branin", "name: !x branin"), None, 1, "constructs nothing; remove it"),
    "standard tag": (("name: branin", "name: !!str branin"), None, 1, "is not allowed"),
    "unclosed list": (("[0, 15]", "[0, 15"), None, 5, "this is no valid YAML"),
    "unclosed quote": (('branin"}', "branin}"), None, 14, "this is no valid YAML"),
    "tab": (("  x1:", "\tx1:"), None, 4, "YAML indents with spaces"),
    "colon in a text": (("name: branin", "name: a: b"), None, 1, "need quotes"),
    "second document": (("on_failure: retry 1", "---\non_failure: retry 1"), None, 10, "a second document begins here"),
    "unknown alias": (("on_failure: retry 1", "on_failure: *nothing"), None, 10, "no anchor &nothing"),
    "alias of itself": (("enqueue: [", "enqueue: &a [*a, "), None, 12, "no anchor &a"),
    "nested too deep": (("on_failure: retry 1", "on_failure: " + "[" * 50 + "]" * 50), None, 10, "more than 20 deep"),
    "control character": (("name: branin", "name: bra\x07nin"), None, 1, "is not allowed in YAML"),
}


@pytest.mark.parametrize(("changes", "key", "line", "fragment"), CASES.values(), ids=CASES.keys())
def test_bad_input(folder, changes, key, line, fragment):
    text = GOOD
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text, old
        text = text.replace(old, new, 1)
    error = refused(folder, text)
    assert fragment in str(error)
    assert (error.key, error.line) == (key, line), str(error)


@pytest.mark.parametrize(
    ("text", "line", "fragment"),
    [
        (b"", None, "the file is empty"),
        (b"\n\n# nothing\n", None, "the file is empty"),
        (b"---\n...\n", None, "the file is empty"),
        (b"~\n", None, "the file is empty"),
        (b"- name: branin\n", 1, "is a mapping of keys"),
        (b"branin\n", 1, "is a mapping of keys"),
        (b"name: \xff\xfe\n", 1, "not UTF-8: byte 0xff"),
        (b"name: b\nseed: 1\nx: caf\xe9\n", 3, "not UTF-8: byte 0xe9"),
        ("name: branin\n".encode("utf-16"), 1, "not UTF-8"),
        (b"a\0b\n", 1, "not allowed in YAML"),
        (b"name: branin\n" * 100_000, None, "at most 1048576 bytes"),
        (b"[" * 100_000, 1, "more than 20 deep"),
        (b"? " * 100_000, 1, "a key must be a text"),
        (b"- " * 100_000, 1, "more than 20 deep"),
    ],
)
def test_files_that_are_no_experiment(folder, text, line, fragment):
    error = refused(folder, text)
    assert fragment in str(error)
    if line is not None:
        assert error.line == line


@pytest.mark.slow
def test_aliases_of_aliases_do_not_fill_the_memory(folder):
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    for before, letter in zip("abcdefghijk", "bcdefghijkl", strict=True):
        lines.append(f"{letter}: &{letter} [{', '.join([f'*{before}'] * 10)}]")
    assert "more than 200000 values" in str(refused(folder, "\n".join(lines)))


def test_a_folder(folder):
    with pytest.raises(ExperimentFileError, match="this is a folder"):
        load(folder)


def test_no_file(folder):
    with pytest.raises(ExperimentFileError, match=r"cannot be read \(No such file"):
        load(folder / "missing.yaml")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_no_possible_file(folder, name):
    with pytest.raises(ExperimentFileError, match="cannot be read") as caught:
        load(folder / name)
    assert len(str(caught.value)) < 1000


HUGE = "h" * 100_000


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("on_failure:", f"{HUGE}:"),
        ("  x1:", f"  {HUGE}:"),
        ("y: minimize", f"y: {HUGE}"),
        ("10 min", HUGE),
        ("10 min", f"10 {HUGE}"),
        ("type: pool", f"type: {HUGE}"),
        ("type: random", f"type: {HUGE}"),
        ("type: random", f"type: random, {HUGE}: 1"),
        ("type: random", f"type: optuna, sampler: {HUGE}"),
        ("bad_input_model:branin", HUGE),
        ("bad_input_model:branin", f"{HUGE}:branin"),
        ("bad_input_model:branin", f"bad_input_model:{HUGE}"),
        ("bad_input_model:branin", f"bad_input_model:every.{'a.' * 50_000}b"),
        ("[-5, 10]", f"[{HUGE}, 10]"),
        ("{x1: 0,", f"{{{HUGE}: 0,"),
        ("{x1: 0,", f"{{x1: {HUGE},"),
        (FUNCTION, f"{{command: [{HUGE}]}}"),
        (FUNCTION, f'{{command: [./sim.sh, "{{{HUGE}}}"]}}'),
        (FUNCTION, f'{{command: [./sim.sh], env: {{{HUGE}: "{{x9}}"}}}}'),
        ("on_failure: retry 1", f"on_failure: !{HUGE} 1"),
        ("on_failure: retry 1", f"on_failure: *{HUGE}"),
        ("name: branin", f"name: {HUGE}"),
    ],
    ids=lambda text: text[:20],
)
def test_a_message_stays_short(folder, old, new):
    assert old in GOOD
    refused(folder, GOOD.replace(old, new, 1))


def test_a_missing_extra_names_the_pip_command(folder, monkeypatch):
    from runwright import optimizers
    from runwright.errors import MissingExtraError

    def create(kind, **settings):
        raise MissingExtraError(f"the {kind} optimizer", kind)

    monkeypatch.setattr(optimizers, "create", create)
    error = refused(folder, GOOD.replace("type: random", "type: optuna"))
    assert "pip install 'runwright[optuna]'" in str(error)
    assert (error.key, error.line) == ("optimizer", 11)


def test_without_the_check_only_the_file_is_looked_at(folder):
    path = folder / "unchecked.yaml"
    path.write_text(GOOD.replace("bad_input_model:branin", "nowhere_at_all:f"))
    setup = load(path, check=False)
    assert setup.directory == folder / "runs" / "branin"
    with pytest.raises(ExperimentFileError, match="nowhere_at_all"):
        setup.runner()
