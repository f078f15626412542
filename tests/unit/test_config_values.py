"""Units, scalars, and what else has a rule of its own in an experiment file."""

from __future__ import annotations

import math

import pytest

from runwright.config.scalars import AmbiguousError, resolve
from runwright.config.units import duration, size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (90, 90.0),
        (0.25, 0.25),
        ("90", 90.0),
        ("90 s", 90.0),
        ("90s", 90.0),
        ("250 ms", 0.25),
        ("10 min", 600.0),
        ("10min", 600.0),
        ("1 minute", 60.0),
        ("1.5 h", 5400.0),
        (".5 h", 1800.0),
        ("2. hours", 7200.0),
        (" 2 Days ", 172800.0),
        ("100 d", 8640000.0),
    ],
)
def test_durations(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "s", "-1 s", "1 m", "1 month", "1:30", "1 h 30 min", "1e3 s", "ten s", "1,5 h", 0, -1, math.nan, math.inf,
     True, None, [], "0 s", "40000 d", "1 µs", "1_0 s", "\u0661 s"],
)  # fmt: skip
def test_no_durations(text):
    with pytest.raises(ValueError, match=r"duration|unit"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (1048576, 2**20),
        ("1048576", 2**20),
        ("1048576 B", 2**20),
        ("1 kB", 1000),
        ("1 KiB", 1024),
        ("500 MB", 500_000_000),
        ("500mb", 500_000_000),
        ("2 GiB", 2**31),
        ("1.5 GiB", 3 * 2**29),
        ("1 TB", 10**12),
        ("1 TiB", 2**40),
    ],
)
def test_sizes(text, count):
    assert size(text) == count
    assert type(size(text)) is int


@pytest.mark.parametrize(
    "text", ["", "GiB", "1 G", "1 gigs", "-1 MB", 0, -1, 0.5, math.nan, False, None, "1e9", "1 PiB"]
)
def test_no_sizes(text):
    with pytest.raises(ValueError, match=r"size|unit"):
        size(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-5", -5),
        ("+5", 5),
        ("0", 0),
        ("-0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e-3", 0.001),
        ("1e3", 1000.0),
        ("1.0E+3", 1000.0),
        ("-1e-5", -1e-5),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("inf", "inf"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("y", "y"),
        ("n", "n"),
        ("a b", "a b"),
        ("1.2.3", "1.2.3"),
        ("1e", "1e"),
        ("0b11", "0b11"),
        ("10 min", "10 min"),
        ("\u0661", "\u0661"),
    ],
)
def test_scalars(text, value):
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number():
    assert math.isnan(resolve(".nan"))


@pytest.mark.parametrize("text", ["yes", "No", "ON", "off", "007", "-010", "1_000", "0_1", "1_0.5"])
def test_scalars_that_readers_of_yaml_do_not_agree_on(text):
    with pytest.raises(AmbiguousError, match="quote texts"):
        resolve(text)


@pytest.mark.parametrize("text", ["9" * 301, "-" + "9" * 100_000, "0x" + "f" * 400])
def test_a_number_that_nothing_can_hold(text):
    with pytest.raises(ValueError, match="no program can hold it") as caught:
        resolve(text)
    assert len(str(caught.value)) < 200
