"""For runners of which one trial runs at a time until the next one replaces it: a deployed configuration, say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runwright.clock import Waker
    from runwright.trial import BaseTrial


class SingleRunningTrialMixin:
    """Mixin for runners with a single running trial; stands before the runner among the bases.

    The latest running trial runs, until it is replaced: each earlier one that is still marked as running is completed.
    Under `Scheduler` the latest one needs no free slot to be replaced, and the last one of all never ends: it is left
    running, detached, and the experiment ends without it.
    """

    last_trial_stays = True

    def poll_trial_status(self, trials: Iterable[BaseTrial]) -> dict[TrialStatus, set[int]]:
        """Check the status of all trials that have not ended: one poll, without waiting.

        One that was asked to stop is ABANDONED, since nothing else would ever end the latest one. Others that are not
        RUNNING keep the status that they have.

        Args:
            trials: Trials to poll, of one experiment. Those that have ended are skipped.

        Returns:
            Status to the indices of the trials that have it.
        """
        waiting = [trial for trial in trials if not trial.status.is_terminal]
        # What the runner finds is no verdict here, but until it is asked its news are unread, and its slots are taken.
        super().poll_trial_status(waiting)  # type: ignore[misc]  # the runner's, which stands after this
        latest = max((trial.index for trial in waiting if trial.status.is_running), default=-1)
        found: dict[TrialStatus, set[int]] = {}
        for trial in waiting:
            status = trial.status
            if trial.stop_requested is not None and status.is_deployed:
                status = TrialStatus.ABANDONED
            elif status.is_running and trial.index < latest:
                status = TrialStatus.COMPLETED
            found.setdefault(status, set()).add(trial.index)
        return found

    def wait(self, until: float | None, waker: Waker) -> None:
        """Wait for news as the runner does. All trials may have changed: which one is the latest is seen among all.

        Args:
            until: Time of the context's clock at which to return at the latest; None: no such time.
            waker: Ends the wait from elsewhere.
        """
        super().wait(until, waker)  # type: ignore[misc]  # as above
