"""The TorchX app of an attempt, and what the states of TorchX mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runwright.clock import monotonic
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from runwright.result import Result
    from runwright.runners.torchx_notes import Note
    from runwright.runners.torchx_session import Seen
    from runwright.trial import BaseTrial

APP_HANDLE = "torchx_app_handle"
"""Key of the run metadata."""
LOCAL = "local_cwd"
"""TorchX's name of its local scheduler today; it was ``local`` once, and still is on the reference page."""

STATUSES = {
    "UNSUBMITTED": TrialStatus.STAGED,
    "SUBMITTED": TrialStatus.STAGED,
    "PENDING": TrialStatus.STAGED,
    "RUNNING": TrialStatus.RUNNING,
    "SUCCEEDED": TrialStatus.COMPLETED,
    "FAILED": TrialStatus.FAILED,
    "CANCELLED": TrialStatus.ABANDONED,
}
"""What a state of TorchX means. UNKNOWN is not among them: it is asked again, and is no verdict."""
LIVE = (TrialStatus.STAGED, TrialStatus.RUNNING)


@dataclass(slots=True)
class App:
    """The app of an attempt.

    Attributes:
        trial: Its trial.
        attempt: Number of the attempt.
        note: What is known of its submission.
        ended: How it ended; None while it goes on.
        seen: What TorchX said of its end; None where it had forgotten the app.
        stopped: Whether it was asked to stop.
        began: When it was first seen to run, in seconds of the epoch.
        over: When it was seen to have ended, if it was seen alive before.
        kill_at: When to kill it, a local one, on the monotonic clock.
        odd_since: Since when the scheduler does not know it or cannot be asked, or its result is missing, on the
            monotonic clock.
        pids: Its processes, of a local app that TorchX has forgotten.
        result: Its result, once asked for.
    """

    trial: BaseTrial
    attempt: int
    note: Note
    ended: TrialStatus | None = None
    seen: Seen | None = None
    stopped: bool = False
    began: float | None = None
    over: float | None = None
    kill_at: float | None = None
    odd_since: float | None = None
    pids: list[int] = field(default_factory=list)
    result: Result | None = None

    @property
    def handle(self) -> str:
        """Its TorchX handle."""
        assert self.note.handle is not None, "an app has a handle once it is submitted"
        return self.note.handle

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine."""
        return self.handle.startswith(f"{LOCAL}://")

    @property
    def was_stopped(self) -> bool:
        """Whether it was asked to stop, by this driver or another."""
        return self.stopped or self.trial.stop_requested is not None

    def odd_for(self, seconds: float) -> bool:
        """Whether something odd about it has lasted long enough to be believed; the first time begins the count."""
        now = monotonic()
        if self.odd_since is None:
            self.odd_since = now
        return now - self.odd_since >= seconds
