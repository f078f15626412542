"""The attempts of a run directory: deploys them, follows them, and says how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwright.clock import monotonic
from runwright.errors import UsageError
from runwright.process.adoption import Absent, Adopted, Exited, Unreachable, Vanished, restart_rule
from runwright.process.live import LiveAttempt, LiveAttempts
from runwright.process.sweep import sweep
from runwright.runner import Ended, Following, Lost, NeverStarted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runwright.process.adoption import Finding
    from runwright.process.client import Launcher
    from runwright.process.deployment import Deployment, Deployments
    from runwright.process.outcome import Judge
    from runwright.result import Json, Result
    from runwright.runner import Reattachment
    from runwright.status import TrialStatus
    from runwright.trial import BaseTrial

_REMEMBERED = 256
"""How many outcomes are kept in memory; the others are read again from their files."""


class Attempts:
    """What is known of attempts, in memory and on disk.

    Args:
        launcher: Starts them.
        deployments: Prepares them.
        judge: Says what their ends amount to.

    Attributes:
        live: Those whose supervisors live.
    """

    def __init__(self, launcher: Launcher, deployments: Deployments, judge: Judge) -> None:
        self.live = LiveAttempts()
        self._launcher = launcher
        self._deployments = deployments
        self._judge = judge
        self._outcomes: dict[int, tuple[int, TrialStatus, Result]] = {}
        launcher.share(deployments.common())

    def followed(self, trial: BaseTrial) -> LiveAttempt | None:
        """Return the current attempt of a trial where its supervisor is followed."""
        return self.live.get(trial.index, trial.attempt)

    # Deploy.

    def deploy(self, trials: Iterable[BaseTrial]) -> tuple[dict[int, Json], dict[int, Exception]]:
        """Adopt or start attempts, in one exchange with the launcher.

        Returns:
            Run metadata by trial, and for each other trial why it was not deployed.
        """
        deployed: dict[int, Json] = {}
        errors: dict[int, Exception] = {}
        sent: dict[str, Deployment] = {}
        taken = self.live.slots()
        for trial in trials:
            try:
                found = self._existing(trial)
                if found is not None:
                    deployed[trial.index] = found
                    continue
                slot = 0
                while slot in taken:
                    slot += 1
                deployment = self._deployments.prepare(trial, slot)
            except Exception as error:  # noqa: BLE001  (one trial's trouble must not cost another)
                errors[trial.index] = error
                continue
            taken.add(slot)
            sent[deployment.request["id"]] = deployment
        try:
            answers = self._launcher.launch([one.request for one in sent.values()]) if sent else {}
        except Exception as error:  # noqa: BLE001  (the trials' trouble, not the study's)
            return deployed, errors | {deployment.trial.index: error for deployment in sent.values()}
        for key, deployment in sent.items():
            try:
                deployed[deployment.trial.index] = self._launched(deployment, answers[key])
            except Exception as error:  # noqa: BLE001  (as above)
                errors[deployment.trial.index] = error
        return deployed, errors

    def _existing(self, trial: BaseTrial) -> Json | None:
        """Return the run metadata of an attempt that exists; None of a new one."""
        if not self._deployments.exists(trial):
            return None
        known = self.followed(trial)
        if known is not None:
            return known.metadata
        found = self._deployments.find(trial)
        return None if isinstance(found, Absent) else self.take_over(trial, found)

    def _launched(self, deployment: Deployment, answer: Json) -> Json:
        """Take in what the launcher said about a deployment."""
        trial = deployment.trial
        found = self._deployments.launched(deployment, answer)
        if not isinstance(found, LiveAttempt):
            return self.take_over(trial, found)
        self.live.follow(trial.index, found)
        timeout = self._deployments.limits.timeout
        if timeout is not None:
            self._expect_timeout(trial.index, timeout)
        return found.metadata

    def take_over(self, trial: BaseTrial, found: Finding) -> Json:
        """Take in an attempt that has begun before; return its run metadata.

        Raises:
            SubmitError: It runs where it cannot be followed.
            UsageError: The run directory was moved while it runs.
        """
        if isinstance(found, Unreachable):
            raise self._deployments.unreachable(trial)
        if not isinstance(found, Adopted):
            self.live.end(trial.index)
            return self._deployments.metadata(trial)
        try:
            self._deployments.check_place(trial)
        except UsageError:
            found.process.close()
            raise
        metadata = self._deployments.metadata(trial, found.process.pid)
        self.live.follow(trial.index, LiveAttempt(trial.attempt, found.process, metadata))
        timeout = found.started.get("limits", {}).get("timeout")
        if timeout is not None:
            self._expect_timeout(trial.index, max(0.0, found.started["monotonic"] + timeout - monotonic()))
        return metadata

    def _expect_timeout(self, index: int, seconds: float) -> None:
        self.live.expect_end(index, "timeout", seconds, self._deployments.limits.grace)

    # Follow.

    def find(self, trial: BaseTrial) -> Finding:
        """Return what became of an attempt that is not followed."""
        return restart_rule(self._deployments.place(trial).control)

    def outcome(self, trial: BaseTrial) -> tuple[TrialStatus, Result] | None:
        """Return what an ended attempt amounts to; None of one that is alive (and followed from now on) or unknown."""
        known = self._outcomes.get(trial.index)
        if known is not None and known[0] == trial.attempt:
            return known[1], known[2]
        if self.followed(trial) is not None:
            return None
        found = self.find(trial)
        if isinstance(found, Absent) and trial.index in self.live.news:
            found = self._deployments.ended_unseen(trial)
        if isinstance(found, Adopted):
            self.take_over(trial, found)
        if not isinstance(found, (Exited, Vanished)):
            return None
        status, result = self.conclude(trial, found)
        if len(self._outcomes) >= _REMEMBERED:
            del self._outcomes[next(iter(self._outcomes))]
        self._outcomes[trial.index] = (trial.attempt, status, result)
        return status, result

    def conclude(self, trial: BaseTrial, found: Exited | Vanished) -> tuple[TrialStatus, Result]:
        """Return what an end amounts to; of one that nobody watched, make sure that it is one."""
        place = self._deployments.place(trial)
        status, result = self._judge.conclude(found, place, trial)
        if isinstance(found, Exited):
            return status, result
        sweep(place.folder)
        attempt, reason = self.live.killed.get(trial.index, (0, ""))
        return self._judge.killed(reason, result) if attempt == trial.attempt else (status, result)

    def stop(self, trial: BaseTrial) -> None:
        """Ask an attempt to end, if it is alive."""
        if self.followed(trial) is None:
            found = self.find(trial)
            if isinstance(found, Adopted):
                self.take_over(trial, found)
        known = self.followed(trial)
        if known is not None:
            known.process.terminate()
            self.live.expect_end(trial.index, "stop", 0.0, self._deployments.limits.grace)

    # Go on after another driver.

    def reattach(self, trial: BaseTrial) -> Reattachment | None:
        """Say what became of an attempt that an earlier driver deployed, or may have; None where it is not known."""
        known = self.followed(trial)
        if known is not None:
            return Following(known.metadata)
        found = self.find(trial)
        if isinstance(found, Absent):
            # A request of the last driver may still be under way; after this it starts nothing.
            return NeverStarted() if self._deployments.fence(trial) else None
        if isinstance(found, Unreachable):
            return None
        strange = self._strange(trial, found)
        if strange is not None:
            return None if isinstance(found, Adopted) else Lost(strange)  # unknown until it has ended
        if isinstance(found, Vanished):
            failure = self.conclude(trial, found)[1].failure
            assert failure is not None, "what has vanished has failed"
            return Lost(failure.message, failure.log)
        metadata = self.take_over(trial, found)
        return Following(metadata) if isinstance(found, Adopted) else Ended(metadata)

    def _strange(self, trial: BaseTrial, found: Finding) -> str | None:
        """Return a sentence where an attempt was deployed with other parameters; it is ended, nobody asked for it."""
        sentence = self._deployments.strange(trial)
        if sentence is not None and isinstance(found, Adopted):
            found.process.terminate()
            found.process.close()
        return sentence
