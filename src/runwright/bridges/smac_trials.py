"""SMAC's trials as trials of ours: one of each content, evaluated once, told to whoever asks for it.

SMAC never means a second evaluation of the same configuration, instance, seed and budget: its history has one place
for it. So unlike `runwright.TrialQueue`, which counts submissions, this answers a content that was evaluated with its
result, however often it is asked for, in this life or a later one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, Unpack

from runwright.errors import UsageError
from runwright.json_values import json_value
from runwright.loop.claims import own_info
from runwright.loop.submissions import SUBMITTED, Submissions
from runwright.submission import content_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from runwright.experiment import Experiment
    from runwright.loop.policy import Policy
    from runwright.loop.submissions import Place
    from runwright.result import Json
    from runwright.runner import Runner
    from runwright.state import State
    from runwright.submission import TrialInfo
    from runwright.trial import BaseTrial

Ended: TypeAlias = "list[tuple[Any, BaseTrial]]"
"""What was submitted, and our trial that has ended, in the order of their end."""


class _Claim(NamedTuple):
    info: Any
    into: Ended


class Trials:
    """Executes what SMAC asks for, and says what came of it.

    Args:
        runner: Executes trials.
        experiment: What is measured.
        policy: How many in parallel, how often, within which limits.
        names: Names of the hyperparameters; whatever else a point has is no part of its content.
        **place: Run directory, clock, journal and sync; see `Submissions`, which also says what is raised.
    """

    def __init__(
        self,
        runner: Runner,
        experiment: Experiment,
        policy: Policy,
        names: Collection[str],
        **place: Unpack[Place],
    ) -> None:
        self._inline = runner.traits.inline
        self._names = frozenset(names)
        self._known: dict[str, int] = {}
        self._claims: dict[int, list[_Claim]] = {}
        self._submissions = Submissions(runner, experiment, policy, on_others=self._learn, **place)
        try:
            self._begin(type(runner).__name__)
        except BaseException:
            self._submissions.session.close()
            raise

    def _begin(self, name: str) -> None:
        if self._submissions.unlimited:
            raise UsageError(f"nothing limits how many trials {name} runs at once: say it with parallel=...")
        self._submissions.begin()

    @property
    def state(self) -> State:
        """The experiment as its events tell it; for reading."""
        return self._submissions.state

    @property
    def waiting(self) -> bool:
        """Whether something was submitted whose end is not known."""
        return bool(self._claims)

    @property
    def room(self) -> int:
        """How many trials could be started now."""
        return self._submissions.engine.room()

    def check_open(self) -> None:
        """Refuse to go on after the end.

        Raises:
            UsageError: It was closed.
            StoppedError: A user, or policy, has stopped the experiment.
        """
        self._submissions.check_open()

    # Submit.

    def submit(self, info: Any, into: Ended) -> None:
        """Have a trial executed, if it never was; wait while no slot is free for it.

        Args:
            info: A trial of SMAC's.
            into: Where its end goes.

        Raises:
            UsageError: Its configuration holds something that cannot be recorded.
            StoppedError: A user, or policy, has stopped the experiment.
        """
        self.check_open()
        own, state = own_info(info), self.state
        waits = own.key not in self._known and self.room == 0
        index = self._claim(info, own, into)
        if not waits:
            self._turn()
        while waits and index in state.ready:  # one turn takes in the news and fills the slot that they free
            self.look(wait=True)
        if self._inline:  # a launched trial has ended at once
            while index in self._claims and (state.live or state.ready or state.undecided):
                self.look()

    def adopt(self, info: Any, into: Ended) -> None:
        """Have a trial executed that SMAC waits for since an earlier life; whatever is free takes it, in time.

        Args:
            info: A trial of SMAC's.
            into: Where its end goes.
        """
        self._claim(info, own_info(info), into)

    def unknown_to(self, keys: Collection[str]) -> list[tuple[Json, BaseTrial]]:
        """Return what SMAC asked for in its last life and has forgotten since: it was killed before it saved.

        Args:
            keys: Contents of the trials that SMAC knows of.

        Returns:
            Parameters and trials, by index: those submitted after all that it knows of. What is older it was told once,
            in a run that it has thrown away.
        """
        latest = max((self._known[key] for key in keys if key in self._known), default=None)
        if latest is None:
            return []
        return [
            (self._parameters(trial), trial)
            for trial in self.state.trials[latest + 1 :]
            if trial.source == SUBMITTED and len(trial.arms) == 1 and trial.index not in self._claims
        ]

    def _claim(self, info: Any, own: TrialInfo, into: Ended) -> int:
        """Let somebody wait for the trial of a content, which is added where there is none."""
        index = self._known.get(own.key)
        if index is None:
            more = getattr(info, "additional_info", None)
            point = {**_plain(more), **own.parameters} if more else own.parameters
            index = self._submissions.add([point], instance=own.instance, budget=own.budget, seed=own.seed)
            self._known[own.key] = index
            self._claims[index] = [_Claim(info, into)]
            return index
        others = [claim for claim in self._claims.get(index, ()) if claim.into is not into]
        self._claims[index] = [*others, _Claim(info, into)]
        if self.state.trials[index].status.is_terminal and index not in self.state.untold:
            self._deliver(index)
        return index

    # Collect.

    def look(self, *, wait: bool = False) -> None:
        """Take in news, waiting for them or not, and act on them.

        Raises:
            StoppedError: A user, or policy, has stopped the experiment.
        """
        self._hand_out(stopped=self._submissions.look(wait=wait))

    def _turn(self) -> None:
        self._hand_out(stopped=self._submissions.turn())

    def _hand_out(self, *, stopped: bool) -> None:
        for index in self._submissions.take_ended():
            self._deliver(index)
        if stopped:
            self._submissions.check_open()

    def _deliver(self, index: int) -> None:
        trial = self.state.trials[index]
        for claim in self._claims.pop(index, ()):
            claim.into.append((claim.info, trial))

    def close(self) -> None:
        """Release directory, journal and runner; idempotent."""
        self._submissions.close()

    # Know.

    def _learn(self, trials: Sequence[BaseTrial]) -> None:
        """Learn of trials of earlier lives, and of users; of several of one content the first counts."""
        for trial in trials:
            if len(trial.arms) == 1:
                key = content_key(self._parameters(trial), trial.instance, trial.seed, trial.budget)
                self._known.setdefault(key, trial.index)

    def _parameters(self, trial: BaseTrial) -> Json:
        return {name: value for name, value in trial.arms[0].parameters.items() if name in self._names}


def _plain(additional: Mapping[str, Any]) -> Json:
    """Return what SMAC adds to a trial, such as a cutoff, as JSON types; None stands for infinity.

    It is given to the evaluation, and is no part of the content.
    """
    return {
        name: None if isinstance(value, float) and math.isinf(value) else json_value(value, f"additional_info {name!r}")
        for name, value in additional.items()
    }
