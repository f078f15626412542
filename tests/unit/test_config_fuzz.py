"""Whatever stands in a file, it loads, or it is refused by one short sentence; nothing else ever comes out."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runwright.config import load
from runwright.errors import UsageError

GOOD = """\
name: fuzzed
seed: 3
parameters:
  x1: {type: float, bounds: [1e-3, 10], log: true, default: 1}
  x2: {type: int, bounds: [0, 15]}
  c: {type: choice, values: [a, b]}
objectives: {y: minimize}
evaluate:
  command: [/bin/true, --x1, "{x1}"]
  env: {A: "{x2}"}
  result: {from: stdout, pattern: 'y = (\\S+)'}
runner: {type: process, parallel: 2}
limits: {timeout: 10 min, memory: 2 GiB}
on_failure: retry 1
optimizer: {type: random, seed: 7}
enqueue: [{x1: 1, x2: 5, c: a}]
stop: {trials: 50, failure_rate: 0.5}
"""
KEYS = sorted(
    {*yaml.safe_load(GOOD), "x1", "type", "bounds", "values", "default", "log", "function", "from", "<<", "y"}
)
WORDS = ["null", "yes", "007", "1e999", ".nan", "[", "]", "{", "}", "*a", "&a ", "!!str ", ": ", "- ", "\n  ", "'", '"',
         "#", "|\n", ">\n", "\t", "---\n", "...\n", "%YAML 1.1\n", "? ", "\\", "\x85", "\u2028", "\ufeff", "9" * 400,
         "process", "pool", "local", "simulated", "optuna", "{x1}", "{{", "-1", "0", "1.5", "GiB", "true"]  # fmt: skip
ROUNDS = 300
FUZZ = settings(
    max_examples=ROUNDS, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
)


def loads_or_is_refused(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "experiment.yaml")
        path.write_bytes(text)
        try:
            load(path)
        except UsageError as error:
            said = str(error)
            assert len(said) < 1000, said
            assert said.isprintable(), said
            assert said.startswith(str(path)), said


@pytest.mark.slow
@FUZZ
@given(st.randoms(use_true_random=False), st.integers(1, 5))
def test_bytes_that_are_lost_changed_or_added(dice, edits):
    text = bytearray(GOOD.encode())
    for _ in range(edits):
        at = dice.randrange(len(text))
        until = at + dice.choice([0, 0, 1, 1, 2, 10, 50])
        new = dice.choice([b"", bytes([dice.randrange(256)]), dice.choice(WORDS).encode(), dice.choice(KEYS).encode()])
        text[at:until] = new
    loads_or_is_refused(bytes(text))


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from([word for word in WORDS if word.strip()] + KEYS),
        st.dates(),
        st.binary(max_size=5),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner),
    max_leaves=10,
)


@pytest.mark.slow
@FUZZ
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=10), VALUES))
def test_any_yaml(tree):
    loads_or_is_refused(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


def places(tree, path=()):
    """Return where a tree can be changed."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


PLACES = list(places(yaml.safe_load(GOOD)))


@pytest.mark.slow
@FUZZ
@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3))
def test_a_good_file_with_other_values(changes):
    tree = yaml.safe_load(GOOD)
    for place, value in changes:
        inner = tree
        try:
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
        except (TypeError, KeyError, IndexError):
            continue  # an earlier change has taken the place away
    loads_or_is_refused(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))
