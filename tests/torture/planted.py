"""Faults of order and durability planted in the product, by name: each makes it break a promise.

``PLANTED[name]()`` is a context in which the fault is there. They are for harnesses that must show that they see: one
that passes with a fault in place is blind to it. Those that stand in the sources are in `planted_source`.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from runwright import events as ev
from runwright.loop import decide, ends, history, observer
from runwright.loop.consulting import Consulting
from runwright.loop.effects import Effects
from runwright.loop.engine import Engine
from runwright.loop.observer import Observer
from runwright.loop.recorder import Recorder
from runwright.loop.requests import Requests
from runwright.optimizer import Attached
from runwright.optimizers import RandomOptimizer
from runwright.result import Result
from runwright.runner import Following, Lost, NeverStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.torture.figures import Figure, Scale


@contextmanager
def _instead(owner: Any, **replacements: Any) -> Iterator[None]:
    """Replace attributes of a class or a module for a while."""
    with ExitStack() as stack:
        for name, replacement in replacements.items():
            stack.enter_context(patch.object(owner, name, replacement))
        yield


def tell_twice() -> AbstractContextManager[None]:
    """The optimizer hears of each end twice."""
    real = Consulting.tell

    def tell(self: Consulting, trial: Any, now: float) -> None:
        self._optimizer.tell(history.observation(trial))
        real(self, trial, now)

    return _instead(Consulting, tell=tell)


def act_before_commit() -> AbstractContextManager[None]:
    """Effects come first, their commit after them."""
    real, commit = Effects.act, Recorder.commit

    def late(self: Recorder) -> None:
        if getattr(self, "_acting", True):
            commit(self)

    def turn(self: Engine) -> None:
        recorder: Any = self.recorder
        recorder._acting = False
        try:
            turned(self)
        finally:
            recorder._acting = True
        commit(recorder)

    turned = Engine.turn

    @contextmanager
    def planted() -> Iterator[None]:
        with _instead(Engine, turn=turn), _instead(Recorder, commit=late), _instead(Effects, act=real):
            yield

    return planted()


def forget_adoption() -> AbstractContextManager[None]:
    """What an earlier driver left running counts as lost, and is tried again beside it."""
    real = Effects._reattached

    def reattached(self: Effects, trial: Any, answer: Any, now: float) -> None:
        real(self, trial, Lost("who knows") if isinstance(answer, Following) else answer, now)

    return _instead(Effects, _reattached=reattached)


def adopt_what_never_started() -> AbstractContextManager[None]:
    """What was announced and never started is not sent again: it is followed for ever."""
    real = Effects._reattached

    def reattached(self: Effects, trial: Any, answer: Any, now: float) -> None:
        real(self, trial, Following({}) if isinstance(answer, NeverStarted) else answer, now)

    return _instead(Effects, _reattached=reattached)


def forget_a_stop() -> AbstractContextManager[None]:
    """A stop is recorded, and nobody does it."""
    return _instead(Effects, _stop=lambda self: self.to_stop.clear())


def forget_stops_of_earlier_drivers() -> AbstractContextManager[None]:
    """A stop that was recorded before the driver died is not done by the next."""
    real = Effects.__init__

    def init(self: Effects, recorder: Recorder, runner: Any) -> None:
        real(self, recorder, runner)
        self.to_stop.clear()

    return _instead(Effects, __init__=init)


def forget_why_it_was_stopped() -> AbstractContextManager[None]:
    """What is stopped counts by the way in which it ended."""

    @contextmanager
    def planted() -> Iterator[None]:
        nothing = patch("runwright.loop.effects.by_request", lambda *_: None)
        with nothing, _instead(observer, by_request=lambda *_: None), _instead(ends, by_request=lambda *_: None):
            yield

    return planted()


def lose_a_result() -> AbstractContextManager[None]:
    """Every seventh result is applied, and never becomes durable."""
    real, count = Recorder.commit, 0

    def commit(self: Recorder) -> None:
        nonlocal count
        kept = []
        for event in self._pending:
            count += event.kind == "Finished"
            if event.kind != "Finished" or count % 7:
                kept.append(event)
        self._pending = kept
        real(self)

    return _instead(Recorder, commit=commit)


def ask_with_another_seed() -> AbstractContextManager[None]:
    """After a restart a random optimizer goes on with another seed, and others without the last thing they learned."""
    fold, setup = history.fold, RandomOptimizer.setup
    restarted: list[bool] = []

    def forgetful(state: Any, events: Any, *, history: bool) -> Any:
        found = fold(state, events, history=history)
        restarted.append(bool(state.trials))
        return found[:-1]

    def other(self: RandomOptimizer, experiment: Any) -> None:
        setup(self, experiment)
        if restarted and restarted[-1]:
            for head, _ in self._heads:
                head.update(b"other")

    @contextmanager
    def planted() -> Iterator[None]:
        with _instead(history, fold=forgetful), _instead(RandomOptimizer, setup=other):
            yield

    return planted()


def restore_without_what_users_asked_for() -> AbstractContextManager[None]:
    """After a restart the optimizer does not know the points of users."""
    fold = history.fold

    def forgetful(state: Any, events: Any, *, history: bool) -> Any:
        return [item for item in fold(state, events, history=history) if not isinstance(item, Attached)]

    return _instead(history, fold=forgetful)


def exceed_capacity() -> AbstractContextManager[None]:
    """One attempt more than there are slots."""
    real = decide.free_slots

    def free(*args: Any, **kwargs: Any) -> int:
        count = real(*args, **kwargs)
        return count if count == decide.UNLIMITED else count + 1

    return _instead(decide, free_slots=free)


def forget_who_holds_slots() -> AbstractContextManager[None]:
    """What an earlier driver left, and is not found again yet, holds no slot."""
    return _instead(Effects, uncounted=property(lambda self: 0))


def try_once_more() -> AbstractContextManager[None]:
    """A failed attempt too many."""
    real = decide.verdicts

    def verdicts(state: Any, policy: Any, now: float) -> list[Any]:
        return [
            ev.RetryPlanned(now, verdict.trial, now)
            if verdict.kind == "GaveUp" and state.trials[verdict.trial].failures < 3
            else verdict
            for verdict in real(state, policy, now)
        ]

    return _instead(decide, verdicts=verdicts)


def try_again_at_once() -> AbstractContextManager[None]:
    """Nobody waits before a retry."""
    real = decide._due
    return _instead(decide, _due=lambda state, now, most: real(state, now + 60.0, most))


def limits_too_late() -> AbstractContextManager[None]:
    """A time limit strikes eight seconds late."""
    real, deadline = decide.timeouts, decide.next_deadline

    def late(timeout: float | None) -> float | None:
        return None if timeout is None else timeout + 8.0

    @contextmanager
    def planted() -> Iterator[None]:
        with _instead(
            decide,
            timeouts=lambda state, timeout, now: real(state, late(timeout), now),
            next_deadline=lambda state, policy, timeout, now: deadline(state, policy, late(timeout), now),
        ):
            yield

    return planted()


def an_outage_is_a_verdict() -> AbstractContextManager[None]:
    """A result that cannot be fetched at once is lost."""
    return _instead(observer, FETCH_TRIES=1)


def take_requests_twice() -> AbstractContextManager[None]:
    """A request is done again by the next driver where its file was left."""
    real = Requests.take

    def take(self: Requests) -> None:
        self._engine.state.requests.clear()
        real(self)

    return _instead(Requests, take=take, forget=lambda self: self._taken.clear())


def never_tell_the_last() -> AbstractContextManager[None]:
    """What ends last is recorded, and the optimizer never hears of it."""
    real = Engine._tell

    def tell(self: Engine, now: float) -> None:
        if self.state.live:
            real(self, now)
        else:
            self.state.untold.clear()

    return _instead(Engine, _tell=tell)


def believe_an_end_too_early() -> AbstractContextManager[None]:
    """What is told to stop counts as stopped."""
    real = Observer.poll

    def poll(self: Observer, live: Any, now: float) -> bool:
        rest, ended = {}, False
        for index, trial in live.items():
            if index in self._recorder.state.stopping:
                self._recorder.record(ends.by_request(self._recorder.state, trial, _NOTHING, now) or _impossible())
                ended = True
            else:
                rest[index] = trial
        return real(self, rest, now) or ended

    return _instead(Observer, poll=poll)


def _impossible() -> Any:
    raise AssertionError("what is stopping has a cause")


_NOTHING = Result()

PLANTED: dict[str, Callable[[], AbstractContextManager[None]]] = {
    planted.__name__: planted
    for planted in (
        tell_twice,
        act_before_commit,
        forget_adoption,
        adopt_what_never_started,
        forget_a_stop,
        forget_stops_of_earlier_drivers,
        forget_why_it_was_stopped,
        lose_a_result,
        ask_with_another_seed,
        restore_without_what_users_asked_for,
        exceed_capacity,
        forget_who_holds_slots,
        try_once_more,
        try_again_at_once,
        limits_too_late,
        an_outage_is_a_verdict,
        take_requests_twice,
        never_tell_the_last,
        believe_an_end_too_early,
    )
}


def run(scale: Scale) -> list[Figure]:
    """Run the section: every planted fault, and who sees it."""
    from tests.torture import planted_trial  # which needs what stands above

    return planted_trial.run(scale)
