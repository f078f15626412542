"""Optimizers by kind, and the generic way back by asking again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from runwright import Experiment, Float, TrialStatus, UsageError, optimizers
from runwright.optimizer import Asked, Attached, Exhausted, Observation, Suggestion, feed, replay
from runwright.optimizers import OptunaOptimizer, RandomOptimizer, create, kinds


def test_kinds_are_made_by_name():
    assert create("random", seed=3).describe() == {"type": "random", "seed": 3}
    optimizer = create("optuna", sampler="qmc", options={"scramble": True})
    assert isinstance(optimizer, OptunaOptimizer)
    assert optimizer.describe() == {"type": "optuna", "sampler": "qmc", "seed": None, "options": {"scramble": True}}


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_kind_loads(kind):
    create(kind).setup(Experiment("e", {"x": Float(0, 1)}, {"y": "minimize"}))


NO_SETTING = (
    "the optimizer 'optuna' has no setting 'samplr'; known are options, rebuild_seconds, sampler, seed; "
    "did you mean 'sampler'?"
)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("optun", {}, "there is no optimizer 'optun'; known are ax, optuna, random, smac; did you mean 'optuna'?"),
        ("zzz", {}, "there is no optimizer 'zzz'; known are ax, optuna, random, smac"),
        ("random", {"sampler": "tpe"}, "the optimizer 'random' has no setting 'sampler'; known are seed"),
        (
            "optuna",
            {"samplr": "tpe"},
            NO_SETTING,
        ),
    ],
)
def test_what_there_is_not_is_said(kind, settings, message):
    with pytest.raises(UsageError) as caught:
        create(kind, **settings)
    assert str(caught.value) == message


def test_a_name_that_is_none_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'GridOptimizer'"):
        optimizers.GridOptimizer  # noqa: B018


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    """Install a distribution that brings optimizers."""
    metadata = tmp_path / "plugged-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[runwright.optimizers]\nmine = plugged_search:Mine\nrandom = plugged_search:Mine\n"
        "gone = plugged_search:Gone\nlost = no_such_module:X\n"
    )
    (tmp_path / "plugged_search.py").write_text(
        "class Mine:\n    def __init__(self, seed=None, **more):\n        self.seed, self.more = seed, more\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("plugged_search", None)


@pytest.mark.usefixtures("plug_in")
def test_plug_ins_come_by_entry_point():
    mine = create("mine", seed=5, width=2)
    assert (mine.seed, mine.more) == (5, {"width": 2})
    assert isinstance(create("random"), RandomOptimizer), "a built-in kind cannot be replaced"
    with pytest.raises(UsageError, match=r"the optimizer 'gone' cannot be loaded from plugged_search:Gone: .*Gone"):
        create("gone")
    with pytest.raises(UsageError, match=r"the optimizer 'lost' cannot be loaded from no_such_module:X: .*no_such_mod"):
        create("lost")


@pytest.mark.slow
def test_heavy_libraries_are_imported_when_an_optimizer_is_made():
    program = (
        "import sys, runwright.optimizers.optuna, runwright.optimizers as o; "
        "o.create('random'); assert not {'optuna', 'numpy', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


class Counter:
    """Proposes 0, 1, 2 ...; writes down what it hears; comes to an end."""

    rebuild = "replay"

    def __init__(self, end=100):
        self.end = end
        self.calls = []
        self.count = 0

    def ask(self, trial):
        if self.count == self.end:
            raise Exhausted
        self.calls.append(("ask", trial))
        self.count += 1
        return Suggestion({"x": self.count - 1})

    def attach(self, trial, suggestion):
        self.calls.append(("attach", trial, suggestion.parameters["x"]))

    def tell(self, observation):
        self.calls.append(("tell", observation.trial, observation.status))


DONE = TrialStatus.COMPLETED
HISTORY = [
    Asked(0, Suggestion({"x": 0})),
    Attached(1, Suggestion({"x": 77})),
    Asked(2, Suggestion({"x": 1})),
    Observation(1, {"x": 77}, DONE),
    Asked(3, Suggestion({"x": 2})),
]


def test_a_replay_makes_the_same_calls():
    optimizer = Counter()
    outcome = replay(optimizer, HISTORY, seconds=600)
    assert outcome.exact
    assert outcome.reason == "5 steps were asked and told again"
    assert optimizer.calls == [("ask", 0), ("attach", 1, 77), ("ask", 2), ("tell", 1, DONE), ("ask", 3)]


def test_a_difference_is_taken_back_and_the_rest_is_fed():
    optimizer = Counter()
    optimizer.count = 5
    outcome = replay(optimizer, HISTORY[2:], seconds=600)
    assert not outcome.exact
    assert "trial 2 came out differently" in outcome.reason
    assert optimizer.calls == [
        ("ask", 2),
        ("tell", 2, TrialStatus.STALE),
        ("attach", 2, 1),
        ("tell", 1, DONE),
        ("attach", 3, 2),
    ]


def test_a_search_that_ends_earlier_than_recorded_is_a_difference():
    optimizer = Counter(end=1)
    outcome = replay(optimizer, HISTORY, seconds=600)
    assert not outcome.exact
    assert "trial 2 came out differently" in outcome.reason
    assert optimizer.calls[2:] == [("attach", 2, 1), ("tell", 1, DONE), ("attach", 3, 2)]


def test_a_replay_without_time_feeds():
    optimizer = Counter()
    outcome = replay(optimizer, HISTORY, seconds=0)
    assert not outcome.exact
    assert outcome.reason == "asking again took longer than 0 s; from trial 0 on the history was fed"
    fed = Counter()
    feed(fed, HISTORY)
    assert optimizer.calls == fed.calls
