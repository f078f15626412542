"""One evaluation while the first lives: what a runner says of its places, its attempts and those of other drivers."""

from __future__ import annotations

from pathlib import Path

from runwright.process.adoption import fence, restart_rule
from runwright.process.record import ControlFolder
from tests.process.conftest import alive, wait_for


def test_a_trial_that_has_ended_keeps_its_worker_until_a_poll_has_said_so(driver):
    """A point that is asked for in between would be asked for without a result that is already there."""
    runner = driver.open(["sh", "-c", "echo '{{\"y\": 1}}' > result.json"])
    trial = driver.trial()
    pid = runner.run(trial)["pid"]
    wait_for(lambda: not alive(pid), "the end of the supervisor")
    assert runner.poll_available_capacity() == 0
    driver.finish(runner, trial)
    assert runner.poll_available_capacity() == 1


def test_what_a_writer_that_was_killed_left_in_a_control_folder_is_used_up(folder):
    """A supervisor, or a driver that fences, may die between writing a record aside and putting it in its place."""
    Path(folder, ".started.tmp").write_text("half a rec")
    assert fence(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "started"]
    assert getattr(restart_rule(folder), "fenced", False)
    control = ControlFolder(str(folder))
    assert not control.claim()
    control.close()
