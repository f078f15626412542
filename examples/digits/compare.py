"""Print the best model of a search beside the default one: on the folds of the search, and on images it never saw.

runwright export runs/digits --format json | python compare.py
"""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

import digits

if TYPE_CHECKING:
    from collections.abc import Iterable

Trial = dict[str, Any]


def main() -> int:
    """Read an export from standard input, print the comparison."""
    trials = [trial for trial in json.load(sys.stdin) if trial["status"] == "COMPLETED"]
    default = next((trial for trial in trials if trial["parameters"] == digits.DEFAULT), None)
    if default is None:
        sys.exit("compare.py: no trial of the default model is completed; it stands under `enqueue` in digits.yaml")
    best = max(trials, key=lambda trial: trial["metrics"]["accuracy"]["mean"])
    print(f"\n{'':30}cross-validated accuracy   images set aside")
    plain_folds, plain_right = show("default model, SVC()", default)
    tuned_folds, tuned_right = show(f"best of {len(trials)} models (trial {best['index']})", best)
    gains = [tuned - plain for tuned, plain in zip(tuned_folds, plain_folds, strict=True)]
    print(f"\nfolds: {counted(gains)}")
    print(f"images set aside: {disagreement(tuned_right, plain_right)}")
    return 0


def show(name: str, trial: Trial) -> tuple[list[float], list[bool]]:
    """Print a model's line, after having checked that its recorded accuracy can be had again."""
    folds = digits.fold_scores(**trial["parameters"])
    recorded = trial["metrics"]["accuracy"]
    if not math.isclose(folds.mean(), recorded["mean"], abs_tol=1e-9):
        sys.exit(f"compare.py: trial {trial['index']} recorded {recorded['mean']}, but its folds give {folds.mean()}")
    right = digits.held_out(**trial["parameters"])
    aside = f"{right.mean():.4f} ({right.sum()} of {len(right)})"
    print(f"{name:30}{recorded['mean']:.4f} ± {recorded['sem']:.4f}            {aside}")
    return [float(score) for score in folds], [bool(hit) for hit in right]


def counted(gains: Iterable[float]) -> str:
    """Say in how many folds the best model does better."""
    signs = [(gain > 0) - (gain < 0) for gain in gains]
    return f"the best model is better in {signs.count(1)}, equal in {signs.count(0)}, worse in {signs.count(-1)}"


def disagreement(tuned: list[bool], plain: list[bool]) -> str:
    """Compare two models image by image, with the exact two-sided sign test."""
    pairs = list(zip(tuned, plain, strict=True))
    won, lost = pairs.count((True, False)), pairs.count((False, True))
    differ = won + lost
    tail = sum(math.comb(differ, k) for k in range(min(won, lost) + 1)) / 2**differ
    chance = min(1.0, 2 * tail)
    return f"{won} read right only by the best model, {lost} only by the default one (sign test: p = {chance:.2g})"


if __name__ == "__main__":
    sys.exit(main())
