"""Placeholders, programs and the environment of a command."""

from __future__ import annotations

import pytest

import runwright as rw
from runwright.errors import SubmitError
from runwright.process.command import Command, Template, find_program

EXPERIMENT = rw.Experiment(
    "ex",
    {"x": rw.Float(0, 1e9), "n": rw.Int(0, 9), "kind": rw.Choice(["a"]), "flag": rw.Choice([True, False])},
    {"y": "minimize"},
)
VALUES = {"x": 0.1, "n": 3, "kind": "a", "flag": True, "trial": 7, "here": "/h", "budget": None}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("", ""),
        ("plain", "plain"),
        ("--x={x}", "--x=0.1"),
        ("{n}{n}", "33"),
        ("{flag}", "true"),
        ("{{x}}", "{x}"),
        ("{{{x}}}", "{0.1}"),
        ('{{"a": {n}}}', '{"a": 3}'),
        ("$x `x` ; rm -rf *", "$x `x` ; rm -rf *"),
    ],
)
def test_placeholders_are_filled(text, filled):
    assert Template(text).fill(VALUES) == filled


@pytest.mark.parametrize(
    "value", ["a b", " ", "", "'", '"', "a\nb", "-x", "--", "é ü 日本", "$HOME", "`id`", "{n}", "*", "\\", "a\tb"]
)
def test_a_value_is_one_argument_as_it_is(value):
    command = Command(["echo", "{kind}", "--k={kind}"], {})
    command.check(EXPERIMENT, "/")
    assert command.arguments({**VALUES, "kind": value})[1:] == [value, f"--k={value}"]


@pytest.mark.parametrize("number", [0.1, 1e-300, 123456789.12345678, 1 / 3])
def test_numbers_keep_their_full_precision(number):
    assert float(Template("{x}").fill({"x": number})) == number


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{x9}", "{x9} in '{x9}' is no parameter; known are {x}, {n}"),
        ("{}", "{} in '{}' is no parameter"),
        ("a{", "has a single '{'; a literal brace is written twice"),
        ("a}", "has a single '}'; a literal brace is written twice"),
    ],
)
def test_a_wrong_placeholder_is_refused(text, sentence):
    with pytest.raises(rw.UsageError) as error:
        Command(["echo", text], {}).check(EXPERIMENT, "/")
    assert sentence in str(error.value)


def test_a_placeholder_that_means_two_things_is_refused():
    experiment = rw.Experiment("ex", {"seed": rw.Float(0, 1)}, {"y": "minimize"})
    Command(["echo"], {}).check(experiment, "/")
    with pytest.raises(rw.UsageError, match="is a parameter and also the seed of the run"):
        Command(["echo", "{seed}"], {}).check(experiment, "/")


@pytest.mark.parametrize("argv", [[], [""], [" "], "echo {x}", ["echo", 3], [None]])
def test_a_command_is_a_list_of_texts(argv):
    with pytest.raises(rw.UsageError):
        Command(argv, {})


def test_a_value_that_the_trial_has_not_is_said():
    command = Command(["echo", "{budget}"], {})
    command.check(EXPERIMENT, "/")
    with pytest.raises(SubmitError, match=r"asks for \{budget\}, but this trial has no budget"):
        command.arguments(VALUES)


def test_a_null_character_cannot_be_an_argument():
    with pytest.raises(SubmitError, match="null character"):
        Command(["echo", "{kind}"], {}).arguments({**VALUES, "kind": "a\0b"})


def test_the_program_is_found_on_the_path_or_from_here(tmp_path):
    (tmp_path / "sim").write_text("#!/bin/sh\n")
    with pytest.raises(rw.UsageError, match=r"cannot be executed; allow it with: chmod \+x"):
        find_program("./sim", str(tmp_path), None)
    (tmp_path / "sim").chmod(0o755)
    assert find_program("./sim", str(tmp_path), None) == str(tmp_path / "sim")
    assert find_program(str(tmp_path / "sim"), "/", None) == str(tmp_path / "sim")
    assert find_program("sim", "/", str(tmp_path)) == str(tmp_path / "sim")
    for program, sentence in [("sim", "is not on PATH"), ("./no", "does not exist"), ("../", "is a folder")]:
        with pytest.raises(rw.UsageError, match=sentence):
            find_program(program, str(tmp_path), "/nowhere")


def test_here_may_stand_in_the_program_and_a_parameter_too(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    command = Command(["{here}/a"], {})
    command.check(EXPERIMENT, str(tmp_path))
    assert command.arguments({**VALUES, "here": str(tmp_path)}) == [str(tmp_path / "a")]
    command = Command(["./{kind}"], {})
    command.check(EXPERIMENT, str(tmp_path))
    assert command.arguments({**VALUES, "kind": "b", "here": str(tmp_path)}) == [str(tmp_path / "b")]
    with pytest.raises(SubmitError, match="does not exist"):
        command.arguments({**VALUES, "kind": "c", "here": str(tmp_path)})


def test_the_path_of_the_trial_finds_the_program(tmp_path):
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)
    command = Command(["tool"], {"PATH": "{here}"})
    command.check(EXPERIMENT, str(tmp_path))
    assert command.arguments({**VALUES, "here": str(tmp_path)}) == [str(tmp_path / "tool")]


def test_the_environment_is_the_trials_and_what_is_added():
    command = Command(["echo"], {"GPU": "{n}", "A": "new"})
    own = {"RUNWRIGHT_TRIAL": "7", "A": "old"}
    assert command.environment(VALUES, own) == {"A": "new", "RUNWRIGHT_TRIAL": "7", "GPU": "3"}
    assert own == {"RUNWRIGHT_TRIAL": "7", "A": "old"}
