"""What is ours around Optuna: names, options, refusals, ends of trials, silence. The suite has the rest."""

from __future__ import annotations

import statistics
import sys
import warnings
from importlib.util import find_spec

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwright import Choice, Experiment, Float, Int, TrialStatus, UsageError
from runwright.errors import ContractError, MissingExtraError
from runwright.optimizer import Asked, Attached, Exhausted, Observation, Restored, Suggestion
from runwright.optimizers import OptunaOptimizer

SPACE = {"x": Float(0, 1), "n": Int(1, 9)}
NAMES = ["tpe", "cmaes", "qmc", "nsgaii", "random"]


def experiment(parameters=SPACE, objectives=("y",), seed=0, direction="minimize"):
    return Experiment("e", parameters, dict.fromkeys(objectives, direction), seed=seed)


def ready(*args, of=None, **settings):
    optimizer = OptunaOptimizer(*args, **settings)
    optimizer.setup(experiment() if of is None else of)
    return optimizer


def done(trial, parameters, **metrics):
    measured = {name: (value, None) for name, value in (metrics or {"y": 1.0}).items()}
    return Observation(trial, parameters, TrialStatus.COMPLETED, measured)


def ended(trial, parameters, status):
    return Observation(trial, parameters, status)


def states(optimizer):
    return [trial.state.name for trial in optimizer._study.get_trials(deepcopy=False)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sampler": "tep"}, "there is no sampler 'tep'; known are .*; did you mean 'tpe'"),
        ({"sampler": "annealing"}, "there is no sampler 'annealing'; known are cmaes, gp, nsgaii, qmc, random, tpe$"),
        ({"sampler": 7}, "the sampler must be one of tpe, gp, .* or a sampler object of Optuna, not 7"),
        ({"options": {"gama": 1}}, "the sampler tpe has no option 'gama'; known are .*; did you mean 'gamma'"),
        ({"sampler": "random", "options": {"x": 1}}, "the sampler random has no option 'x'; it has none"),
        ({"options": {"gamma": 1}}, "the option 'gamma' of the sampler tpe takes an object that a file cannot hold"),
        ({"options": {"seed": 1}}, "the seed is no option of the sampler"),
        ({"options": {"n_startup_trials": "five"}}, "'n_startup_trials' of the sampler tpe must be int, not 'five'"),
        ({"options": {"n_startup_trials": 2.5}}, "must be int, not 2.5"),
        ({"options": {"n_startup_trials": True}}, "must be int, not True"),
        ({"options": {"n_startup_trials": -1}}, "must be at least 0, not -1"),
        ({"options": {"n_ei_candidates": 0}}, "must be at least 1, not 0"),
        (
            {"options": {"n_ei_candidates": 10**12}},
            "'n_ei_candidates' of the sampler tpe must be at most 100000, not 10+",
        ),
        ({"sampler": "cmaes", "options": {"popsize": 10**12}}, "must be at most 100000, not 10+"),
        ({"options": {"multivariate": 1}}, "must be bool or null, not 1"),
        ({"sampler": "cmaes", "options": {"popsize": 3}}, "'popsize' of the sampler cmaes must be at least 4, not 3"),
        ({"sampler": "cmaes", "options": {"sigma0": float("nan")}}, "must be finite, not nan"),
        ({"sampler": "qmc", "options": {"qmc_type": "lattice"}}, "the sampler qmc refuses its options: .*lattice"),
        ({"sampler": "nsgaii", "options": {"mutation_prob": 7.0}}, "the sampler nsgaii refuses its options"),
        ({"options": {"group": True, "multivariate": False}}, "the sampler tpe refuses its options: .*group"),
        ({"options": [1]}, "the options of the sampler tpe must be a mapping"),
        ({"seed": -1}, "the seed of the optuna optimizer must be an integer"),
        ({"seed": 1.0}, "the seed of the optuna optimizer must be an integer"),
        ({"rebuild_seconds": 0}, "rebuild_seconds must be a positive number of seconds, not 0"),
        ({"rebuild_seconds": "1 min"}, "rebuild_seconds must be a positive number of seconds, not '1 min'"),
    ],
)
def test_wrong_settings_are_refused_by_a_sentence(arguments, message):
    with pytest.raises(UsageError, match=message) as caught:
        OptunaOptimizer(**arguments)
    assert "\n" not in str(caught.value)


