"""One trial as the judge of histories follows it: what may happen to it when, written from ``docs/states.md``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

KINDS_OF_TRIALS = {
    "DeployStarted",
    "Deployed",
    "Polled",
    "Finished",
    "StopRequested",
    "Stopped",
    "Interrupted",
    "RetryPlanned",
    "GaveUp",
    "Told",
    "Rerun",
    "Detached",
}
FAILURES = {"crashed", "timeout", "memoryout", "output_limit", "lost", "submit_error", "invalid_result"}
CAUSES = {"user", "timeout", "early", "interrupt"}
ENDED = {"COMPLETED", "FAILED", "ABANDONED", "EARLY_STOPPED", "STALE"}
_OF_LIVE = {"Deployed", "Polled", "Finished", "StopRequested", "Interrupted", "Detached"}
_SLACK = 1e-9
_ROUNDED = 1e-3
"""Waits are rounded to this."""
_OUTSIDE = {"lost", "submit_error"}
"""Failures that are not the point's fault."""


@dataclass(frozen=True)
class Moment:
    """When a row was written.

    Attributes:
        seq: Its number.
        time: Its time.
        life: Of which driver it is, from 1.
        policy: What that driver was told.
    """

    seq: int
    time: float
    life: int
    policy: dict[str, Any]


def rule_of(policy: dict[str, Any], kind: str) -> tuple[dict[str, Any], set[str]]:
    """Return what follows a failure of a kind, and the kinds that count together with it."""
    rules: dict[str, Any] = policy.get("on_failure") or {"other": {"retry": 0, "then": "fail"}}
    named = rules.get(kind)
    rule = dict(rules["other"] if named is None else named)
    if kind in _OUTSIDE:
        if named is None:
            rule["retry"] = max(3, rule["retry"])
        if rule.get("backoff") is None:
            rule["backoff"] = 1.0 if rule.get("longest") is None else min(1.0, rule["longest"])
    if rule.get("backoff") is None:
        rule["backoff"] = 0.0
    return rule, {kind} if named is not None or kind in _OUTSIDE else FAILURES - _OUTSIDE - rules.keys()


@dataclass(frozen=True)
class Told:
    """What the optimizer hears of a trial."""

    status: str
    metrics: dict[str, Any]
    failure: str | None
    penalty: dict[str, float] | None


@dataclass
class Attempt:
    """One attempt as the journal tells it; numbers of rows, and 0 or None for what has not happened."""

    number: int
    announced: int
    life: int
    since: float | None = None
    stop_row: int = 0
    cause: str | None = None
    end_row: int = 0
    end: str | None = None
    """``COMPLETED``, ``INTERRUPTED``, ``STOPPED``, or a kind of failure."""
    arms: dict[str, Any] = field(default_factory=dict)


