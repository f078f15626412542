"""The record of an end reaches the disk even where the room that was taken for it cannot be used."""

from __future__ import annotations

import errno
import os

import pytest

from runwright.process import record
from runwright.process.record import EXIT, ControlFolder, read_record


@pytest.mark.parametrize("name", ["pwrite", "ftruncate", "fsync", "rename"])
def test_an_end_is_recorded_after_an_error(tmp_path, monkeypatch, name):
    folder = ControlFolder(str(tmp_path))
    assert folder.claim()
    folder.begin({"pid": 1})
    real, calls = getattr(os, name), []

    def fails_once(*arguments, **keywords):
        calls.append(arguments)
        if len(calls) == 1:
            raise OSError(errno.EIO, "Input/output error")
        return real(*arguments, **keywords)

    monkeypatch.setattr(record.os, name, fails_once)
    folder.finish({"code": 7})
    folder.close()
    assert calls
    assert read_record(str(tmp_path), EXIT) == {"code": 7}
