"""The working folder, as the supervisor makes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runwright.process import work
from runwright.process.adoption import Adopted, fence, restart_rule
from runwright.process.record import STARTED

FILES = {"parameters.json": {"x": 0.1 + 0.2, "name": "é 'quoted'"}, "trial.json": {"trial": 3, "budget": None}}


def work_of(run_directory: Path) -> dict:
    folder = run_directory / "trials/3/1"
    return {"folder": str(folder), "below": str(run_directory), "files": FILES, "result": "result.json"}


def test_a_folder_is_made_with_what_the_program_reads(tmp_path):
    work.prepare(work_of(tmp_path))
    folder = tmp_path / "trials/3/1"
    assert {path.name: json.loads(path.read_text("utf-8")) for path in folder.iterdir()} == FILES
    assert "é" in (folder / "parameters.json").read_text("utf-8")


def test_a_folder_that_is_there_loses_its_result_and_nothing_else(tmp_path):
    folder = tmp_path / "trials/3/1"
    folder.mkdir(parents=True)
    for name in ("result.json", "mine", "trial.json"):
        (folder / name).write_text("from before, and longer than what is written now" * 9)
    work.prepare(work_of(tmp_path))
    assert {path.name for path in folder.iterdir()} == {"mine", *FILES}
    assert json.loads((folder / "trial.json").read_text()) == FILES["trial.json"]


def test_a_result_that_cannot_be_removed_is_said_by_its_place_in_the_run_directory(tmp_path):
    (tmp_path / "trials/3/1/result.json").mkdir(parents=True)
    with pytest.raises(OSError, match=r"^trials/3/1/result\.json is there before the trial ran, and cannot"):
        work.prepare(work_of(tmp_path))


def test_a_run_directory_that_is_gone_is_not_made_anew(tmp_path):
    with pytest.raises(FileNotFoundError):
        work.prepare(work_of(tmp_path / "gone"))
    assert not (tmp_path / "gone").exists()


def test_what_the_program_reads_is_there_before_the_start_is_recorded(bench):
    request = bench.request("cat parameters.json")
    request["work"] = {**work_of(bench.folder), "folder": request["cwd"]}
    bench.launch(request)
    bench.record(request)
    assert json.loads(bench.text(request)) == FILES["parameters.json"]
    started = Path(request["control"], STARTED).stat().st_mtime_ns
    assert max(Path(request["cwd"], name).stat().st_mtime_ns for name in FILES) <= started


def test_who_does_not_get_the_attempt_writes_nothing(bench):
    """Of two requests for an attempt only the one with the lock touches the folder of the program."""
    request = bench.request("while [ ! -e ../go ]; do sleep 0.01; done")
    assert bench.launch(request)["event"] == "started"
    late = {**request, "work": {**work_of(bench.folder), "folder": request["cwd"]}}
    (Path(request["cwd"]) / "result.json").write_text("{}")
    assert bench.launch(late)["event"] == "claimed"
    found = restart_rule(request["control"])
    assert isinstance(found, Adopted)
    found.process.close()
    assert {path.name for path in Path(request["cwd"]).iterdir()} == {"result.json", "stdout.log", "stderr.log"}
    Path(request["cwd"], "../go").touch()
    bench.record(request)


def test_a_fenced_attempt_gets_no_folder(bench):
    request = bench.request("exit 0")
    assert fence(request["control"])
    folder = bench.folder / "trials/9/1"
    request["work"] = {**work_of(bench.folder), "folder": str(folder)}
    assert bench.launch(request)["event"] == "claimed"
    assert not folder.exists()