class Trial:
    """A trial.

    Args:
        index: Its number.
        points: What is evaluated.
        budget: At which fidelity.
    """

    def __init__(self, index: int, points: list[Any], budget: float | None = None) -> None:
        self.index = index
        self.points = points
        self.budget = budget
        self.status = "CANDIDATE"
        self.attempts: list[Attempt] = []
        self.complaints: list[str] = []
        self.undecided = False
        self.detached = False
        self.untold = False
        self.unprovoked = False
        self.aborts = False
        self._not_before = -math.inf
        self._failures: list[str] = []
        self._penalty: dict[str, float] | None = None
        self._arms: dict[str, Any] = {}
        self._failure: str | None = None

    @property
    def live(self) -> bool:
        """Whether an attempt was announced whose end is not recorded."""
        return bool(self.attempts) and self.attempts[-1].end is None

    @property
    def terminal(self) -> bool:
        """Whether it has ended."""
        return self.status in ENDED

    def take(self, now: Moment, kind: str, body: dict[str, Any]) -> Told | None:
        """Follow one row about this trial; return what the optimizer heard, where it was told."""
        attempt = self.attempts[-1] if self.attempts else None
        number = body.get("attempt")
        if kind in _OF_LIVE and not self.live:
            self._complain("the trial has no live attempt")
        elif kind in _OF_LIVE and attempt is not None and number not in (None, attempt.number):
            self._complain(f"attempt {attempt.number} is live, not {number}")
        elif kind == "DeployStarted":
            self._announced(now, number)
        elif kind == "Told":
            return self._told()
        elif kind in ("RetryPlanned", "GaveUp"):
            self._decided(now, kind, body)
        elif kind == "Rerun":
            self._rerun()
        elif kind == "Stopped":
            self._stopped(now, body)
        elif attempt is not None:
            self._of_attempt(now, kind, body, attempt)
        return None

    def _complain(self, what: str) -> None:
        self.complaints.append(what)

    def _announced(self, now: Moment, number: Any) -> None:
        last = len(self.attempts)
        if self.live:
            self._complain(f"attempt {last} is live")
        elif self.undecided:
            self._complain(f"nobody has decided about the failed attempt {last}")
        elif self.status != "CANDIDATE":
            self._complain(f"the trial is {self.status}")
        if number != last + 1:
            self._complain(f"attempt {number} follows attempt {last}")
        if now.time < self._not_before:
            self._complain(f"it was not to be tried again before {self._not_before}")
        self.attempts.append(Attempt(last + 1, now.seq, now.life))

    def _of_attempt(self, now: Moment, kind: str, body: dict[str, Any], attempt: Attempt) -> None:
        if kind == "Deployed":
            self.detached = False
            if not isinstance(body.get("metadata"), dict):
                self._complain("there is no run metadata")
            if not body.get("staged") and attempt.since is None:
                attempt.since = now.time
        elif kind == "Polled":
            if body.get("status") not in ("RUNNING", "STAGED"):
                self._complain(f"{body.get('status')} is no way to be live")
            attempt.since = now.time if body.get("status") == "RUNNING" else None
        elif kind == "StopRequested":
            self._stop_requested(now, body, attempt)
        elif kind == "Detached":
            self.detached = True
        elif kind == "Finished":
            self._finished(now, body.get("result") or {}, attempt)
        elif kind == "Interrupted":
            self._interrupted(now, attempt)

    # Stops.

    def _stop_requested(self, now: Moment, body: dict[str, Any], attempt: Attempt) -> None:
        cause = body.get("cause")
        if cause not in CAUSES:
            self._complain(f"there is no cause {cause!r}")
        if attempt.cause is not None and cause != "user":
            self._complain(f"it is being stopped already ({attempt.cause}), and {cause} overrides nothing")
        if cause == "timeout":
            timeout = (now.policy.get("limits") or {}).get("timeout")
            if timeout is None or attempt.since is None or now.time < attempt.since + timeout - _SLACK:
                self._complain(f"it has not run for its limit of {timeout} s since {attempt.since}")
        attempt.stop_row = attempt.stop_row or now.seq
        attempt.cause = cause

    def _stopped(self, now: Moment, body: dict[str, Any]) -> None:
        status = body.get("status")
        if not self.live:
            if self.status != "CANDIDATE" or self.undecided:
                self._complain(f"a trial that is {'undecided' if self.undecided else self.status} cannot be stopped")
            if status not in ("ABANDONED", "STALE"):
                self._complain(f"a candidate does not become {status} by a stop")
        else:
            attempt = self.attempts[-1]
            if body.get("attempt") != attempt.number:
                self._complain(f"attempt {attempt.number} is live, not {body.get('attempt')}")
            if status not in ("ABANDONED", "EARLY_STOPPED"):
                self._complain(f"a live trial does not become {status} by a stop")
            if attempt.cause in ("timeout", "interrupt"):
                self._complain(f"what was stopped because of {attempt.cause} is neither abandoned nor stopped early")
            if attempt.cause == "user" and status != "ABANDONED":
                self._complain("what a user stops is ABANDONED")
            attempt.end, attempt.end_row = "STOPPED", now.seq
        self._end(str(status), {}, ((body.get("result") or {}).get("failure") or {}).get("kind"))

    # Ends of attempts.

    def _finished(self, now: Moment, result: dict[str, Any], attempt: Attempt) -> None:
        failure, arms = result.get("failure"), result.get("arms") or {}
        attempt.end_row = now.seq
        self.detached = False
        if failure is None:
            attempt.end, attempt.arms = "COMPLETED", arms
            numbers = [mean for metrics in arms.values() for mean, _ in metrics.values()]
            if not numbers or not all(isinstance(mean, (int, float)) and math.isfinite(mean) for mean in numbers):
                self._complain(f"{arms} is no result")
            self._end("COMPLETED", arms if len(self.points) == 1 else {}, None)
            return
        kind = failure.get("kind")
        attempt.end = str(kind)
        if kind not in FAILURES:
            self._complain(f"there is no kind of failure {kind!r}")
        if not failure.get("message"):
            self._complain("the failure has no sentence")
        if attempt.cause == "timeout" and kind != "timeout":
            self._complain(f"it was stopped because of its time limit, and is called {kind}")
        if attempt.cause in ("user", "early", "interrupt"):
            self._complain(f"it was stopped because of {attempt.cause}, and is called a failure ({kind})")
        self.undecided = True
        self._failure = str(kind)
        self._failures.append(self._failure)

    def _interrupted(self, now: Moment, attempt: Attempt) -> None:
        attempt.end, attempt.end_row = "INTERRUPTED", now.seq
        if attempt.cause not in (None, "interrupt"):
            self._complain(f"it was stopped because of {attempt.cause}, and is repeated as if it had been interrupted")
        self.unprovoked = attempt.cause is None and attempt.life == now.life
        self.status, self.detached = "CANDIDATE", False
        self._not_before = -math.inf

    def _decided(self, now: Moment, kind: str, body: dict[str, Any]) -> None:
        if not self.undecided:
            self._complain("there is no failed attempt to decide about")
        self.undecided = False
        rule, together = rule_of(now.policy, str(self._failure))
        count = sum(failure in together for failure in self._failures)
        if kind == "GaveUp":
            if count <= rule["retry"]:
                self._complain(f"only {count} attempts have failed so, and {rule['retry']} are tried again")
            if (body.get("penalty") is None) != (rule.get("penalty") is None):
                self._complain(f"its penalty is {body.get('penalty')}; the rule is {rule}")
            if bool(body.get("abort")) != (rule.get("then") == "abort"):
                self._complain(f"abort is {body.get('abort')}; the rule is {rule}")
            self._end("FAILED", {}, self._failure, body.get("penalty"))
            self.aborts = bool(body.get("abort"))
            return
        if count > rule["retry"]:
            self._complain(f"{count} attempts have failed so, and {rule['retry']} are tried again")
        self._not_before = body.get("not_before", -math.inf)
        longest = max(60.0, rule["backoff"]) if rule.get("longest") is None else rule["longest"]
        most = min(longest, rule["backoff"] * 2.0 ** (count - 1))
        if not most / 2 - _ROUNDED <= self._not_before - now.time <= most + _ROUNDED:
            self._complain(f"it waits from {now.time} to {self._not_before}, not {most / 2:g} to {most:g} s")
        self.status = "CANDIDATE"

    def _end(
        self, status: str, arms: dict[str, Any], failure: str | None, penalty: dict[str, float] | None = None
    ) -> None:
        self.status, self.untold, self.detached = status, True, False
        self._arms, self._failure, self._penalty = arms, failure, penalty

    def _told(self) -> Told | None:
        if not self.terminal:
            self._complain("the optimizer is told of a trial that has not ended")
        elif not self.untold:
            self._complain("the optimizer is told twice of one end")
        self.untold = False
        metrics: dict[str, Any] = next(iter(self._arms.values()), {})
        return Told(self.status, metrics, self._failure, self._penalty if len(self.points) == 1 else None)

    def _rerun(self) -> None:
        if self.status not in ("FAILED", "ABANDONED") or self.undecided or self.live:
            self._complain(f"a trial that is {self.status} is not run again")
        self.status, self.untold, self.aborts = "CANDIDATE", False, False
        self._not_before = -math.inf
        self._failures.clear()
