"""What a runner is, before it runs anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from runwright.errors import UsageError
from runwright.runner import Runner, Traits
from runwright.testing.runners.driver import Driver
from runwright.testing.runners.fixtures import RunnerFixtures

if TYPE_CHECKING:
    from collections.abc import Callable

    from runwright.experiment import Experiment
    from runwright.testing.runners.fixtures import OpenDriver
    from runwright.testing.runners.work import Work

_LIMITS = frozenset({"timeout", "memory", "output"})
_LONGEST_SENTENCE = 2000


def check_sentence(text: object) -> None:
    """Check that a text is one sentence for a person."""
    assert isinstance(text, str), f"a sentence must be a text, not {text!r}"
    assert text.strip(), "the sentence is empty"
    assert "\n" not in text.strip(), f"one sentence, not several lines: {text!r}"
    assert len(text) <= _LONGEST_SENTENCE, f"a sentence of {len(text)} characters"


class RunnerIdentity(RunnerFixtures):
    """Traits, facts, description, copies."""

    def test_it_is_a_runner_that_declares_its_traits(self, make_runner: Callable[[], Runner], traits: Traits) -> None:
        """The traits are of the right kind, and those that are expected."""
        runner = make_runner()
        assert isinstance(runner, Runner)
        assert runner.traits == traits
        assert runner.traits.enforces <= _LIMITS
        assert not (runner.traits.survives_driver and runner.traits.inline), "an inline evaluation dies with the driver"

    def test_its_description_is_json_and_builds_it_again(self, make_runner: Callable[[], Runner]) -> None:
        """`to_dict` and `from_dict`, `serialize_init_args` and `deserialize_init_args` go round."""
        runner = make_runner()
        if not self.saves:
            pytest.skip("it cannot be saved")
        arguments = runner.serialize_init_args(runner)
        assert json.loads(json.dumps(arguments, allow_nan=False)) == arguments
        body = runner.to_dict()
        assert json.loads(json.dumps(body, allow_nan=False)) == body
        again = Runner.from_dict(json.loads(json.dumps(body)))
        assert type(again) is type(runner)
        assert again == runner
        assert type(runner)(**type(runner).deserialize_init_args(json.loads(json.dumps(arguments)))) == runner

    def test_a_clone_is_an_equal_runner_and_another_one(self, make_runner: Callable[[], Runner]) -> None:
        """A clone shares nothing but its arguments."""
        if not self.saves:
            pytest.skip("it cannot be saved")
        runner = make_runner()
        clone = runner.clone()
        assert clone is not runner
        assert type(clone) is type(runner)
        assert clone == runner
        assert clone.traits == runner.traits
        clone.close()

    def test_what_cannot_be_saved_says_so(self, make_runner: Callable[[], Runner]) -> None:
        """A description that would not build it again is refused by a sentence."""
        if self.saves:
            pytest.skip("it can be saved")
        runner = make_runner()
        with pytest.raises(UsageError) as caught:
            runner.to_dict()
        check_sentence(str(caught.value))

    def test_equality(self, make_runner: Callable[[], Runner]) -> None:
        """The same arguments make equal runners; nothing else equals a runner; it can be a key."""
        runner = make_runner()
        assert runner == runner  # noqa: PLR0124  (it is what is tested)
        if self.saves:
            assert runner == make_runner()
        assert runner != object()
        assert runner != "runner"
        assert {runner: 1}[runner] == 1

    def test_its_facts_are_json_and_stay(
        self, make_runner: Callable[[], Runner], drive: OpenDriver, work: Work
    ) -> None:
        """`meta` is the same before and after a trial, and in another runner of the same arguments."""
        driver = drive()
        before = driver.runner.meta
        assert json.loads(json.dumps(before, allow_nan=False)) == before
        driver.result(driver.trial(0, work.point("good")))
        assert driver.runner.meta == before
        assert make_runner().meta == before

    def test_db_id_is_none_until_it_is_set(self, make_runner: Callable[[], Runner]) -> None:
        """The journal's row is set from outside, and taken back."""
        runner, other = make_runner(), make_runner()
        assert runner.db_id is None
        runner.db_id = 7
        assert runner.db_id == 7
        assert other.db_id is None
        runner.db_id = None
        assert runner.db_id is None

    def test_close_is_idempotent(self, make_runner: Callable[[], Runner], drive: OpenDriver) -> None:
        """Also before `open`."""
        runner = make_runner()
        runner.close()
        runner.close()
        driver = drive()
        driver.close()
        driver.runner.close()

    def test_it_opens_without_a_run_directory_or_says_why_not(
        self, make_runner: Callable[[], Runner], experiment: Experiment, work: Work
    ) -> None:
        """Everything in memory, or one sentence."""
        point = work.point("good")
        try:
            driver = Driver(make_runner(), experiment, None)
        except UsageError as error:
            check_sentence(str(error))
            return
        try:
            assert driver.result(driver.trial(0, point)).failure is None
        finally:
            driver.close()
