"""When the engine under Ax's loops turns, and how it waits for the ends that Ax asks after."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwright.bridges.ax_following import Following
    from runwright.loop.submissions import Submissions
    from runwright.trial import BaseTrial

TOGETHER = 0.002
"""Seconds within which trials end together: what Ax is told at once it answers with one look at its model."""


class Turns:
    """Turns the engine, and notes what has ended.

    Args:
        submissions: The engine, begun.
        following: Learns what has ended.
    """

    def __init__(self, submissions: Submissions, following: Following) -> None:
        self._submissions = submissions
        self._following = following
        self._simulated = submissions.runner.traits.simulated
        self._turned = False
        self._gathers = hasattr(submissions.runner, "gather")  # it can do by itself what `_look_for_several` does
        if self._gathers:
            submissions.runner.gather = TOGETHER  # type: ignore[attr-defined]  # it has one

    def turn(self) -> None:
        """Act on what was asked for.

        Raises:
            StoppedError: A user has stopped the experiment.
        """
        stopped = self._submissions.turn()
        self._turned = True
        self._following.note_ended(self._submissions.take_ended())
        if stopped:
            self._submissions.check_open()

    def look(self) -> None:
        """Take in what there is, without waiting.

        Raises:
            StoppedError: A user has stopped the experiment.
        """
        self._submissions.wait(self._submissions.session.clock.now())
        self.turn()

    def wait_for_one(self, trials: Sequence[BaseTrial], seconds: float) -> None:
        """Wait for an end, and a moment longer for those that began together: each poll costs Ax a round.

        Args:
            trials: Trials, of which one is waited for.
            seconds: How long at the most; in simulated time there is no such limit.

        Raises:
            StoppedError: A user has stopped the experiment.
        """
        clock = self._submissions.session.clock
        if not trials or any(trial.status.is_terminal for trial in trials):
            self.look()
            return
        until = None if self._simulated else clock.now() + seconds
        if not self._turned or self._submissions.state.ready:  # something is to be started, or asked after
            self.look()
        else:
            self._look_for_several(len(trials), until)
        while not any(trial.status.is_terminal for trial in trials):
            if until is not None and clock.now() >= until:
                return
            self._look_for_several(len(trials), until)

    def _look_for_several(self, count: int, until: float | None) -> None:
        """Take in the first news, and what follows within a moment; of so many trials, and not in simulated time."""
        submissions = self._submissions
        submissions.wait(until)
        news = submissions.engine.news
        if not self._gathers and until is not None and news and len(news) < count:
            session = submissions.session
            session.clock.wait(min(until, session.clock.now() + TOGETHER), session.waker)
            submissions.wait(session.clock.now())
        self.turn()
