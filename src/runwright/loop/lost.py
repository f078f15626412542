"""What the journal has lost can be seen from the folders of attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright.folder import attempts

if TYPE_CHECKING:
    from pathlib import Path

    from runwright.loop.recorder import Recorder

_SHOWN = 5


def note_lost(recorder: Recorder, directory: Path) -> None:
    """Note attempts of which the journal does not know.

    A folder is made only after the commit that announces its attempt, so that commit was lost.

    Args:
        recorder: Knows the trials, and takes the note.
        directory: The run directory.
    """
    trials = recorder.state.trials
    lost = sorted(
        (trial, attempt)
        for trial, attempt in attempts(directory)
        if trial >= len(trials) or attempt > trials[trial].attempt
    )
    if lost:
        named = ", ".join(f"attempt {attempt} of trial {trial}" for trial, attempt in lost[:_SHOWN])
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        recorder.note(
            f"the journal has lost its last events, as in a power cut: it does not know of {named}{more}; "
            "each is taken in when it is due"
        )
