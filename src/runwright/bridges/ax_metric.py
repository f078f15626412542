"""Metrics of Ax's that are read from the results of a runner of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runwright.bridges.ax_errors import RefusedError, let_through
from runwright.bridges.ax_library import Data, DataRow, Err, IMetric, Metric, MetricFetchE, Ok
from runwright.bridges.ax_measured import Measured, final, stepwise
from runwright.bridges.ax_runner import AxRunner
from runwright.bridges.ax_settings import check_metrics
from runwright.errors import RunwrightError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runwright.bridges.ax_library import BaseTrial, MetricFetchResult
    from runwright.runner import Runner


class RunnerMetric(IMetric):
    """A metric that is read from the results of an `AxRunner`, with its standard error.

    Args:
        name: Name of the metric, as the evaluation calls it.
        lower_is_better: Whether small values are good; Ax needs it of metrics outside the objective.
        properties: Anything that Ax keeps with it.
        signature_override: Name under which Ax stores it.
    """

    __slots__ = ("_source",)  # no part of what Ax compares and stores
    has_map_data = False
    read_from_runwright = True

    def __init__(
        self,
        name: str,
        lower_is_better: bool | None = None,
        properties: dict[str, Any] | None = None,
        signature_override: str | None = None,
    ) -> None:
        Metric.__init__(self, name, lower_is_better, properties, signature_override)
        self._source: AxRunner | None = None

    def fetch_trial_data(self, trial: BaseTrial, **kwargs: Any) -> MetricFetchResult:  # noqa: ARG002  (Ax's signature)
        """Read the metric of each arm of a trial.

        Args:
            trial: A trial that an `AxRunner` executed.
            **kwargs: Not needed here.
        """
        try:
            measured = self._measured(trial, self._runner_of(trial))
        except RunwrightError as error:
            return Err(MetricFetchE(message=str(error), exception=error))
        name, signature = self.name, self.signature
        return Ok(
            Data([DataRow(trial.index, one.arm, name, signature, one.mean, one.sem, one.step) for one in measured])
        )

    def _measured(self, trial: Any, runner: AxRunner) -> list[Measured]:
        arms = [arm.name for arm in trial.arms]
        return final(self.name, trial.index, arms, runner.result(trial, arms), lambda: runner.poll_exception(trial))

    def _runner_of(self, trial: BaseTrial) -> AxRunner:
        runner = trial.experiment.runner_for_trial_type(trial.trial_type)
        if isinstance(runner, AxRunner):
            return runner
        return self._of_its_own(f"the experiment has {runner!r:.80}")

    def _of_its_own(self, but: str) -> AxRunner:
        if self._source is None:
            raise RefusedError(f"the metric {self.name!r} is read from an AxRunner, and {but}")
        return self._source

    def fetch(
        self,
        trial_index: int,
        trial_metadata: Mapping[str, Any],
    ) -> tuple[int, float | tuple[float, float]]:
        """Read the metric of a trial by its index, from the runner that `runner_metrics` was given.

        Args:
            trial_index: Index of the trial.
            trial_metadata: What the runner returned when it was deployed.

        Returns:
            The last step that was reported, 0 where there was none, and ``(mean, sem)``.

        Raises:
            RefusedError: There is no such value.
        """
        runner = self._of_its_own("it was not made by runner_metrics")
        with let_through():
            measured = self._measured(runner.bare_trial(trial_index, trial_metadata), runner)
        if not measured:
            raise RefusedError(f"trial {trial_index} has not reported {self.name!r} yet")
        last = measured[-1]
        return int(last.step or 0), (last.mean, last.sem)


class RunnerProgressMetric(RunnerMetric):
    """A metric that a trial reports while it runs: Ax's early stopping looks at it.

    A report is a line of ``progress.jsonl`` in the folder of the attempt, or what the runner's ``progress(trial)``
    gives. The result of the trial stands at the last step.
    """

    __slots__ = ()
    has_map_data = True

    @classmethod
    def is_available_while_running(cls) -> bool:
        """Whether there may be values of a running trial: yes."""
        return True

    def _measured(self, trial: Any, runner: AxRunner) -> list[Measured]:
        result = runner.result(trial)
        ended = None
        if (result is not None and result.failure is None) or len(trial.arms) > 1:
            ended = super()._measured(trial, runner)
            if len(ended) > 1:  # reports are not of an arm
                return [one._replace(step=0.0) for one in ended]
        return stepwise(self.name, trial.arms[0].name, runner.progress(trial), ended[0] if ended else None)


def runner_metrics(runner: AxRunner | Runner, names: Iterable[str], *, progress: bool = False) -> list[RunnerMetric]:
    """Return metrics that are read from the results of a runner, for ``Client.configure_metrics``.

    Args:
        runner: The `AxRunner`, or the runner in it.
        names: Names of the metrics, as the evaluation calls them.
        progress: Whether trials report them while they run; see `RunnerProgressMetric`.

    Raises:
        RefusedError: The runner does not report one of them.
    """
    kind = RunnerProgressMetric if progress else RunnerMetric
    with let_through():
        wanted = names if isinstance(names, str) else list(names)
        check_metrics(runner.runner if isinstance(runner, AxRunner) else runner, wanted)
        metrics = [kind(name) for name in wanted]
    if isinstance(runner, AxRunner):
        for metric in metrics:
            metric._source = runner  # noqa: SLF001  (for `fetch`, which is told no experiment)
    return metrics
