"""Evaluates trials by a Python function in the driver's own process, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runwright.errors import ContractError
from runwright.evaluation import Evaluation, FunctionReference, result_of
from runwright.result import Result
from runwright.runner import Runner
from runwright.runners.inline import InlineRunner
from runwright.runners.local_json import UnrestorableError, restored, tagged
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from runwright.result import Json, Metrics
    from runwright.runner import RunContext
    from runwright.trial import BaseTrial


class LocalMetadataRunner(InlineRunner):
    """Evaluates in this process; the run metadata holds what the function returned.

    An exception of the function is that trial's failure, with its traceback. A function that never returns blocks the
    driver, and one that ends the process ends the driver: `PoolRunner` and `ProcessRunner` are for those.

    Args:
        evaluation_function: Called once for each arm; see `runwright.EvaluationFunction`. Or its reference
            (``module:function``).

    Raises:
        UsageError: It is no function, or the reference does not import.
    """

    unknown = TrialStatus.RUNNING

    def __init__(self, evaluation_function: Callable[..., Any] | str) -> None:
        super().__init__()
        if isinstance(evaluation_function, str) or not callable(evaluation_function):
            evaluation_function = FunctionReference.of(evaluation_function).load()
        self._returned: dict[str, Any] = {}
        self._evaluation = Evaluation(evaluation_function, self._returned.__setitem__)

    @property
    def evaluation_function(self) -> Callable[..., Any]:
        """The function that evaluates a point."""
        return self._evaluation.function

    def open(self, context: RunContext) -> None:
        """Get ready.

        Args:
            context: Experiment, run directory, clock and limits.

        Raises:
            UsageError: The function cannot be called with the parameters of the experiment.
        """
        super().open(context)
        self._evaluation.prepare(context.experiment)

    def run(self, trial: BaseTrial) -> dict[str, Any]:
        """Evaluate the trial.

        Args:
            trial: The trial to evaluate.

        Returns:
            ``{"name": "<experiment>_<index>", "simulation_result": ...}``: what the function returned, as tagged JSON
            (`simulation_result` gives the object back); of a batch trial by arm; None where the evaluation failed.

        Raises:
            SubmitError: The same attempt was evaluated with other parameters.
        """
        return super().run(trial)

    def evaluate(self, trial: BaseTrial) -> tuple[Result, Json]:
        """Call the function for each arm."""
        self._returned.clear()
        result = self._evaluation(trial)
        told: Any = None
        if result.failure is None:
            if len(trial.arms) == 1:
                told = tagged(self._returned[trial.arms[0].name])
            else:
                told = {arm.name: tagged(self._returned[arm.name]) for arm in trial.arms}
        self._returned.clear()
        return result, {"name": f"{trial.experiment.name}_{trial.index}", "simulation_result": told}

    def recall(self, trial: BaseTrial) -> Result | None:
        """Read again what the function had returned to an earlier driver."""
        if trial.run_metadata.get("simulation_result") is None:
            return None
        try:
            given = self.simulation_result(trial)
        except (UnrestorableError, LookupError, TypeError):
            return None  # its class is gone, or it is of other arms: the trial is evaluated again
        by_arm = {trial.arms[0].name: given} if len(trial.arms) == 1 else given
        arms: dict[str, Metrics] = {}
        info: Json = {}
        for name, returned in by_arm.items():
            part = result_of(returned, name, trial.experiment.objectives)
            if part.failure is not None:
                return None  # it was a result, and what is kept of it is not enough
            arms.update(part.arms)
            if part.additional_info:
                info |= part.additional_info if len(by_arm) == 1 else {name: part.additional_info}
        return Result(arms=arms, additional_info=info or None)

    @staticmethod
    def simulation_result(trial: BaseTrial) -> Any:
        """Return the object that the evaluation function returned, rebuilt from the trial's run metadata.

        Of a batch trial, a dictionary by arm. Numbers, texts, lists, tuples, mappings, numpy arrays, enumerations,
        named tuples, dataclasses and point results come back as they were; of anything else its text is kept.

        Args:
            trial: A trial that was evaluated, in this process or another.

        Raises:
            ContractError: Its run metadata hold none: it was not evaluated, or the evaluation failed.
            UnrestorableError: A class in it does not import any more.
        """
        told = trial.run_metadata.get("simulation_result")
        if told is None:
            raise ContractError(f"trial {trial.index} has no simulation result: {trial}")
        if len(trial.arms) == 1:
            return restored(told)
        return {arm.name: restored(told[arm.name]) for arm in trial.arms}

    @property
    def run_metadata_report_keys(self) -> list[str]:
        """Keys of the run metadata that are worth a report."""
        return ["name", "simulation_result"]

    @classmethod
    def serialize_init_args(cls, obj: Runner) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON.

        Args:
            obj: The runner.

        Raises:
            UsageError: Its function has no name by which another process could import it, such as a lambda.
        """
        assert isinstance(obj, LocalMetadataRunner)
        return {"evaluation_function": FunctionReference.of(obj.evaluation_function).text}

    @classmethod
    def deserialize_init_args(
        cls,
        args: dict[str, Any],
        decoder_registry: dict[str, Any] | None = None,  # noqa: ARG003  (the page has it)
        class_decoder_registry: dict[str, Any] | None = None,  # noqa: ARG003
    ) -> dict[str, Any]:
        """Turn what `serialize_init_args` gave back into constructor's arguments: import the function.

        Args:
            args: The JSON form.
            decoder_registry: Not needed here; the reference page has it.
            class_decoder_registry: Not needed here; the reference page has it.

        Raises:
            UsageError: The function does not import.
        """
        return args | {"evaluation_function": FunctionReference.of(args["evaluation_function"]).load()}

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, LocalMetadataRunner):
            return NotImplemented
        return self.evaluation_function == other.evaluation_function

    __hash__ = Runner.__hash__
