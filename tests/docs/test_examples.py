"""The examples do what their pages say, through the real command line, in a copy of their folder."""

import csv
import importlib.util
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNWRIGHT = Path(sys.executable).with_name("runwright")
BEST_RMSE = 17.15879  # of the least-squares fit by another program: see examples/epidemic/README.md
BEST_RATES = {"beta": 1.66923, "gamma": 0.44345}
DEADLINE = 300  # seconds; only a hang takes so long


@pytest.fixture
def example(tmp_path, request):
    """A copy of the example that the test is marked with, in a folder whose name has a space."""
    source = EXAMPLES / request.param
    return Path(shutil.copytree(source, tmp_path / "a copy" / source.name, ignore=shutil.ignore_patterns("runs")))


def call(*words, text=None, cwd=None, env=None):
    """Run a command to its end and return its standard output; its errors show in the report."""
    done = subprocess.run(
        [str(word) for word in words],
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=DEADLINE,
        cwd=cwd,
        env=None if env is None else os.environ | env,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def run(folder, *options):
    """Run the experiment of an example and return its trials as exported."""
    told = call(RUNWRIGHT, "run", folder / f"{folder.name}.yaml", *options)
    return told, export(folder)


def export(folder):
    return json.loads(call(RUNWRIGHT, "export", folder / "runs" / folder.name, "--format", "json"))


def best(trials, metric, pick):
    return pick(trials, key=lambda trial: trial["metrics"][metric]["mean"])


def load(path):
    """Import a file under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Branin


def test_branin_has_its_three_minima():
    example = load(EXAMPLES / "branin" / "branin.py")
    assert [example.branin(*point) for point in example.MINIMISERS] == pytest.approx([example.MINIMUM] * 3, abs=1e-6)
    around = [(x1 / 10, x2 / 10) for x1 in range(-50, 101) for x2 in range(0, 151, 5)]
    assert min(example.branin(*point) for point in around) >= example.MINIMUM


@pytest.mark.slow
@pytest.mark.parametrize("example", ["branin"], indirect=True)
def test_branin_comes_near_the_minimum_and_a_second_run_changes_nothing(example):
    told, trials = run(example)
    assert [trial["status"] for trial in trials] == ["COMPLETED"] * 50
    value = best(trials, "y", min)["metrics"]["y"]["mean"]
    assert 0.3978 < value < 1
    assert f"{value:.4g}" in told
    journal = (example / "runs" / "branin" / "journal.sqlite").stat().st_size
    again, same = run(example)
    assert same == trials
    assert "nothing was left to do" in again
    assert (example / "runs" / "branin" / "journal.sqlite").stat().st_size == journal


# Epidemic


def counts():
    with (EXAMPLES / "epidemic" / "in_bed.csv").open() as file:
        return list(csv.DictReader(file))


def sir(beta, gamma, column="in_bed", program="awk", **env):
    """Run the simulator; the rates go in as text."""
    folder = EXAMPLES / "epidemic"
    words = [program, "-f", folder / "sir.awk", "-v", f"beta={beta}", "-v", f"gamma={gamma}", "-v", f"column={column}"]
    return json.loads(call(*words, folder / "in_bed.csv", env=env))


def reference(beta, gamma, days=14, boys=763):
    """Integrate the same model by a program that others wrote."""
    integrate = pytest.importorskip("scipy.integrate").solve_ivp

    def rates(_, state):
        infections = beta * state[0] * state[1] / boys
        return [-infections, infections - gamma * state[1]]

    return integrate(rates, (0, days), [boys - 1, 1], t_eval=range(1, days + 1), rtol=1e-10, atol=1e-10).y[1]


def test_the_series_has_fourteen_days_and_both_readings_agree_within_the_width_of_a_pen():
    days = counts()
    assert [day["date"] for day in (days[0], days[-1])] == ["1978-01-22", "1978-02-04"]
    assert len(days) == 14
    assert max(abs(int(day["in_bed"]) - int(day["in_bed_murray"])) for day in days) == 16


@pytest.mark.slow
@pytest.mark.parametrize(("beta", "gamma"), [(1.66923, 0.44345), (0.5, 1.0), (5.0, 0.1), (0.9, 0.3)])
def test_the_simulator_agrees_with_another_integrator(beta, gamma):
    expected = reference(beta, gamma)
    answer = sir(beta, gamma)
    assert answer["info"]["in_bed"] == pytest.approx(expected, abs=0.051)  # one decimal is printed
    counted = [int(day["in_bed"]) for day in counts()]
    assert answer["info"]["sse"] == pytest.approx(sum((expected - counted) ** 2), rel=1e-6)
    assert answer["rmse"] == pytest.approx(math.sqrt(answer["info"]["sse"] / 14))
    assert answer["R0"] == pytest.approx(beta / gamma)


@pytest.mark.parametrize("program", ["awk", "mawk", "gawk", "original-awk"])
def test_every_awk_gives_the_same(program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    assert sir(1.7, 0.45, program=program)["rmse"] == pytest.approx(sir(1.7, 0.45, "in_bed")["rmse"], rel=1e-8)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (["beta=1"], "gamma must be a positive number, not ''"),
        (["beta=nan", "gamma=1"], "beta must be a positive number, not 'nan'"),
        (["beta=1", "gamma=-1"], "gamma must be a positive number, not '-1'"),
        (["beta=1", "gamma=1", "column=x"], "no column 'x'"),
    ],
)
def test_the_simulator_refuses_what_it_cannot_use(settings, complaint):
    folder = EXAMPLES / "epidemic"
    words = ["awk", "-f", folder / "sir.awk", *(word for setting in settings for word in ("-v", setting))]
    done = subprocess.run([*words, folder / "in_bed.csv"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("example", ["epidemic"], indirect=True)
def test_the_epidemic_is_calibrated(example):
    _, trials = run(example)
    assert [trial["status"] for trial in trials] == ["COMPLETED"] * 100
    found = best(trials, "rmse", min)
    assert BEST_RMSE - 1e-3 <= found["metrics"]["rmse"]["mean"] < BEST_RMSE + 1
    assert found["parameters"] == pytest.approx(BEST_RATES, rel=0.05)
    assert found["metrics"]["R0"]["mean"] == pytest.approx(3.764, rel=0.06)
    answer = json.loads((example / "runs/epidemic/trials" / str(found["index"]) / "1/result.json").read_text())
    assert answer["rmse"] == found["metrics"]["rmse"]["mean"]


# Digits


@pytest.fixture(scope="module")
def digits():
    pytest.importorskip("sklearn")
    return load(EXAMPLES / "digits" / "digits.py")


@pytest.mark.slow
def test_the_first_point_is_the_default_model(digits):
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.svm import SVC

    images, aside, labels, _ = digits.data()
    assert (len(images), len(aside)) == (1437, 360)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    assert digits.fold_scores(**digits.DEFAULT) == pytest.approx(cross_val_score(SVC(), images, labels, cv=folds))


def test_moved_images_lose_one_column(digits):
    image = digits.data()[0][:1]
    for columns in (-1, 1):
        moved = digits.moved(image, columns).reshape(8, 8)
        kept, taken = (slice(1, 8), slice(0, 7)) if columns > 0 else (slice(0, 7), slice(1, 8))
        assert (moved[:, kept] == image.reshape(8, 8)[:, taken]).all()
        assert moved.sum() == image.reshape(8, 8)[:, taken].sum()


@pytest.mark.slow
@pytest.mark.parametrize("example", ["digits"], indirect=True)
def test_digits_are_searched_and_compared(example):
    pytest.importorskip("sklearn")
    _, trials = run(example, "--trials", "4")
    assert [trial["status"] for trial in trials] == ["COMPLETED"] * 4
    first = trials[0]
    assert first["parameters"] == {
        "kernel": "rbf", "C": 1, "gamma": 1, "components": 64, "power": 1, "shifted": False
    }  # fmt: skip
    assert first["metrics"]["accuracy"]["mean"] == pytest.approx(0.98608, abs=1e-3)
    assert first["metrics"]["accuracy"]["sem"] > 0
    told = call(sys.executable, example / "compare.py", text=json.dumps(trials))
    assert "default model, SVC()          0.98" in told
    assert f"{best(trials, 'accuracy', max)['metrics']['accuracy']['mean']:.4f}" in told
    assert "sign test: p = " in told
