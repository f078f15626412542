"""The commands that ask the driver for something, where no driver lives: stop, rerun, enqueue."""

from __future__ import annotations

import json

import pytest

from runwright import mailbox
from runwright.cli.points import ranges
from runwright.experiment import Choice, Float, Int


def bodies(run):
    return [request.body for request in mailbox.waiting(run.path)]


def test_there_is_nothing_to_stop_where_nothing_runs(call, made):
    run = made()
    run.running()
    assert "nothing runs in" in call("stop", run.path).stdout
    assert bodies(run) == []


def test_stop_of_a_trial_waits_for_the_next_driver(call, made):
    run = made()
    index = run.asked()
    out = call("stop", run.path, index, "--reason", "not needed").stdout
    assert out == "no driver lives; the next `runwright run` is asked to stop trial 0\n"
    assert bodies(run) == [{"kind": "stop", "reason": "not needed", "trial": 0}]


def test_a_trial_that_has_ended_is_not_stopped(refused, made):
    run = made()
    run.completed(0.5)
    assert refused("stop", run.path, 0) == "trial 0 has ended already: it is COMPLETED"
    assert bodies(run) == []


def test_rerun_takes_failed_and_abandoned_trials(call, made):
    run = made()
    run.failed()
    run.abandoned()
    out = call("rerun", run.path, 0, 1).stdout
    assert out.count("no driver lives; the next `runwright run` is asked to run trial") == 2
    assert bodies(run) == [{"kind": "rerun", "trial": 0}, {"kind": "rerun", "trial": 1}]


def test_rerun_of_a_completed_trial_says_how_to_evaluate_its_point_again(refused, made):
    run = made()
    run.failed()
    run.completed(0.5, kind="b")
    said = refused("rerun", run.path, 0, 1)
    assert said.startswith("trial 1 is COMPLETED and its result stands; enqueue its point as a new trial: runwright")
    assert said.endswith("x=0.5 n=2 kind=b")
    assert bodies(run) == []


def test_rerun_of_a_trial_that_has_not_ended_is_refused(refused, made):
    run = made()
    run.asked()
    assert refused("rerun", run.path, 0) == "trial 0 is CANDIDATE; only FAILED and ABANDONED trials are run again"


def test_enqueue_reads_words(call, made):
    run = made()
    out = call("enqueue", run.path, "x=0.25", "n=3", "kind=b").stdout
    assert out == "no driver lives; the next `runwright run` is asked to try 1 point\n"
    assert bodies(run) == [{"kind": "enqueue", "points": [{"x": 0.25, "n": 3, "kind": "b"}]}]


def test_enqueue_reads_a_file_and_standard_input(call, made, tmp_path):
    run = made()
    points = [{"x": 0.25, "n": 3, "kind": "b"}, {"x": 0.5, "n": 4, "kind": "a"}]
    file = tmp_path / "points.json"
    file.write_text(json.dumps(points))
    assert "try 2 points" in call("enqueue", run.path, "--file", file).stdout
    assert "try 1 point" in call("enqueue", run.path, "--file", "-", input=json.dumps(points[0])).stdout
    file.write_text(json.dumps(points[1]), "utf-8-sig")  # as editors of another system write it
    call("enqueue", run.path, "--file", file)
    call("enqueue", run.path, "--file", "-", input=file.read_bytes())
    assert [body["points"] for body in bodies(run)] == [points, points[:1], points[1:], points[1:]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say the point as NAME=VALUE words, or the points with --file FILE"),
        (("x=1", "--file", "f"), "say the point as NAME=VALUE words, or the points with --file FILE"),
        (("x=2", "n=3", "kind=a"), "parameter 'x': the value 2.0 is outside the bounds [0.0, 1.0]"),
        (("x=nan", "n=3", "kind=a"), "parameter 'x': the value must be finite, not nan"),
        (("x=one", "n=3", "kind=a"), "parameter 'x' must be a number, not 'one'"),
        (("x=1", "n=3.5", "kind=a"), "parameter 'n' must be an integer, not '3.5'"),
        (("x=1", "n=3", "kind=c"), "parameter 'kind' is one of a, b, not 'c'"),
        (("x=1", "n=3"), "parameter 'kind' is missing in this point, and it has no default"),
        (("x=1", "x=1"), "parameter 'x' is given twice"),
        (("z=1",), "'z=1' is no NAME=VALUE of a parameter; there are: x, n, kind"),
        (("\x1b[2J",), "'\\x1b[2J' is no NAME=VALUE of a parameter; there are: x, n, kind"),
    ],
)
def test_a_point_that_is_none_gets_a_sentence_and_nothing_is_posted(refused, made, words, said):
    run = made()
    assert refused("enqueue", run.path, *words) == said
    assert bodies(run) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"\xff", "is no JSON in UTF-8"),
        (b"{", "is no JSON in UTF-8"),
        (b"[]", "must be a list of points"),
        (b"[1]", "must be a list of points"),
        (b"[" * 100_000, "is nested too deep; it must be a list of points"),
        (b'[{"x": 0.5, "n": 1, "kind": "a", "x": 0.6}]', "points.json: 'x' stands twice in one object; remove one"),
        (b'[{"x": 0.5, "n": 1, "kind": "a"}, {"x": 9, "n": 1, "kind": "a"}]', "point 1: parameter 'x': the value 9"),
    ],
)
def test_a_file_of_points_that_is_none_gets_a_sentence(refused, made, tmp_path, text, said):
    run = made()
    file = tmp_path / "points.json"
    if text is not None:
        file.write_bytes(text)
    assert said in refused("enqueue", run.path, "--file", file)
    assert bodies(run) == []


def test_values_of_a_choice_are_found_by_their_text(made, call, tmp_path):
    from runwright.cli.points import from_words
    from runwright.experiment import Experiment

    parameters = {
        "flag": Choice([True, False]),
        "size": Choice([1, 16]),
        "rate": Choice([0.1, 1.0]),
        "a=b": Choice(["x=y", ""]),
        "a": Int(0, 5),
    }
    experiment = Experiment("choices", parameters)
    found = from_words(experiment, ["flag=true", "size=16", "rate=1", "a=b=x=y", "a=3"])
    assert experiment.validate(found) == {"flag": True, "size": 16, "rate": 1.0, "a=b": "x=y", "a": 3}
    assert from_words(experiment, ["a=b="]) == {"a=b": ""}
    assert ranges(parameters["flag"]) == "True, False"
    assert ranges(Float(0.001, 10, log=True)) == "0.001 to 10, log scale"


def test_a_directory_that_cannot_take_requests_gets_a_sentence(refused, made):
    run = made()
    (run.path / "requests").write_text("in the way")
    assert "no request can be left here" in refused("enqueue", run.path, "x=0.25", "n=3", "kind=b")