def test_options_reach_the_sampler():
    optimizer = ready("tpe", options={"n_startup_trials": 3, "multivariate": None})
    assert optimizer._study.sampler._n_startup_trials == 3
    assert optimizer.describe()["options"] == {"n_startup_trials": 3, "multivariate": None}


def test_tpe_is_multivariate_for_one_objective_and_lies_constantly():
    one, two = ready(), ready(of=experiment(objectives=("a", "b")))
    assert one._study.sampler._multivariate
    assert not two._study.sampler._multivariate
    assert one._study.sampler._constant_liar
    assert two._study.sampler._constant_liar


@pytest.mark.parametrize(
    ("name", "of", "message"),
    [
        ("tpe", experiment(objectives=()), "the optuna optimizer needs an objective; this experiment has none"),
        ("qmc", experiment({"n": Int(0, 2**53 + 1)}), r"parameter 'n': .* must be within 2\*\*53"),
        ("cmaes", experiment(objectives=("a", "b")), "CMA-ES takes one objective, not a, b; use tpe, gp, nsgaii"),
        ("cmaes", experiment({"c": Choice(["a", "b"])}), "CMA-ES cannot search the choice 'c'.*use tpe, or accept"),
    ],
)
def test_experiments_that_a_sampler_cannot_search_are_refused(name, of, message):
    with pytest.raises(UsageError, match=message):
        ready(name, of=of)


@pytest.mark.parametrize(
    ("library", "sampler", "extra"),
    [
        ("optuna", "tpe", "runwright[optuna]"),
        ("cmaes", "cmaes", "runwright[optuna]"),
        ("scipy", "qmc", "runwright[optuna]"),
        ("torch", "gp", "runwright[optuna-gp]"),
    ],
)
def test_a_missing_library_is_named_by_its_pip_command(monkeypatch, library, sampler, extra):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError) as caught:
        OptunaOptimizer(sampler)
    assert f"pip install '{extra}'" in str(caught.value)


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed")
def test_gp_without_torch_says_which_extra_brings_it():
    with pytest.raises(MissingExtraError, match=r"the gp sampler of the optuna optimizer needs .*optuna-gp"):
        OptunaOptimizer("gp")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_printed_logged_or_warned_and_global_settings_stay(name, capfd):
    level = optuna.logging.get_verbosity()
    ready(name).restore([])
    drawn = ready(name)
    for index in range(5):  # numerical libraries are imported now, and set filters of their own
        drawn.tell(done(index, drawn.ask(index).parameters))
    filters = list(warnings.filters)
    try:
        optimizer = ready(name, of=experiment({"x": Float(0, 1), "n": Int(1, 9)}))
        for index in range(15):
            point = optimizer.ask(index).parameters
            optimizer.tell(done(index, point, y=point["x"]))
        optimizer.attach(15, Suggestion({"x": 0.5, "n": 3}))
    finally:
        assert optuna.logging.get_verbosity() == level
    assert capfd.readouterr() == ("", "")
    assert warnings.filters == filters


def test_a_deprecated_option_is_said_once():
    with pytest.warns(FutureWarning, match="prior_weight"):
        optimizer = OptunaOptimizer("tpe", options={"prior_weight": 2.0})
    optimizer.setup(experiment())
    for index in range(3):
        optimizer.ask(index)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_is_that_of_the_experiment_unless_given(name):
    points = [
        ready(name, seed=seed, of=experiment(seed=other)).ask(0) for seed, other in [(None, 5), (5, 0), (None, 6)]
    ]
    assert points[0] == points[1] != points[2]


