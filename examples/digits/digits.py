"""Cross-validated accuracy of a support vector machine that reads hand-written digits.

The data are the 1,797 images of 8 x 8 pixels that scikit-learn brings along. A fifth of them is set aside, once, and is
not seen by the search: it is what `held_out` counts on. The rest is cut into five folds, always the same.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Images = NDArray[np.float64]
    Labels = NDArray[np.int64]

WIDTH = 8
BRIGHTEST = 16
FOLDS = 5
DEFAULT = {"kernel": "rbf", "C": 1.0, "gamma": 1.0, "components": 64, "power": 1.0, "shifted": False}
"""The point at which `hits` does what scikit-learn's ``SVC()`` does with the bare pixels."""


@cache
def data() -> tuple[Images, Images, Labels, Labels]:
    """Return images to search with, images set aside, and the labels of each."""
    images, labels = load_digits(return_X_y=True)
    return tuple(train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=0))


def evaluate(
    kernel: str,
    C: float,  # noqa: N803  (the name that the field knows)
    gamma: float,
    components: int,
    power: float,
    shifted: bool,
) -> dict[str, tuple[float, float]]:
    """Return the mean accuracy over the folds with its standard error: a trial. `hits` explains the parameters."""
    scores = fold_scores(kernel=kernel, C=C, gamma=gamma, components=components, power=power, shifted=shifted)
    return {"accuracy": (float(scores.mean()), float(scores.std(ddof=1) / np.sqrt(FOLDS)))}


def fold_scores(**model) -> Images:
    """Return the accuracy in each fold."""
    images, _, labels, _ = data()
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(images, labels)
    return np.array(
        [hits(images[train], labels[train], images[test], labels[test], **model).mean() for train, test in folds]
    )


def held_out(**model) -> NDArray[np.bool_]:
    """Return, for each image set aside, whether the model fitted on all others reads it right."""
    images, aside, labels, answers = data()
    return hits(images, labels, aside, answers, **model)


def hits(
    images: Images,
    labels: Labels,
    unseen: Images,
    answers: Labels,
    *,
    kernel: str,
    C: float,  # noqa: N803
    gamma: float,
    components: int,
    power: float,
    shifted: bool,
) -> NDArray[np.bool_]:
    """Fit a model and return which of the unseen images it reads right.

    Args:
        images: Images to learn from.
        labels: Their digits.
        unseen: Images to read.
        answers: Their digits.
        kernel: ``rbf`` or ``poly`` (of degree 3).
        C: Penalty of an error.
        gamma: Width of the kernel, as a multiple of scikit-learn's ``gamma="scale"``.
        components: How many principal components are kept; with 64 the pixels stay as they are.
        power: Exponent of the brightness; below 1 it makes faint strokes stronger.
        shifted: Whether to learn also from copies moved by one pixel to the left and to the right.
    """
    if shifted:
        images, labels = np.concatenate([images, moved(images, -1), moved(images, 1)]), np.tile(labels, 3)
    images, unseen = (images / BRIGHTEST) ** power, (unseen / BRIGHTEST) ** power
    with threadpool_limits(1):  # the runner keeps the cores busy: one thread a trial, and the same result anywhere
        if components < images.shape[1]:
            axes = PCA(components, svd_solver="full").fit(images)
            images, unseen = axes.transform(images), axes.transform(unseen)
        scale = 1 / (images.shape[1] * images.var())
        model = SVC(C=C, kernel=kernel, gamma=gamma * scale, coef0=1.0 if kernel == "poly" else 0.0)
        return model.fit(images, labels).predict(unseen) == answers


def moved(images: Images, columns: int) -> Images:
    """Return the images moved to the right; what leaves at one side is lost, what enters is dark."""
    squares = np.roll(images.reshape(-1, WIDTH, WIDTH), columns, axis=2)
    squares[:, :, slice(None, columns) if columns > 0 else slice(columns, None)] = 0
    return squares.reshape(len(images), -1)
