"""The conformance suite of optimizers: the executable copy of the sentences in `runwright.optimizer`.

Inherit `OptimizerSuite` in a test module, and override its fixtures:

```python
class TestMine(OptimizerSuite):
    @pytest.fixture
    def make_optimizer(self):
        return lambda: MyOptimizer(seed=7)
```

An optimizer is driven as the engine drives it: several pending trials, told in another order than asked, some of them
failed, abandoned, never started, or told again after a user had them tried again; and points of users in between.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from runwright.errors import UsageError
from runwright.experiment import Choice, Experiment, Float, Int
from runwright.optimizer import Asked, Observation, Optimizer
from runwright.optimizers.random_search import RandomOptimizer
from runwright.result import Failure
from runwright.status import FailureKind, TrialStatus
from runwright.testing.optimizer_play import Player, Step, penalties, plan, recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from runwright.experiment import Parameter
    from runwright.optimizer import HistoryItem, Suggestion
    from runwright.result import Metrics

_LONGEST_MESSAGE = 1000


@dataclass(frozen=True, slots=True)
class OptimizerTraits:
    """What the suite expects of an optimizer.

    Attributes:
        exact: Restored from its history, it proposes what the one that lived on proposes.
        trials: How many trials the longer tests run.
        pending: How many of them are pending at once.
        kills: At how many places of a history it is restored.
        after: How many steps it is followed from there.
    """

    exact: bool = True
    trials: int = 60
    pending: int = 4
    kills: int = 6
    after: int = 40


class OptimizerSuite:
    """What every optimizer must do."""

    @pytest.fixture
    def make_optimizer(self) -> Callable[[], Optimizer]:
        """A function that makes the optimizer anew, each time with the same settings. Must be overridden."""
        raise NotImplementedError("override the fixture make_optimizer")

    @pytest.fixture
    def traits(self) -> OptimizerTraits:
        """What is expected of it."""
        return OptimizerTraits()

    @pytest.fixture
    def experiment(self) -> Experiment:
        """What is searched; override it where not every kind of parameter is taken."""
        parameters: dict[str, Parameter] = {
            "width": Float(-5, 10),
            "rate": Float(1e-5, 1, log=True),
            "layers": Int(1, 6),
            "units": Int(8, 4096, log=True),
            "kernel": Choice(["linear", "rbf", "poly"]),
            "shift": Choice([False, True]),
            "level": Choice([0.5, 1, 2]),
        }
        return Experiment("suite", parameters, {"loss": "minimize"}, seed=3)

    @pytest.fixture
    def refused(self) -> list[Experiment]:
        """Experiments that it cannot search."""
        return []

    @pytest.fixture
    def steps(self, experiment: Experiment, traits: OptimizerTraits) -> list[Step]:
        """The calls of an asynchronous run."""
        return plan(experiment, trials=traits.trials, pending=traits.pending)

    @pytest.fixture
    def ready(self, make_optimizer: Callable[[], Optimizer], experiment: Experiment) -> Callable[[], Optimizer]:
        """A function that makes the optimizer anew and sets it up."""

        def make() -> Optimizer:
            optimizer = make_optimizer()
            optimizer.setup(experiment)
            return optimizer

        return make

    def test_it_is_an_optimizer(self, make_optimizer: Callable[[], Optimizer]) -> None:
        """It has all methods, and says how it is brought back."""
        optimizer = make_optimizer()
        assert isinstance(optimizer, Optimizer)
        assert optimizer.rebuild in ("stateless", "history", "replay")

    def test_suggestions_are_points_of_the_experiment_in_its_own_types(
        self, ready: Callable[[], Optimizer], experiment: Experiment, steps: list[Step]
    ) -> None:
        """Each point has every parameter, within bounds, as the experiment's own type."""
        player = Player(ready(), experiment)
        player.play(steps)
        asked = [item.suggestion.parameters for item in player.history if isinstance(item, Asked)]
        assert asked, "not a single point was proposed"
        for point in asked:
            valid = experiment.validate(point)
            assert list(point.items()) == list(valid.items())
            assert [type(value) for value in point.values()] == [type(value) for value in valid.values()]

    def test_the_same_seed_gives_the_same_points(
        self, ready: Callable[[], Optimizer], experiment: Experiment, steps: list[Step]
    ) -> None:
        """Two of the same settings propose the same, given the same."""
        assert Player(ready(), experiment).play(steps) == Player(ready(), experiment).play(steps)

    def test_it_goes_on_while_trials_are_pending(
        self, ready: Callable[[], Optimizer], experiment: Experiment, traits: OptimizerTraits
    ) -> None:
        """It proposes for several slots before anything is told."""
        player = Player(ready(), experiment)
        got = player.play([Step("ask", index) for index in range(traits.pending)])
        assert None not in got, f"{traits.pending} trials at once are too many"

    @pytest.mark.parametrize(
        "status", [TrialStatus.FAILED, TrialStatus.ABANDONED, TrialStatus.STALE, TrialStatus.EARLY_STOPPED]
    )
    def test_it_goes_on_when_nothing_completes(
        self, ready: Callable[[], Optimizer], experiment: Experiment, status: TrialStatus
    ) -> None:
        """Trials without a result end neither the search nor the optimizer."""
        player = Player(ready(), experiment)
        for index in range(15):
            assert player.play([Step("ask", index)]) != [None], f"after {index} trials {status.name}"
            player.play([Step("tell", index, None, status)])

    def test_a_trial_may_be_told_again(self, ready: Callable[[], Optimizer], experiment: Experiment) -> None:
        """A failed trial that a user had tried again is told a second time."""
        player = Player(ready(), experiment)
        for index in range(12):
            player.play([Step("ask", index), Step("tell", index, None, TrialStatus.FAILED)])
        for index in range(12):
            player.play([Step("tell", index, None, TrialStatus.FAILED), Step("tell", index)])
        assert player.play([Step("ask", 12)]) != [None]

    def test_a_penalty_is_learned_as_if_it_had_been_measured(
        self, ready: Callable[[], Optimizer], experiment: Experiment, traits: OptimizerTraits
    ) -> None:
        """A failed trial with a penalty and a completed one that measured it lead to the same points."""
        penalised, measured = Player(ready(), experiment), Player(ready(), experiment)
        told = penalties(experiment)
        metrics: Metrics = {name: (value, None) for name, value in told.items()}
        failure = Failure(FailureKind.TIMEOUT, "it ran longer than its limit of 9 s")
        for index in range(traits.trials // 2):
            asked = [player.play([Step("ask", index)])[0] for player in (penalised, measured)]
            assert asked[0] == asked[1] or not traits.exact, f"trial {index} came out differently"
            if asked[0] is None or asked[1] is None or index % 3:
                penalised.play([Step("tell", index)])
                measured.play([Step("tell", index)])
                continue
            penalised.optimizer.tell(
                Observation(index, asked[0].parameters, TrialStatus.FAILED, failure=failure, penalty=told)
            )
            measured.optimizer.tell(Observation(index, asked[1].parameters, TrialStatus.COMPLETED, metrics))

    def test_a_penalised_trial_may_be_told_again(self, ready: Callable[[], Optimizer], experiment: Experiment) -> None:
        """A failed trial that a user had tried again fails again, with a penalty or without, or completes."""
        player = Player(ready(), experiment)
        ends = [(TrialStatus.FAILED, True), (TrialStatus.FAILED, False), (TrialStatus.COMPLETED, False)]
        for index in range(9):
            player.play([Step("ask", index), Step("tell", index, None, TrialStatus.FAILED, index % 2 == 0)])
            player.play([Step("tell", index, None, *ends[index % 3])])
        assert player.play([Step("ask", 9)]) != [None]

    def test_points_of_a_user_are_taken(self, ready: Callable[[], Optimizer], experiment: Experiment) -> None:
        """Attached points are told like any other."""
        users = RandomOptimizer(seed=99)
        users.setup(experiment)
        player = Player(ready(), experiment)
        for index in range(12):
            player.play([Step("attach", index, users.ask(index).parameters), Step("tell", index)])
        assert player.play([Step("ask", 12)]) != [None]

    def test_its_description_is_json_and_stays(
        self, make_optimizer: Callable[[], Optimizer], experiment: Experiment
    ) -> None:
        """The description is JSON, and the same at all times."""
        optimizer = make_optimizer()
        before = optimizer.describe()
        assert json.loads(json.dumps(before, allow_nan=False)) == before
        assert isinstance(before["type"], str)
        optimizer.setup(experiment)
        Player(optimizer, experiment).play([Step("ask", 0), Step("ask", 1), Step("tell", 0)])
        assert optimizer.describe() == before
        assert make_optimizer().describe() == before

    def test_what_it_cannot_search_is_refused_by_a_sentence(
        self, make_optimizer: Callable[[], Optimizer], refused: list[Experiment]
    ) -> None:
        """An experiment that it cannot search is refused at setup."""
        for experiment in refused:
            with pytest.raises(UsageError) as caught:
                make_optimizer().setup(experiment)
            message = str(caught.value)
            assert 0 < len(message) < _LONGEST_MESSAGE
            assert "\n" not in message

    def test_restored_from_nothing_it_begins_as_ever(
        self, ready: Callable[[], Optimizer], experiment: Experiment, traits: OptimizerTraits
    ) -> None:
        """An empty history changes nothing."""
        restored = ready()
        outcome = restored.restore([])
        assert outcome.exact or not traits.exact
        first = Player(ready(), experiment).play([Step("ask", 0)])
        assert Player(restored, experiment).play([Step("ask", 0)]) == first or not traits.exact

    @pytest.mark.parametrize("seed", [0, 1])
    def test_restored_it_proposes_what_the_one_that_lived_on_proposes(
        self, ready: Callable[[], Optimizer], experiment: Experiment, traits: OptimizerTraits, seed: int
    ) -> None:
        """Killed anywhere and restored, it proposes what it would have proposed."""
        steps = plan(experiment, trials=traits.trials, pending=traits.pending, seed=seed)
        places = random.Random(seed).sample(range(1, len(steps)), traits.kills)  # noqa: S311
        lived = Player(ready(), experiment)
        past: dict[int, list[HistoryItem]] = {}
        told: list[list[Suggestion | None]] = []
        for place, step in enumerate(steps):
            if place in places:
                past[place] = recorded(lived.history)
            told.append(lived.play([step]))
        for place, history in past.items():
            restored = ready()
            outcome = restored.restore(history)
            assert outcome.reason, "a rebuild says what it did"
            assert outcome.exact is traits.exact, outcome.reason
            player = Player(restored, experiment, history)
            for at in range(place, min(place + traits.after, len(steps))):
                got = player.play([steps[at]])
                if traits.exact:
                    assert got == told[at], f"killed at step {place}, different at step {at}"

    def test_a_history_that_does_not_come_out_again_is_said(
        self, ready: Callable[[], Optimizer], experiment: Experiment, steps: list[Step]
    ) -> None:
        """A replay that diverges says so, names the trial, and goes on."""
        lived = Player(ready(), experiment)
        if lived.optimizer.rebuild != "replay":
            pytest.skip("only a replay can see that")
        lived.play(steps[: len(steps) // 2])
        history = recorded(lived.history)
        asked = [place for place, item in enumerate(history) if isinstance(item, Asked)]
        middle = asked[len(asked) // 2]
        users = RandomOptimizer(seed=99)
        users.setup(experiment)
        trial = history[middle].trial
        history[middle] = Asked(trial, users.ask(trial))
        restored = ready()
        outcome = restored.restore(history)
        assert not outcome.exact
        assert str(trial) in outcome.reason
        player = Player(restored, experiment, history)
        assert player.play([Step("ask", 1000)]) != [None]
        player.play([Step("tell", 1000)])
