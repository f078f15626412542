"""A run directory that was moved is gone on with when nothing lives in it, and refused while a trial does."""

from __future__ import annotations

import pytest

from runwright.errors import UsageError
from runwright.runner import Following
from tests.process.conftest import Driver

pytestmark = pytest.mark.slow


def moved(driver, folder):
    """Let one driver deploy a trial, move the directory, and open it as another driver does."""
    first = driver.open(["sh", "-c", "sleep 20"])
    trial = driver.trial()
    first.run(trial)
    there = folder.rename(folder.with_name("there"))
    second = Driver(there)
    return first, trial, second, second.open(["sh", "-c", "sleep 20"])


def test_a_trial_that_lives_is_not_followed_elsewhere(driver, folder):
    first, trial, second, runner = moved(driver, folder)
    with pytest.raises(UsageError, match="was moved while trial 0 runs in it; move it back") as caught:
        runner.reattach([trial])
    assert str(folder / "trials" / "0" / "1") in str(caught.value)
    first.stop(trial)
    first.wait(None, driver.waker)
    assert trial.index in runner.reattach([trial]), "it has ended: that can be taken in anywhere"
    second.close()


def test_the_same_directory_by_a_link_is_no_other_one(driver, folder):
    first = driver.open(["sh", "-c", "sleep 20"])
    trial = driver.trial()
    first.run(trial)
    link = folder.with_name("link")
    link.symlink_to(folder)
    second = Driver(link)
    runner = second.open(["sh", "-c", "sleep 20"])
    assert isinstance(runner.reattach([trial])[0], Following)
    runner.stop(trial)
    first.wait(None, driver.waker)
    second.close()


def test_a_run_directory_that_is_gone_is_not_made_anew(driver, folder):
    """A driver that did would go on in two places."""
    runner = driver.open(["sh", "-c", "true"])
    folder.rename(folder.with_name("there"))
    with pytest.raises(FileNotFoundError):
        runner.run(driver.trial())
    with pytest.raises(FileNotFoundError):
        runner.reattach([driver.trial(1)])
    assert not folder.exists()