def test_large_seeds_are_seeds():
    assert ready(seed=2**63 - 1).ask(0) != ready(seed=2**63 - 2).ask(0)
    assert ready("cmaes", seed=2**63 - 1).ask(0) != ready("cmaes", seed=2**63 - 2).ask(0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tpe", "cmaes", "nsgaii"])
def test_what_is_told_is_learned_in_the_right_direction(name):
    options = {"population_size": 8, "mutation_prob": 0.1} if name == "nsgaii" else {}
    late = {}
    for direction in ("minimize", "maximize"):
        of = experiment({"x": Float(0, 1), "z": Float(0, 1)}, direction=direction)
        optimizer = ready(name, of=of, options=options)
        distances = []
        for index in range(150):
            point = optimizer.ask(index).parameters
            distances.append((point["x"] - 0.6) ** 2 + (point["z"] - 0.6) ** 2)
            optimizer.tell(done(index, point, y=distances[-1]))
        late[direction] = statistics.median(distances[-40:])
    assert late["minimize"] < 0.05
    assert late["maximize"] > 0.25


def test_each_objective_has_its_own_direction():
    of = Experiment("e", SPACE, {"a": "maximize", "b": "minimize"})
    optimizer = ready("nsgaii", of=of)
    point = optimizer.ask(0).parameters
    optimizer.tell(done(0, point, b=2.0, unasked=9.0, a=1.0))
    assert [direction.name for direction in optimizer._study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert optimizer._study.trials[0].values == [1.0, 2.0]


@pytest.mark.parametrize("status", [TrialStatus.FAILED, TrialStatus.ABANDONED, TrialStatus.STALE])
def test_an_end_without_a_result_is_a_failure_to_optuna(status):
    optimizer = ready()
    point = optimizer.ask(0).parameters
    optimizer.tell(ended(0, point, status))
    assert states(optimizer) == ["FAIL"]


def test_early_stopping_is_pruning_where_optuna_knows_it():
    one, two = ready(), ready(of=experiment(objectives=("a", "b")))
    for optimizer, state in ((one, "PRUNED"), (two, "FAIL")):
        point = optimizer.ask(0).parameters
        optimizer.tell(ended(0, point, TrialStatus.EARLY_STOPPED))
        assert states(optimizer) == [state]


@pytest.mark.parametrize("name", NAMES)
def test_the_result_of_a_trial_that_was_tried_again_counts(name):
    optimizer = ready(name)
    point = optimizer.ask(0).parameters
    optimizer.tell(ended(0, point, TrialStatus.FAILED))
    optimizer.tell(ended(0, point, TrialStatus.FAILED))
    optimizer.tell(done(0, point, y=0.25))
    assert states(optimizer) == ["FAIL", "COMPLETE"]
    last = optimizer._study.trials[-1]
    assert (last.params, last.values) == (point, [0.25])
    follower = optimizer.ask(1).parameters
    optimizer.tell(done(1, follower, y=0.5))
    assert states(optimizer) == ["FAIL", "COMPLETE", "COMPLETE"]


def penalised(trial, parameters, **penalty):
    return Observation(trial, parameters, TrialStatus.FAILED, penalty=penalty)


def test_a_penalty_is_a_measurement_to_optuna():
    optimizer = ready("random")
    optimizer.tell(penalised(0, optimizer.ask(0).parameters, y=1000.0))
    assert states(optimizer) == ["COMPLETE"]
    assert optimizer._study.trials[0].values == [1000.0]


def test_a_penalty_is_entered_once_and_a_later_result_beside_it():
    """Optuna takes back nothing that it was told."""
    optimizer = ready("random")
    point = optimizer.ask(0).parameters
    for told in (ended(0, point, TrialStatus.FAILED), penalised(0, point, y=5.0), penalised(0, point, y=5.0)):
        optimizer.tell(told)
    assert states(optimizer) == ["FAIL", "COMPLETE"]
    optimizer.tell(ended(0, point, TrialStatus.FAILED))
    optimizer.tell(done(0, point, y=1.0))
    assert [trial.values for trial in optimizer._study.trials] == [None, [5.0], [1.0]]


def test_a_penalty_must_name_the_objective():
    optimizer = ready("random")
    with pytest.raises(ContractError, match=r"^trial 0 was told as penalised without the objective 'y'$"):
        optimizer.tell(penalised(0, optimizer.ask(0).parameters, z=1.0))


def test_broken_calls_are_named():
    optimizer = ready()
    point = optimizer.ask(3).parameters
    with pytest.raises(ContractError, match="trial 3 is pending already"):
        optimizer.ask(3)
    with pytest.raises(ContractError, match="trial 3 is pending already"):
        optimizer.attach(3, Suggestion(point))
    with pytest.raises(ContractError, match="trial 4 was told, but neither asked nor attached"):
        optimizer.tell(done(4, point))
    with pytest.raises(ContractError, match="trial 3 was told as completed without the objective 'y'"):
        optimizer.tell(done(3, point, loss=1.0))
    optimizer.tell(done(3, point))
    with pytest.raises(UsageError, match="parameter 'n': the value 10 is outside the bounds"):
        optimizer.attach(5, Suggestion({"x": 0.5, "n": 10}))


def noted(optimizer):
    """Whether the sampler noted something in each trial."""
    return [any("generation" in key for key in trial.system_attrs) for trial in optimizer._study.trials]


def test_points_of_users_join_the_population():
    optimizer = ready("nsgaii", options={"population_size": 4, "mutation_prob": 0.0})
    for index in range(4):
        optimizer.attach(index, Suggestion({"x": 0.5, "n": 5}))
        optimizer.tell(done(index, {"x": 0.5, "n": 5}))
    assert noted(optimizer) == [True] * 4
    assert optimizer.ask(4).parameters == {"x": 0.5, "n": 5}, "the children of equal parents are equal"


def test_points_of_users_do_not_upset_cmaes_nor_use_up_a_sequence():
    optimizer = ready("cmaes")
    for index in range(3):
        optimizer.attach(index, Suggestion({"x": 0.5, "n": 5}))
        optimizer.tell(done(index, {"x": 0.5, "n": 5}))
    assert noted(optimizer) == [False] * 3
    alone, visited = ready("qmc"), ready("qmc")
    expected = [alone.ask(index).parameters for index in range(6)]
    got = [visited.ask(0).parameters]
    visited.attach(1, Suggestion({"x": 0.5, "n": 5}))
    got += [visited.ask(index).parameters for index in range(2, 7)]
    assert got == expected


def lives(name, count, **settings):
    """Let an optimizer live; return it with its history."""
    optimizer, history = ready(name, **settings), []
    for index in range(count):
        suggestion = optimizer.ask(index)
        history += [Asked(index, suggestion), done(index, suggestion.parameters, y=suggestion.parameters["x"])]
        optimizer.tell(history[-1])
    return optimizer, history


@pytest.mark.parametrize(("margin", "drawn"), [(False, True), (True, False)])
def test_after_a_difference_cmaes_follows_the_recorded_points(margin, drawn):
    options = {"with_margin": margin}
    _, history = lives("cmaes", 20, seed=1, options=options)
    restored = ready("cmaes", seed=2, options=options)
    outcome = restored.restore(history)
    assert not outcome.exact
    assert "trial 0 came out differently" in outcome.reason
    assert states(restored) == ["FAIL"] + ["COMPLETE"] * 20
    assert noted(restored)[5:] == [drawn] * 16


def test_after_a_difference_a_sequence_goes_on_where_it_was():
    lived, history = lives("qmc", 10)
    history[4] = Asked(2, Suggestion({"x": 0.123, "n": 1}))
    history[5] = done(2, {"x": 0.123, "n": 1})
    restored = ready("qmc")
    assert not restored.restore(history).exact
    expected = [lived.ask(index).parameters for index in range(10, 14)]
    got = [restored.ask(index).parameters for index in range(10, 13)]
    assert got == expected[1:], "the point that was taken back is used up"


def test_a_replay_without_time_is_said_and_goes_on():
    _, history = lives("cmaes", 8)
    restored = ready("cmaes", rebuild_seconds=1e-9)
    outcome = restored.restore(history)
    assert not outcome.exact
    assert outcome.reason == "asking again took longer than 1e-09 s; from trial 0 on the history was fed"
    assert states(restored) == ["COMPLETE"] * 8
    assert noted(restored) == [False] * 8
    restored.ask(8)


def test_points_of_users_that_are_taken_in_without_time_are_said():
    point = Suggestion({"x": 0.5, "n": 5})
    restored = ready("nsgaii", rebuild_seconds=1e-9)
    outcome = restored.restore([Attached(0, point), done(0, point.parameters), Attached(1, point)])
    assert outcome == Restored(exact=False, reason="asking again took longer than 2e-09 s")
    assert states(restored) == ["COMPLETE", "RUNNING"]
    restored.attach(2, point)
    assert noted(restored) == [False, False, True]


def test_a_grid_sampler_is_refused():
    with pytest.raises(UsageError, match="enqueue the points of the grid instead"):
        OptunaOptimizer(optuna.samplers.GridSampler({"x": [0, 1]}))


def test_a_sampler_object_has_its_own_seed_and_options():
    sampler = optuna.samplers.TPESampler(seed=1)
    for arguments in ({"seed": 1}, {"options": {"n_startup_trials": 3}}):
        with pytest.raises(UsageError, match="a sampler object has its own seed and options"):
            OptunaOptimizer(sampler, **arguments)
    assert OptunaOptimizer(sampler).describe() == {
        "type": "optuna",
        "sampler": "TPESampler",
        "seed": None,
        "options": {},
    }


def test_a_sampler_object_is_marked_as_not_exact():
    outcome = ready(optuna.samplers.TPESampler(seed=1)).restore([])
    assert not outcome.exact
    assert "the TPESampler was given as an object" in outcome.reason


def test_an_object_that_fixes_what_is_no_value_is_named():
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        sampler = optuna.samplers.PartialFixedSampler({"n": 99}, optuna.samplers.RandomSampler(seed=1))
    optimizer = ready(sampler)
    with (
        pytest.warns(UserWarning, match="out of range"),
        pytest.raises(ContractError, match="PartialFixedSampler proposed no point of this experiment: parameter 'n'"),
    ):
        optimizer.ask(0)


@pytest.fixture
def brute_force():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.BruteForceSampler(seed=1)


def test_a_search_that_has_been_through_all_points_ends(brute_force):
    of = experiment({"a": Int(1, 2), "b": Choice(["u", "v"])})
    optimizer = ready(brute_force, of=of)
    history = []
    for index in range(4):
        suggestion = optimizer.ask(index)
        history += [Asked(index, suggestion), done(index, suggestion.parameters)]
        optimizer.tell(history[-1])
    assert len({tuple(item.suggestion.parameters.items()) for item in history[::2]}) == 4
    with pytest.raises(Exhausted):
        optimizer.ask(4)
    restored = ready(brute_force, of=of)
    restored.restore(history[:-2])
    last = restored.ask(3)
    assert last == history[-2].suggestion, "one point was left"
    restored.tell(done(3, last.parameters))
    with pytest.raises(Exhausted):
        restored.ask(4)


def test_brute_force_over_real_numbers_is_refused(brute_force):
    with pytest.raises(UsageError, match="a BruteForceSampler cannot go through the real parameter 'x'"):
        ready(brute_force)


floats = st.floats(-1e100, 1e100)


@st.composite
def ranges(draw):
    if draw(st.booleans()):
        low, high = sorted(draw(st.lists(st.integers(-(2**40), 2**40), min_size=2, max_size=2, unique=True)))
        return Int(low, high, log=low > 0 and draw(st.booleans()))
    low, high = sorted(draw(st.lists(floats, min_size=2, max_size=2, unique=True)))
    return Float(low, high, log=low > 1e-100 and draw(st.booleans()))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@given(st.lists(ranges(), min_size=1, max_size=3), st.integers(0, 2**63 - 1))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_whatever_the_bounds_points_are_within(name, space, seed):
    of = experiment({f"p{number}": parameter for number, parameter in enumerate(space)}, seed=seed)
    optimizer = ready(name, of=of, options={"n_startup_trials": 2} if name in ("tpe", "cmaes") else {})
    for index in range(8):
        point = optimizer.ask(index).parameters
        assert of.validate(point) == point
        optimizer.tell(done(index, point, y=float(index % 3)))
