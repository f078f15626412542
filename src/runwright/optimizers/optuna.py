"""Optuna's samplers behind our contract: in memory, ask and tell, brought back from the recorded history.

Two ways back, by sampler (``docs/decisions/0004-optimizer-rebuild.md``):

- ``history``: the sampler reads nothing but the trials, and is made anew for each ask with a seed that depends on seed
  and index alone. Asked points are entered as they were recorded.
- ``replay``: the sampler keeps something between asks (a population, a place in a sequence). Everything is asked and
  told again, and compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runwright.clock import monotonic
from runwright.errors import ContractError, MissingExtraError, UsageError
from runwright.experiment import stable_seed
from runwright.optimizer import Asked, Exhausted, Observation, Rebuild, Restored, Suggestion, check_seed, feed, replay
from runwright.optimizers.optuna_samplers import (
    SAMPLERS,
    check_constraints,
    check_experiment,
    check_installed,
    check_options,
    check_seconds,
    find_sampler,
    keeps_a_place,
    takes_guests,
)
from runwright.optimizers.optuna_study import Sampling
from runwright.optimizers.random_search import RandomOptimizer
from runwright.status import TrialStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import optuna

    from runwright.experiment import Experiment, ParameterValue
    from runwright.optimizer import HistoryItem
    from runwright.result import Json

_SEEDS = 2**32  # numpy's legacy generators take 32 bits
_TRIES = 64
"""So many points in a row that break a constraint on parameters: the next one is drawn at random among those that do
not."""


class OptunaOptimizer:
    """Proposes what a sampler of Optuna proposes.

    Args:
        sampler: ``tpe``, ``gp``, ``cmaes``, ``qmc``, ``nsgaii`` or ``random``; or a sampler object, which is not
            exact after a restart.
        seed: Seed of the sampler; the experiment's where none is given.
        options: Arguments of the sampler's constructor, as JSON; `docs/optimizers.md` lists them.
        rebuild_seconds: Wall seconds that asking again may take after a restart (cmaes, qmc, nsgaii).

    Raises:
        UsageError: There is no such sampler or option, or a value is out of its range.
        MissingExtraError: Optuna, or what the sampler needs beside it, is not installed.
    """

    rebuild: Rebuild

    def __init__(
        self,
        sampler: str | optuna.samplers.BaseSampler = "tpe",
        *,
        seed: int | None = None,
        options: Mapping[str, Any] | None = None,
        rebuild_seconds: float = 60.0,
    ) -> None:
        kind = find_sampler(sampler) if isinstance(sampler, str) else None
        self._optuna, self._warns = _import_optuna(), False
        if kind is None:
            self._check_object(sampler, seed, options)
            self.rebuild = "history"
        else:
            check_installed(kind)
            self._warns = check_options(
                kind, getattr(self._optuna.samplers, kind.class_name), {} if options is None else options
            )
            self.rebuild = kind.rebuild
        self.sampler = sampler
        self.seed = None if seed is None else check_seed(seed, "the seed of the optuna optimizer")
        self.options = dict(options or {})
        self.rebuild_seconds = check_seconds(rebuild_seconds)
        self._kind = kind
        self._its_own: set[int] = set()
        self._hurry_at: float | None = None
        self._hurried = False
        self._entered = 0
        self._open: dict[int, int] = {}
        self._ended: set[int] = set()
        self._penalised: set[int] = set()

    def _check_object(self, sampler: object, seed: int | None, options: Mapping[str, Any] | None) -> None:
        if not isinstance(sampler, self._optuna.samplers.BaseSampler):
            names = ", ".join(SAMPLERS)
            raise UsageError(f"the sampler must be one of {names}, or a sampler object of Optuna, not {sampler!r:.60}")
        if isinstance(sampler, self._optuna.samplers.GridSampler):
            raise UsageError(
                "a GridSampler notes its place in Optuna's own storage, so that a restarted driver would evaluate "
                "points again; enqueue the points of the grid instead"
            )
        if seed is not None or options:
            raise UsageError("a sampler object has its own seed and options; give them to its constructor")

    def setup(self, experiment: Experiment) -> None:
        """Get ready for an experiment.

        Raises:
            UsageError: The sampler cannot search this experiment.
        """
        if not experiment.objectives:
            raise UsageError("the optuna optimizer needs an objective; this experiment has none")
        self._experiment = experiment
        check_constraints(self._kind, experiment)
        self._seed = experiment.seed if self.seed is None else self.seed
        self._instead = RandomOptimizer(self._seed)
        self._instead.setup(experiment)
        self._sampling = Sampling(self._optuna, experiment, self._kind, self.sampler, self.options, warns=self._warns)
        sampler = self._sampling.make(self._seed % _SEEDS)
        check_experiment(sampler, experiment)
        self._keeps_a_place, self._takes_guests = keeps_a_place(sampler), takes_guests(sampler)
        self._study = self._sampling.study(sampler)

    def ask(self, trial: int) -> Suggestion:
        """Propose a point.

        Raises:
            Exhausted: The sampler has been through all points.
            ContractError: The trial exists already, or the sampler proposed what is no point.
        """
        if self._sampling.exhausted:
            raise Exhausted
        self._check_new(trial)
        for number in range(_TRIES):
            if self._kind is not None and self.rebuild == "history":
                tries = (number,) if number else ()
                self._study.sampler = self._sampling.make(stable_seed(self._seed, "ask", trial, *tries) % _SEEDS)
            asked = self._sampling.draw(self._study)
            if all(constraint.met(asked.params) for constraint in self._experiment.parameter_constraints):
                self._note(trial)
                return Suggestion(self._validated(asked.params))
            self._study.tell(asked, state=self._optuna.trial.TrialState.FAIL)
            self._entered += 1
        point = self._instead.ask(trial).parameters
        self._enter(trial, point, draw=self._keeps_a_place)
        return Suggestion(point)

    def _validated(self, point: Mapping[str, Any]) -> dict[str, ParameterValue]:
        try:
            return self._experiment.validate(point)
        except UsageError as error:
            raise ContractError(
                f"Optuna's {self._study.sampler} proposed no point of this experiment: {error}"
            ) from None

    def attach(self, trial: int, suggestion: Suggestion) -> None:
        """Learn that a user proposed a point, which is pending from now on.

        Raises:
            UsageError: It is no point of the experiment.
            ContractError: The trial exists already.
        """
        point = self._experiment.validate(suggestion.parameters)
        self._check_new(trial)
        self._enter(trial, point, draw=self._keeps_a_place if trial in self._its_own else self._takes_guests)

    def tell(self, observation: Observation) -> None:
        """Learn how a trial ended. What there is to learn of a trial that was tried again is entered as a new trial.

        A penalty is entered as a measurement would be, and once: Optuna takes nothing back.

        Raises:
            ContractError: The trial was neither asked nor attached, or an objective was not measured.
        """
        trial, status = observation.trial, observation.status
        completed, penalised = status is TrialStatus.COMPLETED, bool(observation.penalty)
        if trial not in self._open:
            if trial not in self._ended:
                raise ContractError(f"trial {trial} was told, but neither asked nor attached before")
            if not completed and (not penalised or trial in self._penalised):
                return
            self._enter(trial, self._experiment.validate(observation.parameters), draw=self._takes_guests)
        values = self._values(observation) if completed or penalised else None
        state = self._state(TrialStatus.COMPLETED if penalised else status)
        if penalised:
            self._penalised.add(trial)
        self._sampling.told = observation.values
        self._study.tell(self._open[trial], values, state=state)
        self._sampling.learned = self._sampling.learned or state is not self._optuna.trial.TrialState.FAIL
        del self._open[trial]
        self._ended.add(trial)

    def _values(self, observation: Observation) -> list[float]:
        values = observation.values
        missing = [name for name in self._experiment.objectives if name not in values]
        if missing:
            told = "completed" if observation.status is TrialStatus.COMPLETED else "penalised"
            raise ContractError(f"trial {observation.trial} was told as {told} without the objective {missing[0]!r}")
        return [values[name] for name in self._experiment.objectives]

    def _state(self, status: TrialStatus) -> Any:
        states = self._optuna.trial.TrialState
        if status is TrialStatus.COMPLETED:
            return states.COMPLETE
        # Optuna knows early stopping for one objective only. All else gave nothing to learn from.
        stopped_early = status is TrialStatus.EARLY_STOPPED and len(self._experiment.objectives) == 1
        return states.PRUNED if stopped_early else states.FAIL

    def _check_new(self, trial: int) -> None:
        if trial in self._open:
            raise ContractError(f"trial {trial} is pending already; it cannot be asked or attached again")

    def _enter(self, trial: int, point: dict[str, ParameterValue], *, draw: bool) -> None:
        """Make a pending trial of a given point."""
        if draw and self._hurry_at is not None and monotonic() > self._hurry_at:
            draw, self._hurried = False, True
        if draw:
            self._study.enqueue_trial(point)
            # Reading makes the sampler draw, and note what the trial is to it; the values drawn are not used.
            self._sampling.draw(self._study).relative_params  # noqa: B018
        else:
            running = self._optuna.trial.TrialState.RUNNING
            self._study.add_trial(
                self._optuna.trial.create_trial(
                    state=running, params=point, distributions={name: self._sampling.space[name] for name in point}
                )
            )
        self._note(trial)

    def _note(self, trial: int) -> None:
        """Keep which number Optuna gave to the trial: it counts what it is given, our indices may have gaps."""
        self._open[trial] = self._entered
        self._entered += 1

    def restore(self, history: Sequence[HistoryItem]) -> Restored:
        """Go where an optimizer stands that lived through this history."""
        # What is fed, after a difference, is drawn for too: that brings back population and place, but not for ever.
        self._its_own = {item.trial for item in history if isinstance(item, Asked)}
        self._hurry_at = monotonic() + 2 * self.rebuild_seconds
        restored = self._restore(history)
        self._its_own, self._hurry_at = set(), None
        if self._hurried and restored.exact:
            return Restored(exact=False, reason=f"asking again took longer than {2 * self.rebuild_seconds:g} s")
        return restored

    def _restore(self, history: Sequence[HistoryItem]) -> Restored:
        if self.rebuild == "replay":
            return replay(self, history, seconds=self.rebuild_seconds)
        feed(self, history)
        if self._kind is None:
            name = type(self.sampler).__name__
            return Restored(
                exact=False,
                reason=f"the {name} was given as an object: it was fed the history, but its own random numbers and "
                "notes begin anew; name a sampler to have it exact",
            )
        return Restored(exact=True, reason=f"{self._entered} trials were entered as they were recorded")

    def describe(self) -> Json:
        """Return sampler, seed and options."""
        name = self.sampler if isinstance(self.sampler, str) else type(self.sampler).__name__
        return {"type": "optuna", "sampler": name, "seed": self.seed, "options": dict(self.options)}


def _import_optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise MissingExtraError("the optuna optimizer", "optuna") from error
    return optuna
