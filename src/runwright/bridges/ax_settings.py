"""The arguments of the bridge: checked before anything is started, and as JSON for Ax's storage."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runwright.errors import ContractError, UsageError
from runwright.loop.decide import UNLIMITED
from runwright.loop.on_failure import OnFailure
from runwright.loop.policy import Policy
from runwright.loop.session import check_sync
from runwright.runner import Limits, Runner

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from runwright.loop.on_failure import Rule
    from runwright.loop.session import Sync
    from runwright.result import Json


SUBMIT_ONCE = {"submit_error": "fail"}
"""What follows a failure where nothing was said: a submission that failed is that trial's failure, and not repeated."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The constructor's arguments of an `AxRunner`, in one form each: another process finds the directory by its path.

    Raises:
        UsageError: One of them is wrong.
    """

    runner: Runner
    directory: Path | str | None = None
    wait: float = 5.0
    parallel: int | None = None
    on_failure: OnFailure | Rule | str | Mapping[Any, Any] | None = None
    limits: Limits | None = None
    sync: Sync | None = None

    def __post_init__(self) -> None:
        runner: object = self.runner
        if not isinstance(runner, Runner):
            kind = type(runner)
            raise UsageError(
                f"AxRunner takes a runner of Runwright, such as PoolRunner, not a {kind.__module__}.{kind.__qualname__}"
            )
        wait: object = self.wait
        if isinstance(wait, bool) or not isinstance(wait, (int, float)) or not 0 <= wait < math.inf:
            raise UsageError(f"wait is a number of seconds, finite and not negative; not {wait!r:.60}")
        check_sync(self.sync, self.directory, None)
        if self.directory is not None:
            self._keep("directory", str(Path(self.directory).absolute()))
        if self.on_failure is not None:
            self._keep("on_failure", OnFailure.of(self.on_failure))
        _ = self.policy

    def _keep(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the way in of a frozen dataclass

    @property
    def policy(self) -> Policy:
        """What the arguments say of running."""
        return Policy(
            parallel=self.parallel,
            on_failure=OnFailure.of(SUBMIT_ONCE if self.on_failure is None else self.on_failure),
            limits=self.limits or Limits(),
        )

    def to_json(self) -> Json:
        """Return the JSON form.

        Raises:
            UsageError: The runner has an argument that another process could not make, such as a lambda.
        """
        return {
            "runner": self.runner.to_dict(),
            "directory": self.directory,
            "wait": self.wait,
            "parallel": self.parallel,
            "on_failure": None if self.on_failure is None else OnFailure.of(self.on_failure).to_json(),
            "limits": None if self.limits is None else asdict(self.limits),
            "sync": self.sync,
        }

    @staticmethod
    def arguments(body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the constructor's arguments that `to_json` gave; a storage may have left out what is None."""
        given = {name: body[name] for name in ("directory", "wait", "parallel", "on_failure", "sync") if name in body}
        limits = body.get("limits")
        runner = body["runner"]
        return {
            **given,
            "runner": runner if isinstance(runner, Runner) else Runner.from_dict(runner),
            "limits": limits if limits is None or isinstance(limits, Limits) else Limits(**limits),
        }


def first_capacity(runner: Runner, policy: Policy) -> int:
    """Return the capacity before the first trial: Ax asks for it before it says of which experiment they are."""
    places = getattr(runner, "workers", None)
    if policy.parallel is not None:
        return policy.parallel
    if runner.traits.inline:
        return 1
    if isinstance(places, int):
        return places
    try:
        return runner.poll_available_capacity()
    except ContractError:  # it must be opened first
        return UNLIMITED


def check_metrics(runner: Runner, names: Collection[object]) -> None:
    """Refuse metrics that a runner does not report, as far as that is known before its first trial.

    Raises:
        UsageError: A sentence that names the first of them.
    """
    if isinstance(names, str):
        raise UsageError(f"the metrics are a list of names, such as [{names!r:.60}], not one text")
    if not names:
        raise UsageError("name at least one metric that the runner reports")
    kind = type(runner).__name__
    if not runner.traits.measures:
        raise UsageError(
            f"{kind} measures nothing: metric {next(iter(names))!r:.60} needs another runner, or a metric of Ax"
        )
    reported = getattr(runner, "outcome_names", None)
    for name in names:
        if not isinstance(name, str) or not name:
            raise UsageError(f"the name of a metric is a text that is not empty, not {name!r:.60}")
        if reported is not None and name not in reported:
            raise UsageError(f"{kind} does not report {name!r:.60}; it reports {', '.join(map(repr, reported))}")
