"""Trees that no killing one by one ends: processes that multiply, and such that bring each other back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runwright.process import felling
from runwright.process.linux import descendants

SWIFT = Path(__file__).parents[1] / "torture" / "swift.c"
PAIRS = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def watch():
    os.setsid()
    while True:
        mine, its = os.pipe()
        other, ours = os.pipe()
        if os.fork() == 0:
            os.setsid()
            os.close(mine); os.close(ours)
            os.read(other, 1)
            os.close(other); os.close(its)
        else:
            os.close(its); os.close(other)
            os.read(mine, 1)
            os.close(mine); os.close(ours)
        open("reborn", "a").close()
for _ in range(12):
    if os.fork() == 0:
        watch()
open("grown", "x").close()
signal.pause()
"""


def test_who_brings_each_other_back_does_not_see_the_other_die(bench, happens):
    request = bench.request(argv=[sys.executable, "-S", "-c", PAIRS], grace=0.05)
    answer = bench.launch(request)
    happens(Path(request["cwd"], "grown").exists, "the first process of each pair")
    happens(lambda: len(descendants(answer["pid"])) == 25, "the second process of each pair")
    os.kill(answer["pid"], 15)
    assert bench.record(request)["signal"] == 9
    assert not Path(request["cwd"], "reborn").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be a user whose number of processes is limited")
@pytest.mark.skipif(shutil.which("cc") is None, reason="an interpreter does not multiply fast enough; needs a compiler")
def test_who_multiplies_as_fast_as_it_is_killed_is_ended(bench, happens, tmp_path):
    program = tmp_path / "swift"
    subprocess.run(["cc", "-O2", "-o", str(program), str(SWIFT)], check=True)
    request = bench.request(argv=[str(program), "flood", "150"], grace=0.05)
    answer = bench.launch(request)
    happens(lambda: len(descendants(answer["pid"])) >= 140, "the flood")
    os.kill(answer["pid"], 15)
    record = bench.record(request)
    assert record["signal"] == 9
    # One by one it took thousands of them, for as long as they lived.
    assert record["leftovers"] < 1000


def test_a_stranger_under_a_pid_of_the_tree_is_left_alone():
    """A process that is no child of the family is not signalled: its pid was another one's when it was found."""
    stranger = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert not felling._signal(stranger.pid, 9, {1}, direct=False)
        assert stranger.poll() is None
        assert felling._signal(stranger.pid, 9, {os.getpid()}, direct=False)
        assert stranger.wait() == -9
    finally:
        stranger.kill()
        stranger.communicate()
