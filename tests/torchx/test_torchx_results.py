"""Results below a tracker base: two layouts, local folders and URLs."""

from __future__ import annotations

import json
import os

import fsspec
import pytest
from torchx.runtime.tracking import FsspecResultTracker

import runwright as rw
from runwright.errors import InvalidResultError, UsageError
from runwright.runners import torchx_results
from runwright.runners.torchx_results import TrackedResults

EXPERIMENT = rw.Experiment("e", {"x": rw.Float(0, 9)}, {"y": "minimize"})


@pytest.fixture(params=["folder", "folder with a slash", "file URL", "memory URL"])
def base(request, tmp_path):
    places = {
        "folder": str(tmp_path),
        "folder with a slash": f"{tmp_path}/",
        "file URL": f"file://{tmp_path}",
        "memory URL": f"memory://{tmp_path}",
    }
    return places[request.param]


def trial(index=3):
    return EXPERIMENT.new_trial(index, [{"x": 1.0}])


def write(base, name, text):
    files, root = fsspec.core.url_to_fs(base)
    path = f"{root.rstrip('/')}/{name}"
    files.makedirs(path.rpartition("/")[0], exist_ok=True)
    files.pipe_file(path, text.encode())


def read(base, stale=None):
    return TrackedResults(base).read(trial(), stale or {})


def test_result_json(base):
    write(base, "3/result.json", '{"y": 0.5, "extra": 2, "remark": "fine"}')
    result = read(base)
    assert result.arms == {"3_0": {"y": (0.5, None), "extra": (2.0, None)}}
    assert result.additional_info == {"remark": "fine"}


def test_what_torchx_own_tracker_writes(base):
    FsspecResultTracker(base)["3"] = {"y": 0.5, "l2norm": 1.2}
    assert read(base).metrics == {"y": (0.5, None), "l2norm": (1.2, None)}


@pytest.mark.parametrize(
    ("body", "measured"),
    [
        ({"y": {"mean": 0.5, "sem": 0.1}}, {"y": (0.5, 0.1)}),
        ({"y": [0.5, 0.1]}, {"y": (0.5, 0.1)}),
        ({"y/mean": 0.5, "y/sem": 0.1}, {"y": (0.5, 0.1)}),
        ({"y/mean": 0.5}, {"y": (0.5, None)}),
        ({"y": 1, "z/sem": 0.25, "/mean": 1}, {"y": (1.0, None), "z/sem": (0.25, None), "": (1.0, None)}),
    ],
)
def test_means_and_standard_errors(tmp_path, body, measured):
    write(str(tmp_path), "3/result.json", json.dumps(body))
    assert read(str(tmp_path)).metrics == measured


def test_nothing_is_there(base):
    results = TrackedResults(base)
    assert not results.exist(trial(), {})
    shown = base.rstrip("/")
    with pytest.raises(InvalidResultError) as caught:
        read(base)
    assert str(caught.value) == (
        f"it ended well, but wrote no result: there is neither {shown}/3/result.json nor {shown}/3"
    )


def test_what_was_there_before_is_no_result_and_the_same_content_anew_is(base):
    write(base, "3", '{"y": 0.5}')
    results = TrackedResults(base)
    stale = results.marks(trial())
    assert len(stale) == 1
    assert not results.exist(trial(), stale)
    with pytest.raises(InvalidResultError, match=r"it ended well, but wrote no result: .*/3 was there before it"):
        results.read(trial(), stale)
    while results.marks(trial()) == stale:  # a file system's clock ticks; the next write is another one
        write(base, "3", '{"y": 0.5}')
    assert results.exist(trial(), stale)
    assert results.read(trial(), stale).metrics == {"y": (0.5, None)}


def test_a_folder_is_no_result(tmp_path):
    (tmp_path / "3" / "result.json").mkdir(parents=True)
    assert not TrackedResults(str(tmp_path)).exist(trial(), {})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no valid JSON"),
        ('{"y": 0.', "is no valid JSON"),
        ("[" * 100_000, "is no valid JSON"),
        ("\xff", "is no valid JSON"),
        ("[1]", 'it must hold an object such as {"y": 0.5}, not list'),
        ("{}", "the objective 'y' is missing"),
        ('{"y": "text"}', "the metric 'y' is the text 'text'; a number is needed"),
        ('{"y": NaN}', "the metric 'y' is nan"),
        ('{"y/mean": 1, "y/sem": -1}', r"the standard error \(sem\) of the metric 'y' is negative"),
    ],
)
def test_what_is_no_result(tmp_path, text, sentence):
    place = tmp_path / "3"
    place.mkdir()
    (place / "result.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidResultError, match=f"^{tmp_path}/3/result.json:? .*{sentence}"):
        read(str(tmp_path))


def test_more_than_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(torchx_results, "LARGEST_RESULT", 10)
    write(str(tmp_path), "3", '{"y": 0.123456789}')
    with pytest.raises(InvalidResultError, match="3 has 18 bytes; 10 are allowed"):
        read(str(tmp_path))


def test_a_relative_base_is_that_of_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = TrackedResults("out")
    write(str(tmp_path), "out/3/result.json", '{"y": 1}')
    monkeypatch.chdir(os.sep)
    assert results.read(trial(), {}).metrics == {"y": (1.0, None)}


@pytest.mark.parametrize(
    ("base", "sentence"),
    [
        ("nowhere://x", "the tracker base 'nowhere://x' cannot be used: Protocol not known: nowhere"),
        ("sftp://host/x", "the tracker base 'sftp://host/x' cannot be used: .*paramiko"),
    ],
)
def test_a_base_that_cannot_be_used(base, sentence):
    with pytest.raises(UsageError, match=sentence):
        TrackedResults(base)
